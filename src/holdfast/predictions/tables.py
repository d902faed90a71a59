"""Prediction tables: the predictions of two models for the same rows, counted where they live.

A *prediction table* has a column `prediction` (class) or columns `proba_<class>`, and optionally an
id, the truth, groups and weights. It is a file, a folder or a pattern of files, which DuckDB reads,
joins and counts, on disk where memory does not suffice; or a data frame of any kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.pairing import ROLES, ColumnNames, Pairing, sides_of
from holdfast.tables.reading import connect, open_table

if TYPE_CHECKING:
    import duckdb
from holdfast.predictions.pairs import Pairs

__all__ = ["compare_tables", "count_tables", "open_pairs"]


def compare_tables(
    base: Any,
    new: Any = None,
    *,
    confidence: float = 0.95,
    max_group_churn: float | None = None,
    **columns: Any,
) -> Comparison:
    r"""Compare the predictions of two models in tables of any size.

    Parameters
    ----------
    base, new : path-like or data frame
        As for `count_tables`.
    confidence, max_group_churn
        As for `compare`.
    **columns
        The other parameters of `count_tables`: which columns are what, and memory.

    Returns
    -------
    Comparison
        That of `compare` on the same rows.

    Raises
    ------
    InvalidInputError
        As `count_tables` and `compare` do.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "base.csv").write_text("id,prediction,label\n1,cat,cat\n2,dog,cat\n")
    >>> _ = (folder / "new.csv").write_text("id,prediction\n2,cat\n1,cat\n")
    >>> compare_tables(folder / "base.csv", folder / "new.csv", id="id").accuracy_gain
    0.5
    """
    counts = count_tables(base, new, **columns)
    return Comparison.from_counts(counts, confidence=confidence, max_group_churn=max_group_churn)


def count_tables(base: Any, new: Any = None, **columns: Any) -> PairedCounts:
    """Count the rows of two prediction tables, where they live.

    Parameters
    ----------
    base, new : path-like or data frame
        Paths: a Parquet, CSV or Arrow file, as for `read_table`; a folder of Parquet or CSV files,
        whose `key=value` subfolders are columns; or a pattern such as ``"day=*/part-*.parquet"``.
        Frames: whatever narwhals knows, both of one kind, such as Polars (also lazy), pandas,
        DuckDB relations and Spark; they are counted by the library that they are of. Left out,
        `new` is the same table as `base`, in the columns that `new_prediction` names.
    id : str, optional
        The column, in both tables, to join by. Without it rows of files are taken in order;
        frames need it.
    label : str, optional
        The column with the truth, in either table; by default `label`, where there is one.
    prediction, new_prediction : str
        The column with the predicted class; `new_prediction` in the new table where it has another
        name there.
    proba_prefix, new_proba_prefix : str
        What the names of probability columns start with; the rest is the class. Where a table has
        such columns they are used, not `prediction`. The class names become integers or booleans
        where the labels are.
    groups : sequence of str
        Columns of either table. A missing value is None, a group of its own.
    weight : str, optional
        The column with row weights, in either table.
    memory_limit : str, optional
        For paths: what DuckDB may use, such as "512MB"; by default 80 % of the machine's memory.
    temp_dir : path-like, optional
        For paths: where DuckDB writes what does not fit; by default the system's folder for
        temporary files. Nothing stays there.

    Returns
    -------
    PairedCounts
        Counts of parts add up: ``sum(count_tables(part) for part in parts)``.

    Raises
    ------
    InvalidInputError
        When a file cannot be read, a column is missing, ids are missing, repeat, differ in type or
        are in one table only, row counts differ, a column that both tables have differs between
        them, values are missing, or both are the same table with the same columns.

    Examples
    --------
    >>> import polars as pl
    >>> rows = pl.LazyFrame({"old": ["a", "a", "b"], "new": ["a", "b", "b"]})
    >>> count_tables(rows, prediction="old", new_prediction="new").n
    3
    """
    with open_pairs(base, new, **columns) as pairs:
        return pairs.counts()


# --- opening -------------------------------------------------------------------------------------


@contextmanager
def open_pairs(
    base: Any,
    new: Any = None,
    *,
    id: str | None = None,  # noqa: A002  (the word of the command line)
    label: str | None = None,
    prediction: str = "prediction",
    new_prediction: str | None = None,
    proba_prefix: str = "proba_",
    new_proba_prefix: str | None = None,
    groups: Sequence[str] = (),
    weight: str | None = None,
    memory_limit: str | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
) -> Iterator[Pairs]:
    """Open two tables for counting; parameters and errors are those of `count_tables`."""
    names = ColumnNames(
        id,
        label,
        (prediction, new_prediction or prediction),
        (proba_prefix, new_proba_prefix or proba_prefix),
        (groups,) if isinstance(groups, str) else tuple(groups),
        weight,
    )
    if not _is_path(base):
        for parameter, value in (("memory_limit", memory_limit), ("temp_dir", temp_dir)):
            if value is not None:
                raise InvalidInputError(
                    f"{parameter} must be left out for data frames, got {value!r}; set it in the "
                    "library that the frame is of"
                )
        yield _pairs_of_frames(base, new, names)
        return
    with connect(memory_limit, temp_dir) as connection:
        yield _pairs_of_files(connection, base, new, names)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _pairs_of_files(
    connection: duckdb.DuckDBPyConnection, base: Any, new: Any, names: ColumnNames
) -> Pairs:
    if new is not None and not _is_path(new):
        raise InvalidInputError(
            f"new must be a path where base is one, got {type(new).__name__}; give both as paths"
        )
    paths = [Path(base)] if new is None else [Path(base), Path(new)]
    _check_two_models(paths, names)
    same = new is None or (all(path.exists() for path in paths) and paths[0].samefile(paths[1]))
    tables = [
        open_table(connection, path, role)
        for path, role in zip(paths[: 1 if same else 2], ROLES, strict=False)
    ]
    lazy = [nw.from_native(connection.table(table.name)) for table in tables]
    told = [str(table.path) for table in tables]
    if same:
        lazy, told = lazy * 2, told * 2
    pairing = Pairing(sides_of(lazy, told, names), names)
    where = (tuple(table.path for table in tables), connection)
    if same:
        return Pairs(pairing.single(), pairing, *where)
    if names.id is not None:
        return Pairs(pairing.joined(), pairing, *where, joined=True)
    if tables[0].n != tables[1].n:
        raise InvalidInputError(
            "base and new must have the same number of rows, got "
            f"{tables[0].n} and {tables[1].n}; give the same rows in the same order, or the column "
            "to join by with id="
        )
    return Pairs(pairing.in_order(connection), pairing, *where)


def _pairs_of_frames(base: Any, new: Any, names: ColumnNames) -> Pairs:
    if new is None or new is base:
        _check_two_models([base], names)
        lazy = [_lazy("base", base)] * 2
        pairing = Pairing(sides_of(lazy, ["the table"] * 2, names), names)
        return Pairs(pairing.single(), pairing)
    if names.id is None:
        raise InvalidInputError(
            "id must name the column that joins two data frames, got None; rows of frames have no "
            "order to rely on"
        )
    lazy = [_lazy("base", base), _lazy("new", new)]
    kinds = [frame.implementation for frame in lazy]
    if kinds[0] is not kinds[1]:
        raise InvalidInputError(
            f"base and new must be frames of one library, got {kinds[0].value} and "
            f"{kinds[1].value}; convert one"
        )
    pairing = Pairing(sides_of(lazy, ["base", "new"], names), names)
    return Pairs(pairing.joined(), pairing, joined=True)


def _lazy(name: str, frame: Any) -> nw.LazyFrame[Any]:
    try:
        return nw.from_native(frame).lazy()
    except TypeError as error:
        raise InvalidInputError(
            f"{name} must be a path or a data frame, got {type(frame).__name__}; e.g. a Parquet "
            "file, a Polars frame or a DuckDB relation"
        ) from error


def _check_two_models(tables: Sequence[Any], names: ColumnNames) -> None:
    existing = [table for table in tables if not _is_path(table) or Path(table).exists()]
    twice = len(tables) == 1 or (len(existing) == 2 and Path(tables[0]).samefile(tables[1]))
    if twice and names.same_columns:
        raise InvalidInputError(
            f"base and new must be two models, got {' and '.join(map(str, map(_told, tables)))} "
            "with the same columns; give the other model's table, or its columns with "
            "new_prediction= or new_proba_prefix="
        )


def _told(table: Any) -> Any:
    return table if _is_path(table) else "one frame"
