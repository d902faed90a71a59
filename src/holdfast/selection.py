"""Candidates + budget -> weights. Arrays only, never estimators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast._mixture import Mixtures, Vector, solve
from holdfast._validation import (
    check_choice,
    check_labels,
    check_proba,
    check_same_length,
    check_share,
    check_weights,
    class_index,
    missing_rows,
)
from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError

__all__ = ["FrontierPoint", "Selection", "select"]

CHURN_KINDS = ("hard", "kl", "brier")
SWEEP_POINTS = 12
SWEEP_BISECTIONS = 6
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """One mixture that was looked at, with its measures on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,) or (L + 1,)
        Of the candidates, the base model last where it was in the hull.
    risk, accuracy, churn_rate, soft_churn : float
    """

    weights: Vector
    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float

    def churn(self, kind: str) -> float:
        """Return the churn in the unit of the budget."""
        return self.churn_rate if kind == "hard" else self.soft_churn


@dataclass(frozen=True, eq=False)
class Selection:
    """Weights over the candidates that meet a budget on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,)
        Of the candidates.
    base_weight : float
        Of the base model; the weights and it sum to 1.
    risk, accuracy, churn_rate, soft_churn : float
        Of the selected mixture: mean loss, share of right rows, hard churn, mean divergence.
    churn : {"hard", "kl", "brier"}
        Unit of the budget.
    max_churn, min_accuracy : float or None
        The budget.
    average_in : {"probability", "log_odds"}
        Where the candidates are averaged.
    n : int
        Selection rows.
    frontier : tuple of FrontierPoint
        Every mixture that was looked at, single candidates first.
    """

    weights: Vector
    base_weight: float
    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float
    churn: str
    max_churn: float | None
    min_accuracy: float | None
    average_in: str
    n: int
    frontier: tuple[FrontierPoint, ...]


def select(
    candidate_proba: ArrayLike,
    base_proba: ArrayLike,
    y: ArrayLike,
    *,
    max_churn: float | None = None,
    min_accuracy: float | None = None,
    churn: str = "hard",
    include_base: bool | str = False,
    mixture: str = "average",
    average_in: str = "probability",
    classes: ArrayLike | None = None,
    base_pred: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Selection:
    """Choose weights over candidates: the lowest risk inside a churn budget.

    With ``churn="kl"`` or ``"brier"`` this is the convex program: minimise the mean loss (log loss,
    Brier) of the mixture subject to mean divergence <= `max_churn`, solved to about 1e-9. With
    ``churn="hard"`` the soft (KL) budget is tightened until the measured share of changed answers
    fits. With `min_accuracy` the result is the mixture of lowest churn on the same frontier that is
    accurate enough.

    Parameters
    ----------
    candidate_proba : array-like of shape (L, n, K)
        Probabilities of the L candidates on the selection rows.
    base_proba : array-like of shape (n, K)
        Probabilities of the base model; a row of NaN has none and does not count as churn.
    y : array-like of shape (n,)
    max_churn : float, optional
        The budget: a share of rows (hard), nats (kl), or squared distance (brier).
    min_accuracy : float, optional
        The other budget; give exactly one.
    churn : {"hard", "kl", "brier"}
    include_base : bool or "auto"
        Whether the base model may carry weight. "auto" lets it, and prefers a selection without it
        where that is as good within one standard error of the paired difference.
    mixture : {"average", "single"}
        Average candidates, or choose one.
    average_in : {"probability", "log_odds"}
        Average probabilities, or log-probabilities (then renormalised; not for "brier").
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 when left out.
    base_pred : array-like of shape (n,), optional
        Column of the base model's class, −1 for a class that no candidate has; the largest base
        probability when left out.
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    Selection

    Raises
    ------
    InfeasibleBudgetError
        When no mixture meets the budget; names the lowest churn (highest accuracy) reachable.
    InvalidInputError
        For a budget out of range, both or no budget, arrays that do not fit together.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> base = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7]])
    >>> cold = np.array([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9], [0.8, 0.2]])
    >>> selection = select([cold, base], base, [1, 0, 1, 1], max_churn=0.05, churn="kl")
    >>> selection.weights.round(3), round(selection.soft_churn, 6)
    (array([0.349, 0.651]), 0.05)
    """
    check_choice("churn", churn, CHURN_KINDS)
    check_choice("mixture", mixture, ("average", "single"))
    check_choice("average_in", average_in, ("probability", "log_odds"))
    _check_budget(max_churn, min_accuracy, churn, average_in)
    problem = _problem(
        candidate_proba,
        base_proba,
        y,
        divergence="brier" if churn == "brier" else "kl",
        average_in=average_in,
        classes=classes,
        base_pred=base_pred,
        sample_weight=sample_weight,
    )
    budget = _Budget(churn, max_churn, min_accuracy, mixture)
    if include_base is True:
        return _select(_with_base(problem), budget, has_base=True)
    if include_base == "auto":
        return _select_auto(problem, budget)
    if include_base is not False:
        check_choice("include_base", include_base, ["auto"])
    return _select(problem, budget, has_base=False)


@dataclass(frozen=True)
class _Budget:
    churn: str
    max_churn: float | None
    min_accuracy: float | None
    mixture: str

    def allows(self, point: FrontierPoint) -> bool:
        if self.max_churn is not None:
            return point.churn(self.churn) <= self.max_churn + TOLERANCE
        return point.accuracy >= (self.min_accuracy or 0.0) - TOLERANCE

    def cost(self, point: FrontierPoint) -> tuple[float, float]:
        """What is minimised among the allowed; ties go to the other measure."""
        measures = (point.risk, point.churn(self.churn))
        return measures if self.max_churn is not None else measures[::-1]


def _check_budget(
    max_churn: float | None, min_accuracy: float | None, churn: str, average_in: str
) -> None:
    if (max_churn is None) == (min_accuracy is None):
        raise InvalidInputError(
            f"exactly one of max_churn and min_accuracy must be given, got max_churn={max_churn!r} "
            f"and min_accuracy={min_accuracy!r}; a churn budget and an accuracy to keep are two "
            "different problems"
        )
    if max_churn is not None:
        high = {"hard": 1.0, "kl": np.inf, "brier": 2.0}[churn]
        check_share("max_churn", max_churn, high=high)
    if min_accuracy is not None:
        check_share("min_accuracy", min_accuracy)
    if churn == "brier" and average_in == "log_odds":
        raise InvalidInputError(
            "average_in must be 'probability' with churn='brier', got 'log_odds': the Brier score "
            "is not convex in log-odds; use churn='kl' or 'hard'"
        )


def _problem(
    candidate_proba: ArrayLike,
    base_proba: ArrayLike,
    y: ArrayLike,
    *,
    divergence: str,
    average_in: str,
    classes: ArrayLike | None,
    base_pred: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> Mixtures:
    base = check_proba("base_proba", base_proba, allow_missing=True).astype(np.float64, copy=False)
    candidates = _check_candidates(candidate_proba, base.shape)
    truth = check_labels("y", y)
    n = check_same_length(base_proba=base, y=truth)
    known = np.arange(base.shape[1]) if classes is None else check_labels("classes", classes)
    index = class_index(truth, known)
    if (index < 0).any():
        raise InvalidInputError(
            f"y must be among the classes of the columns, got {truth[index < 0][0]!r}; "
            "give `classes` in the order of the columns"
        )
    weight = np.ones(n)
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, n)
    missing = missing_rows(base)
    churn_weight = np.where(missing, 0.0, weight)
    if churn_weight.sum() <= 0:
        raise InvalidInputError(
            "base_proba must have a prediction for at least one selection row, got none; "
            "give rows that the base model has predicted"
        )
    base = np.where(missing[:, None], 1 / base.shape[1], base)
    served = base.argmax(axis=1) if base_pred is None else np.asarray(base_pred)
    check_same_length(base_proba=base, base_pred=served)
    return Mixtures(
        proba=candidates,
        base=base,
        y=index,
        base_pred=served,
        risk_weight=weight / weight.sum(),
        churn_weight=churn_weight / churn_weight.sum(),
        divergence=divergence,
        average_in=average_in,
    )


def _check_candidates(candidate_proba: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    parts = [
        check_proba(f"candidate_proba[{position}]", proba)
        for position, proba in enumerate(candidate_proba)
    ]
    if not parts:
        raise InvalidInputError("candidate_proba must hold at least one candidate, got none")
    for position, part in enumerate(parts):
        if part.shape != shape:
            raise InvalidInputError(
                f"candidate_proba[{position}] must have the shape of base_proba {shape}, got "
                f"{part.shape}; give the same rows and classes"
            )
    return np.stack(parts).astype(np.float64, copy=False)


def _with_base(problem: Mixtures) -> Mixtures:
    if (problem.churn_weight[problem.risk_weight > 0] == 0).any():
        raise InvalidInputError(
            "include_base must be False where base predictions are missing, got rows of NaN in "
            "base_proba; the base model could not be served for them"
        )
    return replace(problem, proba=np.concatenate([problem.proba, problem.base[None]]))


# --- search ---------------------------------------------------------------------------------------


def _select_auto(problem: Mixtures, budget: _Budget) -> Selection:
    """Let the base model in, and leave it out again where nothing measurable is lost."""
    if (problem.churn_weight[problem.risk_weight > 0] == 0).any():
        return _select(problem, budget, has_base=False)
    widened = _with_base(problem)
    with_base = _select(widened, budget, has_base=True)
    try:
        without = _select(problem, budget, has_base=False)
    except InfeasibleBudgetError:
        return with_base
    own = np.append(without.weights, 0.0)
    other = np.append(with_base.weights, with_base.base_weight)
    if budget.max_churn is not None:
        difference = widened.losses(own) - widened.losses(other)
    elif budget.churn == "hard":
        difference = widened.changed(own).astype(float) - widened.changed(other)
    else:
        return without if without.soft_churn <= with_base.soft_churn else with_base
    worse, error = _mean_and_error(difference, problem.risk_weight)
    return without if worse <= error else with_base


def _mean_and_error(values: Vector, weight: Vector) -> tuple[float, float]:
    mean = float(values @ weight)
    return mean, float(np.sqrt(((values - mean) ** 2) @ weight**2))


def _select(problem: Mixtures, budget: _Budget, *, has_base: bool) -> Selection:
    size = len(problem.proba)
    points = [_point(problem, vertex) for vertex in np.eye(size)]
    if budget.mixture == "average" and size > 1:
        points += _mixture_points(problem, budget, points)
    allowed = [point for point in points if budget.allows(point)]
    if not allowed:
        _raise_infeasible(points, budget)
    best = min(allowed, key=budget.cost)
    return Selection(
        weights=best.weights[: size - has_base],
        base_weight=float(best.weights[-1]) if has_base else 0.0,
        risk=best.risk,
        accuracy=best.accuracy,
        churn_rate=best.churn_rate,
        soft_churn=best.soft_churn,
        churn=budget.churn,
        max_churn=budget.max_churn,
        min_accuracy=budget.min_accuracy,
        average_in=problem.average_in,
        n=len(problem.y),
        frontier=tuple(points),
    )


def _point(problem: Mixtures, weights: Vector) -> FrontierPoint:
    return FrontierPoint(
        weights=weights,
        risk=problem.true_risk(weights),
        accuracy=problem.accuracy(weights),
        churn_rate=problem.hard_churn(weights),
        soft_churn=problem.soft_churn(weights),
    )


def _mixture_points(
    problem: Mixtures, budget: _Budget, vertices: list[FrontierPoint]
) -> list[FrontierPoint]:
    """Solve the soft program at the budget, or along a sweep of budgets for a hard one."""
    size = len(vertices)
    safest = min(vertices, key=lambda point: point.soft_churn).weights
    safest = solve(problem.churn, size, start=safest, constraint=None)
    boldest = min(vertices, key=lambda point: point.risk).weights
    boldest = solve(problem.risk, size, start=boldest, constraint=None)
    ends = [_point(problem, safest), _point(problem, boldest)]
    low, high = (problem.churn(point.weights)[0] for point in ends)

    def at(limit: float) -> FrontierPoint:
        weights = solve(
            problem.risk, size, start=safest, constraint=problem.churn, limit=max(limit, low)
        )
        return _point(problem, weights)

    if budget.churn != "hard" and budget.max_churn is not None:
        inside = low < budget.max_churn < high
        return [*ends, at(budget.max_churn)] if inside else ends
    if high - low <= TOLERANCE:
        return ends
    return [*ends, *_sweep(at, low, high, budget)]


def _sweep(at: Any, low: float, high: float, budget: _Budget) -> list[FrontierPoint]:
    """Solve along soft budgets in [low, high], then bisect where the hard budget is crossed."""
    # Churn answers to the square root of a divergence, hence even steps there.
    limits = low + (high - low) * np.linspace(0, 1, SWEEP_POINTS + 2)[1:-1] ** 2
    points = [at(limit) for limit in limits]
    allowed = [budget.allows(point) for point in points]
    crossings = [i for i in range(len(points) - 1) if allowed[i] != allowed[i + 1]]
    if not crossings:
        return points
    # The boldest crossing under a churn budget; the safest where accuracy is what is kept.
    edge = crossings[-1] if budget.max_churn is not None else crossings[0]
    left, right = limits[edge], limits[edge + 1]
    for _ in range(SWEEP_BISECTIONS):
        middle = (left + right) / 2
        points.append(at(middle))
        if budget.allows(points[-1]) == allowed[edge]:
            left = middle
        else:
            right = middle
    return points


def _raise_infeasible(points: list[FrontierPoint], budget: _Budget) -> None:
    if budget.max_churn is not None:
        lowest = min(point.churn(budget.churn) for point in points)
        raise InfeasibleBudgetError(
            f"max_churn must be at least {lowest:.4g} with these candidates, got "
            f"{budget.max_churn:.4g} ({budget.churn} churn); raise it, add candidates of larger λ, "
            "or let the base model in (include_base=True)",
            lowest_churn=lowest,
        )
    highest = max(point.accuracy for point in points)
    raise InfeasibleBudgetError(
        f"min_accuracy must be at most {highest:.4g} with these candidates, got "
        f"{budget.min_accuracy:.4g}; lower it or add candidates",
        highest_accuracy=highest,
    )
