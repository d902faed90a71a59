"""One update: training the candidates, and choosing, serving and stating from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_proba
from holdfast.common.warning import warn
from holdfast.comparison.result import Comparison
from holdfast.methods.method import Method
from holdfast.methods.training import Cold
from holdfast.models.base import BaseModel
from holdfast.models.base_predictions import BasePredictions
from holdfast.models.served import Served, serve
from holdfast.rules import BoundRule
from holdfast.selection.certificate import Certificate
from holdfast.selection.outcome import Selection
from holdfast.selection.override_search import OverrideSelection
from holdfast.update.candidates import Candidate, Path
from holdfast.update.certification import Answers, CertificationRows, Step, certify
from holdfast.update.choosing import Choice, Chooser
from holdfast.update.fitting import PathFitter
from holdfast.update.inputs import Inputs, LabeledRows
from holdfast.update.lambda_search import search_candidates
from holdfast.update.plan import Plan
from holdfast.update.rows import UpdateRows
from holdfast.update.ruling import Ruling
from holdfast.update.settings import Settings
from holdfast.update.stating import (
    ServedAnswers,
    compare_answers,
    measured_selection,
    unmeasured_selection,
)

__all__ = ["Outcome", "Update", "fit_first_release", "fit_update", "refit"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A served model, and every figure that is stated of it.

    Attributes
    ----------
    estimators : list of m fitted estimators
        The candidates that are served, trained again after a refit.
    weights : ndarray of shape (m,)
    base_weight : float
        Weight of the base model in an average.
    threshold : float or None
        τ of an override.
    rule : BoundRule or None
        The rule by which it answers; None for a first release.
    lam : float
        Weighted mean λ; the base model counts as 1.
    served : Served
    selection : Selection, OverrideSelection or None
        Its measures are those of the served model; NaN after a refit, None for a first release.
    rival : Selection, OverrideSelection or None
        The selection that lost against it.
    comparison : Comparison or None
        None for a first release and after a refit.
    certificate : Certificate or None
    """

    estimators: list[Any]
    weights: NDArray[np.float64]
    base_weight: float
    threshold: float | None
    rule: BoundRule | None
    lam: float
    served: Served
    selection: Selection | OverrideSelection | None = None
    rival: Selection | OverrideSelection | None = None
    comparison: Comparison | None = None
    certificate: Certificate | None = None


@dataclass(frozen=True, eq=False)
class Update:
    """The trained candidates, and the rows to choose, certify and measure by.

    Attributes
    ----------
    path : Path
    selecting : UpdateRows
        The selection rows, whose features stay here by reference.
    certification : CertificationRows or None
        None where the fit was asked for no certificate.
    base_model : BaseModel or None
    ruling : Ruling
        The rule by which models answer.
    """

    path: Path
    selecting: UpdateRows
    certification: CertificationRows | None
    base_model: BaseModel | None
    ruling: Ruling

    def outcome(self, settings: Settings) -> Outcome:
        """Choose under a budget, serve it, and measure what is served.

        Raises
        ------
        InfeasibleBudgetError
            When nothing keeps the budget, or nothing can be certified.
        """
        chooser, proba = self._chooser(settings), self.path.proba
        choice, certificate = self._certified(chooser.choose(proba), chooser)
        outcome = self._serve(choice, self._estimators(choice), chooser, self.selecting.X)
        answers = ServedAnswers.of(outcome.served.model, self.selecting)
        return replace(
            outcome,
            selection=measured_selection(choice, answers, chooser, proba),
            comparison=compare_answers(answers.columns, self.selecting),
            certificate=certificate,
        )

    def refitted(self, settings: Settings, fitter: PathFitter, X: Any) -> Outcome:
        """Choose under a budget and train the choice again on X.

        Nothing is stated of what is served.
        """
        chooser = self._chooser(settings)
        choice = chooser.choose(self.path.proba)
        again = fitter.fit([self.path.candidates[i].method for i in choice.served])
        estimators = [candidate.estimator for candidate in again]
        outcome = self._serve(choice, estimators, chooser, X)
        return replace(outcome, selection=unmeasured_selection(choice.selection))

    def compare_candidate(self, position: int, settings: Settings) -> Comparison:
        """Compare the answers of one candidate with those of the base model."""
        candidate, rule = self.path.candidates[position], None
        if self.ruling.decides:
            assert candidate.proba is not None  # on the path of an update
            rule = self.ruling.answering(self.selecting, settings).rule_of(candidate.proba)
        model = serve([candidate.estimator], np.ones(1), self.path.classes, rule=rule).model
        return compare_answers(ServedAnswers.of(model, self.selecting).columns, self.selecting)

    def _chooser(self, settings: Settings) -> Chooser:
        answering = self.ruling.answering(self.selecting, settings)
        goes_on = bool(self.path.dropped) or any(c.goes_on for c in self.path.candidates)
        serves_base = self.base_model is not None
        return Chooser(self.selecting, settings, serves_base, answering, never_below_base=goes_on)

    def _certified(self, choice: Choice, chooser: Chooser) -> tuple[Choice, Certificate | None]:
        """Return what can be certified along a choice, with its certificate."""
        settings = chooser.settings
        if settings.confidence is None:
            return choice, None
        assert self.certification is not None  # kept by every fit with confidence
        rows = self.certification.rows

        def ask(step: Step) -> Answers:
            at = _at(choice, step)
            served = self._serve(at, self._estimators(at), chooser, self.selecting.X).served
            return ServedAnswers.of(served.model, rows)

        def rule_at(weights: NDArray[np.float64], base_weight: float) -> BoundRule:
            return chooser.rule_at(weights, base_weight, self.path.proba)

        certified = certify(
            choice.selection,
            self.certification,
            settings.budget,
            confidence=settings.confidence,
            n_selection=len(self.selecting.y),
            answering=chooser.answering,
            rule_at=None if self.ruling.fitted is None else rule_at,
            ask=ask,
        )
        return _at(choice, certified.step), certified.certificate

    def _estimators(self, choice: Choice) -> list[Any]:
        return [self.path.candidates[i].estimator for i in choice.served]

    def _serve(self, choice: Choice, estimators: list[Any], chooser: Chooser, X: Any) -> Outcome:
        weights, utility = choice.weights[choice.served], None
        if choice.threshold is not None:
            utility = chooser.answering.weighed_by(choice.rule)
        served = serve(
            estimators,
            weights,
            self.path.classes,
            average_in=chooser.settings.average_in,
            base_model=self.base_model,
            base_weight=choice.base_weight,
            threshold=choice.threshold,
            rule=choice.rule if self.ruling.decides else None,
            utility=utility,
            surcharges=choice.surcharges,
            X=X,
        )
        return Outcome(
            estimators,
            weights,
            choice.base_weight,
            choice.threshold,
            choice.rule,
            lam=float(self.path.lambdas[choice.served] @ weights + choice.base_weight),
            served=served,
            selection=choice.selection,
            rival=choice.rival,
        )


def _at(choice: Choice, step: Step) -> Choice:
    return replace(
        choice,
        weights=step.weights,
        base_weight=step.base_weight,
        threshold=step.threshold,
        rule=step.rule,
    )


def fit_update(inputs: Inputs, settings: Settings, plan: Plan, ruling: Ruling) -> Update:
    """Train the candidates of an update."""
    fitter = PathFitter(
        plan.learner,
        inputs.train,
        inputs.selecting,
        inputs.base_model,
        n_jobs=settings.n_jobs,
        verbose=settings.verbose,
    )

    dropped: list[Method] = []

    def fit(methods: Sequence[Method]) -> list[Candidate]:
        """Fit methods, check the probabilities of their candidates, and drop those that fail."""
        candidates = fitter.fit(methods)
        for candidate in candidates:
            check_proba(f"probabilities of {candidate.method}", candidate.proba)
        fallen = [c for c in candidates if c.goes_on and c.fits_worse_than_base(inputs.selecting)]
        dropped.extend(candidate.method for candidate in fallen)
        return [candidate for candidate in candidates if candidate not in fallen]

    candidates = fit(plan.methods)
    if plan.searched:
        answering = ruling.answering(inputs.selecting, settings)
        chooser = Chooser(inputs.selecting, settings, inputs.base_model is not None, answering)
        candidates += _searched(candidates, chooser, plan, fit)
    certification = None
    if inputs.certifying is not None:
        n_train = len(inputs.train.y)
        certification = CertificationRows.of(
            candidates, inputs.certifying, n_train, inputs.max_weight, inputs.n_lone
        )
    _report_dropped(dropped)
    path = Path(tuple(candidates), inputs.train.classes, tuple(dropped))
    return Update(path, inputs.selecting, certification, inputs.base_model, ruling)


def _report_dropped(dropped: Sequence[Method]) -> None:
    """Warn of methods whose boosters fit worse than the base model that they go on from."""
    if dropped:
        names = ", ".join(map(str, dropped[:5]))
        warn(
            f"{len(dropped)} {'setting is' if len(dropped) == 1 else 'settings are'} not on the "
            f"path, since the log loss on the selection rows is higher than that of the base model "
            f"that the training goes on from: {names}; path_.dropped names all"
        )


def _searched(
    candidates: list[Candidate],
    chooser: Chooser,
    plan: Plan,
    fit: Callable[[Sequence[Method]], list[Candidate]],
) -> list[Candidate]:
    """Fit candidates of some methods at the λ that matter for the budget."""
    settings, classes = chooser.settings, chooser.rows.classes

    def served(some: Sequence[Candidate], soft_budget: float | None) -> NDArray[np.float64]:
        return chooser.choose_for_search(Path(tuple(some), classes).proba, soft_budget)

    return search_candidates(
        plan.searched,
        candidates,
        chooser.search_rows,
        fit=fit,
        serve=served,
        along_chords=settings.mixture == "average",
        compare_rounds=plan.learner.in_rounds and chooser.mixes_base,
        exact_average=settings.average_in == "probability",
    )


def refit(update: Update, inputs: Inputs, settings: Settings, plan: Plan) -> Outcome:
    """Choose under a budget, and train the choice again on all rows."""
    fitter = PathFitter(
        plan.learner,
        inputs.everything,
        None,
        inputs.base_model,
        n_jobs=settings.n_jobs,
        verbose=settings.verbose,
    )
    return update.refitted(settings, fitter, inputs.everything.X)


def fit_first_release(
    labeled: LabeledRows, settings: Settings, plan: Plan, rule: BoundRule | None
) -> tuple[Path, Outcome]:
    """Train plainly, where there is no base model."""
    none = BasePredictions.none(len(labeled.y), labeled.classes)
    rows = UpdateRows(labeled.X, labeled.y, labeled.classes, labeled.weight, none)
    path = Path(tuple(PathFitter(plan.learner, rows, None, None).fit([Cold()])), labeled.classes)
    estimators, weights = [path.candidates[0].estimator], np.ones(1)
    served = serve(estimators, weights, labeled.classes, average_in=settings.average_in, rule=rule)
    return path, Outcome(estimators, weights, 0.0, None, rule, lam=0.0, served=served)
