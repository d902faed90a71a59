import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from holdfast.comparison.paired import effective_rows, score_interval


def tango_statistic(up, down, n, difference):
    """Tango's statistic, by a search for the likeliest share of rows that move down."""
    shares = np.linspace(max(0, -difference), (1 - difference) / 2, 400_001)[1:-1]
    still = 1 - 2 * shares - difference
    with np.errstate(all="ignore"):
        fit = up * np.log(shares + difference) + down * np.log(shares)
        fit = np.where(still > 0, fit + (n - up - down) * np.log(still), -np.inf)
    share = shares[np.nanargmax(fit)]
    variance = n * (2 * share + difference * (1 - difference))
    return (up - down - n * difference) / np.sqrt(variance)


@pytest.mark.parametrize(("up", "down", "n"), [(12, 2, 50), (3, 9, 43), (1, 30, 200), (20, 20, 90)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_score_interval_equals_a_search(up, down, n, confidence):
    z = norm.ppf((1 + confidence) / 2)
    value = (up - down) / n
    low, high = score_interval(up, down, n, confidence)
    expected = (
        brentq(lambda d: tango_statistic(up, down, n, d) - z, value - 0.4, value),
        brentq(lambda d: tango_statistic(up, down, n, d) + z, value, value + 0.4),
    )
    assert (low, high) == pytest.approx(expected, abs=2e-4)


def test_score_interval_of_the_edges():
    low, high = score_interval([0, 10, 0], [0, 0, 10], [10, 10, 10], 0.95)
    z2 = norm.ppf(0.975) ** 2
    np.testing.assert_allclose(low, [-z2 / (10 + z2), (10 - z2) / (10 + z2), -1], atol=1e-9)
    np.testing.assert_allclose(high, [z2 / (10 + z2), 1, (z2 - 10) / (10 + z2)], atol=1e-9)
    swapped = score_interval([0, 0, 10], [0, 10, 0], [10, 10, 10], 0.95)
    np.testing.assert_allclose(swapped[0], -high, atol=1e-9)
    assert np.isnan(score_interval(0, 0, 0, 0.95)).all()


def test_effective_rows():
    sums = tuple(np.array(x, float) for x in (3, 5, 40))
    assert effective_rows(sums, sums) == pytest.approx(40)
    doubled = tuple(2 * x for x in sums)
    assert effective_rows(doubled, tuple(4 * x for x in sums)) == pytest.approx(40)
    # Rows that moved and weigh much leave fewer rows than Kish's number.
    heavy = (np.array(30.0), np.array(0.0), np.array(67.0)), (300.0, 0.0, 337.0)
    assert effective_rows(heavy[0], tuple(map(np.array, heavy[1]))) < 67**2 / 337
