"""Tests and bounds of a mean against exact values, and their error rates by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from holdfast.exceptions import InvalidInputError
from holdfast.selection.bounds import (
    STAKES,
    Evidence,
    binomial_p_value,
    binomial_upper,
    most_changes,
)

pytestmark = pytest.mark.slow

CONFIDENCE = 0.95


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 200), (50, 50), (0, 1)])
def test_shares_are_exact(count, n):
    upper = float(binomial_upper(count, n, CONFIDENCE))
    expected = stats.binomtest(count, n, alternative="less").proportion_ci(CONFIDENCE).high
    assert upper == pytest.approx(expected, abs=1e-12)
    rows = Evidence(np.repeat([1.0, 0.0], [count, n - count]))
    assert rows.upper(CONFIDENCE) == pytest.approx(expected, abs=1e-12)
    for limit in (0.01, 0.3):
        total = sum(stats.binom.pmf(k, n, limit) for k in range(count + 1))
        assert binomial_p_value(count, n, limit) == pytest.approx(total)
        assert rows.p_value(limit) == pytest.approx(total)


def losses(kind, rng, mean, n):
    """Draw losses of a known mean: the hardest (all or nothing), and smooth ones."""
    if kind == "weighted":
        weight = rng.integers(1, 4, n).astype(float)
        return Evidence((rng.random(n) < mean).astype(float), weight=weight, max_weight=3.0)
    if kind == "large":  # all or nothing, in units of 5
        return Evidence(5.0 * (rng.random(n) < mean / 5), largest=5.0)
    spread = 4.0
    return Evidence(rng.beta(spread * mean, spread * (1 - mean), n))


@pytest.mark.parametrize("kind", ["weighted", "large", "beta"])
def test_betting_is_wrong_no_more_often_than_it_says(kind):
    rng, mean, draws = np.random.default_rng(0), 0.03, 600
    found = [losses(kind, rng, mean, 400) for _ in range(draws)]
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert np.mean([e.p_value(mean) <= 0.05 for e in found]) <= allowed
    assert np.mean([e.upper(CONFIDENCE) < mean for e in found]) <= allowed


@pytest.mark.parametrize("kind", ["weighted", "large", "beta"])
def test_betting_finds_what_is_there(kind):
    rng = np.random.default_rng(1)
    found = [losses(kind, rng, 0.012, 4000) for _ in range(60)]
    limit = 0.02 if kind != "large" else 0.04  # one row in 400 is a loss there
    assert np.mean([e.p_value(limit) <= 0.05 for e in found]) > 0.75


def test_betting_on_shares_is_near_the_exact_test():
    rng = np.random.default_rng(2)
    rows = (rng.random(4000) < 0.012).astype(float)
    exact, betting = Evidence(rows), Evidence(rows, weight=np.ones(len(rows)), max_weight=1.0)
    assert betting.upper(CONFIDENCE) >= exact.mean
    assert betting.upper(CONFIDENCE) < exact.upper(CONFIDENCE) + 0.003
    slow = [np.prod(1 - stake * (rows - 0.02)) for stake in STAKES]
    assert betting.p_value(0.02) <= 1 / np.mean(slow) + 1e-12  # the wealth at the end


def test_bound_and_test_agree():
    rng = np.random.default_rng(3)
    evidence = Evidence(rng.beta(0.2, 8, 500))
    upper = evidence.upper(CONFIDENCE)
    assert evidence.p_value(upper + 1e-5) <= 0.05 < evidence.p_value(upper - 1e-5)


def test_weights_without_size_change_nothing():
    values = np.random.default_rng(4).beta(0.2, 8, 300)
    one, ten = (Evidence(values, weight=np.full(300, w), max_weight=w) for w in (1.0, 10.0))
    assert one.p_value(0.05) == pytest.approx(ten.p_value(0.05))
    assert one.p_value(0.05) == pytest.approx(Evidence(values).p_value(0.05))


def test_what_can_never_or_always_be_said():
    rows = Evidence(np.full(50, 0.1), largest=2.0)
    assert rows.p_value(2.0) == 0.0
    assert rows.p_value(0.0) == 1.0
    assert Evidence(np.zeros(0)).p_value(0.1) == 1.0
    assert Evidence(np.zeros(0)).upper(CONFIDENCE) == 1.0


@pytest.mark.parametrize(("n", "limit"), [(1000, 0.02), (100, 0.02), (149, 0.02), (50, 0.9)])
def test_most_changes_by_counting(n, limit):
    shown = [k for k in range(n + 1) if binomial_p_value(k, n, limit) <= 1 - CONFIDENCE]
    assert most_changes(n, limit, CONFIDENCE) == max(shown, default=-1)


def test_a_weight_that_was_not_seen_may_be_large():
    # One row in 400 weighs 1,000 and changes, so that most draws of 300 hold none of them.
    rng, limit, passed = np.random.default_rng(0), 0.2, 0
    for _ in range(300):
        heavy = rng.random(300) < 1 / 400
        one = Evidence(heavy * 1.0, weight=np.where(heavy, 1000.0, 1.0), max_weight=1000.0)
        passed += one.p_value(limit) <= 0.05
    assert passed / 300 <= 0.05


@pytest.mark.parametrize("bound", [None, 2.9])
def test_weights_need_a_bound(bound):
    with pytest.raises(
        InvalidInputError, match="max_weight must be at least the largest weight, 3"
    ):
        Evidence(np.zeros(3), weight=np.array([1.0, 3.0, 2.0]), max_weight=bound)
