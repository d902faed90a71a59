"""Parameters and arrays are checked once, at the face, and travel checked."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import InvalidInputError, LowChurnClassifier
from holdfast.common import arrays
from holdfast.selection.budget import Budget
from holdfast.update import settings as settings_module
from holdfast.update.settings import Settings

X, Y = make_classification(900, n_features=6, n_informative=5, n_redundant=0, random_state=0)
BASE = LogisticRegression(C=0.01).fit(X[:200], Y[:200])


@pytest.fixture
def checks(monkeypatch):
    """Count the budgets that are parsed, and the arrays whose probabilities are checked."""
    counted = Counter()

    def counting(name, function):
        def call(*args, **options):
            counted[name] += 1
            return function(*args, **options)

        return call

    of = counting("budgets", Budget.of)
    monkeypatch.setattr(settings_module.Budget, "of", of)
    check = counting("probabilities", arrays.check_proba_rows)
    monkeypatch.setattr(arrays, "check_proba_rows", check)
    return counted


@pytest.mark.parametrize(
    ("params", "served"),
    [({}, 0), ({"mixture": "override"}, 1), ({"method": "auto", "confidence": 0.9}, 1)],
)
def test_one_fit_checks_each_input_once(checks, params, served):
    lambdas = {"lambdas": [0.3, 0.6]}
    model = LowChurnClassifier(LogisticRegression(), BASE, max_churn=0.05, random_state=0)
    model.set_params(**lambdas | params).fit(X, Y)
    assert checks["budgets"] == 1
    # The base model's predictions, and each candidate's on the selection rows. What is served is
    # then asked for its answers, and asks the base model and itself, as in production.
    n_candidates = len(model.path_.candidates)
    inputs = 1 + n_candidates
    assert inputs <= checks["probabilities"] <= inputs + 8 * max(served, 1)
    before = checks.copy()
    model.with_budget(max_churn=0.03)
    assert checks["budgets"] == before["budgets"] + 1


def params_of(**changed):
    model = LowChurnClassifier(LogisticRegression(), BASE).set_params(**changed)
    return model.get_params(deep=False)


def test_settings_hold_the_budget():
    settings = Settings.of(params_of(max_churn={"overall": 0.1, "x=1": 0.2}, churn="hard"))
    assert settings.budget.max_churn == 0.1
    assert [one.name for one in settings.budget.others] == ["x=1"]
    assert settings.budget.columns == ["x"]
    assert settings.has_base_model
    assert settings.divergence == "kl"
    assert Settings.of(params_of(max_churn=0.1, churn="brier")).divergence == "brier"


@pytest.mark.parametrize(
    ("changed", "competes"),
    [
        ({"method": "auto"}, True),
        ({"method": ["distill", "auto"]}, True),
        ({"method": "distill"}, False),
        ({"method": "auto", "mixture": "single"}, False),
        ({"method": "auto", "include_base": False}, False),
        ({"method": "auto", "churn": "kl"}, False),
        ({"method": "auto", "base_model": None}, False),
    ],
)
def test_when_an_override_competes(changed, competes):
    assert Settings.of(params_of(max_churn=0.1, **changed)).override_competes is competes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mixture": "mean"}, "mixture must be one of"),
        ({"churn": "soft"}, "churn must be one of"),
        ({"average_in": "logits"}, "average_in must be one of"),
        ({"include_base": "no"}, "include_base must be one of"),
        ({"refit": 1}, "refit must be True or False, got 1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be in"),
        ({"max_churn": 0.1, "min_accuracy": 0.9}, "only one of max_churn and min_accuracy"),
        ({"min_accuracy": 2}, "min_accuracy must be in"),
        ({"confidence": 0.9}, "max_churn must be given with confidence"),
        ({"confidence": 0.9, "max_churn": 0.1, "refit": True}, "refit must be False"),
        ({"churn": "brier", "average_in": "log_odds"}, "average_in must be 'probability'"),
        ({"churn": "kl", "mixture": "override"}, "churn must be 'hard' with mixture='override'"),
        ({"estimator": np.zeros(1)}, "estimator must have predict_proba, got ndarray"),
    ],
)
def test_wrong_parameters_are_refused(changed, message):
    with pytest.raises(InvalidInputError, match=message):
        Settings.of(params_of(**changed))


@pytest.mark.parametrize("changed", [{"mixture": "override"}, {"include_base": True}])
def test_what_needs_a_base_model(changed):
    settings = Settings.of(params_of(base_model=None, **changed))
    with pytest.raises(InvalidInputError, match="base_proba"):
        settings.check_base_use()
