"""One-sided tests and bounds of a mean loss: exact for shares, by betting for anything bounded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.exceptions import InvalidInputError

__all__ = ["Evidence", "binomial_p_value", "binomial_upper", "most_changes"]

Vector = NDArray[np.float64]

# Shares of the wealth that are at stake where the worst value comes. Which is best depends on how
# much of the limit is used and how the losses spread; the mean of their wealths is near to it.
STAKES = np.array([0.2, 0.35, 0.5, 0.7, 0.95])
PRECISION = 1e-6  # of an upper bound by betting, relative to the range


def binomial_p_value(count: ArrayLike, n: ArrayLike, limit: float) -> Any:
    """Return P(Binomial(n, limit) <= count): small where the share is below the limit.

    Parameters
    ----------
    count, n : array-like of int
    limit : float

    Returns
    -------
    float or ndarray
        The exact p-value of "the true share is at least the limit".

    References
    ----------
    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.

    Examples
    --------
    >>> round(float(binomial_p_value(11, 1000, 0.02)), 4)
    0.0204
    """
    from scipy import stats

    return stats.binom.cdf(np.asarray(count), np.asarray(n), limit)


def most_changes(n: int, limit: float, confidence: float) -> int:
    """Return the largest count among n that still shows a share below the limit, −1 for none.

    Examples
    --------
    >>> most_changes(1000, 0.02, 0.95), most_changes(100, 0.02, 0.95)
    (12, -1)
    """
    from scipy import stats

    count = int(stats.binom.ppf(1 - confidence, n, limit))
    return count if stats.binom.cdf(count, n, limit) <= 1 - confidence else count - 1


def binomial_upper(count: ArrayLike, n: ArrayLike, confidence: float) -> Any:
    """Return the exact one-sided upper bound of a share (Clopper and Pearson, 1934).

    Parameters
    ----------
    count, n : array-like of int
    confidence : float

    Examples
    --------
    >>> round(float(binomial_upper(11, 1000, 0.95)), 5)
    0.01814
    """
    from scipy import stats

    count, n = np.asarray(count), np.asarray(n)
    upper = stats.beta.ppf(confidence, count + 1, np.maximum(n - count, 0))
    return np.where(count >= n, 1.0, upper)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of independent rows about a mean loss.

    Zeros and ones without weights are tested exactly. Any other bounded loss is tested by betting
    against the statement "the mean is at least the limit", row by row. A bet never exceeds the
    wealth. If the statement is true, the wealth is a supermartingale, so that it ever reaches 1/δ
    with probability at most δ. The first wealth is shared among several constant stakes; the best
    of them decides how it grows.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Losses in [0, largest].
    largest : float
    weight : ndarray of shape (n,), optional
        The mean is then Σ w·values / Σ w.
    max_weight : float, optional
        What no weight of the population exceeds; needed with weights. A weight that was not seen
        may be larger than all others, so that rows alone do not bound it.

    References
    ----------
    Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024,
    theorem 2; a mean of constant stakes is a wealth of their kind.

    Examples
    --------
    >>> rows = np.repeat([1.0, 0.0], [11, 989])
    >>> round(Evidence(rows).p_value(0.02), 4), round(Evidence(rows).upper(0.95), 5)
    (0.0204, 0.01814)
    """

    values: Vector
    largest: float = 1.0
    weight: Vector | None = None
    max_weight: float | None = None

    def __post_init__(self) -> None:
        largest = 0.0 if self.weight is None else self.weight.max(initial=0.0)
        if self.weight is not None and (self.max_weight is None or self.max_weight < largest):
            raise InvalidInputError(
                f"max_weight must be at least the largest weight, {largest:.6g}, got "
                f"{self.max_weight}; give the bound that no weight of the population exceeds"
            )

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The observed mean."""
        return float(np.average(self.values, weights=self.weight)) if self.n else 0.0

    @cached_property
    def _count(self) -> int | None:
        """Number of ones; None where not all values are zeros and ones of equal weight."""
        if self.weight is not None or self.largest != 1:
            return None
        return int(self.values.sum()) if np.isin(self.values, (0.0, 1.0)).all() else None

    def p_value(self, limit: float) -> float:
        """Return the p-value of "the mean is at least the limit"."""
        if limit >= self.largest:
            return 0.0
        if self._count is not None:
            return float(binomial_p_value(self._count, self.n, limit))
        if limit <= 0 or not self.n:
            return 1.0
        return float(np.exp(-self._log_wealth(limit)))

    def upper(self, confidence: float) -> float:
        """Return an upper bound of the mean: the least limit that is not rejected."""
        if self._count is not None:
            return float(binomial_upper(self._count, self.n, confidence))
        low, high, wanted = 0.0, self.largest, -np.log1p(-confidence)
        while self.n and high - low > PRECISION * self.largest:
            middle = (low + high) / 2  # the wealth grows with the mean that is bet against
            won = self._log_wealth(middle) >= wanted
            low, high = (low, middle) if won else (middle, high)
        return high

    def _log_wealth(self, limit: float) -> float:
        """Return the logarithm of the largest wealth along the rows, at least 0."""
        gap = (self.values - limit) / self.largest  # at most 1
        if self.weight is not None:
            assert self.max_weight is not None  # checked when the evidence was made
            gap *= self.weight / self.max_weight
        logs = np.log1p(-STAKES[:, None] * gap).cumsum(axis=1)
        best = logs.max(axis=0)
        wealth = best + np.log(np.exp(logs - best).mean(axis=0))
        return float(max(wealth.max(), 0.0))
