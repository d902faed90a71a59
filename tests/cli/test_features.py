"""Rows whose columns have other types than in training: the right answers, or one clear error."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from holdfast import load_model, save_model
from holdfast.cli import main
from holdfast.cli.learners import make_learner
from holdfast.models.columns import KEY, columns_of
from holdfast.tables import read_table, write_table

FILES = ["csv", "parquet", "arrow"]
N = 60
EXAMPLES = {
    "integer": [3, 1, 2, 5, 1, 2],
    "real": [0.5, 2.0, 1.25, 3.5, 2.0, 0.25],
    "text": ["ant", "bee", "cat", "ant", "bee", "ant"],
    "boolean": [True, False, True, True, False, False],
    "category": ["low", "high", "low", "mid", "high", "low"],
    "date": pd.date_range("2024-01-01", periods=6).tolist(),
}
NEW_VALUE = {"integer": 9, "real": 9.5, "text": "dog", "boolean": None, "category": "none"}
# What a column of one type becomes for a model that was trained on another; all else is refused.
CONVERTED = {
    ("integer", "real"): lambda column: column,
    ("real", "integer"): lambda column: column,
    ("integer", "boolean"): lambda column: column.astype(int),
    ("real", "boolean"): lambda column: column.astype(int),
    ("text", "category"): lambda column: column.astype(str),
    ("category", "text"): lambda column: column.astype("category"),
    ("text", "integer"): lambda column: column.map(str),
    ("category", "integer"): lambda column: column.map(str),
}
# In a file of text, every value is text as it is written.
WRITTEN = {
    "real": lambda column: column.map(str),
    "boolean": lambda column: column.map({True: "true", False: "false"}),
    "date": lambda column: column.dt.strftime("%Y-%m-%d %H:%M:%S"),
}


def frame(kind, values=None):
    """Return rows whose label depends on the column `c`."""
    values = EXAMPLES[kind] if values is None else values
    c = pd.Series(list(values) * (N // len(values)))
    if kind == "category":
        c = c.astype("category")
    x = np.random.default_rng(0).normal(size=len(c))
    first = c.astype(object) == EXAMPLES[kind][0]
    return pd.DataFrame({"x": x, "c": c, "label": np.where(first ^ (x > 1), "yes", "no")})


@pytest.fixture
def cli(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.fixture(params=FILES)
def suffix(request):
    if request.param == "arrow":
        pytest.importorskip("pyarrow")
    return request.param


def trained(cli, kind, suffix):
    write_table(frame(kind), f"train.{suffix}")
    options = ("--target", "label", "--test-fraction", 0)
    return cli("train", f"train.{suffix}", "--out", "m.skops", *options)


def saved(kind, suffix):
    """Train and save a model as `holdfast train` does, but faster."""
    write_table(frame(kind), f"train.{suffix}")
    rows = read_table(f"train.{suffix}")
    X = rows[["x", "c"]]
    model = make_learner("linear", X, 0).fit(X, rows["label"])
    card = {"features": ["x", "c"], "target": "label", KEY: columns_of(X)}
    save_model(model, "m.skops", card=card)


def predicted(cli, rows, suffix):
    """Return what the command said, and the probabilities in its table."""
    write_table(rows, f"rows.{suffix}")
    code, out, err = cli("predict", "m.skops", f"rows.{suffix}", "--out", "p.parquet", "--json")
    table = read_table("p.parquet") if code == 0 else None
    return code, out, err, table


def by_python(rows):
    return load_model("m.skops").model.predict_proba(rows[["x", "c"]])[:, 1]


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind != "date"])
def test_a_column_of_every_type_in_every_file(cli, suffix, kind):
    saved(kind, suffix)
    for other in EXAMPLES:
        rows = frame(other)
        convert = CONVERTED.get((kind, other))
        if suffix == "csv" and kind in ("text", "category"):
            convert = convert or WRITTEN.get(other)
        code, out, err, table = predicted(cli, rows, suffix)
        if convert is None and other != kind:
            assert (code, out) == (2, ""), (kind, other)
            assert err.startswith("holdfast: column 'c' must hold "), (kind, other, err)
            assert " as in the training of the model, got " in err
            assert " of 60 rows (e.g. " in err
            continue
        assert code == 0, (kind, other, err)
        rows = rows.assign(c=convert(rows["c"])) if convert else rows
        np.testing.assert_allclose(table["proba_yes"], by_python(rows), rtol=1e-9)
    unseen = frame(kind, [*EXAMPLES[kind][:-1], NEW_VALUE[kind]])
    code, out, err, table = predicted(cli, unseen, suffix)
    assert code == 0, err
    np.testing.assert_allclose(table["proba_yes"], by_python(unseen), rtol=1e-9)
    found = {} if kind in ("integer", "real") else {
        "c": {"rows": 10, "n_values": 1, "values": [NEW_VALUE[kind]]}
    }  # fmt: skip
    assert json.loads(out)["unseen"] == found


def test_dates_are_refused_in_every_file(cli, suffix):
    code, _, err = trained(cli, "date", suffix)
    assert code == 2
    assert "column 'c' must hold numbers or categories, got dates (e.g. 2024-01-01" in err
    assert "leave the column out with --drop c\n" in err
    assert cli("floor", f"train.{suffix}", "--target", "label", "--models", 2)[0] == 2
    code, _, err = cli("train", f"train.{suffix}", "--out", "m.skops", "--drop", "c")
    assert code == 0, err


def test_one_text_among_numbers(cli):
    assert trained(cli, "integer", "csv")[0] == 0
    rows = frame("integer").astype({"c": object})
    rows.loc[7, "c"] = "unknown"
    code, _, err, _ = predicted(cli, rows, "csv")
    assert code == 2
    assert "'c' must hold numbers, as in the training of the model, got text in 1 of 60 rows" in err
    assert "(e.g. 'unknown'); write numbers in it, and leave it empty where" in err


def test_numbers_for_a_column_of_text_are_text_as_written(cli, tmp_path):
    frame("text", ["7", "007", "x", "1.50", "x", "x"]).to_csv("train.csv", index=False)
    assert cli("train", "train.csv", "--out", "m.skops", "--test-fraction", 0)[0] == 0
    for values in (["7", "7"], ["007", "007"], ["1.50", "1.50"], ["7.0", "7"]):
        rows = frame("text", values)
        rows.to_csv("rows.csv", index=False)
        code, out, err = cli("predict", "m.skops", "rows.csv", "--out", "p.parquet", "--json")
        assert code == 0, err
        np.testing.assert_allclose(read_table("p.parquet")["proba_yes"], by_python(rows), rtol=1e-9)
        known = "7.0" not in values
        assert ("c" in json.loads(out)["unseen"]) is not known


def test_yes_and_no_for_true_and_false(cli, suffix):
    assert trained(cli, "boolean", suffix)[0] == 0
    rows = frame("boolean")
    rows["c"] = np.where(rows["c"], "yes", "no")
    code, _, err, _ = predicted(cli, rows, suffix)
    assert code == 2
    assert "'c' must hold booleans" in err
    assert "got text in 60 of 60 rows (e.g. 'yes'); write true and false in it" in err
    rows["c"] = np.where(rows["c"] == "yes", 1, 0)
    code, _, err, table = predicted(cli, rows, suffix)
    assert code == 0, err
    rows["c"] = rows["c"].astype(bool)
    np.testing.assert_allclose(table["proba_yes"], by_python(rows), rtol=1e-9)


@pytest.mark.parametrize("kind", ["integer", "boolean", "text"])
def test_a_column_that_is_empty(cli, suffix, kind):
    """Missing values are missing whichever type an empty column seems to have."""
    values = [*EXAMPLES[kind][:-1], None]
    write_table(frame(kind, values), f"train.{suffix}")
    options = ("--target", "label", "--test-fraction", 0)
    assert cli("train", f"train.{suffix}", "--out", "m.skops", *options)[0] == 0
    some = frame(kind, values)
    partly = predicted(cli, some, suffix)[3]["proba_yes"][some["c"].isna()]
    empty = some[some["c"].isna()].assign(c=None)
    code, out, err, table = predicted(cli, empty, suffix)
    assert code == 0, err
    np.testing.assert_allclose(table["proba_yes"], partly, rtol=1e-9)
    assert json.loads(out)["unseen"] == {}


def test_a_warning_names_unseen_values(cli):
    assert trained(cli, "text", "parquet")[0] == 0
    rows = frame("text", ["ant", "dog", "emu", "dog", "fox", "gnu"])
    write_table(rows, "rows.parquet")
    code, out, err = cli("predict", "m.skops", "rows.parquet", "--out", "p.parquet")
    assert (code, out) == (0, "60 predictions in p.parquet\n")
    assert err == (
        "warning: column 'c' has values that the model was not trained on: 'dog', 'emu', 'fox' and "
        "1 more (50 rows)\n"
    )


def test_very_many_categories_are_checked_too(cli):
    names = [f"shop {i}" for i in range(N)]
    write_table(frame("text", names).assign(label=["yes", "no"] * (N // 2)), "train.csv")
    command = ("train", "train.csv", "--out", "m.skops", "--test-fraction", 0, "--json")
    code, out, err = cli(*command)
    assert code == 0, err
    shown = json.loads(out)["card"][KEY]["c"]
    assert shown == {"type": "text", "n_values": N, "missing": False}
    code, out, err, _ = predicted(cli, frame("text", [*names[:-1], "shop 60"]), "csv")
    assert json.loads(out)["unseen"]["c"] == {"rows": 1, "n_values": 1, "values": ["shop 60"]}


def test_an_update_gives_its_base_model_the_types_of_its_training(cli):
    assert trained(cli, "text", "csv")[0] == 0
    update = ("train", "new.csv", "--base", "m.skops", "--out", "m2.skops", "--floor", 0)
    update = (*update, "--max-churn", 0.5, "--target", "label", "--json")
    write_table(frame("text", [1, 2, 1, 2, 3, 4]), "new.csv")
    code, out, err = cli(*update)
    assert code == 0, err
    printed = json.loads(out)
    assert printed["card"][KEY]["c"]["type"] == "text"
    assert printed["unseen"]["c"]["rows"] == N
    write_table(frame("text", [0.5, 2.5]), "new.parquet")
    code, _, err = cli("train", "new.parquet", *update[2:])
    assert code == 2
    assert (
        "column 'c' must hold text such as 'ant', 'bee', 'cat', as in the training of the " in err
    )
    assert "training of the base model, got real numbers in 60 of 60 rows (e.g. 0.5)" in err


def test_traffic_has_the_types_of_the_rows(cli):
    assert trained(cli, "integer", "csv")[0] == 0
    write_table(frame("text"), "traffic.csv")
    options = ("--base", "m.skops", "--max-churn", 0.5, "--target", "label", "--confidence", 0.9)
    command = ("train", "train.csv", *options, "--out", "m2.skops", "--unlabeled", "traffic.csv")
    code, _, err = cli(*command)
    assert code == 2
    assert "column 'c' must hold numbers, as in the training of the new model, got text" in err


def test_a_card_without_types_is_not_checked(cli):
    assert trained(cli, "boolean", "parquet")[0] == 0
    loaded = load_model("m.skops")
    card = {name: value for name, value in loaded.card.items() if name != KEY}
    save_model(loaded.model, "m.skops", card=card)
    rows = frame("boolean")
    rows["c"] = np.where(rows["c"], "yes", "no")
    code, out, err, _ = predicted(cli, rows, "parquet")
    assert code == 0, err
    assert json.loads(out)["unseen"] == {}
