"""What is served of a path: the choice under a budget, its rival, and what of it is certified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.models.served import served_proba
from holdfast.selection.budget import Selection, cautious
from holdfast.selection.certificate import Certificate
from holdfast.selection.limits import Counted, Limit, Limits
from holdfast.selection.override import override_classes
from holdfast.selection.override_search import OverrideSelection, select_override
from holdfast.selection.search import mean_and_error
from holdfast.selection.weights import select
from holdfast.update.certification import CertificationRows, certify
from holdfast.update.lambda_search import SearchRows
from holdfast.update.rows import UpdateRows

__all__ = ["Choice", "Chooser"]

Vector = NDArray[np.float64]
Proba = NDArray[np.float64]
Chosen = TypeVar("Chosen", Selection, OverrideSelection)


@dataclass(frozen=True, eq=False)
class Choice:
    """What is served of L candidates, and how that came about.

    Attributes
    ----------
    selection : Selection or OverrideSelection
    weights : ndarray of shape (L,)
    base_weight : float
    threshold : float or None
        τ of an override.
    rival : Selection, OverrideSelection or None
        What lost against it.
    certificate : Certificate or None
    """

    selection: Selection | OverrideSelection
    weights: Vector
    base_weight: float = 0.0
    threshold: float | None = None
    rival: Selection | OverrideSelection | None = None
    certificate: Certificate | None = None

    @classmethod
    def of(cls, selection: Selection | OverrideSelection) -> Choice:
        """Return the choice that a selection stands for."""
        if isinstance(selection, OverrideSelection):
            return cls(selection, selection.weights, threshold=selection.threshold)
        return cls(selection, selection.weights, selection.base_weight)

    @property
    def served(self) -> list[int]:
        """Positions of the candidates in it."""
        return np.flatnonzero(self.weights).tolist()


@dataclass(frozen=True, eq=False)
class Chooser:
    """Chooses on the selection rows.

    Candidates come as their probabilities there, an array of shape (L, n, K), plain retraining
    first.

    Parameters
    ----------
    rows : UpdateRows
        The selection rows.
    limits : Limits
    min_accuracy : float, "cold" or None
        Only without a limit on churn.
    churn, mixture, average_in, include_base : str, str, str, bool or str
        As in `LowChurnClassifier`; `include_base` is False where the base model cannot be served.
    override_competes : bool
        Whether an override of the base model is served where it is better.
    confidence : float or None
    certification : CertificationRows or None
        Given with `confidence`.
    """

    rows: UpdateRows
    limits: Limits
    min_accuracy: float | str | None
    churn: str
    mixture: str
    average_in: str
    include_base: bool | str
    override_competes: bool = False
    confidence: float | None = None
    certification: CertificationRows | None = None

    def choose(self, proba: Proba) -> Choice:
        """Return what is to be served.

        Raises
        ------
        InfeasibleBudgetError
            When nothing keeps the budget, or nothing can be certified.
        """
        choice = Choice.of(self._selected(proba))
        if self.override_competes:
            choice = self._better_of(choice, proba)
        return choice if self.confidence is None else self._certified(choice, proba)

    def _selected(self, proba: Proba) -> Selection | OverrideSelection:
        if self.mixture == "override":
            return self._override(proba)
        include_base = self.include_base
        if include_base == "auto" and self.confidence is not None:
            # The base model is the safe end of the path, which can be certified.
            include_base = not self.rows.base_predictions.missing.any()
        return self._mixture(proba, self.limits, include_base, churn=self.churn)

    def serve_for_search(self, proba: Proba, soft_budget: float | None) -> Proba:
        """Return the probabilities of what is selected, for a search of λ.

        At a soft budget on all rows, or None for the user's own; with the base model in the hull
        wherever it may be, without the second selection that would leave it out.
        """
        if self.mixture == "override":
            return self.proba_of(Choice.of(self._override(proba)), proba)
        limits, churn = self.limits, self.churn
        if soft_budget is not None:
            limits, churn = Limits(soft_budget * (1 + 1e-9)), self.search_rows.divergence
        selection = self._mixture(proba, limits, self._base_in_hull, churn=churn)
        return self.proba_of(Choice.of(selection), proba)

    @property
    def _base_in_hull(self) -> bool:
        return self.include_base is not False and not self.rows.base_predictions.missing.any()

    @property
    def mixes_base(self) -> bool:
        """Whether averages with the base model may be served."""
        return self.mixture == "average" and self._base_in_hull

    # --- what a choice does -----------------------------------------------------------------------

    @property
    def search_rows(self) -> SearchRows:
        """The rows as a search of λ takes them."""
        divergence = "brier" if self.churn == "brier" else "kl"
        rows = self.rows
        return SearchRows(rows.y, rows.base_predictions.matched.proba, rows.weight, divergence)

    def proba_of(self, choice: Choice, proba: Proba) -> Proba:
        """Return the probabilities (n, K) that are served."""
        served = choice.served
        return served_proba(
            proba[served],
            choice.weights[served],
            average_in=self.average_in,
            base=self.rows.base,
            base_weight=choice.base_weight,
            threshold=choice.threshold,
        )

    def answers_of(self, choice: Choice, proba: Proba) -> NDArray[np.intp]:
        """Return the columns (n,) that are served."""
        if choice.threshold is not None:
            new = self.proba_of(replace(choice, threshold=None), proba)
            return override_classes(new, self.rows.base_predictions.pred, choice.threshold)
        return self.proba_of(choice, proba).argmax(axis=1)

    # --- selections -------------------------------------------------------------------------------

    def _mixture(
        self, proba: Proba, limits: Limits, include_base: bool | str, *, churn: str
    ) -> Selection:
        rows = self.rows
        min_accuracy = self._least_accuracy(proba) if limits.overall is None else None

        def choose_at(limits: Limits) -> Selection:
            return select(
                proba,
                rows.base_predictions.matched.proba,
                rows.y,
                min_accuracy=min_accuracy,
                churn=churn,
                mixture=self.mixture,
                average_in=self.average_in,
                include_base=include_base,
                base_pred=rows.base_predictions.pred,
                answered=rows.base_predictions.answered,
                sample_weight=rows.weight,
                groups=rows.groups,
                **limits.arguments,
            )

        return self._cautiously(choose_at, limits, hard=churn == "hard")

    def _override(self, proba: Proba, average: Vector | None = None) -> OverrideSelection:
        rows, counted = self.rows, self._counted(self.limits)
        least = self._least_accuracy(proba) if self.limits.overall is None else None

        def choose_at(limits: Limits) -> OverrideSelection:
            others = {
                one.name: (what, one.limit)
                for one, what in zip(limits.others, counted, strict=True)
            }
            return select_override(
                proba,
                rows.base_predictions.pred,
                rows.base_predictions.answered,
                rows.y,
                max_churn=limits.overall,
                min_accuracy=least,
                average=average,
                average_in=self.average_in,
                sample_weight=rows.weight,
                others=others,
            )

        return self._cautiously(choose_at, self.limits, hard=True)

    def _cautiously(
        self, choose_at: Callable[[Limits], Chosen], limits: Limits, *, hard: bool
    ) -> Chosen:
        """Choose inside hard limits by half a standard error, where that is possible.

        For the reason see `holdfast.selection.search.choose_cautiously`; a certificate needs none.
        """
        if limits.overall is None or not hard or self.confidence is not None:
            return choose_at(limits)
        weight, counted = self.rows.answered_weight, self._counted(limits)

        def inside(limit: float, one: Limit | None) -> float:
            if one is None or one.column is None:
                return cautious(limit, weight)
            return cautious(limit, counted[limits.others.index(one)].weight)

        try:
            chosen = choose_at(limits.changed(inside))
        except InfeasibleBudgetError:
            chosen = choose_at(limits)
        others = {one.name: (one.limit, chosen.others[one.name][1]) for one in limits.others}
        return replace(chosen, max_churn=limits.overall, others=others)

    def _counted(self, limits: Limits) -> tuple[Counted, ...]:
        rows, weight = self.rows, self.rows.answered_weight
        return limits.counted(rows.groups, rows.base_right, weight, weight)

    def _least_accuracy(self, proba: Proba) -> float:
        if self.min_accuracy is not None and self.min_accuracy != "cold":
            return float(self.min_accuracy)
        right = proba[0].argmax(axis=1) == self.rows.y
        return float(np.average(right, weights=self.rows.weight))

    # --- rivals and certificates ------------------------------------------------------------------

    def _better_of(self, choice: Choice, proba: Proba) -> Choice:
        """Return an override of the base model instead, where it is better.

        By more than a standard error where only it needs the base model at serving. What overrides
        is the candidates' average of least risk, which need not be near the base model as that
        inside the budget has to. Without `max_churn` a candidate may override in its place.
        """
        try:
            rival = Choice.of(self._override(proba, self._least_risk(proba)))
        except InfeasibleBudgetError:
            return choice
        weight = np.ones(len(self.rows.y)) if self.rows.weight is None else self.rows.weight
        better = self._merits(rival, proba) - self._merits(choice, proba)
        gain, error = mean_and_error(better, weight / weight.sum())
        if gain > (0.0 if choice.base_weight else error):
            return replace(rival, rival=choice.selection)
        return replace(choice, rival=rival.selection)

    def _least_risk(self, proba: Proba) -> Vector | None:
        """Return the weights of the candidates' average of least risk, None for one candidate."""
        if len(proba) == 1:
            return None
        divergence = self.search_rows.divergence
        return self._mixture(proba, Limits(np.inf), False, churn=divergence).weights

    def _merits(self, choice: Choice, proba: Proba) -> Vector:
        """Return what is to be large of each row: right under a budget, unchanged without."""
        wanted = self.rows.base_predictions.pred if self.limits.overall is None else self.rows.y
        return (self.answers_of(choice, proba) == wanted).astype(np.float64)

    def _certified(self, choice: Choice, proba: Proba) -> Choice:
        """Return what can be certified, along what was selected."""
        assert self.confidence is not None
        assert self.certification is not None  # kept by every fit with confidence
        found = certify(
            choice.selection,
            self.certification,
            self.limits,
            confidence=self.confidence,
            n_selection=len(self.rows.y),
        )
        certified = replace(
            choice,
            weights=found.weights,
            base_weight=found.base_weight,
            threshold=found.threshold,
            certificate=found.certificate,
        )
        return replace(certified, selection=self._measured(certified, proba))

    def _measured(self, choice: Choice, proba: Proba) -> Selection | OverrideSelection:
        """Return the selection with the measures of what is served now."""
        rows, answers = self.rows, self.answers_of(choice, proba)
        changed = answers != rows.base_predictions.pred
        measures: dict[str, Any] = {
            "accuracy": float(np.average(answers == rows.y, weights=rows.weight)),
            "churn_rate": float(np.average(changed, weights=rows.answered_weight)),
        }
        point = self.search_rows.point(np.nan, self.proba_of(choice, proba))
        measures["others"] = {
            one.name: (one.limit, float((changed if one.hard else point.divergences) @ what.weight))
            for one, what in zip(self.limits.others, self._counted(self.limits), strict=True)
        }
        if isinstance(choice.selection, OverrideSelection):
            assert choice.threshold is not None
            return replace(choice.selection, threshold=choice.threshold, **measures)
        measures |= {"weights": choice.weights, "base_weight": choice.base_weight}
        return replace(choice.selection, risk=point.risk, soft_churn=point.churn, **measures)
