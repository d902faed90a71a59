"""SQL for table files: names, paths, and the columns that `key=value` folders make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import duckdb

__all__ = ["check_same_columns", "folder_keys", "hive_option", "literals", "quoted", "rows_of"]

MISSING_KEY = "__HIVE_DEFAULT_PARTITION__"


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return connection.execute(sql).fetchall()


def quoted(column: str) -> str:
    """Return a column's name in quotes, for SQL."""
    return '"' + column.replace('"', '""') + '"'


def literals(paths: Iterable[Path]) -> str:
    """Return paths as an SQL list of strings that DuckDB does not read as patterns."""
    plain = [re.sub(r"([*?\[])", r"[\1]", str(path)).replace("'", "''") for path in paths]
    return "[" + ", ".join(f"'{path}'" for path in plain) + "]"


def check_same_columns(path: Path, columns: Mapping[Path, Sequence[str]]) -> None:
    """Raise unless all files of a table have the same columns, in any order."""
    first, *others = columns
    for other in others:
        found = [
            f"{', '.join(map(repr, sorted(alone)))} in {has} but not in {lacks}"
            for has, lacks in ((first, other), (other, first))
            if (alone := {*columns[has]} - {*columns[lacks]})
        ]
        if found:
            raise InvalidInputError(
                f"{path} must hold files that have the same columns, got {', and '.join(found)}; "
                "write each column in all files, empty where it is unknown, or in none"
            )


# --- folders --------------------------------------------------------------------------------------


def folder_keys(
    path: Path, files: Sequence[Path], root: Path | None, columns: Iterable[str]
) -> dict[str, str]:
    """Return the SQL type of each column that `key=value` folders below `root` make.

    The values of all folders decide a type: integers, dates, or else text.

    Raises
    ------
    InvalidInputError
        When files are below folders of different keys, or a key is also a column of the files.
    """
    if root is None:
        return {}
    found = {file: _keys_of(file.relative_to(root)) for file in files}
    first = files[0]
    for file, keys in found.items():
        if keys.keys() != found[first].keys():
            raise InvalidInputError(
                f"{path} must have the same key=value folders above all files, got "
                f"{', '.join(found[first]) or 'none'} above {first} and "
                f"{', '.join(keys) or 'none'} above {file}; move the files"
            )
    if not found[first]:
        return {}
    # DuckDB reads the keys of the whole path, also of what is above `root`.
    taken = {key.casefold() for file in files for key in _keys_of(file)}
    for column in columns:
        if column.casefold() in taken:
            raise InvalidInputError(
                f"{path} must not have a column of files that is also a key of their folders, got "
                f"{column!r}; rename or drop the column, or rename the folders"
            )
    return {key: _key_type([keys[key] for keys in found.values()]) for key in found[first]}


def _keys_of(file: Path) -> dict[str, str]:
    return dict(part.split("=", 1) for part in file.parent.parts if "=" in part)


def _key_type(texts: Sequence[str]) -> str:
    values = {unquote(text) for text in texts if text != MISSING_KEY}
    for kind, holds in (("BIGINT", _is_integer), ("DATE", _is_date)):
        if values and all(map(holds, values)):
            return kind
    return "VARCHAR"


def _is_integer(text: str) -> bool:
    whole = re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text)
    return whole is not None and -(2**63) <= int(text) < 2**63


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def hive_option(keys: Mapping[str, str]) -> str:
    """Return DuckDB's options that make columns of text of `key=value` folders, if there are any.

    Parameters
    ----------
    keys : mapping of str to str
        The columns, from `folder_keys`.
    """
    return f"hive_partitioning = {str(bool(keys)).lower()}, hive_types_autocast = false"
