"""Without an id, columns of both files say whether their rows belong together."""

import datetime
import itertools

import numpy as np
import pandas as pd
import pytest

from holdfast import compare_tables
from holdfast.exceptions import InvalidInputError
from holdfast.predictions import order
from holdfast.tables import write_table

FILES = ["csv", "parquet", "arrow"]
COLUMNS = {
    "integers": [3, 1, None, 2],
    "real": [0.1, None, -2.5, float("nan")],
    "text": ["a", "b", None, "=c"],
    "booleans": [True, False, None, True],
    "category": pd.Categorical(["low", "high", "low", None]),
    "date": [datetime.date(2024, 1, day) for day in (1, 2, 3, 4)],
    "time": [pd.Timestamp(2024, 1, day, 10) for day in (1, 2, 3, 4)],
    "a \"quoted\" name, '=1'": [1, 2, 3, 4],
    "lists": [[1], [2, 3], [], None],
}


def frame(**columns):
    return pd.DataFrame({"prediction": ["x", "y", "x", "x"]} | columns)


def pair(folder, base, new, kinds=("parquet", "parquet")):
    """Write two tables and return their paths."""
    if "arrow" in kinds:
        pytest.importorskip("pyarrow")
    paths = [folder / f"{name}.{kind}" for name, kind in zip(("base", "new"), kinds, strict=True)]
    for path, table in zip(paths, (base, new), strict=True):
        write_table(table, path)
    return paths


@pytest.mark.parametrize("kinds", list(itertools.product(FILES, FILES)), ids="-".join)
def test_every_column_is_compared_in_every_pair_of_files(tmp_path, kinds):
    for name, values in COLUMNS.items():
        if name == "lists" and set(kinds) != {"parquet"}:
            continue
        base = frame(**{name: values})
        paths = pair(tmp_path, base, base, kinds)
        assert compare_tables(*paths).churn_rate == 0, name
        moved = base.assign(**{name: base[name].iloc[[1, 0, 2, 3]].array})
        paths = pair(tmp_path, base, moved, kinds)
        with pytest.raises(InvalidInputError) as raised:
            compare_tables(*paths)
        assert f"got 2 of 4 rows whose column {name!r} differs; " in str(raised.value)
        assert compare_tables(*paths, by_position=True).churn_rate == 0


def test_a_published_table_whose_keys_differ(tmp_path):
    """Rows of the same series and hours, one file sorted by series and the other by hour."""
    base = pd.DataFrame(
        list(itertools.product("abcdefg", range(216))), columns=["series", "hour"]
    ).assign(prediction=lambda table: table["hour"] % 3)
    new = base.sort_values(["hour", "series"])
    paths = pair(tmp_path, base, new, ("csv", "csv"))
    differ = int((base["series"].array != new["series"].array).sum())
    with pytest.raises(
        InvalidInputError, match=rf"got {differ} of 1512 rows .* 'series'"
    ) as raised:
        compare_tables(*paths)
    assert "differs, as do 'hour'; sort both tables alike, or by_position=True" in str(raised.value)
    assert compare_tables(*pair(tmp_path, base, base)).churn_rate == 0


def test_the_advice_can_be_followed(tmp_path):
    base = frame(group=["p", "q", "p", "q"], key=[4, 3, 2, 1])
    paths = pair(tmp_path, base, base.sort_values("key"))
    with pytest.raises(InvalidInputError, match=r"'key' differs, as do 'group'; pass id='key' to"):
        compare_tables(*paths)
    assert compare_tables(*paths, id="key").churn_rate == 0
    others = pair(tmp_path, base, base.assign(key=[1, 2, 3, 5]))
    with pytest.raises(InvalidInputError, match="'key' differs; sort both tables alike"):
        compare_tables(*others)


def test_answers_probabilities_and_weights_may_differ(tmp_path):
    base = frame(proba_x=[0.9, 0.1, 0.8, 0.7], proba_y=[0.1, 0.9, 0.2, 0.3], key=[1, 2, 3, 4])
    new = base.assign(prediction=["y"] * 4, proba_x=0.25, proba_y=0.75)
    assert compare_tables(*pair(tmp_path, base, new)).churn_rate == 0.75
    base, new = frame(old="x", fresh="y", p_x=0.5, p_y=0.5), frame(old="y", fresh="x", p_x=0, p_y=1)
    paths = pair(tmp_path, base.drop(columns="prediction"), new.drop(columns="prediction"))
    options = {"proba_prefix": "none_", "new_proba_prefix": "p_"}
    names = {"prediction": "old", "new_prediction": "fresh"}
    assert compare_tables(*paths, **names, **options).n == 4


def test_weights_the_truth_and_groups_are_checked_with_or_without_position(tmp_path):
    base = frame(label=["x"] * 4, region=["n"] * 4, w=[1.0] * 4)
    for column, changed, options in (
        ("label", "y", {}),
        ("region", "s", {"groups": ["region"]}),
        ("w", 2.0, {"weight": "w"}),
    ):
        paths = pair(tmp_path, base, base.assign(**{column: changed}))
        for by_position in (False, True):
            with pytest.raises(InvalidInputError, match=f"column '{column}' must be equal in both"):
                compare_tables(*paths, by_position=by_position, **options)


def test_columns_of_two_types(tmp_path):
    paths = pair(tmp_path, frame(key=[1, 2, 3, 4]), frame(key=["1", "2", "3", "4"]))
    with pytest.raises(
        InvalidInputError, match=r"'key' must have one type .*or pass by_position=True"
    ):
        compare_tables(*paths)
    assert compare_tables(*paths, by_position=True).n == 4
    halves = pd.array([0.1, 0.2, 0.3, 0.4], dtype="float32")
    paths = pair(tmp_path, frame(size=halves), frame(size=[0.1, 0.2, 0.3, 0.4]))
    assert compare_tables(*paths).n == 4
    assert compare_tables(*pair(tmp_path, frame(n=[1, 2, 3, 4]), frame(n=[1.0, 2, 3, 4]))).n == 4


@pytest.mark.parametrize(
    ("tables", "options", "match"),
    [
        (2, {"id": "key"}, "got it with id='key'; leave one of the two out"),
        (1, {"new_prediction": "key"}, "got it with one table; leave it out"),
    ],
)
def test_position_is_for_two_files_without_id(tmp_path, tables, options, match):
    paths = pair(tmp_path, frame(key=list("abcd")), frame(key=list("abcd")))
    with pytest.raises(InvalidInputError, match=match):
        compare_tables(*paths[:tables], by_position=True, **options)


def test_frames_have_no_position():
    with pytest.raises(InvalidInputError, match="got it with data frames; leave it out"):
        compare_tables(frame(), frame(), by_position=True)


def test_labels_alone_need_no_query(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a query was run")

    monkeypatch.setattr(order, "rows_of", refuse)
    base = frame(label=["x", "y", "y", "x"])
    paths = pair(tmp_path, base, base.assign(prediction=np.array(["x", "x", "x", "y"])))
    assert compare_tables(*paths).churn_rate == 0.5
