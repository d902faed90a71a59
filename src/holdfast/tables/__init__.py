"""Tables on disk: a file is read whole or refused, and written whole or not at all.

The files, in reading order:

- `paths`: the files that belong to the path of a table, which may be a folder or a pattern.
- `spreadsheets`: text in CSV files that a spreadsheet would run as a formula, made harmless.
- `sql`: names and paths in queries, and the columns that `key=value` folders make.
- `delimited`: CSV files, of which every line is read and no value changes.
- `parts`: Parquet files, whose columns get types that hold the values of all files.
- `reading`: tables read from Parquet, CSV and Arrow files, or opened in DuckDB for queries.
- `writing`: data frames written to such files.
"""

from __future__ import annotations

from holdfast.tables.paths import TABLE_SUFFIXES, files_of
from holdfast.tables.reading import (
    Table,
    connect,
    fetch,
    fetch_sql,
    open_table,
    ordinary_columns,
    quoted,
    read_table,
    reading,
    rows_of,
)
from holdfast.tables.writing import write_table

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
