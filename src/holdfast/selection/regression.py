"""The convex program over mixtures of regressors: both measures are quadratic in the weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from holdfast.selection.problem import Function, Measures, RowMeasures, Vector

__all__ = ["Moves"]


@dataclass(frozen=True, eq=False)
class Moves:
    """Candidates' predicted values on the selection rows.

    Attributes
    ----------
    values : ndarray of shape (L, n)
    base : ndarray of shape (n,)
        Base predictions; rows without weight in `churn_weight` are ignored.
    y : ndarray of shape (n,)
    tolerance : float
        A prediction that moves by more counts as changed.
    risk_weight : ndarray of shape (n,)
        Row weights of the risk, which sum to 1.
    churn_weight : ndarray of shape (n,)
        Row weights of churn, which sum to 1.
    has_base : bool
        Whether the last candidate is the base model.
    """

    values: NDArray[np.float64]
    base: Vector
    y: Vector
    tolerance: float
    risk_weight: Vector
    churn_weight: Vector
    average_in: str = "value"
    has_base: bool = False

    @property
    def base_everywhere(self) -> bool:
        """Whether the base model has predicted every row that counts."""
        return bool((self.churn_weight[self.risk_weight > 0] > 0).all())

    def with_base(self) -> Moves:
        """Return the moves with the base model as their last candidate."""
        return replace(self, values=np.vstack([self.values, self.base]), has_base=True)

    @property
    def size(self) -> int:
        """Number of candidates, L."""
        return len(self.values)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    def predict(self, weights: Vector) -> Vector:
        """Return the mixture's predictions."""
        return weights @ self.values

    def per_row(self, weights: Vector) -> RowMeasures:
        """Return squared error, move beyond the tolerance, and squared move of each row."""
        predicted = self.predict(weights)
        move = predicted - self.base
        return RowMeasures(
            answers=predicted,
            loss=(predicted - self.y) ** 2,
            changed=np.abs(move) > self.tolerance,
            divergence=move**2,
            utility=np.full(len(move), np.nan),
        )

    def rule_at(self, weights: Vector) -> None:
        """Return None, since numbers are not decided by a rule."""

    def measure(self, weights: Vector) -> Measures:
        """Return the mixture's measures; the accuracy is R², 0 where the labels do not vary."""
        rows = self.per_row(weights)
        risk = float(rows.loss @ self.risk_weight)
        spread = float((self.y - self.y @ self.risk_weight) ** 2 @ self.risk_weight)
        return Measures(
            risk=risk,
            accuracy=1 - risk / spread if spread > 0 else 0.0,
            churn_rate=_share_of(rows.changed, self.churn_weight),
            soft_churn=float(rows.divergence @ self.churn_weight),
        )

    @cached_property
    def risk(self) -> Function:
        """Mean squared error and its gradient as a function of the weights."""
        return _squared_distance(self.values, self.y, self.risk_weight)

    @cached_property
    def churn(self) -> Function:
        """Mean squared move and its gradient as a function of the weights."""
        return _squared_distance(self.values, self.base, self.churn_weight)

    @property
    def other_churn(self) -> tuple[Function | None, ...]:
        """A regressor's budget has no other limits."""
        return ()


def _share_of(chosen: NDArray[np.bool_], weight: Vector) -> float:
    # Equal weights become ones, whose sums are exact; both sums round alike, so never above 1.
    whole = weight / (weight.max() or 1.0)
    return float((whole * chosen).sum() / (whole.sum() or 1.0))


def _squared_distance(values: NDArray[np.float64], target: Vector, weight: Vector) -> Function:
    # Around the target, so that large values with small differences lose no digits.
    apart = values - target
    gram = (apart * weight) @ apart.T

    def function(weights: Vector) -> tuple[float, Vector]:
        product = gram @ weights
        return float(weights @ product), 2 * product

    return function
