"""Intervals of weighted shares: exact without weights, honest where weights go with change."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import beta

from holdfast import Policy, compare
from holdfast.comparison.binomial import exact_interval
from holdfast.comparison.effective import Weighed, moves, share_interval
from holdfast.comparison.gains import gain_interval, weighed_gain_interval


def sums(weight, some):
    return Weighed(weight @ some, weight**2 @ some)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3, 7e6])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 50), (3, 50), (50, 50), (17, 100_000)])
def test_equal_weights_give_the_exact_interval(k, n, scale):
    some, others = (Weighed(rows * scale, rows * scale**2) for rows in (k, n - k))
    found, exact = share_interval(some, others, scale, 0.95), exact_interval(k / n, n, 0.95)
    np.testing.assert_allclose(found, exact, rtol=1e-9)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1 / 3])
@pytest.mark.parametrize(("up", "down", "n"), [(0, 0, 40), (5, 2, 90), (9, 0, 9), (30, 40, 1_000)])
def test_equal_weights_give_the_usual_interval_of_a_gain(up, down, n, scale):
    parts = [Weighed(rows * scale, rows * scale**2) for rows in (up, down, n - up - down)]
    found = np.array(weighed_gain_interval(*parts, scale, 0.95))
    assert found == pytest.approx(np.array(gain_interval(up / n, down / n, n, 0.95)), abs=1e-12)


def test_the_scale_of_weights_does_not_matter():
    rng = np.random.default_rng(0)
    base, new, y = rng.integers(0, 2, (3, 300))
    weight, groups = rng.pareto(2, 300), rng.integers(0, 3, 300)
    one, two = (
        compare(base, new, y, groups=groups, sample_weight=scale * weight, max_group_churn=0.5)
        for scale in (1.0, 1e-3)
    )
    for name in ("churn_rate", "negative_flip_rate", "accuracy_new", "accuracy_gain"):
        interval = getattr(one, f"{name}_interval")
        assert interval == pytest.approx(getattr(two, f"{name}_interval"))
    for own, other in zip(one.groups, two.groups, strict=True):
        assert own.churn_rate_interval == pytest.approx(other.churn_rate_interval)
        assert own.status == other.status


def test_numbers_of_rows_against_a_loop():
    rng = np.random.default_rng(1)
    weight, move = rng.gamma(1, size=60), rng.choice([-1, 0, 0, 1], 60)
    parts = [sums(weight, move == sign) for sign in (1, -1, 0)]
    for unseen, sign in (("up", 1), ("down", -1), ("still", 0)):
        w, z = np.append(weight, weight.max()), np.append(move, sign)
        mean = np.average(z, weights=w)
        size = (
            np.average((z - mean) ** 2, weights=w) / ((w**2 * (z - mean) ** 2).sum()) * w.sum() ** 2
        )
        found = moves(*parts, weight.max(), unseen=unseen)
        assert found.n == pytest.approx(size - 1)
        for of, name in ((1, "up"), (-1, "down")):
            expected = size * w[z == of].sum() / w.sum() - (name == unseen)
            assert getattr(found, name) == pytest.approx(expected)


def test_without_a_change_the_bound_is_that_of_the_heaviest_rows():
    # Light rows beside 60 heavy ones hardly count.
    heavy, light = np.full(60, 100.0), np.full(5_000, 0.01)
    weight = np.concatenate([heavy, light])
    none, every = Weighed(0.0, 0.0), Weighed(weight.sum(), (weight**2).sum())
    high = share_interval(none, every, 100.0, 0.95)[1]
    assert float(high) == pytest.approx(beta.ppf(0.975, 1, 60), rel=0.02)


def drawn(kind, rng, n):
    """Return weights and changes whose true share is known."""
    if kind == "tied":  # 2 % of the rows weigh 20 and change in 20 %, the others in .5 %
        heavy = rng.random(n) < 0.02
        return np.where(heavy, 20.0, 1.0), rng.random(n) < np.where(heavy, 0.2, 0.005)
    if kind == "opposed":
        heavy = rng.random(n) < 0.1
        return np.where(heavy, 10.0, 1.0), rng.random(n) < np.where(heavy, 0.01, 0.1)
    return rng.choice([1.0, 3.0, 10.0], n), rng.random(n) < 0.05


TRUTH = {
    "tied": (0.02 * 20 * 0.2 + 0.98 * 0.005) / 1.38,
    "opposed": (0.1 * 10 * 0.01 + 0.9 * 0.1) / 1.9,
    "independent": 0.05,
}


@pytest.mark.parametrize("kind", TRUTH)
@pytest.mark.parametrize("n", [300, 3_000])
def test_intervals_hold_and_verdicts_are_right_where_weights_go_with_change(kind, n):
    rng, repetitions, truth = np.random.default_rng(n), 1_500, TRUTH[kind]
    rows = [drawn(kind, rng, n) for _ in range(repetitions)]
    some, others = (
        Weighed(*np.array([(w @ z, w**2 @ z) for w, z in part]).T)
        for part in (rows, [(w, ~z) for w, z in rows])
    )
    largest = np.array([w.max() for w, _ in rows])
    low, high = share_interval(some, others, largest, 0.95)
    error = 3 * np.sqrt(0.025 * 0.975 / repetitions)
    assert np.mean(high <= truth) <= 0.025 + error
    assert np.mean(low > truth) <= 0.025 + error


@pytest.mark.parametrize("n", [300, 3_000])
def test_gains_hold_where_weights_go_with_change(n):
    rng, repetitions = np.random.default_rng(n), 1_000
    truth = (0.02 * 20 * 0.05 + 0.98 * 0.0) / 1.38
    found = []
    for _ in range(repetitions):
        heavy, u = rng.random(n) < 0.02, rng.random(n)
        weight, discordant = np.where(heavy, 20.0, 1.0), np.where(heavy, 0.25, 0.01)
        gain = np.where(heavy, 0.05, 0.0)
        up, down = u < (discordant + gain) / 2, u > 1 - (discordant - gain) / 2
        found.append([sums(weight, part) for part in (up, down, ~(up | down))])
    parts = [Weighed(*np.array([one[i] for one in found]).T) for i in range(3)]
    low, high = weighed_gain_interval(*parts, 20.0, 0.95)
    error = 3 * np.sqrt(0.025 * 0.975 / repetitions)
    assert np.mean(low >= truth) <= 0.025 + error
    assert np.mean(high < truth) <= 0.025 + error


def test_every_share_of_a_policy_regards_how_weights_go_with_change():
    rng, repetitions, passed = np.random.default_rng(3), 60, Counter()
    limits = dict.fromkeys(("max_churn", "max_negative_flips", "per_group"), TRUTH["tied"])
    for _ in range(repetitions):
        weight, changed = drawn("tied", rng, 500)
        y = np.zeros(500, dtype=int)
        found = compare(y, y + changed, y, sample_weight=weight, groups={"g": y})
        passed.update(
            one.name for one in Policy(**limits).decide(found).checks if one.status == "pass"
        )
    most = 0.025 + 3 * np.sqrt(0.025 * 0.975 / repetitions)
    assert max(passed.values(), default=0) / repetitions <= most
