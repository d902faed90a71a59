"""Chooses the next λ to fit: a search in place of a grid.

Risk R and soft churn C of the candidates trace a falling, convex curve. The model trained at λ
minimises R + μC with μ = λ/(1−λ). The line of slope −μ through it therefore lies below the whole
curve, and the chord between two candidates, which their mixtures reach, lies above it. At the churn
that the budget allows, chord and lines bound what can still be gained. The λ that belongs to the
slope of the chord is the one to fit next, which doubles the precision. The base model, λ = 1, costs
nothing.

All of this is measured on the selection rows, where noise bends the curve. The search ends when the
gain that is left, or the gain of the latest fit, is below half a standard error of the paired
losses. Where the budget costs risk, a search fits one λ in any case: models that are not convex
gain from being averaged, beyond what the lines promise.

A model that learned at λ without error would answer (1 − λ)·p + λ·g, where p is what plain
retraining learns and g the base model. That is the average of the two, which needs no training.
They differ only by what a finite draw of rows teaches wrongly. Where such averages can be served,
the rounds of a booster show how much that is. If plain retraining is better with all rounds than
with half, λ is searched only for methods that start from the base model. If half is as good, the
other half fits noise: the first half becomes a candidate, which costs no training, and candidates
of λ are fitted with half of the rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.methods.combining import FirstTrees
from holdfast.methods.method import Method
from holdfast.methods.training import Distill
from holdfast.metrics import divergence_per_row, loss_per_row
from holdfast.selection.search import mean_and_error
from holdfast.update.candidates import Candidate

__all__ = ["SearchRows", "fewer_rounds_do", "search_candidates", "search_lambdas"]

Vector = NDArray[np.float64]
Serve = Callable[[Sequence[Candidate], float | None], NDArray[np.float64]]

MAX_FITS = 3  # of one method, besides plain retraining
BOLDER = (0.5, 0.8, 0.95)  # where no mixture keeps the budget yet
EVENLY = (0.3, 0.6)  # where one candidate is served, and no mixture has a slope
CLOSEST = 0.04  # two λ nearer to each other are one
WORTHWHILE, UNLIKELY = 0.5, 2.0  # standard errors


@dataclass(frozen=True, eq=False)
class SearchRows:
    """The selection rows.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Columns of the labels.
    base : ndarray of shape (n, K)
        Base probabilities; rows of NaN have none.
    weight : ndarray of shape (n,) or None
    divergence : {"kl", "brier"}
    """

    y: NDArray[np.intp]
    base: NDArray[np.float64]
    weight: Vector | None
    divergence: str

    def point(self, lam: float, proba: NDArray[np.float64]) -> _Point:
        """Return risk and churn of a model on these rows, given its probabilities (n, K)."""
        weight = np.ones(len(self.y)) if self.weight is None else self.weight
        known = ~np.isnan(self.base[:, 0])
        share = np.where(known, weight, 0.0)
        loss = loss_per_row(self.y, proba, "brier" if self.divergence == "brier" else "log_loss")
        base = np.where(known[:, None], self.base, proba)
        divergence = divergence_per_row(base, proba, self.divergence)
        churn_weight = share / share.sum() if known.any() else np.full(len(share), np.nan)
        return _Point(lam, loss, divergence, weight / weight.sum(), churn_weight)


@dataclass(frozen=True, eq=False)
class _Point:
    """Risk and soft churn of one model, row by row."""

    lam: float
    losses: Vector
    divergences: Vector
    risk_weight: Vector
    churn_weight: Vector

    @property
    def risk(self) -> float:
        return float(self.losses @ self.risk_weight)

    @property
    def churn(self) -> float:
        return float(self.divergences @ self.churn_weight)

    def least_risk(self, churn: float) -> float:
        """Lower bound on the risk of any model with this churn, if this is optimal for its λ."""
        if self.lam >= 1:
            return -np.inf
        return self.risk + self.lam / (1 - self.lam) * (self.churn - churn)

    def loses(self, other: _Point) -> tuple[float, float]:
        """Return the excess of risk over another model's, and its standard error."""
        return mean_and_error(self.losses - other.losses, self.risk_weight)

    def churns(self, other: _Point) -> tuple[float, float]:
        """Return the excess of churn over another model's, and its standard error."""
        return mean_and_error(self.divergences - other.divergences, self.churn_weight)


def search_candidates(
    families: Sequence[type[Distill]],
    candidates: Sequence[Candidate],
    rows: SearchRows,
    *,
    fit: Callable[[Sequence[Method]], Sequence[Candidate]],
    serve: Serve,
    along_chords: bool,
    compare_rounds: bool,
    exact_average: bool,
) -> list[Candidate]:
    """Fit candidates of several methods, each at the λ that matter for the budget.

    Parameters
    ----------
    families : sequence of type
        Methods that take a λ.
    candidates, rows, fit, serve, along_chords
        As in `search_lambdas`.
    compare_rounds : bool
        Whether rounds show what is noise: true for boosters that may be averaged with the base
        model.
    exact_average : bool
        Whether probabilities are averaged, as in the theory.

    Returns
    -------
    list of Candidate
        The new candidates, by method and λ.
    """
    new: list[Candidate] = []
    known, share = list(candidates), 1.0
    if compare_rounds:
        there = [candidate for candidate in candidates if candidate.method == FirstTrees()]
        first = there or list(fit([FirstTrees()]))
        if fewer_rounds_do(candidates[0], first[0], rows):
            # It is the λ = 0 of what is fitted here.
            known = [*first, *(one for one in candidates[1:] if one not in there)]
            new, share = [] if there else first, FirstTrees().share
        elif exact_average:
            families = [family for family in families if "start" in family().changes]
    found: list[Candidate] = []
    for family in families:

        def of_lambda(lam: float, family: type[Distill] = family) -> Method:
            return family(lam) if share == 1 else FirstTrees(share, of=family(lam))

        found += search_lambdas(
            of_lambda, [*known, *found], rows, fit=fit, serve=serve, along_chords=along_chords
        )
    return [*new, *found]


def fewer_rounds_do(cold: Candidate, first: Candidate, rows: SearchRows) -> bool:
    """Whether the first rounds of plain retraining are as good as all, up to noise."""
    assert cold.proba is not None
    assert first.proba is not None  # a search has selection rows
    excess, error = rows.point(0.0, first.proba).loses(rows.point(0.0, cold.proba))
    return excess <= WORTHWHILE * error and error > 0  # without error the two are the same


def search_lambdas(
    family: Callable[[float], Method],
    candidates: Sequence[Candidate],
    rows: SearchRows,
    *,
    fit: Callable[[Sequence[Method]], Sequence[Candidate]],
    serve: Serve,
    along_chords: bool = True,
) -> list[Candidate]:
    """Fit candidates of one method until more would gain nothing that can be measured.

    Parameters
    ----------
    family : callable
        λ -> method.
    candidates : sequence of Candidate
        The candidates so far, plain retraining first.
    rows : SearchRows
    fit : callable
        Fits methods, and leaves out those whose training failed.
    serve : callable
        Takes candidates and a soft budget, or None for the user's own. Returns the probabilities
        (n, K) of the selected model. Raises InfeasibleBudgetError where nothing keeps the budget.
    along_chords : bool
        Whether mixtures are served. If not, λ = .3 and .6 are tried.

    Returns
    -------
    list of Candidate
        The new candidates, by λ.
    """
    search = _Search(candidates, rows, serve)
    for number in range(MAX_FITS):
        lam = search.next_lambda() if along_chords else dict(enumerate(EVENLY)).get(number)
        if lam is None:
            break
        found = fit([family(lam)])
        if not found or not search.goes_on_with(found[0], lam):
            break
    return sorted(search.found, key=lambda candidate: candidate.method.lam)


class _Search:
    def __init__(
        self,
        candidates: Sequence[Candidate],
        rows: SearchRows,
        serve: Serve,
    ) -> None:
        self.candidates, self.rows, self.serve = list(candidates), rows, serve
        self.found: list[Candidate] = []
        cold = candidates[0].proba
        assert cold is not None  # a search has selection rows
        known = ~np.isnan(rows.base)
        self.cold = rows.point(0.0, cold)
        self.base = rows.point(1.0, np.where(known, rows.base, cold))
        self.own: list[_Point] = []
        self.soft_budget: float | None = None
        self.served = self._served()

    def _served(self) -> _Point | None:
        """Return the selected model; once the budget is known as soft churn, at that soft churn."""
        try:
            proba = self.serve(self.candidates, self.soft_budget)
        except InfeasibleBudgetError:
            return None
        point = self.rows.point(np.nan, proba)
        if self.soft_budget is None:
            self.soft_budget = point.churn
        return point

    def next_lambda(self) -> float | None:
        """Return the λ to fit next; None where it would gain nothing."""
        tried = [point.lam for point in self.own]
        if self.served is None:
            return next((lam for lam in BOLDER if lam not in tried), None)
        churn = self.served.churn
        points = sorted([self.cold, *self.own, self.base], key=lambda point: -point.lam)
        safer, bolder = self._neighbours(points, churn)
        if safer is None or bolder is None:
            return None
        slope = (safer.risk - bolder.risk) / max(bolder.churn - safer.churn, 1e-12)
        if slope <= 0:
            return None
        least = max(safer.least_risk(churn), bolder.least_risk(churn))
        to_gain, error = self.served.risk - least, self.served.loses(bolder)[1]
        binds = self.served.risk > self.cold.risk
        if (self.own or not binds) and to_gain <= WORTHWHILE * error:
            return None
        lam = round(slope / (1 + slope), 3)
        lam = min(max(lam, bolder.lam + CLOSEST), safer.lam - CLOSEST)
        return lam if bolder.lam < lam < safer.lam and lam not in tried else None

    def _neighbours(
        self, points: Sequence[_Point], churn: float
    ) -> tuple[_Point | None, _Point | None]:
        """Return the points of next lower and next higher churn, each the least risky there."""
        below = [point for point in points if point.churn <= churn]
        above = [point for point in points if point.churn > churn]
        safer = max(below, key=lambda point: point.churn, default=None)
        bolder = min(above, key=lambda point: point.churn, default=None)
        return safer, bolder

    def goes_on_with(self, candidate: Candidate, lam: float) -> bool:
        """Take a new candidate in; return whether another may be worth its fit."""
        assert candidate.proba is not None
        point, before = self.rows.point(lam, candidate.proba), self.served
        in_order = self._in_order(point)
        self.own.append(point)
        self.found.append(candidate)
        self.candidates.append(candidate)
        self.served = self._served()
        if before is None or self.served is None:
            return True
        gain, error = before.loses(self.served)
        # A bent curve is looked at more closely, where it is not noise that bends it.
        return gain > WORTHWHILE * error or not in_order

    def _in_order(self, point: _Point) -> bool:
        """Whether churn falls along λ, up to noise."""
        for other in (self.cold, *self.own):
            excess, error = point.churns(other)
            excess = excess if point.lam > other.lam else -excess
            if excess > UNLIKELY * error > 0:
                return False
        return True
