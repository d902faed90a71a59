import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Threshold, TopShare

RNG = np.random.default_rng(0)
PROBA = RNG.dirichlet(np.ones(3), size=200)
NAMES = np.array(["ant", "bee", "cat"])


# --- thresholds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"], [False, True]])
@pytest.mark.parametrize("threshold", [0.0, 0.12, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("which", [None, 0, 1])
def test_two_classes_are_answered_as_by_scikit_learn(classes, threshold, which):
    X = RNG.normal(size=(100, 2))
    y = np.array(classes)[(X[:, 0] + RNG.normal(size=100) > 0).astype(int)]
    positive = None if which is None else classes[which]
    reference = FixedThresholdClassifier(
        LogisticRegression(),
        threshold=threshold,
        pos_label=positive,
        response_method="predict_proba",
    ).fit(X, y)
    proba = reference.estimator_.predict_proba(X)
    answers = Threshold(threshold, positive).decide(proba, classes=reference.classes_)
    assert answers.tolist() == reference.predict(X).tolist()


def test_other_classes_share_what_is_below_the_threshold():
    def answer(row):
        if row[1] >= 0.3:
            return "bee"
        return "ant" if row[0] >= row[2] else "cat"

    rule = Threshold(0.3, "bee")
    assert rule.decide(PROBA, classes=NAMES).tolist() == [answer(row) for row in PROBA]
    order = [2, 1, 0]
    moved = rule.decide(PROBA[:, order], classes=NAMES[order])
    assert moved.tolist() == [answer(row) for row in PROBA]


def test_the_greater_of_two_classes_is_positive_in_any_order():
    assert Threshold(0.3).decide([[0.6, 0.4]], classes=["a", "b"]) == "b"
    assert Threshold(0.3).decide([[0.4, 0.6]], classes=["b", "a"]) == "b"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.7])
def test_the_threshold_itself_is_reached(dtype, threshold):
    proba = np.array([[1 - threshold, threshold]], dtype=dtype)
    assert Threshold(threshold).decide(proba) == 1


def test_the_distance_is_the_least_move_to_another_answer():
    bound = Threshold(0.3, "bee").bind(NAMES)
    proba = np.array([[0.3, 0.4, 0.3], [0.5, 0.2, 0.3], [0.4, 0.25, 0.35], [0.4, 0.2, 0.4]])
    np.testing.assert_allclose(bound.distance(proba), [0.1, 0.1, 0.05, 0], atol=1e-15)
    two = Threshold(0.3).bind([0, 1]).distance(np.array([[0.75, 0.25], [0.2, 0.8]]))
    np.testing.assert_allclose(two, [0.05, 0.5])


@pytest.mark.parametrize(("positive", "column"), [(1, 1), (0, 0), (None, 1)])
def test_the_utility_makes_the_gain_of_the_positive_answer_p_minus_t(positive, column):
    proba = RNG.dirichlet(np.ones(2), size=50)
    given = np.full(50, 1 - column)
    gain = Threshold(0.3, positive).expected_gain(proba, given)
    p = proba[:, column]
    np.testing.assert_allclose(gain, np.where(p >= 0.3, p - 0.3, 0), atol=1e-15)


def test_more_classes_have_no_utility():
    rule = Threshold(0.3, "bee")
    assert rule.bind(NAMES).utility is None
    with pytest.raises(InvalidInputError, match="utility must be given with Threshold for 3 class"):
        rule.expected_gain(PROBA, NAMES[PROBA.argmax(axis=1)], classes=NAMES)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan, "0.5", None, True])
def test_wrong_thresholds(threshold):
    with pytest.raises(
        InvalidInputError, match=r"threshold must be in \[0, 1\], got .*; give a pr"
    ):
        Threshold(threshold)


@pytest.mark.parametrize(
    ("positive", "classes", "match"),
    [
        ("1", [0, 1], r"positive must be one of the classes \[0, 1\], got '1', which is text; wr"),
        (1, ["0", "1"], r"classes \['0', '1'\], got 1, which is not text; write '1'"),
        ("True", [False, True], r"got 'True', which is text; write True"),
        ("elk", ["ant", "bee"], r"the classes \['ant', 'bee'\], got 'elk'; name one of them"),
        (None, [0, 1, 2], r"positive must be given for 3 classes, got None; name one of \[0, 1, 2"),
    ],
)
def test_wrong_positive_classes(positive, classes, match):
    for rule in (Threshold(0.5, positive), TopShare(0.5, positive)):
        with pytest.raises(InvalidInputError, match=match):
            rule.bind(classes)


def test_a_list_is_no_class():
    with pytest.raises(InvalidInputError, match="positive must be one class, got list"):
        Threshold(0.5, positive=[1])


def test_values_of_numpy_become_plain():
    rule = Threshold(np.float32(0.5), positive=np.int64(1))
    assert rule == Threshold(0.5, positive=1)
    assert repr(rule) == "Threshold(threshold=0.5, positive=1)"


# --- shares of the rows ---------------------------------------------------------------------------


def most_rows(scores, weights, share):
    """Return the largest set of highest scores whose weight keeps the share, by a loop."""
    taken = np.zeros(len(scores), dtype=bool)
    for score in sorted(set(scores.tolist()), reverse=True):
        reached = scores >= score
        if weights[reached].sum() <= share * weights.sum() + 1e-9:
            taken = reached
    return taken


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.29, 0.5, 0.97])
@pytest.mark.parametrize("levels", [7, 1000])
def test_as_many_rows_are_taken_as_the_share_lets(dtype, share, levels):
    rng = np.random.default_rng(int(share * 100) + levels)
    p = (rng.integers(0, levels, size=100) / levels).astype(dtype)
    proba = np.column_stack([1 - p, p])
    for weights in (np.ones(100), rng.integers(0, 4, size=100) * 1.0):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="TopShare.*takes none of the rows")
            rule = TopShare(share).fit(proba, sample_weight=weights)
        counted = weights > 0
        expected = most_rows(p, weights, share)
        assert rule.decide(proba)[counted].tolist() == expected[counted].astype(int).tolist()


def test_weights_are_repetitions():
    p = np.linspace(0, 0.9, 40)
    proba, weights = np.column_stack([1 - p, p]), RNG.integers(0, 4, size=40)
    repeated = TopShare(0.2).fit(np.repeat(proba, weights, axis=0))
    assert TopShare(0.2).fit(proba, sample_weight=weights) == repeated


def test_one_class_of_several():
    rule = TopShare(0.1, positive="cat").fit(PROBA, classes=NAMES)
    assert rule.positive == "cat"
    answers = rule.decide(PROBA, classes=NAMES)
    assert set(np.argsort(PROBA[:, 2])[-20:]) == set(np.flatnonzero(answers == "cat"))


def test_the_threshold_lies_halfway():
    rule = TopShare(0.5).fit([[0.75, 0.25], [0.5, 0.5]])
    assert rule == Threshold(0.375, positive=1)


def test_neighbouring_numbers_are_told_apart():
    low, high = 0.5, np.nextafter(0.5, 1)
    proba = [[1 - low, low], [1 - high, high]]
    assert TopShare(0.5).fit(proba).decide(proba).tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_too_small_a_share_takes_no_row_and_warns(dtype):
    proba = np.array([[0.5, 0.5], [0.2, 0.8], [0.2, 0.8]], dtype=dtype)
    with pytest.warns(UserWarning, match=r"TopShare\(0.5\) takes none .*, 0.8, are a share of 0.6"):
        rule = TopShare(0.5).fit(proba)
    assert rule.decide(proba).tolist() == [0, 0, 0]


def test_certain_rows_beyond_the_share():
    proba = [[0, 1], [0, 1], [0.5, 0.5]]
    with pytest.raises(InvalidInputError, match=r"with a probability of 1, which is 0.6667, got 0"):
        TopShare(0.5).fit(proba)
    assert TopShare(0.7).fit(proba).decide(proba).tolist() == [1, 1, 0]


def test_it_does_not_decide_before_the_fit():
    bound = TopShare(0.5).bind([0, 1])
    assert bound.utility is None
    with pytest.raises(InvalidInputError, match="rule must be fitted before it decides, got TopSh"):
        TopShare(0.5).decide([[0.5, 0.5]])
    with pytest.raises(InvalidInputError, match="rule must be fitted before it decides"):
        bound.distance(np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("share", [0, 1, -0.1, "half", np.nan])
def test_wrong_shares(share):
    with pytest.raises(InvalidInputError, match=r"share must be in \(0, 1\), got"):
        TopShare(share)


@pytest.mark.parametrize(
    ("proba", "weight", "match"),
    [
        ([[np.nan, np.nan], [0.5, 0.5]], None, "proba must not have missing values"),
        ([[0.5, 0.5]], [-1], "sample_weight must be finite and >= 0"),
        ([[0.5, 0.5]], [1, 1], "sample_weight and rows must have the same number"),
    ],
)
def test_wrong_rows(proba, weight, match):
    with pytest.raises(InvalidInputError, match=match):
        TopShare(0.5).fit(proba, sample_weight=weight)
