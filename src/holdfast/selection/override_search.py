"""The search for what overrides the base model, and for the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.selection.budget import Budget
from holdfast.selection.limits import Limit
from holdfast.selection.mixtures import mix
from holdfast.selection.override import least_threshold, margins
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
        Weights of the candidates in what overrides: one of them, or an average.
    threshold : float
        τ: the lead in probability from which the new class is served.
    accuracy : float
        Share of right answers on the selection rows.
    churn_rate : float
        Share of answers that change on the selection rows.
    max_churn : float or None
        Limit of the budget on churn.
    min_accuracy : float or None
        Accuracy that the budget keeps instead.
    n : int
        Number of selection rows.
    frontier : tuple of OverridePoint
        The chosen option along its thresholds, and the other options at theirs.
    average_in : {"probability", "log_odds"}
        Scale on which the candidates are averaged.
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
    """A candidate or average that may override the base model.

    Attributes
    ----------
    weights : ndarray of shape (L,)
    top : ndarray of shape (n,)
        Column of its own class.
    margin : ndarray of shape (n,)
        Its lead over the base class; infinite where that class is gone.
    """

    weights: Vector
    top: NDArray[np.intp]
    margin: Vector

    @classmethod
    def of(
        cls, weights: Vector, proba: NDArray[np.float64], base_pred: NDArray[np.intp]
    ) -> _Option:
        return cls(weights, proba.argmax(axis=1), margins(proba, base_pred))


@dataclass(frozen=True, eq=False)
class _Rows:
    base_pred: NDArray[np.intp]
    y: NDArray[np.intp]
    weight: Vector
    known: NDArray[np.bool_]
    others: tuple[Limit, ...]

    def point(self, option: _Option, budget: float) -> OverridePoint:
        """Return an option at the threshold that spends `budget`."""
        threshold = self._threshold(option, self.known, budget)
        for limit in self.others:  # churn falls along the threshold everywhere
            assert limit.weight is not None  # bound to these rows
            rows = limit.weight > 0
            share = min(limit.limit / limit.weight.sum(), 1.0) if rows.any() else 1.0
            threshold = max(threshold, self._threshold(option, rows, share))
        served = self.served(option, threshold)
        changed = (served != self.base_pred)[self.known]
        return OverridePoint(
            option.weights,
            threshold,
            accuracy=float(np.average(served == self.y, weights=self.weight)),
            churn_rate=float(np.average(changed, weights=self.weight[self.known])),
        )

    def served(self, option: _Option, threshold: float) -> NDArray[np.intp]:
        """Return the column of each row's answer."""
        return np.where(option.margin > threshold, option.top, self.base_pred)

    def _threshold(self, option: _Option, rows: NDArray[np.bool_], budget: float) -> float:
        if not rows.any():
            return 0.0
        return least_threshold(option.margin[rows], self.weight[rows], budget)

    def shares(self, option: _Option, threshold: float) -> list[float]:
        """Return what each of the other limits counts at a threshold."""
        changed = self.served(option, threshold) != self.base_pred
        return [one.measure(changed, np.empty(0)) for one in self.others]

    def steps(self, option: _Option) -> tuple[Vector, Vector]:
        """Return churn and accuracy as rows change, largest margins first.

        Two arrays of equal length, which begin where nothing has changed yet but rows whose base
        class is gone.
        """
        margin, must = option.margin, np.isinf(option.margin)
        free = self.known & (margin > 0) & ~must
        value, step = np.unique(-margin[free], return_inverse=True)
        gain = (option.top == self.y).astype(np.float64) - (self.base_pred == self.y)
        spent = np.bincount(step, self.weight[free], len(value)).cumsum()
        gained = np.bincount(step, (gain * self.weight)[free], len(value)).cumsum()
        lowest = self.weight[must & self.known].sum()
        first = (np.where(must, option.top, self.base_pred) == self.y) @ self.weight
        churn = np.append(lowest, lowest + spent) / self.weight[self.known].sum()
        return churn, np.append(first, first + gained) / self.weight.sum()

    def curve(self, option: _Option) -> list[OverridePoint]:
        """Return an option along a grid of budgets from nothing changed to all."""
        churn, _ = self.steps(option)
        budgets = np.linspace(churn[0], churn[-1], CURVE_BUDGETS)
        return [self.point(option, float(min(b + 1e-12, 1.0))) for b in budgets]


def select_override(
    candidate_proba: NDArray[np.float64],
    base_pred: NDArray[np.intp],
    answered: NDArray[np.bool_],
    y: NDArray[np.intp],
    *,
    budget: Budget,
    average: Vector | None = None,
    average_in: str = "probability",
    sample_weight: NDArray[np.float64] | None = None,
) -> OverrideSelection:
    """Choose what overrides the base model, and the threshold; arrays come checked.

    Under `max_churn` every candidate spends the budget and the most accurate wins. Under
    `min_accuracy` each goes as far as it must and the lowest churn wins. An average is taken before
    any candidate under `max_churn`, and is one of them under `min_accuracy`.

    Parameters
    ----------
    candidate_proba : ndarray of shape (L, n, K)
    base_pred, y : ndarray of shape (n,)
        Columns of the base classes (−1: gone, or no prediction) and of the labels.
    answered : ndarray of shape (n,)
        Rows with a base prediction; the others do not count as churn.
    budget : Budget
        In changed answers; its other limits are bound to these rows.
    average : ndarray of shape (L,), optional
        Weights of the candidates in an average that may override too.
    average_in : {"probability", "log_odds"}
    sample_weight : ndarray of shape (n,), optional

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
    rows = _Rows(base_pred, y, weight, answered, budget.others)
    options = [
        _Option.of(weights, proba, base_pred)
        for weights, proba in zip(np.eye(len(candidate_proba)), candidate_proba, strict=True)
    ]
    if average is not None:
        mixture = mix(candidate_proba, average, average_in)
        options.append(_Option.of(average, mixture, base_pred))
    if budget.max_churn is not None:
        points = {i: rows.point(option, budget.max_churn) for i, option in enumerate(options)}
        costs = {i: (-point.accuracy, point.churn_rate) for i, point in points.items()}
        chosen = min(costs, key=lambda i: costs[i]) if average is None else len(candidate_proba)
    else:
        points = _least_changes(rows, options, float(budget.min_accuracy or 0))
        costs = {i: (point.churn_rate, -point.accuracy) for i, point in points.items()}
        chosen = min(costs, key=lambda i: costs[i])
    best, option = points[chosen], options[chosen]
    shares = rows.shares(option, best.threshold)
    return OverrideSelection(
        weights=best.weights,
        threshold=best.threshold,
        accuracy=best.accuracy,
        churn_rate=best.churn_rate,
        max_churn=budget.max_churn,
        min_accuracy=None if budget.min_accuracy is None else float(budget.min_accuracy),
        n=len(y),
        frontier=(*rows.curve(option), *points.values()),
        average_in=average_in,
        others={
            one.name: (one.limit, share) for one, share in zip(budget.others, shares, strict=True)
        },
    )


def _least_changes(
    rows: _Rows, options: Sequence[_Option], min_accuracy: float
) -> dict[int, OverridePoint]:
    """Return each option that gets there, with as few changes as it needs, by its position."""
    points, highest = {}, 0.0
    for i, option in enumerate(options):
        churn, accuracy = rows.steps(option)
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
