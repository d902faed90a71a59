"""The convex program over mixtures of regressors: both measures are quadratic in the weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from holdfast._mixture import Function, Vector

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
    risk_weight, churn_weight : ndarray of shape (n,)
        Row weights that sum to 1.
    """

    values: NDArray[np.float64]
    base: Vector
    y: Vector
    tolerance: float
    risk_weight: Vector
    churn_weight: Vector
    average_in: str = "value"

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

    def losses(self, weights: Vector) -> Vector:
        """Return the squared error of each row."""
        return (self.predict(weights) - self.y) ** 2

    def changed(self, weights: Vector) -> NDArray[np.bool_]:
        """Return which rows move by more than the tolerance."""
        return np.abs(self.predict(weights) - self.base) > self.tolerance

    def hard_churn(self, weights: Vector) -> float:
        """Return the weighted share of rows that move by more than the tolerance."""
        return float(self.changed(weights) @ self.churn_weight)

    def true_risk(self, weights: Vector) -> float:
        """Return the mean squared error."""
        return float(self.losses(weights) @ self.risk_weight)

    def soft_churn(self, weights: Vector) -> float:
        """Return the mean squared move."""
        return float((self.predict(weights) - self.base) ** 2 @ self.churn_weight)

    def accuracy(self, weights: Vector) -> float:
        """Return R², 0 where the labels do not vary."""
        mean = self.y @ self.risk_weight
        total = (self.y - mean) ** 2 @ self.risk_weight
        return float(1 - self.true_risk(weights) / total) if total > 0 else 0.0

    @cached_property
    def risk(self) -> Function:
        """Mean squared error and its gradient as a function of the weights."""
        return _squared_distance(self.values, self.y, self.risk_weight)

    @cached_property
    def churn(self) -> Function:
        """Mean squared move and its gradient as a function of the weights."""
        return _squared_distance(self.values, self.base, self.churn_weight)


def _squared_distance(values: NDArray[np.float64], target: Vector, weight: Vector) -> Function:
    # Around the target, so that large values with small differences lose no digits.
    apart = values - target
    gram = (apart * weight) @ apart.T

    def function(weights: Vector) -> tuple[float, Vector]:
        product = gram @ weights
        return float(weights @ product), 2 * product

    return function
