"""Which candidate overrides the base model, and at which threshold. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast._validation import missing_rows
from holdfast.exceptions import InfeasibleBudgetError
from holdfast.override import override_classes, override_threshold

__all__ = ["OverridePoint", "OverrideSelection", "select_override"]

CURVE_BUDGETS = 101


@dataclass(frozen=True)
class OverridePoint:
    """One candidate at one threshold, measured on the selection rows."""

    candidate: int
    threshold: float
    accuracy: float
    churn_rate: float


@dataclass(frozen=True, eq=False)
class OverrideSelection:
    """The chosen override.

    Attributes
    ----------
    candidate : int
        Position of the candidate.
    threshold : float
    accuracy, churn_rate : float
        On the selection rows.
    max_churn, min_accuracy : float or None
        The budget.
    n : int
        Selection rows.
    frontier : tuple of OverridePoint
        The chosen candidate along its thresholds, and the other candidates at theirs.
    """

    candidate: int
    threshold: float
    accuracy: float
    churn_rate: float
    max_churn: float | None
    min_accuracy: float | None
    n: int
    frontier: tuple[OverridePoint, ...]


@dataclass(frozen=True, eq=False)
class _Rows:
    base_pred: NDArray[np.intp]
    y: NDArray[np.intp]
    weight: NDArray[np.float64]
    known: NDArray[np.bool_]

    def point(self, candidate: int, proba: NDArray[np.float64], budget: float) -> OverridePoint:
        """Return the candidate at the threshold that spends `budget`."""
        threshold = override_threshold(
            proba[self.known],
            self.base_pred[self.known],
            max_churn=budget,
            sample_weight=self.weight[self.known],
        )
        served = override_classes(proba, self.base_pred, threshold)
        changed = (served != self.base_pred)[self.known]
        return OverridePoint(
            candidate,
            threshold,
            accuracy=float(np.average(served == self.y, weights=self.weight)),
            churn_rate=float(np.average(changed, weights=self.weight[self.known])),
        )

    def curve(self, candidate: int, proba: NDArray[np.float64]) -> list[OverridePoint]:
        """Return the candidate along a grid of budgets from nothing changed to all."""
        lowest = float(np.average(self.base_pred[self.known] < 0, weights=self.weight[self.known]))
        full = float(
            np.average(
                (proba.argmax(axis=1) != self.base_pred)[self.known],
                weights=self.weight[self.known],
            )
        )
        budgets = np.linspace(lowest, max(full, lowest), CURVE_BUDGETS)
        return [self.point(candidate, proba, float(min(b + 1e-12, 1.0))) for b in budgets]


def select_override(
    candidate_proba: NDArray[np.float64],
    base_proba: NDArray[np.float64],
    base_pred: NDArray[np.intp],
    y: NDArray[np.intp],
    *,
    max_churn: float | None,
    min_accuracy: float | None,
    sample_weight: NDArray[np.float64] | None = None,
) -> OverrideSelection:
    """Choose the candidate and the threshold.

    Under `max_churn` every candidate spends the budget and the most accurate wins; under
    `min_accuracy` each goes as far as it must and the lowest churn wins.

    Parameters
    ----------
    candidate_proba : ndarray of shape (L, n, K)
    base_proba : ndarray of shape (n, K)
        Rows of NaN have no base prediction and do not count as churn.
    base_pred, y : ndarray of shape (n,)
        Columns of the base classes (−1: gone) and of the labels.
    max_churn, min_accuracy : float or None
        Exactly one is given.
    sample_weight : ndarray of shape (n,), optional

    Raises
    ------
    InfeasibleBudgetError
        When no candidate keeps the budget.
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    rows = _Rows(base_pred, y, weight, ~missing_rows(base_proba))
    points: list[OverridePoint] = []
    for candidate, proba in enumerate(candidate_proba):
        if max_churn is not None:
            points.append(rows.point(candidate, proba, max_churn))
        else:
            assert min_accuracy is not None
            curve = rows.curve(candidate, proba)
            points.extend([p for p in curve if p.accuracy >= min_accuracy - 1e-12][:1])
    if not points:
        raise InfeasibleBudgetError(
            f"min_accuracy must be reachable by overriding the base model, got {min_accuracy:.4g}; "
            "lower it or use mixture='average'"
        )
    if max_churn is not None:
        best = min(points, key=lambda point: (-point.accuracy, point.churn_rate))
    else:
        best = min(points, key=lambda point: (point.churn_rate, -point.accuracy))
    return OverrideSelection(
        candidate=best.candidate,
        threshold=best.threshold,
        accuracy=best.accuracy,
        churn_rate=best.churn_rate,
        max_churn=max_churn,
        min_accuracy=min_accuracy,
        n=len(y),
        frontier=(*rows.curve(best.candidate, candidate_proba[best.candidate]), *points),
    )
