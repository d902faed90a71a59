"""Rows without weights that are as uncertain as weighted rows.

The share of weighted rows that change is a ratio, p = Σwz / Σw, whose variance is about
Σw²(z − p)² / (Σw)². A number n of rows without weights has the same uncertainty if p(1 − p) / n is
that variance. It may be far from Kish's (Σw)² / Σw² where heavy rows change otherwise than light
ones.

The observed rows say little about rows that were not seen. Therefore one more row is counted, on
the side that widens the interval and with the largest weight that occurs, and is then taken away
again. Without weights, or with equal ones, the result is the number of rows itself, so that exact
binomial bounds stay what they are.

References
----------
Fay and Feuer, "Confidence intervals for directly standardized rates: a method based on the gamma
distribution", Statistics in Medicine 1997 (the row of the largest weight); Cochran, "Sampling
Techniques", 1977, section 6.4 (the variance of a ratio).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.comparison.binomial import lower_bound, upper_bound

__all__ = ["Moves", "Weighed", "moves", "share_bound", "share_counts", "share_interval"]

Floats = NDArray[np.float64]

ROUNDING = 1e-9  # of a number of rows, relative


class Weighed(NamedTuple):
    """Sums of weights and of squared weights of some rows."""

    weight: Any
    squares: Any


class Moves(NamedTuple):
    """Numbers of rows without weights: those that move up, those that move down, and all."""

    up: Floats
    down: Floats
    n: Floats


def moves(up: Weighed, down: Weighed, still: Weighed, largest: ArrayLike, *, unseen: str) -> Moves:
    """Return the rows without weights that stand for weighted rows.

    Parameters
    ----------
    up, down, still : Weighed
        The rows that move up, those that move down, and the others.
    largest : array-like
        The largest weight of a row.
    unseen : {"up", "down", "still"}
        How the row moves that might have been missed. The result is for bounds in its direction.

    Examples
    --------
    >>> changed, kept = Weighed(3.0, 3.0), Weighed(97.0, 97.0)
    >>> found = moves(changed, Weighed(0.0, 0.0), kept, 1.0, unseen="up")
    >>> float(found.up), float(found.n)
    (3.0, 100.0)
    """
    m = np.asarray(largest, dtype=float)
    parts = {}
    for name, part in (("up", up), ("down", down), ("still", still)):
        own = m if name == unseen else 0.0
        parts[name] = np.asarray(part.weight) + own, np.asarray(part.squares) + own * own
    total = sum(weight for weight, _ in parts.values())
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {name: weight / total for name, (weight, _) in parts.items()}
        value = shares["up"] - shares["down"]
        spread = shares["up"] + shares["down"] - value * value
        squares = [squares for _, squares in parts.values()]
        distances = (1 - value) ** 2, (1 + value) ** 2, value * value
        variance = sum(s * d for s, d in zip(squares, distances, strict=True)) / total**2
        varies = (spread > ROUNDING**2) & (variance > 0)
        size = np.where(varies, spread / variance, total**2 / sum(squares))
    one = {name: float(name == unseen) for name in shares}
    n = _whole(size - 1)
    found = {name: _whole(shares[name] * size - one[name], n) for name in ("up", "down")}
    return Moves(np.minimum(found["up"], n), np.minimum(found["down"], n), n)


def _whole(rows: Floats, among: ArrayLike = 1.0) -> Floats:
    """Return numbers of rows that are not negative, without what rounding adds to whole ones."""
    whole = np.rint(rows)
    near = np.abs(rows - whole) <= ROUNDING * np.maximum(np.maximum(whole, among), 1)
    found: Floats = np.nan_to_num(np.maximum(np.where(near, whole, rows), 0.0))
    return found


def share_counts(
    some: Weighed, others: Weighed, largest: ArrayLike, *, upper: bool
) -> tuple[Floats, Floats]:
    """Return how many of how many rows stand for a share, for an upper or a lower bound."""
    found = moves(some, Weighed(0.0, 0.0), others, largest, unseen="up" if upper else "still")
    return found.up, found.n


def share_interval(
    some: Weighed, others: Weighed, largest: ArrayLike, confidence: float
) -> tuple[Floats, Floats]:
    """Return the two-sided interval of a share of weighted rows.

    Without weights it is the exact interval of Clopper and Pearson.

    Parameters
    ----------
    some, others : Weighed
        The rows that make up the share, and the others.
    largest : array-like
        The largest weight of a row.
    confidence : float
        Confidence level of the interval.

    Examples
    --------
    >>> low, high = share_interval(Weighed(0.0, 0.0), Weighed(100.0, 100.0), 1.0, 0.95)
    >>> float(low), round(float(high), 4)
    (0.0, 0.0362)
    """
    ends = [share_counts(some, others, largest, upper=upper) for upper in (False, True)]
    (below, n_below), (above, n_above) = ends
    # An upper bound of a share is what a lower bound of the others leaves.
    shares = np.stack([_share(below, n_below), 1 - _share(above, n_above)])
    low, rest = lower_bound(shares, np.stack([n_below, n_above]), (1 - confidence) / 2)
    return low, 1 - rest


def share_bound(
    some: Weighed, others: Weighed, largest: ArrayLike, error: float, *, upper: bool
) -> Floats:
    """Return one end of the interval of a share of weighted rows, at a one-sided error."""
    count, n = share_counts(some, others, largest, upper=upper)
    return (upper_bound if upper else lower_bound)(_share(count, n), n, error)


def _share(count: Floats, n: Floats) -> Floats:
    return np.divide(count, n, out=np.zeros(np.shape(n)), where=n > 0)
