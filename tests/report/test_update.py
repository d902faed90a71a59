"""The card and the report of an update."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier, Policy, compare
from holdfast.datasets.dataset import Dataset
from holdfast.render.page import render_page
from holdfast.report.frontier import frontier
from holdfast.report.ladder import ladder
from holdfast.report.saved import read_summary, to_json
from holdfast.report.update import MeasuredRows, budget_decision, card_of, summarise_update
from holdfast.rules import Costs, Threshold

FEATURES = [f"f{i}" for i in range(6)]


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(1200, n_features=6, flip_y=0.2, random_state=1)
    X = pd.DataFrame(X, columns=FEATURES)
    return X, y, LogisticRegression().fit(X[:60], y[:60])


def fitted(rows, **params):
    X, y, base = rows
    model = LowChurnClassifier(LogisticRegression(), base, random_state=0, **params)
    return model.fit(X[:900], y[:900], seen_by_base=np.arange(900) < 60)


def measured(model, rows):
    X, y, base = rows
    X, y = X[900:], y[900:]
    answers = base.predict(X)
    return MeasuredRows(X, y, answers, base.predict_proba(X), compare(answers, model.predict(X), y))


def test_the_report_shows_what_its_parts_show(rows):
    model = fitted(rows, max_churn=0.05)
    test_rows = measured(model, rows)
    summary = summarise_update(model, test_rows, title="Release 2", facts={"seed": 0}, floor=0.01)
    assert json.loads(json.dumps(summary, allow_nan=False))["title"] == "Release 2"
    assert summary["comparison"] == test_rows.comparison.to_dict()
    decision = Policy(max_churn=0.05).decide(test_rows.comparison)
    assert summary["decision"] == decision.to_dict()
    assert summary["frontier"] == frontier(model, floor=0.01)
    assert summary["ladder"] == ladder(model)
    assert summary["serving"] == model.serving_
    assert summary["certificate"] is None
    assert summary["provenance"]["seed"] == 0
    changed = {row["row"] for row in summary["rows"]["rows"] if row["base"] != row["new"]}
    assert changed <= set(range(900, 1200))
    assert len(changed) == round(test_rows.comparison.churn_rate * 300)


def test_the_report_shows_the_certificate_line_by_line(rows):
    model = fitted(rows, max_churn=0.2, confidence=0.9)
    summary = summarise_update(model, measured(model, rows), title="Release 2", facts={})
    assert "\n".join(summary["certificate"]) == str(model.certificate_)


def test_without_measured_rows_the_report_holds_what_is_served_and_the_facts(rows):
    model = fitted(rows, max_churn=0.05)
    summary = summarise_update(model, None, title="Model trained", facts={"seed": 0})
    assert set(summary) == {"title", "serving", "provenance"}
    assert summary["serving"] == model.serving_


@pytest.mark.parametrize(
    ("params", "limits"),
    [
        ({"max_churn": 0.05}, {"max_churn": 0.05}),
        ({"max_churn": {"overall": 0.05}}, {"max_churn": 0.05}),
        (
            {"max_churn": 0.05, "max_negative_flips": 0.01},
            {"max_churn": 0.05, "max_negative_flips": 0.01},
        ),
        ({"min_accuracy": "cold"}, None),
    ],
)
def test_a_comparison_is_held_against_the_budget_of_the_model(rows, params, limits):
    model = fitted(rows, **params)
    comparison = measured(model, rows).comparison
    expected = None if limits is None else Policy(**limits).decide(comparison)
    assert budget_decision(model, comparison) == expected


def test_the_card_counts_the_rows_of_each_part(rows):
    model = fitted(rows, max_churn=0.2, confidence=0.9)
    data = Dataset("mine", rows[0], rows[1], "label", tuple(FEATURES), (), None, "a file", "abc")
    card = card_of(
        model, data, features=FEATURES, learner="linear", seed=0, n_train=900, n_test=300
    )
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["rows"] == {
        "train": 900,
        "selection": model.selection_.n,
        "certificate": model.certificate_.n,
        "test": 300,
    }
    assert (card["target"], card["features"], card["data_sha256"]) == ("label", FEATURES, "abc")
    assert (card["serving"], card["max_churn"]) == (model.serving_, 0.2)
    assert card["certificate"] == model.certificate_.to_dict()


@pytest.mark.parametrize(
    ("utility", "stated"),
    [
        (None, None),
        ("balanced_accuracy", "balanced_accuracy"),
        ({0: 1, 1: 3}, {"0": 1.0, "1": 3.0}),
        (Costs([[0, 3], [1, 0]]), {"rule": "costs", "matrix": [[0, 3], [1, 0]]}),
        (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]),
    ],
    ids=str,
)
def test_the_card_holds_the_rule_and_the_utility(rows, utility, stated):
    rule = Threshold(0.4, positive=1)
    model = fitted(rows, max_churn=0.2, rule=rule, utility=utility, mixture="override")
    data = Dataset("mine", rows[0], rows[1], "label", tuple(FEATURES), (), None, "a file", "abc")
    card = card_of(
        model, data, features=FEATURES, learner="linear", seed=0, n_train=900, n_test=300
    )
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["rule"] == rule.to_dict()
    assert card["utility"] == stated
    assert card["override_threshold"] == model.override_threshold_
    summary = summarise_update(model, measured(model, rows), title="Release 2", facts=card)
    assert "its rule answers 1 from a probability of 0.4 on" in render_page(summary)


def test_utility_stands_where_accuracy_does(rows, tmp_path):
    model = fitted(rows, max_churn=0.2, rule=Costs([[0, 3], [1, 0]]), confidence=0.9)
    chart, steps = frontier(model), ladder(model)
    assert chart["measure"] == steps["measure"] == "utility"
    chosen = [point["utility"] for point in chart["points"] if point["chosen"]]
    assert chosen == [model.selection_.utility]
    at = [step["utility"] for step in steps["steps"] if step["chosen"]]
    assert at == [model.selection_.utility]
    summary = summarise_update(model, measured(model, rows), title="Release 2", facts={})
    path = tmp_path / "report.json"
    path.write_text(to_json(summary))
    page = render_page(read_summary(path))
    assert "Churn against utility" in page
    assert page.count('<th scope="col" class="number">Utility</th>') == 2
    assert f'data-height="{at[0]}"' in page
    for utility in (None, "accuracy"):
        plain = fitted(rows, max_churn=0.2, utility=utility)
        assert frontier(plain)["measure"] == ladder(plain)["measure"] == "accuracy"
        assert all("utility" not in point for point in frontier(plain)["points"])
