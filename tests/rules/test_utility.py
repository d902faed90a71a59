import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from holdfast.exceptions import InvalidInputError
from holdfast.rules import (
    Argmax,
    Bands,
    Costs,
    Threshold,
    TopShare,
    expected_gain,
    expected_utility,
    utility_matrix,
)

RNG = np.random.default_rng(0)
NAMES = np.array(["ant", "bee", "cat"])
Y = RNG.choice(3, p=[0.6, 0.3, 0.1], size=300)
SHARE = np.bincount(Y) / 300
PRED = np.where(RNG.random(300) < 0.7, Y, RNG.integers(0, 3, size=300))
BOUND = Argmax().bind(NAMES)
BANDS = Bands((0.1, 0.5), answers=("keep", "look", "drop"), positive="cat").bind(NAMES)


def mean_utility(utility, bound=BOUND, share=SHARE):
    return utility_matrix(utility, bound, share)[PRED, Y].mean()


def test_means_are_those_of_scikit_learn():
    assert mean_utility(None) == mean_utility("accuracy") == accuracy_score(Y, PRED)
    balanced = balanced_accuracy_score(Y, PRED)
    np.testing.assert_allclose(mean_utility("balanced_accuracy"), balanced)
    weights = dict(zip(NAMES.tolist(), [1, 2, 5], strict=True))
    by_row = np.array([1, 2, 5])[Y]
    np.testing.assert_allclose(mean_utility(weights), accuracy_score(Y, PRED, sample_weight=by_row))
    backwards = dict(reversed(weights.items()))
    np.testing.assert_allclose(mean_utility(backwards), mean_utility(weights))


def test_classes_without_rows_do_not_count():
    matrix = utility_matrix("balanced_accuracy", BOUND, np.array([0.75, 0.25, 0]))
    np.testing.assert_allclose(matrix, np.diag([2 / 3, 2, 0]))


def test_costs_are_matched_by_value():
    matrix = RNG.random((3, 3))
    order, other = [2, 0, 1], [1, 2, 0]
    answers = np.array(["keep", "look", "drop"])
    costs = Costs(matrix[order][:, other], answers=answers[order], classes=NAMES[other])
    assert utility_matrix(costs, BANDS, SHARE).tolist() == (-matrix).tolist()
    frame = pd.DataFrame(matrix, index=answers, columns=NAMES).iloc[order, other]
    assert utility_matrix(frame, BANDS, SHARE).tolist() == matrix.tolist()


def test_costs_may_know_more_answers():
    costs = Costs([[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 0]], ["drop", "x", "look", "keep"])
    expected = [[0, 0, 0], [-7, -8, -9], [-1, -2, -3]]
    assert utility_matrix(costs, BANDS, SHARE).tolist() == expected


def test_arrays_and_costs_without_names_stand_in_order():
    matrix = RNG.random((3, 3))
    assert utility_matrix(matrix, BANDS, SHARE).tolist() == matrix.tolist()
    assert utility_matrix(matrix.tolist(), BANDS, SHARE).tolist() == matrix.tolist()
    assert utility_matrix(Costs(matrix), BANDS, SHARE).tolist() == (-matrix).tolist()


def test_answers_that_are_classes_are_matched_whatever_their_order():
    bound = Bands((0.5,), answers=("bee", "ant")).bind(["ant", "bee"])
    assert utility_matrix("accuracy", bound, SHARE[:2]).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("utility", "bound", "match"),
    [
        (None, BANDS, "utility must be given with Bands for 3 classes, got None"),
        (None, TopShare(0.1, "cat").bind(NAMES), "utility must be given with TopShare for 3 cl"),
        (None, Threshold(0.1, "cat").bind(NAMES), "utility must be given with Threshold for 3"),
        ("acuracy", BOUND, "utility must be one of 'accuracy', .*did you mean 'accuracy'"),
        ("accuracy", BANDS, "utility must say what the answer 'keep' is worth, .*got accuracy"),
        ("balanced_accuracy", BANDS, "answer 'keep' is worth, .*got balanced_accuracy"),
        (dict.fromkeys(NAMES.tolist(), 1), BANDS, "'keep' is worth, .*got class weights"),
        ({"ant": 1, "bee": 1}, BOUND, "utility must name all classes, got .* without 'cat'"),
        ({"ant": 1, "bee": 1, "cat": 1, "dog": 1}, BOUND, "utility must be one of the cl.*'dog'"),
        ({"ant": 1, "bee": 1, "cat": -1}, BOUND, "utility must hold weights >= 0"),
        ({"ant": 0, "bee": 0, "cat": 0}, BOUND, "utility must hold weights >= 0, not zero for"),
        ({"ant": 1, "bee": 1, "cat": np.nan}, BOUND, "utility must be finite, got nan"),
        ({"ant": 1, "bee": 1, "cat": "x"}, BOUND, "utility must be numbers"),
        (np.eye(2), BOUND, r"utility must have a row for each of 3 answers .*shape \(2, 2\)"),
        (np.full((3, 3), np.nan), BOUND, "utility must be finite, got nan"),
        (Costs(np.eye(2)), BOUND, r"costs must have a row for each of 3 answers"),
        (
            Costs(np.eye(3), answers=["keep", "look", "dorp"]),
            BANDS,
            "costs must name all answers, got .* without 'drop'",
        ),
        (7, BOUND, "utility must be a table of numbers, got int"),
        (Threshold(0.1), BOUND, "utility must be a table of numbers, got Threshold"),
    ],
)
def test_wrong_utilities(utility, bound, match):
    with pytest.raises(InvalidInputError, match=match):
        utility_matrix(utility, bound, SHARE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_expectations_against_a_loop(dtype):
    proba = RNG.dirichlet(np.ones(3), size=50).astype(dtype)
    matrix = RNG.normal(size=(4, 3))
    to, given = RNG.integers(0, 4, size=50), RNG.integers(-1, 4, size=50)

    def worth(row, answer):
        return sum(float(p) * u for p, u in zip(row, matrix[answer], strict=True))

    expected = [worth(row, a) for row, a in zip(proba, to, strict=True)]
    np.testing.assert_allclose(expected_utility(proba, to, matrix), expected, rtol=1e-12)
    gains = [
        np.inf if b < 0 else worth(row, a) - worth(row, b)
        for row, a, b in zip(proba, to, given, strict=True)
    ]
    gain = expected_gain(proba, to, given, matrix)
    np.testing.assert_allclose(gain, gains, rtol=1e-12, atol=1e-14)
    assert (gain[to == given] == 0).all()
    assert gain.dtype == np.float64
