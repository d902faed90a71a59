"""Tables on disk: a file is read whole or refused, and written whole or not at all."""

from __future__ import annotations

from holdfast.tables.reading import (
    TABLE_SUFFIXES,
    Table,
    connect,
    fetch,
    fetch_sql,
    files_of,
    open_table,
    ordinary_columns,
    quoted,
    read_table,
    reading,
    rows_of,
    write_table,
)

__all__ = [
    "TABLE_SUFFIXES",
    "Table",
    "connect",
    "fetch",
    "fetch_sql",
    "files_of",
    "open_table",
    "ordinary_columns",
    "quoted",
    "read_table",
    "reading",
    "rows_of",
    "write_table",
]
