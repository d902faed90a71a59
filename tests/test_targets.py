import math

import numpy as np
import pandas as pd
import pytest

from holdfast import metrics, targets
from holdfast.exceptions import InvalidInputError

NAMES = np.array(["ant", "bee", "cow"])


def draw(n=40, n_classes=3, missing=0.2, dtype=np.float64):
    rng = np.random.default_rng(0)
    base = rng.dirichlet(np.ones(n_classes), n).astype(dtype)
    base[rng.random(n) < missing] = np.nan
    return rng.integers(0, n_classes, n), base


def is_missing(row):
    return all(math.isnan(value) for value in row)


def distill_loop(y, base, lam):
    rows = []
    for label, g, weight in zip(y, base, lam, strict=True):
        weight = 0.0 if is_missing(g) else weight
        rows.append(
            [
                (1 - weight) * (k == label) + (weight * g[k] if weight else 0.0)
                for k in range(len(g))
            ]
        )
    return rows


@pytest.mark.parametrize("lam", [0, 0.3, 1, "rows"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_distill_equals_a_loop(lam, dtype):
    y, base = draw(dtype=dtype)
    if lam == "rows":
        lam = np.random.default_rng(1).random(len(y)).round(1)
    expected = distill_loop(y.tolist(), base.tolist(), np.broadcast_to(lam, len(y)).tolist())
    target = targets.distill(y, base, lam)
    assert target.dtype == np.float64
    np.testing.assert_allclose(target, expected, atol=1e-12)
    np.testing.assert_allclose(target.sum(axis=1), 1, atol=1e-6)


def test_distill_at_the_ends():
    y, base = draw()
    np.testing.assert_array_equal(targets.distill(y, base, 0), np.eye(3)[y])
    missing = np.isnan(base).any(axis=1)
    target = targets.distill(y, base, 1)
    np.testing.assert_array_equal(target[~missing], base[~missing])
    np.testing.assert_array_equal(target[missing], np.eye(3)[y][missing])
    all_missing = np.full((2, 3), np.nan)
    np.testing.assert_array_equal(targets.distill([2, 0], all_missing, 1), np.eye(3)[[2, 0]])


def test_lambda_of_each_row_in_every_form():
    y, base = draw()
    lam = np.random.default_rng(1).integers(0, 2, len(y))
    expected = targets.distill(y, base, lam)
    for form in (lam.tolist(), lam.astype(np.int8), pd.Series(lam, dtype="Float64")):
        np.testing.assert_array_equal(targets.distill(y, base, form), expected)


@pytest.mark.parametrize("alpha", [0, 0.4, 1])
@pytest.mark.parametrize("eta", [0, 0.7, 1])
def test_anchor_equals_a_loop(alpha, eta):
    y, base = draw()
    expected = []
    for label, g in zip(y.tolist(), base.tolist(), strict=True):
        truth = [float(k == label) for k in range(3)]
        if is_missing(g):
            expected.append(truth)
        elif g.index(max(g)) == label:
            expected.append([alpha * a + (1 - alpha) * t for a, t in zip(g, truth, strict=True)])
        else:
            expected.append([eta * t for t in truth])
    np.testing.assert_allclose(targets.anchor(y, base, alpha, eta), expected, atol=1e-12)


def test_anchor_without_weight_is_one_hot():
    y, base = draw()
    np.testing.assert_array_equal(targets.anchor(y, base, 0, 1), np.eye(3)[y])


@pytest.mark.parametrize("alpha", [0, 0.3, 1])
def test_smooth_equals_a_loop(alpha):
    y, _ = draw()
    expected = [[(1 - alpha) * (k == label) + alpha / 3 for k in range(3)] for label in y.tolist()]
    np.testing.assert_allclose(targets.smooth(y, alpha, classes=range(3)), expected, atol=1e-12)


def test_classes_are_matched_by_value():
    y, base = draw()
    order = [2, 0, 1]
    for lam in (0.3, 1.0):
        expected = targets.distill(y, base, lam)[:, order]
        named = targets.distill(NAMES[y], base[:, order], lam, classes=NAMES[order])
        np.testing.assert_array_equal(named, expected)
    expected = targets.anchor(y, base, 0.5, 0.7)[:, order]
    named = targets.anchor(pd.Categorical(NAMES[y]), base[:, order], 0.5, 0.7, classes=NAMES[order])
    np.testing.assert_array_equal(named, expected)
    one_hot = targets.one_hot(NAMES[y], classes=NAMES[order])
    np.testing.assert_array_equal(one_hot, np.eye(3)[y][:, order])


def test_loss_on_the_target_is_risk_plus_divergence():
    """(1 − λ)·R + λ·C differ from the loss on the target by the entropy of g, whatever h is."""
    y, base = draw(missing=0)
    lam = 0.3
    target = targets.distill(y, base, lam)
    constants = []
    for seed in (1, 2):
        h = np.random.default_rng(seed).dirichlet(np.ones(3), len(y))
        loss = -(target * np.log(h)).sum(axis=1).mean()
        risk, churn = metrics.risk(y, h), metrics.churn_divergence(base, h)
        constants.append(loss - (1 - lam) * risk - lam * churn)
    assert constants[0] == pytest.approx(constants[1])


HALF = [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("y", "base", "lam", "options", "match"),
    [
        ([0], HALF, 1.5, {}, r"lam must be in \[0, 1\], got 1\.5; 0 learns from the labels"),
        ([0], HALF, np.nan, {}, r"lam must be in \[0, 1\], got nan"),
        ([0], HALF, "a", {}, r"lam must be in \[0, 1\], got 'a'"),
        ([0], HALF, None, {}, r"lam must be in \[0, 1\], got None"),
        ([0], HALF, True, {}, r"lam must be in \[0, 1\], got True"),
        ([0], HALF, ["a"], {}, r"lam must be in \[0, 1\], one number or one a row, got \['a'\]"),
        ([0], HALF, [-0.1], {}, r"lam must be in \[0, 1\], one number"),
        ([0], HALF, [[0.1]], {}, r"lam must be in \[0, 1\], one number"),
        ([0], HALF, [0.1, 0.1], {}, "lam and rows must have the same number of rows, got lam 2"),
        ([0, 1], HALF, 0.5, {}, "y and base_proba must have the same number of rows"),
        ([2], HALF, 0.5, {}, r"y must be among the classes \[0, 1\], got 2;"),
        ([0], [[0.5, 0.4]], 0.5, {}, "base_proba must sum to 1 in each row"),
        ([0], [[2.0, -1.0]], 0.5, {}, "base_proba must be probabilities .* look like logits"),
        (
            [0],
            [[np.nan, 1.0]],
            0.5,
            {},
            "base_proba must be NaN in all columns of a row or in none",
        ),
        ([0], [0.5], 0.5, {}, "base_proba must be probabilities of shape"),
        ([0], [[1.0]], 0.5, {}, "with K >= 2, got shape"),
        ([None], HALF, 0.5, {}, "y must not have missing values"),
        (["a"], HALF, 0.5, {"classes": ["a"]}, "one column per class, got 2 columns and 1 classes"),
        (["a"], HALF, 0.5, {"classes": ["a", "a"]}, "classes must be 2 distinct names"),
        (["c"], HALF, 0.5, {"classes": ["a", "b"]}, r"y must be among the classes \['a', 'b'\]"),
    ],
)
def test_bad_input(y, base, lam, options, match):
    with pytest.raises(InvalidInputError, match=match):
        targets.distill(y, base, lam, **options)


def test_weights_out_of_range():
    with pytest.raises(InvalidInputError, match=r"alpha must be in \[0, 1\], got 2"):
        targets.anchor([0], HALF, 2)
    with pytest.raises(InvalidInputError, match=r"eta must be in \[0, 1\], got -1"):
        targets.anchor([0], HALF, 0.5, -1)
    with pytest.raises(InvalidInputError, match=r"alpha must be in \[0, 1\], got nan"):
        targets.smooth([0], np.nan, classes=[0, 1])
