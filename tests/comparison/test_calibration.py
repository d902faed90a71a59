import numpy as np
import pytest

from holdfast.comparison.calibration import calibration_error, equal_mass_bins


def test_bins_hold_equal_mass_and_equal_scores_stay_together():
    rng = np.random.default_rng(0)
    score = rng.permutation(np.linspace(0, 1, 1000))
    place = equal_mass_bins(score, np.ones(1000), 10)
    np.testing.assert_array_equal(np.bincount(place), np.full(10, 100))
    assert (np.diff(place[np.argsort(score)]) >= 0).all()
    coarse = score.round(1)
    place = equal_mass_bins(coarse, rng.random(1000), 10)
    assert all(len(set(place[coarse == value])) == 1 for value in np.unique(coarse))


def test_the_error_equals_a_loop_over_tenths():
    rng = np.random.default_rng(0)
    score = rng.random(500)
    truth = (rng.random(500) < score**2).astype(np.int8)
    error, _ = calibration_error(score, score, truth, np.ones(500))
    tenths = np.array_split(np.argsort(score), 10)
    assert error == pytest.approx(
        np.mean([abs(score[rows].mean() - truth[rows].mean()) for rows in tenths])
    )


def test_the_derivatives_are_those_of_fixed_bins():
    rng = np.random.default_rng(0)
    score = rng.integers(0, 10, 80) / 10
    truth = (rng.random(80) < score**2).astype(np.int8)
    weight = rng.random(80)
    error, gradient = calibration_error(score, score, truth, weight)
    assert weight @ gradient == pytest.approx(0, abs=1e-12)
    for row in range(5):
        step = np.zeros(80)
        step[row] = 1e-6
        up, _ = calibration_error(score, score, truth, weight + step)
        assert (up - error) / 1e-6 == pytest.approx(gradient[row], abs=1e-5)


def test_perfect_calibration_has_no_error():
    score, truth = np.array([0.0, 1.0]), np.array([0, 1], dtype=np.int8)
    assert calibration_error(score, score, truth, np.ones(2))[0] == 0
