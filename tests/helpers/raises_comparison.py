"""Comparisons that cannot be made, and what the message must hold."""

from dataclasses import replace

import numpy as np
import pandas as pd
from tests.helpers.cases import new_file

from holdfast.comparison import Policy, compare, compare_scores
from holdfast.comparison.counts import MAX_LABELS, check_size
from holdfast.comparison.result import Comparison
from holdfast.comparison.scores import ScoreComparison
from holdfast.rules import Threshold

PROBA = np.array([[0.4, 0.6], [0.7, 0.3]])
OTHER = np.array([[0.5, 0.5], [0.7, 0.3]])
FRAME = pd.DataFrame(PROBA, columns=["a", "b"])
LABELLED = compare([0, 1, 1], [0, 1, 0], [0, 1, 1])
SCORED = compare_scores([0.1, 0.9], [0.2, 0.8])
UNLABELLED = compare([0, 1], [0, 0])


def policy(text):
    return Policy.from_toml(new_file(text, "policy.toml"))


def limit(comparison=LABELLED, *, positive=None, **limits):
    """Decide with limits on measures."""
    return Policy(limits=limits, positive=positive).decide(comparison)


def weightless(counts):
    return replace(counts, weights=0 * counts.weights)


def within(group_measures=True):
    """Decide with a limit on measures within groups."""
    groups = pd.DataFrame({"country": ["DE", "DE", "FR"]})
    found = compare([0, 1, 1], [0, 1, 0], [0, 1, 1], groups=groups, group_measures=group_measures)
    return Policy(group_limits={"recall": {"min": 0.5}}, positive=1).decide(found)


CASES = {
    "comparison/group_limits.py _checks_of #1": (
        within,
        "needs a group with ten rows of the true class, got 2 groups without; leave the limit out",
    ),
    "comparison/group_limits.py group_measure_checks #1": (
        lambda: within(group_measures=False),
        "got a comparison without them; give groups and group_measures=True to compare",
    ),
    "comparison/result.py comparison_of #1": (
        lambda: Comparison.from_counts(replace(UNLABELLED.counts, has_truth=True)),
        "got 2 rows without one; add counts of rows with labels, or leave the truth out",
        lambda: Comparison.from_counts(
            replace(UNLABELLED.counts, has_truth=True) + LABELLED.counts
        ),
    ),
    "comparison/scores.py ScoreComparison.from_counts #1": (
        lambda: ScoreComparison.from_counts(
            replace(SCORED.counts, weight=0 * SCORED.counts.weight)
        ),
        "counts must have rows of positive weight, got none; count some rows",
    ),
    "comparison/compare.py compare #1": (
        lambda: compare(PROBA, PROBA),
        "got the same object twice; give the new model's predictions",
    ),
    "comparison/compare.py _check_same_columns #1": (
        lambda: compare(FRAME, FRAME[["b", "a"]]),
        "got ['a', 'b'] and ['b', 'a']; reorder the columns of one",
    ),
    "comparison/compare.py _check_names #1": (
        lambda: compare(*(pd.DataFrame([[0.5, 0.5]], columns=pd.Index([1, 2])) for _ in range(2))),
        "classes must be the names of the columns of base, got the classes 0, 1 and the columns 1,",
    ),
    "comparison/compare.py _predictions #1": (
        lambda: compare(PROBA[:, 1:], OTHER),
        "base must be labels (n,) or probabilities (n, K) with K >= 2, got shape (2, 1)",
    ),
    "comparison/compare.py _truth #1": (
        lambda: compare([0, 1], [1, 1], [np.nan, np.nan]),
        "got 2 rows without one; leave y out",
    ),
    "comparison/compare.py _answers #1": (
        lambda: compare([0, 1], [1, 1], base_pred=[0, 1]),
        "base_pred must be given beside probabilities of that model only, got labels as base",
    ),
    "comparison/compare.py _decided #1": (
        lambda: compare(PROBA, OTHER, base_pred=[0, 0], rule=Threshold(0.5, 1)),
        "rule must give the answers in base_pred, got 1 of 2 rows whose answer is another",
    ),
    "comparison/compare.py _decided #2": (
        lambda: compare([0, 1], [1, 1], rule=Threshold(0.5, 1)),
        "for labels of both models; give probabilities of shape (n, K), or leave the rule out",
    ),
    "comparison/compare.py _proba_classes #1": (
        lambda: compare([0, 1], [1, 1], classes=[0, 1]),
        "got labels for both models; leave classes out",
    ),
    "comparison/compare.py _proba_classes #2": (
        lambda: compare(PROBA, np.ones((2, 4)) / 4),
        "got {'base': 2, 'new': 4}; bring both to the same classes",
    ),
    "comparison/compare.py _group_columns #1": (
        lambda: compare([0, 1], [1, 1], groups={"g": [[1, 2], [3, 4]]}),
        "groups['g'] must have shape (n,), got (2, 2)",
    ),
    "comparison/counting.py _SoftSums._add_losses #1": (
        lambda: compare(PROBA, OTHER, [0, 2]),
        "y must be among the classes of the probability columns",
    ),
    "comparison/counts.py PairedCounts.__add__ #1": (
        lambda: LABELLED.counts + UNLABELLED.counts,
        "must have the same truth, got True and False; count both parts with the same",
    ),
    "comparison/counts.py check_size #1": (
        lambda: check_size(MAX_LABELS + 1),
        f"at most {MAX_LABELS:,} classes, got {MAX_LABELS + 1:,}; give classes, not names of rows",
    ),
    "comparison/measure_limits.py read_limits #1": (
        lambda: Policy(limits=[0.5]).decide(LABELLED),
        "limits must name measures, got list; give e.g.",
    ),
    "comparison/measure_limits.py _read_limit #1": (
        lambda: limit(recall={"least": 0.5}),
        "limits['recall'] must be",
    ),
    "comparison/measure_limits.py _read_limit #2": (
        lambda: limit(recall={"min_change": "a"}),
        "limits['recall']['min_change'] must be a number, got 'a'; give e.g. 0.8",
    ),
    "comparison/measure_limits.py full_name #1": (
        lambda: limit(recall={"min_change": -0.1}),
        "write the limit as 'recall[CLASS]'",
    ),
    "comparison/measure_limits.py _raise_unknown #1": (
        lambda: limit(cost={"max_change": 0.0}),
        "must name measures of this comparison, got 'cost' and not",
    ),
    "comparison/measure_limits.py measure_checks #1": (
        lambda: limit(UNLABELLED, accuracy={"min_change": 0.0}),
        "limits['accuracy'] needs labels, got a comparison without labels; give y to compare",
    ),
    "comparison/measure_limits.py _checks_of #1": (
        lambda: limit(
            compare([0, 0, 1], [0, 0, 1], [0, 0, 0]), **{"recall[1]": {"min_change": 0.0}}
        ),
        "must be of a measure that is defined, got min_change of a measure without a change",
    ),
    "comparison/measures.py _chosen #1": (
        lambda: LABELLED.measures(positive=1, labels=[1]),
        "must not both be given, got both; name the class among the labels",
    ),
    "comparison/measures.py _chosen #2": (
        lambda: LABELLED.measures(positive=2),
        "positive must be among the answers and labels, got 2; choose from 0, 1",
    ),
    "comparison/measures.py mean_cost #1": (
        lambda: UNLABELLED.measures(costs=[[0, 1], [1, 0]]),
        "costs need labels, got a comparison without labels; give y to compare",
    ),
    "comparison/measures.py _cost_matrix #1": (
        lambda: LABELLED.measures(costs=[[0, 1]]),
        "costs must have shape (2, 2), one row for each answer [0, 1]",
    ),
    "comparison/measures.py _cost_table #1": (
        lambda: LABELLED.measures(costs={0: {0: 0, 1: 1}, 1: {1: 0}}),
        "got none of answer 1 for class 0; add it",
    ),
    "comparison/measures.py _as_costs #1": (
        lambda: LABELLED.measures(costs=[[0, np.inf], [1, 0]]),
        "costs must be finite numbers, got [[0, inf], [1, 0]]",
    ),
    "comparison/policy.py policy_of #1": (
        lambda: policy("max_churn is 2"),
        "write e.g. max_churn = 0.02",
    ),
    "comparison/policy.py Policy.check #1": (
        lambda: Policy().decide(LABELLED),
        "at least one limit, got none; give one of max_churn",
    ),
    "comparison/policy.py Policy._check_has_what_it_needs #1": (
        lambda: Policy(min_gain=0.0).decide(UNLABELLED),
        "got a comparison without labels; give y to compare",
    ),
    "comparison/policy.py Policy._check_has_what_it_needs #2": (
        lambda: Policy(per_group=0.1).decide(LABELLED),
        "got a comparison without groups; give groups to compare",
    ),
    "comparison/policy.py _policy_table #1": (
        lambda: policy("policy = 3"),
        "must be a table [policy], got 3 in",
    ),
    "comparison/policy.py _policy_table #2": (
        lambda: policy("max_curn = 0.1"),
        "in one place, got max_curn in",
    ),
    "comparison/policy.py _costs_of #1": (
        lambda: policy("max_churn = 0.1\n[costs]\nmatrix = [[0, 1], [1, 0]]\nanswer = [0, 1]"),
        "costs must have matrix, answers and classes, got matrix, answer in",
    ),
    "comparison/result.py Comparison.matrix #1": (
        lambda: LABELLED.matrix(0),
        "max_classes must be at least 1, got 0",
    ),
    "comparison/result.py Comparison.from_counts #1": (
        lambda: Comparison.from_counts(
            replace(LABELLED.counts, weights=0 * LABELLED.counts.weights)
        ),
        "counts must have rows of positive weight, got none",
    ),
    "comparison/result.py check_limits #1": (
        lambda: compare([0, 1], [1, 1], max_group_churn=0.1),
        "needs groups, got none; give groups, or leave the limit out",
    ),
    "comparison/score_counts.py ScoreCounts.__add__ #1": (
        lambda: (
            compare_scores([0.1, 0.9], [0.2, 0.8], threshold=0.5).counts
            + compare_scores([0.1, 0.9], [0.2, 0.8], threshold=0.6).counts
        ),
        "must have the same base_cuts, got",
    ),
    "comparison/scores.py compare_scores #1": (
        lambda: compare_scores(PROBA, PROBA),
        "got the same object twice; give the new model's scores",
    ),
    "comparison/scores.py _check_scores #1": (
        lambda: compare_scores(PROBA, [0.1, 0.2]),
        "base must be scores of shape (n,), got shape (2, 2)",
    ),
    "comparison/scores.py _check_scores #2": (
        lambda: compare_scores([0.1, 0.2], ["a", "b"]),
        "new must be numbers, got <U1, e.g. 'a'",
    ),
    "comparison/scores.py _check_scores #3": (
        lambda: compare_scores([0.1, np.nan], [0.1, 0.2]),
        "got 1 of 2 rows with NaN or None; drop those rows from both models",
    ),
    "comparison/scores.py _check_scores #4": (
        lambda: compare_scores([0.1, 0.2], [-3.0, 2.0]),
        "got values from -3 to 2; turn margins into probabilities",
    ),
    "comparison/scores.py _check_truth #1": (
        lambda: compare_scores([0.1, 0.2], [0.1, 0.3], [[0], [1]]),
        "y must have shape (n,), got shape (2, 1)",
    ),
    "comparison/scores.py _check_truth #2": (
        lambda: compare_scores([0.1, 0.2], [0.1, 0.3], ["no", "yes"]),
        "e.g. positive=",
    ),
    "comparison/scores.py _check_truth #3": (
        lambda: compare_scores([0.1, 0.2], [0.1, 0.3], [0, 1], positive="yes"),
        "positive must be a value of y, got 'yes', while y has e.g. 0",
    ),
    "comparison/scores.py _check_thresholds #1": (
        lambda: compare_scores([0.1, 0.2], [0.1, 0.3], threshold=[0.1, 0.2, 0.3]),
        "one score or a pair, got 3 values",
    ),
    "comparison/scores.py _check_bands #1": (
        lambda: compare_scores([0.1, 0.2], [0.1, 0.3], bands=[[0.1], 0.2]),
        "got [[0.1], 0.2]; give e.g. (0.05, 0.3)",
    ),
    "comparison/scores.py _check_bounds #1": (
        lambda: compare_scores([0.1, 0.2], [0.1, 0.3], bands=[0.3, 0.1]),
        "bands must be rising bounds, at least one, got [0.3, 0.1]",
    ),
    "comparison/tallies.py group_codes #1": (
        lambda: compare([0, 1], [1, 1], groups={"g": np.array([{}, {}], dtype=object)}),
        "groups['g'] must have values that can be grouped",
    ),
}
