"""The models that a fitted update would serve under other churn budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.report.frontier import measure_of

__all__ = ["ladder"]

STEPS = 16
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)  # a step between budgets is one of these times a power of ten
MEASURES = ("accuracy_gain", "churn_rate", "negative_flip_rate", "positive_flip_rate")


def ladder(model: Any) -> dict[str, Any] | None:
    """Return the selection of a fitted update at each of about 16 budgets.

    The budgets go from 0 to the churn of plain retraining. Nothing is trained; each budget selects
    from the candidates of the update.

    Parameters
    ----------
    model : LowChurnClassifier
        The fitted model.

    Returns
    -------
    dict or None
        The ``ladder`` of a summary (see `render_page`). None for a first release and after a refit,
        which leave no candidates to select from, and for budgets on soft churn.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from holdfast import LowChurnClassifier
    >>> X, y = make_classification(600, random_state=0)
    >>> base = LogisticRegression().fit(X[:100], y[:100])
    >>> model = LowChurnClassifier(LogisticRegression(), base, max_churn=0.02, random_state=0)
    >>> steps = ladder(model.fit(X, y))["steps"]
    >>> steps[0]["budget"], steps[0]["churn_rate"]
    (0.0, 0.0)
    """
    if model.selection_ is None or model.refit or model.churn != "hard":
        return None
    cold = model.compare_candidate()
    budgets = _budgets(cold.churn_rate, _overall(model.max_churn))
    steps = [_step(model, budget, cold.accuracy_new) for budget in budgets]
    possible = [step for step in steps if step is not None]
    if not possible:
        return None
    return {
        "measure": measure_of(model, model.selection_),
        "steps": possible,
        "impossible": len(steps) - len(possible),
        "accuracy_base": cold.accuracy_base,
        "cold": {"accuracy": cold.accuracy_new} | {name: getattr(cold, name) for name in MEASURES},
        "confidence": model.confidence,
        "measured_on": f"{cold.n:,} selection rows",
    }


def _overall(max_churn: Any) -> float | None:
    return max_churn.get("overall") if isinstance(max_churn, Mapping) else max_churn


def _budgets(churn: float, chosen: float | None) -> list[float]:
    """Return round budgets from 0 to the first that allows `churn`, and the chosen budget."""
    width = max(churn, 2 * (chosen or 0.0), 1e-4) / STEPS
    unit = 10.0 ** math.floor(math.log10(width))
    step = next(unit * part for part in ROUND if unit * part >= width * (1 - 1e-9))
    last = math.ceil(max(churn, 2 * (chosen or 0.0)) / step - 1e-9)
    budgets = {min(round(i * step, 12), 1.0) for i in range(last + 1)}
    return sorted(budgets | ({chosen} if chosen is not None else set()))


def _step(model: Any, budget: float, cold_accuracy: float) -> dict[str, Any] | None:
    """Return the selection at a budget, with a certificate if the rows allow one, or None."""
    overall = _overall(model.max_churn)
    limits = {**model.max_churn, "overall": budget} if _has_groups(model) else budget
    selected, certified = None, False
    for confidence in dict.fromkeys((model.confidence, None)):
        try:
            selected = model.with_budget(max_churn=limits, confidence=confidence)
        except InfeasibleBudgetError:
            continue
        certified = confidence is not None
        break
    if selected is None:
        return None
    measured = selected.comparison_
    step = {
        "budget": budget,
        "chosen": overall is not None and budget == overall,
        "accuracy": measured.accuracy_new,
        "accuracy_interval": list(measured.accuracy_new_interval),
        "against_cold": measured.accuracy_new - cold_accuracy,
        "lateral_flip_rate": measured.lateral_flip_rate,
        "utility": _known(getattr(selected.selection_, "utility", math.nan)),
        "serving": selected.serving_,
        "certificate": selected.certificate_.to_dict() if certified else None,
    }
    for name in MEASURES:
        step[name] = getattr(measured, name)
        step[f"{name}_interval"] = list(getattr(measured, f"{name}_interval"))
    return step


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _has_groups(model: Any) -> bool:
    return isinstance(model.max_churn, Mapping)
