"""The grid on which scores are counted where there are too many distinct ones to keep them apart.

The grid never depends on the rows, so parts that are counted apart can be added. It is uniform in
u(p) = (√p − √(1 − p) + 1) / 2, hence fine where scores are near 0 or 1, as those of rare classes
are. The formula takes only operations that every machine rounds alike, and a power of two as the
number of bins. NumPy and a database therefore put a score into the same bin.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["SCORE_BINS", "bin_starts", "score_bin"]

SCORE_BINS = 1 << 12  # a power of two, so that the multiplication is exact


def score_bin(score: ArrayLike, cuts: Sequence[float] = ()) -> NDArray[np.int64]:
    """Return the bin of each score: an integer that never falls as the score grows.

    Parameters
    ----------
    score : array-like
        Probabilities in [0, 1].
    cuts : sequence of float
        Scores that no bin may straddle, such as thresholds: a bin ends below each of them.

    Returns
    -------
    ndarray of int64
        The number of the bin among `SCORE_BINS`, plus the number of cuts that the score reaches.

    Examples
    --------
    >>> score_bin([0.0, 0.001, 0.5, 1.0]).tolist()
    [0, 65, 2048, 4095]
    >>> (score_bin(0.1999999, [0.2]) < score_bin(0.2, [0.2])).item()
    True
    """
    p = np.asarray(score, dtype=np.float64)
    bins = np.minimum(np.floor(_place(p) * SCORE_BINS), SCORE_BINS - 1).astype(np.int64)
    for cut in cuts:
        bins += p >= cut
    return bins


def bin_starts(cuts: Sequence[float] = ()) -> NDArray[np.float64]:
    """Return the lowest score of each bin, by its number.

    Examples
    --------
    >>> [f"{width:.0e}" for width in np.diff(bin_starts())[[0, 200, 2048]]]
    ['2e-07', '8e-05', '3e-04']
    """
    return np.sort(np.concatenate([_grid_starts(), cuts]))


@cache
def _grid_starts() -> NDArray[np.float64]:
    """Return the least float of each bin, by bisection over the bits of all floats in [0, 1].

    Each operation of `score_bin` is rounded to the nearest float, so none ever falls as the score
    grows, and floats of one sign have the order of their bits.
    """
    numbers = np.arange(SCORE_BINS)
    low = np.zeros(SCORE_BINS, dtype=np.int64)
    high = np.ones(SCORE_BINS).view(np.int64)
    while (low < high).any():
        middle = (low + high) // 2
        early = score_bin(middle.view(np.float64)) < numbers
        low, high = np.where(early, middle + 1, low), np.where(early, high, middle)
    return low.view(np.float64)


def _place(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return (np.sqrt(p) - np.sqrt(1 - p) + 1) / 2
