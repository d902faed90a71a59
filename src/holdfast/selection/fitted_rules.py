"""Rules that are fitted to the selection rows: their threshold depends on the probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from holdfast.rules import BoundRule, Threshold, TopShare
from holdfast.selection.answering import Answering
from holdfast.selection.budget import TOLERANCE, Budget

__all__ = ["Retuned", "SameRate", "TopShareOfRows"]

Proba = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class SameRate(Answering):
    """A threshold at which the positive answer comes as often as from the base model.

    Attributes
    ----------
    positive : int
        Column of the positive class.
    rate : float
        Share of the positive answer among the base model's answers to the selection rows.
    weight : ndarray of shape (n,)
        Weights of the selection rows that count as churn.
    """

    positive: int
    rate: float
    weight: Vector

    def rule_of(self, proba: Proba) -> BoundRule:
        """Return the threshold whose rate is nearest to the base model's."""
        cuts = _Cuts.of(proba[:, self.positive])
        rates = cuts.sums(self.weight) / self.weight.sum()
        return _threshold(self, cuts.thresholds[np.abs(rates - self.rate).argmin()], self.positive)


@dataclass(frozen=True, eq=False, kw_only=True)
class TopShareOfRows(Answering):
    """The riskiest share of the selection rows, from then on a threshold.

    Attributes
    ----------
    share : TopShare
    weight : ndarray of shape (n,) or None
        Weights of the selection rows.
    """

    share: TopShare
    weight: Vector | None

    def rule_of(self, proba: Proba) -> BoundRule:
        """Return the threshold that the share of these rows stands for."""
        classes = self.rule.classes
        return self.share.fit(proba, classes=classes, sample_weight=self.weight).bind(classes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Retuned(Answering):
    """The threshold of highest utility on the selection rows, inside the budget.

    Attributes
    ----------
    positive : int
        Column of the positive class.
    y : ndarray of shape (n,)
        Columns of the labels.
    base_pred : ndarray of shape (n,)
        Answers of the base model.
    weight : ndarray of shape (n,)
        Weights of the selection rows.
    answer_weight : ndarray of shape (n,)
        Weights of those that count as churn.
    budget : Budget or None
        None where only the utility counts. Its other limits are bound to the rows.
    """

    positive: int
    y: NDArray[np.intp]
    base_pred: NDArray[np.intp]
    weight: Vector
    answer_weight: Vector
    budget: Budget | None = None

    def under(self, budget: Budget | None) -> Answering:
        """Return the answering under a budget."""
        return replace(self, budget=budget)

    def rule_of(self, proba: Proba) -> BoundRule:
        """Return the best threshold for these probabilities.

        Under `max_churn` it has the highest utility among those that keep all limits on answers,
        or the least churn where none does. Where a utility or an accuracy is kept, it has the least
        churn among those that keep it.
        """
        cuts = _Cuts.of(proba[:, self.positive])
        utility = self._along(cuts, self._utility, self.weight)
        churn = self._along(cuts, self._changed, self.answer_weight)
        kept = self._kept(cuts, churn, utility)
        keeps_floor = self.budget is not None and self.budget.max_churn is None
        if not kept.any():
            best = int((-utility if keeps_floor else churn).argmin())
        else:
            wanted = -churn if keeps_floor else utility
            best = np.flatnonzero(kept)[np.lexsort((churn[kept], -wanted[kept]))[0]]
        return _threshold(self, cuts.thresholds[best], self.positive)

    def _kept(self, cuts: _Cuts, churn: Vector, utility: Vector) -> NDArray[np.bool_]:
        """Return which thresholds keep what the budget asks of answers."""
        kept = np.ones(len(churn), dtype=bool)
        budget = self.budget
        if budget is None:
            return kept
        if budget.max_churn is None:
            if not isinstance(budget.floor, (int, float)):
                return kept  # the utility of plain retraining is being asked for
            by_accuracy = budget.kept == "accuracy"
            measure = self._along(cuts, self._right, self.weight) if by_accuracy else utility
            return measure >= budget.floor - TOLERANCE
        if budget.churn == "hard":
            kept &= churn <= budget.max_churn + TOLERANCE
        for one in budget.others:
            if one.hard:
                assert one.weight is not None  # bound to rows
                counted = self._worse if one.column is None else self._changed
                kept &= self._along(cuts, counted, one.weight) <= one.limit + TOLERANCE
        return kept

    def _along(
        self, cuts: _Cuts, values: Callable[[NDArray[np.intp]], Vector], weight: Vector
    ) -> Vector:
        """Return the weighted mean over rows of what answers are worth, at every threshold."""
        low, high = (
            values(np.full(len(self.y), answer)) * (weight / weight.sum())
            for answer in (1 - self.positive, self.positive)
        )
        return low.sum() + cuts.sums(high - low)

    def _utility(self, answer: NDArray[np.intp]) -> Vector:
        return self.utilities(answer, self.y)

    def _right(self, answer: NDArray[np.intp]) -> Vector:
        return self.right(answer, self.y).astype(np.float64)

    def _changed(self, answer: NDArray[np.intp]) -> Vector:
        return (answer != self.base_pred).astype(np.float64)

    def _worse(self, answer: NDArray[np.intp]) -> Vector:
        return self.worse(answer, self.base_pred, self.y).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Cuts:
    """The places between distinct scores where a threshold can lie, the highest first.

    Attributes
    ----------
    thresholds : ndarray of shape (m,)
        Halfway between two distinct scores, so that rounding at serving does not decide. The first
        lies above all scores, unless one is 1; the last lies below them.
    order : ndarray of shape (n,)
        Rows by score, the highest first.
    above : ndarray of shape (m,)
        Number of rows above each threshold.
    """

    thresholds: Vector
    order: NDArray[np.intp]
    above: NDArray[np.intp]

    @classmethod
    def of(cls, score: Vector) -> _Cuts:
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        above = np.append(np.flatnonzero(np.diff(falling)) + 1, len(falling))
        distinct = falling[above - 1]
        between = (distinct + np.append(distinct[1:], 0.0)) / 2
        if distinct[0] < 1:
            above, between = np.append(0, above), np.append((distinct[0] + 1) / 2, between)
        return cls(between, order, above)

    def sums(self, values: Vector) -> Vector:
        """Return the sums of values (n,) over the rows above each threshold, shape (m,)."""
        return np.append(0.0, values[self.order].cumsum())[self.above]


def _threshold(answering: Answering, threshold: float, positive: int) -> BoundRule:
    classes = answering.rule.classes
    rule = Threshold(float(threshold), positive=classes[positive])
    return rule.bind(classes)
