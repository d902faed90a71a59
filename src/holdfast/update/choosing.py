"""Chooses what to serve from the candidates, under a budget, by their cached probabilities.

`stating` measures the choice again, from the answers of the model that is served.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.models.served import served_proba
from holdfast.rules import Argmax, BoundRule
from holdfast.selection.answering import Answering
from holdfast.selection.budget import Budget, choose_cautiously
from holdfast.selection.mixtures import Mixtures
from holdfast.selection.outcome import Selection
from holdfast.selection.override import leading_proba
from holdfast.selection.override_search import OverrideSelection, select_override
from holdfast.selection.search import choose, mean_and_error
from holdfast.selection.surcharges import Surcharge
from holdfast.update.lambda_search import SearchRows
from holdfast.update.rows import UpdateRows
from holdfast.update.settings import Settings

__all__ = ["Choice", "Chooser"]

Vector = NDArray[np.float64]
Proba = NDArray[np.float64]
Chosen = TypeVar("Chosen", Selection, OverrideSelection)


@dataclass(frozen=True, eq=False)
class Choice:
    """A choice among L candidates, and how it came about.

    Attributes
    ----------
    selection : Selection or OverrideSelection
    weights : ndarray of shape (L,)
        Weights of the candidates.
    base_weight : float
        Weight of the base model in an average.
    threshold : float or None
        τ of an override; None where the choice is no override.
    rule : BoundRule or None
        The rule by which it answers.
    surcharges : tuple of Surcharge
        What an override must gain beyond τ in some rows.
    rival : Selection, OverrideSelection or None
        The selection that lost against this one.
    """

    selection: Selection | OverrideSelection
    weights: Vector
    base_weight: float = 0.0
    threshold: float | None = None
    rule: BoundRule | None = None
    surcharges: tuple[Surcharge, ...] = ()
    rival: Selection | OverrideSelection | None = None

    @classmethod
    def of(cls, selection: Selection | OverrideSelection) -> Choice:
        """Return the choice that a selection stands for."""
        if isinstance(selection, OverrideSelection):
            return cls(
                selection,
                selection.weights,
                threshold=selection.threshold,
                rule=selection.rule,
                surcharges=selection.surcharges,
            )
        return cls(selection, selection.weights, selection.base_weight, rule=selection.rule)

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
    settings : Settings
    serves_base : bool
        Whether the base model can be served.
    answering : Answering
        How models answer the rows, and what their answers are worth.
    never_below_base : bool
        Whether an average that is worth less than the base model gives way to another, or to the
        base model, where that may be served.
    """

    rows: UpdateRows
    settings: Settings
    serves_base: bool
    answering: Answering
    never_below_base: bool = False

    def choose(self, proba: Proba) -> Choice:
        """Return what is to be served, before anything is certified.

        Raises
        ------
        InfeasibleBudgetError
            When nothing keeps the budget.
        """
        choice = Choice.of(self._selected(proba))
        if self.never_below_base and self._base_in_hull:
            choice = self._not_below_base(choice, proba)
        return self._better_of(choice, proba) if self.settings.override_competes else choice

    def choose_for_search(self, proba: Proba, soft_budget: float | None) -> Proba:
        """Return the probabilities of what is selected, for a search of λ.

        The search asks at a soft budget on all rows, or with None at the user's own. The base model
        may carry weight wherever it can, without the second selection that would leave it out.
        """
        if self.settings.mixture == "override":
            return self._override_proba(proba)
        budget = self.settings.budget
        if soft_budget is not None:
            budget = Budget(self.settings.divergence, soft_budget * (1 + 1e-9))
        selection = self._mixture(proba, budget, self._base_in_hull)
        return self.proba_of(Choice.of(selection), proba)

    def _override_proba(self, proba: Proba) -> Proba:
        """Return probabilities for the search of λ that reflect what an override keeps."""
        choice = Choice.of(self._override(proba))
        new = self.proba_of(choice, proba)
        if not isinstance(self.answering.rule.rule, Argmax):
            return new
        return leading_proba(new, self.answers_of(choice, proba))

    @property
    def mixes_base(self) -> bool:
        """Whether averages with the base model may be served."""
        return self.settings.mixture == "average" and self._base_in_hull

    # --- what a choice would answer ---------------------------------------------------------------

    @property
    def search_rows(self) -> SearchRows:
        """The rows as a search of λ takes them."""
        rows = self.rows
        return SearchRows(rows.y, rows.base.matched.proba, rows.weight, self.settings.divergence)

    def proba_of(self, choice: Choice, proba: Proba) -> Proba:
        """Return the probabilities (n, K) of a choice; those of what overrides, for an override."""
        return self._mixture_proba(choice.weights, choice.base_weight, proba)

    def _mixture_proba(self, weights: Vector, base_weight: float, proba: Proba) -> Proba:
        return served_proba(
            proba,
            weights,
            average_in=self.settings.average_in,
            base=self.rows.base,
            base_weight=base_weight,
        )

    def answers_of(self, choice: Choice, proba: Proba) -> NDArray[np.intp]:
        """Return the answers (n,) of a choice."""
        base, new = self.rows.base.pred, self.proba_of(choice, proba)
        if not choice.served:
            return self.answering.own_answers(new, base)
        assert choice.rule is not None
        own = choice.rule.decide(new)
        if choice.threshold is None:
            return own
        gain = self.answering.net_gains(
            new, own, base, choice.surcharges, self.rows.groups, choice.rule
        )
        return np.where(gain > choice.threshold, own, base)

    def rule_at(self, weights: Vector, base_weight: float, proba: Proba) -> BoundRule:
        """Return the rule of a mixture on the way to a choice, as the search has it."""
        mixture = self._mixture_proba(weights, base_weight, proba)
        bound = self._bound(self.settings.budget, proba)
        return self.answering.under(bound).rule_of(mixture)

    # --- selections -------------------------------------------------------------------------------

    @property
    def _base_in_hull(self) -> bool:
        return (
            self.serves_base
            and self.settings.include_base is not False
            and not self.rows.base.missing.any()
        )

    def _selected(self, proba: Proba) -> Selection | OverrideSelection:
        if self.settings.mixture == "override":
            return self._override(proba)
        include_base = self.settings.include_base if self.serves_base else False
        if include_base == "auto" and self.settings.confidence is not None:
            include_base = self._base_in_hull  # the safe end, which is certifiable
        return self._mixture(proba, self.settings.budget, include_base)

    def _mixture(self, proba: Proba, budget: Budget, include_base: bool | str) -> Selection:
        rows = self.rows
        mixtures = Mixtures.of(
            proba,
            rows.base.matched.proba,
            rows.y,
            divergence="brier" if budget.churn == "brier" else "kl",
            average_in=self.settings.average_in,
            answering=self.answering,
            base_pred=rows.base.pred,
            answered=rows.base.answered,
            sample_weight=rows.weight,
        )
        mixtures, bound = mixtures.bound(self._keeping(budget, proba), rows.groups)

        def choose_at(budget: Budget) -> Selection:
            under = mixtures.under(budget)
            return choose(under, budget, mixture=self.settings.mixture, include_base=include_base)

        return self._cautiously(choose_at, bound)

    def _bound(self, budget: Budget, proba: Proba) -> Budget:
        """Return a budget bound to the rows, for limits on answers."""
        weight = self.rows.answered_weight
        return self._keeping(budget, proba).bound(self.rows.groups, weight, weight)

    def _keeping(self, budget: Budget, proba: Proba) -> Budget:
        by_utility = replace(budget, by_utility=self.answering.by_utility)
        return by_utility.keeping(lambda kept: self._of_cold(proba, kept))

    def _override(self, proba: Proba, average: Vector | None = None) -> OverrideSelection:
        rows, bound = self.rows, self._bound(self.settings.budget, proba)

        def choose_at(budget: Budget) -> OverrideSelection:
            return select_override(
                proba,
                rows.base.pred,
                rows.base.answered,
                rows.y,
                budget=budget,
                answering=self.answering,
                average=average,
                average_in=self.settings.average_in,
                sample_weight=rows.weight,
                groups=rows.servable_groups,
            )

        return self._cautiously(choose_at, bound)

    def _cautiously(self, choose_at: Callable[[Budget], Chosen], budget: Budget) -> Chosen:
        """Choose inside hard limits by half a standard error; a certificate needs no caution."""
        hard = budget.churn == "hard" and budget.max_churn is not None
        if not hard or self.settings.confidence is not None:
            return choose_at(budget)
        return choose_cautiously(choose_at, budget, self.rows.answered_weight)

    def _of_cold(self, proba: Proba, kept: str) -> float:
        """Return the accuracy or the utility of plain retraining."""
        answers = self.answering.decide(proba[0])
        return float(np.average(self._values(answers, kept), weights=self.rows.weight))

    def _values(self, answers: NDArray[np.intp], kept: str) -> Vector:
        if kept == "utility":
            return self.answering.utilities(answers, self.rows.y)
        return self.answering.right(answers, self.rows.y).astype(np.float64)

    # --- the base model, and the rival ------------------------------------------------------------

    def _not_below_base(self, choice: Choice, proba: Proba) -> Choice:
        """Return another mixture in place of one that is worth less than the base model.

        It is the one of least risk, among those looked at, that is worth as much and has no more
        churn; the base model alone where there is none.
        """
        found = choice.selection
        if isinstance(found, OverrideSelection):
            return choice
        kept = "utility" if self.answering.by_utility else "accuracy"
        own, least = (
            np.average(self._values(answers, kept), weights=self.rows.weight)
            for answers in (self.answers_of(choice, proba), self.rows.base.pred)
        )
        if own >= least:
            return choice
        most = found.churn_rate if found.churn == "hard" else found.soft_churn
        limits = [limit for limit, _ in found.others.values()]
        points = [
            point
            for point in found.frontier
            if getattr(point, kept) >= least
            and point.churn(found.churn) <= most
            and all(np.less_equal(point.others, limits))
        ]
        best = min(points, key=lambda point: point.risk, default=None)
        weights, base_weight = np.zeros(len(proba)), 1.0
        if best is not None:
            weights = best.weights[: len(proba)]
            base_weight = float(best.weights[len(proba) :].sum())
        rule = self.rule_at(weights, base_weight, proba) if weights.any() else found.rule
        return Choice.of(replace(found, weights=weights, base_weight=base_weight, rule=rule))

    def _better_of(self, choice: Choice, proba: Proba) -> Choice:
        """Return an override of the base model instead, where it is better.

        It must be better by more than a standard error where only it needs the base model at
        serving. The candidates' average of least risk overrides, which need not be near the base
        model as that inside the budget has to. Without `max_churn` a candidate may override in its
        place.
        """
        if self.answering.utility is None:
            return choice  # nobody has said what an override should gain
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
        return self._mixture(proba, Budget(self.settings.divergence, np.inf), False).weights

    def _merits(self, choice: Choice, proba: Proba) -> Vector:
        """Return what is to be large in each row: utility under a budget, unchanged without."""
        answers = self.answers_of(choice, proba)
        if self.settings.budget.max_churn is None:
            return (answers == self.rows.base.pred).astype(np.float64)
        return self._values(answers, "utility" if self.answering.by_utility else "accuracy")
