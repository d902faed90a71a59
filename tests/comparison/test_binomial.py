"""Exact binomial tails and bounds, against scipy."""

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest

from holdfast.comparison.binomial import exact_interval, lower_bound, tail, upper_bound

RNG = np.random.default_rng(0)
N = np.concatenate([RNG.integers(1, 60, 150), (10 ** RNG.uniform(1, 7, 60)).round()])
K = np.minimum((N * RNG.random(len(N)) ** 3).round(), N)


def test_tails_equal_scipy():
    share = np.clip(K / N * RNG.uniform(0.7, 1.3, len(N)) + 1e-4, 1e-6, 1 - 1e-6)
    expected = binom.sf(K - 1, N, share)
    far = expected > 1e-280
    np.testing.assert_allclose(tail(K, N, share)[far], expected[far], rtol=1e-9)


def test_tails_at_the_ends():
    found = tail([0, 3, 3, 3, 3], 3, [0.5, 0.0, 1.0, 0.5, 1e-310])
    assert found.tolist() == pytest.approx([1.0, 0.0, 1.0, 0.125, 0.0])


@pytest.mark.parametrize("error", [0.2, 0.025, 1e-6])
def test_bounds_equal_scipy(error):
    low = np.where(K > 0, beta.ppf(error, K, N - K + 1), 0.0)
    high = np.where(K < N, beta.isf(error, K + 1, N - K), 1.0)
    np.testing.assert_allclose(lower_bound(K / N, N, error), low, rtol=1e-9)
    np.testing.assert_allclose(upper_bound(K / N, N, error), high, rtol=1e-9)


def test_numbers_need_not_be_whole():
    low, high = exact_interval(0.15, 12.5, 0.9)
    assert low == pytest.approx(beta.ppf(0.05, 1.875, 11.625))
    assert high == pytest.approx(beta.isf(0.05, 2.875, 10.625))


@pytest.mark.parametrize("n", [1, 7, 300])
def test_intervals_invert_the_tests(n):
    for k in {0, 1, n // 3, n}:
        low, high = exact_interval(k / n, n, 0.95)
        expected = binomtest(k, n).proportion_ci(0.95, method="exact")
        assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9)
        if k:
            assert tail(k, n, low) == pytest.approx(0.025)
        if k < n:
            assert 1 - tail(k + 1, n, high) == pytest.approx(0.025)


def test_no_rows_say_nothing():
    assert [float(end) for end in exact_interval(0.0, 0, 0.95)] == [0.0, 1.0]
