"""The interface of mixtures: the functions and measures that a search needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.rules import BoundRule

__all__ = ["Function", "Measures", "Problem", "RowMeasures", "Vector"]


class Problem(Protocol):
    """Mixtures of L candidates on n selection rows; `weights` always has shape (L,)."""

    @property
    def risk_weight(self) -> Vector:
        """Row weights of the risk, summing to 1."""

    @property
    def average_in(self) -> str:
        """Scale on which candidates are averaged."""

    @property
    def size(self) -> int:
        """Number of candidates, L."""

    @property
    def has_base(self) -> bool:
        """Whether the last candidate is the base model."""

    @property
    def base_everywhere(self) -> bool:
        """Whether the base model has predicted every row that counts."""

    def with_base(self) -> Problem:
        """Return the problem with the base model as its last candidate.

        Raises InvalidInputError where it has not predicted every row.
        """

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def risk(self) -> Function:
        """Risk of a mixture, with its gradient."""

    @property
    def churn(self) -> Function:
        """Soft churn of a mixture, with its gradient."""

    @property
    def other_churn(self) -> tuple[Function | None, ...]:
        """Soft churn that each of the other limits counts; None where it counts answers."""

    def per_row(self, weights: Vector) -> RowMeasures:
        """Loss, change and divergence of each row."""

    def rule_at(self, weights: Vector) -> BoundRule | None:
        """Rule by which a mixture answers; None for a regressor."""

    def measure(self, weights: Vector) -> Measures:
        """Risk, accuracy and churn as the metrics define them."""


Vector = NDArray[np.float64]


Function = Callable[[Vector], tuple[float, Vector]]


@dataclass(frozen=True)
class Measures:
    """Measures of a mixture on the selection rows, each as the metric defines it.

    Attributes
    ----------
    risk : float
        Mean loss.
    accuracy : float
        Share of right answers; R² for a regressor.
    churn_rate : float
        Share of answers that change.
    soft_churn : float
        Mean divergence.
    others : tuple of float
        What the other limits count: churn of groups, negative flips.
    utility : float
        Mean utility of the answers; NaN where there is none.
    """

    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float
    others: tuple[float, ...] = ()
    utility: float = np.nan


@dataclass(frozen=True, eq=False)
class RowMeasures:
    """Measures of each row, arrays of shape (n,), whose means are `Measures`."""

    answers: NDArray[Any]
    loss: Vector
    changed: NDArray[np.bool_]
    divergence: Vector
    utility: Vector
