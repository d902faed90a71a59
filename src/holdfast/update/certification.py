"""What of a selection can be certified.

The selection rows name the candidates and their order, from the safest mixture or threshold to the
boldest; the certification rows tell how far one may go along it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of
from holdfast.metrics import SMALLEST, divergence_per_row
from holdfast.selection.bounds import Evidence, most_changes
from holdfast.selection.budget import Selection
from holdfast.selection.certificate import (
    Certificate,
    CertifiedLimit,
    count_certified,
    raise_uncertified,
)
from holdfast.selection.limits import GroupColumns, Limits
from holdfast.selection.mixtures import mix
from holdfast.selection.override import margins
from holdfast.selection.override_search import OverrideSelection
from holdfast.selection.problem import Vector
from holdfast.update.candidates import Candidate
from holdfast.update.rows import UpdateRows, held_out_rows

__all__ = ["CertificationRows", "Certified", "certify", "halves"]

STEPS = 90  # mixtures to test, up to REACH times the budget on the selection rows
REACH = 1.5
MOST_STEPS = 1000  # from one mixture on the frontier to the next
THRESHOLDS = 501


@dataclass(frozen=True, eq=False)
class CertificationRows:
    """Rows that were used for nothing else.

    Attributes
    ----------
    proba : ndarray of shape (L, n, K)
        Of all candidates.
    base : ndarray of shape (n, K)
        Base probabilities, NaN where there are none.
    base_pred : ndarray of shape (n,)
        Columns of the base classes; −1 for a class that is gone.
    answered : ndarray of bool of shape (n,)
        Rows that the base model answered, which count as hard churn.
    weight : ndarray of shape (n,) or None
    groups : dict of str to ndarray of shape (n,)
        Columns by which a budget tells groups.
    base_right : ndarray of bool of shape (n,)
    unlabeled : bool
    n_train : int
        Rows that the candidates were trained on.
    """

    proba: NDArray[np.float64]
    base: NDArray[np.float64]
    base_pred: NDArray[np.intp]
    answered: NDArray[np.bool_]
    weight: Vector | None
    groups: GroupColumns
    base_right: NDArray[np.bool_]
    unlabeled: bool = False
    n_train: int = 0

    @classmethod
    def of(
        cls, candidates: Sequence[Candidate], rows: UpdateRows, n_train: int
    ) -> CertificationRows:
        """Ask all candidates for their answers."""
        return cls(
            np.stack([proba_of(c.estimator, rows.X, rows.classes) for c in candidates]),
            rows.base_predictions.matched.proba,
            rows.base_predictions.pred,
            rows.base_predictions.answered,
            rows.weight,
            rows.groups,
            rows.base_right,
            unlabeled=bool((rows.y < 0).all()),
            n_train=n_train,
        )

    def counted(self, limits: Limits) -> list[NDArray[np.bool_]]:
        """Return the rows that may be lost under each limit, that on all rows first."""
        return [self.answered, *limits.rows(self.groups, self.answered, self.base_right)]

    def evidence(self, losses: NDArray[Any], largest: float, rows: NDArray[np.bool_]) -> Evidence:
        """Return what losses (n,) say of some rows."""
        weight = None if self.weight is None else self.weight[rows]
        if weight is not None and (weight == weight[:1]).all():
            weight = None
        return Evidence(losses[rows].astype(np.float64), largest, weight)

    def changed(
        self, changed: NDArray[np.bool_], limits: Limits, counted: Sequence[NDArray[np.bool_]]
    ) -> list[Evidence]:
        """Return what the answers (n,) that change say of each limit."""
        found = [self.evidence(changed, 1.0, self.answered)]
        for one, rows in zip(limits.others, counted[1:], strict=True):
            whole = self.answered if one.column is None else rows  # flips are a share of all
            found.append(self.evidence(changed & rows, 1.0, whole))
        return found


def halves(held_out: UpdateRows, random_state: int | None) -> tuple[UpdateRows, UpdateRows]:
    """Part the held-out rows into those that select and those that certify."""
    if len(held_out.y) < 2:
        raise InvalidInputError(
            f"confidence needs at least two held-out rows, got {len(held_out.y)}; raise "
            "validation_fraction or give X_unlabeled"
        )
    strata = held_out.y if np.bincount(held_out.y).max() > 1 else None
    selecting, certifying = held_out_rows(len(held_out.y), 0.5, random_state, None, stratify=strata)
    return held_out.take(selecting), held_out.take(certifying)


@dataclass(frozen=True, eq=False)
class Certified:
    """What may be served, and why.

    Attributes
    ----------
    weights : ndarray of shape (L,)
    base_weight : float
    threshold : float or None
    certificate : Certificate
    """

    weights: Vector
    base_weight: float
    threshold: float | None
    certificate: Certificate


def certify(
    selection: Selection | OverrideSelection,
    rows: CertificationRows,
    limits: Limits,
    *,
    confidence: float,
    n_selection: int,
) -> Certified:
    """Go along what was selected as far as the rows allow, for all limits together.

    Raises
    ------
    InfeasibleBudgetError
        When not even the safest mixture or threshold can be certified.
    """
    assert limits.overall is not None
    _check_labels(limits, rows)
    counted = rows.counted(limits)
    sequence: list[tuple[Vector, float | None]]
    if isinstance(selection, OverrideSelection):
        weights = selection.weights
        margin = margins(mix(rows.proba, weights, selection.average_in), rows.base_pred)
        found = _thresholds(margin, rows, limits, counted, confidence)
        thresholds = [max(threshold, selection.threshold) for threshold in found]
        sequence = [(weights, threshold) for threshold in thresholds]
        evidence = (rows.changed(margin > threshold, limits, counted) for threshold in thresholds)
    else:
        sequence = [(weights, None) for weights in _sequence(selection, limits.overall)]
        evidence = (
            _evidence_of(selection, rows, weights, limits, counted) for weights, _ in sequence
        )
    seen: list[list[Evidence]] = []

    def tested() -> Iterator[list[Evidence]]:
        for one in evidence:
            seen.append(one)
            yield one

    names = ["churn", *(one.name for one in limits.others)]
    values = [limits.overall, *(one.limit for one in limits.others)]
    passed = count_certified(tested(), values, confidence)
    if not passed:
        raise_uncertified(seen[0], names, values, confidence)
    (weights, threshold), shown = sequence[passed - 1], seen[passed - 1]
    n = len(rows.proba)
    certificate = Certificate(
        confidence=confidence,
        churn="hard" if isinstance(selection, OverrideSelection) else selection.churn,
        limits=tuple(
            CertifiedLimit(name, limit, one.mean, one.upper(confidence), one.n)
            for name, limit, one in zip(names, values, shown, strict=True)
        ),
        n=len(rows.base),
        n_selection=n_selection,
        n_train=rows.n_train,
        unlabeled=rows.unlabeled,
        tested=len(seen),
        passed=passed,
    )
    base_weight = float(weights[n]) if len(weights) > n else 0.0
    return Certified(weights[:n], base_weight, threshold, certificate)


def _check_labels(limits: Limits, rows: CertificationRows) -> None:
    if rows.unlabeled and any(one.column is None for one in limits.others):
        raise InvalidInputError(
            "max_negative_flips must be left out with X_unlabeled, whose rows have no labels to "
            "tell a negative flip by; leave one of the two out"
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


def _thresholds(
    margin: Vector,
    rows: CertificationRows,
    limits: Limits,
    counted: Sequence[NDArray[np.bool_]],
    confidence: float,
) -> list[float]:
    """Return thresholds to test, the safest first.

    Churn falls along the threshold. Without weights all thresholds are therefore tested at once:
    the boldest at which few enough rows change breaks the budget only if the rows fail to show it
    at the threshold where the budget is just broken [1]_. Under weights they are tested one after
    the other.

    References
    ----------
    .. [1] Bates, Angelopoulos, Lei, Malik and Jordan, "Distribution-free, risk-controlling
       prediction sets", JACM 2021, theorem 1.
    """
    shown = rows.changed(margin > 0, limits, counted)
    if any(one.weight is not None for one in shown):
        return np.linspace(1.0, 0.0, THRESHOLDS).tolist()
    assert limits.overall is not None
    values = [limits.overall, *(one.limit for one in limits.others)]
    return [
        max(
            _exact_threshold(margin[mine], most_changes(one.n, limit, confidence))
            for mine, one, limit in zip(counted, shown, values, strict=True)
        )
    ]


def _evidence_of(
    selection: Selection,
    rows: CertificationRows,
    weights: Vector,
    limits: Limits,
    counted: Sequence[NDArray[np.bool_]],
) -> list[Evidence]:
    """Return what the rows say about one mixture, of each limit."""
    members, known = rows.proba, ~np.isnan(rows.base[:, 0])
    has_base = len(weights) > len(members)
    base = np.where(known[:, None], rows.base, members[0])
    if has_base:
        members = np.concatenate([members, base[None]])
    mixture = mix(members, weights, selection.average_in)
    found = rows.changed(mixture.argmax(axis=1) != rows.base_pred, limits, counted)
    if selection.churn == "hard":
        return found
    largest = 2.0
    if selection.churn == "kl":
        largest = -float(np.log(SMALLEST))
        if has_base and weights[-1] > 0 and selection.average_in == "probability":
            largest = min(largest, -float(np.log(weights[-1])))  # of KL(g ‖ w·g + …)
    largest = max(largest, SMALLEST)
    divergence = divergence_per_row(base, mixture, selection.churn).clip(0.0, largest)
    found[0] = rows.evidence(divergence, largest, known)
    for i, one in enumerate(limits.others):
        if not one.hard:
            found[i + 1] = rows.evidence(divergence, largest, known & counted[i + 1])
    return found


def _exact_threshold(margin: Vector, allowed: int) -> float:
    """Return a threshold above which as many margins lie as may change."""
    falling = -np.sort(-margin)
    allowed = max(allowed, 0)
    if allowed >= len(margin):
        return 0.0
    kept = float(falling[allowed])
    if not np.isfinite(kept):
        return 1.0
    above = falling[:allowed][falling[:allowed] > kept]
    last = float(above[-1]) if len(above) and np.isfinite(above[-1]) else max(kept, 1.0)
    return max((last + kept) / 2, 0.0)
