"""Prepares the verdict, the counts of flips, the budgets and the facts for the templates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from holdfast.render.order import STATUS_ORDER
from holdfast.render.texts import (
    clip,
    is_number,
    limit_text,
    number,
    percent_of,
    plain_number,
    points,
    share,
)

__all__ = [
    "answers_view",
    "decision_view",
    "flips_in_words",
    "ladder_view",
    "provenance_view",
]

MAX_CHECKS = 200
MAX_REASONS = 8
MAX_FACT = 4000

NUMBERS = ("cost", "auc", "average_precision", "brier", "log_loss", "calibration_error")
_TITLES = {"auc": "AUC", "f1": "F1", "rate": "Rate of answers", "brier": "Brier score"}
_MEASURES = {
    "churn_rate": "Churn",
    "negative_flip_rate": "Negative flips",
    "accuracy_gain": "Accuracy gain",
    "accuracy_new": "Accuracy, new model",
    "accuracy": "Accuracy",
}


def decision_view(decision: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the verdict, its reasons and its checks, the failed ones first."""
    if not decision:
        return None
    reasons, checks = decision.get("reasons") or [], decision.get("checks") or []
    ordered = sorted(checks, key=lambda check: STATUS_ORDER.get(check.get("status"), 3))
    return {
        "verdict": decision.get("verdict"),
        "reasons": reasons[:MAX_REASONS],
        "more_reasons": max(len(reasons) - MAX_REASONS, 0),
        "checks": [_check_view(check) for check in ordered[:MAX_CHECKS]],
        "more_checks": max(len(checks) - MAX_CHECKS, 0),
    }


def _check_view(check: Mapping[str, Any]) -> dict[str, Any]:
    measure, _, group = str(check.get("name")).partition("[")
    value, interval, limit = (check.get(key) for key in ("value", "interval", "limit"))
    unit = check.get("unit") or ("gain" if measure.endswith("_gain") else "share")
    at_least = check.get("bound") == "at least" or measure.startswith("accuracy")
    bound = plain_number(limit) if unit == "number" else limit_text(limit, gain=unit == "gain")
    return {
        "measure": _MEASURES.get(measure, measure.replace("_", " ")),
        "group": group.replace("]", "").replace("[", ", ") or None,
        "shown": {"share": share, "gain": points}.get(unit, number)(value, interval, limit),
        "bound": "at least" if at_least else "at most",
        "limit": bound,
        "status": check.get("status"),
    }


def flips_in_words(comparison: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the counts of flips in a round number of rows, since counts are easy to grasp."""
    churn = (comparison or {}).get("churn_rate")
    if comparison is None or not is_number(churn):
        return None
    rows = 1000
    while 0 < churn * rows < 10 and rows < 10**6:
        rows *= 10
    kinds = ("negative_flip_rate", "positive_flip_rate", "lateral_flip_rate")
    rates = [rate for rate in map(comparison.get, kinds) if is_number(rate)]
    if len(rates) < len(kinds):
        return {"rows": rows, "changed": round(churn * rows), "parts": None}
    counts = _round_to_total([rate * rows for rate in rates], round(churn * rows))
    widths = [percent_of(rate, churn) for rate in rates]
    parts = [{"count": count, "width": w} for count, w in zip(counts, widths, strict=True)]
    return {"rows": rows, "changed": round(churn * rows), "parts": parts}


def _round_to_total(numbers: Sequence[float], total: int) -> list[int]:
    """Round numbers so that they add up to a total: the largest remainders are rounded up."""
    rounded = [math.floor(number) for number in numbers]
    by_remainder = sorted(range(len(numbers)), key=lambda i: rounded[i] - numbers[i])
    for i in by_remainder[: total - sum(rounded)]:
        rounded[i] += 1
    return rounded


def answers_view(answers: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the rule, the measures of the positive class, the swaps and the scores."""
    if not answers:
        return None
    scores = answers.get("scores") or {}
    measures = [_change_view(one) for one in answers.get("positive_measures") or []]
    return {
        "rule": answers.get("rule_text"),
        "positive": answers.get("positive"),
        "measures": measures,
        "tiles": [one for one in measures if one["kind"] in ("recall", "cost")],
        "swaps": [
            _swaps_view(title, swaps)
            for title, swaps in (
                ("As they are answered", answers.get("swaps")),
                ("At the same rate", scores.get("swaps_at_same_rate")),
            )
            if swaps
        ],
        "scores": [_change_view(one) for one in (scores.get("measures") or {}).values()],
        "movement": scores.get("movement"),
        "grid_error": scores.get("grid_error"),
        "migration": _migration_view(scores.get("migration")),
    }


def _change_view(one: Mapping[str, Any]) -> dict[str, Any]:
    kind, _, label = str(one.get("name")).partition("[")
    is_number_of_its_own = kind in NUMBERS
    value, change = (number, number) if is_number_of_its_own else (share, points)
    return {
        "kind": kind,
        "name": _TITLES.get(kind, kind.replace("_", " ").capitalize()),
        "label": label.removesuffix("]") or None,
        "base": value(one.get("base"), one.get("base_interval")),
        "new": value(one.get("new"), one.get("new_interval")),
        "change": change(one.get("change"), one.get("interval")),
        "reliable": one.get("reliable", True),
    }


def _swaps_view(title: str, swaps: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "swapped_in": "Swapped in",
        "swapped_out": "Swapped out",
        "kept_positive": "Positive in both",
        "kept_negative": "Negative in both",
    }
    rows = []
    for key, name in names.items():
        part = swaps.get(key) or {}
        rate = share(part.get("positive_rate"), part.get("positive_rate_interval"))
        rows.append(
            {"name": name, "n": part.get("n"), "share": share(part.get("share")), "rate": rate}
        )
    rates = [share(swaps.get(f"{role}_rate")) for role in ("base", "new")]
    thresholds = [swaps.get(f"{role}_threshold") for role in ("base", "new")]
    return {"title": title, "rows": rows, "rates": rates, "thresholds": thresholds}


def _migration_view(migration: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not migration:
        return None
    base, new = (_bands(migration.get(f"{role}_bounds") or []) for role in ("base", "new"))
    rows = [
        {"name": name, "counts": counts}
        for name, counts in zip(base, migration.get("rows") or [], strict=False)
    ]
    return {"across": new, "rows": rows}


def _bands(bounds: Sequence[float]) -> list[str]:
    edges = ["0", *(plain_number(bound) for bound in bounds), "1"]
    return [f"{low} to {high}" for low, high in pairwise(edges)]


def provenance_view(facts: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
    """Return the facts behind a result as rows of names and values."""
    if not facts:
        return None
    plain = {key: value for key, value in facts.items() if not isinstance(value, Mapping)}
    nested = [(key, value) for key, value in facts.items() if isinstance(value, Mapping)]
    parts = [(None, plain), *nested]
    return [{"title": title, "facts": _flat(part)} for title, part in parts if part]


def _flat(facts: Mapping[str, Any], prefix: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for key, value in facts.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += _flat(value, f"{name} · ")
            continue
        command = "command" in str(key)
        listed = value if isinstance(value, (list, tuple)) else [value]
        text = ("\n" if command else ", ").join("–" if v is None else str(v) for v in listed)
        rows.append({"name": clip(name, 200), "text": clip(text, MAX_FACT), "command": command})
    return rows


def ladder_view(ladder: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the ladder with the text that a screen reader speaks for each step."""
    measure = "utility" if (ladder or {}).get("measure") == "utility" else "accuracy"
    steps = [
        step
        for step in (ladder or {}).get("steps") or []
        if all(is_number(step.get(name)) for name in ("budget", "churn_rate", measure))
    ]
    if ladder is None or not steps:
        return None
    chosen = [i for i, step in enumerate(steps) if step.get("chosen")]
    return {
        **ladder,
        "measure": measure,
        "cold": ladder.get("cold") or {},
        "steps": [{**step, "spoken": _spoken(step, ladder.get("confidence"))} for step in steps],
        "at": chosen[0] if chosen else len(steps) // 2,
        "certified": sum(bool(step.get("certificate")) for step in steps),
    }


def _spoken(step: Mapping[str, Any], confidence: Any) -> str:
    parts = [
        f"budget {limit_text(step['budget'])}",
        f"accuracy {share(step.get('accuracy')).value}",
        f"churn {share(step['churn_rate']).value}",
        f"negative flips {share(step.get('negative_flip_rate')).value}",
    ]
    if is_number(confidence):
        parts.append("certified" if step.get("certificate") else "not certified")
    return ", ".join(parts)
