"""One pair of models, asked in every way: the answers and their measures are the same."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from typer.testing import CliRunner

from holdfast import InvalidInputError, compare, load_model, save_model
from holdfast.cli import app
from holdfast.comparison import compare_scores
from holdfast.rules import Threshold

FEATURES = list("abcde")
RULE = Threshold(0.1, positive="fraud")


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code in (0, 1, 3), result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a base model, an update of it, and the predictions of both."""
    path = tmp_path_factory.mktemp("same")
    X, y = make_classification(
        3_000, 5, n_informative=4, n_redundant=0, weights=[0.93], flip_y=0.02, random_state=0
    )
    rows = pd.DataFrame(X, columns=FEATURES).assign(kind=np.array(["fine", "fraud"])[y])
    rows.to_csv(path / "rows.csv", index=False)
    base = FixedThresholdClassifier(LogisticRegression(), threshold=0.1, pos_label="fraud")
    base.fit(rows[FEATURES][:800], rows["kind"][:800])
    save_model(base, path / "base.skops", card={"features": FEATURES, "target": "kind"})
    train = run(
        "train", path / "rows.csv", "--target", "kind", "--base", path / "base.skops",
        "--out", path / "new.skops", "--max-churn", "0.05", "--report", path / "train.json",
        "--floor", "0", "--json",
    )  # fmt: skip
    (path / "train_stdout.json").write_text(train)
    for name in ("base", "new"):
        run("predict", path / f"{name}.skops", path / "rows.csv", "--out", path / f"{name}.csv",
            "--label", "kind")  # fmt: skip
    return path


@pytest.fixture(scope="module")
def models(folder):
    return [load_model(folder / f"{name}.skops").model for name in ("base", "new")]


@pytest.fixture(scope="module")
def expected(folder, models):
    """Return the comparison in Python, by the answers of `predict`."""
    rows = pd.read_csv(folder / "rows.csv")
    answers = [model.predict(rows[FEATURES]) for model in models]
    return compare(*answers, rows["kind"])


def scores_of(folder, models):
    rows = pd.read_csv(folder / "rows.csv")
    return [model.predict_proba(rows[FEATURES])[:, 1] for model in models], rows["kind"]


def figures(values):
    """Return what a comparison says of the answers."""
    names = ("churn_rate", "negative_flip_rate", "accuracy_base", "accuracy_new", "transitions")
    measures = {name: values["measures"][name] for name in ("recall[fraud]", "rate[fraud]")}
    return {name: values[name] for name in names} | measures


def test_python_with_a_rule(folder, models, expected):
    (base, new), truth = scores_of(folder, models)
    found = compare(
        *(np.column_stack([1 - p, p]) for p in (base, new)),
        truth,
        classes=["fine", "fraud"],
        rule=RULE,
    )
    assert figures(found.to_dict()) == figures(expected.to_dict())


def test_tables_of_answers_of_probabilities_and_of_scores(folder, expected):
    answers = json.loads(run("compare", folder / "base.csv", folder / "new.csv", "--json"))
    assert figures(answers) == figures(expected.to_dict())
    for name in ("base", "new"):
        table = pd.read_csv(folder / f"{name}.csv")
        table.drop(columns="prediction").to_csv(folder / f"{name}_proba.csv", index=False)
        scores = table[["proba_fraud", "label"]].rename(columns={"proba_fraud": "P"})
        scores.to_csv(folder / f"{name}_score.csv", index=False)
    rule = ("--threshold", "0.1", "--positive", "fraud", "--json")
    for kind, more in (("proba", ()), ("score", ("--score", "P"))):
        tables = [folder / f"{name}_{kind}.csv" for name in ("base", "new")]
        found = json.loads(run("compare", *tables, *more, *rule))
        assert figures(found) == figures(expected.to_dict())
        assert found["positive"] == "fraud"
        assert found["swaps"] == expected.swaps("fraud").to_dict()
        assert found["rules"]["base"] == found["rules"]["new"] == RULE.to_dict()
    assert found["scores"]["swaps"]["swapped_in"] == found["swaps"]["swapped_in"]


def test_a_rule_that_contradicts_the_answers_is_refused(folder):
    tables = [folder / f"{name}.csv" for name in ("base", "new")]
    with pytest.raises(InvalidInputError, match="must give the answers in column 'prediction' of"):
        run("compare", *tables, "--threshold", "0.2", "--positive", "fraud")


def test_train_and_its_report_say_the_same_of_their_test_rows(folder):
    stated = json.loads((folder / "train_stdout.json").read_text())
    report = json.loads((folder / "train.json").read_text())["summary"]
    assert figures(report["comparison"]) == figures(stated)
    assert report["answers"]["positive_measures"] == stated["positive_measures"]
    assert report["answers"]["swaps"] == stated["swaps"]
    assert stated["positive"] == "fraud"
    assert (
        stated["rule_text"] == "The rule of both models answers fraud from a probability of 0.1 on."
    )
    recall = next(one for one in stated["positive_measures"] if one["name"] == "recall[fraud]")
    assert recall == stated["measures"]["recall[fraud]"]
    assert any(one["name"] == "cost" for one in stated["positive_measures"])


def test_scores_are_compared_as_in_python(folder, models):
    (base, new), truth = scores_of(folder, models)
    expected = compare_scores(base, new, truth, positive="fraud", threshold=0.1).to_dict()
    found = json.loads(
        run(
            "compare",
            folder / "base.csv",
            folder / "new.csv",
            "--score",
            "proba_fraud",
            "--positive",
            "fraud",
            "--json",
        )
    )["scores"]
    assert found["measures"]["auc"]["change"] == pytest.approx(
        expected["measures"]["auc"]["change"]
    )
    assert found["movement"]["moved_share"] == pytest.approx(expected["movement"]["moved_share"])


def logged(folder, mlflow):
    """Return the addresses of both models in a registry."""
    from holdfast import registry

    mlflow.create_experiment("same", artifact_location=(folder / "files").as_uri())
    mlflow.set_experiment("same")
    addresses = []
    for name in ("base", "new"):
        with mlflow.start_run():
            addresses.append(registry.log_model(folder / f"{name}.skops"))
    return addresses


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_gate_says_the_same(folder, expected, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{folder}/mlflow.db"
    monkeypatch.chdir(folder)
    (folder / "policy.toml").write_text(
        "max_churn = 0.5\npositive = 'fraud'\n[limits.recall]\nmin_change = -0.5\n"
        "[limits.auc]\nmin = 0.1\n"
    )
    mlflow.set_tracking_uri(uri)
    try:
        addresses = logged(folder, mlflow)
    finally:
        mlflow.set_tracking_uri(None)
    found = json.loads(
        run(
            "gate",
            "--champion",
            addresses[0],
            "--candidate",
            addresses[1],
            "--data",
            folder / "rows.csv",
            "--policy",
            folder / "policy.toml",
            "--target",
            "kind",
            "--tracking-uri",
            uri,
            "--threshold",
            "0.1",
            "--positive",
            "fraud",
            "--report",
            folder / "gate.json",
            "--json",
        )
    )
    assert figures(found) == figures(expected.to_dict())
    assert found["swaps"] == expected.swaps("fraud").to_dict()
    assert [check["name"] for check in found["checks"]] == [
        "churn_rate", "recall[fraud] change", "auc",
    ]  # fmt: skip
    report = json.loads((folder / "gate.json").read_text())["summary"]
    assert report["answers"]["swaps"] == found["swaps"]
