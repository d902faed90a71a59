"""The test of a paired difference of accuracies, and the interval that inverts it.

Some of the n rows are gained (wrong with the base model, right with the new one), and some are
lost.
The difference T = gained − lost is a sum of n terms in {−1, 0, 1}. Under the hypothesis that the
true gain is δ, one parameter is left, the share of discordant rows, which is estimated by maximum
likelihood [1]_. The tail P(T ≥ t) is then taken by its saddlepoint approximation, whose relative
error is small even far in the tail and for few rows [2]_, [3]_.

References
----------
.. [1] Tango, "Equivalence test and confidence interval for the difference in proportions for the
   paired-sample design", Statistics in Medicine 1998 (the estimate); Lloyd, "Exact p-values for
   discrete models obtained by estimation and maximization", ANZJS 2008 (tails at an estimate).
.. [2] Daniels, "Tail probability approximations", International Statistical Review 1987 (the
   correction for a lattice).
.. [3] Barndorff-Nielsen, "Approximate interval probabilities", JRSS B 1990 (r*).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.comparison.effective import Weighed, moves

__all__ = ["gain_interval", "weighed_gain_interval"]

Array = NDArray[np.float64]

HALVINGS = 45
TINY, SMALLEST = 1e-12, 1e-300


def weighed_gain_interval(
    gained: Weighed, lost: Weighed, still: Weighed, largest: ArrayLike, confidence: float
) -> tuple[Any, Any]:
    """Return the two-sided interval of the difference of weighted rows.

    Parameters
    ----------
    gained, lost, still : Weighed
        The rows that went from wrong to right, those that went from right to wrong, and the others.
    largest : array-like
        The largest weight of a row.
    confidence : float
        Confidence level of the interval.
    """
    below, above = (moves(gained, lost, still, largest, unseen=way) for way in ("down", "up"))
    error, n = (1 - confidence) / 2, np.stack([below.n, above.n])
    if error <= 0:
        return np.full(below.n.shape, -1.0), np.full(below.n.shape, 1.0)
    gain, loss = (  # the upper end is the lower one of the losses
        np.stack(sides) / np.maximum(n, SMALLEST)
        for sides in ((below.up, above.down), (below.down, above.up))
    )
    low, rest = _lower(gain, loss, n, error)
    return low, -rest


def gain_interval(
    gained: ArrayLike, lost: ArrayLike, n: ArrayLike, confidence: float
) -> tuple[Any, Any]:
    """Return the two-sided interval of the difference `gained` − `lost`.

    Each end is the difference at which a one-sided test would just not reject, at half of the
    error.

    Parameters
    ----------
    gained : array-like
        Share of the rows that went from wrong to right.
    lost : array-like
        Share of the rows that went from right to wrong.
    n : array-like
        Number of rows behind each share (an effective number under weights).
    confidence : float
        Confidence level of the interval.

    Returns
    -------
    low, high : ndarray
        The ends of the interval, in [-1, 1].

    Examples
    --------
    >>> low, high = gain_interval(0.04, 0.02, 1000, 0.95)
    >>> round(float(low), 3), round(float(high), 3)
    (0.004, 0.036)
    """
    up, down, n = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (gained, lost, n)))
    error = (1 - confidence) / 2
    if error <= 0:
        return np.full(n.shape, -1.0), np.full(n.shape, 1.0)
    return _lower(up, down, n, error), -_lower(down, up, n, error)


def _lower(up: Array, down: Array, n: Array, error: float) -> Array:
    """Return the smallest gain δ that is not rejected in favour of a larger one."""
    needed = -NormalDist().inv_cdf(error)
    low, high = np.full(up.shape, -1.0), up - down
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        rejected = _evidence(up, down, middle, n) >= needed
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return np.where(n > 0, low, -1.0)


def _evidence(up: Array, down: Array, delta: Array, n: Array) -> Array:
    """Return r* of the observed gain where δ is the true one; it is then nearly normal."""
    linear = up + down + delta * (up - down)
    constant = delta * (down - up) + (1 - up - down) * delta**2
    discordant = (linear + np.sqrt(np.maximum(linear**2 + 4 * constant, 0.0))) / 2
    # Neither share may be negative, and no more than all rows can be discordant.
    discordant = np.clip(discordant, np.abs(delta) + TINY, 1 - TINY)
    gained, lost = (discordant + delta) / 2, (discordant - delta) / 2
    return _r_star(up - down, np.maximum(gained, TINY), np.maximum(lost, TINY), n)


def _r_star(gain: Array, up: Array, down: Array, n: Array) -> Array:
    """Return r* of the tail P(T ≥ n·gain), where rows are gained and lost with these shares."""
    mean = np.clip(gain - 0.5 / np.maximum(n, 1), -1 + TINY, 1 - TINY)  # between lattice points
    same = np.maximum(1 - up - down, TINY)
    # K'(s) = mean is a quadratic in e^s.
    root = np.sqrt((mean * same) ** 2 + 4 * (1 - mean * mean) * up * down)
    up_side = (mean * same + root) / (2 * (1 - mean) * up)  # the same without cancellation
    down_side = 2 * (1 + mean) * down / np.where(mean < 0, root - mean * same, 1.0)
    power = np.where(mean < 0, down_side, up_side)
    s = np.log(power)
    total = same + up * power + down / power
    generated = np.log(total)
    curvature = (up * power + down / power) / total - mean * mean
    w = np.sign(s) * np.sqrt(np.maximum(2 * n * (s * mean - generated), 0.0))
    u = 2 * np.sinh(s / 2) * np.sqrt(np.maximum(n * curvature, TINY))
    near = (np.abs(w) < 1e-4) | (np.abs(u) < 1e-8)
    ratio = np.where(near, 1.0, u / np.where(near, 1.0, w))
    return np.where(near, w, w + np.log(np.maximum(ratio, SMALLEST)) / np.where(near, 1.0, w))
