"""`count_tables` and `compare_tables`: compare two models by tables of their predictions.

A *prediction table* has a column `prediction` (class) or columns `proba_<class>`, and optionally an
id, the truth, groups and weights. It is either a file, a folder or a pattern of files, or a data
frame of any library. DuckDB reads, joins and counts files, on disk where memory does not suffice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw

from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.result import Comparison
from holdfast.comparison.scores import TOLERANCE, ScoreComparison
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.deciding import decider
from holdfast.predictions.exact import exact_frames
from holdfast.predictions.order import check_order
from holdfast.predictions.pairing import Pairing
from holdfast.predictions.sides import ROLES, ColumnNames, sides_of
from holdfast.tables.reading import connect, open_table, reading

if TYPE_CHECKING:
    import duckdb
from holdfast.predictions.pairs import Pairs

__all__ = ["compare_score_tables", "compare_tables", "count_tables", "open_pairs"]


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
        The tables, as in `count_tables`.
    confidence : float
        Confidence level of the intervals, as in `compare`.
    max_group_churn : float, optional
        Limit on each group's churn, as in `compare`.
    **columns
        The other parameters of `count_tables`, which name the columns and limit the memory.

    Returns
    -------
    Comparison
        The same as that of `compare` on the same rows.

    Raises
    ------
    InvalidInputError
        In the cases in which `count_tables` or `compare` raises it.

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


def compare_score_tables(
    base: Any,
    new: Any = None,
    *,
    score: str,
    tolerance: float = TOLERANCE,
    confidence: float = 0.95,
    seed: int = 0,
    **columns: Any,
) -> ScoreComparison:
    """Compare the scores of two models in tables of any size.

    Parameters
    ----------
    base, new : path-like or data frame
        The tables, as in `count_tables`.
    score : str
        The column with the probability of the positive class.
    tolerance, confidence, seed
        As in `compare_scores`.
    **columns
        The other parameters of `count_tables`, such as `rule` and `positive`. A rule sets the
        threshold or the bounds at which rows are swapped or move.

    Returns
    -------
    ScoreComparison
        The same as that of `compare_scores` on the same rows.

    Raises
    ------
    InvalidInputError
        In the cases in which `count_tables` or `compare_scores` raises it.

    Examples
    --------
    >>> import polars as pl
    >>> from holdfast.rules import Threshold
    >>> rows = pl.DataFrame({"old": [0.1, 0.4, 0.8], "new": [0.2, 0.6, 0.9], "label": [0, 1, 1]})
    >>> rule = Threshold(0.5, positive=1)
    >>> found = compare_score_tables(rows, score="old", new_score="new", rule=rule)
    >>> found.swaps.swapped_in.n, found.swaps.swapped_in.positive_rate
    (1, 1.0)
    """
    with open_pairs(base, new, score=score, **columns) as pairs:
        counts = pairs.counted().scores
        assert counts is not None  # there is a score
        return pairs.score_comparison(counts, tolerance=tolerance, confidence=confidence, seed=seed)


def count_tables(base: Any, new: Any = None, **columns: Any) -> PairedCounts:
    """Count the rows of two prediction tables without loading them.

    Parameters
    ----------
    base, new : path-like or data frame
        A path names a Parquet, CSV or Arrow file, as in `read_table`; a folder of Parquet or CSV
        files, whose `key=value` subfolders become columns; or a pattern such as
        ``"day=*/part-*.parquet"``. A data frame may be of any library that narwhals knows, such as
        Polars (also lazy), pandas, DuckDB or Spark, which then counts the rows itself; both frames
        must be of the same library. If `new` is left out, the table of `base` also holds the new
        model's predictions, in the columns that `new_prediction` or `new_proba_prefix` names.
    id : str, optional
        The column to join by, which both tables have. Without it, the rows of files are paired in
        their order, and columns that both files have must then be equal in every row. Data frames
        need it.
    label : str, optional
        The column with the truth, in either table. By default it is `label`, if there is one. The
        truth may be missing in some rows, as in `compare`.
    prediction : str
        The column with the predicted class.
    new_prediction : str, optional
        Its name in the new table, if it differs.
    proba_prefix : str
        The start of the names of probability columns; the rest of a name is the class. If a
        table has such columns and `prediction`, the latter holds the answers. In one table of both
        models it is the base model's, unless `new_prediction` names another. The class names become
        integers or booleans if the labels are.
    new_proba_prefix : str, optional
        That start in the new table, if it differs.
    groups : sequence of str
        Group columns, of either table. Rows with a missing value form a group of their own, whose
        value is None.
    weight : str, optional
        The column with row weights, in either table.
    score : str, optional
        The column with the probability of the positive class, where the table has no column of
        probabilities for each class.
    new_score : str, optional
        Its name in the new table, if it differs.
    rule : Rule or pair of (Rule or None), optional
        What turns probabilities or scores into answers: one rule for both models, or one for each.
        A column of predicted classes beside them must hold the same answers. Without a rule these
        count, or else the most probable class does.
    positive : object, optional
        The positive class, whose probability the scores are. By default it is that which the rule
        names, or 1 or True.
    by_position : bool
        Whether the rows of two files belong together in their order although columns other than
        answers, probabilities and weights differ. By default such columns are an error, since they
        show that the rows are not the same.
    group_measures : bool
        Whether to count the answers within each group, too, as in `compare`.
    memory_limit : str, optional
        The memory that DuckDB may use for files, such as "512MB". By default it is 80 % of the
        machine's memory.
    temp_dir : path-like, optional
        The folder in which DuckDB stores what does not fit into memory. By default it is the
        system's folder for temporary files. Nothing remains there.

    Returns
    -------
    PairedCounts
        The counts of several parts can be added: ``sum(count_tables(part) for part in parts)``.

    Raises
    ------
    InvalidInputError
        When a file cannot be read; a column or values are missing; ids are missing, repeat, differ
        in type or are in one table only; the numbers of rows differ; a column of both tables
        differs between them where it must not; or both tables are the same and have the same
        columns.

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
    id: str | None = None,  # noqa: A002  (as on the command line)
    label: str | None = None,
    prediction: str = "prediction",
    new_prediction: str | None = None,
    proba_prefix: str = "proba_",
    new_proba_prefix: str | None = None,
    groups: Sequence[str] = (),
    weight: str | None = None,
    score: str | None = None,
    new_score: str | None = None,
    rule: Any = None,
    positive: Any = None,
    by_position: bool = False,
    group_measures: bool = False,
    memory_limit: str | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
) -> Iterator[Pairs]:
    """Open two tables for counting; for parameters and errors see `count_tables`.

    `rule` may also be a callable that takes the classes and returns a `Deciding`.
    """
    names = ColumnNames(
        id,
        label,
        (prediction, new_prediction or prediction),
        (proba_prefix, new_proba_prefix or proba_prefix),
        (groups,) if isinstance(groups, str) else tuple(groups),
        weight,
        (score, new_score or score),
        rule if callable(rule) else decider(rule, positive),
        group_measures,
    )
    _check_by_position(by_position, base, new, id)
    if not _is_path(base):
        for parameter, value in (("memory_limit", memory_limit), ("temp_dir", temp_dir)):
            if value is not None:
                raise InvalidInputError(
                    f"{parameter} must be left out for data frames, got {value!r}; set it in the "
                    "library of the frame"
                )
        # DuckDB joins and counts Arrow tables, since pyarrow cannot join columns of many types.
        with connect() if _is_arrow(base) else nullcontext() as engine:
            yield _pairs_of_frames(base, new, names, engine)
        return
    with connect(memory_limit, temp_dir) as connection:
        yield _pairs_of_files(connection, base, new, names, by_position=by_position)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _check_by_position(by_position: bool, base: Any, new: Any, id: str | None) -> None:  # noqa: A002
    if by_position and (id is not None or new is None or not _is_path(base)):
        other = f"id={id!r}" if id is not None else "one table" if new is None else "data frames"
        raise InvalidInputError(
            f"by_position must only be given for two files without id, got it with {other}; leave "
            f"{'one of the two out' if id is not None else 'it out'}"
        )


def _is_arrow(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pyarrow"


def _pairs_of_files(
    connection: duckdb.DuckDBPyConnection,
    base: Any,
    new: Any,
    names: ColumnNames,
    *,
    by_position: bool,
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
    table_names = [str(table.path) for table in tables]
    if same:
        lazy, table_names = lazy * 2, table_names * 2
    with reading(*(table.path for table in tables), limits=True):
        lazy = exact_frames(lazy, table_names, names)
        pairing = Pairing(sides_of(lazy, table_names, names), names)
    source = (tuple(table.path for table in tables), connection)
    if same:
        return Pairs(pairing.single(), pairing, *source)
    if names.id is not None:
        return Pairs(pairing.joined(), pairing, *source, joined=True)
    if tables[0].n != tables[1].n:
        raise InvalidInputError(
            "base and new must have the same number of rows, got "
            f"{tables[0].n} and {tables[1].n}; give the same rows in the same order, or the column "
            "to join by with id="
        )
    if not by_position:
        with reading(*source[0], limits=True):
            check_order(connection, pairing)
    return Pairs(pairing.in_order(connection), pairing, *source)


def _pairs_of_frames(
    base: Any, new: Any, names: ColumnNames, engine: duckdb.DuckDBPyConnection | None
) -> Pairs:
    if new is None or new is base:
        _check_two_models([base], names)
        lazy, table_names = [_lazy("base", base, engine)] * 2, ["the table"] * 2
        lazy = exact_frames(lazy, table_names, names)
        pairing = Pairing(sides_of(lazy, table_names, names), names)
        return Pairs(pairing.single(), pairing, connection=engine)
    if names.id is None:
        raise InvalidInputError(
            "id must name the column that joins two data frames, got None; rows of frames have no "
            "order to rely on"
        )
    frames = dict(zip(ROLES, (base, new), strict=True))
    kinds = [_lazy(role, frame).implementation for role, frame in frames.items()]
    if kinds[0] is not kinds[1]:
        raise InvalidInputError(
            f"base and new must be frames of one library, got {kinds[0].value} and "
            f"{kinds[1].value}; convert one"
        )
    lazy = [_lazy(role, frame, engine) for role, frame in frames.items()]
    lazy = exact_frames(lazy, ROLES, names)
    pairing = Pairing(sides_of(lazy, ROLES, names), names)
    return Pairs(pairing.joined(), pairing, connection=engine, joined=True)


def _lazy(
    name: str, frame: Any, engine: duckdb.DuckDBPyConnection | None = None
) -> nw.LazyFrame[Any]:
    """Return a frame of any library; Arrow tables become relations of the engine's, if given."""
    try:
        if engine is not None:
            return nw.from_native(engine.from_arrow(frame)).lazy()
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
            f"base and new must be two models, got {' and '.join(map(_name_of, tables))} "
            "with the same columns; give the other model's table, or its columns with "
            "new_prediction=, new_proba_prefix= or new_score="
        )


def _name_of(table: Any) -> str:
    return str(table) if _is_path(table) else "one frame"
