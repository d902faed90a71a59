import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binom, binomtest, norm

from holdfast.comparison.intervals import mcnemar_p_value, wilson_interval


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.999999])
@pytest.mark.parametrize("n", [1, 2, 17, 1000])
def test_wilson_equals_scipy(n, confidence):
    for k in sorted({0, 1, n // 3, n - 1, n}):
        expected = binomtest(k, n).proportion_ci(confidence, method="wilson")
        low, high = wilson_interval(k / n, n, confidence)
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-10)
        assert 0 <= low <= k / n <= high <= 1


def test_wilson_ends_are_exact():
    assert wilson_interval(0.0, 7, 0.95)[0] == 0
    assert wilson_interval(1.0, 7, 0.95)[1] == 1
    z2 = norm.ppf(0.975) ** 2
    assert wilson_interval(0.0, 7, 0.95)[1] == pytest.approx(z2 / (7 + z2))


def test_wilson_of_arrays_and_effective_numbers():
    low, high = wilson_interval([0.1, 0.5], [10.5, 3.25], 0.9)
    for i, (p, n) in enumerate([(0.1, 10.5), (0.5, 3.25)]):
        z = norm.ppf(0.95)
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert (low[i], high[i]) == pytest.approx((centre - half, centre + half))


CONFIDENCES = [
    *(10.0**-digits for digits in (1, 3, 9, 16, 300)),
    *np.linspace(0.001, 0.999, 97).tolist(),
    *(1 - 10.0**-digits for digits in range(3, 16)),
    np.nextafter(1.0, 0.0),
]
SHARES = np.array([0.0, 1e-12, 1e-6, 0.01, 0.1, 1 / 3, 0.5, 0.9, 1 - 1e-9, 1.0])


@pytest.mark.parametrize("n", [1, 2.5, 40, 1_000, 10**6, 1e12])
def test_intervals_at_every_confidence_equal_those_of_scipy_quantiles(n):
    for confidence in CONFIDENCES:
        z = -ndtri((1 - confidence) / 2)
        centre = (SHARES + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(SHARES * (1 - SHARES) / n + z * z / (4 * n * n))
        found = wilson_interval(SHARES, n, confidence)
        np.testing.assert_allclose(found, (centre - half, centre + half), rtol=0, atol=1e-12)


def test_extreme_confidence_stays_finite():
    low, high = wilson_interval(0.1, 100, 1 - 1e-15)
    assert 0 < low < 0.1 < high < 1


@pytest.mark.parametrize("n", [1, 2, 10, 25, 400])
def test_mcnemar_equals_the_exact_binomial_test(n):
    for gained in sorted({0, 1, n // 3, n // 2, n}):
        expected = binomtest(gained, n).pvalue
        assert mcnemar_p_value(gained, n - gained) == pytest.approx(expected, rel=1e-9)


EXTREMES = (0.0, 1e-3, 0.1, 0.25, 0.3, 0.4, 0.45, 0.49, 0.499, 0.5)  # shares of lost rows


@pytest.mark.parametrize(
    "n", [*range(1, 40), 333, 1_000, 1_001, 4_999, 9_999, 10_000, 10_001, 20_003]
)
def test_mcnemar_equals_whole_numbers(n):
    for lost in sorted({int(share * n) for share in EXTREMES} | {1, (n - 1) // 2}):
        if 2 * lost >= n:
            continue
        term = total = math.comb(n, lost)
        for count in range(lost, 0, -1):
            term = term * count // (n - count + 1)
            total += term
        expected = min(1.0, 2 * total / 2**n)
        assert mcnemar_p_value(n - lost, lost) == pytest.approx(expected, rel=1e-12, abs=1e-300)
        assert mcnemar_p_value(lost, n - lost) == mcnemar_p_value(n - lost, lost)


@pytest.mark.parametrize("n", [10**digits + odd for digits in range(1, 10) for odd in (0, 1)])
def test_mcnemar_equals_scipy_for_many_rows(n):
    for z in (0.0, 0.01, 0.5, 1, 2, 4, 8, 16, 30):
        lost = max(int(n / 2 - z * math.sqrt(n) / 2) - 1, 0)
        expected = min(1.0, 2 * binom.cdf(lost, n, 0.5))
        found = mcnemar_p_value(n - lost, lost)
        assert abs(found - expected) <= 1e-12
        assert found == pytest.approx(expected, rel=1e-10, abs=1e-300)


def test_mcnemar_without_discordant_rows_and_with_very_many():
    assert mcnemar_p_value(0, 0) == 1
    assert mcnemar_p_value(3, 3) == 1
    z = 4_000 / math.sqrt(2_000_000)
    assert mcnemar_p_value(998_000, 1_002_000) == pytest.approx(2 * norm.sf(z), rel=0.01)
