"""How far along the selected path the certification rows allow us to go.

The selection rows name the candidates and their order, from the safest mixture or threshold to the
boldest. The certification rows, which were used for nothing else, say how far one may go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of
from holdfast.metrics import SMALLEST, divergence_per_row
from holdfast.models.served import served_proba
from holdfast.rules import BoundRule
from holdfast.selection.answering import Answering
from holdfast.selection.bounds import Evidence, most_changes
from holdfast.selection.budget import Budget
from holdfast.selection.certificate import (
    Certificate,
    CertifiedLimit,
    count_certified,
    raise_uncertified,
)
from holdfast.selection.outcome import Selection
from holdfast.selection.override_search import OverrideSelection
from holdfast.selection.problem import Vector
from holdfast.update.candidates import Candidate
from holdfast.update.rows import UpdateRows

__all__ = ["Answers", "CertificationRows", "Certified", "Step", "certify"]

STEPS = 90  # mixtures to test, up to REACH times the budget on the selection rows
REACH = 1.5
MOST_STEPS = 1000  # from one mixture on the frontier to the next
THRESHOLDS = 501
THRESHOLDS_TO_ASK = 51
ROUNDING = 1e-6  # of probabilities


@dataclass(frozen=True, eq=False)
class Step:
    """One mixture or threshold that may be certified.

    Attributes
    ----------
    weights : ndarray of shape (L,)
    base_weight : float
    threshold : float or None
        τ of an override.
    rule : BoundRule or None
        The rule by which it answers.
    """

    weights: Vector
    base_weight: float = 0.0
    threshold: float | None = None
    rule: BoundRule | None = None


class Answers(Protocol):
    """The answers of a model to the certification rows."""

    @property
    def columns(self) -> NDArray[np.intp]:
        """Columns of its answers, shape (n,)."""

    @property
    def proba(self) -> NDArray[np.float64]:
        """Its probabilities, shape (n, K), which a soft budget is about."""


@dataclass(frozen=True, eq=False)
class _Expected:
    """The answers of a step, by the candidates' probabilities."""

    columns: NDArray[np.intp]
    proba: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CertificationRows:
    """Rows that were used for nothing else.

    Attributes
    ----------
    rows : UpdateRows
        Their labels are −1 where they have none.
    proba : ndarray of shape (L, n, K)
        Probabilities of all candidates.
    n_train : int
        Number of rows that the candidates were trained on.
    max_weight : float or None
        What no weight of the population exceeds; needed where the rows differ in weight.
    n_lone : int
        Number of the first rows that the candidates were trained on, as the only rows of their
        classes. No other row is like them, so that they count as changed.
    """

    rows: UpdateRows
    proba: NDArray[np.float64]
    n_train: int = 0
    max_weight: float | None = None
    n_lone: int = 0

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        rows: UpdateRows,
        n_train: int,
        max_weight: float | None = None,
        n_lone: int = 0,
    ) -> CertificationRows:
        """Ask all candidates for their probabilities."""
        proba = [proba_of(c.estimator, rows.X, rows.classes) for c in candidates]
        return cls(rows, np.stack(proba), n_train, max_weight, n_lone)

    @property
    def lone(self) -> NDArray[np.bool_]:
        """Which rows count as changed whatever the models answer, shape (n,)."""
        return np.arange(len(self.rows.y)) < self.n_lone

    @property
    def weighted(self) -> bool:
        """Whether rows count differently. Rows of one weight count alike if none may weigh more."""
        weight = self.rows.weight
        if weight is None:
            return False
        return bool((weight != weight[:1]).any()) or self.max_weight not in (None, weight[0])

    @property
    def unlabeled(self) -> bool:
        """Whether no row has a label."""
        return bool((self.rows.y < 0).all())

    def counted(self, budget: Budget) -> list[NDArray[np.bool_]]:
        """Return the rows that each limit counts, those of the limit on all rows first."""
        answered, groups = self.rows.base.answered, self.rows.groups
        return [answered, *(one.rows(groups, answered) for one in budget.others)]

    def evidence(self, losses: NDArray[Any], largest: float, rows: NDArray[np.bool_]) -> Evidence:
        """Return what losses (n,) say of some rows."""
        values = np.where(self.lone, largest, losses)[rows].astype(np.float64)
        if not self.weighted:
            return Evidence(values, largest)
        assert self.rows.weight is not None  # since rows count differently
        return Evidence(values, largest, self.rows.weight[rows], self.max_weight)

    def changed(
        self,
        answers: NDArray[np.intp],
        budget: Budget,
        counted: Sequence[NDArray[np.bool_]],
        answering: Answering,
    ) -> list[Evidence]:
        """Return what answers (n,) say of each limit."""
        base = self.rows.base.pred
        changed = answers != base
        found = [self.evidence(changed, 1.0, self.rows.base.answered)]
        for one, rows in zip(budget.others, counted[1:], strict=True):
            flips = one.column is None
            lost = answering.worse(answers, base, self.rows.y) if flips else changed
            found.append(self.evidence(lost, 1.0, rows))
        return found


@dataclass(frozen=True, eq=False)
class Certified:
    """A step that may be served, and why.

    Attributes
    ----------
    step : Step
    certificate : Certificate
    """

    step: Step
    certificate: Certificate


def certify(
    selection: Selection | OverrideSelection,
    rows: CertificationRows,
    budget: Budget,
    *,
    confidence: float,
    n_selection: int,
    answering: Answering | None = None,
    rule_at: Callable[[Vector, float], BoundRule] | None = None,
    ask: Callable[[Step], Answers] | None = None,
) -> Certified:
    """Go along what was selected as far as the rows allow, for all limits together.

    Parameters
    ----------
    selection : Selection or OverrideSelection
    rows : CertificationRows
    budget : Budget
        With `max_churn`.
    confidence : float
    n_selection : int
        Number of selection rows, for the certificate.
    answering : Answering, optional
        How the models answer. Left out, they answer with the most probable class.
    rule_at : callable, optional
        Returns the rule of a mixture, given its weights and that of the base model; needed where
        the rule is fitted to the selection rows.
    ask : callable, optional
        Returns the answers of the model that a step serves. What is certified is about these. The
        way to it is found by the candidates' probabilities; where a served model answers otherwise,
        the steps are tested again by the answers of the model that each of them serves.

    Raises
    ------
    InfeasibleBudgetError
        When not even the safest mixture or threshold can be certified.
    """
    answering = answering or Answering.argmax(rows.rows.classes)
    test = _Test.of(selection, rows, budget, confidence, answering, rule_at)
    steps = test.steps()
    passed, seen = test.passed(steps, test.expected)
    if ask is not None:
        step = steps[passed - 1]
        answers = ask(step)
        if test.agree(answers, test.expected(step)):
            seen[passed - 1] = test.evidence(answers, step)
        else:
            steps = test.steps_to_ask()
            passed, seen = test.passed(steps, ask)
    return Certified(steps[passed - 1], test.certificate(passed, seen, n_selection))


@dataclass(frozen=True, eq=False)
class _Test:
    """A fixed-sequence test along the steps of a selection.

    Attributes
    ----------
    selection : Selection or OverrideSelection
    rows : CertificationRows
    budget : Budget
    confidence : float
    counted : list of ndarray of shape (n,)
        The rows that each limit is a share of.
    answering : Answering
    rule_at : callable or None
    """

    selection: Selection | OverrideSelection
    rows: CertificationRows
    budget: Budget
    confidence: float
    counted: list[NDArray[np.bool_]]
    answering: Answering
    rule_at: Callable[[Vector, float], BoundRule] | None

    @classmethod
    def of(
        cls,
        selection: Selection | OverrideSelection,
        rows: CertificationRows,
        budget: Budget,
        confidence: float,
        answering: Answering,
        rule_at: Callable[[Vector, float], BoundRule] | None,
    ) -> _Test:
        if rows.unlabeled and any(one.column is None for one in budget.others):
            raise InvalidInputError(
                "max_negative_flips must be left out with X_unlabeled, whose rows have no labels "
                "to know a negative flip by; leave one of the two out"
            )
        counted = rows.counted(budget)
        return cls(selection, rows, budget, confidence, counted, answering, rule_at)

    @property
    def names(self) -> list[str]:
        return ["churn", *(one.name for one in self.budget.others)]

    @property
    def limits(self) -> list[float]:
        assert self.budget.max_churn is not None
        return [self.budget.max_churn, *(one.limit for one in self.budget.others)]

    @cached_property
    def overriding(self) -> _Expected:
        """The model that overrides: one for all thresholds."""
        assert self.selection.rule is not None
        proba = self._mixture(Step(self.selection.weights))
        return _Expected(self.selection.rule.decide(proba), proba)

    @cached_property
    def gain(self) -> Vector:
        """Expected gain of the overriding model's answers beyond what is charged, shape (n,)."""
        assert isinstance(self.selection, OverrideSelection)
        new, rows = self.overriding, self.rows.rows
        gains = self.answering.net_gains(
            new.proba,
            new.columns,
            rows.base.pred,
            self.selection.surcharges,
            rows.groups,
            self.selection.rule,
        )
        return np.where(self.rows.lone, np.inf, gains)

    # --- steps ------------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        """Return the steps to test, the safest first."""
        if not isinstance(self.selection, OverrideSelection):
            n = len(self.rows.proba)
            sequence = _sequence(self.selection, self.limits[0])
            return [self._step(w[:n], float(w[n]) if len(w) > n else 0.0) for w in sequence]
        shown = self._evidence_of(self._overridden(0.0))
        if any(one.weight is not None for one in shown):
            return self._at(self._grid(THRESHOLDS))
        return self._at([self._exact_threshold([one.n for one in shown])])

    def _step(self, weights: Vector, base_weight: float) -> Step:
        rule = self.selection.rule
        if self.rule_at is not None:
            rule = self.rule_at(weights, base_weight)
        return Step(weights, base_weight, rule=rule)

    def _grid(self, n: int) -> list[float]:
        """Return thresholds from one that changes nothing to 0."""
        finite = self.gain[np.isfinite(self.gain)]
        return np.linspace(max(1.0, float(finite.max(initial=0.0))), 0.0, n).tolist()

    def _overridden(self, threshold: float) -> NDArray[np.intp]:
        base = self.rows.rows.base.pred
        return np.where(self.gain > threshold, self.overriding.columns, base)

    def steps_to_ask(self) -> list[Step]:
        """Return the steps to test where a model must be served and asked for each of them."""
        if not isinstance(self.selection, OverrideSelection):
            return self.steps()
        return self._at(self._grid(THRESHOLDS_TO_ASK))

    def _at(self, thresholds: Sequence[float]) -> list[Step]:
        assert isinstance(self.selection, OverrideSelection)
        least, weights, rule = (
            self.selection.threshold,
            self.selection.weights,
            self.selection.rule,
        )
        return [Step(weights, threshold=max(one, least), rule=rule) for one in thresholds]

    def _exact_threshold(self, n_rows: Sequence[int]) -> float:
        """Return the boldest threshold at which few enough of each limit's rows change.

        Churn falls along the threshold. Without weights all thresholds are therefore tested at
        once: this one breaks the budget only if the rows fail to show it at the threshold where the
        budget is just broken [1]_. Under weights thresholds are tested one after the other.

        References
        ----------
        .. [1] Bates, Angelopoulos, Lei, Malik and Jordan, "Distribution-free, risk-controlling
           prediction sets", JACM 2021, theorem 1.
        """
        base, y = self.rows.rows.base.pred, self.rows.rows.y
        worse = self.answering.worse(self.overriding.columns, base, y) | self.rows.lone
        flips = [False, *(one.column is None for one in self.budget.others)]
        parts = zip(self.counted, flips, n_rows, self.limits, strict=True)
        return max(
            _threshold_for(
                self.gain[mine & worse if flip else mine], most_changes(n, limit, self.confidence)
            )
            for mine, flip, n, limit in parts
        )

    # --- answers and evidence ---------------------------------------------------------------------

    def expected(self, step: Step) -> Answers:
        """Return what the candidates' probabilities say of a step."""
        if step.threshold is not None:
            return _Expected(self._overridden(step.threshold), self.overriding.proba)
        proba = self._mixture(step)
        if not step.weights.any():
            return _Expected(self.answering.own_answers(proba, self.rows.rows.base.pred), proba)
        assert step.rule is not None
        return _Expected(step.rule.decide(proba), proba)

    def _mixture(self, step: Step) -> NDArray[np.float64]:
        return served_proba(
            self.rows.proba,
            step.weights,
            average_in=self.selection.average_in,
            base=self.rows.rows.base,
            base_weight=step.base_weight,
        )

    def agree(self, answers: Answers, expected: Answers) -> bool:
        """Whether a served model says what the candidates' probabilities say."""
        same = np.array_equal(answers.columns, expected.columns)
        if self.budget.churn == "hard" or not same:
            return same
        return np.allclose(answers.proba, expected.proba, rtol=0, atol=ROUNDING)

    def evidence(self, answers: Answers, step: Step) -> list[Evidence]:
        """Return what answers say of each limit."""
        found = self._evidence_of(answers.columns)
        if self.budget.churn == "hard":
            return found
        base = self.rows.rows.base.matched.proba
        known, largest = ~np.isnan(base[:, 0]), self._largest_divergence(step)
        divergence = divergence_per_row(
            np.where(known[:, None], base, answers.proba), answers.proba, self.budget.churn
        ).clip(0.0, largest)
        found[0] = self.rows.evidence(divergence, largest, known)
        for i, one in enumerate(self.budget.others):
            if not one.hard:
                mine = known & self.counted[i + 1]
                found[i + 1] = self.rows.evidence(divergence, largest, mine)
        return found

    def _evidence_of(self, answers: NDArray[np.intp]) -> list[Evidence]:
        return self.rows.changed(answers, self.budget, self.counted, self.answering)

    def _largest_divergence(self, step: Step) -> float:
        """Return what the divergence of a row cannot exceed."""
        if self.budget.churn == "brier":
            return 2.0
        largest = -float(np.log(SMALLEST))
        if step.base_weight > 0 and self.selection.average_in == "probability":
            largest = min(largest, -float(np.log(step.base_weight)))  # of KL(g ‖ w·g + …)
        return max(largest, SMALLEST)

    # --- the test ---------------------------------------------------------------------------------

    def passed(
        self, steps: Sequence[Step], ask: Callable[[Step], Answers]
    ) -> tuple[int, list[list[Evidence]]]:
        """Return how many steps pass, and the evidence of those that were tested."""
        seen: list[list[Evidence]] = []

        def tested() -> Iterator[list[Evidence]]:
            for step in steps:
                seen.append(self.evidence(ask(step), step))
                yield seen[-1]

        passed = count_certified(tested(), self.limits, self.confidence)
        if not passed:
            raise_uncertified(seen[0], self.names, self.limits, self.confidence)
        return passed, seen

    def certificate(
        self, passed: int, seen: Sequence[Sequence[Evidence]], n_selection: int
    ) -> Certificate:
        """Return the certificate of the boldest step that passed."""
        shown = zip(self.names, self.limits, seen[passed - 1], strict=True)
        return Certificate(
            confidence=self.confidence,
            churn=self.budget.churn,
            limits=tuple(
                CertifiedLimit(name, limit, one.mean, one.upper(self.confidence), one.n)
                for name, limit, one in shown
            ),
            n=len(self.rows.rows.y),
            n_selection=n_selection,
            n_train=self.rows.n_train,
            unlabeled=self.rows.unlabeled,
            tested=len(seen),
            passed=passed,
            max_weight=self.rows.max_weight if self.rows.weighted else None,
            n_lone=self.rows.n_lone,
        )


def _sequence(selection: Selection, max_churn: float) -> list[Vector]:
    """Return weights from the safest mixture to the boldest, risk falling on the selection rows."""
    ordered = sorted(
        selection.frontier, key=lambda point: (point.churn(selection.churn), point.soft_churn)
    )
    efficient = ordered[:1]
    for point in ordered[1:]:
        if point.risk < efficient[-1].risk:
            efficient.append(point)
    singles = all(np.count_nonzero(point.weights) == 1 for point in selection.frontier)
    if singles:
        return [point.weights for point in efficient]
    weights, far = [], REACH * max_churn
    for start, end in pairwise(efficient):
        low, high = start.churn(selection.churn), end.churn(selection.churn)
        if low > far:
            break
        steps = int(np.clip(np.ceil(STEPS * (high - low) / max(far, SMALLEST)), 1, MOST_STEPS))
        shares = np.arange(steps) / steps
        weights += [start.weights + share * (end.weights - start.weights) for share in shares]
    return [*weights, efficient[-1].weights]


def _threshold_for(margin: Vector, allowed: int) -> float:
    """Return a threshold above which as many margins lie as may change."""
    falling = -np.sort(-margin)
    allowed = max(allowed, 0)
    if allowed >= len(margin):
        return 0.0
    kept = float(falling[allowed])
    if not np.isfinite(kept):
        return max(1.0, float(margin[np.isfinite(margin)].max(initial=0.0)))
    above = falling[:allowed][falling[:allowed] > kept]
    last = float(above[-1]) if len(above) and np.isfinite(above[-1]) else max(kept, 1.0)
    return max((last + kept) / 2, 0.0)
