"""Types that change on the way: every reader gives the numbers of plain Python, or refuses.

Each kind of value stands in turn in the column of ids, classes, groups and weights of two tables,
which each reader joins. Values that a type would merge or round stand side by side.
"""

import datetime
from decimal import Decimal
from itertools import chain

import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast import compare_tables
from holdfast.exceptions import InvalidInputError

NAN = float("nan")
UTC = datetime.UTC
BIG = 2**53
KINDS = {
    "integers": (pl.Int64, [1, 2, 3, -4]),
    "large integers": (pl.Int64, [BIG, BIG + 1, 2**62, 2**62 + 1]),
    "unsigned": (pl.UInt64, [2**63, 2**63 + 1, 2**64 - 1, 1]),
    "narrow": (pl.Int8, [-128, 127, 0, 1]),
    "real": (pl.Float64, [0.4, 2.4, -0.0, 1e300]),
    "narrow real": (pl.Float32, [0.5, 2.5, 0.0, 1.5]),
    "whole real": (pl.Float64, [1.0, 2.0, float(BIG), 1e30]),
    "NaN": (pl.Float64, [1.5, 2.5, NAN, 3.5]),
    "missing": (pl.Int64, [BIG, None, BIG + 1, 5]),
    "decimals": (pl.Decimal(10, 2), [Decimal("1.25"), Decimal("1.26"), Decimal(3), Decimal(0)]),
    "long decimals": (pl.Decimal(38, 0), [Decimal(v) for v in (BIG, BIG + 1, 2**80, 1)]),
    "booleans": (pl.Boolean, [True, False, None, None]),
    "text": (pl.String, ["1", "01", "1.0", "x"]),
    "quotation marks": (pl.String, ['"', "a", 'b\nc,d\n"', "e"]),
    "numbers as text": (pl.String, ["9223372036854775808", "9223372036854775809", "7", "8"]),
    "categories": (pl.Categorical, ["b", "a", "c", "d"]),
    "days": (pl.Date, [datetime.date(2024, 1, day) for day in range(1, 5)]),
    "times": (
        pl.Datetime("us", "Europe/Berlin"),
        [datetime.datetime(2024, 10, 27, hour, tzinfo=UTC) for hour in range(4)],
    ),
    "lists": (pl.List(pl.Int64), [[1], [2], [3], [4]]),
    "structs": (pl.Struct({"a": pl.Int64}), [{"a": i} for i in range(4)]),
    "bytes": (pl.Binary, [b"a", b"b", b"c", b"d"]),
}  # fmt: skip
PLACES = ("id", "prediction", "g", "w")


# --- readers --------------------------------------------------------------------------------------


def in_pandas(frame, path):
    native = frame.to_pandas()
    for column, dtype in frame.schema.items():
        if dtype.is_integer() and frame[column].null_count():
            native[column] = pd.array(frame[column].to_list(), dtype="Int64")
    return native


def in_files(write, suffix):
    def made(frame, path):
        write(frame, path.with_suffix(suffix))
        return path.with_suffix(suffix)

    return made


def in_parts(first, last):
    """Return a writer of two parts; the second has other types where its values allow it."""

    def made(frame, path):
        path.mkdir()
        narrow = frame[2:].with_columns(
            pl.col(c).cast(pl.Float64)
            for c, dtype in frame.schema.items()
            if dtype.is_integer() and all(abs(v or 0) <= BIG for v in frame[c][2:])
        )
        frame[:2].write_parquet(path / f"{first}.parquet")
        narrow.write_parquet(path / f"{last}.parquet")
        return path

    return made


READERS = {
    "Polars": lambda frame, path: frame.lazy(),
    "pandas": in_pandas,
    "Arrow": lambda frame, path: frame.to_arrow(),
    "Parquet": in_files(pl.DataFrame.write_parquet, ".parquet"),
    "CSV": in_files(pl.DataFrame.write_csv, ".csv"),
    "TSV": in_files(lambda f, p: f.write_csv(p, separator="\t", quote_style="always"), ".tsv"),
    "unquoted TSV": in_files(
        lambda f, p: f.write_csv(p, separator="\t", quote_style="never"), ".tsv"
    ),
    "feather": in_files(pl.DataFrame.write_ipc, ".arrow"),
    "parts": in_parts("a", "b"),
    "parts, turned round": in_parts("b", "a"),
}


QUICK = ("Polars", "pandas", "parts")


# --- plain Python ---------------------------------------------------------------------------------


def missing(value):
    return value is None or value != value


def plain(frame):
    """Return columns as lists. Times are UTC, since Python's own in one zone ignore the fold."""
    zoned = [column for column, dtype in frame.schema.items() if dtype == pl.Datetime]
    in_utc = frame.with_columns(pl.col(column).dt.convert_time_zone("UTC") for column in zoned)
    return in_utc.to_dict(as_series=False)


def reference(base, new):
    """Return churn, and rows and churn of each group; None if something must be refused."""
    ids = base["id"]
    if any(map(missing, [*ids, *base["prediction"], *new["prediction"], *base["w"]])):
        return None
    answers = dict(zip(new["id"], new["prediction"], strict=True))
    total = changed = 0.0
    groups = {}
    for key, old, weight, group in zip(*(base[c] for c in ("id", "prediction", "w", "g"))):  # noqa: B905
        differs = old != answers[key]
        total += float(weight)
        changed += differs * float(weight)
        of_group = groups.setdefault(None if missing(group) else repr(group), [0, 0, 0])
        for i, value in enumerate((1, differs * float(weight), float(weight))):
            of_group[i] += value
    rates = sorted((n, changed / weight) for n, changed, weight in groups.values())
    return [changed / total, *chain(*rates)]


def found_by(base, new):
    found = compare_tables(base, new, id="id", groups=["g"], weight="w")
    groups = sorted((group.n, group.churn_rate) for group in found.groups)
    return [found.churn_rate, *chain(*groups)]


def tables(kind, place):
    dtype, values = KINDS[kind]
    columns = {
        "id": [10, 20, 30, 40],
        "prediction": [0, 1, 0, 1],
        "g": [1, 2, 1, 2],
        "w": [1.0] * 4,
    }
    base = pl.DataFrame(columns).with_columns(pl.Series(place, values, dtype=dtype, strict=False))
    answers = base["prediction"].gather([0, 0, 2, 2])
    new = pl.DataFrame({"id": base["id"], "prediction": answers})
    return base, new.reverse()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # in DuckDB, for times with a zone
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "reader", [r if r in QUICK else pytest.param(r, marks=pytest.mark.slow) for r in READERS]
)
def test_every_value_counts_as_itself_or_is_refused(tmp_path, reader, place):
    pytest.importorskip("pyarrow")
    counted = 0
    for i, kind in enumerate(KINDS):
        base, new = tables(kind, place)
        try:
            given = [
                READERS[reader](frame, tmp_path / f"{i}-{role}")
                for role, frame in (("base", base), ("new", new))
            ]
        except (pl.exceptions.PolarsError, OSError):
            continue  # the format cannot hold such values
        try:
            found = found_by(*given)
        except InvalidInputError:
            continue
        counted += 1
        expected = reference(plain(base), plain(new))
        assert expected is not None, (kind, found)
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=f"{kind} as {place}")
    assert counted >= 4


# --- one by one -----------------------------------------------------------------------------------


def test_large_classes_of_pandas_stay_apart():
    base = pd.DataFrame({"id": [0, 1, 2, 3], "prediction": [BIG] * 4, "g": [7, 8, 7, 8]})
    new = pd.DataFrame({"id": [3, 2, 1, 0], "prediction": [BIG, BIG + 1, BIG, BIG]})
    found = compare_tables(base, new, id="id", groups=["g"])
    assert (found.churn_rate, found.classes) == (0.25, (BIG, BIG + 1))
    assert [(type(group.value), group.value) for group in found.groups] == [(int, 7), (int, 8)]


@pytest.mark.parametrize("dtypes", [("Int64", "UInt64"), ("UInt64", "Int8"), ("UInt8", "UInt64")])
@pytest.mark.parametrize("reader", ["Polars", "pandas", "Arrow", "Parquet"])
def test_ids_of_different_integers_join(tmp_path, reader, dtypes):
    pytest.importorskip("pyarrow")
    base, new = (
        pl.DataFrame({"id": pl.Series(ids, dtype=getattr(pl, dtype)), "prediction": [0, 1]})
        for ids, dtype in zip(([1, 2], [2, 1]), dtypes, strict=True)
    )
    given = [READERS[reader](f, tmp_path / name) for name, f in (("base", base), ("new", new))]
    assert compare_tables(*given, id="id").churn_rate == 1


@pytest.mark.parametrize("reader", ["Polars", "pandas", "Arrow", "Parquet"])
def test_nan_is_found_beside_other_values(tmp_path, reader):
    pytest.importorskip("pyarrow")
    n = 50  # Parquet files of Polars state the range of a column without its NaN
    rows = pl.DataFrame(
        {"id": [i + 0.5 for i in range(n)], "prediction": [i % 3 for i in range(n)]}
    )
    half = pl.lit(0.5)
    proba = rows.select("id", proba_0=half, proba_1=half)
    hole = pl.when(pl.col("id") > n - 1).then(NAN)
    for i, (frame, match) in enumerate(
        (
            (rows.with_columns(id=hole.otherwise(pl.col("id"))), "ids of .* must not be missing"),
            (proba.with_columns(proba_0=hole.otherwise(half)), "must be probabilities that sum to"),
            (rows.with_columns(prediction=hole.otherwise(1.0)), "without missing values"),
        )
    ):
        given = [READERS[reader](frame, tmp_path / f"{i}{role}") for role in ("base", "new")]
        with pytest.raises(InvalidInputError, match=match):
            compare_tables(given[0], given[1], id="id")
    partly = rows.with_columns(label=hole.otherwise(1.0))
    given = READERS[reader](partly, tmp_path / "b"), READERS[reader](rows, tmp_path / "n")
    assert compare_tables(*given, id="id").n_labeled == n - 1


def test_swallowed_rows_are_no_reason_to_promote(tmp_path):
    for name, answers in (("base", "xabcx"), ("new", "xddcx")):
        tokens = ["one", '"', "two", '"', "three"] * 400
        rows = [f"{token}\t{answer}" for token, answer in zip(tokens, answers * 400, strict=True)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(["token\tprediction", *rows]))
    with pytest.raises(InvalidInputError, match=r"read in one way only, .*sep='\\t', quoting=3"):
        compare_tables(tmp_path / "base.tsv", tmp_path / "new.tsv")
