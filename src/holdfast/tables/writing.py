"""Writing of tables: a file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.common.files import replace_file
from holdfast.common.parameters import require
from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError, MissingExtraError
from holdfast.tables.paths import ARROW_SUFFIXES, CSV_SUFFIXES, suffix_of
from holdfast.tables.reading import NEVER_TEXT, check_columns, connect, reason_of, said_by_system
from holdfast.tables.spreadsheets import escaped_name, is_formula
from holdfast.tables.sql import quoted, rows_of

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["write_table"]


def write_table(frame: Any, path: str | os.PathLike[str]) -> None:
    """Write a data frame to a Parquet, CSV or Arrow file, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame, or an eager frame of another library that narwhals knows
        The table. Its index is not written.
    path : path-like
        The file, whose ending names the format as for `read_table`. An existing file is replaced.

    Raises
    ------
    InvalidInputError
        When `frame` is not a data frame, has no rows, or has two columns of the same name, and when
        `path` has another ending or cannot be written.
    MissingExtraError
        When an Arrow file is written without pyarrow.

    Warns
    -----
    UserWarning
        When a CSV file gets empty text, which is read as a missing value.

    Notes
    -----
    Text in a CSV file that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return would
    run as a formula in a spreadsheet. Such cells and column names get a leading apostrophe, unless
    they are plain numbers. If they already begin with apostrophes, they get one more. `read_table`
    removes exactly the one that was added, so it returns the table unchanged, except that empty
    text is a missing value in a CSV file; Parquet and Arrow files keep it.

    Examples
    --------
    >>> import pandas as pd, pathlib, tempfile
    >>> from holdfast.tables import read_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "table.parquet"
    >>> write_table(pd.DataFrame({"id": [1, 2], "prediction": ["cat", "dog"]}), path)
    >>> read_table(path)["id"].tolist()
    [1, 2]
    """
    import duckdb

    target = Path(path)
    suffix = suffix_of(target)
    table = _as_pandas(frame)
    check_columns("frame", [str(column) for column in table.columns])
    if not len(table):
        raise InvalidInputError("frame must have at least one row, got none; give the rows")
    with replace_file(target) as temporary:
        try:
            _write(table, temporary, suffix)
        except duckdb.OutOfMemoryException as error:
            raise MemoryError(reason_of(error)) from error
        except duckdb.IOException as error:
            raise InvalidInputError(
                f"{target} must be writable, got: {said_by_system(error)}; make room or choose "
                "another place"
            ) from error
        except (duckdb.Error, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"frame must have columns that a {suffix} file can hold, got: {reason_of(error)}; "
                "convert them to numbers, text or dates"
            ) from error


def _as_pandas(frame: Any) -> pd.DataFrame:
    import narwhals as nw

    try:
        return nw.from_native(frame, eager_only=True).to_pandas()
    except nw.exceptions.DuplicateError as error:
        raise InvalidInputError(
            f"frame must have column names that differ, got {list(frame.columns)}; rename them"
        ) from error
    except TypeError as error:
        raise InvalidInputError(
            f"frame must be a data frame, got {type(frame).__name__}; e.g. pandas.DataFrame(...)"
        ) from error
    except ImportError as error:
        raise MissingExtraError(
            f"writing a {type(frame).__module__.partition('.')[0]} frame needs pyarrow, which is "
            "not installed; run: pip install 'holdfast[arrow]'"
        ) from error


def _write(frame: pd.DataFrame, path: Path, suffix: str) -> None:
    if suffix in ARROW_SUFFIXES:
        pa = require("pyarrow", extra="arrow", purpose="writing an Arrow file")
        ipc = require("pyarrow.ipc", extra="arrow", purpose="writing an Arrow file")
        table = pa.Table.from_pandas(frame, preserve_index=False)
        with ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
        return
    form = "FORMAT parquet, COMPRESSION zstd"
    if suffix in CSV_SUFFIXES:
        delimiter = "\t" if suffix.startswith(".tsv") else ","
        packing = "gzip" if suffix.endswith(".gz") else "none"
        form = f"FORMAT csv, HEADER, DELIMITER '{delimiter}', COMPRESSION {packing}"
    target = "'" + str(path).replace("'", "''") + "'"
    with connect() as connection:
        _register(connection, frame)
        columns = "*"
        if suffix in CSV_SUFFIXES:
            columns = _escaped_columns(connection, "frame")
            form += _quoting(connection, "frame")
            _warn_of_empty_text(connection, suffix)
        # The path is a temporary file already; a second one would stay behind after a kill.
        query = f"SELECT {columns} FROM frame"
        connection.execute(f"COPY ({query}) TO {target} ({form}, USE_TMP_FILE false)")


def _warn_of_empty_text(connection: duckdb.DuckDBPyConnection, suffix: str) -> None:
    """Warn of empty text, which no reader of such a file can tell from a missing value."""
    kinds = {row[0]: row[1] for row in rows_of(connection, "DESCRIBE frame")}
    texts = [name for name, kind in kinds.items() if kind == "VARCHAR" or kind.startswith("ENUM")]
    if not texts:
        return
    counts = ", ".join(f"count(*) FILTER ({quoted(name)} = '')" for name in texts)
    (found,) = rows_of(connection, f"SELECT {counts} FROM frame")
    for name, n in zip(texts, found, strict=True):
        if n:
            warn(
                f"column {name!r} has empty text in {n:,} rows, which is read as missing from a "
                f"{suffix} file; write a .parquet file to keep it"
            )


def _register(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    import duckdb

    try:
        connection.register("frame", frame)
    except duckdb.Error:  # for views that run backwards in memory, such as frame.iloc[::-1]
        connection.register("frame", frame.copy())


def _quoting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the option that quotes all, names included, where a value has several lines.

    Without it, a reader could take the lines for rows.
    """
    texts = [
        f"CAST({quoted(column)} AS VARCHAR)"
        for column, kind, *_ in rows_of(connection, f"DESCRIBE {name}")
        if not NEVER_TEXT.match(kind)
    ]
    breaks = " OR ".join(f"contains({t}, chr(10)) OR contains({t}, chr(13))" for t in texts)
    tests = f"SELECT coalesce(bool_or({breaks or 'false'}), false) FROM {name}"
    return ", FORCE_QUOTE *" if rows_of(connection, tests)[0][0] else ""


def _escaped_columns(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the columns of a query, with every text that would be a formula escaped."""
    listed = []
    for column, kind, *_ in rows_of(connection, f"DESCRIBE {name}"):
        value = quoted(column)
        if not NEVER_TEXT.match(kind):
            text = f"CAST({value} AS VARCHAR)"
            value = f"CASE WHEN {is_formula(text)} THEN '''' || {text} ELSE {text} END"
        listed.append(f"{value} AS {quoted(escaped_name(column))}")
    return ", ".join(listed)
