"""CSV files: every line is read or the file is refused, and no value changes on the way.

All values are read as text. The type of a column is then the first of integers, real numbers and
booleans that holds all of its values, in all files, without a change. Otherwise it is text.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from holdfast.exceptions import InvalidInputError
from holdfast.tables.spreadsheets import plain_name, was_escaped
from holdfast.tables.sql import (
    check_same_columns,
    folder_keys,
    hive_option,
    literals,
    quoted,
    rows_of,
)

if TYPE_CHECKING:
    import duckdb

__all__ = ["open_csv"]

# The dialect is fixed, since DuckDB's guess at it would read a file with a ragged row as another
# table.
_OPTIONS = (
    "header = true, skip = 0, quote = '\"', escape = '\"', comment = '', strict_mode = true, "
    "null_padding = false, ignore_errors = false, all_varchar = true"
)
SAMPLE = 2048  # rows that show what a column cannot be
BLOCK = 1 << 20  # bytes that are read at a time to count lines
EXACT = 2**53  # the least integer above which real numbers leave integers out
_REAL = r"[ \t]*-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*"
_REAL += r"|-?[iI][nN][fF]([iI][nN][iI][tT][yY])?|-?[nN][aA][nN]"
_WHOLE = r"\s*(-?[0-9]+)(\.0*)?\s*"


def open_csv(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    name: str,
    suffix: str,
    path: Path,
    root: Path | None,
    *,
    as_written: bool = False,
) -> list[str]:
    """Read CSV files into the table `name`; return the names in the header.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    files : sequence of Path
    name : str
        Name of the table in queries.
    suffix : str
        The ending of the files, such as ".tsv.gz".
    path : Path
        The user's path of the table, for messages.
    root : Path or None
        The folder below which `key=value` folders are columns.
    as_written : bool
        Whether all values stay text, as they are written in the files.
    """
    headers = {file: _header(file, suffix) for file in files}
    columns = {file: header.columns for file, header in headers.items()}
    check_same_columns(path, columns)
    keys = folder_keys(path, files, root, columns[files[0]])
    read = [
        f"SELECT * FROM read_csv({literals(part)}, delim = '{header.delimiter}', {_OPTIONS}, "
        f"{hive_option(keys)})"
        for header, part in groupby(files, headers.__getitem__)
    ]
    text = f"{name}_text"
    connection.execute(f"CREATE TABLE {text} AS {' UNION ALL BY NAME '.join(read)}")
    named = [row[0] for row in rows_of(connection, f"DESCRIBE {text}")]
    own = [column for column in named if column not in {*keys, *_keys_above(files[0], keys)}]
    types = dict.fromkeys(own, "VARCHAR") if as_written else _types(connection, text, own)
    texts = [column for column in own if types[column] == "VARCHAR"]
    bytes_of = {file: _bytes_of(file) for file in files}
    quoting = any(found.quotation_marks for found in bytes_of.values())
    _check_lines(connection, text, own, texts if quoting else [], headers, bytes_of, path)
    apostrophes = any(found.apostrophes for found in bytes_of.values())
    escaped = _with_apostrophes(connection, text, texts if apostrophes else [])
    _create_view(connection, name, types | keys, escaped)
    return [plain_name(column) for column in columns[files[0]] if column]


def _keys_above(file: Path, keys: dict[str, str]) -> list[str]:
    """Return the keys of DuckDB's that are not columns, of folders above the table's."""
    return [part.partition("=")[0] for part in file.parent.parts if keys and "=" in part]


# --- headers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    """The first line of a CSV file.

    Attributes
    ----------
    columns : tuple of str
        The names as they stand in the file.
    delimiter : str
        What separates them.
    marked : bool
        Whether every name is in quotation marks. Then the file uses them for quoting.
    """

    columns: tuple[str, ...]
    delimiter: str
    marked: bool


def _header(path: Path, suffix: str) -> Header:
    with _opened(path, suffix, "rt", encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    semicolons = "," not in first and ";" in first
    delimiter = "\t" if suffix.startswith(".tsv") else ";" if semicolons else ","
    columns = next(csv.reader([first], delimiter=delimiter), [])
    if first and not any(columns):
        raise InvalidInputError(
            f"{path} must begin with the names of its columns, got an empty line; remove it"
        )
    name = r'"([^"]|"")*"'
    marked = re.fullmatch(f"{name}({delimiter}{name})*[\r\n]*", first) is not None
    return Header(tuple(columns), delimiter, marked)


def _opened(path: Path, suffix: str, mode: str, **options: Any) -> IO[Any]:
    opener: Any = gzip.open if suffix.endswith(".gz") else open
    opened: IO[Any] = opener(path, mode, **options)
    return opened


# --- types ----------------------------------------------------------------------------------------


def _tests(column: str) -> dict[str, str]:
    """Return the SQL condition that all values of a column are of a type, for each type."""
    integer = f"coalesce(CAST(TRY_CAST({column} AS BIGINT) AS VARCHAR), '')"
    conditions = {
        "BIGINT": f"{integer} = {column}",
        "BIGINT, padded": f"{integer} = trim({column}, ' \t')",
        "DOUBLE": f"regexp_full_match({column}, '{_REAL}')",
        "BOOLEAN": f"lower({column}) IN ('true', 'false')",
    }
    return {kind: f"coalesce(bool_and({test}), true)" for kind, test in conditions.items()}


def _types(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
) -> dict[str, str]:
    """Return the type of each column of text that holds all of its values without a change."""
    tests = {column: _tests(quoted(column)) for column in columns}
    wanted = [f"count({quoted(c)})" for c in columns]
    wanted += [test for by_kind in tests.values() for test in by_kind.values()]
    ((*found,),) = rows_of(
        connection, f"SELECT {', '.join(wanted)} FROM (SELECT * FROM {table} LIMIT {SAMPLE})"
    )
    passed = iter(found[len(columns) :])
    possible = {
        column: [kind for kind in by_kind if next(passed)] for column, by_kind in tests.items()
    }
    types = dict.fromkeys(columns, "VARCHAR")
    while open_columns := [column for column in columns if possible[column]]:
        selected = ", ".join(
            f"{tests[c][possible[c][0]]} AND count({quoted(c)}) > 0" for c in open_columns
        )
        ((*holds,),) = rows_of(connection, f"SELECT {selected} FROM {table}")
        for column, right in zip(open_columns, holds, strict=True):
            kind = possible[column].pop(0)
            if right:
                types[column] = kind.partition(",")[0]
                possible[column] = []
    reals = [column for column, kind in types.items() if kind == "DOUBLE"]
    return types | dict.fromkeys(_with_lost_digits(connection, table, reals), "VARCHAR")


def _with_lost_digits(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
) -> list[str]:
    """Return the columns with an integer that changes if it becomes a real number."""
    if not columns:
        return []
    reals = {column: f"CAST({quoted(column)} AS DOUBLE)" for column in columns}
    largest = ", ".join(f"coalesce(max(abs({real})), 0)" for real in reals.values())
    ((*values,),) = rows_of(connection, f"SELECT {largest} FROM {table}")
    large = [c for c, value in zip(columns, values, strict=True) if not value < EXACT]
    if not large:
        return []
    tests = [
        f"coalesce(bool_or(regexp_full_match({quoted(c)}, '{_WHOLE}') AND "
        f"CAST(TRY_CAST({reals[c]} AS BIGINT) AS VARCHAR) IS DISTINCT FROM "
        f"regexp_extract({quoted(c)}, '{_WHOLE}', 1)), false)"
        for c in large
    ]
    ((*lost,),) = rows_of(connection, f"SELECT {', '.join(tests)} FROM {table}")
    return list(compress(large, lost))


def _with_apostrophes(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
) -> list[str]:
    """Return the columns with text that begins with an apostrophe."""
    if not columns:
        return []
    tests = ", ".join(
        f"coalesce(bool_or(starts_with({quoted(c)}, chr(39))), false)" for c in columns
    )
    ((*found,),) = rows_of(connection, f"SELECT {tests} FROM {table}")
    return list(compress(columns, found))


def _create_view(
    connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], escaped: Sequence[str]
) -> None:
    """Make a view of the text, in which values have their types and added apostrophes are gone."""
    listed = []
    for column, kind in types.items():
        value = source = quoted(column)
        if kind != "VARCHAR":
            value = f"CAST({source} AS {kind})"
        elif column in escaped:
            value = f"CASE WHEN {was_escaped(source)} THEN substr({source}, 2) ELSE {source} END"
        listed.append(f"{value} AS {quoted(plain_name(column))}")
    connection.execute(f"CREATE VIEW {name} AS SELECT {', '.join(listed)} FROM {name}_text")


# --- lines ----------------------------------------------------------------------------------------


def _check_lines(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    texts: Sequence[str],
    headers: dict[Path, Header],
    bytes_of: dict[Path, Bytes],
    path: Path,
) -> None:
    """Raise unless all lines of the files were read, each as a row or as part of one value.

    `texts` are the columns whose values may have several lines.
    """
    end = "chr(10)" if any(found.feeds for found in bytes_of.values()) else "chr(13)"
    broken = " OR ".join(f"contains({quoted(c)}, {end})" for c in texts) or "false"
    ends = [f"length({quoted(c)}) - length(replace({quoted(c)}, {end}, ''))" for c in texts]
    inside = " + ".join(f"coalesce({n}, 0)" for n in ends) or "0"
    ((n, n_inside),) = rows_of(
        connection,
        f"SELECT (SELECT count(*) FROM {table}), "
        f"(SELECT coalesce(sum({inside}), 0)::BIGINT FROM {table} WHERE {broken})",
    )
    if n_inside and not all(header.marked for header in headers.values()):
        _check_quoting(connection, table, columns, end, headers, path)
    lines = sum(found.lines for found in bytes_of.values())
    unread = lines - len(headers) - n - n_inside
    if n and unread and not 0 < unread <= sum(map(_count_blank_lines, headers)):
        raise InvalidInputError(
            f"{path} must be read whole, got {n} rows of {lines} lines, {len(headers)} of them "
            f"headers and {n_inside} inside values; write it as Parquet"
        )


def _check_quoting(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    end: str,
    headers: dict[Path, Header],
    path: Path,
) -> None:
    """Raise if the lines of a row of several lines could each be a row of its own.

    So it is in a file whose quotation marks belong to its values, where two lone ones would swallow
    all rows between them.
    """
    delimiter = next(iter(headers.values())).delimiter
    listed = ", ".join(
        f"CASE WHEN contains({quoted(c)}, {end}) THEN '\"' || {quoted(c)} || '\"' "
        f"ELSE coalesce({quoted(c)}, '') END"
        for c in columns
    )
    rows = f"SELECT rowid AS place, concat_ws('{delimiter}', {listed}) AS line FROM {table}"
    broken = f"SELECT * FROM ({rows}) WHERE contains(line, {end})"
    lines = f"SELECT place, unnest(string_split(line, {end})) AS line FROM ({broken})"
    cells = f"length(line) - length(replace(line, '{delimiter}', '')) + 1"
    whole = f"trim(line, chr(13)) = '' OR {cells} = {len(columns)}"
    ((n, most),) = rows_of(
        connection,
        f"SELECT count(*), max(n) FROM (SELECT bool_and({whole}) AS are_rows, count(*) AS n "
        f"FROM ({lines}) GROUP BY place) WHERE are_rows",
    )
    if n:
        separator = {"\t": r"\t"}.get(delimiter, delimiter)
        raise InvalidInputError(
            f"{path} must be a table that can be read in one way only, got {n} values in quotation "
            f"marks that span up to {most} lines, each of which could be a row of its own; if the "
            "marks belong to the values, read the file with pandas.read_csv(…, "
            f"sep='{separator}', quoting=3) and write it as Parquet; if they quote, put the names "
            "in the header in quotation marks too"
        )


def _blocks(path: Path) -> Iterator[bytes]:
    with _opened(path, path.name.lower(), "rb") as file:
        while block := file.read(BLOCK):
            yield block


@dataclass(frozen=True)
class Bytes:
    """What the bytes of a file show.

    Attributes
    ----------
    feeds, returns : int
        Number of line feeds, and of carriage returns in a file without line feeds.
    open_line : bool
        Whether the last line has no end.
    quotation_marks, apostrophes : bool
        Whether there are any.
    """

    feeds: int
    returns: int
    open_line: bool
    quotation_marks: bool
    apostrophes: bool

    @property
    def lines(self) -> int:
        """The number of lines."""
        return (self.feeds or self.returns) + self.open_line


def _bytes_of(path: Path) -> Bytes:
    feeds = returns = 0
    last = b""
    quotation_marks = apostrophes = False
    for block in _blocks(path):
        feeds += block.count(b"\n")
        returns += 0 if feeds else block.count(b"\r")
        quotation_marks = quotation_marks or b'"' in block
        apostrophes = apostrophes or b"'" in block
        last = block
    open_line = not last.endswith((b"\n", b"\r"))
    return Bytes(feeds, returns, open_line, quotation_marks, apostrophes)


def _count_blank_lines(path: Path) -> int:
    """Return the number of lines without a character."""
    import numpy as np

    n, position, last = 0, 0, -1
    feeds = _bytes_of(path).feeds
    for raw in _blocks(path):
        block = raw.translate(None, b"\r") if feeds else raw.replace(b"\r", b"\n")
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n")) + position
        n += int((np.diff(ends, prepend=last) == 1).sum())
        position, last = position + len(block), int(ends[-1]) if len(ends) else last
    return n
