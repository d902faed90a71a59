"""The ladder of budgets against selections made one by one."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier, compare
from holdfast.exceptions import InvalidInputError
from holdfast.report.ladder import ladder


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(1500, n_features=8, flip_y=0.2, random_state=1)
    return X, y, LogisticRegression().fit(X[:60], y[:60])


def fitted(rows, **params):
    X, y, base = rows
    seen = np.arange(len(y)) < 60
    model = LowChurnClassifier(LogisticRegression(), base, random_state=0, **params)
    return model.fit(X, y, seen_by_base=seen)


@pytest.mark.parametrize("mixture", ["average", "override"])
def test_each_step_is_the_selection_at_its_budget(rows, mixture):
    model = fitted(rows, max_churn=0.03, mixture=mixture)
    result = ladder(model)
    budgets = [step["budget"] for step in result["steps"]]
    assert budgets == sorted(set(budgets))
    assert (budgets[0], result["impossible"]) == (0.0, 0)
    assert budgets[-1] >= result["cold"]["churn_rate"] > budgets[-2]
    assert 8 <= len(budgets) <= 20
    assert [step["budget"] for step in result["steps"] if step["chosen"]] == [0.03]
    for step in result["steps"]:
        expected = model.with_budget(max_churn=step["budget"]).comparison_
        for name in ("churn_rate", "accuracy_gain", "negative_flip_rate", "lateral_flip_rate"):
            assert step[name] == getattr(expected, name)
        assert step["accuracy"] == expected.accuracy_new
        assert step["against_cold"] == pytest.approx(
            expected.accuracy_new - result["cold"]["accuracy"]
        )
        flips = [step[f"{kind}_flip_rate"] for kind in ("negative", "positive", "lateral")]
        assert sum(flips) == pytest.approx(step["churn_rate"])
        assert step["certificate"] is None
    assert result["confidence"] is None
    assert model.max_churn == 0.03  # untouched


def test_the_cold_start_is_the_first_candidate_on_the_selection_rows(rows):
    model = fitted(rows, max_churn=0.03)
    cold = model.compare_candidate()
    result = ladder(model)
    assert result["cold"]["churn_rate"] == cold.churn_rate
    assert result["cold"]["accuracy"] == cold.accuracy_new
    selection = model._update.selecting
    answers = model.classes_[model.path_.proba[0].argmax(axis=1)]
    expected = compare(selection.base.served, answers, model.classes_[selection.y])
    assert cold.to_dict() == expected.to_dict()
    with pytest.raises(InvalidInputError, match="position must be an integer from 0 to"):
        model.compare_candidate(len(model.path_.candidates))
    first = LowChurnClassifier(LogisticRegression()).fit(*rows[:2])
    with pytest.raises(
        InvalidInputError,
        match="rows of an update, got a first release",
    ):
        first.compare_candidate()
    assert ladder(first) is None


def test_certificates_are_those_of_each_budget(rows):
    model = fitted(rows, max_churn=0.1, confidence=0.9, validation_fraction=0.5)
    result = ladder(model)
    certified = [step for step in result["steps"] if step["certificate"]]
    assert result["steps"][0]["certificate"] is None  # no number of rows certifies nothing at all
    assert 0 < len(certified) < len(result["steps"])
    for step in certified:
        (limit,) = step["certificate"]["limits"]
        assert limit["limit"] == step["budget"]
        assert limit["upper"] <= step["budget"]
        assert step["certificate"]["confidence"] == 0.9
    at = next(step for step in certified if step["chosen"])
    assert at["certificate"] == model.certificate_.to_dict()


def test_limits_of_groups_stay(rows):
    X, y, base = rows
    side = {"side": np.where(X[:, 0] > 0, "left", "right")}
    limits = {"overall": 0.05, "side=left": 0.02}
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn=limits, mixture="override", random_state=0
    ).fit(X, y, groups=side)
    result = ladder(model)
    assert [step["budget"] for step in result["steps"] if step["chosen"]] == [0.05]
    free = ladder(model.with_budget(max_churn=0.05))
    assert result["steps"][-1]["churn_rate"] < free["steps"][-1]["churn_rate"]


def test_no_ladder_where_nothing_can_be_selected_again(rows):
    assert ladder(fitted(rows, max_churn=0.05, refit=True)) is None
    assert ladder(fitted(rows, max_churn=0.05, churn="kl")) is None


def test_budgets_that_no_candidate_keeps_are_counted(rows):
    model = fitted(rows, max_churn=0.2, include_base=False, mixture="single", lambdas=[0.0, 0.3])
    result = ladder(model)
    lowest = min(point.churn_rate for point in model.selection_.frontier)
    assert result["impossible"] > 0
    assert result["steps"][0]["budget"] >= lowest
