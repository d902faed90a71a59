import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Argmax, Bands, BoundRule, Costs, Rule, Threshold, TopShare

RULES = [
    Argmax(),
    Threshold(0.3, "b"),
    TopShare(0.25, "b"),
    Bands((0.2, 0.6), ("x", "y", "z"), "b"),
    Costs([[0, 3], [1, 0], [0.5, 0.5]], ["x", "y", "z"], ["a", "b"]),
]
FITTED = [rule for rule in RULES if not isinstance(rule, TopShare)]
P = np.random.default_rng(0).random(100)
PROBA = np.column_stack([1 - P, P])


class Estimator(BaseEstimator):
    def __init__(self, rule=None):
        self.rule = rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_are_values(rule):
    for copy in (clone(Estimator(rule)).rule, pickle.loads(pickle.dumps(rule)), eval(repr(rule))):
        assert copy == rule
        assert hash(copy) == hash(rule)
    assert [other for other in RULES if other == rule] == [rule]
    with pytest.raises(AttributeError, match="cannot assign"):
        rule.positive = "a"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_describe_themselves(rule):
    assert rule.describe().startswith("answers ")
    names = rule.answers if hasattr(rule, "answers") else [getattr(rule, "positive", "most")]
    assert all(str(name) in rule.describe() for name in names)


@pytest.mark.parametrize("rule", FITTED, ids=lambda rule: rule.name)
def test_a_bound_rule_answers_by_position(rule):
    bound = pickle.loads(pickle.dumps(rule.bind(["a", "b"])))
    assert isinstance(bound, BoundRule)
    assert isinstance(rule, Rule)
    positions = bound.decide(PROBA)
    assert positions.dtype == np.intp
    assert bound.answers[positions].tolist() == rule.decide(PROBA, classes=["a", "b"]).tolist()
    assert bound.distance(PROBA).shape == (100,)


@pytest.mark.parametrize("rule", FITTED, ids=lambda rule: rule.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_answered_one_by_one(rule, dtype):
    proba = PROBA.astype(dtype)
    alone = [rule.decide(row[None], classes=["a", "b"])[0] for row in proba]
    assert rule.decide(proba, classes=["a", "b"]).tolist() == alone


@pytest.mark.parametrize("rule", FITTED, ids=lambda rule: rule.name)
def test_answers_change_only_across_a_distance_of_zero(rule):
    bound, p = rule.bind(["a", "b"]), np.linspace(0, 1, 2001)
    proba = np.column_stack([1 - p, p])
    answers, distance = bound.decide(proba), bound.distance(proba)
    changes = np.flatnonzero(np.diff(answers))
    assert len(changes) >= 1
    assert np.minimum(distance[changes], distance[changes + 1]).max() <= 1 / 2000
    near = np.abs(np.arange(2001)[:, None] - changes).min(axis=1) <= 1
    assert distance[~near].min() > 0


@pytest.mark.parametrize("rule", FITTED[:2] + FITTED[3:], ids=lambda rule: rule.name)
def test_no_answer_gains_on_the_rule_in_its_own_utility(rule):
    for given in rule.bind(["a", "b"]).answers:
        gain = rule.expected_gain(PROBA, np.full(100, given), classes=["a", "b"])
        assert gain.min() >= -1e-15
        answered = rule.decide(PROBA, classes=["a", "b"]) == given
        assert (gain[answered] == 0).all()


def test_answers_that_are_gone_gain_without_end():
    gain = Argmax().expected_gain([[0.2, 0.8], [0.2, 0.8]], ["a", "old"], classes=["a", "b"])
    np.testing.assert_allclose(gain, [0.6, np.inf])


def test_gain_in_another_utility():
    proba = np.array([[0.75, 0.25], [0.25, 0.75]])
    gain = Argmax().expected_gain(proba, [1, 0], utility={0: 1, 1: 3})
    np.testing.assert_allclose(gain, [0, 1])
    gain = Argmax().expected_gain(proba, [1, 0], utility="balanced_accuracy")
    np.testing.assert_allclose(gain, [0.5, 0.5])


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([0, 1], "given and answers must have labels of one type"),
        (["a"], "given and proba must have the same number of rows, got given 1, proba 2"),
        (["a", None], "given must not have missing values"),
    ],
)
def test_wrong_answers_to_gain_on(given, match):
    with pytest.raises(InvalidInputError, match=match):
        Argmax().expected_gain(PROBA[:2], given, classes=["a", "b"])


@pytest.mark.parametrize("rule", FITTED, ids=lambda rule: rule.name)
def test_rows_without_probabilities_are_refused(rule):
    with pytest.raises(InvalidInputError, match="proba must not have missing values, got 1 of 2"):
        rule.decide([[0.5, 0.5], [np.nan, np.nan]], classes=["a", "b"])
