"""Answers and what they are worth, row by row."""

import numpy as np
import pytest

from holdfast.rules import Bands, Costs
from holdfast.selection.answering import Answering

CLASSES = np.array([0, 1, 2])
RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.ones(3), 50)
Y, BASE = RNG.integers(0, 3, 50), RNG.integers(-1, 3, 50)


def with_costs():
    rule = Costs([[0, 4, 2], [1, 0, 5], [3, 1, 0]]).bind(CLASSES)
    return Answering(rule, rule.utility, True)


def test_most_probable_classes():
    answering = Answering.argmax(CLASSES)
    answers = answering.decide(PROBA)
    np.testing.assert_array_equal(answers, PROBA.argmax(axis=1))
    np.testing.assert_array_equal(answering.right(answers, Y), answers == Y)
    np.testing.assert_array_equal(answering.utilities(answers, Y), answers == Y)
    flips = (BASE == Y) & (answers != BASE)
    np.testing.assert_array_equal(answering.worse(answers, BASE, Y), flips)
    lead = PROBA.max(axis=1) - PROBA[np.arange(50), BASE]
    np.testing.assert_array_equal(
        answering.gains(PROBA, answers, BASE), np.where(BASE < 0, np.inf, lead)
    )


def test_costs():
    answering = with_costs()
    worth, answers = answering.utility, answering.decide(PROBA)
    for i in range(50):
        expected = [PROBA[i] @ worth[a] for a in range(3)]
        assert answers[i] == np.argmax(expected)
        if BASE[i] < 0:
            assert answering.utilities(BASE, Y)[i] == worth[:, Y[i]].min()
            assert not answering.worse(answers, BASE, Y)[i]
            continue
        assert answering.utilities(BASE, Y)[i] == worth[BASE[i], Y[i]]
        assert answering.worse(answers, BASE, Y)[i] == (
            worth[answers[i], Y[i]] < worth[BASE[i], Y[i]]
        )
        gain = expected[answers[i]] - expected[BASE[i]]
        assert answering.gains(PROBA, answers, BASE)[i] == pytest.approx(gain)


def test_answers_that_are_no_classes_are_never_right():
    rule = Bands((0.2, 0.5), answers=("a", "b", "c"), positive=1).bind(CLASSES)
    answering = Answering(rule, None)
    answers = answering.decide(PROBA)
    assert not answering.right(answers, Y).any()
    assert np.isnan(answering.utilities(answers, Y)).all()
    assert not answering.worse(answers, BASE, Y).any()


def test_the_base_model_alone_answers_itself():
    answering = with_costs()
    own = answering.own_answers(PROBA, BASE)
    np.testing.assert_array_equal(own[BASE >= 0], BASE[BASE >= 0])
    np.testing.assert_array_equal(own[BASE < 0], answering.decide(PROBA)[BASE < 0])
    np.testing.assert_array_equal(answering.own_answers(PROBA, None), answering.decide(PROBA))
