"""Prepares the tables of changes and groups, and the rows behind them, for the templates."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from holdfast.render.order import STATUS_ORDER, worst_first
from holdfast.render.texts import amount, clip, known_interval, percent_of

__all__ = ["Picks", "changes_view", "groups_view", "matrix_view", "rows_view"]

MAX_GROUPS = 2000
GROUPS_AT_FIRST = 200  # shown on paper, and without a script that pages through them
MAX_PAIRS = 15
MANY_CLASSES = 10
MAX_ROW_COLUMNS = 6
GROUP_BYTES, ROW_BYTES = 1000, 420  # the size of one in HTML, without its text
SHOWN_TEXT, WHOLE_TEXT = 80, 300  # lengths at which the macro `data` cuts text


@dataclass(frozen=True)
class Picks:
    """The rows of the page that belong to each change and each group.

    Attributes
    ----------
    found : dict
        For each change or group, ``n`` is the number of all its changed rows, and ``rows`` lists
        the positions of those on the page. Both are text.
    """

    found: Mapping[tuple[str, str, str], dict[str, str]]

    @classmethod
    def of(cls, rows: Mapping[str, Any] | None, n: int) -> Picks:
        """Return the picks among the first `n` rows of the sample."""
        found = {}
        for kind, keys in (("changes", ("base", "new")), ("groups", ("column", "value"))):
            for pick in (rows or {}).get(kind) or []:
                numbers = [str(i) for i in pick.get("rows") or [] if i < n]
                if numbers:
                    name = (kind, repr(pick.get(keys[0])), repr(pick.get(keys[1])))
                    found[name] = {"n": amount(pick.get("n")), "rows": " ".join(numbers)}
        return cls(found)

    def change(self, base: Any, new: Any) -> dict[str, str] | None:
        """Return the rows of a change, or None if the page has none of them."""
        return self.found.get(("changes", repr(base), repr(new)))

    def group(self, column: Any, value: Any) -> dict[str, str] | None:
        """Return the rows of a group, or None if the page has none of them."""
        return self.found.get(("groups", repr(column), repr(value)))


def rows_view(rows: Mapping[str, Any] | None, room: int) -> dict[str, Any] | None:
    """Return the rows of the page: the first of the sample that fit into `room` bytes."""
    sample = (rows or {}).get("rows") or []
    if rows is None or not sample:
        return None
    columns = list(rows.get("columns") or [])
    shown = rows.get("shown") or []
    kept = []
    for row in sample:
        values = list(row.get("groups") or [])[:MAX_ROW_COLUMNS]
        kept.append({**row, "groups": values + [None] * (min(len(columns), 6) - len(values))})
    texts = ([row.get(key) for key in ("row", "label", "base", "new")] for row in kept)
    costs = (_size([*t, *r["groups"]], ROW_BYTES) for t, r in zip(texts, kept, strict=True))
    kept = kept[: _how_many(costs, room)]
    return {
        "rows": kept,
        "columns": columns[:MAX_ROW_COLUMNS],
        "more_columns": max(len(columns) - MAX_ROW_COLUMNS, 0),
        "shown": [i for i in shown if i < len(kept)],
        "moves": bool(rows.get("moves")),
        "ranked": bool(rows.get("ranked")),
        "labelled": any(row.get("label") is not None for row in kept),
        "with_proba": any(row.get("new_proba") is not None for row in kept),
    }


def matrix_view(matrix: Mapping[str, Any] | None, picks: Picks) -> dict[str, Any] | None:
    """Return the cells of the flip matrix."""
    if not matrix or not matrix.get("classes"):
        return None
    classes, counts, negative = matrix["classes"], matrix["counts"], matrix.get("negative")
    off = [v or 0 for i, row in enumerate(counts) for j, v in enumerate(row) if i != j]
    largest = max(off, default=0)
    rows = [
        {
            "name": name,
            "cells": [
                {
                    "new": classes[j],
                    "count": count,
                    "kept": i == j,
                    "negative": negative[i][j] if negative and i != j and count else None,
                    "shade": percent_of(count or 0, largest),
                    "pick": None if i == j else picks.change(name, classes[j]),
                }
                for j, count in enumerate(counts[i])
            ],
        }
        for i, name in enumerate(classes)
    ]
    return {"classes": classes, "rows": rows, "other": matrix.get("other_classes") or 0}


def changes_view(
    comparison: Mapping[str, Any] | None, matrix: Mapping[str, Any] | None, picks: Picks
) -> dict[str, Any] | None:
    """Return the most frequent changes; a matrix of few classes already shows them all."""
    pairs = (comparison or {}).get("transitions") or []
    if not pairs or (matrix and len(matrix.get("classes") or ()) <= MANY_CLASSES):
        return None
    shown = [
        {**pair, "pick": picks.change(pair.get("base"), pair.get("new"))}
        for pair in pairs[:MAX_PAIRS]
    ]
    return {"pairs": shown, "more": max(len(pairs) - MAX_PAIRS, 0)}


def groups_view(
    comparison: Mapping[str, Any] | None, picks: Picks, room: int
) -> dict[str, Any] | None:
    """Return the worst groups that fit into `room` bytes, since their names can be long."""
    groups = (comparison or {}).get("groups") or []
    if comparison is None or not groups:
        return None
    ordered = [groups[i] for i in worst_first(groups)[:MAX_GROUPS]]
    names = ([group.get("column"), group.get("value")] for group in ordered)
    ordered = ordered[: _how_many((_size(name, GROUP_BYTES) for name in names), room)]
    limit = comparison.get("max_group_churn")
    ends = [
        (known_interval(group.get("churn_rate_interval")) or (0.0, 0.0))[1] for group in ordered
    ]
    scale = max([*ends, limit or 0.0])
    return {
        "rows": [
            {
                "group": group,
                "bar": _bar(group, scale, limit),
                "pick": None
                if group.get("pooled")
                else picks.group(group.get("column"), group.get("value")),
                "hidden": i >= GROUPS_AT_FIRST,
            }
            for i, group in enumerate(ordered)
        ],
        "at_first": min(GROUPS_AT_FIRST, len(ordered)),
        "limit": limit,
        "labelled": any(group.get("negative_flip_rate") is not None for group in ordered),
        "more": len(groups) - len(ordered),
        "tally": {
            status: sum(group.get("status") == status for group in groups)
            for status in STATUS_ORDER
        },
    }


def _bar(group: Mapping[str, Any], scale: float, limit: float | None) -> dict[str, Any] | None:
    """Return the positions of an interval, its value and the limit on a bar, in percent."""
    interval = known_interval(group.get("churn_rate_interval"))
    if interval is None or not scale:
        return None
    return {
        "left": percent_of(interval[0], scale),
        "width": percent_of(interval[1] - interval[0], scale),
        "at": percent_of(group.get("churn_rate") or 0.0, scale),
        "limit": None if limit is None else percent_of(limit, scale),
    }


def _size(texts: Sequence[Any], fixed: int) -> int:
    """Return the approximate size of a table row in bytes."""
    size = fixed
    for text in texts:
        parts = [SHOWN_TEXT] if len(str(text)) <= SHOWN_TEXT else [SHOWN_TEXT, WHOLE_TEXT]
        for part in parts:
            size += len(html.escape(clip(text, part)).encode("utf-8", "replace"))
    return size


def _how_many(sizes: Iterable[int], room: int) -> int:
    """Return how many of the sizes, from the first on, fit into the room."""
    return sum(total <= room for total in accumulate(sizes))
