import numpy as np
import pytest
from scipy.stats import beta, binomtest

from holdfast.comparison.binomial import beta_quantile
from holdfast.comparison.means import mean_interval

UNIT = (0.0, 1.0)


@pytest.mark.parametrize(("n", "ones"), [(1, 0), (1, 1), (30, 0), (30, 4), (500, 499), (9000, 40)])
def test_values_of_zero_and_one_have_the_exact_interval(n, ones):
    rows = np.array([n - ones, ones], dtype=float)
    some = rows > 0
    found = mean_interval(np.array([0.0, 1.0])[some], rows[some], rows[some], UNIT, 0.9)
    exact = binomtest(ones, n).proportion_ci(0.9, "exact")
    assert found == pytest.approx((exact.low, exact.high), rel=1e-6, abs=1e-12)


def test_beta_quantiles_are_those_of_scipy():
    a, b = np.array([[0.4], [2.0], [31.5]]), np.array([1.0, 7.3, 900.0])
    np.testing.assert_allclose(beta_quantile(a, b, 0.025), beta.ppf(0.025, a, b), rtol=1e-6)


def test_units_and_scales_do_not_matter():
    values, rows = np.array([0.0, 1.0, 10.0]), np.array([400.0, 30.0, 7.0])
    low, high = mean_interval(values, rows, rows, (0.0, 10.0), 0.95)
    scaled = mean_interval(values, 3 * rows, 9 * rows, (0.0, 10.0), 0.95)
    assert scaled == pytest.approx((low, high))
    moved = mean_interval(5 - 2 * values, rows, rows, (-15.0, 5.0), 0.95)
    assert moved == pytest.approx((5 - 2 * high, 5 - 2 * low))
    split = np.array([400.0, 30.0, 3.0, 4.0])
    apart = mean_interval(np.array([0.0, 1.0, 10.0, 10.0]), split, split, (0.0, 10.0), 0.95)
    assert apart == pytest.approx((low, high))


def test_one_possible_value_needs_no_interval():
    assert mean_interval(np.array([2.0]), np.ones(1), np.ones(1), (2.0, 2.0), 0.95) == (2.0, 2.0)


@pytest.mark.parametrize(("n", "rare"), [(100, 0.05), (2000, 0.004)])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_tail_is_wrong_no_more_often_than_promised(n, rare, weighted):
    """Rare rows cost fifty times as much as others, as missed frauds do, and may weigh more."""
    values, shares = np.array([0.0, 1.0, 50.0, 0.0]), np.array([0, 0.04, rare, 0.02])
    shares[0] = 1 - shares.sum()
    weight = np.array([1.0, 1.0, 4.0, 4.0]) if weighted else np.ones(4)
    truth = shares * weight @ values / (shares @ weight)
    drawn = np.random.default_rng(0).multinomial(n, shares, 300)
    ends = [
        mean_interval(
            values[some], (weight * rows)[some], (weight**2 * rows)[some], (0.0, 50.0), 0.95
        )
        for rows in drawn
        for some in [rows > 0]
    ]
    low, high = np.array(ends).T
    most = 0.025 + 2.5 * np.sqrt(0.025 * 0.975 / len(drawn))
    assert np.mean(low > truth) <= most
    assert np.mean(high < truth) <= most
