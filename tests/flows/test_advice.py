"""The advice of an error can be followed in the case that raised it."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from holdfast import LowChurnClassifier, LowChurnRegressor, churn_floor, compare
from holdfast.cli.features import features_of
from holdfast.exceptions import (
    InfeasibleBudgetError,
    InvalidInputError,
    UnsupportedEstimatorError,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4))
Y = (X[:, 0] + RNG.normal(size=300) > 0).astype(int)
THREE = np.where(X[:, 1] > 1, 2, Y)
BASE = LogisticRegression().fit(X[:120], Y[:120])
PAIR = [("linear", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=3))]
SETTINGS = {"max_churn": 0.1, "lambdas": [0.5], "random_state": 0}


def update(estimator, base=BASE, **options):
    return LowChurnClassifier(estimator, base, **SETTINGS | options)


# --- estimators that take weights -----------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        VotingClassifier(PAIR, voting="soft"),
        VotingClassifier([*PAIR, ("gone", "drop")], voting="soft"),
        VotingClassifier([("piped", make_pipeline(StandardScaler(), GaussianNB()))], voting="soft"),
        OneVsRestClassifier(LogisticRegression()),
    ],
)
@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 2, 300)])
def test_estimators_that_hand_weights_on_take_part(estimator, weight):
    model = update(estimator).fit(X, Y, sample_weight=weight)
    assert model.comparison_.churn_rate <= 0.1
    assert "_metadata_request" not in vars(estimator)


def test_a_vote_learns_soft_targets_as_its_parts_do():
    alone = update(LogisticRegression(), lambdas=[0.7]).fit(X, Y)
    vote = VotingClassifier([("one", LogisticRegression())], voting="soft")
    voted = update(vote, lambdas=[0.7]).fit(X, Y)
    assert voted.selection_.weights.tolist() == pytest.approx(alone.selection_.weights.tolist())
    np.testing.assert_allclose(voted.predict_proba(X), alone.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (StackingClassifier(PAIR), "got StackingClassifier with cv=None: soft targets repeat"),
        (GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3), "GridSearchCV with cv=3"),
        (CalibratedClassifierCV(SVC(), cv=2), "CalibratedClassifierCV with cv=2"),
        (KNeighborsClassifier(), "got KNeighborsClassifier, which does not"),
        (
            VotingClassifier([*PAIR, ("near", KNeighborsClassifier())], voting="soft"),
            "got VotingClassifier, which hands weights on to parts that do not",
        ),
    ],
)
def test_what_is_refused_with_a_true_reason_can_learn_drawn_labels(estimator, match):
    with pytest.raises(UnsupportedEstimatorError, match=rf"{match}.*soft_targets='sample'"):
        update(estimator).fit(X, Y)
    assert update(estimator, soft_targets="sample").fit(X, Y).predict(X).shape == (300,)


@pytest.mark.parametrize(
    ("estimator", "match", "remedy"),
    [
        (
            SVC(),
            r"got SVC; use CalibratedClassifierCV\(SVC\(\.\.\.\)\) with soft_targets='sample'",
            CalibratedClassifierCV(SVC(), cv=2),
        ),
        (
            make_pipeline(StandardScaler(), SVC()),
            r"got SVC; use CalibratedClassifierCV",
            CalibratedClassifierCV(SVC(), cv=2),
        ),
        (VotingClassifier(PAIR), "use voting='soft'", VotingClassifier(PAIR, voting="soft")),
    ],
)
def test_classifiers_without_probabilities(estimator, match, remedy):
    with pytest.raises(InvalidInputError, match=match):
        update(estimator).fit(X, Y)
    update(remedy, soft_targets="sample").fit(X, Y)


class Sampler(BaseEstimator):
    """Draws rows, as the samplers of imbalanced-learn do."""

    def fit_resample(self, X, y):
        raise NotImplementedError


class Balanced(RandomForestClassifier):
    """Draws as many rows of each class, as a forest of imbalanced-learn does."""

    def __init__(self, sampling_strategy="all", n_estimators=5):
        super().__init__(n_estimators=n_estimators)
        self.sampling_strategy = sampling_strategy


def test_pipelines_that_draw_rows_are_refused_by_the_step():
    drawing = Pipeline([("draw", Sampler()), ("model", LogisticRegression())])
    with pytest.raises(UnsupportedEstimatorError, match="got Sampler as the step 'draw'"):
        update(drawing).fit(X, Y)
    with pytest.raises(UnsupportedEstimatorError, match="Balanced with sampling_strategy='all'"):
        update(Balanced()).fit(X, Y)


# --- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("include_base", ["auto", True])
@pytest.mark.parametrize("mixture", ["average", "single"])
def test_a_class_that_is_gone_leaves_only_a_higher_budget(include_base, mixture):
    base = LogisticRegression().fit(X[:120], THREE[:120])
    options = {"include_base": include_base, "mixture": mixture}
    match = "answers are classes that the new model does not have; raise the budget"
    with pytest.raises(InfeasibleBudgetError, match=match) as caught:
        update(LogisticRegression(), base, max_churn=0.0, **options).fit(X, Y)
    lowest = caught.value.lowest_churn
    update(LogisticRegression(), base, max_churn=lowest + 1e-9, **options).fit(X, Y)


def test_without_the_base_model_it_may_be_let_in():
    with pytest.raises(InfeasibleBudgetError, match=r"let it in \(include_base=True\)"):
        update(LogisticRegression(), max_churn=0.0, include_base=False).fit(X, Y)
    update(LogisticRegression(), max_churn=0.0, include_base=True).fit(X, Y)


# --- rows -----------------------------------------------------------------------------------------


def test_several_labels_at_once():
    both = np.column_stack([Y, 1 - Y])
    with pytest.raises(
        InvalidInputError, match=r"y must be one class per row, got shape \(300, 2\)"
    ):
        update(LogisticRegression()).fit(X, both)
    several = MultiOutputClassifier(LogisticRegression()).fit(X, both)
    with pytest.raises(InvalidInputError, match="got a MultiOutputClassifier of 2 outputs"):
        update(LogisticRegression(), several).fit(X, Y)
    update(LogisticRegression(), several.estimators_[0]).fit(X, Y)
    proba = np.array([[0.9, 0.8], [0.1, 0.7]])
    with pytest.raises(InvalidInputError, match="give one column at a time if several may be"):
        compare(proba, proba.copy(), [0, 1])


def test_missing_probabilities():
    some = np.array([[0.9, 0.1], [np.nan, 0.7], [np.nan, np.nan]])
    with pytest.raises(InvalidInputError, match="drop those rows from all that is given"):
        compare(some, some.copy(), [0, 1, 1])
    with pytest.raises(
        InvalidInputError, match=r"NaN in all columns of a row .* 1 of them beside numbers"
    ):
        update(LogisticRegression(), None).fit(X[:3], Y[:3], base_proba=some)


def test_sparse_rows_of_any_format():
    rows = sp.coo_matrix(X)
    model = update(LogisticRegression(), mixture="override").fit(rows, Y)
    np.testing.assert_array_equal(model.predict(rows), model.predict(X))
    by_array = churn_floor(LogisticRegression(), X, Y, vary="bootstrap", n_models=3)
    assert churn_floor(LogisticRegression(), rows, Y, vary="bootstrap", n_models=3) == by_array


def test_categories_that_a_model_does_not_know():
    table = pd.DataFrame({"x": X[:, 0], "kind": np.where(X[:, 1] > 0, "a", "b")})
    columns = make_column_transformer((OneHotEncoder(), ["kind"]), ("passthrough", ["x"]))
    regressor = make_pipeline(columns, Ridge())
    base = clone(regressor).fit(table[:120], X[:120, 2])
    other = table.assign(kind="new")
    match = "base_model must give values for X, got ValueError: Found unknown categories"
    with pytest.raises(InvalidInputError, match=match):
        LowChurnRegressor(regressor, base).fit(other, X[:, 2])
    model = LowChurnRegressor(regressor, base).fit(table, X[:, 2])
    with pytest.raises(InvalidInputError, match="must give values for X, got ValueError: Found"):
        model.predict(other)


def test_catboost_with_categories_can_be_cloned():
    catboost = pytest.importorskip("catboost")
    table = pd.DataFrame({"x": X[:, 0], "kind": np.where(X[:, 1] > 0, "a", "b")})
    settings = {"iterations": 3, "verbose": 0, "allow_writing_files": False}
    booster = catboost.CatBoostClassifier(**settings, cat_features=["kind"])
    base = LogisticRegression().fit(table[["x"]], Y)
    for estimator in (booster, make_pipeline("passthrough", booster)):
        copied = clone(LowChurnClassifier(estimator, base, max_churn=0.2))
        assert copied.base_model is base
        assert copied.estimator is not estimator
        copied.fit(table, Y)
    LowChurnClassifier(booster, base, max_churn=0.2, soft_targets="sample").fit(table, Y)


def test_only_a_command_with_features_names_the_option():
    model = LogisticRegression().fit(X, Y)
    table = pd.DataFrame(X)
    with pytest.raises(InvalidInputError, match="name them with --feature"):
        features_of(model, {}, table, [])
    with pytest.raises(InvalidInputError, match="names; train it on a data frame, or log it with"):
        features_of(model, {}, table)
