"""The rows that change where each has a gain of its own and several limits hold.

Row i's answer may change from the base model's to the new one. The change gains g_i for each unit
of the row's weight w_i and costs c_ij ≥ 0 under limit j. Maximising Σ w_i g_i x_i over x in {0, 1}ⁿ
subject to Σ c_ij x_i ≤ b_j is a knapsack with one constraint for each limit. Its linear relaxation
is solved by a multiplier μ_j ≥ 0 for each limit: rows change where g_i > Σ_j μ_j c_ij / w_i, apart
from rows at equality, which the relaxation may change in part. There are at most as many of these
as limits, unless rows are tied. The rule needs nothing but a row's gain and its densities
c_ij / w_i, so it applies to new rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.selection.problem import Vector

__all__ = ["Multipliers", "least_multipliers"]

Rows = NDArray[np.bool_]

KEPT = 1e-12  # a limit counts as kept up to the rounding of sums
SEPARATE = 1e-12  # relative distance from which two rows are not tied
CLEAR = 1e-9  # share of its gain by which a row lies clearly on one side of its threshold
ABOVE = 1e-6  # how far a multiplier exceeds the first row where none may change
WHOLE = 10_000  # rows up to which a linear program is solved as it is


@dataclass(frozen=True, eq=False)
class Multipliers:
    """The rule that changes a row's answer where its gain exceeds the price of its costs.

    Attributes
    ----------
    values : ndarray of shape (J,)
        μ_j: what one unit of limit j's cost must gain at least.

    Examples
    --------
    >>> rule = Multipliers(np.array([0.2, 1.0]))
    >>> rule.changes(np.array([0.3, 0.3, -0.1, np.inf]), np.array([[1, 0], [1, 1], [0, 0], [1, 1]]))
    array([ True, False, False,  True])
    """

    values: Vector

    def threshold(self, density: ArrayLike) -> Vector:
        """Return the gain that each row must exceed.

        Parameters
        ----------
        density : array-like of shape (n, J)
            Cost of changing each row under each limit, for one unit of the row's weight.

        Returns
        -------
        ndarray of shape (n,)
        """
        # Unlike a matrix product, this rounds a row alike wherever it stands among others.
        return (np.asarray(density, np.float64) * self.values).sum(axis=1)

    def changes(self, gain: ArrayLike, density: ArrayLike) -> Rows:
        """Return the rows that change: those whose gain strictly exceeds their threshold.

        Parameters
        ----------
        gain : array-like of shape (n,)
            Expected gain of each change; infinite for rows that must change.
        density : array-like of shape (n, J)
            As for `threshold`.

        Returns
        -------
        ndarray of bool of shape (n,)
        """
        return np.asarray(gain) > self.threshold(density)


def least_multipliers(
    gain: Vector,
    weight: Vector,
    costs: Vector | Sequence[Vector],
    limits: Vector | Sequence[float],
    *,
    names: Sequence[str] | None = None,
) -> Multipliers:
    """Return the rule of highest total gain that keeps every limit on these rows.

    The total gain falls short of the linear relaxation's by at most the total value w_i g_i of the
    rows at its boundary. It is never below that of a rule with a single positive multiplier. A
    threshold common to all rows is such a rule where one of the limits counts every row by its
    weight, as that on churn over all rows does. Rows of equal gain and densities change together or
    not at all. With one limit, rows change in the order of gain over cost, and the multiplier lies
    halfway between the last row that changes and the first that does not.

    Parameters
    ----------
    gain : ndarray of shape (n,)
        Expected gain of each change for one unit of weight; infinite for rows that must change.
    weight : ndarray of shape (n,)
        Rows without weight are left out.
    costs : ndarray of shape (J, n) or sequence of J arrays of shape (n,)
        What changing each row adds to the share that a limit counts; 0 for rows without weight.
    limits : ndarray of shape (J,)
        Bounds on the sums of costs, which are kept up to 1e-12.
    names : sequence of str, optional
        What the error calls the limits.

    Returns
    -------
    Multipliers

    Raises
    ------
    InfeasibleBudgetError
        When the rows that must change break a limit by themselves.

    References
    ----------
    Dantzig (1957) for one limit; for several, the multipliers of Everett (1963), "Generalized
    Lagrange multiplier method for solving problems of optimum allocation of resources".

    Examples
    --------
    >>> gain = np.array([0.9, 0.8, 0.7, 0.1])
    >>> costs = [np.full(4, 0.25), np.array([0.5, 0.5, 0.0, 0.0])]  # all rows, and the first two
    >>> rule = least_multipliers(gain, np.ones(4), costs, [0.5, 0.5])
    >>> rule.changes(gain, np.transpose(costs))
    array([ True, False,  True, False])
    """
    cost = np.reshape(np.asarray(costs, np.float64), (len(limits), len(gain)))
    must = np.isposinf(gain)
    used = cost[:, must].sum(axis=1)
    _check_reachable(used, limits, names)
    free = (gain > 0) & (weight > 0) & ~must
    room = np.maximum(np.asarray(limits, np.float64) - used, 0.0)
    rows = _Candidates(gain[free], weight[free], cost[:, free], room)
    return Multipliers(rows.best())


def _check_reachable(
    used: Vector, limits: Vector | Sequence[float], names: Sequence[str] | None
) -> None:
    for j, (lowest, limit) in enumerate(zip(used, limits, strict=True)):
        if lowest > limit + KEPT:
            name = names[j] if names else f"limits[{j}]"
            raise InfeasibleBudgetError(
                f"{name} must be at least {lowest:.4g} here, got {limit:.4g}: the answers that "
                "must change take that share by themselves; raise the limit",
                lowest_churn=float(lowest),
            )


@dataclass(frozen=True, eq=False)
class _Candidates:
    """The rows that may change or not, and gain by it.

    Attributes
    ----------
    gain, weight : ndarray of shape (m,)
        Positive.
    cost : ndarray of shape (J, m)
    room : ndarray of shape (J,)
        What the rows that must change leave of each limit.
    """

    gain: Vector
    weight: Vector
    cost: Vector
    room: Vector

    @cached_property
    def density(self) -> Vector:
        """Cost for one unit of weight, shape (m, J)."""
        return (self.cost / self.weight).T

    def best(self) -> Vector:
        """Return the multipliers of the best rule."""
        size = len(self.room)
        if self.fit(np.ones(len(self.gain), bool)):
            return np.zeros(size)
        start = np.zeros(size)
        found = [self.least(start, direction) for direction in self._directions()]
        best = max((mu for mu in found if mu is not None), key=self.value)
        return self._lowered(best) if size > 1 else best

    def changed(self, mu: Vector) -> Rows:
        """Return the rows that a rule changes."""
        return Multipliers(mu).changes(self.gain, self.density)

    def value(self, mu: Vector) -> float:
        """Return the total gain of a rule."""
        return float((self.gain * self.weight)[self.changed(mu)].sum())

    def fit(self, changed: Rows) -> bool:
        """Whether these changes keep every limit."""
        return bool((self.cost[:, changed].sum(axis=1) <= self.room + KEPT).all())

    def least(self, start: Vector, direction: Vector) -> Vector | None:
        """Return start + s · direction for the least s ≥ 0 that keeps the limits.

        Rows change in the order of their ratios: the s up to which they do. s lies halfway between
        two ratios, so that rounding at serving does not decide. None where no s keeps the limits.
        """
        left = self.gain - Multipliers(start).threshold(self.density)
        slope = Multipliers(direction).threshold(self.density)
        room = self.room - self.cost[:, (left > 0) & (slope == 0)].sum(axis=1) + KEPT
        if (room < 0).any():
            return None
        rows = np.flatnonzero((left > 0) & (slope > 0))
        ratio = left[rows] / slope[rows]
        order = np.argsort(-ratio, kind="stable")
        ratio = ratio[order]
        spent = self.cost[:, rows[order]].cumsum(axis=1)
        affordable = int((spent <= room[:, None]).all(axis=0).sum())
        return start + _between(ratio, affordable) * direction

    def _directions(self) -> Iterator[Vector]:
        """Yield directions from the origin along which good rules may lie."""
        size = len(self.room)
        if size > 1:
            yield self._relaxed()
            largest = self.cost.max(axis=1)
            yield np.divide(1, largest, out=np.zeros(size), where=largest > 0)  # some s > 0 fits
        yield from np.eye(size)

    def _relaxed(self) -> Vector:
        """Return the multipliers of the linear relaxation."""
        m = len(self.gain)
        if m <= WHOLE:
            return self._program(np.ones(m, bool), np.zeros(m, bool))
        # A sample shows which rows are near the boundary; the others are fixed, and checked.
        some = np.random.default_rng(0).choice(m, WHOLE // 2, replace=False)
        sample = _Candidates(
            self.gain[some], self.weight[some], self.cost[:, some], self.room * len(some) / m
        )
        left = self._left(sample._relaxed())
        near = np.zeros(m, bool)
        near[np.argpartition(np.abs(left), WHOLE)[:WHOLE]] = True
        above = ~near & (left > 0)
        if self.fit(above):
            mu = self._program(near, above)
            if np.array_equal((self._left(mu) > 0)[~near], above[~near]):
                return mu
        return self._program(np.ones(m, bool), np.zeros(m, bool))

    def _left(self, mu: Vector) -> Vector:
        """Return the share of its gain by which each row exceeds its threshold."""
        return 1 - Multipliers(mu).threshold(self.density) / self.gain

    def _program(self, free: Rows, fixed: Rows) -> Vector:
        """Return the multipliers of the relaxation where some rows are free and others change."""
        from scipy.optimize import linprog

        # Scaled to numbers near 1, since the solver's tolerances are absolute.
        value = (self.gain * self.weight)[free]
        unit = self.cost[:, free].max(axis=1, initial=0.0)
        unit = np.where(unit > 0, unit, 1.0)
        room = np.maximum(self.room - self.cost[:, fixed].sum(axis=1), 0.0)
        result = linprog(
            -value / value.max(),
            A_ub=self.cost[:, free] / unit[:, None],
            b_ub=np.minimum(room / unit, len(value)),  # no sum is larger; the limit may be infinite
            bounds=(0, 1),
            method="highs",
        )
        if result.status != 0:
            raise RuntimeError(f"the linear program was not solved: {result.message}")
        return np.maximum(-result.ineqlin.marginals, 0.0) * value.max() / unit

    def _lowered(self, mu: Vector) -> Vector:
        """Return multipliers lowered one after the other, as far as the limits leave room.

        A step is left out where rounding would then decide over a row.
        """
        for one in np.eye(len(mu)):
            lower = self.least(mu * (1 - one), one)
            if lower is None or np.abs(self._left(lower)).min() <= CLEAR:
                continue
            if self.value(lower) >= self.value(mu):
                mu = lower
        return mu


def _between(ratio: Vector, affordable: int) -> float:
    """Return a number that at most `affordable` of the ratios exceed, which fall.

    Ratios that are equal up to rounding are exceeded together.
    """
    if affordable == len(ratio):
        return 0.0
    apart = np.flatnonzero(ratio[:affordable] > ratio[1 : affordable + 1] * (1 + SEPARATE))
    if not len(apart):
        return float(ratio[0] * (1 + ABOVE))
    last = apart[-1]
    return float((ratio[last] + ratio[last + 1]) / 2)
