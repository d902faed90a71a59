"""A selection, and the mixtures that were looked at for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from holdfast.rules import BoundRule
from holdfast.selection.problem import Vector

__all__ = ["FrontierPoint", "Selection"]


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """One mixture that was looked at, with its measures on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,) or (L + 1,)
        Weights of the candidates, the base model's last where it was in the hull.
    risk : float
        Mean loss of the labels.
    accuracy : float
        Share of right answers; R² for a regressor.
    churn_rate : float
        Share of answers that change.
    soft_churn : float
        Mean divergence from the base model.
    others : tuple of float
        What the other limits of the budget count.
    utility : float
        Mean utility of the answers; NaN where there is none.
    """

    weights: Vector
    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float
    others: tuple[float, ...] = ()
    utility: float = math.nan

    def churn(self, kind: str) -> float:
        """Return the churn in the unit of the budget."""
        return self.churn_rate if kind == "hard" else self.soft_churn


@dataclass(frozen=True, eq=False)
class Selection:
    """Weights over the candidates that meet a budget on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,)
        Weights of the candidates.
    base_weight : float
        Weight of the base model; it and the other weights sum to 1.
    risk : float
        Mean loss of the selected mixture.
    accuracy : float
        Share of right answers; R² for a regressor.
    churn_rate : float
        Share of answers that change.
    soft_churn : float
        Mean divergence from the base model.
    churn : str
        Unit of the budget.
    max_churn : float or None
        Limit of the budget on churn.
    min_accuracy : float or None
        Accuracy that the budget keeps instead.
    others : dict of str to (float, float)
        Limit and measure of each group and of negative flips, where these are limited too.
    average_in : {"probability", "log_odds", "value"}
        Scale on which the candidates are averaged.
    n : int
        Number of selection rows.
    frontier : tuple of FrontierPoint
        Every mixture that was looked at, single candidates first.
    utility : float
        Mean utility of the answers; NaN where there is none.
    min_utility : float or None
        Utility that the budget keeps instead.
    rule : BoundRule or None
        The rule by which the mixture answers; None for a regressor.
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
    utility: float = math.nan
    min_utility: float | None = None
    rule: BoundRule | None = None
