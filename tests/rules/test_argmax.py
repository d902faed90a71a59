import numpy as np
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Argmax

PROBA = np.random.default_rng(0).dirichlet(np.ones(4), size=200)
NAMES = np.array(["ant", "bee", "cat", "dog"])


def test_the_answer_is_the_most_probable_class():
    expected = [NAMES[max(range(4), key=row.__getitem__)] for row in PROBA]
    assert Argmax().decide(PROBA, classes=NAMES).tolist() == expected
    assert Argmax().decide(PROBA).tolist() == PROBA.argmax(axis=1).tolist()


def test_the_order_of_the_columns_is_no_matter():
    order = [2, 0, 3, 1]
    moved = Argmax().decide(PROBA[:, order], classes=NAMES[order])
    assert moved.tolist() == Argmax().decide(PROBA, classes=NAMES).tolist()


def test_of_equals_the_first_is_taken():
    assert Argmax().decide([[0.25, 0.25, 0.5], [0.4, 0.4, 0.2]]).tolist() == [2, 0]


def test_the_distance_is_the_lead():
    expected = [np.diff(sorted(row)[-2:])[0] for row in PROBA]
    np.testing.assert_array_equal(Argmax().bind(NAMES).distance(PROBA), expected)


def test_it_optimises_accuracy():
    bound = Argmax().bind([False, True])
    assert bound.utility.tolist() == [[1, 0], [0, 1]]
    assert bound.answers.tolist() == bound.classes.tolist() == [False, True]


@pytest.mark.parametrize(
    ("proba", "classes", "match"),
    [
        ([[np.nan, np.nan]], None, r"proba must not have missing values, got 1 of 1 rows"),
        ([[0.5, 0.6]], None, "proba must sum to 1"),
        ([0.5, 0.5], None, r"proba must be probabilities of shape \(n, K\)"),
        ([[0.5, 0.5]], ["a"], "classes must be 2 distinct names"),
        ([[0.5, 0.5]], ["a", "a"], "classes must be 2 distinct names"),
    ],
)
def test_wrong_input(proba, classes, match):
    with pytest.raises(InvalidInputError, match=match):
        Argmax().decide(proba, classes=classes)


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        (["a"], r"classes must be at least two, got \['a'\]"),
        (["a", "a"], "classes must be 2 distinct names"),
        (["a", 1], "classes must be integers, strings or booleans, all of one type"),
        ([[0, 1]], r"classes must be labels of shape \(n,\)"),
    ],
)
def test_wrong_classes(classes, match):
    with pytest.raises(InvalidInputError, match=match):
        Argmax().bind(classes)
