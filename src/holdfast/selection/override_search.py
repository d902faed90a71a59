"""What overrides the base model, a candidate or an average, and at which threshold. Arrays only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.selection.limits import Counted
from holdfast.selection.mixtures import mix
from holdfast.selection.override import override_classes, override_threshold
from holdfast.selection.problem import Vector

__all__ = ["OverridePoint", "OverrideSelection", "select_override"]

CURVE_BUDGETS = 51


@dataclass(frozen=True, eq=False)
class OverridePoint:
    """One candidate or average, weights (L,), at one threshold, measured on the selection rows."""

    weights: Vector
    threshold: float
    accuracy: float
    churn_rate: float


@dataclass(frozen=True, eq=False)
class OverrideSelection:
    """The chosen override.

    Attributes
    ----------
    weights : ndarray of shape (L,)
        Of the candidates in what overrides; one of them, or an average.
    threshold : float
    accuracy, churn_rate : float
        On the selection rows.
    max_churn, min_accuracy : float or None
        The budget.
    n : int
        Selection rows.
    frontier : tuple of OverridePoint
        What is chosen along its thresholds, and the others at theirs.
    average_in : {"probability", "log_odds"}
        Where the candidates are averaged.
    others : dict of str to (float, float)
        Limit and measure of each group and of negative flips, where these are limited too.
    """

    weights: Vector
    threshold: float
    accuracy: float
    churn_rate: float
    max_churn: float | None
    min_accuracy: float | None
    n: int
    frontier: tuple[OverridePoint, ...] = field(repr=False)
    average_in: str = "probability"
    others: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Option:
    """What may override: weights (L,) and probabilities (n, K)."""

    weights: Vector
    proba: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Rows:
    base_pred: NDArray[np.intp]
    y: NDArray[np.intp]
    weight: NDArray[np.float64]
    known: NDArray[np.bool_]
    others: tuple[tuple[Counted, float], ...] = ()

    def point(self, option: _Option, budget: float) -> OverridePoint:
        """Return an option at the threshold that spends `budget`."""
        proba = option.proba
        threshold = self._threshold(proba, self.known, budget)
        for counted, limit in self.others:  # churn falls along the threshold everywhere
            rows = counted.weight > 0
            share = min(limit / counted.weight.sum(), 1.0) if rows.any() else 1.0
            threshold = max(threshold, self._threshold(proba, rows, share))
        served = override_classes(proba, self.base_pred, threshold)
        changed = (served != self.base_pred)[self.known]
        return OverridePoint(
            option.weights,
            threshold,
            accuracy=float(np.average(served == self.y, weights=self.weight)),
            churn_rate=float(np.average(changed, weights=self.weight[self.known])),
        )

    def _threshold(
        self, proba: NDArray[np.float64], rows: NDArray[np.bool_], budget: float
    ) -> float:
        if not rows.any():
            return 0.0
        return override_threshold(
            proba[rows],
            self.base_pred[rows],
            max_churn=budget,
            sample_weight=self.weight[rows],
        )

    def shares(self, served: NDArray[np.intp]) -> list[float]:
        """Return what each of the other limits counts where these answers are served."""
        changed = served != self.base_pred
        return [float(changed @ counted.weight) for counted, _ in self.others]

    def steps(self, proba: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return churn and accuracy as rows change, largest margins first, nothing yet changed too.

        Two arrays of equal length; rows whose base class is gone change in any case.
        """
        top, rows = proba.argmax(axis=1), np.arange(len(self.y))
        margin = proba[rows, top] - proba[rows, self.base_pred.clip(min=0)]
        margin[self.base_pred < 0] = np.inf
        free = self.known & (margin > 0) & np.isfinite(margin)
        value, step = np.unique(-margin[free], return_inverse=True)
        gain = (top == self.y).astype(np.float64) - (self.base_pred == self.y)
        must = ~np.isfinite(margin)
        spent = np.bincount(step, self.weight[free], len(value)).cumsum()
        gained = np.bincount(step, (gain * self.weight)[free], len(value)).cumsum()
        lowest = self.weight[must & self.known].sum()
        first = (np.where(must, top, self.base_pred) == self.y) @ self.weight
        churn = np.append(lowest, lowest + spent) / self.weight[self.known].sum()
        return churn, np.append(first, first + gained) / self.weight.sum()

    def curve(self, option: _Option) -> list[OverridePoint]:
        """Return an option along a grid of budgets from nothing changed to all."""
        churn, _ = self.steps(option.proba)
        budgets = np.linspace(churn[0], churn[-1], CURVE_BUDGETS)
        return [self.point(option, float(min(b + 1e-12, 1.0))) for b in budgets]


def select_override(
    candidate_proba: NDArray[np.float64],
    base_pred: NDArray[np.intp],
    answered: NDArray[np.bool_],
    y: NDArray[np.intp],
    *,
    max_churn: float | None,
    min_accuracy: float | None,
    average: Vector | None = None,
    average_in: str = "probability",
    sample_weight: NDArray[np.float64] | None = None,
    others: Mapping[str, tuple[Counted, float]] | None = None,
) -> OverrideSelection:
    """Choose what overrides, and the threshold.

    Under `max_churn` every candidate spends the budget and the most accurate wins; under
    `min_accuracy` each goes as far as it must and the lowest churn wins. An average is taken before
    any candidate under `max_churn`, and is one of them under `min_accuracy`.

    Parameters
    ----------
    candidate_proba : ndarray of shape (L, n, K)
    base_pred, y : ndarray of shape (n,)
        Columns of the base classes (−1: gone, or no prediction) and of the labels.
    answered : ndarray of shape (n,)
        Rows with a base prediction; the others do not count as churn.
    max_churn, min_accuracy : float or None
        Exactly one is given.
    average : ndarray of shape (L,), optional
        Weights of the candidates.
    average_in : {"probability", "log_odds"}
    sample_weight : ndarray of shape (n,), optional
    others : dict of str to (Counted, float), optional
        Other limits, beside `max_churn`, and what they count.

    Raises
    ------
    InfeasibleBudgetError
        When no candidate keeps the budget.
    InvalidInputError
        When no row has a base prediction.
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    if not weight[answered].any():
        raise InvalidInputError(
            "base_proba must have a prediction for at least one selection row, got none; "
            "give rows that the base model has predicted"
        )
    others = others or {}
    rows = _Rows(base_pred, y, weight, answered, tuple(others.values()))
    options = [
        _Option(weights, proba)
        for weights, proba in zip(np.eye(len(candidate_proba)), candidate_proba, strict=True)
    ]
    if average is not None:
        options.append(_Option(average, mix(candidate_proba, average, average_in)))
    if max_churn is not None:
        points = {i: rows.point(option, max_churn) for i, option in enumerate(options)}
        costs = {i: (-point.accuracy, point.churn_rate) for i, point in points.items()}
        chosen = min(costs, key=lambda i: costs[i]) if average is None else len(candidate_proba)
    else:
        assert min_accuracy is not None
        points = _least_changes(rows, options, min_accuracy)
        costs = {i: (point.churn_rate, -point.accuracy) for i, point in points.items()}
        chosen = min(costs, key=lambda i: costs[i])
    best, option = points[chosen], options[chosen]
    lost = rows.shares(override_classes(option.proba, base_pred, best.threshold))
    return OverrideSelection(
        weights=best.weights,
        threshold=best.threshold,
        accuracy=best.accuracy,
        churn_rate=best.churn_rate,
        max_churn=max_churn,
        min_accuracy=min_accuracy,
        n=len(y),
        frontier=(*rows.curve(option), *points.values()),
        average_in=average_in,
        others={
            name: (limit, share)
            for (name, (_, limit)), share in zip(others.items(), lost, strict=True)
        },
    )


def _least_changes(
    rows: _Rows, options: Sequence[_Option], min_accuracy: float
) -> dict[int, OverridePoint]:
    """Return each option that gets there, with as few changes as it needs, by its position."""
    points, highest = {}, 0.0
    for i, option in enumerate(options):
        churn, accuracy = rows.steps(option.proba)
        enough = np.flatnonzero(accuracy >= min_accuracy - 1e-12)
        if len(enough):
            points[i] = rows.point(option, float(min(churn[enough[0]], 1.0)))
        highest = max(highest, float(accuracy.max()))
    if not points:
        raise InfeasibleBudgetError(
            f"min_accuracy must be at most {highest:.4g} by overriding the base model, got "
            f"{min_accuracy:.4g}; lower it or use mixture='average'",
            highest_accuracy=highest,
        )
    return points
