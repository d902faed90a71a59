"""Bounds of the mean of values between a least and a largest one, whose tails are calibrated.

A mean of few rare, large values is skewed: an interval of so many standard errors is wrong on one
side more often than on the other. Here each end is a quantile of a beta distribution whose first
two moments are those of the rows and one further row, which lies at the end of the range. For
values of 0 and 1 that is the exact interval of Clopper and Pearson.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.binomial import beta_quantile

__all__ = ["mean_interval"]

Array = NDArray[np.float64]


def mean_interval(
    values: Array, weights: Array, squares: Array, ends: tuple[float, float], confidence: float
) -> tuple[float, float]:
    """Return the two-sided interval of a weighted mean.

    Parameters
    ----------
    values : ndarray of shape (m,)
        The value of the rows of each cell.
    weights, squares : ndarray of shape (m,)
        Sums of the weights and of the squared weights of the rows of each cell.
    ends : (float, float)
        The least and the largest value that a row can have.
    confidence : float
        Confidence level of the interval.

    References
    ----------
    The further row is that of Fay and Feuer, "Confidence intervals for directly standardized rates:
    a method based on the gamma distribution", Statistics in Medicine 16(7), 1997, which is for
    sums without a largest value.

    Examples
    --------
    >>> rows = np.array([98.0, 2.0])
    >>> low, high = mean_interval(np.array([0.0, 1.0]), rows, rows, (0.0, 1.0), 0.95)
    >>> round(low, 4), round(high, 4)  # as Clopper and Pearson have it for 2 of 100
    (0.0024, 0.0704)
    """
    least, largest = ends
    width = largest - least
    if width <= 0:
        return least, largest
    error = (1 - confidence) / 2
    share = (values - least) / width
    low, high = _lowest(share, weights, squares, error), _lowest(1 - share, weights, squares, error)
    return least + width * low, largest - width * high


def _lowest(share: Array, weights: Array, squares: Array, error: float) -> float:
    """Return the least mean of shares in [0, 1] that is not rejected."""
    further = float((squares / weights).max())  # the weight of a row, where weights are largest
    total, total2 = weights.sum() + further, squares.sum() + further**2
    mean = float(weights @ share / total)
    spread = (squares @ (share - mean) ** 2 + further**2 * mean**2) / total**2
    rows = total**2 / total2
    variance = spread * rows / (rows + 1)
    if mean <= 0 or variance <= 0:
        return 0.0
    size = mean * (1 - mean) / variance - 1
    return float(beta_quantile(mean * size, (1 - mean) * size, error))
