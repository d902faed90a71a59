"""Intervals of a measure from its derivatives by the weights of the rows.

The variance of a smooth measure is about Σ w²·g² over the rows, where g is its derivative by the
weight of a row (the infinitesimal jackknife). For a change, g is the difference of two derivatives,
so the pairing is kept. For the AUC this is the variance of DeLong, DeLong and Clarke-Pearson.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.intervals import wilson_interval

__all__ = ["around", "half_width", "student_quantile", "within_unit"]

Floats = NDArray[np.float64]

MANY = 1000.0  # from so many degrees of freedom, the quantile is computed from the normal one
STEPS = 20_000


def half_width(variances: Floats, sizes: Floats, confidence: float) -> tuple[float, float]:
    """Return half the width of the interval, and its degrees of freedom.

    Parameters
    ----------
    variances : ndarray of shape (2,)
        What the rows of each class add to the variance of the measure.
    sizes : ndarray of shape (2,)
        Effective number of rows of each class.
    confidence : float

    References
    ----------
    Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2(6), 1946. The few rows of a rare class thereby widen the interval as far as they
    matter to it.
    """
    some = (sizes > 1) & (variances > 0)
    if not some.any():
        return 0.0, math.inf
    free = sizes[some] - 1
    parts = variances[some] * sizes[some] / free
    freedom = float(parts.sum() ** 2 / (parts**2 / free).sum())
    return student_quantile(confidence, freedom) * math.sqrt(parts.sum()), freedom


def student_quantile(confidence: float, freedom: float) -> float:
    """Return t with P(|T| <= t) = confidence for Student's T.

    With T = √freedom · tan θ, the density of θ is proportional to cos(θ)^(freedom - 1).

    Examples
    --------
    >>> [round(student_quantile(0.95, freedom), 3) for freedom in (1, 9, 99, 1e6)]
    [12.706, 2.262, 1.984, 1.96]
    """
    if freedom >= MANY:
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return z * (1 + (z**2 + 1) / (4 * freedom))
    freedom = max(freedom, 1.0)
    angle = np.linspace(0, math.pi / 2, STEPS + 1)
    density = np.cos(angle) ** (freedom - 1)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    theta = np.interp(confidence * below[-1], below, angle)
    return float(math.sqrt(freedom) * math.tan(theta))


def around(value: float, half: float, low: float, high: float) -> tuple[float, float]:
    """Return the interval around a value, within the range of the measure."""
    return max(value - half, low), min(value + half, high)


def within_unit(value: float, half: float, size: float, confidence: float) -> tuple[float, float]:
    """Return the interval of a measure in [0, 1], symmetric in its log odds.

    A measure of exactly 0 or 1 has Wilson's interval for a share of `size` rows.
    """
    if not 0 < value < 1:
        low, high = wilson_interval(value, size, confidence)
        return float(low), float(high)
    odds, spread = math.log(value / (1 - value)), half / (value * (1 - value))
    return _expit(odds - spread), _expit(odds + spread)


def _expit(odds: float) -> float:
    return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
