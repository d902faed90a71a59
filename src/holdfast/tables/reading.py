"""Reading of tables: a file is read whole or refused."""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holdfast.common.files import temporary_folder
from holdfast.common.parameters import require
from holdfast.exceptions import InvalidInputError
from holdfast.tables.delimited import open_csv
from holdfast.tables.parts import open_parquet
from holdfast.tables.paths import ARROW_SUFFIXES, files_of, suffix_of
from holdfast.tables.sql import quoted, rows_of

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = [
    "Table",
    "connect",
    "fetch",
    "fetch_sql",
    "open_table",
    "ordinary_columns",
    "quoted",
    "read_as_text",
    "read_table",
    "reading",
    "rows_of",
]

MAX_REASON = 200
_MEMORY = re.compile(r"\d+(\.\d+)?\s*([kmgt]i?)?b", re.IGNORECASE)
_NOT_IN_PANDAS = re.compile(r"U?HUGEINT|DECIMAL")
_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
NEVER_TEXT = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*|BOOLEAN)$")


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Read a Parquet, CSV or Arrow table whole.

    Parameters
    ----------
    path : path-like
        A file, a folder of files, or a pattern such as ``"part-*.csv"``.

        Parquet files end in `.parquet`. CSV files end in `.csv` or `.tsv`, perhaps followed by
        `.gz`; they are UTF-8 and have a header and as many values in every row. Arrow files end in
        `.arrow`, `.feather` or `.ipc` and need the extra `arrow`.

        A folder or a pattern holds Parquet or CSV files, whose `key=value` folders become columns.
        The files have the same columns, in any order, whose types hold the values of all files.

    Returns
    -------
    pandas.DataFrame
        The table. Integers with missing values become real numbers. In CSV files `true` and `false`
        are booleans; dates, numbers with leading zeros and integers beyond 64 bits stay text, with
        all values of their column. The apostrophe that
        `write_table` puts before some text and names in CSV files is removed.

    Raises
    ------
    InvalidInputError
        When the file is missing, of another kind, damaged, cut short or without rows; when numbers
        would change, or files have other columns; and when the lines between two quotation marks of
        a CSV file could each be a row of its own. A CSV file that was cut exactly at the end of a
        value or a row looks whole, and is read.
    MissingExtraError
        When an Arrow file is read without pyarrow.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "table.csv"
    >>> _ = path.write_text("id,prediction\n1,cat\n2,dog\n")
    >>> read_table(path)["prediction"].tolist()
    ['cat', 'dog']
    """
    with connect() as connection:
        table = open_table(connection, Path(path), "single")
        return fetch(table, list(table.types))


def read_as_text(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read columns of a table as text, row by row as `read_table` has them.

    Values of a CSV file stay as they are written there. Other files have types: their whole numbers
    become text, and columns of other types stay what they are.
    """
    with connect() as connection:
        table = open_table(connection, path, "single", as_written=True)
        listed = [
            f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}"
            if _INTEGER.fullmatch(table.types[name])
            else quoted(name)
            for name in columns
        ]
        return fetch_sql(table, f"SELECT {', '.join(listed)} FROM {table.name}")


# --- files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A table that can be queried in a DuckDB connection.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        The connection.
    name : str
        Name of the table in queries.
    path : Path
        Path from which it was opened.
    types : dict of str to str
        DuckDB's type of each column.
    n : int
        Number of rows.
    """

    connection: duckdb.DuckDBPyConnection
    name: str
    path: Path
    types: dict[str, str]
    n: int


@contextmanager
def connect(
    memory_limit: str | None = None, temp_dir: str | os.PathLike[str] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection to a DuckDB in memory, which never fetches an extension.

    Parameters
    ----------
    memory_limit : str, optional
        Largest amount of memory, such as "512MB"; by default 80 % of the machine's memory.
    temp_dir : path-like, optional
        Folder for data that does not fit into memory; by default the system's folder for temporary
        files. DuckDB writes into a subfolder of its own, which is removed at the end.
    """
    import duckdb

    # Nothing here needs an extension; without this a stray option could make DuckDB fetch one.
    config = {"autoinstall_known_extensions": "false"}
    if memory_limit is not None:
        if not _MEMORY.fullmatch(str(memory_limit).strip()):
            raise InvalidInputError(
                f"memory_limit must be a size such as '512MB' or '4GiB', got {memory_limit!r}; "
                "give a number and a unit"
            )
        config["memory_limit"] = str(memory_limit).strip()
    try:
        folder = temporary_folder(temp_dir)
    except OSError as error:
        raise InvalidInputError(
            f"temp_dir must be a folder that can be written to, got {temp_dir} "
            f"({error.strerror}); choose another place"
        ) from error
    with folder, duckdb.connect(config=config | {"temp_directory": folder.name}) as connection:
        # Files may state the range of a column without its NaN. From that DuckDB would conclude
        # that there is none, and leave out the checks for it.
        connection.execute("SET disabled_optimizers = 'statistics_propagation'")
        yield connection


def open_table(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str, *, as_written: bool = False
) -> Table:
    """Make a table readable under `name`; raise unless it is whole and has rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    path : Path
        A file, or a folder or a pattern of Parquet or CSV files, whose `key=value` folders become
        columns.
    name : str
        Name of the table in queries; it must need no quotes.
    as_written : bool
        Whether all values of CSV files are text, as they are written there.
    """
    files, root = files_of(path)
    suffix = suffix_of(files[0])
    with reading(path):
        if suffix in ARROW_SUFFIXES:
            columns = _open_arrow(connection, path, name)
        elif suffix == ".parquet":
            columns = open_parquet(connection, files, name, path, root)
        else:
            columns = open_csv(connection, files, name, suffix, path, root, as_written=as_written)
        types = {row[0]: row[1] for row in rows_of(connection, f"DESCRIBE {name}")}
        ((n,),) = rows_of(connection, f"SELECT count(*) FROM {name}")
    check_columns(str(path), columns)
    if not n:
        raise InvalidInputError(f"{path} must have at least one row, got none; write the rows")
    return Table(connection, name, path, types, n)


@contextmanager
def reading(*paths: Path, limits: bool = False) -> Iterator[None]:
    """Re-raise errors of DuckDB as `InvalidInputError` that names the tables.

    Without tables, errors pass as they are.

    Parameters
    ----------
    *paths : Path
        Paths of the tables that are read.
    limits : bool
        Whether the caller can state limits of memory and disk.
    """
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError, EOFError, zlib.error, ValueError) as error:
        if not paths or isinstance(error, InvalidInputError):
            raise
        names = " and ".join(map(str, paths))
        if isinstance(error, OSError) and error.errno is not None:
            raise InvalidInputError(
                f"{error.filename or names} must be readable, got: {error.strerror}; check the "
                "file, its disk and its permissions"
            ) from error
        full = isinstance(error, duckdb.IOException) and "No space left" in str(error)
        if full or isinstance(error, duckdb.OutOfMemoryException):
            name, advice = "memory", "free some memory and disk, or give fewer rows"
            if limits:
                name, advice = "memory_limit", "allow more, or name a larger disk with temp_dir="
            raise InvalidInputError(
                f"{name} must suffice for {names}, got: {reason_of(error)}; {advice}"
            ) from error
        suffixes = dict.fromkeys(suffix_of(files_of(path)[0][0]) for path in paths)
        text = any("sv" in suffix for suffix in suffixes)
        form = "UTF-8 text with a header and rows as long as it" if text else "complete"
        kind = f"whole {' and '.join(suffixes)} file{'s' if len(paths) > 1 else ''} ({form})"
        raise InvalidInputError(
            f"{names} must be {'' if len(paths) > 1 else 'a '}{kind}, got: {reason_of(error)}; "
            "copy or write it again"
        ) from error


def reason_of(error: BaseException) -> str:
    """Return the first lines of an error, shortened."""
    message = re.split(r"\bLINE \d+:", str(error))[0]  # DuckDB appends the query
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    reason = " ".join(lines[:2]) or type(error).__name__
    return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 1]}…"


def said_by_system(error: BaseException) -> str:
    """Return what the operating system says in an error of DuckDB's, without names of files."""
    number = re.search(r'"errno":"(\d+)"', str(error))
    if number is not None:
        return os.strerror(int(number[1]))
    return reason_of(RuntimeError(str(error).strip().rpartition(": ")[2]))


def _open_arrow(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> list[str]:
    pa = require("pyarrow", extra="arrow", purpose="reading an Arrow file")
    ipc = require("pyarrow.ipc", extra="arrow", purpose="reading an Arrow file")
    with pa.memory_map(str(path)) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        table = (ipc.open_file if is_file else ipc.open_stream)(source).read_all()
        table.validate(full=True)
    connection.register(name, table)
    return table.column_names


def check_columns(owner: str, columns: list[str]) -> None:
    """Raise if two names differ in nothing but case; `owner` is the table in the message."""
    counts = Counter(column.casefold() for column in columns)
    twice = [column for column in columns if counts[column.casefold()] > 1]
    if twice:
        raise InvalidInputError(
            f"{owner} must have column names that differ in more than case, got "
            f"{', '.join(map(repr, twice))}; rename them"
        )


def fetch(table: Table, columns: list[str]) -> pd.DataFrame:
    """Return columns of an open table as a data frame.

    Raises
    ------
    InvalidInputError
        When numbers would change, because pandas holds them as real numbers only.
    """
    listed = ", ".join(quoted(column) for column in dict.fromkeys(columns))
    _check_exact(table, columns)
    return fetch_sql(table, f"SELECT {listed} FROM {table.name}")


def _check_exact(table: Table, columns: list[str]) -> None:
    tests = {}
    for column in columns:
        value, kind = quoted(column), table.types[column]
        changes = f"TRY_CAST(CAST({value} AS DOUBLE) AS {kind}) IS DISTINCT FROM {value}"
        if _NOT_IN_PANDAS.match(kind):
            tests[column] = f"coalesce(bool_or({changes}), false)"
        elif kind in ("BIGINT", "UBIGINT"):  # real numbers in pandas, if some are missing
            missing = f"count({value}) < count(*)"
            tests[column] = f"{missing} AND coalesce(bool_or({changes}), false)"
    if not tests:
        return
    with reading(table.path):
        sql = f"SELECT {', '.join(tests.values())} FROM {table.name}"
        ((*found,),) = rows_of(table.connection, sql)
    for column in compress(tests, found):
        raise InvalidInputError(
            f"column {column!r} of {table.path} must be numbers that real numbers of 64 bits hold, "
            f"got {table.types[column].lower()} with more digits than these have; write it as text"
        )


def fetch_sql(table: Table, sql: str) -> pd.DataFrame:
    """Return the result of a query as a data frame; errors name the path of the table."""
    with reading(table.path):
        return ordinary_columns(table.connection.execute(sql).df())


def ordinary_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn nullable and categorical columns into ordinary ones that every library knows."""
    from pandas.api import types

    for column, dtype in list(frame.dtypes.items()):
        if not types.is_extension_array_dtype(dtype) or types.is_string_dtype(dtype):
            continue
        if types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype):
            frame[column] = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
        elif not types.is_datetime64_any_dtype(dtype):
            values = frame[column].astype(object)
            frame[column] = values.where(values.notna(), None)
    return frame
