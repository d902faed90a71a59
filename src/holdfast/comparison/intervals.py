"""Wilson's interval of shares, for arrays, and McNemar's test of paired answers."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["mcnemar_p_value", "wilson_interval"]


def wilson_interval(share: ArrayLike, n: ArrayLike, confidence: float) -> tuple[Any, Any]:
    """Return the two-sided Wilson score interval of a binomial share.

    Parameters
    ----------
    share : array-like
        Observed shares in [0, 1].
    n : array-like
        Number of rows behind each share (an effective number under weights); 0 gives [0, 1].
    confidence : float
        Confidence level of the interval.

    Returns
    -------
    low, high : ndarray

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Examples
    --------
    >>> low, high = wilson_interval(0.1, 100, 0.95)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0552, 0.1744)
    """
    p, n = np.asarray(share, dtype=float), np.asarray(n, dtype=float)
    z2 = _z(confidence) ** 2
    centre = (p * n + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (p * (1 - p) * n + z2 / 4)) / (n + z2)
    # For a share of 0 or 1 that bound equals the share; rounding must not move it past the share.
    return np.minimum(np.maximum(centre - half, 0), p), np.maximum(np.minimum(centre + half, 1), p)


def mcnemar_p_value(gained: int, lost: int) -> float:
    """Return the exact two-sided p-value of McNemar's test that both models are equally accurate.

    Parameters
    ----------
    gained : int
        Number of rows that went from wrong to right.
    lost : int
        Number of rows that went from right to wrong.

    Returns
    -------
    float
        The p-value; 1 when no row went either way.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 1947; exact binomial form.

    Examples
    --------
    >>> round(mcnemar_p_value(8, 2), 6)
    0.109375
    """
    if gained == lost:
        return 1.0
    return min(1.0, 2 * _lower_tail(min(gained, lost), gained + lost))


EXACT_ROWS = 10_000  # up to so many rows, binomial coefficients are computed as whole numbers


def _lower_tail(k: int, n: int) -> float:
    """Return P(X <= k) for X of Binomial(n, 1/2), where k is below n / 2."""
    total = term = 1.0
    for count in range(k, 0, -1):  # terms as shares of the largest term, that of k
        term *= count / (n - count + 1)
        total += term
        if term < 1e-18 * total:
            break
    return total * _probability(k, n)


def _probability(k: int, n: int) -> float:
    """Return P(X = k) for X of Binomial(n, 1/2).

    References
    ----------
    Loader, "Fast and accurate computation of binomial probabilities", 2000. In this form no large
    numbers cancel in the logarithm. The series for Stirling's formula ends after its first term,
    since for many rows the further terms are smaller than rounding.
    """
    if n <= EXACT_ROWS:
        return math.comb(n, k) / 2**n
    skew = (n - 2 * k) / n
    if skew > 0.5:
        return 0.0  # the smallest float is larger
    distance = n / 2 * (math.log1p(-(skew**2)) + 2 * skew * math.atanh(skew))
    stirling = (1 / n - 1 / k - 1 / (n - k)) / 12
    return math.exp(stirling - distance) * math.sqrt(n / (2 * math.pi * k * (n - k)))


def _z(confidence: float) -> float:
    tail = (1 - confidence) / 2
    return -NormalDist().inv_cdf(tail) if tail > 0 else math.inf
