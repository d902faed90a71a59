"""The search for what overrides the base model, and for the threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.rules import BoundRule
from holdfast.selection.answering import Answering
from holdfast.selection.budget import Budget
from holdfast.selection.limits import GroupColumns
from holdfast.selection.mixtures import mix
from holdfast.selection.override import above, largest_kept
from holdfast.selection.problem import Vector
from holdfast.selection.surcharges import ChangedRows, Surcharge, least_surcharges

__all__ = ["OverridePoint", "OverrideSelection", "select_override"]

CURVE_BUDGETS = 51


@dataclass(frozen=True, eq=False)
class OverridePoint:
    """One candidate or average, weights (L,), at one threshold, measured on the selection rows."""

    weights: Vector
    threshold: float
    accuracy: float
    churn_rate: float
    utility: float = math.nan


@dataclass(frozen=True, eq=False)
class OverrideSelection:
    """The chosen override.

    Attributes
    ----------
    weights : ndarray of shape (L,)
        Weights of the candidates in what overrides: one of them, or an average.
    threshold : float
        τ: the expected gain above which the new model's answer is served. With the default
        utility it is a lead in probability.
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
    utility : float
        Mean utility of the answers on the selection rows.
    min_utility : float or None
        Utility that the budget keeps instead.
    rule : BoundRule
        The rule by which the overriding model answers.
    surcharges : tuple of Surcharge
        What a change must gain beyond the threshold in rows that further limits count.
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
    utility: float = math.nan
    min_utility: float | None = None
    rule: BoundRule | None = None
    surcharges: tuple[Surcharge, ...] = ()


@dataclass(frozen=True, eq=False)
class _Option:
    """A candidate or average that may override the base model.

    Attributes
    ----------
    weights : ndarray of shape (L,)
    rule : BoundRule
        The rule by which it answers.
    top : ndarray of shape (n,)
        Its own answers.
    gain : ndarray of shape (n,)
        The expected gain of its answer over the base model's, beyond what is charged; infinite
        where that answer is gone.
    surcharges : tuple of Surcharge
    """

    weights: Vector
    rule: BoundRule
    top: NDArray[np.intp]
    gain: Vector
    surcharges: tuple[Surcharge, ...] = ()


@dataclass(frozen=True, eq=False)
class _Rows:
    base_pred: NDArray[np.intp]
    y: NDArray[np.intp]
    weight: Vector
    known: NDArray[np.bool_]
    budget: Budget
    answering: Answering
    groups: GroupColumns

    def option(self, weights: Vector, proba: NDArray[np.float64]) -> _Option:
        """Return a candidate or average, given its probabilities (n, K)."""
        rule = self.answering.rule_of(proba)
        top = rule.decide(proba)
        gain = self.answering.gains(proba, top, self.base_pred, rule)
        plain = _Option(weights, rule, top, gain)
        others = [
            one for one in self.budget.others if one.column is None or one.column in self.groups
        ]
        if not others or self.budget.max_churn is None:
            return plain
        assert self.answering.utility is not None  # an override has one
        utility = self.answering.utility
        rows = ChangedRows(gain, proba, top, self.base_pred, utility, self.groups)
        surcharges = least_surcharges(
            rows,
            others,
            max_churn=self.budget.max_churn,
            weight=self.weight,
            known=self.known,
        )
        if not surcharges:
            return plain
        charged = replace(plain, gain=rows.net_gain(surcharges), surcharges=surcharges)
        return max(plain, charged, key=lambda option: self._expected(option, gain))

    def _expected(self, option: _Option, gain: Vector) -> float:
        """Return what an option is expected to gain inside the budget, above the rows that must."""
        assert self.budget.max_churn is not None
        try:
            threshold = self.point(option, self.budget.max_churn).threshold
        except InfeasibleBudgetError:
            return -np.inf
        changed = (option.gain > threshold) & np.isfinite(gain)
        return float(gain[changed] @ self.weight[changed])

    def point(self, option: _Option, budget: float) -> OverridePoint:
        """Return an option at the threshold that spends `budget`."""
        kept = self._largest_kept(option, self.known, budget)
        worse = self.answering.worse(option.top, self.base_pred, self.y)
        for limit in self.budget.others:  # churn falls along the threshold everywhere
            assert limit.weight is not None  # bound to these rows
            rows = limit.weight > 0
            if limit.column is None:
                rows &= worse
            share = min(limit.limit / limit.weight[rows].sum(), 1.0) if rows.any() else 1.0
            kept = max(kept, self._largest_kept(option, rows, share))
        threshold = above(kept, option.gain[self.known])
        served = self.served(option, threshold)
        changed = (served != self.base_pred)[self.known]
        return OverridePoint(
            option.weights,
            threshold,
            accuracy=float(np.average(self._values(served, "accuracy"), weights=self.weight)),
            churn_rate=float(np.average(changed, weights=self.weight[self.known])),
            utility=float(np.average(self._values(served, "utility"), weights=self.weight)),
        )

    def _values(self, answer: NDArray[np.intp], kept: str) -> Vector:
        """Return what each row's answer adds to the accuracy or to the utility."""
        if kept == "utility":
            return self.answering.utilities(answer, self.y)
        return self.answering.right(answer, self.y).astype(np.float64)

    def served(self, option: _Option, threshold: float) -> NDArray[np.intp]:
        """Return the column of each row's answer."""
        return np.where(option.gain > threshold, option.top, self.base_pred)

    def _largest_kept(self, option: _Option, rows: NDArray[np.bool_], budget: float) -> float:
        if not rows.any():
            return 0.0
        return largest_kept(option.gain[rows], self.weight[rows], budget)

    def shares(self, option: _Option, threshold: float) -> list[float]:
        """Return what each of the other limits counts at a threshold."""
        served = self.served(option, threshold)
        worse = self.answering.worse(served, self.base_pred, self.y)
        changed = served != self.base_pred
        return [one.measure(changed, np.empty(0), worse) for one in self.budget.others]

    def steps(self, option: _Option) -> tuple[Vector, Vector]:
        """Return churn, and what the budget keeps, as rows change, largest gains first.

        Two arrays of equal length, which begin where nothing has changed yet but rows whose base
        answer is gone.
        """
        kept, must = self.budget.kept, np.isinf(option.gain)
        free = self.known & (option.gain > 0) & ~must
        value, step = np.unique(-option.gain[free], return_inverse=True)
        gain = self._values(option.top, kept) - self._values(self.base_pred, kept)
        spent = np.bincount(step, self.weight[free], len(value)).cumsum()
        gained = np.bincount(step, (gain * self.weight)[free], len(value)).cumsum()
        lowest = self.weight[must & self.known].sum()
        first = self._values(np.where(must, option.top, self.base_pred), kept) @ self.weight
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
    answering: Answering | None = None,
    average: Vector | None = None,
    average_in: str = "probability",
    sample_weight: NDArray[np.float64] | None = None,
    groups: GroupColumns | None = None,
) -> OverrideSelection:
    """Choose what overrides the base model, and the threshold; arrays come checked.

    Under `max_churn` every candidate spends the budget and the most accurate wins. Under
    `min_accuracy` each goes as far as it must and the lowest churn wins. An average is taken before
    any candidate under `max_churn`, and is one of them under `min_accuracy`.

    Parameters
    ----------
    candidate_proba : ndarray of shape (L, n, K)
    base_pred, y : ndarray of shape (n,)
        Answers of the base model (−1: gone, or no answer), and columns of the labels.
    answered : ndarray of shape (n,)
        Rows with a base prediction; the others do not count as churn.
    budget : Budget
        In changed answers; its other limits are bound to these rows.
    answering : Answering, optional
        How probabilities become answers, and what these are worth. Left out, the most probable
        class is the answer.
    average : ndarray of shape (L,), optional
        Weights of the candidates in an average that may override too.
    average_in : {"probability", "log_odds"}
    sample_weight : ndarray of shape (n,), optional
    groups : dict of str to ndarray of shape (n,), optional
        Columns that are known at serving, so that limits on their groups may have multipliers.

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
    answering = answering or Answering.argmax(np.arange(candidate_proba.shape[2]))
    rows = _Rows(base_pred, y, weight, answered, budget, answering, dict(groups or {}))
    options = [
        rows.option(weights, proba)
        for weights, proba in zip(np.eye(len(candidate_proba)), candidate_proba, strict=True)
    ]
    if average is not None:
        mixture = mix(candidate_proba, average, average_in)
        options.append(rows.option(average, mixture))
    best_by = "utility" if budget.by_utility else "accuracy"
    if budget.max_churn is not None:
        points = {i: rows.point(option, budget.max_churn) for i, option in enumerate(options)}
        costs = {i: (-getattr(p, best_by), p.churn_rate) for i, p in points.items()}
        chosen = min(costs, key=lambda i: costs[i]) if average is None else len(candidate_proba)
    else:
        points = _least_changes(rows, options)
        costs = {i: (p.churn_rate, -getattr(p, best_by)) for i, p in points.items()}
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
        utility=best.utility,
        rule=option.rule,
        surcharges=option.surcharges,
        min_utility=None if budget.min_utility is None else float(budget.min_utility),
    )


def _least_changes(rows: _Rows, options: Sequence[_Option]) -> dict[int, OverridePoint]:
    """Return each option that gets there, with as few changes as it needs, by its position."""
    budget = rows.budget
    assert budget.floor is not None  # see `Budget.keeping`
    least, points, highest = float(budget.floor), {}, -np.inf
    for i, option in enumerate(options):
        churn, values = rows.steps(option)
        enough = np.flatnonzero(values >= least - 1e-12)
        if len(enough):
            points[i] = rows.point(option, float(min(churn[enough[0]], 1.0)))
        highest = max(highest, float(values.max()))
    if not points:
        raise InfeasibleBudgetError(
            f"min_{budget.kept} must be at most {highest:.4g} by overriding the base model, got "
            f"{least:.4g}; lower it or use mixture='average'",
            highest_accuracy=highest if budget.kept == "accuracy" else None,
        )
    return points
