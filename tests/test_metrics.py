import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from holdfast import metrics
from holdfast.exceptions import InvalidInputError

NAMES = np.array(["ant", "bee", "cow", "dog", "eel"])
FLIPS = ("negative_flip_rate", "positive_flip_rate", "lateral_flip_rate")
OF_TRUTH = (*FLIPS, "accuracy_gain", "unavoidable_churn", "excess_churn")


def loop(y, base, new, weight):
    """Every measure of hard predictions, row by row."""
    total = churn = negative = positive = lateral = 0.0
    for t, b, n, w in zip(y, base, new, weight, strict=True):
        total += w
        churn += w * (b != n)
        negative += w * (b == t and n != t)
        positive += w * (b != t and n == t)
        lateral += w * (b != t and n != t and b != n)
    gain = (positive - negative) / total
    return {
        "churn_rate": churn / total,
        "negative_flip_rate": negative / total,
        "positive_flip_rate": positive / total,
        "lateral_flip_rate": lateral / total,
        "accuracy_gain": gain,
        "unavoidable_churn": abs(gain),
        "excess_churn": churn / total - abs(gain),
    }


def measures(y, base, new, weight=None):
    result = {"churn_rate": metrics.churn_rate(base, new, sample_weight=weight)}
    return result | {
        name: getattr(metrics, name)(y, base, new, sample_weight=weight) for name in OF_TRUTH
    }


def draw(n=60, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, n_classes, (3, n))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 60])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "kind", [np.int64, np.int8, np.uint8, np.float32, "names", "objects", "categories", "polars"]
)
def test_hard_measures_equal_a_loop(n, n_classes, weighted, kind):
    arrays = draw(n, n_classes)
    if kind in ("names", "objects", "categories", "polars"):
        arrays = NAMES[arrays]
    weight = np.random.default_rng(1).random(n) + 0.01 if weighted else np.ones(n)
    expected = loop(*arrays.tolist(), weight)
    convert = {
        "names": np.asarray,
        "objects": lambda a: a.astype(object),
        "categories": pd.Categorical,
        "polars": pl.Series,
    }.get(kind, lambda a: a.astype(kind))
    found = measures(*map(convert, arrays), weight if weighted else None)
    assert found == pytest.approx(expected, abs=1e-12)


def test_bools_and_mixtures_of_types_that_match():
    y, base, new = draw(40, 2)
    expected = loop(y.tolist(), base.tolist(), new.tolist(), np.ones(40))
    assert measures(y.astype(bool), base.astype(np.uint8), new.astype(float)) == pytest.approx(
        expected
    )
    assert measures(y.astype(object), base, new.astype(np.int8)) == pytest.approx(expected)


def test_signed_and_unsigned_compare_by_value():
    assert metrics.churn_rate(np.array([-1], np.int8), np.array([255], np.uint8)) == 1
    big = np.array([2**63 + 1, 2**63], np.uint64)
    assert metrics.churn_rate(big, big[::-1]) == 1


rows = st.lists(st.tuples(*[st.integers(0, 3)] * 3, st.integers(0, 3)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_identities_hold_and_weights_are_repetitions(table):
    y, base, new, weight = (np.array(column) for column in zip(*table, strict=True))
    weight[0] += 1  # not all zero
    found = measures(y, base, new, weight)
    repeated = measures(*(np.repeat(column, weight) for column in (y, base, new)))
    assert found == pytest.approx(repeated, abs=1e-12)
    assert sum(found[name] for name in FLIPS) == pytest.approx(found["churn_rate"], abs=1e-12)
    gain = found["positive_flip_rate"] - found["negative_flip_rate"]
    assert found["accuracy_gain"] == pytest.approx(gain, abs=1e-12)
    assert 0 <= found["excess_churn"] <= found["churn_rate"]
    mirrored = measures(y, new, base, weight)
    assert mirrored["negative_flip_rate"] == pytest.approx(found["positive_flip_rate"])
    assert mirrored["accuracy_gain"] == pytest.approx(-found["accuracy_gain"])
    renamed = measures(*(NAMES[::-1][column] for column in (y, base, new)), weight)
    assert renamed == pytest.approx(found)


def test_two_classes_have_no_lateral_flips():
    found = measures(*draw(200, 2))
    assert found["lateral_flip_rate"] == 0
    smaller = min(found["negative_flip_rate"], found["positive_flip_rate"])
    assert found["excess_churn"] == pytest.approx(2 * smaller)


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_equals_scikit_learn(weighted):
    y, base, _ = draw()
    weight = np.random.default_rng(1).random(len(y)) if weighted else None
    found = metrics.accuracy(y, base, sample_weight=weight)
    assert found == pytest.approx(sk.accuracy_score(y, base, sample_weight=weight))


def test_pairwise_churn_equals_a_loop_over_pairs():
    runs = np.random.default_rng(0).integers(0, 3, (4, 50))
    pairs = [np.mean(runs[i] != runs[j]) for i in range(4) for j in range(i)]
    assert metrics.pairwise_churn(list(runs)) == pytest.approx(np.mean(pairs))
    with pytest.raises(InvalidInputError, match="at least two retrainings, got 1"):
        metrics.pairwise_churn([[0, 1]])
    with pytest.raises(
        InvalidInputError, match=r"must have the same number of rows, got base_pred"
    ):
        metrics.pairwise_churn([[0, 1], [0, 1, 1]])


def test_the_old_name_of_pairwise_churn_warns_and_still_works():
    runs = [[0, 1, 1, 0], [0, 1, 0, 0]]
    with pytest.warns(DeprecationWarning, match="churn_floor is now metrics.pairwise_churn"):
        assert metrics.churn_floor(runs) == metrics.pairwise_churn(runs) == 0.25


# --- probabilities -------------------------------------------------------------------------------


def draw_proba(n=50, n_classes=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_classes, 0.5), n).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_risks_equal_scikit_learn(dtype, n_classes, weighted):
    p = draw_proba(n_classes=n_classes, dtype=dtype)
    rng = np.random.default_rng(1)
    y = rng.integers(0, n_classes, len(p))
    weight = rng.random(len(p)) if weighted else None
    labels = np.arange(n_classes)
    tolerance = 1e-6 if dtype is np.float32 else 1e-12
    exact = p.astype(float) / p.astype(float).sum(axis=1, keepdims=True)
    expected = sk.log_loss(y, exact, sample_weight=weight, labels=labels)
    assert metrics.log_loss(y, p, sample_weight=weight) == pytest.approx(expected, rel=tolerance)
    squares = ((np.eye(n_classes)[y] - exact) ** 2).sum(axis=1)
    expected = np.average(squares, weights=weight)
    found = metrics.brier_score(y, p, sample_weight=weight)
    assert found == pytest.approx(expected, rel=tolerance)
    assert metrics.risk(y, p, loss="brier", sample_weight=weight) == found
    if n_classes == 2:
        half = sk.brier_score_loss(y, exact[:, 1], sample_weight=weight)
        assert found == pytest.approx(2 * half, rel=tolerance)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_divergences_equal_a_loop(weighted, dtype):
    g, h = draw_proba(seed=0, dtype=dtype), draw_proba(seed=1, dtype=dtype)
    g[0], h[0] = [1, 0, 0], [0.5, 0.5, 0]
    g[1], h[1] = [0.5, 0.5, 0], [1, 0, 0]
    weight = np.random.default_rng(2).random(len(g)) if weighted else np.ones(len(g))
    kl = brier = 0.0
    for w, p, q in zip(weight, g.tolist(), h.tolist(), strict=True):
        kl += w * sum(a * (math.log(a) - math.log(max(b, 2**-52))) for a, b in zip(p, q) if a > 0)  # noqa: B905
        brier += w * sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
    given_weight = weight if weighted else None
    found = metrics.churn_divergence(g, h, sample_weight=given_weight)
    assert found == pytest.approx(kl / weight.sum(), rel=1e-6)
    found = metrics.churn_divergence(g, h, divergence="brier", sample_weight=given_weight)
    assert found == pytest.approx(brier / weight.sum(), rel=1e-6)


@pytest.mark.parametrize(("divergence", "loss"), [("kl", "log_loss"), ("brier", "brier")])
def test_divergence_is_the_expected_extra_loss(divergence, loss):
    g, h = draw_proba(seed=3) * 0.98 + 0.02 / 3, draw_proba(seed=4) * 0.98 + 0.02 / 3
    expected = 0.0
    for row in range(len(g)):
        for k in range(3):
            one = slice(row, row + 1)
            extra = metrics.risk([k], h[one], loss=loss) - metrics.risk([k], g[one], loss=loss)
            expected += g[row, k] * extra / len(g)
    assert metrics.churn_divergence(g, h, divergence=divergence) == pytest.approx(expected)
    assert metrics.churn_divergence(g, g.copy(), divergence=divergence) == 0


def test_classes_are_matched_by_value():
    p = draw_proba()
    y = np.random.default_rng(1).integers(0, 3, len(p))
    expected = metrics.log_loss(y, p)
    order = [2, 0, 1]
    assert metrics.log_loss(y, p[:, order], classes=order) == pytest.approx(expected)
    named = metrics.log_loss(NAMES[y], p[:, order], classes=NAMES[order])
    assert named == pytest.approx(expected)
    categories = metrics.log_loss(pd.Categorical(NAMES[y]), p, classes=list(NAMES[:3]))
    assert categories == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_losses_of_certain_answers_are_finite_and_not_negative(dtype):
    certain = np.eye(2, dtype=dtype)
    assert metrics.log_loss([0, 1], certain) == 0
    assert metrics.brier_score([0, 1], certain) == 0
    assert metrics.log_loss([1, 0], certain) == pytest.approx(-math.log(2**-52))
    rounded = np.array([[1.0005, 0.0]], dtype=dtype)
    assert metrics.log_loss([0], rounded) == 0
    assert metrics.brier_score([0], rounded) >= 0


# --- bad input -----------------------------------------------------------------------------------

HARD = [getattr(metrics, name) for name in OF_TRUTH]


@pytest.mark.parametrize("measure", HARD)
@pytest.mark.parametrize(
    ("y", "base", "new", "match"),
    [
        ([0, 1], [0, 1], [0], "must have the same number of rows"),
        ([0, None], [0, 1], [0, 1], "y must not have missing values"),
        ([0, 1], [0.0, np.nan], [0, 1], "base_pred must not have missing values"),
        ([], [], [], "at least one row, got none"),
        ([0, 1], [0, 1], ["0", "1"], "must have labels of one type"),
        ([0, 1], [0, 1], np.array(["0", "1"], dtype=object), "must have labels of one type"),
        (pd.Series(["a", "b"]), [0, 1], [0, 1], "must have labels of one type"),
        ([0, 1], [0.2, 0.7], [0, 1], "base_pred must be class labels, got real numbers"),
        ([0, 1], [[0.5, 0.5]] * 2, [0, 1], r"base_pred must be labels of shape \(n,\)"),
    ],
)
def test_bad_labels(measure, y, base, new, match):
    with pytest.raises(InvalidInputError, match=match):
        measure(y, base, new)


def test_bad_weights():
    with pytest.raises(InvalidInputError, match="sample_weight and rows must have the same"):
        metrics.churn_rate([0, 1], [0, 1], sample_weight=[1])
    with pytest.raises(InvalidInputError, match="sample_weight must be finite and >= 0"):
        metrics.accuracy_gain([0, 1], [0, 1], [1, 1], sample_weight=[1, -1])


@pytest.mark.parametrize("measure", [metrics.log_loss, metrics.brier_score, metrics.risk])
@pytest.mark.parametrize(
    ("y", "p", "options", "match"),
    [
        ([0], [[0.5, 0.4]], {}, "proba must sum to 1 in each row"),
        ([0], [[3.0, -2.0]], {}, "look like logits"),
        ([0], [[np.nan, np.nan]], {}, "proba must not have missing values"),
        ([0], [0.5], {}, r"proba must be probabilities of shape \(n, K\)"),
        ([0, 1], [[0.5, 0.5]], {}, "y and proba must have the same number of rows"),
        ([2], [[0.5, 0.5]], {}, r"y must be among the classes \[0, 1\], got 2;"),
        (["a"], [[0.5, 0.5]], {}, r"y must be among the classes \[0, 1\], got 'a'"),
        (["a"], [[0.5, 0.5]], {"classes": ["a"]}, "classes must be 2 distinct names"),
        (["a"], [[0.5, 0.5]], {"classes": ["a", "a"]}, "classes must be 2 distinct names"),
    ],
)
def test_bad_probabilities(measure, y, p, options, match):
    with pytest.raises(InvalidInputError, match=match):
        measure(y, p, **options)


def test_bad_choices_and_shapes():
    with pytest.raises(
        InvalidInputError, match="loss must be one of 'log_loss', 'brier', got 'log'"
    ):
        metrics.risk([0], [[0.5, 0.5]], loss="log")
    with pytest.raises(
        InvalidInputError, match="divergence must be one of 'kl', 'brier', got 'js'"
    ):
        metrics.churn_divergence([[0.5, 0.5]], [[0.5, 0.5]], divergence="js")
    with pytest.raises(InvalidInputError, match=r"same shape, got \(1, 2\) and \(1, 3\)"):
        metrics.churn_divergence([[0.5, 0.5]], [[0.5, 0.5, 0]])


LABELS, PROBA = [0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]
PAIRED = {
    metrics.churn_rate: (LABELS, LABELS[::-1]),
    metrics.accuracy: (LABELS, LABELS),
    metrics.pairwise_churn: (LABELS, LABELS[::-1]),
    metrics.risk: (LABELS, PROBA),
    metrics.log_loss: (LABELS, PROBA),
    metrics.brier_score: (LABELS, PROBA),
    metrics.churn_divergence: (PROBA, PROBA),
} | {getattr(metrics, name): (LABELS,) * 3 for name in OF_TRUTH}


@pytest.mark.parametrize("measure", PAIRED, ids=lambda measure: measure.__name__)
def test_indexes_that_differ(measure):
    given = PAIRED[measure]
    indexed = [pd.DataFrame(values, index=[5, 3, 4]).squeeze(axis=1) for values in given]
    moved = [*indexed[:-1], indexed[-1].set_axis([3, 4, 5])]
    plain = [*indexed[:-1], given[-1]]

    def measured(values, **options):
        values = [values] if measure is metrics.pairwise_churn else values
        return measure(*values, **options)

    assert measured(indexed) == measured(plain) == measured(given)
    with pytest.raises(InvalidInputError, match=r"must have the same index, .* got 3 of 3 rows"):
        measured(moved)
    if measure is not metrics.pairwise_churn:
        weight = pd.Series([1, 2, 3], index=[3, 4, 5])
        assert measured(given, sample_weight=weight) >= -1
        with pytest.raises(InvalidInputError, match="and sample_weight must have the same index"):
            measured(indexed, sample_weight=weight)


@pytest.mark.parametrize(
    ("y", "pred", "match"),
    [
        ([" Yes", "No"], ["Yes", "yes"], r"no answer \('Yes', 'yes'\) is among the true classes"),
        ([" Yes", "n"], ["Yes", "No"], "' Yes', 'Yes' differ only in their spelling$"),
        (
            ["C", "I"] * 25,
            ["A", "B"] * 25,
            r"'A', 'B'\) is among the true classes \('C', 'I'\), so",
        ),
        ([0, 1] * 25, [7, 8] * 25, r"no answer \(7, 8\) is among"),
    ],
)
def test_answers_that_are_no_classes(y, pred, match):
    with pytest.warns(UserWarning, match=match):
        assert metrics.accuracy(y, pred) == 0
    with pytest.warns(UserWarning, match=match):
        assert metrics.negative_flip_rate(y, pred, pred[::-1]) == 0


def test_few_wrong_answers_are_no_cause_for_a_warning():
    assert metrics.accuracy(["a", "b"], ["c", "c"]) == 0
    assert metrics.accuracy([0, 1] * 25, [1, 0] * 25) == 0
