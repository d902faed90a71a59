"""Prediction tables: the predictions of two models for the same rows, counted where they live.

A *prediction table* has a column `prediction` (class) or columns `proba_<class>`, and optionally an
id, the truth, groups and weights. It is a file, a folder or a pattern of files, which DuckDB reads,
joins and counts, on disk where memory does not suffice; or a data frame of any kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_labels
from holdfast.comparison.counting import PairedCounts
from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.faults import raise_faults, raise_ids, size_of
from holdfast.predictions.frames import Answers, PairFrame, collected, count_frame, with_classes
from holdfast.predictions.pairing import ROLES, ColumnNames, Pairing, sides_of
from holdfast.report.rows import MOST_OF_ONE, worst_first
from holdfast.tables.reading import connect, open_table, reading

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["Pairs", "PredictionPair", "compare_tables", "count_tables", "open_pairs"]


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


@dataclass(frozen=True)
class PredictionPair:
    """The answers of two models for the same rows, in memory.

    Attributes
    ----------
    base, new : ndarray of shape (n,) or (n, K)
        Labels, or probabilities whose columns are `classes`.
    classes : ndarray of shape (K,) or None
    y : ndarray of shape (n,) or None
    groups : dict of str to ndarray of shape (n,)
    sample_weight : ndarray of shape (n,) or None
    ids : ndarray of shape (n,) or None
    """

    base: NDArray[Any]
    new: NDArray[Any]
    classes: NDArray[Any] | None = None
    y: NDArray[Any] | None = None
    groups: dict[str, NDArray[Any]] = field(default_factory=dict)
    sample_weight: NDArray[np.float64] | None = None
    ids: NDArray[Any] | None = None


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


# --- counting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Two models' answers for the same rows, ready to be counted.

    Attributes
    ----------
    pairs : PairFrame
    pairing : Pairing
        How it was made of the two tables.
    paths : tuple of Path
        Of files, for errors of reading.
    connection : duckdb.DuckDBPyConnection or None
        That of files.
    joined : bool
        By id.
    """

    pairs: PairFrame
    pairing: Pairing
    paths: tuple[Path, ...] = ()
    connection: duckdb.DuckDBPyConnection | None = None
    joined: bool = False

    def counts(self) -> PairedCounts:
        """Return the counts of all rows; raise InvalidInputError for rows that cannot be."""
        with reading(*self.paths):
            counts, failed = count_frame(self._ready())
            wrong = {name: n for name, n in failed.items() if n}
            if wrong:
                raise_faults(self.pairing, wrong)
            if counts is None:
                raise InvalidInputError(
                    "tables must have at least one row, got none; give the rows"
                )
            sizes = {size_of(side.frame) for side in self.pairing.sides} if self.joined else set()
            if sizes - {counts.n}:
                raise_ids(self.pairing)
                raise ValueError("the tables' numbers of rows differ from what can be read")
        weight = self.pairing.names.weight
        if weight is not None and not counts.pair_cells.sum() > 0:
            raise InvalidInputError(
                f"column {weight!r} must have a positive sum, got only zeros; give weights"
            )
        return counts

    def _ready(self) -> PairFrame:
        """Keep what DuckDB joined where more than one pass is to come."""
        if len(self.pairs.groups) < 2 or not self.joined or self.connection is None:
            return self.pairs
        native: Any = nw.to_native(self.pairs.frame)
        native.to_table("joined_pairs")
        return replace(self.pairs, frame=nw.from_native(self.connection.table("joined_pairs")))

    def changed(
        self, comparison: Comparison, *, most_of_one: int = MOST_OF_ONE, most_groups: int = 200
    ) -> PredictionPair:
        """Return rows whose answer changed: of each change and of the worst groups the surest.

        Parameters
        ----------
        comparison : Comparison
            Of the same rows.
        most_of_one : int
            Rows of each pair of classes, and of each group.
        most_groups : int
            Groups whose rows are returned, the worst first as the report orders them.
        """
        pairs = self.pairs
        frame = with_classes(pairs)
        frame = frame.filter(nw.col("base") != nw.col("new"))
        surest = nw.lit(1.0)  # labels do not tell
        if pairs.new.proba_classes:
            surest = nw.max_horizontal(*pairs.new.columns)
        order = ["unsure", *(["id"] if "id" in frame.collect_schema().names() else [])]
        frame = frame.with_columns(unsure=-surest, one=nw.lit(1))
        place = nw.col("one").cum_sum()
        wanted = place.over("base", "new", order_by=order) <= most_of_one
        order_of = worst_first([vars(group) for group in comparison.groups])
        worst = [comparison.groups[i] for i in order_of[:most_groups]]
        for i, column in enumerate(pairs.groups):
            group = nw.col(f"group_{i}")
            values = [found.value for found in worst if found.column == column]
            among = group.is_in([value for value in values if value is not None])
            if None in values:
                among = among | group.is_null()
            own = place.over(f"group_{i}", order_by=order) <= most_of_one
            wanted = wanted | (among & own)
        frame = frame.with_columns(wanted=wanted).filter(nw.col("wanted"))
        with reading(*self.paths):
            rows = collected(frame.sort(*order))
        classes = pairs.base.proba_classes or pairs.new.proba_classes
        return PredictionPair(
            base=self._answers(rows, pairs.base),
            new=self._answers(rows, pairs.new),
            classes=np.array(classes) if classes else None,
            y=_column(rows, "truth") if pairs.has_truth else None,
            groups={name: _column(rows, f"group_{i}") for i, name in enumerate(pairs.groups)},
            ids=_column(rows, "id") if "id" in rows else None,
        )

    @staticmethod
    def _answers(rows: pd.DataFrame, model: Answers) -> NDArray[Any]:
        if model.proba_classes:
            return rows[model.columns].to_numpy(dtype=np.float64)
        return check_labels(model.role, rows[model.role]) if len(rows) else np.empty(0)


def _column(rows: pd.DataFrame, name: str) -> NDArray[Any]:
    values = rows[name].astype(object)
    return values.where(values.notna(), None).to_numpy()
