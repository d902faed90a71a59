"""Parquet files of one table share types that hold all values, whatever the order of the files."""

from datetime import date

import pandas as pd
import polars as pl
import pytest

from holdfast import compare_tables
from holdfast.exceptions import InvalidInputError
from holdfast.tables import read_table, write_table
from holdfast.tables.parts import common_type

BIG = 2**53


def written(folder, parts):
    folder.mkdir()
    for i, part in enumerate(parts):
        pl.DataFrame({"a": part, "order": [0] * len(part)}).write_parquet(folder / f"{i}.parquet")
    return folder


def series(values, dtype):
    return pl.Series(values, dtype=dtype)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], [0.4, 2.4]),
        ([1, None], [0.5, None]),
        ([BIG], [0.5]),
        (series([1], pl.Int8), series([2**31 - 1], pl.UInt32)),
        (series([1], pl.Int64), series([2**40], pl.UInt64)),
        (series([0.5], pl.Float32), series([7], pl.Int32)),
        (series([0.5], pl.Float32), [0.1]),
        ([None], ["a"]),
        ([None], [True]),
    ],
)
def test_values_stay_what_they_are(tmp_path, one, other):
    expected = sorted(value for value in (*one, *other) if value is not None)
    for name, parts in (("a", (one, other)), ("b", (other, one))):
        found = read_table(written(tmp_path / name, parts))["a"]
        assert len(found) == len(one) + len(other)
        assert sorted(found.dropna().tolist()) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([BIG + 1], [0.5]),
        (["a"], [1]),
        ([True], [7]),
        ([True], [0.5]),
        ([date(2024, 1, 1)], ["2024-01-01"]),
        ([[1]], [1]),
    ],
)
def test_types_that_do_not_go_together_are_refused(tmp_path, one, other):
    for name, parts in (("a", (one, other)), ("b", (other, one))):
        folder = written(tmp_path / name, parts)
        with pytest.raises(InvalidInputError, match=r"types that go together, got 'a' as .* in .*"):
            read_table(folder)


def test_weights_and_groups_of_parts_count_as_they_are(tmp_path):
    base = {"prediction": [0, 1, 0, 1], "w": [1.0, 2.0, 0.4, 2.4], "g": [1.0, 2.0, 1.4, 1.6]}
    whole = pl.DataFrame(base).with_columns(id=pl.int_range(4))
    new = whole.select("id", prediction=pl.lit(0))
    new.write_parquet(tmp_path / "new.parquet")
    for first, second in ((0, 1), (1, 0)):
        folder = tmp_path / str(first)
        folder.mkdir()
        whole[:2].cast({"w": pl.Int64, "g": pl.Int64}).write_parquet(folder / f"{first}.parquet")
        whole[2:].write_parquet(folder / f"{second}.parquet")
        found = compare_tables(folder, tmp_path / "new.parquet", id="id", weight="w", groups=["g"])
        assert found.churn_rate == pytest.approx(4.4 / 5.8)
        assert [group.value for group in found.groups] == [1.0, 1.4, 1.6, 2.0]


def test_rows_stay_in_the_order_of_the_files(tmp_path):
    parts = [list(range(5_000)), [0.5] * 5_000, list(range(5_000, 10_000)), [1.5]]
    found = read_table(written(tmp_path / "t", parts))["a"].tolist()
    assert found == [value for part in parts for value in part]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(
    ("folders", "values"),
    [
        (("day=1", "day=2"), [1, 2]),
        (("day=01", "day=1"), ["01", "1"]),
        (("day=a%20b", "day=2"), ["2", "a b"]),
        (("day=9223372036854775808", "day=9223372036854775809"), None),
    ],
)
def test_keys_of_folders_are_values(tmp_path, suffix, folders, values):
    for folder in folders:
        (tmp_path / "t" / folder).mkdir(parents=True)
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "t" / folder / f"0{suffix}")
    found = sorted(read_table(tmp_path / "t")["day"].tolist())
    assert found == (values or [folder.partition("=")[2] for folder in folders])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_keys_that_cannot_be_columns_are_refused(tmp_path, suffix):
    frame = pd.DataFrame({"Day": [5]})
    for folder in ("a/day=1", "b/day=1", "b/x=2", "day=3/c/x=1"):
        (tmp_path / folder).mkdir(parents=True)
        write_table(frame.rename(columns={"Day": "p"}) if folder[0] == "b" else frame,
                    tmp_path / folder / f"0{suffix}")  # fmt: skip
    for folder, match in (
        ("a", "column of files that is also a key of their folders, got 'Day'"),
        ("b", "same key=value folders above all files, got day above"),
        ("day=3/c", "column of files that is also a key of their folders, got 'Day'"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            read_table(tmp_path / folder)


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (["TINYINT", "UTINYINT"], "SMALLINT"),
        (["UBIGINT", "TINYINT"], "HUGEINT"),
        (["UHUGEINT", "TINYINT"], None),
        (["TIMESTAMP", "TIMESTAMP_NS"], "TIMESTAMP_NS"),
        (["TIMESTAMP", "TIMESTAMP WITH TIME ZONE"], None),
        (["DECIMAL(38,0)", "DECIMAL(38,30)"], None),
        (["DECIMAL(10,2)", "INTEGER"], "DECIMAL(12,2)"),
        (["DECIMAL(10,2)", "DOUBLE"], None),
        (["BOOLEAN", "TINYINT"], None),
        (["VARCHAR", "DATE"], None),
    ],
)
def test_common_types(kinds, kind):
    assert common_type(kinds) == common_type(kinds[::-1]) == kind
