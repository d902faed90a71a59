"""The convex program over mixtures of candidates: risk and soft churn with exact gradients.

Variables are the weights w of L candidates on the simplex. In probability space the mixture is
Σ w_l p_l; in log-odds space it is softmax(Σ w_l log p_l). Risk and soft churn are convex in w: log
loss with KL in both spaces, Brier with squared distance in probability space (both quadratic).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import missing_rows
from holdfast.exceptions import InvalidInputError
from holdfast.metrics import clip, divergence_per_row, loss_per_row
from holdfast.rules import BoundRule
from holdfast.selection.answering import Answering
from holdfast.selection.budget import Budget
from holdfast.selection.limits import GroupColumns, Limit
from holdfast.selection.problem import Function, Measures, RowMeasures, Vector

__all__ = ["Mixtures", "mix"]


def mix(proba: NDArray[np.float64], weights: Vector, average_in: str) -> NDArray[np.float64]:
    """Return the mixture of `proba` (L, n, K) under `weights` (L,), shape (n, K)."""
    used = np.flatnonzero(weights)
    if len(used) == 1:
        return proba[used[0]]
    if average_in == "probability":
        return np.tensordot(weights[used], proba[used], axes=1)
    logits = np.tensordot(weights[used], np.log(clip(proba[used])), axes=1)
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Candidates on the selection rows.

    Attributes
    ----------
    proba : ndarray of shape (L, n, K)
    base : ndarray of shape (n, K)
        Base probabilities; rows without weight in `churn_weight` are ignored.
    y : ndarray of shape (n,)
        Columns of the labels.
    base_pred : ndarray of shape (n,)
        Answers of the base model, -1 for an answer that is gone.
    risk_weight, churn_weight, answer_weight : ndarray of shape (n,)
        Row weights that sum to 1: of the risk, of soft churn, of hard churn.
    divergence : {"kl", "brier"}
    average_in : {"probability", "log_odds"}
    answering : Answering
        How the probabilities of a mixture become answers.
    others : tuple of Limit
        The budget's other limits, bound to these rows.
    has_base : bool
        Whether the last candidate is the base model.
    """

    proba: NDArray[np.float64]
    base: NDArray[np.float64]
    y: NDArray[np.intp]
    base_pred: NDArray[np.intp]
    risk_weight: Vector
    churn_weight: Vector
    answer_weight: Vector
    divergence: str
    average_in: str
    answering: Answering
    others: tuple[Limit, ...] = ()
    has_base: bool = False

    @classmethod
    def of(
        cls,
        proba: NDArray[np.float64],
        base: NDArray[np.float64],
        y: NDArray[np.intp],
        *,
        divergence: str,
        average_in: str,
        answering: Answering | None = None,
        base_pred: NDArray[np.intp] | None = None,
        answered: NDArray[np.bool_] | None = None,
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Mixtures:
        """Return the mixtures of checked arrays.

        Parameters
        ----------
        proba : ndarray of shape (L, n, K)
        base : ndarray of shape (n, K)
            Base probabilities; a row of NaN has none.
        y : ndarray of shape (n,)
            Columns of the labels.
        divergence : {"kl", "brier"}
        average_in : {"probability", "log_odds"}
        answering : Answering, optional
            Left out, the most probable class is the answer.
        base_pred : ndarray of shape (n,), optional
            Answers of the base model; the largest base probability when left out.
        answered : ndarray of bool of shape (n,), optional
            Rows that count as hard churn; those with base probabilities when left out.
        sample_weight : ndarray of shape (n,), optional

        Raises
        ------
        InvalidInputError
            When the base model has predicted none of the rows.
        """
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        missing = missing_rows(base)
        if missing.all() and answered is not None and base_pred is not None:
            base, missing = _certainties(base, base_pred), ~answered
        churn_weight = np.where(missing, 0.0, weight)
        answer_weight = churn_weight if answered is None else np.where(answered, weight, 0.0)
        if churn_weight.sum() <= 0 or answer_weight.sum() <= 0:
            raise InvalidInputError(
                "base_proba must have a prediction for at least one selection row, got none; "
                "give rows that the base model has predicted"
            )
        base = np.where(missing[:, None], 1 / base.shape[1], base)
        return cls(
            proba=proba,
            base=base,
            y=y,
            base_pred=base.argmax(axis=1) if base_pred is None else base_pred,
            risk_weight=weight / weight.sum(),
            churn_weight=churn_weight / churn_weight.sum(),
            answer_weight=answer_weight / answer_weight.sum(),
            divergence=divergence,
            average_in=average_in,
            answering=answering or Answering.argmax(np.arange(base.shape[1])),
        )

    def bound(self, budget: Budget, groups: GroupColumns) -> tuple[Mixtures, Budget]:
        """Return the mixtures and a budget whose other limits are bound to their rows."""
        if not budget.others:
            return (self if not self.others else replace(self, others=())), budget
        bound = budget.bound(groups, self.answer_weight, self.churn_weight)
        return replace(self, others=bound.others), bound

    def under(self, budget: Budget) -> Mixtures:
        """Return the mixtures with a rule that looks at a budget, where it is tuned."""
        return replace(self, answering=self.answering.under(budget))

    @property
    def base_everywhere(self) -> bool:
        """Whether the base model has predicted every row that counts."""
        return not (self.churn_weight[self.risk_weight > 0] == 0).any()

    def with_base(self) -> Mixtures:
        """Return the mixtures with the base model as their last candidate."""
        if not self.base_everywhere:
            raise InvalidInputError(
                "include_base must be False where base predictions are missing, got rows of NaN in "
                "base_proba; the base model could not be served for them"
            )
        widened = np.concatenate([self.proba, self.base[None]])
        return replace(self, proba=widened, has_base=True)

    @property
    def size(self) -> int:
        """Number of candidates, L."""
        return len(self.proba)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def loss(self) -> str:
        """The loss that is paired with the divergence."""
        return "log_loss" if self.divergence == "kl" else "brier"

    def mix(self, weights: Vector) -> NDArray[np.float64]:
        """Return the mixture's probabilities."""
        return mix(self.proba, weights, self.average_in)

    def per_row(self, weights: Vector) -> RowMeasures:
        """Return loss, change of answer, divergence from the base and utility of each row."""
        mixture = self.mix(weights)
        answers = self._answers(weights, mixture)
        return RowMeasures(
            answers=answers,
            loss=loss_per_row(self.y, mixture, self.loss),
            changed=answers != self.base_pred,
            divergence=divergence_per_row(self.base, mixture, self.divergence),
            utility=self.answering.utilities(answers, self.y),
        )

    def measure(self, weights: Vector) -> Measures:
        """Return the mixture's measures."""
        rows = self.per_row(weights)
        answers = rows.answers
        others: tuple[float, ...] = ()
        if self.others:
            worse = self.answering.worse(answers, self.base_pred, self.y)
            others = tuple(one.measure(rows.changed, rows.divergence, worse) for one in self.others)
        return Measures(
            risk=float(rows.loss @ self.risk_weight),
            accuracy=float(self.answering.right(answers, self.y) @ self.risk_weight),
            churn_rate=float(rows.changed @ self.answer_weight),
            soft_churn=float(rows.divergence @ self.churn_weight),
            others=others,
            utility=float(rows.utility @ self.risk_weight),
        )

    def rule_at(self, weights: Vector) -> BoundRule:
        """Return the rule by which a mixture answers."""
        return self.answering.rule_of(self.mix(weights))

    def _answers(self, weights: Vector, mixture: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the answers of a mixture; those of the base model are its own."""
        alone = self.has_base and not weights[:-1].any()
        return self.answering.own_answers(mixture, self.base_pred if alone else None)

    @cached_property
    def risk(self) -> Function:
        """Risk and its gradient as a function of the weights."""
        own = np.zeros_like(self.base)
        own[np.arange(len(own)), self.y] = 1.0
        return self._expected_loss(own, self.risk_weight)

    @cached_property
    def churn(self) -> Function:
        """Soft churn and its gradient as a function of the weights."""
        return self._soft_churn(self.churn_weight)

    @cached_property
    def other_churn(self) -> tuple[Function | None, ...]:
        """Soft churn within each group that is limited so, None for what counts answers."""
        return tuple(None if one.hard else self._soft_churn(one.weight) for one in self.others)

    def _soft_churn(self, weight: Vector | None) -> Function:
        assert weight is not None  # other limits are bound to rows
        cross = self._expected_loss(self.base, weight)
        entropy_loss = self._own_loss(weight)

        def churn(weights: Vector) -> tuple[float, Vector]:
            value, gradient = cross(weights)
            return value - entropy_loss, gradient

        return churn

    def _own_loss(self, weight: Vector) -> float:
        """Mean loss of the base model against itself, the constant between loss and divergence."""
        if self.divergence == "kl":
            rows = -(self.base * np.log(clip(self.base))).sum(axis=1)
        else:
            rows = 1 - (self.base**2).sum(axis=1)
        return float(rows @ weight)

    def _expected_loss(self, target: NDArray[np.float64], weight: Vector) -> Function:
        """Mean over rows of E_{k~target} φ(k, mixture), with its gradient."""
        mass = target * weight[:, None]
        if self.divergence == "brier":
            return self._quadratic(mass, weight)
        if self.average_in == "log_odds":
            return self._log_odds_cross_entropy(mass)
        return self._cross_entropy(mass)

    def _cross_entropy(self, mass: NDArray[np.float64]) -> Function:
        # Only entries with mass matter: one a row for the labels, all for the base model.
        entries = np.flatnonzero(mass)
        values = np.ascontiguousarray(self.proba.reshape(len(self.proba), -1)[:, entries].T)
        share = mass.ravel()[entries]

        def function(weights: Vector) -> tuple[float, Vector]:
            mixture = clip(values @ weights)
            return float(-share @ np.log(mixture)), -(share / mixture) @ values

        return function

    def _log_odds_cross_entropy(self, mass: NDArray[np.float64]) -> Function:
        # Classes before rows: sums over few classes are then sums of whole vectors.
        logits = np.log(clip(self.proba)).transpose(0, 2, 1)
        shape = logits.shape[1:]
        flat = logits.reshape(len(logits), -1)
        by_row = mass.sum(axis=1)
        linear = flat @ mass.T.ravel()

        def function(weights: Vector) -> tuple[float, Vector]:
            odds = np.exp(weights @ flat).reshape(shape)  # clipped logits: no overflow
            total = odds.sum(axis=0)
            value = by_row @ np.log(total) - weights @ linear
            expected = odds * (by_row / total)
            return float(value), flat @ expected.ravel() - linear

        return function

    def _quadratic(self, mass: NDArray[np.float64], weight: Vector) -> Function:
        flat = self.proba.reshape(len(self.proba), -1)
        by_entry = np.repeat(weight, self.proba.shape[2])
        gram = (flat * by_entry) @ flat.T
        linear = flat @ mass.ravel()
        constant = float(weight.sum())

        def function(weights: Vector) -> tuple[float, Vector]:
            product = gram @ weights
            value = weights @ product - 2 * linear @ weights + constant
            return float(value), 2 * (product - linear)

        return function


def _certainties(base: NDArray[np.float64], base_pred: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return answers as probabilities, by which a search finds its way where there are no others.

    Rows of NaN stay where the answer is no class.
    """
    certain = base.copy()
    known = np.flatnonzero((base_pred >= 0) & (base_pred < base.shape[1]))
    certain[known] = 0.0
    certain[known, base_pred[known]] = 1.0
    return certain
