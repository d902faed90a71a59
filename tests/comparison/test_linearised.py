import math

import numpy as np
import pytest
from scipy.stats import norm, t

from holdfast.comparison.intervals import wilson_interval
from holdfast.comparison.linearised import around, half_width, student_quantile, within_unit


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("freedom", [1, 1.5, 2, 5.3, 30, 200, 999, 1001, 1e5, 1e9])
def test_quantiles_equal_scipy_s(confidence, freedom):
    expected = t.ppf((1 + confidence) / 2, freedom)
    assert student_quantile(confidence, freedom) == pytest.approx(expected, rel=1e-4)


def test_one_class_alone_has_its_own_degrees_of_freedom():
    half, freedom = half_width(np.array([0.0, 0.04]), np.array([1000.0, 10.0]), 0.95)
    assert freedom == pytest.approx(9)
    assert half == pytest.approx(t.ppf(0.975, 9) * math.sqrt(0.04 * 10 / 9), rel=1e-4)


def test_two_classes_have_satterthwaite_s_degrees_of_freedom():
    _, freedom = half_width(np.array([0.05, 0.05]), np.array([20.0, 20.0]), 0.95)
    assert freedom == pytest.approx(38)
    assert half_width(np.zeros(2), np.array([20.0, 20.0]), 0.95) == (0.0, math.inf)


def test_intervals_stay_in_the_range_of_the_measure():
    assert around(0.1, 0.2, 0.0, 1.0) == (0.0, pytest.approx(0.3))
    low, high = within_unit(0.99, 0.05, 50, 0.95)
    assert 0.3 < low < 0.99 < high < 1
    assert within_unit(1.0, 0.0, 50, 0.95) == tuple(map(float, wilson_interval(1.0, 50, 0.95)))
    z = norm.ppf(0.975)
    low, high = within_unit(0.5, z * 0.01, 50, 0.95)
    assert (low, high) == (pytest.approx(0.5 - 0.0196, abs=1e-4), pytest.approx(0.5196, abs=1e-4))
    assert within_unit(0.5, 1e6, 50, 0.95) == (0.0, 1.0)
