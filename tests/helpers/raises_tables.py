"""Tables that cannot be read or written, and what the message must hold."""

import sys
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from tests.helpers.cases import new_file, new_folder

from holdfast.tables import read_table, write_table
from holdfast.tables.reading import connect

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def csv(text, name="a.csv"):
    """Read a CSV file."""
    return read_table(new_file(text, name))


def parts(suffix=".parquet", **frames):
    """Return a folder with a file of each frame; `__` stands for a folder's name and an `=`."""
    folder = new_folder()
    for name, columns in frames.items():
        path = folder / f"{name.replace('__', '=').replace('_in_', '/')}{suffix}"
        path.parent.mkdir(exist_ok=True)
        write_table(pd.DataFrame(columns), path)
    return folder


def written(frame, name="a.parquet"):
    """Return the path of a file with this frame."""
    path = new_folder() / name
    write_table(frame, path)
    return path


def lost_lines():
    """Read a file that DuckDB does not read whole, though it raises nothing."""
    from holdfast.tables import delimited

    with patch.object(delimited.Bytes, "lines", 9):
        csv("a\n1\n2\n")


def in_little_memory():
    with connect("1MB") as connection, _reading("a.csv"):
        connection.execute("SELECT string_agg(range, '') FROM range(9999999)")


def _reading(path):
    from holdfast.tables.reading import reading

    return reading(Path(path), limits=True)


def opened(*options):
    with connect(*options):
        pass


def without_pyarrow():
    polars = pytest.importorskip("polars")
    with patch.dict(sys.modules, {"pyarrow": None}):
        write_table(polars.DataFrame({"a": [1]}), new_folder() / "a.csv")


def two_kinds():
    folder = parts(a={"y": [1]})
    write_table(FRAME, folder / "b.csv")
    return folder


QUOTED = 'a,b\n1,"x\n2,y"\n3,z\n'
LARGE = 2**60 + 1

CASES = {
    "tables/delimited.py _check_lines #1": (lost_lines, "got 2 rows of 9 lines, 1 of them headers"),
    "tables/delimited.py _check_quoting #1": (
        lambda: csv(QUOTED),
        "sep=',', quoting=3) and write it as Parquet; if they quote, put the names in the header",
        lambda: csv(QUOTED.replace("a,b", '"a","b"')),
    ),
    "tables/delimited.py _header #1": (
        lambda: csv("\na\n1\n"),
        "a.csv must begin with the names of its columns, got an empty line; remove it",
        lambda: csv("a\n1\n"),
    ),
    "tables/parts.py _raise_types #1": (
        lambda: read_table(parts(a={"y": [1]}, b={"y": ["x"]})),
        "b.parquet; write the column as one type in all files",
        lambda: read_table(parts(a={"y": ["1"]}, b={"y": ["x"]})),
    ),
    "tables/paths.py files_of #1": (
        lambda: read_table("none.csv"),
        "path must be a table, got no file at none.csv; check the path",
    ),
    "tables/paths.py files_of #2": (
        lambda: read_table(new_file("", "a.txt").parent),
        "must hold table files, got .txt; give files that end in one of .parquet, .csv",
    ),
    "tables/paths.py files_of #3": (
        lambda: read_table(two_kinds()),
        "got .csv, .parquet; name them by a pattern such as '*.parquet', or convert them",
        lambda: read_table(two_kinds() / "*.parquet"),
    ),
    "tables/paths.py suffix_of #1": (
        lambda: write_table(FRAME, "a.xlsx"),
        "got 'a.xlsx'; convert or rename the file",
    ),
    "tables/reading.py _check_exact #1": (
        lambda: read_table(written(pd.DataFrame({"a": pd.array([LARGE, None], dtype="Int64")}))),
        "got bigint with more digits than these have; write it as text",
        lambda: read_table(written(pd.DataFrame({"a": [str(LARGE), None]}))),
    ),
    "tables/reading.py check_columns #1": (
        lambda: csv("a,A\n1,2\n"),
        "a.csv must have column names that differ in more than case, got 'a', 'A'; rename them",
        lambda: csv("a,b\n1,2\n"),
    ),
    "tables/reading.py connect #1": (
        lambda: opened("lots"),
        "memory_limit must be a size such as '512MB' or '4GiB', got 'lots'",
        lambda: opened("512MB"),
    ),
    "tables/reading.py connect #2": (
        lambda: opened(None, "none/here"),
        "got none/here (No such file or directory); choose another place",
    ),
    "tables/reading.py open_table #1": (lambda: csv("a\n"), "at least one row, got none; write"),
    "tables/reading.py reading #2": (
        in_little_memory,
        "allow more, or name a larger disk with temp_dir=",
    ),
    "tables/reading.py reading #3": (
        lambda: csv("a,b\n1\n"),
        "a whole .csv file (UTF-8 text with a header and rows as long as it), got: ",
        lambda: csv("a,b\n1,2\n"),
    ),
    "tables/sql.py check_same_columns #1": (
        lambda: read_table(parts(a={"y": [1], "label": [0], "x": [1]}, b={"Y": [2]})),
        "a.parquet; write each column in all files, empty where it is unknown, or in none",
        lambda: read_table(parts(a={"y": [1], "label": [0]}, b={"y": [2], "label": [None]})),
    ),
    "tables/sql.py folder_keys #1": (
        lambda: read_table(parts(a={"y": [1]}, day__1_in_b={"y": [1]})),
        "b.parquet; move the files",
        lambda: read_table(parts(day__2_in_a={"y": [1]}, day__1_in_b={"y": [1]})),
    ),
    "tables/sql.py folder_keys #2": (
        lambda: read_table(parts(y__1_in_b={"y": [1]})),
        "got 'y'; rename or drop the column, or rename the folders",
        lambda: read_table(parts(day__1_in_b={"y": [1]})),
    ),
    "tables/writing.py _as_pandas #1": (
        lambda: written(pd.DataFrame([[1, 2]], columns=["a", "a"])),
        "frame must have column names that differ, got ['a', 'a']; rename them",
    ),
    "tables/writing.py _as_pandas #2": (
        lambda: written([1]),
        "frame must be a data frame, got list; e.g. pandas.DataFrame(...)",
        lambda: written(pd.DataFrame([1])),
    ),
    "tables/writing.py _as_pandas #3": (
        without_pyarrow,
        "writing a polars frame needs pyarrow, which is not installed; run: pip install 'holdfast[",
    ),
    "tables/writing.py write_table #1": (
        lambda: written(FRAME[:0]),
        "frame must have at least one row, got none; give the rows",
    ),
    "tables/writing.py write_table #3": (
        lambda: written(pd.DataFrame({"a": [1 + 2j]})),
        "columns that a .parquet file can hold, got: ",
        lambda: written(pd.DataFrame({"a": [1.0], "b": [2.0]})),
    ),
}
