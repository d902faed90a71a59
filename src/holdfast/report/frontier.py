"""The candidates of an update as points of churn and accuracy or utility, for the chart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.binomial import exact_interval
from holdfast.rules import Argmax

__all__ = ["frontier", "measure_of"]

CONFIDENCE = 0.95


def frontier(model: Any, *, floor: float | None = None) -> dict[str, Any] | None:
    """Return the points among which an update was selected, with the chosen one marked.

    Parameters
    ----------
    model : LowChurnClassifier
        The fitted model.
    floor : float, optional
        `ChurnFloor.churn_rate`, which the chart draws as a line.

    Returns
    -------
    dict or None
        The ``frontier`` of a summary (see `render_page`). None for a first release, for which
        nothing was selected, and after a refit, whose model was not measured.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from holdfast import LowChurnClassifier
    >>> first = LowChurnClassifier(LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
    >>> frontier(first) is None
    True
    """
    selection = model.selection_
    if selection is None or model.refit:
        return None
    points = _points(model, selection)
    rival = getattr(model, "rival_", None)
    if rival is not None:
        points += [point | {"chosen": False} for point in _points(model, rival)]
    measure = measure_of(model, selection)
    hard = getattr(selection, "churn", "hard") == "hard"
    return {
        "measure": measure,
        "points": [_shown(point, selection.n, measure) for point in points],
        "budget": selection.max_churn if hard else None,
        "floor": floor,
        "measured_on": f"{selection.n:,} selection rows",
    }


def measure_of(model: Any, selection: Any) -> str:
    """Return "utility" where the utility of answers is known and is not accuracy."""
    own = not isinstance(getattr(model, "rule_", None), Argmax | None)
    named = getattr(model, "utility", None)
    known = not math.isnan(getattr(selection, "utility", math.nan))
    is_accuracy = isinstance(named, str) and named == "accuracy"
    by_utility = known and not is_accuracy and (own or named is not None)
    return "utility" if by_utility else "accuracy"


def _points(model: Any, selection: Any) -> list[dict[str, Any]]:
    is_override = hasattr(selection, "threshold")
    return (_override_points if is_override else _mixture_points)(model, selection)


def _mixture_points(model: Any, selection: Any) -> list[dict[str, Any]]:
    """Return the examined mixtures; the selected one has its own measures."""
    names = [*model.path_.labels, "base model"]
    series = [*(candidate.method.kind for candidate in model.path_.candidates), "base model"]
    lambdas = np.append(model.path_.lambdas, 1.0)
    selected = np.append(selection.weights, selection.base_weight)

    def described(point: Any, weights: NDArray[np.float64]) -> dict[str, Any]:
        used = np.flatnonzero(weights)
        single = len(used) == 1
        return {
            "series": series[used[0]] if single else "average",
            "label": names[used[0]] if single else f"average of {len(used)}",
            "churn_rate": point.churn_rate,
            "accuracy": point.accuracy,
            "utility": getattr(point, "utility", math.nan),
            "lam": float(weights @ lambdas),
            "weights": {names[i]: float(weights[i]) for i in used},
            "chosen": point is selection,
        }

    points = []
    for point in selection.frontier:
        weights = np.append(point.weights, np.zeros(len(names) - len(point.weights)))
        if not np.array_equal(weights, selected):
            points.append(described(point, weights))
    return _distinct([*points, described(selection, selected)])


def _override_points(model: Any, selection: Any) -> list[dict[str, Any]]:
    """Return the examined overrides; the selected one has its own measures."""
    names, lambdas = model.path_.labels, model.path_.lambdas
    other = "one" if np.count_nonzero(selection.weights) > 1 else "another"

    def described(point: Any, own: bool) -> dict[str, Any]:
        used = np.flatnonzero(point.weights)
        what = names[used[0]] if len(used) == 1 else f"the average of {len(used)}"
        return {
            "series": "override" if own else f"override by {other} candidate",
            "label": f"override by {what}, τ = {point.threshold:.3g}",
            "churn_rate": point.churn_rate,
            "accuracy": point.accuracy,
            "utility": getattr(point, "utility", math.nan),
            "lam": float(point.weights @ lambdas),
            "weights": {names[i]: float(point.weights[i]) for i in used},
            "chosen": point is selection,
        }

    points = []
    for point in selection.frontier:
        own = np.array_equal(point.weights, selection.weights)
        if not own or point.threshold != selection.threshold:
            points.append(described(point, own))
    return _distinct([*points, described(selection, True)])


def _shown(point: dict[str, Any], n: int, measure: str) -> dict[str, Any]:
    """Add exact 95 % intervals for shares of n selection rows; leave out an unused utility."""
    if measure != "utility":
        del point["utility"]
    for name in ("churn_rate", "accuracy"):
        low, high = exact_interval(point[name], n, CONFIDENCE)
        point[f"{name}_interval"] = [float(low), float(high)]
    return point


def _distinct(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort points by series and churn; keep one of equal points, the chosen one if there is one."""
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for point in points:
        measures = (point[name] for name in ("churn_rate", "accuracy", "utility"))
        key = (point["series"], *(repr(round(value, 12)) for value in measures))
        if key not in kept or point["chosen"]:
            kept[key] = point
    return sorted(kept.values(), key=lambda point: (point["series"], point["churn_rate"]))
