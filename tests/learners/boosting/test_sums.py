"""What is joined, cut or continued answers as its parts together, or is not served."""

import importlib.util
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from holdfast import LowChurnClassifier
from holdfast.learners.boosting import sums
from holdfast.learners.estimators import fresh
from holdfast.methods import Cold, Distill, FirstTrees, Interpolate, Warm, WarmDistill

NAMES = [name for name in ("lightgbm", "xgboost", "catboost") if importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(not NAMES, reason="no boosting library")
every_library = pytest.mark.parametrize("name", NAMES)
APART = "would answer otherwise than its parts together"
TOWNS = list("abcd")


def only(name):
    return pytest.mark.skipif(name not in NAMES, reason=f"no {name}")


def classifier(name, **params):
    if name == "lightgbm":
        from lightgbm import LGBMClassifier

        small = {"n_estimators": 6, "num_leaves": 6, "n_jobs": 1, "verbosity": -1}
        return LGBMClassifier(**small | {"random_state": 0} | params)
    if name == "xgboost":
        from xgboost import XGBClassifier

        small = {"n_estimators": 6, "max_depth": 3, "n_jobs": 1, "enable_categorical": True}
        return XGBClassifier(**small | {"random_state": 0} | params)
    from catboost import CatBoostClassifier

    small = {"iterations": params.pop("n_estimators", 6), "depth": 3, "thread_count": 1}
    quiet = {"verbose": 0, "allow_writing_files": False, "random_seed": 0, "learning_rate": 0.3}
    return CatBoostClassifier(**small | quiet | params)


def table(n, n_classes, towns="abcd", seed=0):
    """Return rows whose class depends on a town, on two numbers and on chance."""
    rng = np.random.default_rng(seed)
    town, x = rng.choice(list(towns), n), rng.normal(size=(n, 3))
    x[rng.random(x.shape) < 0.05] = np.nan
    shift = dict(zip(TOWNS, np.random.default_rng(7).normal(size=(4, 10)), strict=True))
    odds = np.stack([shift[t][:n_classes] for t in town]) * np.where(x[:, :1] > 0, 2, -2)
    odds[:, : min(3, n_classes)] += np.nan_to_num(x[:, : min(3, n_classes)])
    y = (odds + 0.5 * rng.gumbel(size=odds.shape)).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    rows = pd.DataFrame(x, columns=["x0", "x1", "x2"])
    return rows.assign(town=pd.Categorical(town, categories=TOWNS)), y


def in_another_order(X):
    return X.assign(town=X["town"].cat.reorder_categories(list("dbca")))


def on_towns(name, **params):
    """A classifier that takes the column of towns as categories."""
    return classifier(name, **({"cat_features": ["town"]} if name == "catboost" else {}) | params)


def answers(model, X):
    return np.ravel(model.predict(X))


def churn_of(model, base, X):
    """Return the churn of what `predict` says of rows."""
    return np.mean(answers(model, X) != answers(base, X))


# --- every library, way of serving, number of classes and order of categories ---------------------

WAYS = {
    "average": {"mixture": "average", "average_in": "probability", "include_base": True},
    "log odds": {"mixture": "average", "average_in": "log_odds", "include_base": True},
    "without the base model": {"average_in": "log_odds", "include_base": False, "max_churn": 0.9},
    "single": {"mixture": "single", "include_base": False, "max_churn": 0.9},
    "override": {"mixture": "override"},
}


@every_library
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_stated_churn_is_that_of_predict_whatever_is_served(name, n_classes):
    X, y = table(500, n_classes)
    rows, labels = table(200, n_classes, seed=1)
    rows = in_another_order(rows)
    base = on_towns(name).fit(*table(200, n_classes, towns="abc", seed=2))
    methods = [Distill(0.5), WarmDistill(0.5), FirstTrees(0.5), Interpolate(0.3, of=Cold())]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*({APART}|are not on the path|is not on the)")
        model = LowChurnClassifier(
            on_towns(name), base, method=methods, max_churn=0.2, random_state=0
        ).fit(X, y, validation=(rows, labels))
        served = [model, *(model.with_budget(**{"max_churn": 0.1} | way) for way in WAYS.values())]
    assert len(model.path_.candidates) >= 4
    orders = (rows, rows.assign(town=rows["town"].cat.reorder_categories(TOWNS)))
    for one in served:
        for given in orders:
            assert one.comparison_.churn_rate == churn_of(one, base, given)
    for i, candidate in enumerate(model.path_.candidates):
        stated = model.compare_candidate(i).churn_rate
        for given in orders:
            assert stated == churn_of(candidate.estimator, base, given)
            proba = candidate.estimator.predict_proba(given)
            np.testing.assert_allclose(proba, candidate.proba, atol=1e-6)


# --- one by one -----------------------------------------------------------------------------------


def towns_and_signs(n, towns, seed=0):
    """Return rows of two classes, where a town means the contrary beside a negative number."""
    rng = np.random.default_rng(seed)
    town, x = rng.choice(list(towns), n), rng.normal(size=(n, 3))
    shift = np.array([{"a": 1.5, "b": -1.5, "c": 0.5, "d": -2.0}[t] for t in town])
    odds = x[:, 0] + shift * np.where(x[:, 1] > 0, 1, -1)
    rows = pd.DataFrame(x, columns=["x0", "x1", "x2"]).assign(town=town)
    return rows, (rng.logistic(size=n) < odds).astype(int)


@only("catboost")
@pytest.mark.parametrize("joins", [False, True])
def test_tables_of_categories_that_catboost_merges(joins):
    params = {"one_hot_max_size": 255} if joins else {}
    estimator = on_towns("catboost", n_estimators=20, depth=6, **params)
    base = fresh(estimator).fit(*towns_and_signs(800, "abc"))
    X, y = towns_and_signs(3000, "abcd", seed=1)
    options = {"lambdas": [0.5], "max_churn": 0.05, "average_in": "log_odds", "include_base": True}
    model = LowChurnClassifier(estimator, base, random_state=0, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
        again = model.with_budget(max_churn=0.04)
        refitted = LowChurnClassifier(estimator, base, random_state=0, refit=True, **options)
        refitted.fit(X, y)
    assert [APART in str(one.message) for one in caught] == ([] if joins else [True] * 3)
    for one in (model, again, refitted):
        assert ("averaged" in one.serving_) == (not joins)
    rows, _ = towns_and_signs(3000, "abcd", seed=2)
    for one, budget in ((model, 0.05), (again, 0.04)):
        assert one.comparison_.churn_rate <= budget
    for one in (model, again, refitted):
        assert churn_of(one, base, rows) < 0.08


@only("catboost")
def test_a_warm_start_that_catboost_cannot_sum_is_served_beside():
    X, y = towns_and_signs(3000, "abcd")
    estimator = on_towns("catboost", n_estimators=20, depth=6)
    base = fresh(estimator).fit(*towns_and_signs(800, "abc", seed=1))
    model = LowChurnClassifier(
        estimator, base, method=[WarmDistill(0.3)], max_churn=0.2, random_state=0
    )
    with pytest.warns(UserWarning, match="the base model is served beside the booster"):
        model.fit(X, y)
    candidate = next(c for c in model.path_.candidates if c.goes_on)
    held_out = model._update.selecting.X
    np.testing.assert_allclose(
        candidate.estimator.predict_proba(held_out), candidate.proba, atol=1e-6
    )


@only("xgboost")
def test_first_trees_of_xgboost_know_their_categories():
    X, y = table(600, 3)
    base = on_towns("xgboost").fit(*table(200, 3, seed=1))
    model = LowChurnClassifier(
        on_towns("xgboost"), base, method=[FirstTrees(0.5)], max_churn=0.1, random_state=0
    ).fit(X, y)
    first = next(c for c in model.path_.candidates if c.method == FirstTrees(0.5)).estimator
    rows, _ = table(300, 3, seed=2)
    whole = model.path_.candidates[0].estimator
    expected = whole.predict_proba(rows, iteration_range=(0, 3))
    for given in (rows, in_another_order(rows)):
        np.testing.assert_allclose(first.predict_proba(given), expected, atol=1e-7)
    assert churn_of(model, base, rows) == churn_of(model, base, in_another_order(rows))


@only("xgboost")
@pytest.mark.parametrize("method", ["distill", "warm_distill", "first_trees"])
@pytest.mark.parametrize("params", [{"multi_strategy": "multi_output_tree"}, {"base_score": 0.2}])
def test_other_forms_of_xgboost_are_the_sum_of_their_parts(method, params):
    X, y = table(900, 3)
    X = X.drop(columns="town").to_numpy()
    estimator = classifier("xgboost", n_estimators=20, **params)
    base = fresh(estimator).fit(X[:300], y[:300])
    model = LowChurnClassifier(
        estimator,
        base,
        method=FirstTrees(0.5) if method == "first_trees" else method,
        lambdas=[0.5],
        max_churn=0.15,
        average_in="log_odds",
        include_base=True,
        random_state=0,
    ).fit(X, y, seen_by_base=np.arange(900) < 300)
    assert model.serving_.startswith("one model, which holds the trees of")
    parts = [(model.base_weight_, base), *zip(model.weights_, model.estimators_, strict=True)]
    margins = sum(w * one.predict(X, output_margin=True) for w, one in parts)
    np.testing.assert_allclose(model.served_.predict(X, output_margin=True), margins, atol=1e-4)
    assert model.comparison_.churn_rate <= 0.15


@only("catboost")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("policy", ["Lossguide", "Depthwise"])
def test_catboost_s_other_trees_are_not_cut(policy, n_classes):
    X, y = table(600, n_classes)
    X = X.drop(columns="town")
    estimator = classifier("catboost", grow_policy=policy)
    base = fresh(estimator).fit(X[:200], y[:200])
    model = LowChurnClassifier(
        estimator, base, method=["auto", FirstTrees(0.5)], max_churn=0.2, random_state=0
    ).fit(X, y, seen_by_base=np.arange(600) < 200)
    first = next(c for c in model.path_.candidates if c.method == FirstTrees(0.5)).estimator
    whole = model.path_.candidates[0].estimator
    expected = whole.predict_proba(X, ntree_end=3)
    np.testing.assert_allclose(first.predict_proba(X), expected, atol=1e-6)


@only("catboost")
def test_a_start_takes_the_place_of_catboost_s_own():
    X, y = table(600, 2)
    X = X.drop(columns="town")
    estimator = classifier("catboost", boost_from_average=True)
    base = fresh(estimator).fit(X[:200], y[:200])
    model = LowChurnClassifier(
        estimator, base, method="warm_distill", lambdas=[0.5], max_churn=0.1, random_state=0
    ).fit(X, y, seen_by_base=np.arange(600) < 200)
    assert any(candidate.goes_on for candidate in model.path_.candidates)


@only("lightgbm")
@pytest.mark.parametrize("sigmoid", [0.5, 2.0])
def test_a_steeper_sigmoid_of_lightgbm_gives_log_odds(sigmoid):
    X, y = table(600, 2)
    X = X.drop(columns="town")
    base = classifier("lightgbm", sigmoid=sigmoid).fit(X[:200], y[:200])
    model = LowChurnClassifier(
        classifier("lightgbm"),
        base,
        method=[Warm(), Interpolate(1.0, of=Cold())],
        max_churn=0.2,
        random_state=0,
    )
    rows, labels = table(300, 2, seed=1)
    rows = rows.drop(columns="town")
    model.fit(X, y, validation=(rows, labels))
    *_, interpolated = (c.estimator for c in model.path_.candidates)
    np.testing.assert_allclose(
        interpolated.predict_proba(rows), base.predict_proba(rows), atol=1e-9
    )


# --- training that goes on from the base model ----------------------------------------------------


@only("lightgbm")
@pytest.mark.parametrize("seed", [1, 3])
def test_going_on_from_a_sure_base_model_does_not_fall_apart(seed):
    from lightgbm import LGBMClassifier

    X, y = load_digits(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(y))
    X, y = X[order], y[order]
    estimator = LGBMClassifier(
        n_estimators=30, learning_rate=0.5, random_state=0, verbosity=-1, n_jobs=1
    )
    base = fresh(estimator).fit(X[:500], y[:500])
    model = LowChurnClassifier(
        estimator,
        base,
        method=["distill", "warm_distill"],
        lambdas=[0.4],
        include_base=True,
        max_churn=0.03,
        average_in="log_odds",
        random_state=seed,
    ).fit(X[:1300], y[:1300], seen_by_base=np.arange(1300) < 500)
    selecting = model._update.selecting
    accuracy = {c.method: (c.proba.argmax(1) == selecting.y).mean() for c in model.path_.candidates}
    assert not model.path_.dropped
    assert accuracy[WarmDistill(0.4)] >= model.comparison_.accuracy_base
    assert model.comparison_.accuracy_new >= model.comparison_.accuracy_base
    assert model.comparison_.churn_rate <= 0.03
    assert churn_of(model, base, X[1300:]) < 0.05
    assert np.mean(model.predict(X[1300:]) == y[1300:]) > np.mean(
        base.predict(X[1300:]) == y[1300:]
    )


@every_library
@pytest.mark.parametrize("average_in", ["probability", "log_odds"])
@pytest.mark.parametrize("seed", range(3))
def test_ten_classes_never_end_below_the_base_model(name, average_in, seed):
    X, y = load_digits(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(y))[:700]
    X, y, seen = X[order], y[order], np.arange(700) < 300
    base = classifier(name, learning_rate=0.9).fit(X[seen], y[seen])
    model = LowChurnClassifier(
        classifier(name, learning_rate=0.9),
        base,
        method="warm_distill",
        lambdas=[0.4],
        include_base=True,
        max_churn=0.03,
        average_in=average_in,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f".*( is not on the path|{APART})")
        model.fit(X, y, seen_by_base=seen)
    assert model.comparison_.accuracy_new >= model.comparison_.accuracy_base
    assert model.comparison_.churn_rate <= 0.03


@every_library
def test_a_booster_that_fits_worse_than_its_base_model_is_dropped(name):
    """The labels of the update are wrong, which the base model of the right ones is not."""
    X, y = table(600, 3)
    X, rng = X.drop(columns="town"), np.random.default_rng(0)
    base = classifier(name).fit(X, y)
    wrong = rng.permutation(y)
    rows, labels = table(300, 3, seed=1)
    rows = rows.drop(columns="town")
    model = LowChurnClassifier(
        classifier(name, n_estimators=20), base, method=[Warm()], max_churn=0.3, random_state=0
    )
    with pytest.warns(UserWarning, match=r"1 setting is not on the path, .* warm; path_.dropped"):
        model.fit(X, wrong, validation=(rows, labels))
    assert model.path_.dropped == (Warm(),)
    assert [candidate.method for candidate in model.path_.candidates] == [Cold()]
    assert model.comparison_.accuracy_new >= model.comparison_.accuracy_base
    assert model.with_budget(max_churn=0.9).comparison_.churn_rate == 0.0
    apart = model.with_budget(max_churn=0.9, include_base=False)  # no base model to give way to
    assert apart.comparison_.accuracy_new < apart.comparison_.accuracy_base


# --- the comparison itself ------------------------------------------------------------------------


@every_library
@pytest.mark.parametrize("method", [Distill(0.5), WarmDistill(0.5)], ids=str)
def test_a_wrong_sum_is_never_served(name, method, monkeypatch):
    """Whatever a library gets wrong: here each joined booster has larger leaves than its parts."""
    X, y = table(600, 3)
    X = X.drop(columns="town")
    base = classifier(name).fit(X[:200], y[:200])
    options = {"method": method, "max_churn": 0.2, "average_in": "log_odds", "include_base": True}
    seen = {"seen_by_base": np.arange(600) < 200}

    def fitted(**more):
        model = LowChurnClassifier(classifier(name), base, random_state=0, **options, **more)
        return model.fit(X, y, **seen)

    right = fitted()
    assert right.serving_.startswith("one model")
    kind = type(library_of(name))
    join = kind.join

    def wrongly(self, models, weights):
        return join(self, models, [3 * weight for weight in weights])

    monkeypatch.setattr(kind, "join", wrongly)
    with pytest.warns(UserWarning, match=APART):
        wrong = fitted()
    with pytest.warns(UserWarning, match=APART):
        again = fitted(refit=True)
    assert "averaged" in wrong.serving_
    assert "averaged" in again.serving_
    np.testing.assert_allclose(wrong.predict_proba(X), right.predict_proba(X), rtol=1e-3)
    if method == Distill(0.5):
        with pytest.warns(UserWarning, match=APART):
            assert "averaged" in wrong.with_budget(max_churn=0.19).serving_


def library_of(name):
    from holdfast.learners.lookup import _library_of

    return _library_of(classifier(name))


@every_library
def test_a_wrong_cut_is_trained_instead(name, monkeypatch):
    X, y = table(400, 2)
    X = X.drop(columns="town")
    base = classifier(name).fit(X[:200], y[:200])

    def first_of(model):
        model.fit(X, y)
        return next(c for c in model.path_.candidates if c.method == FirstTrees(0.5))

    options = {"method": [FirstTrees(0.5)], "max_churn": 0.5, "random_state": 0}
    right = first_of(LowChurnClassifier(classifier(name), base, **options))
    kind = type(library_of(name))
    monkeypatch.setattr(kind, "first_rounds", lambda self, model, n: model)
    trained = first_of(LowChurnClassifier(classifier(name), base, **options))
    np.testing.assert_allclose(trained.proba, right.proba, atol=1e-6)


def column_sums(X):
    values = X.select_dtypes("number") if hasattr(X, "columns") else X
    return np.nan_to_num(np.asarray(values, dtype=float))


def test_scores_agree_up_to_a_constant_of_each_row():
    X = np.random.default_rng(0).normal(size=(50, 3))
    assert sums.agree(lambda rows: column_sums(rows) + 7, column_sums, X)
    assert sums.agree(lambda rows: column_sums(rows) * (1 + 1e-6), column_sums, X)
    assert not sums.agree(lambda rows: column_sums(rows) * 1.01, column_sums, X)
    assert sums.agree(lambda rows: column_sums(rows) * 1.01, column_sums, None)


def by_code(X):
    return np.eye(5)[np.asarray(X["town"].cat.codes)]


def by_name(X):
    known = {"a": 0, "b": 1, "c": 2, "d": 3}
    return np.eye(5)[[known.get(town, 4) for town in X["town"].astype(object)]]


def with_gaps_as_first(X):
    return by_name(X.assign(town=X["town"].fillna("a")))


def with_unseen_as_first(X):
    known = [town if town in TOWNS or town != town else "a" for town in X["town"].astype(object)]
    return by_name(X.assign(town=pd.Categorical(known, categories=TOWNS)))


@pytest.mark.parametrize("found", [by_code, with_gaps_as_first, with_unseen_as_first])
def test_other_orders_unseen_and_missing_categories_are_looked_at(found):
    X = table(100, 2)[0]
    np.testing.assert_array_equal(found(X), by_name(X))
    assert not sums.agree(found, by_name, X)
    assert sums.agree(by_name, by_name, X)


def test_rows_that_the_parts_do_not_take_are_passed_over():
    X = np.random.default_rng(0).normal(size=(50, 3))

    def strict(rows):
        if np.isnan(rows).any():
            raise ValueError("no missing values")
        return rows

    assert sums.agree(np.nan_to_num, strict, X)
    assert not sums.agree(strict, np.nan_to_num, X)  # the one alone fails
