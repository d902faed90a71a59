import numpy as np
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Bands

RULE = Bands((0.05, 0.3), answers=("approve", "review", "decline"), positive="fraud")
P = np.random.default_rng(0).random(300)
PROBA = np.column_stack([P, 1 - P])
CLASSES = ["fraud", "ok"]


def by_hand(p):
    if p >= 0.3:
        return "decline"
    return "review" if p >= 0.05 else "approve"


def test_the_answer_is_that_of_the_band():
    expected = [by_hand(p) for p in P]
    assert RULE.decide(PROBA, classes=CLASSES).tolist() == expected
    assert RULE.decide(PROBA[:, ::-1], classes=CLASSES[::-1]).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bound_itself_is_reached(dtype):
    rule = Bands((0.1, 0.7, 1), answers=(3, 2, 1, 0))
    p = np.array([0, 0.1, 0.7, 1], dtype=dtype)
    assert rule.decide(np.column_stack([1 - p, p])).tolist() == [3, 2, 1, 0]


def test_the_distance_is_that_to_the_nearest_bound():
    expected = [min(abs(p - 0.05), abs(p - 0.3)) for p in P]
    np.testing.assert_allclose(RULE.bind(CLASSES).distance(PROBA), expected, atol=1e-15)


def test_it_has_no_utility_but_takes_one():
    assert RULE.bind(CLASSES).utility is None
    with pytest.raises(InvalidInputError, match="utility must be given with Bands for 2 classes"):
        RULE.expected_gain(PROBA, ["approve"] * 300, classes=CLASSES)
    utility = np.array([[-10, 0], [-2, -1], [0, -3]])
    gain = RULE.expected_gain(PROBA, ["approve"] * 300, classes=CLASSES, utility=utility)
    rows = {"approve": 0, "review": 1, "decline": 2}
    expected = [(utility[rows[by_hand(p)]] - utility[0]) @ [p, 1 - p] for p in P]
    np.testing.assert_allclose(gain, expected, atol=1e-14)


def test_lists_become_tuples():
    rule = Bands([np.float64(0.05), 0.3], answers=np.array(RULE.answers), positive="fraud")
    assert rule == RULE
    assert hash(rule) == hash(RULE)
    assert repr(rule) == repr(RULE)


@pytest.mark.parametrize(
    ("bounds", "answers", "match"),
    [
        ((0.3, 0.05), "abc", "bounds must increase, got"),
        ((0.3, 0.3), "abc", r"bounds must increase, got \[0.3, 0.3\]"),
        ((0.3, 1.3), "abc", r"bounds must be in \[0, 1\], got 1.3; give probabilities"),
        ((np.nan,), "ab", r"bounds must be in \[0, 1\], got nan"),
        ((), "a", r"bounds must be a list of numbers, got \(\)"),
        (0.3, "ab", "bounds must be a list of numbers, got 0.3"),
        ((0.3,), "abc", "answers must be one more than the bounds, got 3 answers and 1 bounds"),
        ((0.3,), "a", "answers must be one more than the bounds, got 1 answers and 1 bounds"),
        ((0.1, 0.2), "aba", "answers must be distinct, got 'a' more than once"),
    ],
)
def test_wrong_bands(bounds, answers, match):
    with pytest.raises(InvalidInputError, match=match):
        Bands(bounds, answers=list(answers))


def test_wrong_answers():
    for wrong in ("ab", 7):
        with pytest.raises(
            InvalidInputError, match=f"answers must be a list of names, got {wrong!r}"
        ):
            Bands((0.3,), answers=wrong)
    with pytest.raises(InvalidInputError, match="answers must be integers, strings or booleans"):
        Bands((0.3,), answers=["a", 1])


def test_a_wrong_positive_class():
    with pytest.raises(InvalidInputError, match=r"positive must be one of the classes \[0, 1\]"):
        RULE.bind([0, 1])
