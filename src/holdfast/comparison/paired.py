"""Intervals of the change between two models on the same rows, under weights too.

A change is a sum of parts. In each part some rows move up and some move down: the difference of
these shares has the score interval of Tango, which is trustworthy for few rows and for few moves.
Parts are combined by the distances of their limits from their values (MOVER).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Part",
    "combined_interval",
    "effective_rows",
    "part_of",
    "rows_of_share",
    "score_interval",
]

Floats = NDArray[np.float64]
STEPS = 45  # halvings of an interval no wider than 2, down to rounding


def score_interval(
    gained: ArrayLike, lost: ArrayLike, n: ArrayLike, confidence: float
) -> tuple[Floats, Floats]:
    """Return the two-sided score interval of the paired difference (`gained` - `lost`) / `n`.

    Parameters
    ----------
    gained, lost : array-like
        Number of rows that moved up, and down.
    n : array-like
        Number of rows; numbers need not be whole.
    confidence : float
        Confidence level of the interval.

    Returns
    -------
    low, high : ndarray
        The ends of the interval, in [-1, 1].

    References
    ----------
    Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17(8), 1998.

    Examples
    --------
    >>> low, high = score_interval(12, 2, 50, 0.95)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0611, 0.3447)
    """
    up, down, rows = np.broadcast_arrays(*(np.asarray(x, float) for x in (gained, lost, n)))
    with np.errstate(all="ignore"):
        value = (up - down) / rows
        ends = []
        for end in (-1.0, 1.0):
            inside, outside = value, np.full(value.shape, end)
            for _ in range(STEPS):
                middle = (inside + outside) / 2
                kept = np.abs(_statistic(up, down, rows, middle)) <= _z(confidence)
                inside, outside = np.where(kept, middle, inside), np.where(kept, outside, middle)
            ends.append(inside)
    return ends[0], ends[1]


def _statistic(up: Floats, down: Floats, n: Floats, difference: Floats) -> Floats:
    """Return how far the data lie from a difference, in standard errors under it."""
    a = 2 * n
    b = (2 * n - up + down) * difference - up - down
    c = -down * difference * (1 - difference)
    share = (np.sqrt(np.maximum(b * b - 4 * a * c, 0)) - b) / (2 * a)  # the likeliest share down
    variance = n * (2 * share + difference * (1 - difference))
    result: Floats = (up - down - n * difference) / np.sqrt(np.maximum(variance, 1e-300))
    return result


class Part(NamedTuple):
    """One part of a change: a factor and a difference of shares.

    Attributes
    ----------
    factor : ndarray
        The change of the measure for each unit of the difference.
    value : ndarray
        The difference.
    low, high : ndarray
        Its score interval.
    variance : ndarray
        Its variance, if it were normal.
    """

    factor: Floats
    value: Floats
    low: Floats
    high: Floats
    variance: Floats


def part_of(
    factor: Floats, sums: tuple[Floats, Floats, Floats], squares: Any, confidence: float
) -> Part:
    """Return a part from its rows.

    Parameters
    ----------
    factor : ndarray
        The change of the measure for each unit of the difference of shares.
    sums : tuple of three ndarrays
        Weight of the rows that move up, that move down, and of all rows.
    squares : tuple of three ndarrays
        The same for squared weights.
    confidence : float
        Confidence level of the interval.
    """
    up, down, total = sums
    n = effective_rows(sums, squares)
    with np.errstate(all="ignore"):
        low, high = score_interval(up / total * n, down / total * n, n, confidence)
        return Part(factor, (up - down) / total, low, high, _variance(sums, squares))


def _variance(sums: tuple[Floats, Floats, Floats], squares: Any) -> Floats:
    """Return the variance of a difference: the sum of w² times the squared distances from it."""
    up, down, total = sums
    up2, down2, total2 = squares
    value = (up - down) / total
    spread = up2 * (1 - value) ** 2 + down2 * (1 + value) ** 2
    variance: Floats = (spread + (total2 - up2 - down2) * value**2) / total**2
    return variance


def effective_rows(sums: tuple[Floats, Floats, Floats], squares: Any) -> Floats:
    """Return the number of rows without weights whose difference would be as uncertain.

    Without weights the result is the number of rows.
    """
    up, down, total = sums
    with np.errstate(all="ignore"):
        variance = _variance(sums, squares)
        spread = (up + down) / total - ((up - down) / total) ** 2
        known = (variance > 0) & (spread > 0)
        return np.where(known, spread / variance, total**2 / squares[2])


def rows_of_share(weight: Floats, squares: Floats, some: NDArray[np.bool_]) -> float:
    """Return the number of rows without weights whose share would be as uncertain.

    Parameters
    ----------
    weight, squares : ndarray of shape (m,)
        Sums of weights and of squared weights of cells of rows.
    some : ndarray of shape (m,)
        The cells that make up the share.

    Examples
    --------
    >>> rows_of_share(np.array([3.0, 7.0]), np.array([3.0, 7.0]), np.array([True, False]))
    10.0
    """
    own, own_squares = (
        (np.asarray(x[some].sum()), np.asarray(0.0), np.asarray(x.sum())) for x in (weight, squares)
    )
    return round(float(effective_rows(own, own_squares)), 9)


def combined_interval(
    value: Floats, parts: list[Part], variance: ArrayLike, confidence: float
) -> tuple[Floats, Floats]:
    """Return the interval of a change that has some parts.

    The linearised variance of the change holds for many rows. For few rows, the distance of each
    limit is corrected by what the score interval of each part has beyond that part's variance.

    Parameters
    ----------
    value : ndarray
        The change.
    parts : list of Part
    variance : array-like
        Linearised variance of the change.
    confidence : float
        Confidence level of the interval.

    References
    ----------
    Zou and Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27(10), 2008.
    """
    z2 = _z(confidence) ** 2
    below = above = z2 * np.asarray(variance, float)
    for part in parts:
        down = part.factor * (part.low - part.value)
        up = part.factor * (part.high - part.value)
        normal = z2 * part.factor**2 * part.variance
        below = below + np.minimum(down, up) ** 2 - normal
        above = above + np.maximum(down, up) ** 2 - normal
    return value - np.sqrt(np.maximum(below, 0)), value + np.sqrt(np.maximum(above, 0))


def _z(confidence: float) -> float:
    return -NormalDist().inv_cdf((1 - confidence) / 2)
