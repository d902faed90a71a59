import numpy as np
import pytest

from holdfast.comparison.score_grid import SCORE_BINS, bin_starts, score_bin

CUTS = (0.05, 0.3, 0.5)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    near_zero = 10.0 ** rng.uniform(-12, 0, 20_000)
    ends = [0.0, 1.0, np.nextafter(1, 0), 5e-324, *CUTS, *(np.nextafter(cut, 0) for cut in CUTS)]
    return np.concatenate([near_zero, 1 - near_zero, rng.random(20_000), ends])


@pytest.mark.parametrize("cuts", [(), CUTS])
def test_bins_rise_with_the_score_and_stay_in_range(scores, cuts):
    bins = score_bin(np.sort(scores), cuts)
    assert (np.diff(bins) >= 0).all()
    assert bins[0] == 0
    assert bins[-1] == SCORE_BINS - 1 + len(cuts)


def test_a_start_is_the_least_score_of_its_bin():
    starts = bin_starts()
    np.testing.assert_array_equal(score_bin(starts), np.arange(SCORE_BINS))
    np.testing.assert_array_equal(score_bin(np.nextafter(starts[1:], 0)), np.arange(SCORE_BINS - 1))


def test_no_bin_straddles_a_cut():
    starts = bin_starts(CUTS)
    for cut in CUTS:
        assert score_bin(np.nextafter(cut, 0), CUTS) < score_bin(cut, CUTS)
        assert starts[score_bin(cut, CUTS)] == cut


def test_bins_are_narrow_and_narrower_near_the_ends():
    widths = np.diff(np.append(bin_starts(), 1))
    assert widths.max() < 3.5e-4
    np.testing.assert_allclose(widths, widths[::-1], rtol=1e-6)
    assert (score_bin([0.001, 0.01, 0.1]) > [60, 200, 600]).all()
