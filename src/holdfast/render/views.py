"""Prepares the verdict, the counts of flips, the budgets and the facts for the templates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.render.order import STATUS_ORDER
from holdfast.render.texts import clip, is_number, limit_text, percent_of, points, share

__all__ = ["decision_view", "flips_in_words", "ladder_view", "provenance_view"]

MAX_CHECKS = 200
MAX_REASONS = 8
MAX_FACT = 4000

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
    gain = measure.endswith("_gain")
    return {
        "measure": _MEASURES.get(measure, measure),
        "group": group.removesuffix("]") or None,
        "shown": (points if gain else share)(value, interval, limit),
        "bound": "at least" if measure.startswith("accuracy") else "at most",
        "limit": limit_text(limit, gain=gain),
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
