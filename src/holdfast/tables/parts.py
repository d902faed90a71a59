"""Parquet files: one table of several files, whose columns have a type that holds all values.

DuckDB alone would force the types of the first file on all others, and round where they differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.exceptions import InvalidInputError
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

__all__ = ["common_type", "open_parquet"]

Types = Mapping[str, str]
_RANGES = {
    f"{sign}{width}INT" if width != "INT" else f"{sign}INTEGER": (
        (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    for width, bits in (("TINY", 8), ("SMALL", 16), ("INT", 32), ("BIG", 64), ("HUGE", 128))
    for sign in ("", "U")
}
_STAMPS = ["TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"]
MOST_DIGITS = 38  # of a DECIMAL


def open_parquet(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    name: str,
    path: Path,
    root: Path | None,
) -> list[str]:
    """Make the rows of Parquet files readable as the view `name`; return the names of the columns.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    files : sequence of Path
    name : str
        Name of the view in queries.
    path : Path
        The user's path of the table, for messages.
    root : Path or None
        The folder below which `key=value` folders are columns.
    """
    forms = _forms(connection, files)
    types = _types_of_forms(connection, forms)
    columns = {file: [*types[form]] for file, form in forms.items()}
    check_same_columns(path, columns)
    keys = folder_keys(path, files, root, columns[files[0]])
    common = _common_types(connection, forms, types, path)
    selects = []
    # Files of one form are read at once. Rows stay in the order of the files.
    for _, part in groupby(files, lambda file: forms[file] if common else None):
        listed = [
            f"CAST({quoted(c)} AS {common[c]}) AS {quoted(c)}" if c in common else quoted(c)
            for c in types[forms[files[0]]]
        ]
        listed += [f"CAST({quoted(key)} AS {kind}) AS {quoted(key)}" for key, kind in keys.items()]
        selects.append(
            f"SELECT {', '.join(listed)} FROM read_parquet({literals(part)}, {hive_option(keys)})"
        )
    connection.execute(f"CREATE VIEW {name} AS {' UNION ALL '.join(selects)}")
    return _names(forms[files[0]])


# --- types of each file ---------------------------------------------------------------------------

# The top of a file's schema: the rows that describe its columns.
Form = tuple[tuple[object, ...], ...]


def _forms(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> dict[Path, Form]:
    rows = rows_of(
        connection,
        "SELECT file_name, name, num_children, type, converted_type, logical_type, scale, "
        f"precision FROM parquet_schema({literals(files)})",
    )
    schemas: dict[str, list[tuple[object, ...]]] = {}
    for file_name, *described in rows:
        schemas.setdefault(str(file_name), []).append(tuple(described))
    return {file: tuple(schemas[str(file)]) for file in files}


def _names(form: Form) -> list[str]:
    """Return the names of the columns; the schema lists a tree depth first, from its root."""
    names, nested = [], 0
    for name, children, *_ in form[1:]:
        if nested:
            nested -= 1
        else:
            names.append(str(name))
        nested += int(str(children or 0))
    return names


def _types_of_forms(
    connection: duckdb.DuckDBPyConnection, forms: Mapping[Path, Form]
) -> dict[Form, dict[str, str]]:
    types = {}
    for form, file in {form: file for file, form in forms.items()}.items():
        source = f"read_parquet({literals([file])}, hive_partitioning = false)"
        described = rows_of(connection, f"DESCRIBE SELECT * FROM {source}")
        types[form] = {row[0]: row[1] for row in described}
    return types


# --- common types ---------------------------------------------------------------------------------


def common_type(kinds: Iterable[str]) -> str | None:
    """Return DuckDB's type that holds all values of some types unchanged, None if there is none.

    Integers of 64 bits count as integers that real numbers hold.

    Examples
    --------
    >>> common_type(["INTEGER", "UBIGINT"]), common_type(["FLOAT", "SMALLINT"])
    ('HUGEINT', 'DOUBLE')
    >>> common_type(["DECIMAL(4,1)", "DECIMAL(4,3)"]), common_type(["VARCHAR", "BIGINT"])
    ('DECIMAL(6,3)', None)
    """
    distinct = {*kinds}
    if len(distinct) == 1:
        return distinct.pop()
    if distinct <= {*_RANGES}:
        low = min(_RANGES[kind][0] for kind in distinct)
        high = max(_RANGES[kind][1] for kind in distinct)
        holding = (kind for kind, (a, b) in _RANGES.items() if a <= low and high <= b)
        return next(holding, None)
    if distinct <= {"FLOAT", "DOUBLE", *_RANGES}:
        return "DOUBLE"
    if distinct <= {*_STAMPS}:
        return max(distinct, key=_STAMPS.index)
    return _common_decimal(distinct)


def _common_decimal(kinds: set[str]) -> str | None:
    digits = []
    for kind in kinds:
        found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
        if found is None and kind not in _RANGES:
            return None
        width, scale = map(int, found.groups()) if found else (len(str(_RANGES[kind][1])), 0)
        digits.append((width - scale, scale))
    whole, scale = (max(part) for part in zip(*digits, strict=True))
    return f"DECIMAL({whole + scale},{scale})" if whole + scale <= MOST_DIGITS else None


def _common_types(
    connection: duckdb.DuckDBPyConnection,
    forms: Mapping[Path, Form],
    types: Mapping[Form, Types],
    path: Path,
) -> dict[str, str]:
    """Return the type of each column that has several types in the files."""
    files: dict[str, dict[str, list[Path]]] = {}
    for file, form in forms.items():
        for column, kind in types[form].items():
            files.setdefault(column, {}).setdefault(kind, []).append(file)
    common = {}
    for column, by_kind in files.items():
        if len(by_kind) > 1:
            filled = {
                k: part for k, part in by_kind.items() if _has_values(connection, column, part)
            }
            kind = common_type(filled or by_kind) or ""
            if kind == "HUGEINT" and not _changes(connection, column, filled, "BIGINT"):
                kind = "BIGINT"
            if not kind or _changes(connection, column, filled, kind):
                _raise_types(path, column, filled or by_kind)
            common[column] = kind
    return common


def _has_values(connection: duckdb.DuckDBPyConnection, column: str, files: Sequence[Path]) -> bool:
    sql = f"SELECT count({quoted(column)}) > 0 FROM read_parquet({literals(files)}, "
    return bool(rows_of(connection, f"{sql}hive_partitioning = false)")[0][0])


def _changes(
    connection: duckdb.DuckDBPyConnection, column: str, files: Mapping[str, list[Path]], kind: str
) -> bool:
    """Return whether an integer changes when it becomes a real number or a narrower integer."""
    if kind not in ("DOUBLE", "BIGINT"):
        return False
    value = quoted(column)
    for own, part in files.items():
        if own in _RANGES:
            changed = f"TRY_CAST(TRY_CAST({value} AS {kind}) AS {own}) IS DISTINCT FROM {value}"
            source = f"read_parquet({literals(part)}, hive_partitioning = false)"
            sql = f"SELECT coalesce(bool_or({changed}), false) FROM {source}"
            if rows_of(connection, sql)[0][0]:
                return True
    return False


def _raise_types(path: Path, column: str, files: Mapping[str, list[Path]]) -> None:
    listed = " and ".join(f"{kind} in {part[0]}" for kind, part in sorted(files.items()))
    raise InvalidInputError(
        f"{path} must hold files whose columns have types that go together, got {column!r} as "
        f"{listed}; write the column as one type in all files"
    )
