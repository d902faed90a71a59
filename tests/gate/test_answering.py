"""The answers of the gate: by each model's `predict`, or by a rule that the service has."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.svm import LinearSVC

from holdfast import InvalidInputError
from holdfast.gate.answering import answering_of, classes_of
from holdfast.gate.predict import predict_both
from holdfast.predictions.deciding import Deciding
from holdfast.rules import Costs, Threshold

RULE = Threshold(0.3, positive=1)


@pytest.fixture(scope="module")
def rows():
    return make_classification(600, 5, weights=[0.8], flip_y=0.1, random_state=0)


@pytest.fixture(scope="module")
def models(rows):
    X, y = rows
    return [LogisticRegression().fit(X[:n], y[:n]) for n in (60, 400)]


def asked(rows, models, deciding, **options):
    X, y = rows
    return answering_of(predict_both(*models, X, X, y), models, deciding, **options)


def test_without_a_rule_the_answers_are_those_of_predict(rows, models):
    pair, facts = asked(rows, models, Deciding())
    X, _ = rows
    np.testing.assert_array_equal(pair.answers[1], models[1].predict(X))
    assert (facts.rules, facts.positive, facts.scores) == ((None, None), None, None)


def test_a_rule_decides(rows, models):
    pair, facts = asked(rows, models, Deciding((RULE, RULE), 1))
    X, y = rows
    for model, answers in zip(models, pair.answers, strict=True):
        np.testing.assert_array_equal(answers, model.predict_proba(X)[:, 1] >= 0.3)
    assert facts.costs == {0: {0: 0.0, 1: 0.7}, 1: {0: 0.3, 1: 0.0}}
    swapped = (pair.answers[0] == 0) & (pair.answers[1] == 1)
    assert facts.scores.swaps.swapped_in.n == swapped.sum()
    assert facts.scores.positives == y.sum()


def test_a_model_s_own_rule_is_known_and_may_not_be_overruled(rows, models):
    X, y = rows
    fixed = FixedThresholdClassifier(LogisticRegression(), threshold=0.3, pos_label=1).fit(X, y)
    pair, facts = asked(rows, [models[0], fixed], Deciding())
    np.testing.assert_array_equal(pair.answers[1], fixed.predict(X))
    assert facts.rules == (None, RULE)
    asked(rows, [models[0], fixed], Deciding((RULE, RULE), 1))
    other = Threshold(0.2, positive=1)
    with pytest.raises(
        InvalidInputError, match="the rule must be that of the candidate, which ans"
    ):
        asked(rows, [models[0], fixed], Deciding((other, other), 1))


def test_models_that_only_answer(rows, models):
    X, y = rows
    only = LinearSVC().fit(X, y)
    pair, facts = asked(rows, [models[0], only], Deciding((None, None), 1))
    assert classes_of(pair) == [0, 1]
    assert facts.scores is None
    with pytest.raises(InvalidInputError, match="both models must give probabilities where a rule"):
        asked(rows, [models[0], only], Deciding((RULE, RULE), 1))


def test_costs_that_are_given_come_first(rows, models):
    costs = Costs([[0, 5], [1, 0]])
    assert asked(rows, models, Deciding((RULE, RULE), 1), costs=costs)[1].costs is costs
