"""The search behind every selection: it solves the convex program at a budget, or sweeps budgets.

It works on any `Problem`: mixtures of classifiers (`mixtures`) and of regressors (`regression`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import NoReturn

import numpy as np

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.selection.budget import TOLERANCE, Budget
from holdfast.selection.outcome import FrontierPoint, Selection
from holdfast.selection.problem import Problem, Vector
from holdfast.selection.solver import EXACT, ROUGH, solve

__all__ = ["choose", "mean_and_error"]

SWEEP_POINTS = 12
SWEEP_BISECTIONS = 8
NEAR = 1.2  # times the budget


def choose(
    problem: Problem,
    budget: Budget,
    *,
    mixture: str = "average",
    include_base: bool | str = False,
) -> Selection:
    """Return the selection of lowest risk inside a churn budget, or of lowest churn at an accuracy.

    Parameters
    ----------
    problem : Problem
        The candidates, without the base model.
    budget : Budget
        Its other limits are bound to the problem's rows.
    mixture : {"average", "single"}
        Whether several candidates may carry weight, or one.
    include_base : bool or "auto"
        Whether the base model may carry weight. "auto" lets it where it has predicted every row,
        and leaves it out again where nothing measurable is lost.

    Raises
    ------
    InfeasibleBudgetError
        When no mixture keeps the budget.
    InvalidInputError
        When the base model is to be included and has not predicted every row.
    """
    if include_base == "auto" and problem.base_everywhere:
        return _with_or_without_base(problem, budget, mixture)
    if include_base is True:
        return _best(problem.with_base(), budget, mixture, base_in=True)
    return _best(problem, budget, mixture)


def _with_or_without_base(problem: Problem, budget: Budget, mixture: str) -> Selection:
    widened = problem.with_base()
    with_base = _best(widened, budget, mixture, base_in=True)
    if not with_base.base_weight or not _is_near(problem, budget):
        return with_base
    try:
        without = _best(problem, budget, mixture)
    except InfeasibleBudgetError:
        return with_base
    own = widened.per_row(np.append(without.weights, 0.0))
    other = widened.per_row(np.append(with_base.weights, with_base.base_weight))
    if budget.max_churn is not None and budget.by_utility:
        difference = other.utility - own.utility
    elif budget.max_churn is not None:
        difference = own.loss - other.loss
    elif budget.churn == "hard":
        difference = own.changed.astype(np.float64) - other.changed
    else:
        difference = own.divergence - other.divergence
    worse, error = mean_and_error(difference, problem.risk_weight)
    return without if worse <= error else with_base


def _is_near(problem: Problem, budget: Budget) -> bool:
    """Whether the least soft churn comes near a churn budget; a whole search costs much more."""
    if budget.max_churn is None:
        return True
    vertices = [_point(problem, vertex) for vertex in np.eye(problem.size)]
    safest = min(vertices, key=lambda point: point.soft_churn).weights
    vertices.append(_point(problem, solve(problem.churn, problem.size, start=safest)))
    return min(point.churn(budget.churn) for point in vertices) <= NEAR * budget.max_churn


def mean_and_error(values: Vector, weight: Vector) -> tuple[float, float]:
    """Return the weighted mean, its weights summing to 1, and its standard error."""
    mean = float(values @ weight)
    return mean, float(np.sqrt(((values - mean) ** 2) @ weight**2))


def _best(problem: Problem, budget: Budget, mixture: str, *, base_in: bool = False) -> Selection:
    points = [_point(problem, vertex) for vertex in np.eye(problem.size)]
    if mixture == "average" and problem.size > 1:
        points += _mixture_points(problem, budget, points)
    allowed = [point for point in points if budget.allows(point)]
    if not allowed:
        _raise_infeasible(points, budget, points[problem.size - 1] if base_in else None)
    best = min(allowed, key=budget.cost)
    return Selection(
        weights=best.weights[: problem.size - problem.has_base],
        base_weight=float(best.weights[-1]) if problem.has_base else 0.0,
        risk=best.risk,
        accuracy=best.accuracy,
        churn_rate=best.churn_rate,
        soft_churn=best.soft_churn,
        churn=budget.churn,
        max_churn=budget.max_churn,
        min_accuracy=None if budget.min_accuracy is None else float(budget.min_accuracy),
        average_in=problem.average_in,
        n=problem.n,
        frontier=tuple(points),
        utility=best.utility,
        rule=problem.rule_at(best.weights),
        min_utility=None if budget.min_utility is None else float(budget.min_utility),
        others={
            one.name: (one.limit, value)
            for one, value in zip(budget.others, best.others, strict=True)
        },
    )


def _point(problem: Problem, weights: Vector) -> FrontierPoint:
    return FrontierPoint(weights=weights, **asdict(problem.measure(weights)))


def _mixture_points(
    problem: Problem, budget: Budget, vertices: list[FrontierPoint]
) -> list[FrontierPoint]:
    """Solve the soft program at the budget, or along a sweep of budgets for a hard one."""
    size, soft = problem.size, budget.churn != "hard" and budget.max_churn is not None
    precision = EXACT if soft else ROUGH
    nearest = min(vertices, key=lambda point: point.soft_churn)
    safest = nearest.weights
    if nearest.soft_churn > TOLERANCE:  # else it is the base model itself
        safest = solve(problem.churn, size, start=safest, precision=precision)
    boldest = min(vertices, key=lambda point: point.risk).weights
    boldest = solve(problem.risk, size, start=boldest, precision=precision)
    ends = [_point(problem, safest), _point(problem, boldest)]
    low, high = (problem.churn(point.weights)[0] for point in ends)

    def at(limit: float, start: Vector) -> FrontierPoint:
        weights = solve(
            problem.risk,
            size,
            start=start,
            constraints=[(problem.churn, limit)],
            precision=precision,
        )
        return _point(problem, weights)

    if soft:
        assert budget.max_churn is not None
        if any(function is not None for function in problem.other_churn):
            return [*ends, *_within_all(problem, budget, [*vertices, ends[0]])]
        inside = low < budget.max_churn < high
        return [*ends, _within(at, budget.max_churn, low, safest)] if inside else ends
    if high - low <= TOLERANCE:
        return ends
    points = _sweep(problem, at, *ends)
    return points + _crossings(problem, budget, points, vertices)


def _sweep(
    problem: Problem,
    at: Callable[[float, Vector], FrontierPoint],
    safest: FrontierPoint,
    boldest: FrontierPoint,
) -> list[FrontierPoint]:
    """Return the frontier of soft churn from one end to the other."""
    low, high = (problem.churn(point.weights)[0] for point in (safest, boldest))
    points = [safest]
    # Churn answers to the square root of a divergence, hence even steps there.
    for step in np.linspace(0, 1, SWEEP_POINTS + 2)[1:-1]:
        if problem.size == 2:  # their mixtures are the frontier itself, soft churn going by squares
            weights = safest.weights + step * (boldest.weights - safest.weights)
            points.append(_point(problem, weights))
        else:  # each starts from the one before, which is feasible
            points.append(at(low + (high - low) * step**2, points[-1].weights))
    return [*points, boldest]


def _crossings(
    problem: Problem,
    budget: Budget,
    points: list[FrontierPoint],
    vertices: list[FrontierPoint],
) -> list[FrontierPoint]:
    """Return points at the limit, where the sweep or a chord to its bold end crosses it."""
    allowed = [budget.allows(point) for point in points]
    pairs = [(points[i], points[i + 1]) for i in np.flatnonzero(np.diff(allowed))]
    # The boldest crossing under a churn budget; the safest where accuracy is what is kept.
    pairs = pairs[-1:] if budget.max_churn is not None else pairs[:1]
    if budget.max_churn is not None and not allowed[-1]:
        # Hard churn and soft churn may disagree, and the sweep follows the soft one.
        pairs += [(vertex, points[-1]) for vertex in vertices if budget.allows(vertex)]
    return [_crossing(problem, *pair, budget) for pair in pairs]


def _crossing(
    problem: Problem, one: FrontierPoint, other: FrontierPoint, budget: Budget
) -> FrontierPoint:
    """Go from the one of two points that is allowed towards the other, as far as it is allowed."""
    best, outside = (one, other) if budget.allows(one) else (other, one)
    forbidden = outside.weights
    for _ in range(SWEEP_BISECTIONS):
        point = _point(problem, (best.weights + forbidden) / 2)
        if budget.allows(point):
            best = point
        else:
            forbidden = point.weights
    return best


def _within(
    at: Callable[[float, Vector], FrontierPoint], limit: float, low: float, safest: Vector
) -> FrontierPoint:
    """Solve at the limit; probabilities that sum to 1 only nearly make the metric exceed it."""
    point = at(limit, safest)
    excess = point.soft_churn - limit
    return at(max(limit - excess, low), safest) if excess > TOLERANCE else point


def _within_all(
    problem: Problem, budget: Budget, known: list[FrontierPoint]
) -> list[FrontierPoint]:
    """Solve at the limits on soft churn, over all rows and within groups."""
    assert budget.max_churn is not None
    limits = [(problem.churn, budget.max_churn)]
    pairs = zip(problem.other_churn, budget.others, strict=True)
    limits += [(function, one.limit) for function, one in pairs if function is not None]

    def excess(weights: Vector) -> float:
        return max(function(weights)[0] - limit for function, limit in limits)

    starts = sorted((point.weights for point in known), key=excess)
    if excess(starts[0]) > 0:  # none is inside: the solver may find one that is
        starts[:1] = [solve(problem.risk, problem.size, start=starts[0], constraints=limits)]
    if excess(starts[0]) > TOLERANCE:
        return [_point(problem, starts[0])]
    weights = solve(problem.risk, problem.size, start=starts[0], constraints=limits)
    return [_point(problem, weights)]


def _raise_infeasible(
    points: list[FrontierPoint], budget: Budget, base: FrontierPoint | None
) -> NoReturn:
    """Say what the candidates reach, and what would reach more; `base` is None where it is out."""
    remedy = "or give base_model and let it in (include_base=True)"
    if base is not None:
        remedy = "or allow mixtures of them (mixture='average')"
    if budget.max_churn is not None:
        lowest = min(point.churn(budget.churn) for point in points)
        if lowest <= budget.max_churn + TOLERANCE:
            safest = min(points, key=lambda point: (len(budget.broken(point)), point.soft_churn))
            raise InfeasibleBudgetError(
                "max_churn must leave a combination that keeps all limits, got "
                f"{', '.join(budget.broken(safest)) or 'limits'} broken where churn is "
                f"{safest.churn(budget.churn):.4g}; raise these limits, add candidates of larger "
                f"λ, {remedy}",
                lowest_churn=lowest,
            )
        got = f"got {budget.max_churn:.4g} ({budget.churn} churn)"
        if base is not None and base.churn(budget.churn) <= lowest + TOLERANCE:
            raise InfeasibleBudgetError(
                f"max_churn must be at least {lowest:.4g} here, {got}: that share of the base "
                "model's answers are classes that the new model does not have; raise the budget",
                lowest_churn=lowest,
            )
        raise InfeasibleBudgetError(
            f"max_churn must be at least {lowest:.4g} with these candidates, {got}; raise it, add "
            f"candidates of larger λ, {remedy}",
            lowest_churn=lowest,
        )
    highest = max(getattr(point, budget.kept) for point in points)
    name = budget.accuracy_name if budget.kept == "accuracy" else "min_utility"
    raise InfeasibleBudgetError(
        f"{name} must be at most {highest:.4g} with these candidates, got "
        f"{float(budget.floor or 0):.4g}; lower it or add candidates",
        highest_accuracy=highest if budget.kept == "accuracy" else None,
    )
