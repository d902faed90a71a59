"""Convex programs over the simplex, solved by SciPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.selection.problem import Function, Vector

__all__ = ["solve"]

FEASIBLE = 1e-10


NEGLIGIBLE_WEIGHT = 1e-7


EXACT, ROUGH = 1e-13, 1e-8  # precision of the objective


def solve(
    objective: Function,
    n: int,
    *,
    start: Vector,
    constraints: Sequence[tuple[Function, float]] = (),
    precision: float = EXACT,
) -> Vector:
    """Minimise a convex objective over the simplex, subject to ``function(w) <= limit`` for each.

    `start` must be feasible. The result is feasible to 1e-10: what the solver leaves outside is
    moved back towards `start`, which convexity allows.
    """
    from scipy import optimize

    minimize: Any = optimize.minimize  # SciPy's stubs know no (value, gradient)

    if n == 1:
        return start
    best, best_value = start, objective(start)[0]
    point = start if constraints else np.full(n, 1 / n)
    for _ in range(3 if precision == EXACT else 1):  # a restart frees a stuck line search
        found = minimize(
            objective,
            point,
            jac=True,
            method="SLSQP",
            bounds=[(0, 1)] * n,
            constraints=_constraints(n, constraints),
            options={"ftol": precision, "maxiter": 500},
        )
        point = _onto_simplex(found.x)
        for function, limit in constraints:
            point = _pull_back(point, start, function, limit)
        value = objective(point)[0]
        improved = best_value - value
        if improved > 0:
            best, best_value = point, value
        if improved <= 1e-12:
            break
    return best


def _constraints(n: int, constraints: Sequence[tuple[Function, float]]) -> list[dict[str, object]]:
    ones = np.ones(n)
    simplex: dict[str, object] = {
        "type": "eq",
        "fun": lambda w: w.sum() - 1,
        "jac": lambda w: ones,
    }
    return [simplex, *(_at_most(function, limit) for function, limit in constraints)]


def _at_most(function: Function, limit: float) -> dict[str, object]:
    latest = _Latest(function)  # the solver asks for value and gradient separately
    return {
        "type": "ineq",
        "fun": lambda w: limit - latest(w)[0],
        "jac": lambda w: -latest(w)[1],
    }


class _Latest:
    """A function that remembers its latest point."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.weights = np.empty(0)
        self.result = (0.0, np.empty(0))

    def __call__(self, weights: Vector) -> tuple[float, Vector]:
        if not np.array_equal(weights, self.weights):
            self.weights, self.result = weights.copy(), self.function(weights)
        return self.result


def _onto_simplex(weights: Vector) -> Vector:
    weights = np.where(weights > NEGLIGIBLE_WEIGHT, weights, 0.0)
    return weights / weights.sum()


def _pull_back(point: Vector, feasible: Vector, constraint: Function, limit: float) -> Vector:
    from scipy.optimize import brentq

    def excess(t: float) -> float:
        return constraint(feasible + t * (point - feasible))[0] - limit

    if excess(1.0) <= FEASIBLE:
        return point
    if excess(0.0) >= 0:
        return feasible
    t = brentq(excess, 0.0, 1.0, xtol=1e-14)
    return feasible + max(t - 1e-13, 0.0) * (point - feasible)
