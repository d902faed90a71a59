"""Scores of tables are counted as those of arrays are."""

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast import InvalidInputError, compare
from holdfast.comparison import PairedCounts, compare_scores
from holdfast.comparison.score_grid import score_bin
from holdfast.predictions import compare_score_tables, compare_tables, count_tables, open_pairs
from holdfast.predictions.frames import collected
from holdfast.predictions.score_cells import bin_of
from holdfast.rules import Bands, Costs, Threshold

RULE = Threshold(0.12, positive="fraud")
CLASSES = ["fraud", "ok"]


def rows(n=4_000, *, distinct=None, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.beta(1, 8, n)
    new = np.clip(base + rng.normal(0, 0.02, n), 0, 1)
    if distinct is not None:
        base, new = (np.round(score * distinct) / distinct for score in (base, new))
    table = pd.DataFrame({"id": rng.permutation(n), "old": base, "new": new})
    table["label"] = np.where(rng.random(n) < base, "fraud", "ok")
    table["w"] = rng.integers(0, 4, n).astype(float)
    table["region"] = rng.choice(["north", "south"], n)
    return table


def both(scores):
    return [np.column_stack([score, 1 - score]) for score in scores]


def tables_of(table, kind, folder):
    """Return the tables of both models and the options that name their columns."""
    base = table[["id", "old", "label", "w", "region"]].rename(columns={"old": "P"})
    new = table[["id", "new"]].rename(columns={"new": "P"}).sample(frac=1, random_state=1)
    if kind == "one":
        return (table,), {"score": "old", "new_score": "new"}
    if kind in ("csv", "parquet"):
        for name, part in (("base", base), ("new", new)):
            if kind == "csv":
                part.to_csv(folder / f"{name}.csv", index=False)
            else:
                pl.DataFrame(part.to_dict("list")).write_parquet(folder / f"{name}.parquet")
        return (folder / f"base.{kind}", folder / f"new.{kind}"), {"score": "P", "id": "id"}
    if kind == "polars":
        base, new = (pl.DataFrame(part.to_dict("list")).lazy() for part in (base, new))
    return (base, new), {"score": "P", "id": "id"}


def same(found, expected):
    """Compare two comparisons of scores, up to the order in which sums were added."""
    mine, its = found.to_dict(), expected.to_dict()
    assert list(mine) == list(its)
    flat = [pd.json_normalize(values).iloc[0].to_dict() for values in (mine, its)]
    for name, value in flat[1].items():
        own = flat[0][name]
        if isinstance(value, float) or (
            isinstance(value, list) and set(map(type, value)) == {float}
        ):
            assert own == pytest.approx(value, rel=1e-9, abs=1e-12), name
        else:
            assert own == value, name


@pytest.mark.parametrize("kind", ["csv", "parquet", "polars", "pandas", "one"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_tables_give_what_arrays_give(tmp_path, kind, weight):
    table = rows()
    tables, options = tables_of(table, kind, tmp_path)
    found = compare_score_tables(*tables, **options, rule=RULE, weight=weight)
    weights = None if weight is None else table["w"]
    expected = compare_scores(
        table["old"], table["new"], table["label"], positive="fraud", threshold=0.12,
        sample_weight=weights,
    )  # fmt: skip
    same(found, expected)
    own = compare_tables(*tables, **options, rule=RULE, weight=weight, groups=["region"])
    expected_own = compare(
        *both([table["old"].to_numpy(), table["new"].to_numpy()]), table["label"],
        classes=CLASSES, rule=RULE, sample_weight=weights, groups=table[["region"]],
    )  # fmt: skip
    for name in ("n", "churn_rate", "accuracy_new", "negative_flip_rate", "classes"):
        assert getattr(own, name) == pytest.approx(getattr(expected_own, name))
    assert [g.to_dict() for g in own.groups] == [g.to_dict() for g in expected_own.groups]


@pytest.mark.parametrize("distinct", [50, 400, None])
@pytest.mark.parametrize("labels", ["all", "some", "none"])
def test_few_scores_are_kept_apart_and_many_on_the_grid(distinct, labels):
    table = rows(12_000, distinct=distinct)
    if labels == "some":
        table.loc[::3, "label"] = None
    frame = table.drop(columns="label") if labels == "none" else table
    found = compare_score_tables(frame, score="old", new_score="new", rule=RULE)
    truth = None if labels == "none" else table["label"]
    positive = None if labels == "none" else "fraud"
    expected = compare_scores(table["old"], table["new"], truth, positive=positive, threshold=0.12)
    assert found.binned == expected.binned == (distinct is None)
    same(found, expected)


def test_single_precision_is_compared_as_it_was_stored(tmp_path):
    score = np.array([0.7, 0.1, 0.69999999, 0.7, 0.3], dtype=np.float32)
    table = pl.DataFrame({"old": score, "new": score[::-1], "label": [1, 0, 1, 0, 1]})
    rule = Threshold(0.7, positive=1)
    found = compare_score_tables(table, score="old", new_score="new", rule=rule)
    expected = compare_scores(score, score[::-1].copy(), [1, 0, 1, 0, 1], threshold=0.7)
    same(found, expected)
    answers = [rule.decide(np.column_stack([1 - p, p])) for p in (score, score[::-1])]
    own = compare_tables(table, prediction="none", score="old", new_score="new", rule=rule)
    assert own.churn_rate == np.mean(answers[0] != answers[1])
    assert found.swaps.swapped_in.share == np.mean(answers[1] > answers[0])


def test_parts_add_up():
    table = rows()
    whole = compare_score_tables(table, score="old", new_score="new", rule=RULE)
    counted = []
    for part in (table[:1_000], table[1_000:]):
        with open_pairs(part, score="old", new_score="new", rule=RULE) as pairs:
            counted.append(pairs.counted().scores)
    same(type(whole).from_counts(sum(counted), threshold=0.12), whole)


def test_rules_of_probability_columns(tmp_path):
    rng = np.random.default_rng(0)
    proba = [rng.dirichlet(np.ones(3), 500) for _ in range(2)]
    truth = rng.choice(list("abc"), 500)
    for name, values in zip(("base", "new"), proba, strict=True):
        columns = {f"proba_{c}": values[:, i] for i, c in enumerate("abc")} | {"label": truth}
        pd.DataFrame(columns).to_csv(tmp_path / f"{name}.csv", index=False)
    rule = Threshold(0.2, positive="b")
    counts = count_tables(tmp_path / "base.csv", tmp_path / "new.csv", rule=rule)
    expected = compare(*proba, truth, classes=list("abc"), rule=rule).counts
    assert isinstance(counts, PairedCounts)
    found, wanted = (
        dict(zip(map(tuple, own.triples.tolist()), own.rows.tolist(), strict=True))
        for own in (counts, expected)
    )
    assert found == wanted
    for name, value in expected.sums.items():
        assert counts.sums[name] == pytest.approx(value)


def test_one_rule_for_each_model_and_several_negative_classes():
    table = rows()
    table.loc[table["label"] == "ok", "label"] = np.where(
        np.arange((table["label"] == "ok").sum()) % 2, "late", "ok"
    )
    rules = (Threshold(0.1, positive="fraud"), Threshold(0.2, positive="fraud"))
    own = compare_tables(table, score="old", new_score="new", rule=rules)
    answers = [
        np.where(table[name] >= rule.threshold, "fraud", "not fraud")
        for name, rule in zip(("old", "new"), rules, strict=True)
    ]
    truth = np.where(table["label"] == "fraud", "fraud", "not fraud")
    assert own.to_dict() == compare(*answers, truth).to_dict()


def test_bands_answer_and_move():
    table = rows()
    bands = Bands((0.05, 0.3), answers=("approve", "review", "decline"), positive="fraud")
    own = compare_tables(table, score="old", new_score="new", rule=bands)
    assert set(own.classes) == {"approve", "review", "decline"}
    found = compare_score_tables(table, score="old", new_score="new", rule=bands)
    assert found.migration.moved_share == pytest.approx(own.churn_rate)


def test_costs_name_the_classes_of_rows_without_labels():
    table = rows().drop(columns="label")
    costs = Costs([[0, 10], [1, 0]], answers=["ok", "fraud"], classes=["ok", "fraud"])
    own = compare_tables(table, score="old", new_score="new", rule=costs, positive="fraud")
    expected = [
        np.where(table[name] * 10 > 1 - table[name], "fraud", "ok") for name in ("old", "new")
    ]
    assert own.churn_rate == np.mean(expected[0] != expected[1])


SCORES = {"score": "old", "new_score": "new"}


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        ({}, SCORES | {"positive": "ok"}, "the table must say how its scores become answers"),
        ({}, {"score": "none", "new_score": "new", "rule": RULE}, r"score \(a column of the"),
        ({"old": "x"}, SCORES | {"rule": RULE}, "column 'old' of the table must be numbers, got"),
        ({"old": 1.5}, SCORES | {"rule": RULE}, "columns 'old' of the table and 'new' of"),
        ({"new": np.nan}, SCORES | {"rule": RULE}, r"columns 'old' of.*got 3 rows"),
        ({}, SCORES | {"rule": Threshold(0.1)}, "positive must name the class whose probability"),
        ({}, SCORES | {"rule": RULE, "positive": "Fraud"}, "positive must be one of the classes"),
        (
            {"prediction": "fraud"},
            SCORES | {"rule": RULE},
            "rule must give the answers in column 'prediction' of the table, got 2 rows",
        ),
        (
            {"prediction": "fraud", "other": "ok"},
            {"rule": RULE, "new_prediction": "other"},
            "rule must be given with probabilities or scores, got Threshold",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_counted(change, options, match):
    table = pd.DataFrame(
        {"old": [0.1, 0.5, 0.05], "new": [0.1, 0.6, 0.2], "label": ["ok", "fraud", "ok"]}
    ).assign(**change)
    with pytest.raises(InvalidInputError, match=match):
        compare_tables(table, **options)


def test_a_prediction_column_counts_beside_scores():
    table = rows()
    table["prediction"] = np.where(table["old"] >= 0.1, "fraud", "ok")
    table["later"] = np.where(table["new"] >= 0.15, "fraud", "ok")
    columns = SCORES | {"new_prediction": "later", "positive": "fraud"}
    own = compare_tables(table, **columns)
    assert own.churn_rate == np.mean(table["prediction"] != table["later"])
    found = compare_score_tables(table, **columns)
    same(found, compare_scores(table["old"], table["new"], table["label"], positive="fraud"))


@pytest.mark.parametrize("cuts", [(), (0.05, 0.3, 0.5)])
def test_a_database_puts_every_score_into_the_same_bin(cuts):
    rng = np.random.default_rng(0)
    near_zero = 10.0 ** rng.uniform(-12, 0, 20_000)
    at_cuts = [*cuts, *(np.nextafter(cut, 0) for cut in cuts)]
    ends = [0.0, 1.0, np.nextafter(1, 0), 5e-324, *at_cuts]
    scores = np.concatenate([near_zero, 1 - near_zero, rng.random(20_000), ends])
    with duckdb.connect() as connection:
        frame = nw.from_native(connection.from_df(pd.DataFrame({"a score": scores})))
        bins = collected(frame.select(bin=bin_of(nw.col("a score"), cuts)))["bin"]
    np.testing.assert_array_equal(bins, score_bin(scores, cuts))
