"""Checks that the rows of two files belong together in their order.

Columns of both files show it, such as a key, a date or a feature. One query compares them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

import narwhals as nw

from holdfast.exceptions import InvalidInputError
from holdfast.predictions.pairing import Pairing
from holdfast.predictions.sides import ROLES, check_same_kind, kind_of
from holdfast.tables.reading import quoted, rows_of

if TYPE_CHECKING:
    import duckdb

__all__ = ["check_order"]

BY_POSITION = "by_position=True"


def check_order(connection: duckdb.DuckDBPyConnection, pairing: Pairing) -> None:
    """Raise if a column of both files differs between rows in the same place.

    Answers, probabilities, scores and weights may differ. So may groups and the truth here, which
    are checked while they are counted.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        It has the files as the tables `base` and `new`, which have equally many rows.
    pairing : Pairing
    """
    differs = {column: _differs(pairing, column) for column in _common(pairing)}
    if not differs:
        return
    both = "FROM base POSITIONAL JOIN new"
    ((n,),) = rows_of(connection, f"SELECT count(*) {both} WHERE {' OR '.join(differs.values())}")
    if n:
        counts = ", ".join(f"count(*) FILTER (WHERE {test})" for test in differs.values())
        (found,) = rows_of(connection, f"SELECT {counts}, count(*) {both}")
        different = {column: n for column, n in zip(differs, found[:-1], strict=True) if n}
        _raise_order(connection, different, found[-1])


def _common(pairing: Pairing) -> list[str]:
    base, new = pairing.sides
    names = pairing.names
    known = {*names.prediction, *names.score, *pairing.shared.values(), *base.proba, *new.proba}
    return [
        column
        for column in base.schema
        if column in new.schema and column not in known and not column.startswith(names.prefix)
    ]


def _differs(pairing: Pairing, column: str) -> str:
    """Return the SQL condition that a column differs between both tables."""
    dtypes = [side.schema[column] for side in pairing.sides]
    numbers = all(dtype.is_numeric() for dtype in dtypes)
    temporal = [dtype.is_temporal() for dtype in dtypes]
    text = [kind_of(dtype) == "text" for dtype in dtypes]
    form = "{}"
    if nw.Float32 in dtypes and numbers:
        form = "CAST({} AS REAL)"
    elif all(a or b for a, b in zip(temporal, text, strict=True)) and not all(temporal):
        form = "CAST({} AS VARCHAR)"  # a file of text has dates as text
    elif not numbers and not all(temporal):
        check_same_kind(pairing.sides, column, f", or pass {BY_POSITION}")
    values = []
    for role, dtype in zip(ROLES, dtypes, strict=True):
        value = f"{role}.{quoted(column)}"
        known = f"CASE WHEN NOT isnan({value}) THEN {value} END" if dtype.is_float() else value
        values.append(form.format(known))
    return f"{values[0]} IS DISTINCT FROM {values[1]}"


def _raise_order(
    connection: duckdb.DuckDBPyConnection, different: Mapping[str, int], n: int
) -> NoReturn:
    """Raise for columns that differ in some of n rows; one that can join the tables comes first."""
    keys = (column for column in different if _is_key(connection, column, n))
    key = next(keys, None)
    column = next(iter(different)) if key is None else key
    others = [repr(name) for name in different if name != column][:3]
    also = f", as do {', '.join(others)}" if others else ""
    join = "sort both tables alike" if key is None else f"pass id={key!r} to join by it"
    raise InvalidInputError(
        f"rows of base and new must be in the same order, got {different[column]} of {n} rows "
        f"whose column {column!r} differs{also}; {join}, or {BY_POSITION} if they are in the same "
        "order nevertheless"
    )


def _is_key(connection: duckdb.DuckDBPyConnection, column: str, n: int) -> bool:
    """Return whether the same values of a column name each row of both tables once."""
    values = quoted(column)
    tables = [f"SELECT DISTINCT {values} FROM {role} WHERE {values} IS NOT NULL" for role in ROLES]
    ((n_both,),) = rows_of(connection, f"SELECT count(*) FROM ({' INTERSECT '.join(tables)})")
    return bool(n_both == n)
