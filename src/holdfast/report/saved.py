"""Writes a summary as JSON with the name and version of its format, and checks it when reading.

The content of such a file is not trusted. Anything that has the shape of a summary can be rendered,
since the templates escape all of it. Anything else is refused here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from holdfast.common.plain import plain
from holdfast.common.reading import MEGABYTE, read_whole
from holdfast.exceptions import InvalidInputError

__all__ = ["FORMAT", "FORMAT_VERSION", "read_summary", "to_json"]

FORMAT = "holdfast-report"
FORMAT_VERSION = 1
LARGEST = 1e15  # beyond any number of rows
MAX_BYTES = 256 * MEGABYTE
DEEPEST = 20  # levels of facts within facts

_Test = Callable[[Any], bool]


def to_json(summary: Mapping[str, Any]) -> str:
    """Return a summary as the text of a JSON file.

    Parameters
    ----------
    summary : mapping
        The summary, as `holdfast.render.page.render_page` takes it.

    Returns
    -------
    str

    Examples
    --------
    >>> to_json({"title": "Release 7"})
    '{"format": "holdfast-report", "format_version": 1, "summary": {"title": "Release 7"}}'
    """
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, "summary": plain(summary)}
    return json.dumps(content, allow_nan=False)


def read_summary(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a summary that `to_json` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict
        The summary, as `holdfast.render.page.render_page` takes it.

    Raises
    ------
    InvalidInputError
        When the file is missing, damaged, of another format or of another version, or does not hold
        a summary.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "result.json"
    >>> _ = path.write_text(to_json({"title": "Release 7"}))
    >>> read_summary(path)
    {'title': 'Release 7'}
    """
    file = Path(path)
    if not file.is_file():
        what = "the folder" if file.is_dir() else "no file at"
        raise InvalidInputError(f"path must be a report in JSON, got {what} {file}; check the path")
    written = read_whole(file, "path", limit=MAX_BYTES)
    try:
        content = json.loads(written.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n")[0][:200]
        raise InvalidInputError(
            f"{file} must be whole JSON, got: {reason}; write it again with --report FILE.json"
        ) from error
    summary = _summary_of(content, file)
    try:
        _check(summary, SUMMARY, "summary")
        _check_together(summary)
    except _WrongShapeError as error:
        raise InvalidInputError(
            f"{file} must hold a summary as holdfast writes it, got {error}; write it again with "
            "--report FILE.json"
        ) from error
    return summary


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"the number {name}, which JSON does not have")


def _summary_of(content: Any, file: Path) -> dict[str, Any]:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InvalidInputError(
            f"{file} must be a report of holdfast (format {FORMAT!r}), got other JSON; give a file "
            "that --report FILE.json wrote"
        )
    version, summary = content.get("format_version"), content.get("summary")
    if type(version) is not int or version != FORMAT_VERSION:
        raise InvalidInputError(
            f"{file} must have format_version {FORMAT_VERSION}, got {version!r:.40}; read it with "
            "the release of holdfast that wrote it, or write it again"
        )
    if not isinstance(summary, dict):
        raise InvalidInputError(
            f"{file} must hold a summary, got {type(summary).__name__}; write it again"
        )
    return summary


# --- the shape of a summary -----------------------------------------------------------------------


class _WrongShapeError(ValueError):
    """A part of a summary has another shape; the message names the part."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= LARGEST


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_value(value: Any) -> bool:
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (0, 2) and all(map(_is_number, value))


def _is_fact(value: Any) -> bool:
    """Return whether facts are nested no deeper than a report can show."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [part for part in level if isinstance(part, (dict, list))]
        level = [v for part in inner for v in (part.values() if isinstance(part, dict) else part)]
        if not level:
            return True
    return False


_SHOWN = {
    _is_text: "text",
    _is_flag: "true or false",
    _is_number: "a number",
    _is_count: "a count",
    _is_value: "text or a number",
    _is_fact: "facts",
    _is_interval: "an interval",
}

_RATES = ("churn_rate", "negative_flip_rate", "positive_flip_rate", "lateral_flip_rate",
          "accuracy", "accuracy_base", "accuracy_new", "accuracy_gain")  # fmt: skip
_MEASURES = {
    **dict.fromkeys(_RATES, _is_number),
    **{f"{name}_interval": _is_interval for name in _RATES},
    "n": _is_number,
    "n_effective": _is_number,
    "status": _is_text,
}
_LOSSES = ("mcnemar_p_value", "unavoidable_churn", "excess_churn", "log_loss_base", "log_loss_new",
           "brier_base", "brier_new", "churn_divergence", "churn_divergence_brier", "confidence",
           "max_group_churn")  # fmt: skip
_PAIR = {"base": _is_value, "new": _is_value}
_CHANGE = {
    "name": _is_text,
    **dict.fromkeys(("base", "new", "change"), _is_number),
    **dict.fromkeys(("interval", "base_interval", "new_interval"), _is_interval),
    "reliable": _is_flag,
}
_ROWS = {
    "n": _is_count,
    "share": _is_number,
    "positive_rate": _is_number,
    "positive_rate_interval": _is_interval,
}
_SWAPS = {
    **dict.fromkeys(("base_threshold", "new_threshold", "base_rate", "new_rate"), _is_number),
    **dict.fromkeys(("swapped_in", "swapped_out", "kept_positive", "kept_negative"), _ROWS),
}

# The shape of a summary. A dictionary gives the shape of the value of each key; other keys are not
# checked. The key `str` stands for every key. A list gives the shape of each of its entries.
SUMMARY: dict[str, Any] = {
    "title": _is_text,
    "subtitle": _is_text,
    "serving": _is_text,
    "certificate": [_is_text],
    "decision": {
        "verdict": _is_text,
        "reasons": [_is_text],
        "checks": [
            {"name": _is_text, "value": _is_number, "interval": _is_interval, "limit": _is_number}
            | dict.fromkeys(("status", "bound", "unit"), _is_text)
        ],
    },
    "comparison": {
        **_MEASURES,
        **dict.fromkeys(_LOSSES, _is_number),
        "n_labeled": _is_number,
        "warnings": [_is_text],
        "weighted": _is_flag,
        "classes": [_is_value],
        "groups": [{**_MEASURES, "column": _is_text, "value": _is_value, "pooled": _is_count}],
        "labeled_shares": [{**_PAIR, "n": _is_count, "labeled": _is_number}],
        "transitions": [
            {**_PAIR, "weight": _is_number, "negative": _is_number, "positive": _is_number}
        ],
    },
    "answers": {
        "rule_text": _is_text,
        "positive": _is_value,
        "positive_measures": [_CHANGE],
        "swaps": _SWAPS,
        "scores": {
            "measures": {str: _CHANGE},
            "movement": {
                "tolerance": _is_number,
                "moved_share": _is_number,
                "moved_interval": _is_interval,
                "rank_correlation": _is_number,
                "population_stability_index": _is_number,
            },
            "grid_error": {str: _is_number},
            "swaps_at_same_rate": _SWAPS,
            "migration": {
                "base_bounds": [_is_number],
                "new_bounds": [_is_number],
                "rows": [[_is_count]],
            },
        },
    },
    "matrix": {
        "classes": [_is_value],
        "counts": [[_is_number]],
        "negative": [[_is_number]],
        "other_classes": _is_count,
    },
    "budgets": [{**_MEASURES, "name": _is_text, "budget": _is_number}],
    "frontier": {
        "points": [
            {**_MEASURES, "series": _is_text, "label": _is_text, "lam": _is_number}
            | {"weights": {str: _is_number}, "chosen": _is_flag, "utility": _is_number}
        ],
        "measure": _is_text,
        "budget": _is_number,
        "floor": _is_number,
        "measured_on": _is_text,
    },
    "ladder": {
        "steps": [
            {**_MEASURES, "budget": _is_number, "chosen": _is_flag, "against_cold": _is_number}
            | {"utility": _is_number}
            | {"serving": _is_text, "certificate": {"limits": [{"upper": _is_number}]}}
        ],
        "measure": _is_text,
        "impossible": _is_count,
        "accuracy_base": _is_number,
        "cold": _MEASURES,
        "confidence": _is_number,
        "measured_on": _is_text,
    },
    "rows": {
        "rows": [
            {**_PAIR, "row": _is_value, "label": _is_value, "base_proba": _is_number}
            | {"new_proba": _is_number, "move": _is_number, "groups": [_is_value]}
        ],
        "columns": [_is_text],
        "shown": [_is_count],
        "moves": _is_flag,
        "ranked": _is_flag,
        "changes": [{**_PAIR, "n": _is_count, "rows": [_is_count]}],
        "groups": [{"column": _is_text, "value": _is_value, "n": _is_count, "rows": [_is_count]}],
    },
    "provenance": {str: _is_fact},
}


def _check(value: Any, shape: Any, where: str) -> None:
    """Raise unless a value has a shape; None always has it, since any key may be missing."""
    if value is None:
        return
    if isinstance(shape, dict):
        _require(isinstance(value, dict), where, "an object", value)
        for key, item in value.items():
            _check(item, shape.get(str, shape.get(key, _anything)), f"{where}.{key:.40}")
    elif isinstance(shape, list):
        _require(isinstance(value, list), where, "a list", value)
        for i, item in enumerate(value):
            is_missing = item is None and isinstance(shape[0], (dict, list))
            _require(not is_missing, f"{where}[{i}]", "an entry", item)
            _check(item, shape[0], f"{where}[{i}]")
    elif shape is not _anything:
        _require(shape(value), where, _SHOWN[shape], value)


def _anything(value: Any) -> bool:
    return True


def _check_together(summary: Mapping[str, Any]) -> None:
    """Raise unless the matrix is square and all rows exist that changes and groups list."""
    matrix = summary.get("matrix") or {}
    size = len(matrix.get("classes") or ())
    for name in ("counts", "negative"):
        lines = matrix.get(name)
        if lines is None and (name == "negative" or not size):
            continue
        square = lines is not None and [len(line) for line in lines] == [size] * size
        _require(square, f"summary.matrix.{name}", f"{size} lists of {size} numbers", lines)
    rows = summary.get("rows") or {}
    n = len(rows.get("rows") or ())
    lists = [("shown", rows)] + [
        ("rows", pick) for kind in ("changes", "groups") for pick in rows.get(kind) or ()
    ]
    for key, holder in lists:
        numbers = holder.get(key) or []
        exist = all(i is not None and i < n for i in numbers)
        _require(exist, f"summary.rows: {key}", f"positions below {n}", numbers)


def _require(fits: bool, where: str, what: str, value: Any) -> None:
    if not fits:
        raise _WrongShapeError(f"{where} = {str(value)[:40]!r} instead of {what}")
