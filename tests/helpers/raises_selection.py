"""Budgets and arrays that no selection can keep, and what the message must hold."""

import numpy as np
import pandas as pd

from holdfast import override_threshold, rows_to_certify, select
from holdfast.selection.multipliers import _check_reachable

PROBA = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
NEW = PROBA[::-1]
GROUPS = pd.DataFrame({"country": ["DE", "DE", "FR"]})


def choose(candidates=(NEW,), base=PROBA, y=(0, 1, 0), **options):
    if "min_accuracy" not in options:
        options = {"max_churn": 1.0} | options
    return select(candidates, base, y, **options)


CASES = {
    "selection/budget.py Budget.of #1": (
        lambda: choose(min_accuracy=0.5, max_negative_flips=0.1),
        "give the share of answers that may change, 1.0 for any, in place of min_accuracy",
    ),
    "selection/budget.py _read_max_churn #1": (
        lambda: choose(max_churn={}),
        "max_churn must name at least one limit, got an empty mapping",
    ),
    "selection/certificate.py rows_to_certify #1": (
        lambda: rows_to_certify(0.1, spent=1.0),
        "spent must be below 1, got 1.0",
    ),
    "selection/limits.py Limit.rows #2": (
        lambda: choose(max_churn={"country=IT": 0.1}, groups=GROUPS),
        "got none among 3 rows; 'country' has DE, FR",
    ),
    "selection/limits.py group_columns #1": (
        lambda: choose(max_churn={"city=Rome": 0.1}, groups=GROUPS),
        "max_churn must name groups by columns of `groups`, got 'city'; correct the name",
    ),
    "selection/limits.py group_limit #1": (
        lambda: choose(max_churn={"DE": 0.1}),
        "max_churn must have keys 'overall' or 'column=value', got 'DE'",
    ),
    "selection/mixtures.py Mixtures.of #1": (
        lambda: choose(base=np.full((3, 2), np.nan)),
        "base_proba must have a prediction for at least one selection row, got none",
    ),
    "selection/mixtures.py Mixtures.with_base #1": (
        lambda: choose(base=[[np.nan, np.nan], *PROBA[1:]], include_base=True),
        "include_base must be False where base predictions are missing",
    ),
    "selection/multipliers.py _check_reachable #1": (
        lambda: _check_reachable(np.array([0.2]), [0.1], ["country=DE"]),
        "country=DE must be at least 0.2 here, got 0.1: the answers that must change",
    ),
    "selection/override.py _check #1": (
        lambda: override_threshold(NEW, [0, 1, 2], max_churn=0.1),
        "base_pred must be columns from 0 to 1 (or -1) of shape (n,), got 0 to 2",
    ),
    "selection/override.py largest_kept #1": (
        lambda: override_threshold(NEW, [0, 1, -1], max_churn=0.1),
        "max_churn must be at least 0.3333 here, got 0.1: that share of the base model's answers",
    ),
    "selection/search.py _raise_infeasible #1": (
        lambda: choose([1 - PROBA], max_churn={"overall": 1.0, "country=DE": 0.0}, groups=GROUPS),
        "raise these limits, add candidates of larger λ",
    ),
    "selection/search.py _raise_infeasible #4": (
        lambda: choose(y=[1, 0, 1], min_accuracy=1.0),
        "min_accuracy must be at most 0 with these candidates, got 1; lower it",
    ),
    "selection/weights.py _check_answered #1": (
        lambda: choose(answered=[1, 1, 0]),
        "answered must be booleans of shape (3,), got dtype int64 and shape (3,)",
    ),
    "selection/weights.py _check_arrays #1": (
        lambda: choose(y=[0, 1, 2]),
        "y must be among the classes of the columns, got 2",
    ),
    "selection/weights.py _check_base_pred #1": (
        lambda: choose(base_pred=[0, 1, 2]),
        "base_pred must be columns from 0 to 1 (or -1) of shape (n,), got 0 to 2",
    ),
    "selection/weights.py _check_budget #1": (
        lambda: choose(max_churn=None),
        "got max_churn=None and min_accuracy=None",
    ),
    "selection/weights.py _check_candidates #1": (
        lambda: choose(candidates=[]),
        "candidate_proba must hold at least one candidate, got none",
    ),
    "selection/weights.py _check_candidates #2": (
        lambda: choose(candidates=[NEW[:2]]),
        "candidate_proba[0] must have the shape of base_proba (3, 2), got (2, 2)",
    ),
    "selection/weights.py check_average_in #1": (
        lambda: choose(churn="brier", average_in="log_odds"),
        "average_in must be 'probability' with churn='brier', got 'log_odds'",
    ),
}
