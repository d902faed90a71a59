"""CSV files are read line by line: all values as they stand, and all rows or none."""

import gzip
from itertools import chain

import numpy as np
import pandas as pd
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.tables import connect, delimited, open_table, read_table, write_table


def read(path, text):
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return read_table(path).to_dict("list")


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1", "-2"], [1, -2]),
        ([" 1", "2 "], [1, 2]),
        (["9223372036854775807", "1"], [2**63 - 1, 1]),
        (["9223372036854775808", "1"], None),
        (["9007199254740993", "0.5"], None),
        (["9007199254740993.0", "0.5"], None),
        (["9007199254740992", "0.5"], [2.0**53, 0.5]),
        (["1" * 400, "1"], None),
        (["1e300", "-.5"], [1e300, -0.5]),
        (["0x10", "16"], None),
        (["0b11", "3"], None),
        (["-01", "1"], None),
        (["01", "1.5"], None),
        (["+1", "1"], None),
        (["inf", "5."], [np.inf, 5.0]),
        (["True", "false"], [True, False]),
        (["true", "1"], None),
        (["2024-01-02", "2024-01-03"], None),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_column_has_the_type_that_holds_all_values(tmp_path, texts, values, late):
    expected = texts if values is None else values
    if late:  # later than the rows that are looked at first
        texts, expected = [texts[1]] * 5_000 + texts, [expected[1]] * 5_000 + expected
    found = read(tmp_path / "t.csv", "a;b\n" + "".join(f"{text};x\n" for text in texts))["a"]
    assert found == expected
    assert {*map(type, found)} == {*map(type, expected)}


def test_types_and_rows_do_not_depend_on_the_order_of_files(tmp_path):
    parts = ["a,b\n1,x\n2,y\n", "b,a\nz,0.5\n", "a,b\n7,true\n"]
    for turn in (1, -1):
        folder = tmp_path / str(turn)
        folder.mkdir()
        for i, part in enumerate(parts[::turn]):
            (folder / f"{i}.csv").write_text(part)
        rows = read_table(folder)[["a", "b"]].to_numpy().tolist()
        expected = [[[1.0, "x"], [2.0, "y"]], [[0.5, "z"]], [[7.0, "true"]]]
        assert rows == list(chain(*expected[::turn]))
    (folder / "3.csv").write_text("a,b,label\n1,x,1\n")
    with pytest.raises(InvalidInputError, match=r"same columns, got 'label' in .*3\.csv but not"):
        read_table(folder)


@pytest.mark.parametrize("name", ["t.tsv", "t.csv", "t.tsv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "rows",
    [
        ["id,p", "1,a", '",b', "3,c", '",d', "5,e"],
        ["id,p", '1,"', "2,a", "3,b", '4,"', "5,c"],
        ["id,p", '"a,1', "", "b,2", 'c",3'],
        ["id,p,q", 'a,"b,c', 'd,e",f'],
    ],
)
def test_rows_between_lone_quotation_marks_are_not_swallowed(tmp_path, name, end, rows):
    delimiter = "\t" if "tsv" in name else ","
    text = end.join(rows).replace(",", delimiter)
    with pytest.raises(InvalidInputError, match=r"read in one way only, got 1 values in quotation"):
        read(tmp_path / name, text)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("rows", "values"),
    [
        (["id,t", '1,"a', 'b"', "2,c"], ["a|b", "c"]),
        (["id,t", '1,"a', "", 'b"', "", "2,c", "", ""], ["a||b", "c"]),
        (["id,t", '1,"a', '"', "2,c"], ["a|", "c"]),
        (["id,t", '1,"a, b', 'c, d"', '2,""""'], ["a, b|c, d", '"']),
        (['"id","t"', '1,"a', 'b,c"', "2,d"], ["a|b,c", "d"]),
        (["id,t", '1,x"y', '2,z"'], ['x"y', 'z"']),
    ],
)
def test_values_of_several_lines_are_read(tmp_path, end, rows, values):
    found = read(tmp_path / "t.csv", end.join(rows))
    assert found == {"id": [1, 2], "t": [value.replace("|", end) for value in values]}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
@pytest.mark.parametrize(
    "columns",
    [
        {"a": ["x\ny", "z"]},
        {"i": [1, 2], "a": ["x\ny,z", '"']},
        {"i": [1, 2], "=a": ["x\r\ny\tz", None]},
    ],
)
def test_written_values_of_several_lines_read_back(tmp_path, suffix, columns):
    path = tmp_path / f"t{suffix}"
    write_table(pd.DataFrame(columns), path)
    back = read_table(path).astype(object)
    assert back.where(back.notna(), None).to_dict("list") == columns


def test_an_empty_first_line_is_no_header(tmp_path):
    with pytest.raises(InvalidInputError, match="must begin with the names of its columns"):
        read(tmp_path / "t.csv", "\n\na,b\n1,2\n")


def test_a_row_that_is_lost_is_noticed(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    skipping = delimited._OPTIONS.replace("skip = 0", "skip = 1")
    monkeypatch.setattr(delimited, "_OPTIONS", skipping)
    with connect() as connection, pytest.raises(InvalidInputError, match="got 1 rows of 3 lines"):
        open_table(connection, tmp_path / "t.csv", "t")
