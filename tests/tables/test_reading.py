import csv
import gzip
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast.exceptions import InvalidInputError, MissingExtraError
from holdfast.tables import TABLE_SUFFIXES, read_table, write_table
from holdfast.tables.reading import connect, read_as_text, reading

CORE_SUFFIXES = [s for s in TABLE_SUFFIXES if s not in (".arrow", ".feather", ".ipc")]


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "id": [3, 1, 2],
            "name": ["a", None, 'c,"d"\ne'],
            "share": [0.5, np.nan, 1.25],
            "count": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "kind": pd.Categorical(["x", "y", "x"]),
        }
    )


def write(path, frame):
    if isinstance(frame, dict) and path.suffix == ".parquet":
        pl.DataFrame(frame).write_parquet(path)
    else:
        write_table(pd.DataFrame(frame), path)
    return path


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_round_trip(tmp_path, frame, suffix):
    if suffix not in CORE_SUFFIXES:
        pytest.importorskip("pyarrow")
    path = write(tmp_path / f"table{suffix}", frame)
    read = read_table(str(path))
    assert read["id"].dtype == np.int64
    assert read["flag"].dtype == np.bool_
    assert read["count"].dtype == np.float64
    expected = frame.astype({"count": float, "kind": object, "name": object})
    pd.testing.assert_frame_equal(
        read.astype({"kind": object, "name": object}).where(read.notna(), None),
        expected.where(expected.notna(), None),
        check_dtype=False,
    )
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["a*b", "a?b[x]", "it's", "year=2024", "a {b,c}"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_any_file_name_is_that_file(tmp_path, name, suffix):
    folder = tmp_path / name
    folder.mkdir()
    write(folder / f"{name}{suffix}", {"z": [1]})
    write(folder / f"axb{suffix}", {"z": [2]})
    assert read_table(folder / f"{name}{suffix}").to_dict("list") == {"z": [1]}


def test_csv_values_stay_what_they_are(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,answer,day,flag,n,empty\n001,yes,2024-01-02,True,1,\n002,no,x,false,2,\n")
    read = read_table(path)
    assert read[["code", "answer", "day"]].iloc[0].tolist() == ["001", "yes", "2024-01-02"]
    assert read["flag"].tolist() == [True, False]
    assert read["n"].dtype == np.int64
    assert read["empty"].isna().all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "\ufeffid;p\r\n1;a\r\n2;b\r\n"),
        ("t.tsv", "id\tp\n1\ta\n\n2\tb\n"),
        ("T.CSV", "id,p\n1,a\n2,b"),
    ],
)
def test_csv_dialects(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read_table(tmp_path / name).to_dict("list") == {"id": [1, 2], "p": ["a", "b"]}


def test_a_late_value_decides_the_type_of_a_csv_column(tmp_path):
    (tmp_path / "t.csv").write_text("a\n" + "1\n" * 50_000 + "x\n")
    read = read_table(tmp_path / "t.csv")
    assert len(read) == 50_001
    assert read["a"].iloc[[0, -1]].tolist() == ["1", "x"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("short.csv", b"a,b\n1,2\n3\n4,5\n"),
        ("long.csv", b"a,b\n1,2\n4,5,6\n"),
        ("ragged.csv", b"a,b\n1,2\n3\n4,5,6\n"),
        ("cut.csv", b"a,b\n1,2\n3"),
        ("late.csv", b"a,b\n" + b"1,2\n" * 50_000 + b"3"),
        ("quote.csv", b'a,b\n1,x\n2,"y\n'),
        ("latin.csv", "a,b\n1,é\n".encode("latin-1")),
        ("binary.csv", bytes(range(256)) * 4),
        (
            "cut.csv.gz",
            gzip.compress(
                b"a,b\n" + np.random.default_rng(0).bytes(4000).hex(",").encode() + b"\n"
            )[:2000],
        ),
        ("plain.csv.gz", b"a,b\n1,2\n"),
        ("text.parquet", b"a,b\n1,2\n"),
        ("empty.parquet", b""),
        ("text.arrow", b"a,b\n1,2\n"),
        ("empty.feather", b""),
    ],
)
def test_damaged_files(tmp_path, name, content):
    if name.endswith((".arrow", ".feather")):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        InvalidInputError, match=r"must be a whole .*, got: .+; copy or write it"
    ) as e:
        read_table(tmp_path / name)
    reason = str(e.value).partition("got: ")[2]
    assert "LINE" not in reason
    assert "CREATE" not in reason
    assert len(reason) < 250


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz", ".arrow"])
@pytest.mark.parametrize("keep", [0.05, 0.5, 0.98])
def test_truncated_files(tmp_path, suffix, keep):
    if suffix == ".arrow":
        pytest.importorskip("pyarrow")
    values = np.random.default_rng(0).random((3000, 3))
    path = write(tmp_path / f"t{suffix}", pd.DataFrame(values, columns=list("abc")))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InvalidInputError, match=r"t\.\w+.* must be a whole"):
        read_table(path)


def test_damage_inside_a_parquet_file(tmp_path):
    values = np.random.default_rng(0).random((3000, 3))
    path = write(tmp_path / "t.parquet", pd.DataFrame(values, columns=list("abc")))
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"must be a whole \.parquet file"):
        read_table(path)


def test_missing_folder_and_unknown_extension(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidInputError, match=r"got no file at .*none\.csv; check the path"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InvalidInputError, match=r"folder\.csv must hold table files, got no files"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(InvalidInputError, match=r"must end in one of \.parquet.*got 't\.xlsx'"):
        read_table(tmp_path / "t.xlsx")
    with pytest.raises(InvalidInputError, match=r"must end in one of \.parquet.*got 't\.xlsx'"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.xlsx")


@pytest.mark.parametrize("text", ["", "a,b\n"])
def test_table_without_rows(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InvalidInputError, match="must have at least one row, got none"):
        read_table(tmp_path / "t.csv")


def test_columns_that_differ_in_case_only(tmp_path):
    (tmp_path / "t.csv").write_text("proba_a,proba_A,b\n1,2,3\n")
    pl.DataFrame({"A": [1], "n": [[1]], "a": [2]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InvalidInputError, match="differ in more than case, got 'proba_a', 'prob"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(InvalidInputError, match="differ in more than case, got 'A', 'a'"):
        read_table(tmp_path / "t.parquet")
    with pytest.raises(InvalidInputError, match="frame must have column names that differ"):
        write_table(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "n.csv")


def test_write_refuses_what_is_no_table(tmp_path):
    with pytest.raises(InvalidInputError, match="frame must be a data frame, got list"):
        write_table([1], tmp_path / "t.csv")
    with pytest.raises(InvalidInputError, match="frame must have at least one row"):
        write_table(pd.DataFrame({"a": []}), tmp_path / "t.csv")
    with pytest.raises(InvalidInputError, match=r"the folder of .* must exist"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "none" / "t.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", CORE_SUFFIXES)
def test_rows_in_reverse_are_written_as_they_stand(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "integer": [1, 2, 3],
            "narrow": np.array([1, 2, 3], np.int8),
            "real": [1.5, np.nan, 2.5],
            "boolean": [True, False, True],
            "text": ["a", "b", "c"],
            "string": pd.array(["a", "b", "c"], dtype="string"),
            "category": pd.Categorical(["x", "y", "x"]),
            "day": pd.date_range("2024-01-01", periods=3),
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "maybe": pd.array([True, None, False], dtype="boolean"),
            "part": pd.array([0.5, None, 1.5], dtype="Float64"),
            "mixed": np.array(["a", "b", None], dtype=object),
        }
    )
    write_table(frame.iloc[::-1], tmp_path / f"view{suffix}")
    write_table(frame.iloc[::-1].copy(), tmp_path / f"copy{suffix}")
    found, expected = (read_table(tmp_path / f"{name}{suffix}") for name in ("view", "copy"))
    pd.testing.assert_frame_equal(found, expected)
    assert found["integer"].tolist() == [3, 2, 1]


def test_arrow_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "t.arrow").write_bytes(b"ARROW1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"reading an Arrow file needs .*holdfast\[arrow\]"):
        read_table(tmp_path / "t.arrow")
    with pytest.raises(MissingExtraError, match=r"writing an Arrow file needs .*holdfast\[arrow\]"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "n.arrow")


def test_polars_frames_and_files(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pl.DataFrame(
        {"i": [1, 2], "s": ["a", "b"], "c": pl.Series(["u", "v"], dtype=pl.Categorical)}
    )
    frame.write_ipc(tmp_path / "file.arrow")
    frame.write_ipc_stream(tmp_path / "stream.arrow")
    write_table(frame, tmp_path / "written.parquet")
    for path in tmp_path.iterdir():
        assert read_table(path).to_dict("list") == {"i": [1, 2], "s": ["a", "b"], "c": ["u", "v"]}


def test_real_tables_are_read_as_pandas_reads_them():
    if "HOLDFAST_DATA" not in os.environ:
        pytest.skip("HOLDFAST_DATA does not name a folder of data sets")
    pytest.importorskip("pyarrow")
    for name in ("electricity", "compas"):
        path = Path(os.environ["HOLDFAST_DATA"]) / f"{name}.parquet"
        pd.testing.assert_frame_equal(read_table(path), pd.read_parquet(path), check_dtype=False)


# --- spreadsheets ---------------------------------------------------------------------------------

STARTS = ["=", "+", "-", "@", "\t", "\r"]
TEXTS = [
    *(f"{start}{rest}" for start in STARTS for rest in ("", "1+1", "cmd|' /C calc'!A0", "x")),
    *("-5", "+5", "-5.25e3", "-.5", "-5.", "- 5", "-5x", "--5", "-1\n", "=5", "-inf"),
    *("'", "''", "'x", "'=1", "''=1", "'''-x", "'-5", "''-5", "'\t", "it's", "a=b", " =1"),
    *("5", "x", '"=1"', "é=1", "٣", "-٣", None),
]


def cells_of(path):
    opener = gzip.open if path.suffix == ".gz" else open
    delimiter = "\t" if ".tsv" in path.name else ","
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def runs_in_a_spreadsheet(cell):
    number = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", cell, re.ASCII)
    return cell[:1] in STARTS and number is None


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_text_is_no_formula_in_a_spreadsheet_and_reads_back_unchanged(tmp_path, suffix):
    numbers = np.arange(len(TEXTS)) - 7.5
    kinds = pd.Categorical(np.resize(["@x", "y"], len(TEXTS)))
    frame = pd.DataFrame({"text": TEXTS, "=name()": TEXTS, "'@n": TEXTS, "-1": numbers})
    path = write(tmp_path / f"t{suffix}", frame.assign(kind=kinds))
    (header, *rows) = cells_of(path)
    assert header == ["text", "'=name()", "''@n", "-1", "kind"]
    assert not any(runs_in_a_spreadsheet(cell) for row in rows for cell in row)
    for text, row in zip(TEXTS, rows, strict=True):
        escaped = text is not None and text.lstrip("'")[:1] in STARTS
        plain = text in ("-5", "+5", "-5.25e3", "-.5", "-5.")
        assert row[0] == ("" if text is None else "'" + text if escaped and not plain else text)
    read = read_table(path)
    assert list(read.columns) == ["text", "=name()", "'@n", "-1", "kind"]
    for column in ("text", "=name()", "'@n"):
        assert [None if pd.isna(v) else v for v in read[column]] == TEXTS
    assert read["-1"].tolist() == numbers.tolist()
    assert set(read["kind"]) == {"@x", "y"}


def test_parquet_has_the_text_itself(tmp_path):
    path = write(tmp_path / "t.parquet", pd.DataFrame({"=a": ["=1"]}))
    assert pl.read_parquet(path).to_dict(as_series=False) == {"=a": ["=1"]}


def test_an_apostrophe_that_was_not_put_there_stays(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("'-5,'=a,'b\n'-5,'tis,'\n'x,'=1,''\n")
    read = read_table(path)
    assert read.to_dict("list") == {"'-5": ["'-5", "'x"], "=a": ["'tis", "=1"], "'b": ["'", "''"]}
    path.write_text("'=a,=a\n1,2\n")
    with pytest.raises(InvalidInputError, match="column names that differ in more than case"):
        read_table(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz"])
def test_columns_of_a_text_file_as_written(tmp_path, suffix):
    path, separator = tmp_path / f"table{suffix}", "\t" if "tsv" in suffix else ","
    lines = [["a", "b", "c", "d"], ["7", "1.50", "True", "'=1+1"], ["", "2", "false", "'x"]]
    text = "\n".join(map(separator.join, lines)) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    found = read_as_text(path, ["d", "c", "b", "a"])
    assert found.columns.tolist() == ["d", "c", "b", "a"]
    assert found["b"].tolist() == ["1.50", "2"]
    assert found["c"].tolist() == ["True", "false"]
    assert found["d"].tolist() == ["=1+1", "'x"]
    assert found["a"].iloc[0] == "7"
    assert found["a"].isna().tolist() == [False, True]


def test_whole_numbers_of_other_files_as_text(tmp_path):
    columns = {"big": [2**62 + 1, None], "small": [1, 2], "real": [1.5, 2.0], "flag": [True, False]}
    types = {"big": pl.Int64, "small": pl.UInt8}
    pl.DataFrame(columns, schema_overrides=types).write_parquet(tmp_path / "t.parquet")
    found = read_as_text(tmp_path / "t.parquet", list(columns))
    assert found["big"].iloc[0] == str(2**62 + 1)
    assert found["big"].isna().tolist() == [False, True]
    assert found["small"].tolist() == ["1", "2"]
    assert found["real"].tolist() == [1.5, 2.0]
    assert found["flag"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (True, "^memory_limit must suffice .* allow more, or name a larger disk with temp_dir=$"),
        (False, "^memory must suffice .* free some memory and disk, or give fewer rows$"),
    ],
)
def test_too_little_memory_names_limits_where_there_are_some(limits, message):
    with (
        pytest.raises(InvalidInputError, match=message),
        connect("1MB") as connection,
        reading(Path("a.csv"), limits=limits),
    ):
        connection.execute("SELECT string_agg(range, '') FROM range(9999999)")
