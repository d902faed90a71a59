"""Decision rules on the command line: the same answers as from Python."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from typer.testing import CliRunner

from holdfast import InvalidInputError, compare, load_model, save_model
from holdfast.cli import app
from holdfast.cli.rules import RuleOptions, class_weight_of, utility_of
from holdfast.rules import Bands, Costs, Threshold, TopShare
from holdfast.update.rows import held_out_rows

COSTS = "answer,fine,fraud\nfine,0,10\nfraud,1,0\n"


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a deployed model that blocks from .1 on, new rows, and costs."""
    monkeypatch.chdir(tmp_path)
    X, y = make_classification(
        3_000, 5, n_informative=4, n_redundant=0, weights=[0.93], flip_y=0.02, random_state=0
    )
    rows = pd.DataFrame(X, columns=list("abcde")).assign(kind=np.array(["fine", "fraud"])[y])
    rows.to_csv("rows.csv", index=False)
    base = FixedThresholdClassifier(LogisticRegression(), threshold=0.1, pos_label="fraud")
    save_model(base.fit(rows[list("abcde")][:800], rows["kind"][:800]), "base.skops")
    Path("costs.csv").write_text(COSTS)
    return rows


TRAIN = ("train", "rows.csv", "--target", "kind", "--base", "base.skops", "--out", "new.skops")


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ((), {"rule": "threshold", "threshold": 0.1, "positive": "fraud"}),
        (
            ("--threshold", "0.12", "--positive", "fraud"),
            {"rule": "threshold", "threshold": 0.12, "positive": "fraud"},
        ),
        (("--costs", "costs.csv"), {"rule": "costs"}),
        (("--rule", "same_rate"), {"rule": "threshold", "positive": "fraud"}),
        (
            ("--top-share", "0.05", "--positive", "FRAUD", "--utility", "balanced_accuracy"),
            {"rule": "threshold", "positive": "fraud"},
        ),
    ],
)
def test_an_update_answers_by_the_rule(folder, options, rule):
    result = run(*TRAIN, "--max-churn", "0.05", *options, "--json")
    assert result.exit_code in (0, 1, 3)
    stated = json.loads(result.stdout)
    assert rule.items() <= stated["card"]["rule"].items()
    assert run("predict", "new.skops", "rows.csv", "--out", "new.parquet").exit_code == 0
    model = load_model("new.skops").model
    answers = model.predict(folder[list("abcde")])
    table = pd.read_parquet("new.parquet")
    assert table["prediction"].tolist() == answers.tolist()
    features = [part for name in "abcde" for part in ("--feature", name)]
    predict = ("predict", "base.skops", "rows.csv", "--out", "base.parquet", "--label", "kind")
    assert run(*predict, *features).exit_code == 0
    compared = json.loads(run("compare", "base.parquet", "new.parquet", "--json").stdout)
    base = load_model("base.skops").model.predict(folder[list("abcde")])
    assert compared["churn_rate"] == np.mean(answers != base)


def test_a_first_release_answers_by_a_rule(folder):
    first = [part for part in TRAIN if part not in ("--base", "base.skops")]
    rule = ("--threshold", "0.2", "--positive", "fraud")
    result = run(*first, *rule, "--report", "report.html")
    assert "its rule answers fraud from a probability of 0.2 on" in Path("report.html").read_text()
    assert "its rule answers fraud from a probability of 0.2 on" in result.stdout
    model, rows = load_model("new.skops").model, folder[list("abcde")]
    expected = np.where(model.predict_proba(rows)[:, 1] >= 0.2, "fraud", "fine")
    assert model.predict(rows).tolist() == expected.tolist()


def test_options_become_rules(folder):
    classes = ["fine", "fraud"]
    assert RuleOptions().rule_for(classes) == "base"
    assert RuleOptions(rule="retuned").rule_for(classes) == "retuned"
    assert RuleOptions(threshold=0.3).rule_for(classes) == Threshold(0.3)
    assert RuleOptions(threshold=0.3, positive="1").rule_for([0, 1]) == Threshold(0.3, positive=1)
    yes = RuleOptions(threshold=0.3, positive="true").rule_for([False, True])
    assert yes == Threshold(0.3, positive=True)
    assert RuleOptions(top_share=0.1).rule_for(classes) == TopShare(0.1)
    bands = RuleOptions(bands="0.1,0.4", answers="a, b,c", positive="fraud").rule_for(classes)
    assert bands == Bands((0.1, 0.4), answers=("a", "b", "c"), positive="fraud")
    assert RuleOptions(costs=Path("costs.csv")).rule_for(classes) == Costs.from_csv("costs.csv")
    assert utility_of("accuracy") == "accuracy"
    assert utility_of("costs.csv") == Costs.from_csv("costs.csv")
    assert utility_of(None) is None


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"threshold": 0.1, "top_share": 0.1}, "only one of --threshold and --top-share"),
        ({"positive": "fraud"}, "--positive must be given with --threshold"),
        ({"answers": "a,b"}, "--bands must be given with --answers"),
        ({"bands": "0.1,x", "answers": "a,b,c"}, "--bands must be numbers"),
        ({"bands": "0.1", "answers": "a,b,c"}, "--answers must name one answer more"),
        ({"threshold": 0.1, "positive": "theft"}, "--positive must be one of the classes fine, fr"),
        ({"threshold": 1.5}, "threshold must be in"),
    ],
)
def test_wrong_options(options, match):
    with pytest.raises(InvalidInputError, match=match):
        RuleOptions(**options).rule_for(["fine", "fraud"])


def test_wrong_utility():
    with pytest.raises(InvalidInputError, match="--utility must be accuracy"):
        utility_of("precision")


def test_class_weights():
    assert class_weight_of(None, [0, 1]) is None
    assert class_weight_of(["balanced"], [0, 1]) == "balanced"
    assert class_weight_of(["1=20"], [0, 1]) == {0: 1.0, 1: 20.0}
    assert class_weight_of(["a=b=2"], ["a=b", "c"]) == {"a=b": 2.0, "c": 1.0}
    for texts in (["balanced", "1=2"], ["1"], ["1=x"], ["1=-1"], ["=2"], ["1=inf"]):
        with pytest.raises(InvalidInputError, match="--class-weight must be balanced alone"):
            class_weight_of(texts, [0, 1])
    with pytest.raises(InvalidInputError, match="--class-weight must be one of the classes 0, 1"):
        class_weight_of(["2=3"], [0, 1])


@pytest.mark.parametrize(
    ("learner", "weights"),
    [("linear", "fraud=20"), ("forest", "fraud=20"), ("trees", "balanced")],
)
def test_class_weights_raise_the_share_of_their_class(folder, learner, weights):
    first = [part for part in TRAIN if part not in ("--base", "base.skops")]
    shares = []
    for options in ((), ("--class-weight", weights)):
        assert run(*first, "--learner", learner, *options).exit_code == 0
        model = load_model("new.skops").model
        shares.append(np.mean(model.predict(folder[list("abcde")]) == "fraud"))
    assert shares[1] > shares[0]


def test_trees_take_no_weights_of_named_classes(folder):
    with pytest.raises(InvalidInputError, match="--class-weight must be balanced with the learner"):
        run(*TRAIN, "--learner", "trees", "--class-weight", "fraud=20")


def test_least_utility(folder):
    worth = ("--costs", "costs.csv", "--min-utility")
    result = run(*TRAIN, *worth, "cold", "--json")
    assert result.exit_code in (0, 1, 3)
    with pytest.raises(InvalidInputError, match="--min-utility must be a number or 'cold'"):
        run(*TRAIN, *worth, "high")
    with pytest.raises(InvalidInputError, match="--base must be given with --min-utility"):
        run("train", "rows.csv", "--target", "kind", "--out", "new.skops", "--min-utility", "cold")


def test_row_weights_count_and_are_no_feature(folder):
    weight = np.where(np.arange(3_000) % 2, 3, 1)
    folder.assign(importance=weight).to_csv("rows.csv", index=False)
    options = ("--max-churn", "0.05", "--weight", "importance")
    result = run(*TRAIN, *options, "--json")
    stated = json.loads(result.stdout)
    assert stated["weighted"]
    assert stated["card"]["features"] == list("abcde")
    base, new = (load_model(name).model for name in ("base.skops", "new.skops"))
    _, codes = np.unique(folder["kind"], return_inverse=True)
    _, test = held_out_rows(3_000, 0.2, 0, None, stratify=codes)
    rows, truth = folder[list("abcde")].iloc[test], folder["kind"].iloc[test]
    expected = compare(base.predict(rows), new.predict(rows), truth, sample_weight=weight[test])
    assert stated["churn_rate"] == expected.churn_rate
    assert stated["accuracy_new"] == expected.accuracy_new
    with pytest.raises(InvalidInputError, match="must have the column 'kind2'"):
        run(*TRAIN, "--weight", "kind2")
