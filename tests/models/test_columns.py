"""Types of columns in cards, and rows that are converted or refused."""

import json

import numpy as np
import pandas as pd
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.models.columns import (
    are_columns,
    checked_rows,
    columns_of,
    readable,
    refuse_dates,
    sentences,
)


def column(*values, **options):
    return pd.DataFrame({"c": pd.Series(list(values), **options)})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], {"type": "integers"}),
        ([1.5, None], {"type": "real numbers"}),
        (
            ["b", None, "a"],
            {"type": "text", "n_values": 2, "missing": True, "values": ["a", "b"]},
        ),
        (
            [True, False],
            {"type": "booleans", "n_values": 2, "missing": False, "values": [False, True]},
        ),
        ([None, None], {"type": "nothing", "n_values": 0, "missing": True, "values": []}),
    ],
    ids=str,
)
def test_a_card_has_the_type_of_each_column(values, expected):
    columns = columns_of(column(*values))
    assert columns == {"c": expected}
    assert are_columns(json.loads(json.dumps(columns)))


def test_categories_of_pandas_are_text_and_other_values_are_left_out():
    assert columns_of(column("a", "b", dtype="category"))["c"]["values"] == ["a", "b"]
    assert columns_of(column([1], {2: 3})) == {}


@pytest.mark.parametrize("values", [[f"v{i}" for i in range(51)], ["x" * 65, "y"]], ids=len)
def test_many_or_long_values_become_hashes_that_know_all_of_them(values):
    columns = columns_of(column(*values))
    assert set(columns["c"]) == {"type", "n_values", "missing", "hashes"}
    assert are_columns(columns)
    assert checked_rows(column(*values), columns).unseen == {}
    found = checked_rows(column(*values, "z", "zz", "z"), columns).unseen["c"]
    assert (found.rows, found.n_values, found.values) == (3, 2, ("z", "zz"))
    assert "hashes" not in readable({"feature_types": columns})["feature_types"]["c"]
    assert readable({"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    "columns",
    [
        [],
        {"c": None},
        {"c": {"type": "floats"}},
        {"c": {"type": []}},
        {"c": {"type": "text", "values": "abc"}},
        {"c": {"type": "text", "values": [["a"]]}},
        {"c": {"type": "text", "hashes": "!"}},
        {"c": {"type": "text", "hashes": "é"}},
        {"c": {"type": "text", "hashes": "AAAA"}},
        {"c": {"type": "text", "hashes": 7}},
    ],
    ids=str,
)
def test_crafted_columns(columns):
    assert not are_columns(columns)


@pytest.mark.parametrize(
    ("trained", "new", "expected"),
    [
        ([1.5, 2.5], ["1", "-2.5", "1e3", None], [1.0, -2.5, 1000.0, None]),
        ([1, 2], [True, None], [1.0, None]),
        ([1, 2], [None, None], [None, None]),
        ([True, False], [1, 0], [True, False]),
        ([True, False], [1.0, None, 0.0], [True, None, False]),
        ([True, False], ["TRUE", "false", None], [True, False, None]),
        (["a", "b"], [1, 2], ["1", "2"]),
        ([None, None], [1, "a"], [1, "a"]),
    ],
    ids=str,
)
def test_what_loses_nothing_is_converted(trained, new, expected):
    found = checked_rows(column(*new), columns_of(column(*trained))).X["c"]
    assert [None if pd.isna(value) else value for value in found] == expected
    assert found.index.tolist() == list(range(len(new)))


@pytest.mark.parametrize(
    ("trained", "new", "match"),
    [
        ([1, 2], ["1", "x", None, "y"], r"hold numbers, .* got text in 2 of 4 rows \(e\.g\. 'x'\)"),
        ([1, 2], ["01"], r"got text in 1 of 1 row \(e\.g\. '01'\); write numbers in it"),
        ([1, 2], ["nan", "inf"], "got text in 2 of 2 rows"),
        ([1.5], pd.date_range("2024-01-01", periods=2), "hold numbers, .* got dates in 2 of 2"),
        ([True, False], [0, 1, 2], r"hold booleans, .* got integers in 1 of 3 rows \(e\.g\. 2\)"),
        ([True, False], [0.5, 1.0], r"got real numbers in 1 of 2 rows \(e\.g\. 0\.5\)"),
        ([True, False], ["true", "maybe"], r"got text in 1 of 2 rows \(e\.g\. 'maybe'\); write t"),
        (["a", "b"], [1.0, 2.0], "text such as 'a', 'b', .* got real numbers in 2 .* as text"),
        (["a", "b"], [True, False], r"got booleans in 2 of 2 rows \(e\.g\. True\); store"),
        (["a", "b"], [[1], [2]], r"got other values in 2 of 2 rows \(e\.g\. \[1\]\)"),
        ([1, 2], [[1], [2]], "got other values in 2 of 2 rows"),
        ([True], [[1], [2]], "got other values in 2 of 2 rows"),
    ],
    ids=str,
)
def test_all_else_is_refused(trained, new, match):
    with pytest.raises(InvalidInputError, match=match) as raised:
        checked_rows(column(*new), columns_of(column(*trained)), model="the champion")
    assert "column 'c'" in str(raised.value)
    assert "the training of the champion" in str(raised.value)


def test_other_columns_and_the_frame_itself_stay_as_they_are():
    X = pd.DataFrame({"c": ["1"], "other": [object()]}, index=[7])
    given = X.copy()
    found = checked_rows(X, columns_of(column(1, 2))).X
    assert found["c"].tolist() == [1]
    assert found["other"].tolist() == X["other"].tolist()
    assert found.index.tolist() == [7]
    pd.testing.assert_frame_equal(X, given)
    same = pd.DataFrame({"c": [1]})
    assert checked_rows(same, columns_of(column(1, 2))).X is same


def test_missing_values_are_unseen_where_none_was_missing_in_training():
    new = column("a", None, None, "b")
    assert checked_rows(new, columns_of(column("a", "b", None))).unseen == {}
    found = checked_rows(new, columns_of(column("a", "c"))).unseen
    assert (found["c"].rows, found["c"].values) == (3, (None, "b"))
    (sentence,) = sentences(found, "the champion")
    assert sentence == (
        "column 'c' has values that the champion was not trained on: no value, 'b' (3 rows)"
    )


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-31", None, "1999-12-01"],
        ["2024-01-31 10:00", "2024-01-31T10:00:00.123+02:00"],
        ["2024-01-31 10:00:00Z"],
        list(pd.date_range("2024-01-01", periods=2)),
        [pd.Timestamp("2024-01-01").date(), None],
        list(pd.date_range("2024-01-01", periods=2, tz="UTC")),
    ],
    ids=str,
)
def test_dates(values):
    with pytest.raises(InvalidInputError, match=r"'c' must hold numbers or .* out with --drop c$"):
        refuse_dates(column(*values))


@pytest.mark.parametrize(
    "values", [["2024-01-31", "unknown"], ["20240131"], [20240131], [None, None], [True], ["1-2"]]
)
def test_no_dates(values):
    refuse_dates(column(*values))


def test_a_missing_number_is_no_fault():
    found = checked_rows(column("1", None), columns_of(column(1, 2))).X["c"]
    np.testing.assert_array_equal(found, [1, np.nan])
