"""Weights in tables are checked as arrays are, whatever library counts them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast import compare
from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.predictions import compare_tables
from holdfast.tables import write_table

N = 8
WEIGHTS = {
    "huge": [1e308] * N,
    "one huge": [1.0] * (N - 1) + [1e100],
    "large": [1e99] * N,
    "tiny": [1e-120] * N,
    "small": [1e-99] * N,
    "some tiny": [1.0] + [1e-200] * (N - 1),
    "zero": [0.0] * N,
    "some zero": [0.0] * (N - 1) + [2.0],
    "negative": [1.0] * (N - 1) + [-1e-300],
    "missing": [1.0] * (N - 1) + [np.nan],
    "infinite": [1.0] * (N - 1) + [np.inf],
    "whole": [*range(N)],
    "marks": [True] * (N - 1) + [False],
}


def outcome(run: Any) -> str | float:
    try:
        found: Comparison = run()
    except InvalidInputError as error:
        return str(error).replace("column 'w'", "sample_weight")
    assert np.isfinite(found.churn_rate)
    assert np.isfinite(found.churn_rate_interval).all()
    return found.churn_rate


@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet", "csv"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_tables_and_arrays_say_the_same(tmp_path, name: str, kind: str) -> None:
    rows = pd.DataFrame({"old": [0, 1] * (N // 2), "new": [0, 0, 1, 1] * (N // 4)})
    rows["w"] = WEIGHTS[name]
    table: Any = rows
    if kind == "polars":
        table = pl.DataFrame(rows.to_dict("list"))
    elif kind != "pandas":
        table = tmp_path / f"rows.{kind}"
        write_table(rows, table)
    columns = {"prediction": "old", "new_prediction": "new", "weight": "w"}
    arrays = outcome(lambda: compare(rows["old"], rows["new"], sample_weight=rows["w"]))
    tables = outcome(lambda: compare_tables(table, **columns))
    if isinstance(arrays, float):
        assert tables == pytest.approx(arrays)
    elif name == "missing" and kind == "csv":
        assert "must be finite and >= 0" in str(tables)
    else:
        assert tables == arrays


@pytest.mark.parametrize("column", ["*", "^o.*$", "^$"])
@pytest.mark.parametrize("kind", ["pandas", "polars", "parquet"])
@pytest.mark.parametrize("use", ["groups", "weight", "label", "prediction"])
def test_names_that_are_patterns_are_no_columns(tmp_path, column, kind, use) -> None:
    rows = pd.DataFrame({"old": [0, 1] * 4, "new": [0, 1] * 4, column: [1, 0] * 4})
    table: Any = pl.DataFrame(rows.to_dict("list")) if kind == "polars" else rows
    if kind == "parquet":
        table = tmp_path / "rows.parquet"
        write_table(rows, table)
    named = {"prediction": "old", "new_prediction": "new"}
    assert compare_tables(table, **named).churn_rate == 0
    named[use] = column
    with pytest.raises(InvalidInputError, match="must have a name that is no pattern"):
        compare_tables(table, **named)


def test_every_other_name_of_a_group_works(tmp_path) -> None:
    names = ["a.b", 'q"', "COLUMNS(*)", "base", "group_0", "rows", "*x", "^x", "a b", "'", "\\"]
    rows = pd.DataFrame({"prediction": [0, 1] * 4, "fresh": [0, 0, 1, 1] * 2})
    for name in names:
        rows[name] = ["x", "y"] * 4
    write_table(rows, tmp_path / "rows.parquet")
    for table in (rows, pl.DataFrame(rows.to_dict("list")), tmp_path / "rows.parquet"):
        found = compare_tables(table, new_prediction="fresh", groups=names)
        assert [(g.column, g.value, g.n) for g in found.groups] == [
            (name, value, 4) for name in names for value in ("x", "y")
        ]
