"""The search behind every selection: solve the convex program at a budget, or sweep it.

Works on any problem that tells risk and soft churn of a mixture with their gradients, and measures
hard churn and accuracy: classifiers (`_mixture`) and regressors (`_moves`) alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import NoReturn, Protocol, TypeVar

import numpy as np

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.selection.mixtures import EXACT, ROUGH, Function, Measures, RowMeasures, Vector, solve

__all__ = [
    "Budget",
    "FrontierPoint",
    "Selection",
    "cautious",
    "choose",
    "choose_cautiously",
    "choose_with_or_without_base",
    "mean_and_error",
]

SWEEP_POINTS = 12
SWEEP_BISECTIONS = 8
TOLERANCE = 1e-9
CAUTION = 0.5  # standard errors
NEAR = 1.2  # times the budget

Chosen = TypeVar("Chosen")


class Problem(Protocol):
    """Mixtures of L candidates on n selection rows; `weights` always has shape (L,)."""

    @property
    def risk_weight(self) -> Vector:
        """Row weights of the risk, summing to 1."""

    @property
    def average_in(self) -> str:
        """Where candidates are averaged."""

    @property
    def size(self) -> int:
        """Number of candidates, L."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def risk(self) -> Function:
        """Risk of a mixture, with its gradient."""

    @property
    def churn(self) -> Function:
        """Soft churn of a mixture, with its gradient."""

    @property
    def other_churn(self) -> tuple[Function | None, ...]:
        """Soft churn that each of the other limits counts; None where it counts answers."""

    def per_row(self, weights: Vector) -> RowMeasures:
        """Loss, change and divergence of each row."""

    def measure(self, weights: Vector) -> Measures:
        """Risk, accuracy and churn as the metrics define them."""


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """One mixture that was looked at, with its measures on the selection rows.

    Attributes
    ----------
    weights : ndarray of shape (L,) or (L + 1,)
        Of the candidates, the base model last where it was in the hull.
    risk, accuracy, churn_rate, soft_churn : float
        Accuracy is R² for a regressor.
    others : tuple of float
        What the other limits of the budget count.
    """

    weights: Vector
    risk: float
    accuracy: float
    churn_rate: float
    soft_churn: float
    others: tuple[float, ...] = ()

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
        Of the selected mixture: mean loss, share of right rows (R² for a regressor), hard churn,
        mean divergence.
    churn : str
        Unit of the budget.
    max_churn, min_accuracy : float or None
        The budget.
    others : dict of str to (float, float)
        Limit and measure of each group and of negative flips, where these are limited too.
    average_in : {"probability", "log_odds", "value"}
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
    frontier: tuple[FrontierPoint, ...] = field(repr=False)
    others: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """What a selection must keep; exactly one of the two limits is given.

    `accuracy_name` is what the user calls `min_accuracy`; `others` are name and limit of what
    `FrontierPoint.others` holds.
    """

    churn: str
    max_churn: float | None
    min_accuracy: float | None
    mixture: str
    accuracy_name: str = "min_accuracy"
    others: tuple[tuple[str, float], ...] = ()

    def allows(self, point: FrontierPoint) -> bool:
        """Whether the point keeps the limits."""
        if self.max_churn is not None:
            within = point.churn(self.churn) <= self.max_churn + TOLERANCE
            return within and not self.broken(point)
        assert self.min_accuracy is not None
        return point.accuracy >= self.min_accuracy - TOLERANCE

    def broken(self, point: FrontierPoint) -> list[str]:
        """Return the names of the other limits that a point breaks."""
        pairs = zip(self.others, point.others, strict=True)
        return [name for (name, limit), value in pairs if value > limit + TOLERANCE]

    def cost(self, point: FrontierPoint) -> tuple[float, float]:
        """What is minimised among the allowed; ties go to the other measure."""
        measures = (point.risk, point.churn(self.churn))
        return measures if self.max_churn is not None else measures[::-1]


def choose_cautiously(
    choose_at: Callable[[float], Chosen], max_churn: float, weight: Vector
) -> Chosen:
    """Choose half a standard error inside a hard budget, where that is possible.

    The most favourable of many mixtures is partly the one whose churn happens to look low on the
    selection rows: chosen at the budget itself, churn on fresh rows exceeds it on average.

    Parameters
    ----------
    choose_at : callable
        Returns the selection for a budget.
    max_churn : float
        The user's budget, which the result carries.
    weight : ndarray of shape (n,)
        Weights of the selection rows that count as churn.
    """
    try:
        chosen = choose_at(cautious(max_churn, weight))
    except InfeasibleBudgetError:
        chosen = choose_at(max_churn)
    return replace(chosen, max_churn=max_churn)  # type: ignore[type-var]


def cautious(limit: float, weight: Vector) -> float:
    """Return a limit on a share of rows, half a standard error inside it."""
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    return float(max(limit - CAUTION * np.sqrt(limit * (1 - limit) / n_effective), 0.0))


def choose_with_or_without_base(problem: Problem, widened: Problem, budget: Budget) -> Selection:
    """Let the base model in (`widened`); leave it out again where nothing measurable is lost."""
    with_base = choose(widened, budget, has_base=True)
    if not with_base.base_weight or not _is_near(problem, budget):
        return with_base
    try:
        without = choose(problem, budget, has_base=False)
    except InfeasibleBudgetError:
        return with_base
    own = widened.per_row(np.append(without.weights, 0.0))
    other = widened.per_row(np.append(with_base.weights, with_base.base_weight))
    if budget.max_churn is not None:
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


def choose(problem: Problem, budget: Budget, *, has_base: bool) -> Selection:
    """Return the selection of lowest risk inside a churn budget, or of lowest churn at an accuracy.

    Raises
    ------
    InfeasibleBudgetError
        When no mixture keeps the budget.
    """
    points = [_point(problem, vertex) for vertex in np.eye(problem.size)]
    if budget.mixture == "average" and problem.size > 1:
        points += _mixture_points(problem, budget, points)
    allowed = [point for point in points if budget.allows(point)]
    if not allowed:
        _raise_infeasible(points, budget)
    best = min(allowed, key=budget.cost)
    return Selection(
        weights=best.weights[: problem.size - has_base],
        base_weight=float(best.weights[-1]) if has_base else 0.0,
        risk=best.risk,
        accuracy=best.accuracy,
        churn_rate=best.churn_rate,
        soft_churn=best.soft_churn,
        churn=budget.churn,
        max_churn=budget.max_churn,
        min_accuracy=budget.min_accuracy,
        average_in=problem.average_in,
        n=problem.n,
        frontier=tuple(points),
        others={
            name: (limit, value)
            for (name, limit), value in zip(budget.others, best.others, strict=True)
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
    limits += [(function, limit) for function, (_, limit) in pairs if function is not None]

    def excess(weights: Vector) -> float:
        return max(function(weights)[0] - limit for function, limit in limits)

    starts = sorted((point.weights for point in known), key=excess)
    if excess(starts[0]) > 0:  # none is inside: the solver may find one that is
        starts[:1] = [solve(problem.risk, problem.size, start=starts[0], constraints=limits)]
    if excess(starts[0]) > TOLERANCE:
        return [_point(problem, starts[0])]
    weights = solve(problem.risk, problem.size, start=starts[0], constraints=limits)
    return [_point(problem, weights)]


def _raise_infeasible(points: list[FrontierPoint], budget: Budget) -> NoReturn:
    if budget.max_churn is not None:
        lowest = min(point.churn(budget.churn) for point in points)
        if lowest <= budget.max_churn + TOLERANCE:
            safest = min(points, key=lambda point: (len(budget.broken(point)), point.soft_churn))
            raise InfeasibleBudgetError(
                "max_churn must leave a combination that keeps all limits, got "
                f"{', '.join(budget.broken(safest)) or 'limits'} broken where churn is "
                f"{safest.churn(budget.churn):.4g}; raise these limits, add candidates of larger "
                "λ, or give base_model and let it in (include_base=True)",
                lowest_churn=lowest,
            )
        raise InfeasibleBudgetError(
            f"max_churn must be at least {lowest:.4g} with these candidates, got "
            f"{budget.max_churn:.4g} ({budget.churn} churn); raise it, add candidates of larger λ, "
            "or give base_model and let it in (include_base=True)",
            lowest_churn=lowest,
        )
    highest = max(point.accuracy for point in points)
    raise InfeasibleBudgetError(
        f"{budget.accuracy_name} must be at most {highest:.4g} with these candidates, got "
        f"{budget.min_accuracy:.4g}; lower it or add candidates",
        highest_accuracy=highest,
    )
