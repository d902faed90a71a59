"""Expected calibration error from counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CALIBRATION_BINS", "calibration_error", "equal_mass_bins"]

Floats = NDArray[np.float64]

CALIBRATION_BINS = 10


def equal_mass_bins(key: NDArray[Any], weight: Floats, n_bins: int) -> NDArray[np.intp]:
    """Return the bin of each cell, where every bin holds about the same weight.

    Equal keys share a bin: the one that holds the middle of their weight. There may be fewer
    bins than `n_bins`, then.

    Examples
    --------
    >>> equal_mass_bins(np.array([0.1, 0.2, 0.2, 0.9]), np.ones(4), 2).tolist()
    [0, 0, 0, 1]
    """
    distinct, code = np.unique(key, return_inverse=True)
    mass = np.bincount(code, weight, len(distinct))
    middle = np.cumsum(mass) - mass / 2
    # The middle of all weight belongs to the lower of two bins.
    place = np.ceil(middle / mass.sum() * n_bins - 1e-9).astype(np.intp) - 1
    return place.clip(0, n_bins - 1)[code]


def calibration_error(
    key: NDArray[Any], score: Floats, truth: NDArray[np.int8], weight: Floats
) -> tuple[float, Floats]:
    """Return the expected calibration error, and its derivative by the weight of each cell.

    It is Σ |mean score − share of positives| over ten bins of equal mass of the model's own
    scores, weighted by the bins' mass. The bins count as fixed in the derivative.

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015; bins of equal mass as in Nixon et al., "Measuring calibration in deep
    learning", CVPR Workshops 2019. Bins of equal width would put nearly all rows of a rare
    class into one.
    """
    place = equal_mass_bins(key, weight, CALIBRATION_BINS)
    gap = np.bincount(place, weight * (score - truth), CALIBRATION_BINS)
    total = weight.sum()
    error = float(np.abs(gap).sum() / total)
    return error, (np.sign(gap)[place] * (score - truth) - error) / total
