"""A plain dict -> HTML: one self-contained page, or a fragment for notebooks.

Nothing in the dict is trusted: names of classes, groups and rows are data. Templates escape all of
it, the chart's data are JSON that cannot end their script element, and the page's security policy
lets nothing be loaded and no script run but the two that it names by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdfast.report._chart import chart_view
from holdfast.report._numbers import (
    amount,
    clip,
    is_number,
    known_interval,
    limit_text,
    p_value,
    percent_of,
    plain_number,
    points,
    share,
    without_bidi,
)

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_page", "render_snippet"]

MAX_GROUPS = 200
MAX_CHECKS = 200
MAX_REASONS = 8
MAX_PAIRS = 15
MANY_CLASSES = 10

_STATUS_ORDER = {"fail": 0, "underpowered": 1, "pass": 2}
_MEASURES = {
    "churn_rate": "Churn",
    "negative_flip_rate": "Negative flips",
    "accuracy_gain": "Accuracy gain",
    "accuracy_new": "Accuracy, new model",
    "accuracy": "Accuracy",
}


def render_snippet(comparison: Mapping[str, Any]) -> str:
    """Return a comparison as a short HTML fragment, for notebooks.

    Parameters
    ----------
    comparison : mapping
        `Comparison.to_dict()`. Fields may be None or missing.

    Returns
    -------
    str
        One ``div`` with its own scoped styles and no script. It takes over the notebook's colours.

    Examples
    --------
    >>> snippet = render_snippet({"churn_rate": 0.021, "churn_rate_interval": [0.018, 0.024]})
    >>> "(1.8 to 2.4)" in snippet
    True
    """
    groups = comparison.get("groups") or []
    tally = {status: sum(g.get("status") == status for g in groups) for status in _STATUS_ORDER}
    return _render("snippet.html.j2", c=comparison, n_groups=len(groups), tally=tally)


def render_page(summary: Mapping[str, Any]) -> str:
    """Return a summary as one HTML page that needs nothing outside itself.

    Parameters
    ----------
    summary : mapping
        What `holdfast.report.summarise.summarise_comparison` returns. Every key is optional: a
        section is left out when its key is missing or None.

        - ``title``, ``subtitle``, ``serving`` : str
        - ``certificate`` : list of str, its lines
        - ``decision`` : `Decision.to_dict()`
        - ``comparison`` : `Comparison.to_dict()`
        - ``matrix`` : what `flip_matrix` returns
        - ``budgets`` : list of dicts with ``name``, ``budget``, ``accuracy``, ``churn_rate``,
          ``negative_flip_rate``, ``accuracy_gain``, ``status`` and ``*_interval``
        - ``frontier`` : ``points`` (dicts with ``series``, ``label``, ``churn_rate``, ``accuracy``,
          their ``*_interval``, ``lam``, ``weights``, ``chosen``), ``budget``, ``floor``,
          ``measured_on``
        - ``moves`` : what `largest_moves` returns
        - ``provenance`` : what `provenance` returns

    Returns
    -------
    str
        The same for the same summary. About 4.9 MB with a frontier (the chart's library), else
        some kilobytes.

    Examples
    --------
    >>> page = render_page({"title": "Release 7 <candidate>"})
    >>> "<h1>Release 7 &lt;candidate&gt;</h1>" in page
    True
    """
    comparison = summary.get("comparison")
    chart = chart_view(summary["frontier"]) if summary.get("frontier") else None
    scripts = _scripts() if chart else ()
    return _render(
        "page.html.j2",
        s=summary,
        c=comparison,
        decision=_decision_view(summary.get("decision")),
        flips=_flips_in_words(comparison),
        matrix=_matrix_view(summary.get("matrix")),
        changes=_changes_view(comparison, summary.get("matrix")),
        groups=_groups_view(comparison),
        chart=chart,
        scripts=scripts,
        script_hashes=[_csp_hash(script) for script in scripts],
        provenance=_provenance_view(summary.get("provenance")),
    )


# --- the dict's parts to what the templates show --------------------------------------------------


def _decision_view(decision: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not decision:
        return None
    reasons, checks = decision.get("reasons") or [], decision.get("checks") or []
    ordered = sorted(checks, key=lambda check: _STATUS_ORDER.get(check.get("status"), 3))
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


def _flips_in_words(comparison: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return counts of flips in a round number of rows: easier to grasp than shares."""
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
    """Round so that the parts add up to the total: what rounding down left goes to the largest."""
    rounded = [math.floor(number) for number in numbers]
    by_remainder = sorted(range(len(numbers)), key=lambda i: rounded[i] - numbers[i])
    for i in by_remainder[: total - sum(rounded)]:
        rounded[i] += 1
    return rounded


def _matrix_view(matrix: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not matrix or not matrix.get("classes"):
        return None
    counts, negative = matrix["counts"], matrix.get("negative")
    off = [v or 0 for i, row in enumerate(counts) for j, v in enumerate(row) if i != j]
    largest = max(off, default=0)
    rows = [
        {
            "name": name,
            "cells": [
                {
                    "count": count,
                    "kept": i == j,
                    "negative": negative[i][j] if negative and i != j and count else None,
                    "shade": percent_of(count or 0, largest),
                }
                for j, count in enumerate(counts[i])
            ],
        }
        for i, name in enumerate(matrix["classes"])
    ]
    return {"classes": matrix["classes"], "rows": rows, "other": matrix.get("other_classes") or 0}


def _changes_view(
    comparison: Mapping[str, Any] | None, matrix: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return the most frequent changes; a matrix of few classes already shows them all."""
    pairs = (comparison or {}).get("transitions") or []
    if not pairs or (matrix and len(matrix.get("classes") or ()) <= MANY_CLASSES):
        return None
    return {"pairs": pairs[:MAX_PAIRS], "more": max(len(pairs) - MAX_PAIRS, 0)}


def _groups_view(comparison: Mapping[str, Any] | None) -> dict[str, Any] | None:
    groups = (comparison or {}).get("groups") or []
    if comparison is None or not groups:
        return None
    ordered = sorted(groups, key=lambda group: -(group.get("churn_rate") or 0.0))[:MAX_GROUPS]
    limit = comparison.get("max_group_churn")
    ends = [
        (known_interval(group.get("churn_rate_interval")) or (0.0, 0.0))[1] for group in ordered
    ]
    scale = max([*ends, limit or 0.0])
    return {
        "rows": [{"group": group, "bar": _bar(group, scale, limit)} for group in ordered],
        "limit": limit,
        "labelled": any(group.get("negative_flip_rate") is not None for group in ordered),
        "more": max(len(groups) - MAX_GROUPS, 0),
        "tally": {
            status: sum(group.get("status") == status for group in groups)
            for status in _STATUS_ORDER
        },
    }


def _bar(group: Mapping[str, Any], scale: float, limit: float | None) -> dict[str, Any] | None:
    """Return where an interval, its value and the limit lie on a track, in percent."""
    interval = known_interval(group.get("churn_rate_interval"))
    if interval is None or not scale:
        return None
    return {
        "left": percent_of(interval[0], scale),
        "width": percent_of(interval[1] - interval[0], scale),
        "at": percent_of(group["churn_rate"], scale),
        "limit": None if limit is None else percent_of(limit, scale),
    }


def _provenance_view(facts: Mapping[str, Any] | None) -> list[dict[str, Any]] | None:
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
        rows.append({"name": name, "text": text, "command": command})
    return rows


# --- templates ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _scripts() -> tuple[str, str]:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs(), _render("frontier.js.j2")


def _csp_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _finalize(value: Any) -> Any:
    """Clean text before it is escaped; mark-up, of templates and scripts, stays."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return without_bidi(value) if is_text else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("holdfast.report"),
        autoescape=True,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": share,
        "points": points,
        "limit": limit_text,
        "amount": amount,
        "clip": clip,
        "number": plain_number,
        "p_value": p_value,
    }
    return environment


def _render(template: str, **values: Any) -> str:
    page = _environment().get_template(template).render(values)
    return page.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be written
