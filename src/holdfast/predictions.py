"""Prediction tables: the predictions of two models for the same rows, joined by id in DuckDB.

A *prediction table* has a column `prediction` (class) or columns `proba_<class>`, and optionally an
id, the truth, groups and weights.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast._validation import (
    as_array,
    check_choice,
    check_labels,
    check_proba,
    check_weights,
    class_index,
    union_classes,
)
from holdfast.exceptions import InvalidInputError
from holdfast.tables import Table, connect, fetch, fetch_sql, open_table, quoted, rows_of

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["PredictionPair", "read_predictions"]

_INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
_BOOLEANS = {"false": False, "0": False, "true": True, "1": True}


@dataclass(frozen=True)
class PredictionPair:
    """The predictions of a base and a new model for the same rows, in the base table's order.

    Attributes
    ----------
    base, new : ndarray of shape (n,) or (n, K)
        Labels, or probabilities whose columns are `classes`.
    classes : ndarray of shape (K,) or None
        All classes that occur as a column or a label, sorted by value; None where both tables have
        labels.
    y : ndarray of shape (n,) or None
        The truth.
    groups : dict of str to ndarray of shape (n,)
    sample_weight : ndarray of shape (n,) or None
    ids : ndarray of shape (n,) or None
        The ids that the tables were joined by.
    """

    base: NDArray[Any]
    new: NDArray[Any]
    classes: NDArray[Any] | None = None
    y: NDArray[Any] | None = None
    groups: dict[str, NDArray[Any]] = field(default_factory=dict)
    sample_weight: NDArray[np.float64] | None = None
    ids: NDArray[Any] | None = None


def read_predictions(
    base_path: str | os.PathLike[str],
    new_path: str | os.PathLike[str],
    *,
    id: str | None = None,  # noqa: A002  (the word of the command line)
    label: str | None = None,
    prediction: str = "prediction",
    proba_prefix: str = "proba_",
    groups: Sequence[str] = (),
    weight: str | None = None,
) -> PredictionPair:
    r"""Read the predictions of two models for the same rows.

    Parameters
    ----------
    base_path, new_path : path-like
        Two prediction tables, as for `read_table`.
    id : str, optional
        The column, in both tables, to join by. Without it rows are taken in order.
    label : str, optional
        The column with the truth, in either table; by default `label`, where there is one.
    prediction : str
        The column with the predicted class.
    proba_prefix : str
        What the names of probability columns start with; the rest is the class. Where a table has
        such columns they are used, not `prediction`. The class names become integers or booleans
        where the labels are.
    groups : sequence of str
        Columns of either table. A missing value is None, a group of its own.
    weight : str, optional
        The column with row weights, in either table.

    Returns
    -------
    PredictionPair
        Rows in the order of the base table. Probabilities of both models have the same columns;
        a class that one model does not know has zeros.

    Raises
    ------
    InvalidInputError
        When a file cannot be read, a column is missing, ids are missing, repeat, differ in type or
        are in one table only, row counts differ, a column that both tables have differs between
        them, values are missing, or both paths are the same file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "base.csv").write_text("id,prediction,label\n1,cat,cat\n2,dog,cat\n")
    >>> _ = (folder / "new.csv").write_text("id,prediction\n2,cat\n1,cat\n")
    >>> pair = read_predictions(folder / "base.csv", folder / "new.csv", id="id")
    >>> pair.base.tolist(), pair.new.tolist(), pair.y.tolist()
    (['cat', 'dog'], ['cat', 'cat'], ['cat', 'cat'])
    """
    side = (groups,) if isinstance(groups, str) else tuple(groups)
    with connect() as connection:
        base, new = _open_both(connection, Path(base_path), Path(new_path))
        if label is None and "label" in {*base.types, *new.types}:
            label = "label"
        wanted = {"label": label, "weight": weight, **{f"groups[{g!r}]": g for g in side}}
        extra = _existing(wanted, [*base.types, *new.types])
        outputs = [_output_columns(table, prediction, proba_prefix) for table in (base, new)]
        if id is None:
            _check_same_order(base, new)
        else:
            _check_ids(base, new, id)
        ids = [] if id is None else [id]
        frames = [
            fetch(base, [*outputs[0], *(c for c in extra if c in base.types), *ids]),
            _fetch_like(base, new, [*outputs[1], *(c for c in extra if c in new.types)], id),
        ]
    sides = [
        _Side(role, table.types, frame, columns)
        for role, table, frame, columns in zip(
            ("base_path", "new_path"), (base, new), frames, outputs, strict=True
        )
    ]
    y = None if label is None else _shared(sides, label, _labels)
    kind = _label_kind(sides, label, prediction)
    predicted, classes, y = _predictions(sides, proba_prefix, kind, y)
    return PredictionPair(
        base=predicted[0],
        new=predicted[1],
        classes=classes,
        y=y,
        groups={column: _shared(sides, column, _groups) for column in side},
        sample_weight=None if weight is None else _shared(sides, weight, _weights),
        ids=None if id is None else frames[0][id].to_numpy(),
    )


# --- pairs of tables -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """What was read of one of the two tables."""

    role: str
    types: dict[str, str]
    frame: pd.DataFrame
    outputs: list[str]


def _open_both(connection: duckdb.DuckDBPyConnection, base: Path, new: Path) -> tuple[Table, Table]:
    if base.exists() and new.exists() and base.samefile(new):
        raise InvalidInputError(
            f"base_path and new_path must be two files, got {base} and {new}, which are the same "
            "file and so the same model twice; give the predictions of the other model"
        )
    return open_table(connection, base, "base"), open_table(connection, new, "new")


def _existing(wanted: dict[str, str | None], columns: list[str]) -> list[str]:
    named = {parameter: column for parameter, column in wanted.items() if column is not None}
    return [check_choice(parameter, c, dict.fromkeys(columns)) for parameter, c in named.items()]


def _output_columns(table: Table, prediction: str, prefix: str) -> list[str]:
    proba = [c for c in table.types if c.startswith(prefix) and len(c) > len(prefix)]
    if len(proba) == 1:
        raise InvalidInputError(
            f"{table.path} must have one column {prefix}<class> per class, got only {proba[0]!r}; "
            "write the probabilities of all classes"
        )
    if not proba and prediction not in table.types:
        raise InvalidInputError(
            f"{table.path} must have a column {prediction!r} or columns {prefix}<class>, got "
            f"{', '.join(map(repr, table.types))}; name them with prediction= or proba_prefix="
        )
    return proba or [prediction]


def _kind(type_name: str) -> str:
    if re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?", type_name):
        return "integers"
    if re.match(r"FLOAT|DOUBLE|DECIMAL", type_name):
        return "real numbers"
    if re.match(r"VARCHAR|ENUM", type_name):
        return "text"
    return {"BOOLEAN": "booleans"}.get(type_name, type_name.lower())


def _check_same_kind(base: Table, new: Table, column: str) -> None:
    kinds = _kind(base.types[column]), _kind(new.types[column])
    if kinds[0] != kinds[1]:
        raise InvalidInputError(
            f"column {column!r} must have one type in both tables, got {kinds[0]} in {base.path} "
            f"and {kinds[1]} in {new.path}; write it the same way in both"
        )


def _check_same_order(base: Table, new: Table) -> None:
    if base.n != new.n:
        raise InvalidInputError(
            f"base_path and new_path must have the same number of rows, got {base.n} and {new.n}; "
            "give the same rows in the same order, or the column to join by with id="
        )
    if "id" not in base.types or "id" not in new.types:
        return
    _check_same_kind(base, new, "id")
    sql = "SELECT count(*) FROM base POSITIONAL JOIN new WHERE base.id IS DISTINCT FROM new.id"
    ((differ,),) = rows_of(base.connection, sql)
    if differ:
        raise InvalidInputError(
            f"rows of base_path and new_path must be in the same order, got {differ} of {base.n} "
            "rows whose column 'id' differs; pass id='id' to join by it"
        )


def _check_ids(base: Table, new: Table, id_column: str) -> None:
    for table in (base, new):
        check_choice(f"id (a column of {table.path})", id_column, table.types)
    _check_same_kind(base, new, id_column)
    for table in (base, new):
        _check_unique(table, id_column)
    ((base_only, example), (new_only, other)) = (
        rows_of(
            base.connection,
            f"SELECT count(*), min({quoted(id_column)}) FROM {one.name} "
            f"ANTI JOIN {two.name} USING ({quoted(id_column)})",
        )[0]
        for one, two in ((base, new), (new, base))
    )
    if base_only or new_only:
        raise InvalidInputError(
            f"ids must be in both tables, got {base_only} only in {base.path} and {new_only} only "
            f"in {new.path} (e.g. {example if base_only else other!r}); give both models the same "
            "rows"
        )


def _check_unique(table: Table, id_column: str) -> None:
    column, types = quoted(id_column), table.types
    real = _kind(types[id_column]) == "real numbers"
    missing = f"{column} IS NULL" + (f" OR isnan(CAST({column} AS DOUBLE))" if real else "")
    # Not as a filter: statistics in the file, which pass over NaN, would skip such rows.
    counted = f"SELECT count(CASE WHEN {missing} THEN 1 END) FROM {table.name}"
    ((n_missing,),) = rows_of(table.connection, counted)
    if n_missing:
        raise InvalidInputError(
            f"ids of {table.path} must not be missing, got {n_missing} of {table.n} rows without "
            "one; fill them or drop the rows"
        )
    repeats = f"SELECT {column} FROM {table.name} GROUP BY {column} HAVING count(*) > 1"
    ((n_repeated, example),) = rows_of(
        table.connection, f"SELECT count(*), min({column}) FROM ({repeats})"
    )
    if n_repeated:
        raise InvalidInputError(
            f"ids of {table.path} must be unique, got {n_repeated} that repeat (e.g. {example!r}); "
            "keep one row per id"
        )


def _fetch_like(base: Table, new: Table, columns: list[str], id_column: str | None) -> pd.DataFrame:
    """Read columns of `new` in the order of `base`."""
    if id_column is None:
        return fetch(new, columns)
    key = quoted(id_column)
    listed = ", ".join(f"new.{quoted(column)}" for column in dict.fromkeys(columns))
    numbered = f"(SELECT {key}, row_number() OVER () AS position FROM base) AS numbered"
    return fetch_sql(
        new, f"SELECT {listed} FROM new JOIN {numbered} USING ({key}) ORDER BY numbered.position"
    )


def _labels(name: str, values: Any) -> NDArray[Any]:
    labels = check_labels(name, values)
    # Integral real numbers are integers with a history of missing values.
    small = labels.dtype == "u8" and labels.max() <= np.iinfo(np.int64).max
    return labels.astype(np.int64) if labels.dtype.kind == "f" or small else labels


def _groups(name: str, values: Any) -> NDArray[Any]:
    """Return a column of groups with None where it is missing."""
    groups = as_array(name, values)
    missing = np.asarray(values.isna())
    if missing.any():
        groups = groups.astype(object)
        groups[missing] = None
    return groups


def _weights(name: str, values: Any) -> NDArray[np.float64]:
    return check_weights(name, values, len(values))


def _shared(
    sides: list[_Side], column: str, check: Callable[[str, Any], NDArray[Any]]
) -> NDArray[Any]:
    """Return a column of either table; where both have it they must agree."""
    found = [
        check(f"column {column!r} of {side.role}", side.frame[column])
        for side in sides
        if column in side.frame
    ]
    differ = int(np.count_nonzero(found[0] != found[-1]))
    if differ:
        raise InvalidInputError(
            f"column {column!r} must be equal in both tables, got {differ} of {len(found[0])} rows "
            "that differ; correct it, or keep it in one table"
        )
    return found[0]


def _label_kind(sides: list[_Side], label: str | None, prediction: str) -> str:
    """Return the type of the labels, which says what the names of probability columns mean."""
    for column in (label, prediction):
        for side in sides:
            if column in side.types:
                return _kind(side.types[column])
    return "text"


def _predictions(
    sides: list[_Side], prefix: str, kind: str, y: NDArray[Any] | None
) -> tuple[list[NDArray[Any]], NDArray[Any] | None, NDArray[Any] | None]:
    named: dict[str, NDArray[Any]] = {} if y is None else {"label": y}
    values = []
    for side in sides:
        if len(side.outputs) > 1:
            name = f"columns {prefix}* of {side.role}"
            values.append(check_proba(name, side.frame[side.outputs].to_numpy()))
            texts = [column[len(prefix) :] for column in side.outputs]
            named[name] = _class_values(name, texts, kind)
        else:
            name = f"column {side.outputs[0]!r} of {side.role}"
            values.append(_labels(name, side.frame[side.outputs[0]]))
            named[name] = values[-1]
    classes = union_classes(**named)
    if classes.dtype.kind in "iu":  # booleans beside integers
        values = [v.astype(classes.dtype) if v.dtype.kind == "b" else v for v in values]
        y = y.astype(classes.dtype) if y is not None and y.dtype.kind == "b" else y
    if all(array.ndim == 1 for array in values):
        return values, None, y
    aligned = [
        _align(array, own, classes) if array.ndim == 2 else array
        for array, own in zip(values, list(named.values())[-2:], strict=True)
    ]
    return aligned, classes, y


def _class_values(name: str, texts: list[str], kind: str) -> NDArray[Any]:
    """Return the classes that `texts` name, as values of the labels' type where all are."""
    values: NDArray[Any] = np.array(texts, dtype=object)
    if kind in ("integers", "real numbers") and all(_INTEGER.fullmatch(text) for text in texts):
        values = np.array([int(text.partition(".")[0]) for text in texts], dtype=np.int64)
    elif kind == "booleans" and all(text.lower() in _BOOLEANS for text in texts):
        values = np.array([_BOOLEANS[text.lower()] for text in texts])
    if len(np.unique(values)) < len(values):
        raise InvalidInputError(
            f"{name} must name each class once, got {', '.join(texts)}, of which some are equal "
            "as values; rename or drop the extra columns"
        )
    return values


def _align(
    proba: NDArray[np.floating], own: NDArray[Any], classes: NDArray[Any]
) -> NDArray[np.floating]:
    """Bring columns in the order of `own` to `classes`; a class that is not in `own` gets zeros."""
    aligned = np.zeros((len(proba), len(classes)), dtype=proba.dtype)
    aligned[:, class_index(own, classes)] = proba
    return aligned
