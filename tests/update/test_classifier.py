import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from joblib import hash as content_hash
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from holdfast import (
    InfeasibleBudgetError,
    InvalidInputError,
    LowChurnClassifier,
    UnsupportedEstimatorError,
    save_model,
)
from holdfast.methods import Anchor, Distill
from holdfast.metrics import accuracy, churn_divergence, churn_rate
from holdfast.models.columns import KEY, columns_of
from holdfast.preprocessing import preprocessor
from holdfast.rules import Threshold, TopShare
from holdfast.update.rows import held_out_rows

X, Y = make_classification(500, 6, n_informative=4, n_classes=3, flip_y=0.1, random_state=0)
NAMES = np.array(["ant", "bee", "cat"])
BASE = LogisticRegression().fit(X[:60], Y[:60])
TREE = DecisionTreeClassifier(max_depth=4, random_state=0)
GRID = [0.3, 0.7]
RANDOM_SPLIT = "the rows held out for the selection are drawn from positions"


def held_out(n=500, y=Y, fraction=0.2, seed=0):
    return held_out_rows(n, fraction, seed, None, stratify=y)[1]


def update(estimator=TREE, base=BASE, **options):
    options = {"lambdas": GRID, "random_state": 0, **options}
    return LowChurnClassifier(estimator, base, **options)


# --- scikit-learn's contract ----------------------------------------------------------------------


class Updated(LowChurnClassifier):
    """With a base model for whatever the checks give."""

    def fit(self, X, y, *, sample_weight=None):
        base = None
        labels = np.unique(np.asarray(y).ravel()) if y is not None else []
        if len(labels) > 1:
            base = np.random.default_rng(0).dirichlet(np.ones(len(labels)), np.asarray(y).size)
        return super().fit(X, y, base_proba=base, sample_weight=sample_weight)


def expected_failures(estimator):
    if not isinstance(estimator, Updated):
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": RANDOM_SPLIT,
        "check_sample_weight_equivalence_on_sparse_data": RANDOM_SPLIT,
    }


@parametrize_with_checks(
    [
        LowChurnClassifier(LogisticRegression()),
        Updated(LogisticRegression(), lambdas=[0.5], churn="kl", max_churn=50.0, random_state=0),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimator_contract(estimator, check):
    check(estimator)


# --- the base model is never touched --------------------------------------------------------------


def test_clone_and_fit_leave_the_base_model_as_it_is():
    base = LogisticRegression().fit(X[:60], Y[:60])
    before = content_hash(pickle.dumps(base))
    model = update(base=base, max_churn=0.1)
    copied = clone(model)
    assert copied.base_model is base
    copied.fit(X, Y)
    assert content_hash(pickle.dumps(base)) == before
    fitted = clone(copied)
    assert fitted.base_model is base
    assert not hasattr(fitted, "served_")


@pytest.mark.parametrize(
    "base",
    [FrozenEstimator(BASE), BASE.predict_proba, lambda X: BASE.predict_proba(X)],
    ids=["frozen", "method", "callable"],
)
def test_kinds_of_base_models_give_the_same(base):
    expected = update(max_churn=0.1).fit(X, Y)
    other = update(base=base, max_churn=0.1).fit(X, Y)
    np.testing.assert_array_equal(other.predict_proba(X), expected.predict_proba(X))


def test_cross_validation_with_routed_base_probabilities():
    proba = BASE.predict_proba(X)
    plain = LowChurnClassifier(TREE, lambdas=GRID, max_churn=0.6, random_state=0)
    direct = cross_val_score(plain, X, Y, cv=2, params={"base_proba": proba})
    with config_context(enable_metadata_routing=True):
        asking = clone(plain).set_fit_request(base_proba=True)
        routed = cross_val_score(asking, X, Y, cv=2, params={"base_proba": proba})
    np.testing.assert_array_equal(direct, routed)
    assert not np.array_equal(direct, cross_val_score(plain, X, Y, cv=2))
    assert "base_proba" in str(clone(asking).get_metadata_routing())


def test_grid_search_over_budgets_and_grids():
    grid = GridSearchCV(
        update(), {"max_churn": [0.0, 0.3], "lambdas": [[0.5], [0.2, 0.8]]}, cv=2
    ).fit(X, Y)
    assert len(grid.cv_results_["params"]) == 4
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    assert grid.best_estimator_.base_model is BASE


def test_parallel_back_ends_give_identical_results():
    one = update(max_churn=0.1).fit(X, Y)
    many = update(max_churn=0.1, n_jobs=2)
    with parallel_config(backend="threading"):
        threaded = clone(many).fit(X, Y)
    processes = many.fit(X, Y)
    for other in (threaded, processes):
        np.testing.assert_array_equal(other.predict_proba(X), one.predict_proba(X))
        assert other.lambda_ == one.lambda_


def test_fit_is_deterministic_and_survives_pickling():
    one, two = (update(max_churn=0.1).fit(X, Y) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.predict_proba(X), one.predict_proba(X))
    assert again.with_budget(max_churn=0.0).comparison_.churn_rate == 0


# --- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mixture", ["average", "single", "override"])
@pytest.mark.parametrize("budget", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_hard_budget_is_kept_on_the_selection_rows(mixture, budget, weighted):
    weight = np.random.default_rng(0).uniform(0.2, 2, 500) if weighted else None
    model = update(mixture=mixture, max_churn=budget, include_base=True)
    model.fit(X, Y, sample_weight=weight)
    rows = held_out()
    own = None if weight is None else weight[rows]
    served = model.predict(X[rows])
    churn = churn_rate(BASE.predict(X[rows]), served, sample_weight=own)
    assert churn <= budget + 1e-9
    assert model.comparison_.churn_rate == pytest.approx(churn)
    assert model.selection_.churn_rate == pytest.approx(churn)
    assert model.selection_.accuracy == pytest.approx(accuracy(Y[rows], served, sample_weight=own))
    assert model.comparison_.n == len(rows)
    np.testing.assert_array_equal(model.predict_proba(X).argmax(1), model.predict(X))


@pytest.mark.parametrize("churn", ["kl", "brier"])
def test_soft_budget_is_kept_on_the_selection_rows(churn):
    model = update(churn=churn, max_churn=0.1).fit(X, Y)
    rows = held_out()
    soft = churn_divergence(
        BASE.predict_proba(X[rows]), model.predict_proba(X[rows]), divergence=churn
    )
    assert soft <= 0.1 + 1e-9
    assert model.selection_.soft_churn == pytest.approx(soft)


@pytest.mark.parametrize("mixture", ["average", "single", "override"])
def test_accuracy_of_cold_is_kept_at_lower_churn(mixture):
    model = update(mixture=mixture).fit(X, Y)
    kept = np.setdiff1d(np.arange(500), held_out())
    cold = clone(TREE).fit(X[kept], Y[kept])
    rows = held_out()
    assert model.comparison_.accuracy_new >= accuracy(Y[rows], cold.predict(X[rows])) - 1e-12
    cold_churn = churn_rate(BASE.predict(X[rows]), cold.predict(X[rows]))
    assert model.comparison_.churn_rate <= cold_churn + 1e-12
    named = update(mixture=mixture, min_accuracy="cold").fit(X, Y)
    np.testing.assert_array_equal(named.predict(X), model.predict(X))
    low = update(mixture=mixture, min_accuracy=0.0, include_base=True).fit(X, Y)
    assert low.comparison_.churn_rate <= model.comparison_.churn_rate


def test_candidates_are_the_plain_fits_on_the_training_rows():
    model = update(max_churn=0.3).fit(X, Y)
    kept = np.setdiff1d(np.arange(500), held_out())
    cold = clone(TREE).fit(X[kept], Y[kept])
    np.testing.assert_array_equal(model.path_.proba[0], cold.predict_proba(X[held_out()]))
    assert model.path_.labels == ("cold", "distill(lam=0.3)", "distill(lam=0.7)")
    assert model.weights_.sum() + model.base_weight_ == pytest.approx(1)
    assert len(model.estimators_) == len(model.weights_)
    used = [i for i, w in enumerate(model.selection_.weights) if w]
    expected = sum(
        w * m.predict_proba(X)
        for w, m in zip(
            model.weights_, [model.path_.candidates[i].estimator for i in used], strict=True
        )
    ) + model.base_weight_ * BASE.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-12)
    lambdas = model.path_.lambdas[used]
    assert model.lambda_ == pytest.approx(lambdas @ model.weights_ + model.base_weight_)


def test_infeasible_budget_names_the_lowest_churn():
    with pytest.raises(InfeasibleBudgetError, match="max_churn must be at least") as caught:
        update(max_churn=0.0, include_base=False).fit(X, Y)
    lowest = caught.value.lowest_churn
    update(max_churn=lowest, include_base=False).fit(X, Y)


def test_with_budget_is_a_new_fit_without_training():
    model = update(max_churn=0.3).fit(X, Y)
    for options in (
        {"max_churn": 0.02},
        {"min_accuracy": "cold"},
        {"max_churn": 0.05, "mixture": "override"},
        {"max_churn": 0.1, "churn": "kl", "average_in": "log_odds"},
        {"max_churn": 0.05, "mixture": "single", "include_base": True},
    ):
        other = model.with_budget(**options)
        fresh = update(**options).fit(X, Y)
        np.testing.assert_array_equal(other.predict_proba(X), fresh.predict_proba(X))
        assert other.comparison_.churn_rate == fresh.comparison_.churn_rate
        assert other.path_ is model.path_
    assert model.max_churn == 0.3
    override = model.with_budget(max_churn=0.1, mixture="override")
    assert override.override_threshold_ >= 0
    assert not hasattr(
        override.with_budget(max_churn=0.1, mixture="average"), "override_threshold_"
    )
    with pytest.raises(InvalidInputError, match="with_budget may change max_churn, min_ac"):
        model.with_budget(max_churn=0.1, lambdas=[0.5])
    with pytest.raises(InvalidInputError, match="max_churn must be in"):
        model.with_budget(max_churn=3)
    with pytest.raises(InvalidInputError, match="got refit=True"):
        update(refit=True).fit(X, Y).with_budget(max_churn=0.1)
    with pytest.raises(InvalidInputError, match="got a first release"):
        LowChurnClassifier(TREE).fit(X, Y).with_budget(max_churn=0.1)


def test_methods_compete():
    model = update(method=["distill", Anchor(0.5, 0.7), "label_smoothing"], max_churn=0.1)
    model.fit(X, Y)
    assert len(model.path_.candidates) == 1 + 2 + 1 + 2
    one = update(method=Distill(0.4), max_churn=0.3).fit(X, Y)
    assert one.path_.labels == ("cold", "distill(lam=0.4)")


# --- override -------------------------------------------------------------------------------------


def test_override_with_a_learner_that_takes_no_weights():
    """Plain retraining alone needs no soft targets."""
    model = update(KNeighborsClassifier(), method="cold", mixture="override", max_churn=0.05)
    model.fit(X, Y)
    assert model.comparison_.churn_rate <= 0.05
    assert model.serving_.startswith("the base model and one new model")
    with pytest.raises(UnsupportedEstimatorError, match="soft_targets='sample'"):
        update(KNeighborsClassifier(), max_churn=0.05).fit(X, Y)
    sampled = update(KNeighborsClassifier(), max_churn=0.5, soft_targets="sample").fit(X, Y)
    assert sampled.comparison_.churn_rate <= 0.5


def test_override_needs_the_base_model_before_anything_is_trained():
    class Untrainable(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("trained too early")

    proba = BASE.predict_proba(X)
    for options, match in (
        ({"mixture": "override"}, "base_model must be given with mixture='override'"),
        ({"include_base": True}, "include_base must be False or 'auto' without base_model"),
        ({"churn": "brier", "average_in": "log_odds"}, "average_in must be 'probability'"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            update(Untrainable(), None, max_churn=0.1, **options).fit(X, Y, base_proba=proba)
    path = update(base=None, max_churn=0.9).fit(X, Y, base_proba=proba)
    with pytest.raises(InvalidInputError, match="base_model must be given"):
        path.with_budget(max_churn=0.1, mixture="override")


# --- log-odds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_linear_models_in_log_odds_are_served_as_one(n_classes, n_jobs):
    y = np.minimum(Y, n_classes - 1)
    base = LogisticRegression().fit(X[:60], y[:60])
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    for estimator in (LogisticRegression(), pipeline):
        model = update(
            estimator,
            base,
            average_in="log_odds",
            include_base=False,
            max_churn=0.9,
            churn="kl",
            n_jobs=n_jobs,
        ).fit(X, y)
        low = min(point.soft_churn for point in model.selection_.frontier)
        model = model.with_budget(max_churn=(low + model.selection_.soft_churn) / 2, churn="kl")
        assert len(model.estimators_) > 1
        assert model.serving_.startswith("one model, joined from")
        logs = sum(
            w * np.log(m.predict_proba(X))
            for w, m in zip(model.weights_, model.estimators_, strict=True)
        )
        odds = np.exp(logs)
        expected = odds / odds.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-9)
        assert model.decision_function(X).shape[0] == 500
        inner = model.served_[-1] if estimator is pipeline else model.served_
        assert type(inner) is LogisticRegression


# --- refit, validation, seen rows -----------------------------------------------------------------


def test_refit_trains_on_all_rows():
    model = update(refit=True, mixture="single", include_base=False, max_churn=0.9).fit(X, Y)
    assert model.comparison_ is None
    assert model.selection_ is not None
    if model.lambda_ == 0:
        np.testing.assert_array_equal(
            model.predict_proba(X), clone(TREE).fit(X, Y).predict_proba(X)
        )
    cold = update(refit=True, method="cold", include_base=False, max_churn=0.9).fit(X, Y)
    np.testing.assert_array_equal(cold.predict_proba(X), clone(TREE).fit(X, Y).predict_proba(X))


def test_validation_rows_in_place_of_a_split():
    train, rows = slice(0, 400), slice(400, 500)
    proba = BASE.predict_proba(X)
    model = update(max_churn=0.1).fit(X[train], Y[train], validation=(X[rows], Y[rows]))
    assert model.comparison_.n == 100
    np.testing.assert_array_equal(
        model.path_.proba[0], clone(TREE).fit(X[train], Y[train]).predict_proba(X[rows])
    )
    logged = update(base=None, max_churn=0.9).fit(
        X[train], Y[train], base_proba=proba[train], validation=(X[rows], Y[rows], proba[rows])
    )
    assert logged.comparison_.n == 100
    assert logged.base_report_.n == 400


@pytest.mark.parametrize(
    ("validation", "match"),
    [
        ((X[:9],), r"validation must be a tuple \(X, y\), \(X, y, base_proba\) or"),
        ([X[:9], Y[:9]], "validation must be a tuple"),
        ((X[:9], Y[:8]), "validation X and validation y must have the same number"),
        ((X[:9], Y[:9] + 5), "validation y must hold classes of y only"),
    ],
)
def test_wrong_validation(validation, match):
    with pytest.raises(InvalidInputError, match=match):
        update(max_churn=0.1).fit(X, Y, validation=validation)


def test_validation_without_base_probabilities():
    model = update(base=None, max_churn=0.5)
    with pytest.raises(InvalidInputError, match="validation must hold base_proba as its third"):
        model.fit(X, Y, base_proba=BASE.predict_proba(X), validation=(X, Y))


def test_rows_seen_by_the_base_are_never_held_out():
    seen = np.arange(500) < 400
    marked = X.copy()
    marked[:, 0] = np.arange(500)
    asked = []

    class Spy(GaussianNB):
        def predict_proba(self, X):
            asked.append(X[:, 0])
            return super().predict_proba(X)

    update(Spy(), max_churn=0.5).fit(marked, Y, seen_by_base=seen)
    assert np.concatenate(asked).min() >= 400
    assert len(asked[0]) == 50
    with pytest.raises(InvalidInputError, match="at least two rows that are False"):
        update(max_churn=0.1).fit(X, Y, seen_by_base=np.ones(500, dtype=bool))
    with pytest.raises(InvalidInputError, match="same number of rows"):
        update(max_churn=0.1).fit(X, Y, seen_by_base=seen[:-1])
    with pytest.raises(InvalidInputError, match="only one of seen_by_base and validation"):
        update(max_churn=0.1).fit(X, Y, seen_by_base=seen, validation=(X, Y))


# --- base probabilities ---------------------------------------------------------------------------


def test_base_probabilities_by_array_and_frame():
    proba = BASE.predict_proba(X)
    options = {"base": None, "max_churn": 0.9}
    expected = update(**options).fit(X, Y, base_proba=proba).predict_proba(X)
    for given, classes in (
        (pd.DataFrame(proba, columns=[0, 1, 2])[[2, 0, 1]], None),
        (proba[:, ::-1], [2, 1, 0]),
        (proba.tolist(), None),
        (proba.astype(np.float32).astype(np.float64), None),
    ):
        model = update(**options).fit(X, Y, base_proba=given, base_classes=classes)
        np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-4)
    named = update(**options).fit(
        X, NAMES[Y], base_proba=pl.DataFrame(proba, schema=NAMES.tolist())[["cat", "ant", "bee"]]
    )
    np.testing.assert_allclose(named.predict_proba(X), expected, atol=1e-12)
    assert model.base_weight_ == 0
    with_model = update(max_churn=0.1).fit(X, Y, base_proba=proba)
    without = update(max_churn=0.1).fit(X, Y)
    np.testing.assert_array_equal(with_model.predict(X), without.predict(X))


def test_rows_without_base_prediction():
    proba = BASE.predict_proba(X)
    proba[::4] = np.nan
    model = update(base=None, max_churn=0.9, mixture="single").fit(X, Y, base_proba=proba)
    report = model.base_report_
    assert (report.n, report.n_missing, report.n_unknown_label) == (500, 125, 0)
    rows = held_out()
    known = rows[rows % 4 != 0]
    assert model.comparison_.n == len(known)
    assert model.selection_.churn_rate == pytest.approx(
        churn_rate(BASE.predict(X[known]), model.predict(X[known]))
    )


# --- classes that come and go ---------------------------------------------------------------------


def test_a_class_that_the_base_never_knew():
    old = Y[:200] < 2
    base = LogisticRegression().fit(X[:200][old], Y[:200][old])
    model = update(GaussianNB(), base, max_churn=0.6).fit(X, Y)
    report = model.base_report_
    assert report.unknown_classes == (2,)
    assert report.n_unknown_label == np.sum(Y == 2)
    assert report.removed_classes == ()
    assert model.predict_proba(X).shape == (500, 3)
    # Rows of the new class are learned from their labels alone, whatever λ.
    everything = update(GaussianNB(), base, lambdas=[1.0], max_churn=1.0, mixture="single")
    everything.fit(X, Y)
    kept = np.setdiff1d(np.arange(500), held_out())
    prior = everything.path_.candidates[1].estimator.class_prior_
    assert prior[2] == pytest.approx(np.mean(Y[kept] == 2))


@pytest.mark.parametrize("sure", [False, True])
def test_a_class_that_is_gone_always_counts_as_churn(sure):
    def base(X):
        proba = BASE.predict_proba(X)
        return np.eye(3)[proba.argmax(1)] if sure else proba

    rows = Y < 2
    new_x, new_y = X[rows], Y[rows]
    n = len(new_y)
    model = update(base=base, max_churn=1.0)
    model.fit(new_x, new_y, base_classes=[0, 1, 2])
    served = BASE.predict(new_x)
    report = model.base_report_
    assert report.removed_classes == (2,)
    assert report.unknown_classes == ()
    assert report.n_without_mass == (np.sum(served == 2) if sure else 0)
    out = held_out(n, new_y)
    gone = np.mean(served[out] == 2)
    assert gone > 0
    assert model.comparison_.churn_rate == pytest.approx(
        churn_rate(served[out], model.predict(new_x[out]))
    )
    assert model.selection_.churn_rate == pytest.approx(model.comparison_.churn_rate)
    for mixture in ("average", "override"):
        with pytest.raises(InfeasibleBudgetError, match="max_churn must be at least") as caught:
            update(base=base, max_churn=gone / 2, mixture=mixture).fit(
                new_x, new_y, base_classes=[0, 1, 2]
            )
        assert caught.value.lowest_churn >= gone - 1e-12
    spent = update(base=base, max_churn=float(gone), mixture="override")
    spent.fit(new_x, new_y, base_classes=[0, 1, 2])
    assert spent.comparison_.churn_rate == pytest.approx(gone)


def test_rows_without_mass_are_learned_from_their_labels():
    rows = Y < 2
    proba = np.eye(3)[np.full(rows.sum(), 2)]
    proba[:200] = [0.5, 0.5, 0.0]
    model = update(GaussianNB(), None, lambdas=[1.0], max_churn=1.0, mixture="single")
    model.fit(X[rows], Y[rows], base_proba=proba, base_classes=[0, 1, 2])
    kept = np.setdiff1d(np.arange(rows.sum()), held_out(rows.sum(), Y[rows]))
    target = np.where((kept < 200)[:, None], 0.5, np.eye(2)[Y[rows][kept]])
    prior = model.path_.candidates[1].estimator.class_prior_
    np.testing.assert_allclose(prior, target.mean(axis=0))


@pytest.mark.parametrize("options", [{"max_churn": 0.1}, {"mixture": "override", "max_churn": 0.1}])
def test_names_and_order_of_classes_change_nothing(options):
    expected = update(GaussianNB(), **options).fit(X, Y)
    for names in (np.array(["a", "b", "c"]), np.array(["c", "a", "b"]), np.array([30, 10, 20])):
        order = np.argsort(names)  # the sorted classes are columns `order` of the others
        base = LogisticRegression().fit(X[:60], names[Y[:60]])
        model = update(GaussianNB(), base, **options).fit(X, names[Y])
        np.testing.assert_allclose(
            model.predict_proba(X), expected.predict_proba(X)[:, order], atol=2e-3
        )
        assert np.mean(model.predict(X) == names[expected.predict(X)]) > 0.995
        assert model.classes_.tolist() == sorted(names.tolist())


@pytest.mark.parametrize(
    "convert",
    [
        lambda y: y.astype(bool),
        lambda y: NAMES[y],
        lambda y: NAMES[y].astype(object),
        lambda y: pd.Series(NAMES[y]),
        lambda y: pd.Series(NAMES[y], dtype="category"),
        lambda y: y.astype(float),
        lambda y: y.tolist(),
        lambda y: pl.Series(NAMES[y].tolist()),
    ],
)
def test_kinds_of_labels(convert):
    y = np.minimum(Y, 1)
    labels = convert(y)
    base = LogisticRegression().fit(X[:60], np.asarray(labels)[:60])
    model = update(base=base, max_churn=0.05).fit(X, labels)
    plain = update(base=LogisticRegression().fit(X[:60], y[:60]), max_churn=0.05).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert set(model.predict(X)) <= set(np.asarray(labels).tolist())


# --- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        sp.csr_matrix,
        sp.csc_array,
        sp.coo_matrix,
        lambda X: pd.DataFrame(X, columns=list("abcdef")),
        lambda X: pl.DataFrame(X, schema=list("abcdef")),
    ],
)
def test_kinds_of_features(convert):
    inputs = convert(X)
    base = LogisticRegression().fit(
        inputs[:60] if not sp.issparse(inputs) else inputs.tocsr()[:60], Y[:60]
    )
    model = update(LogisticRegression(), base, max_churn=0.05).fit(inputs, Y)
    assert model.comparison_.churn_rate <= 0.05
    assert model.predict(inputs).shape == (500,)


def test_a_frame_with_more_columns_than_the_base_knows():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    base = LogisticRegression().fit(frame[["c", "a"]][:60], Y[:60])
    model = update(LogisticRegression(), base, max_churn=0.02).fit(frame, Y)
    assert model.predict_proba(frame).shape == (500, 3)
    assert model.feature_names_in_.tolist() == list("abcdef")


# --- first release --------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [TREE, make_pipeline(StandardScaler(), LogisticRegression())])
def test_first_release_is_the_plain_fit(estimator):
    model = LowChurnClassifier(estimator, max_churn=0.01, mixture="override").fit(X, NAMES[Y])
    plain = clone(estimator).fit(X, NAMES[Y])
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    assert model.selection_ is None
    assert model.comparison_ is None
    assert model.base_report_ is None
    assert model.lambda_ == 0
    assert model.serving_ == "one model"


def test_the_release_after_is_an_update_of_the_served_model():
    first = LowChurnClassifier(GaussianNB()).fit(X[:200], Y[:200])
    second = update(GaussianNB(), first.served_, max_churn=0.03, include_base=True)
    second.fit(X[200:400], Y[200:400])
    third = update(GaussianNB(), second.served_, max_churn=0.03, mixture="override").fit(X, Y)
    assert third.comparison_.churn_rate <= 0.03
    assert update(GaussianNB(), third, max_churn=0.03).fit(X, Y).predict(X).shape == (500,)


def test_fitting_again_as_a_first_release_leaves_nothing_behind():
    model = update(mixture="override", max_churn=0.1).fit(X, Y)
    model.set_params(base_model=None).fit(X, Y)
    assert not hasattr(model, "override_threshold_")
    assert model.base_report_ is None
    np.testing.assert_array_equal(model.predict(X), clone(TREE).fit(X, Y).predict(X))


@pytest.mark.parametrize(
    "extra", [{"seen_by_base": np.zeros(500, dtype=bool)}, {"base_classes": [0, 1, 2]}]
)
def test_first_release_refuses_words_about_a_base_model(extra):
    with pytest.raises(InvalidInputError, match="must be left out where there is no base model"):
        LowChurnClassifier(TREE).fit(X, Y, **extra)


# --- wrong use ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_churn": 1.7}, r"max_churn must be in \[0, 1\], got 1.7; give a share of rows"),
        ({"max_churn": -0.1, "churn": "kl"}, "max_churn must be in"),
        ({"max_churn": "2 %"}, "max_churn must be in"),
        ({"min_accuracy": 95}, r"min_accuracy must be in \[0, 1\], got 95"),
        ({"min_accuracy": "warm"}, "min_accuracy must be in"),
        ({"max_churn": 0.1, "min_accuracy": 0.9}, "only one of max_churn and min_accuracy"),
        ({"churn": "soft"}, "churn must be one of 'hard', 'kl', 'brier'"),
        ({"mixture": "mean"}, "mixture must be one of 'average', 'single', 'override'"),
        ({"mixture": "override", "churn": "kl"}, "churn must be 'hard' with mixture='override'"),
        ({"average_in": "logits"}, "average_in must be one of"),
        ({"include_base": "always"}, "include_base must be one of 'auto'"),
        ({"include_base": 1}, "include_base must be one of 'auto', got 1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be in"),
        ({"method": "distil"}, "did you mean 'distill'"),
        ({"lambdas": [0.5, 1.5]}, "lambdas must be 'auto' or numbers in"),
        ({"soft_targets": "draw"}, "soft_targets must be one of"),
        ({"estimator": LinearSVC()}, "estimator must have predict_proba, got LinearSVC"),
        ({"estimator": BASE}, "must be two objects, got the same object twice"),
        ({"base_model": 3}, "base_model must have predict_proba or predict"),
        ({"base_model": "none.skops"}, "must be a readable model file, got none.skops: No such"),
    ],
)
def test_wrong_parameters(options, match):
    with pytest.raises(InvalidInputError, match=match):
        update().set_params(**options).fit(X, Y)


@pytest.mark.parametrize(
    ("proba", "match"),
    [
        (np.random.default_rng(0).normal(size=(500, 3)), "look like logits; apply a softmax"),
        (np.full((500, 3), 0.5), "base_proba must sum to 1 in each row"),
        (np.full((500, 2), 0.5), "base_proba must have one column per class of y"),
        (np.full((499, 3), 1 / 3), "X and base_proba must have the same number of rows"),
        (np.full(500, 0.5), r"base_proba must be probabilities of shape \(n, K\)"),
        (0.5, "base_proba must have shape"),
        (pd.DataFrame(np.full((500, 3), 1 / 3), columns=["0", "1", "2"]), "labels of one type"),
        (np.full((500, 3), np.nan), "at least one selection row"),
    ],
)
@pytest.mark.parametrize("mixture", ["average", "single"])
def test_wrong_base_probabilities(proba, match, mixture):
    with pytest.raises(InvalidInputError, match=match):
        update(base=None, max_churn=0.5, mixture=mixture).fit(X, Y, base_proba=proba)


def test_wrong_rows():
    model = update(max_churn=0.1)
    with pytest.raises(InvalidInputError, match="at least two classes, got one class, 1"):
        model.fit(X, np.ones(500, dtype=int))
    with pytest.raises(ValueError, match=r"inconsistent|same number of rows"):
        model.fit(X, Y[:-1])
    with pytest.raises(ValueError, match=r"at least one row|0 sample"):
        model.fit(X[:0], Y[:0])
    with pytest.raises(InvalidInputError, match="labels of one type"):
        model.fit(X, NAMES[Y])
    with pytest.raises(InvalidInputError, match="sample_weight must be finite"):
        model.fit(X, Y, sample_weight=np.full(500, -1.0))
    with pytest.raises(InvalidInputError, match="missing values"):
        model.fit(X, np.where(Y == 0, None, NAMES[Y]))


def test_forests_and_a_grid_of_lambda():
    grid = np.linspace(0.1, 0.9, 9)
    model = LowChurnClassifier(
        RandomForestClassifier(5, random_state=0), BASE, max_churn=0.1, lambdas=grid, random_state=0
    ).fit(X, Y)
    assert len(model.path_.candidates) == 10
    assert model.comparison_.churn_rate <= 0.1


def test_with_budget_keeps_the_present_budget():
    model = update(max_churn=0.05).fit(X, Y)
    override = model.with_budget(mixture="override")
    assert override.max_churn == 0.05
    assert override.comparison_.churn_rate <= 0.05
    cold = model.with_budget(min_accuracy="cold")
    assert (cold.max_churn, cold.min_accuracy) == (None, "cold")
    with pytest.raises(InvalidInputError, match="refit must be True or False"):
        update(refit="yes").fit(X, Y)


@pytest.mark.parametrize("mixture", ["average", "override"])
def test_a_hard_budget_is_approached_with_caution(mixture):
    model = update(max_churn=0.05, mixture=mixture).fit(X, Y)
    n = model.selection_.n
    assert model.comparison_.churn_rate <= 0.05 - 0.5 * np.sqrt(0.05 * 0.95 / n) + 1e-12
    assert model.selection_.max_churn == 0.05
    # Where caution leaves nothing, the budget itself counts.
    single = model.with_budget(max_churn=0.5, mixture="single", include_base=False)
    lowest = min(point.churn_rate for point in single.selection_.frontier)
    at_the_edge = model.with_budget(max_churn=lowest, mixture="single", include_base=False)
    assert at_the_edge.comparison_.churn_rate == pytest.approx(lowest, abs=1e-12)


def test_a_first_release_answers_by_its_rule():
    y = np.where(Y == 0, "fraud", "fine")
    rule = Threshold(0.2, positive="fraud")
    model = LowChurnClassifier(LogisticRegression(max_iter=1000), rule=rule).fit(X, y)
    proba = model.predict_proba(X)
    np.testing.assert_array_equal(model.predict(X), rule.decide(proba, classes=model.classes_))
    assert model.rule_ == rule
    inner = LogisticRegression(max_iter=1000)
    fixed = FixedThresholdClassifier(inner, threshold=0.2, pos_label="fraud")
    own = LowChurnClassifier(fixed).fit(X, y)
    np.testing.assert_array_equal(own.predict(X), model.predict(X))
    for fitted in ("same_rate", "retuned", TopShare(0.1, positive="fraud")):
        with pytest.raises(InvalidInputError, match="rule must need no selection rows"):
            LowChurnClassifier(LogisticRegression(), rule=fitted).fit(X, y)


def test_columns_that_a_base_model_s_card_knows(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"size": rng.normal(size=200), "flag": rng.random(200) < 0.5})
    y = np.where(rows["flag"] ^ (rows["size"] > 1), "yes", "no")
    learner = make_pipeline(preprocessor(rows, kind="linear"), LogisticRegression())
    card = {KEY: columns_of(rows)}
    save_model(clone(learner).fit(rows[:100], y[:100]), tmp_path / "base.skops", card=card)
    model = LowChurnClassifier(
        learner, tmp_path / "base.skops", max_churn=0.5, lambdas=GRID, random_state=0
    )
    assert model.fit(rows, y).comparison_.n > 0
    named = rows.assign(flag=np.where(rows["flag"], "yes", "no"))
    match = (
        r"column 'flag' must hold booleans, as in the training of base_model, got text in 200 of"
    )
    with pytest.raises(InvalidInputError, match=match):
        model.fit(named, y)
