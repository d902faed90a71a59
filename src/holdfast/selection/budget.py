"""A budget, and the selection that keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.selection.problem import Vector

__all__ = ["TOLERANCE", "Budget", "FrontierPoint", "Selection", "cautious", "choose_cautiously"]

TOLERANCE = 1e-9


CAUTION = 0.5  # standard errors


Chosen = TypeVar("Chosen")


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """One mixture that was looked at, with its measures on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,) or (L + 1,)
        Of the candidates, the base model last where it was in the hull.
    risk, accuracy, churn_rate, soft_churn : float
        Accuracy is R² for a regressor.
    others : tuple of float
        What the other limits of the budget count.
    """

    weights: Vector
    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float
    others: tuple[float, ...] = ()

    def churn(self, kind: str) -> float:
        """Return the churn in the unit of the budget."""
        return self.churn_rate if kind == "hard" else self.soft_churn


@dataclass(frozen=True, eq=False)
class Selection:
    """Weights over the candidates that meet a budget on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,)
        Of the candidates.
    base_weight : float
        Of the base model; the weights and it sum to 1.
    risk, accuracy, churn_rate, soft_churn : float
        Of the selected mixture: mean loss, share of right rows (R² for a regressor), hard churn,
        mean divergence.
    churn : str
        Unit of the budget.
    max_churn, min_accuracy : float or None
        The budget.
    others : dict of str to (float, float)
        Limit and measure of each group and of negative flips, where these are limited too.
    average_in : {"probability", "log_odds", "value"}
        Where the candidates are averaged.
    n : int
        Selection rows.
    frontier : tuple of FrontierPoint
        Every mixture that was looked at, single candidates first.
    """

    weights: Vector
    base_weight: float
    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float
    churn: str
    max_churn: float | None
    min_accuracy: float | None
    average_in: str
    n: int
    frontier: tuple[FrontierPoint, ...] = field(repr=False)
    others: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """What a selection must keep; exactly one of the two limits is given.

    `accuracy_name` is what the user calls `min_accuracy`; `others` are name and limit of what
    `FrontierPoint.others` holds.
    """

    churn: str
    max_churn: float | None
    min_accuracy: float | None
    mixture: str
    accuracy_name: str = "min_accuracy"
    others: tuple[tuple[str, float], ...] = ()

    def allows(self, point: FrontierPoint) -> bool:
        """Whether the point keeps the limits."""
        if self.max_churn is not None:
            within = point.churn(self.churn) <= self.max_churn + TOLERANCE
            return within and not self.broken(point)
        assert self.min_accuracy is not None
        return point.accuracy >= self.min_accuracy - TOLERANCE

    def broken(self, point: FrontierPoint) -> list[str]:
        """Return the names of the other limits that a point breaks."""
        pairs = zip(self.others, point.others, strict=True)
        return [name for (name, limit), value in pairs if value > limit + TOLERANCE]

    def cost(self, point: FrontierPoint) -> tuple[float, float]:
        """What is minimised among the allowed; ties go to the other measure."""
        measures = (point.risk, point.churn(self.churn))
        return measures if self.max_churn is not None else measures[::-1]


def choose_cautiously(
    choose_at: Callable[[float], Chosen], max_churn: float, weight: Vector
) -> Chosen:
    """Choose half a standard error inside a hard budget, where that is possible.

    The most favourable of many mixtures is partly the one whose churn happens to look low on the
    selection rows: chosen at the budget itself, churn on fresh rows exceeds it on average.

    Parameters
    ----------
    choose_at : callable
        Returns the selection for a budget.
    max_churn : float
        The user's budget, which the result carries.
    weight : ndarray of shape (n,)
        Weights of the selection rows that count as churn.
    """
    try:
        chosen = choose_at(cautious(max_churn, weight))
    except InfeasibleBudgetError:
        chosen = choose_at(max_churn)
    return replace(chosen, max_churn=max_churn)  # type: ignore[type-var]


def cautious(limit: float, weight: Vector) -> float:
    """Return a limit on a share of rows, half a standard error inside it."""
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    return float(max(limit - CAUTION * np.sqrt(limit * (1 - limit) / n_effective), 0.0))
