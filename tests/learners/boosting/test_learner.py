"""Boosters: soft targets against repeated rows, starts against the libraries' own continuation."""

import copy
import importlib.util

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast import LowChurnClassifier
from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.learners.boosting.library import SoftTarget
from holdfast.learners.boosting.objective import softmax
from holdfast.learners.estimators import fresh, proba_of
from holdfast.learners.interface import Job, TrainingRows
from holdfast.learners.lookup import booster_as_classifier, joined_boosters, learner_of
from holdfast.methods import (
    Anchor,
    Average,
    Cold,
    Distill,
    Ensemble,
    FirstTrees,
    Interpolate,
    Mixup,
    Override,
    ShrinkPerturb,
    Warm,
    WarmDistill,
)
from holdfast.models.base import BaseModel
from holdfast.models.served import answers_of, serve
from holdfast.report.frontier import frontier
from holdfast.update.rows import held_out_rows

RNG = np.random.default_rng(0)
N = 1200
# Few distinct values: repeated rows are binned alike.
X = np.round(RNG.normal(size=(N, 6)), 1)
NAMES = [name for name in ("lightgbm", "xgboost", "catboost") if importlib.util.find_spec(name)]
pytestmark = pytest.mark.skipif(not NAMES, reason="no boosting library")
every_library = pytest.mark.parametrize("name", NAMES)
binary_and_more = pytest.mark.parametrize("n_classes", [2, 4])


def classifier(name, **params):
    """A small booster without randomness."""
    if name == "lightgbm":
        from lightgbm import LGBMClassifier

        # The rows of a leaf are told from its Hessians, where rounding would decide.
        small = {"min_child_samples": 1, "min_child_weight": 3.1, "num_leaves": 8, "n_jobs": 1}
        small |= {"min_data_in_bin": 1, "verbosity": -1}
        return LGBMClassifier(**{"n_estimators": 8, "random_state": 0} | small | params)
    if name == "xgboost":
        from xgboost import XGBClassifier

        small = {"max_depth": 3, "n_jobs": 1}
        return XGBClassifier(**{"n_estimators": 8, "random_state": 0} | small | params)
    from catboost import CatBoostClassifier

    small = {"depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    quiet = {"bootstrap_type": "No", "random_strength": 0, "random_state": 0}
    return CatBoostClassifier(
        **{"iterations": params.pop("n_estimators", 8)} | small | quiet | params
    )


def labels(n_classes):
    odds = np.exp(1.5 * X[:, :n_classes])
    chance = odds / odds.sum(axis=1, keepdims=True)
    draws = np.random.default_rng(1).random(N)
    return (chance.cumsum(axis=1) < draws[:, None]).sum(axis=1).clip(max=n_classes - 1)


def soft(n_classes):
    base = np.random.default_rng(2).dirichlet(np.ones(n_classes), N)
    return 0.5 * np.eye(n_classes)[labels(n_classes)] + 0.5 * base


def rows_of(y, weight=None, features=X):
    return TrainingRows(None, features, y, np.unique(y), weight)


def learner(estimator, y, methods=(), base_model=None):
    return learner_of(
        estimator,
        soft_targets="weights",
        random_state=0,
        base_model=base_model,
        classes=np.unique(y),
        methods=methods,
    )


def library(estimator):
    return learner(estimator, labels(2)).library


def fit(estimator, rows, target=None, start=None):
    """Fit the library's learner to a target; to the labels where there is none."""
    own = library(estimator)
    if target is None:
        target = np.eye(len(rows.classes))[rows.y]
    binned = own.binned(fresh(estimator), rows, None)
    wanted = SoftTarget(target, rows.sample_weight, start)
    return own.fit(fresh(estimator), binned, wanted, None)


def repeated(name, n_classes, **params):
    """The slow reference: every row once for each class, hyperparameters scaled by hand."""
    if name == "catboost":
        params |= {"l2_leaf_reg": 3.0 * n_classes}  # scaled by the mean weight of a row
    target = soft(n_classes)
    return classifier(name, **params).fit(
        np.tile(X, (n_classes, 1)),
        np.repeat(np.arange(n_classes), N),
        sample_weight=target.T.ravel(),
    )


# --- soft targets ---------------------------------------------------------------------------------


@every_library
@binary_and_more
def test_soft_targets_are_repeated_rows(name, n_classes):
    rate = {"learning_rate": 0.2}
    ours = fit(classifier(name, **rate), rows_of(labels(n_classes)), soft(n_classes))
    slow = repeated(name, n_classes, **rate)
    np.testing.assert_allclose(ours.predict_proba(X), slow.predict_proba(X), atol=1e-5)


@every_library
@binary_and_more
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_are_the_plain_fit(name, n_classes, weighted):
    y = labels(n_classes)
    weight = np.random.default_rng(3).integers(1, 4, N).astype(float) if weighted else None
    random = {"lightgbm": {"subsample": 0.7, "subsample_freq": 1}, "xgboost": {"subsample": 0.7}}
    estimator = classifier(name, **random.get(name, {"bootstrap_type": "Bernoulli"}))
    ours = fit(estimator, rows_of(y, weight))
    plain = fresh(estimator).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(ours.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(np.ravel(ours.predict(X)), np.ravel(plain.predict(X)))
    expected = estimator.get_params() | {"objective": plain.get_params().get("objective")}
    assert str(ours.get_params()) == str({k: expected[k] for k in ours.get_params()})


@every_library
@binary_and_more
def test_weights_are_repetitions(name, n_classes):
    weight = np.random.default_rng(3).integers(1, 4, N)
    params = {"learning_rate": 0.2}
    if name == "catboost":
        params["l2_leaf_reg"] = 0.0  # scaled by the mean weight of a row
    y, target, row = labels(n_classes), soft(n_classes), np.repeat(np.arange(N), weight)
    one = fit(classifier(name, **params), rows_of(y, weight.astype(float)), target)
    other = fit(classifier(name, **params), rows_of(y[row], features=X[row]), target[row])
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=1e-4)


@every_library
def test_class_weights_multiply_targets(name):
    y, base = labels(2), soft(2)
    given = {
        "lightgbm": {"class_weight": {0: 1.0, 1: 3.0}},
        "xgboost": {"scale_pos_weight": 3.0},
        "catboost": {"class_weights": [1.0, 3.0]},
    }
    same = {"learning_rate": 0.2}
    if name == "xgboost":
        same["base_score"] = 0.5  # the library's own depends on where the weights come from
    weighted = on_path(classifier(name, **same, **given[name]), y, base, Distill(0.5))
    target = (0.5 * np.eye(2)[y] + 0.5 * base) * [1.0, 3.0]
    mass = target.sum(axis=1)
    by_hand = fit(classifier(name, **same), rows_of(y, mass), target / mass[:, None])
    np.testing.assert_allclose(weighted.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)


def on_path(estimator, y, base, method, base_model=None, features=X):
    trainer = learner(estimator, y, [method], base_model).prepare(
        rows_of(y, features=features), base, None
    )
    (found,) = trainer.fit([Job(method)], n_jobs=None, verbose=0)
    return found.final


@every_library
def test_rows_that_weigh_nothing_and_rows_without_a_base_prediction(name):
    y, base = labels(2), soft(2)
    base[:100] = np.nan
    wrong = (base.argmax(axis=1) != y) & ~np.isnan(base[:, 0])
    anchored = on_path(classifier(name, learning_rate=0.2), y, base, Anchor(0.5, 0.0))
    kept = fit(
        classifier(name, learning_rate=0.2),
        rows_of(y, (~wrong).astype(float)),
        np.where(np.isnan(base), np.eye(2)[y], 0.5 * np.eye(2)[y] + 0.5 * np.nan_to_num(base)),
    )
    np.testing.assert_allclose(anchored.predict_proba(X), kept.predict_proba(X), atol=1e-6)


@every_library
def test_categories_and_missing_values_pass_through(name):
    y = labels(2)
    table = pd.DataFrame(X, columns=[f"x{i}" for i in range(6)])
    table.loc[::7, "x1"] = np.nan
    table["kind"] = pd.Categorical(np.where(X[:, 0] > 0, "up", "down"))
    params = {
        "lightgbm": {"monotone_constraints": [1, 0, 0, 0, 0, 0, 0]},
        "xgboost": {"enable_categorical": True, "monotone_constraints": {"x0": 1}},
        "catboost": {"cat_features": ["kind"], "monotone_constraints": {"x0": 1}},
    }
    estimator = classifier(name, **params[name])
    ours = fit(estimator, rows_of(y, features=table))
    plain = fresh(estimator).fit(table, y)
    np.testing.assert_array_equal(ours.predict_proba(table), plain.predict_proba(table))
    taught = fit(estimator, rows_of(y, features=table), soft(2))
    up = table.assign(x0=table["x0"] + 1)
    assert (taught.predict_proba(up)[:, 1] >= taught.predict_proba(table)[:, 1] - 1e-9).all()


@every_library
@binary_and_more
def test_early_stopping_by_soft_targets(name, n_classes):
    patience = {"early_stopping_rounds": 3, "learning_rate": 0.5, "n_estimators": 200}
    trees = []
    for target in (None, soft(n_classes)):
        model = fit_stopped(classifier(name, **patience), labels(n_classes), target)
        trees.append(n_rounds(model, n_classes))
    assert all(0 < n < 150 for n in trees)


def fit_stopped(estimator, y, target):
    own = library(estimator)
    assert own.stops_early(estimator)
    rows, (kept, held_out) = rows_of(y), np.split(np.arange(N), [1000])
    target = np.eye(len(rows.classes))[y] if target is None else target
    wanted = SoftTarget(target, None, None)
    binned = own.binned(fresh(estimator), rows.take(kept), rows.take(held_out))
    return own.fit(fresh(estimator), binned, wanted.take(kept), wanted.take(held_out))


def n_rounds(model, n_classes):
    kind = type(model).__name__
    if kind == "LGBMClassifier":
        return model.booster_.num_trees() // (n_classes if n_classes > 2 else 1)
    return model.best_iteration + 1 if kind == "XGBClassifier" else model.tree_count_


@every_library
def test_a_class_without_rows_keeps_its_column(name):
    y = labels(4)
    y[y == 2] = 3
    rows = TrainingRows(None, X, y, np.arange(4), None)
    for target in (np.eye(4)[y], 0.9 * np.eye(4)[y] + 0.025):
        model = fit(classifier(name), rows, target)
        proba = model.predict_proba(X)
        assert proba.shape == (N, 4)
        assert proba[:, 2].max() < proba[:, 3].mean()


@every_library
def test_many_classes_are_no_regression(name):
    y = np.arange(N) % 30  # the libraries warn where the labels look like numbers
    made = on_path(classifier(name, n_estimators=2), y, np.full((N, 30), 1 / 30), Distill(0.5))
    assert made.predict_proba(X).shape == (N, 30)


# --- starting from the base model -----------------------------------------------------------------


@every_library
@binary_and_more
def test_a_warm_start_is_the_libraries_own(name, n_classes):
    y, estimator = labels(n_classes), classifier(name, learning_rate=0.2)
    base = fresh(estimator).fit(X[:400], y[:400])
    ours = on_path(estimator, y, base.predict_proba(X), Warm(), base_model=base)
    if name == "catboost":
        theirs = fresh(estimator).fit(X, y, init_model=base)
    elif name == "xgboost":
        theirs = fresh(estimator).fit(X, y, xgb_model=base.get_booster())
    else:
        theirs = fresh(estimator).fit(X, y, init_model=base)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@every_library
@binary_and_more
@pytest.mark.parametrize("kind", ["same", "other", "pipeline"])
def test_what_is_measured_is_what_is_served(name, n_classes, kind):
    y, estimator = labels(n_classes), classifier(name)
    # A base model that boosters gain on: those that fit worse than it are dropped.
    base = LogisticRegression(C=0.001) if kind == "other" else fresh(estimator)
    if kind == "pipeline":
        estimator, base = (make_pipeline(StandardScaler(), e) for e in (estimator, base))
    base.fit(X[:300], y[:300])
    methods = [
        Distill(0.5),
        Warm(),
        WarmDistill(0.5),
        ShrinkPerturb(0.5),
        Interpolate(0.3),
        Interpolate(0.3, of=Cold()),
        Average(0.3, of=WarmDistill(0.5)),
        Override(0.2, of=Distill(0.3)),
        FirstTrees(0.5, of=WarmDistill(0.5)),
    ]
    model = LowChurnClassifier(estimator, base, method=methods, max_churn=0.1, random_state=0)
    model.fit(X, y)
    _, held_out = held_out_rows(N, 0.2, 0, None, stratify=y)
    for candidate in model.path_.candidates:
        served = proba_of(candidate.estimator, X[held_out], model.classes_)
        np.testing.assert_allclose(served, candidate.proba, atol=1e-6)
        one = type(candidate.estimator).__name__ not in ("AveragedClassifier", "OverrideClassifier")
        goes_on = candidate.method.needs_base_parameters and kind == "other"
        assert one == (not goes_on and not isinstance(candidate.method, (Average, Override)))


@every_library
@binary_and_more
def test_a_library_s_own_booster_as_base_model(name, n_classes):
    y = labels(n_classes)
    classifier_ = classifier(name).fit(X[:300], y[:300])
    native = native_of(name, classifier_)
    assert not hasattr(native, "predict_proba")
    options = {"method": ["warm_distill", "distill"], "lambdas": [0.5], "max_churn": 0.1}
    models = [
        LowChurnClassifier(classifier(name), base, random_state=0, **options).fit(X, y)
        for base in (native, classifier_)
    ]
    for ours, theirs in zip(*(model.path_.candidates for model in models), strict=True):
        np.testing.assert_allclose(ours.proba, theirs.proba, atol=1e-6)
    np.testing.assert_allclose(*(model.predict_proba(X) for model in models), atol=1e-6)
    wrong = np.where(np.arange(N) < 50, n_classes, y)
    with pytest.raises(InvalidInputError, match=f"booster of log loss over these {n_classes + 1}"):
        LowChurnClassifier(classifier(name), native, max_churn=0.1).fit(X, wrong)


@every_library
@binary_and_more
@pytest.mark.parametrize("text", [False, True])
def test_a_booster_answers_as_the_library_s_classifier(name, n_classes, text):
    if name == "xgboost" and text:
        pytest.skip("XGBoost takes no text")
    y = np.array(["a", "b", "c", "d"])[labels(n_classes)] if text else labels(n_classes)
    own = classifier(name).fit(X, y)
    answers = np.ravel(own.predict(X))  # CatBoost gives a column for several classes
    np.testing.assert_array_equal(answers, own.classes_[own.predict_proba(X).argmax(axis=1)])
    wrapped = booster_as_classifier(native_of(name, own), np.unique(y))
    np.testing.assert_array_equal(np.ravel(wrapped.predict(X)), answers)
    np.testing.assert_allclose(wrapped.predict_proba(X), own.predict_proba(X), atol=1e-12)
    np.testing.assert_array_equal(answers_of(wrapped, X), answers)


@every_library
def test_a_tie_is_the_first_class(name):
    """Each value of the feature stands once beside each class, so nothing can be learned."""
    rows, y = np.repeat(np.arange(40.0), 2)[:, None], np.arange(80) % 2
    own = classifier(name).fit(rows, y)
    wrapped = booster_as_classifier(native_of(name, own), np.array([0, 1]))
    np.testing.assert_allclose(own.predict_proba(rows), 0.5, atol=1e-12)
    for model in (own, wrapped):
        assert (model.predict(rows) == 0).all()


@pytest.mark.skipif("lightgbm" not in NAMES, reason="no LightGBM")
def test_lightgbm_s_steeper_sigmoid_keeps_its_probabilities():
    import lightgbm as lgb

    params = {"objective": "binary", "sigmoid": 2.0, "verbosity": -1, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(X, labels(2)), 8)
    wrapped = booster_as_classifier(booster, np.array([0, 1]))
    np.testing.assert_allclose(wrapped.predict_proba(X)[:, 1], booster.predict(X), atol=1e-12)


@pytest.mark.skipif("xgboost" not in NAMES, reason="no XGBoost")
def test_xgboost_s_softmax_that_gives_classes_alone():
    import xgboost as xgb

    y, data = labels(4), xgb.DMatrix(X, labels(4))
    common = {"num_class": 4, "nthread": 1, "seed": 0}
    classes, proba = (
        xgb.train({"objective": f"multi:{kind}"} | common, data, 8)
        for kind in ("softmax", "softprob")
    )
    wrapped = booster_as_classifier(classes, np.unique(y))
    np.testing.assert_array_equal(wrapped.predict(X), classes.predict(data))
    np.testing.assert_array_equal(wrapped.predict_proba(X), proba.predict(data))
    np.testing.assert_array_equal(classes.predict(data), proba.predict(data).argmax(axis=1))


@pytest.mark.parametrize("name", sorted({"lightgbm", "xgboost"} & set(NAMES)))
def test_a_softmax_of_two_classes_is_refused(name):
    """The classifiers of these libraries take one column for two classes."""
    if name == "lightgbm":
        import lightgbm as lgb

        params = {"objective": "multiclass", "num_class": 2, "verbosity": -1, "num_threads": 1}
        booster = lgb.train(params, lgb.Dataset(X, labels(2)), 2)
    else:
        import xgboost as xgb

        params = {"objective": "multi:softprob", "num_class": 2, "nthread": 1}
        booster = xgb.train(params, xgb.DMatrix(X, labels(2)), 2)
    assert booster_as_classifier(booster, np.array([0, 1])) is None


@pytest.mark.skipif("catboost" not in NAMES, reason="no CatBoost")
def test_catboost_s_own_threshold_decides():
    own = classifier("catboost").fit(X, labels(2))
    own.set_probability_threshold(0.1)
    over = own.predict_proba(X)[:, 1] > 0.1
    wrapped = booster_as_classifier(native_of("catboost", own), np.array([0, 1]))
    assert (over != own.predict_proba(X).argmax(axis=1)).any()
    for model in (own, wrapped):
        np.testing.assert_array_equal(model.predict(X), over)


def native_of(name, model):
    if name == "lightgbm":
        return model.booster_
    if name == "xgboost":
        return model.get_booster()
    from catboost import CatBoost

    return CatBoost().load_model(blob=model._serialize_model())


@every_library
@binary_and_more
def test_interpolation_is_the_average_in_log_odds(name, n_classes):
    y, estimator = labels(n_classes), classifier(name)
    base = fresh(estimator).fit(X[:300], y[:300])
    cold = fresh(estimator).fit(X, y)
    made = on_path(estimator, y, base.predict_proba(X), Interpolate(0.3, of=Cold()), base)
    mixed = 0.3 * np.log(base.predict_proba(X)) + 0.7 * np.log(cold.predict_proba(X))
    np.testing.assert_allclose(made.predict_proba(X), softmax(mixed), atol=1e-6)


@every_library
def test_features_are_matched_by_name(name):
    y, estimator = labels(2), classifier(name)
    table = pd.DataFrame(X, columns=list("abcdef"))
    base = fresh(estimator).fit(table[["d", "a"]], y)
    proba = base.predict_proba(table[["d", "a"]])
    options = {"base_model": base, "features": table}
    if name == "catboost":  # which sums models over the same features only
        with pytest.raises(UnsupportedEstimatorError, match=r"difference in \['b', 'c'"):
            on_path(estimator, y, proba, Warm(), **options)
        return
    made = on_path(estimator, y, proba, Interpolate(1.0, of=Cold()), **options)
    np.testing.assert_allclose(made.predict_proba(table), proba, atol=1e-6)
    with pytest.raises(InvalidInputError, match="a table without 'd'"):
        on_path(estimator, y, proba, Warm(), base_model=base, features=table[["a", "b"]])


@pytest.mark.skipif(not {"lightgbm", "xgboost"} & set(NAMES), reason="neither of the two")
@pytest.mark.parametrize("name", sorted({"lightgbm", "xgboost"} & set(NAMES)))
def test_categories_are_matched_by_name(name):
    y, rng = labels(2), np.random.default_rng(5)
    categorical = {"enable_categorical": True} if name == "xgboost" else {}
    estimator = classifier(name, **categorical)
    table = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(rng.choice(list("xyz"), N))})
    table["c"] = pd.Categorical(rng.choice(list("uv"), N))
    base = fresh(estimator).fit(table[["b", "a"]], y)
    proba = base.predict_proba(table[["b", "a"]])
    if name == "xgboost":  # LightGBM's files do not tell which column has which categories
        whole = on_path(estimator, y, proba, Interpolate(1.0, of=Cold()), base, table)
        np.testing.assert_allclose(whole.predict_proba(table), proba, atol=1e-6)
    other = table.assign(b=pd.Categorical(table["b"].astype(str), categories=list("zyxw")))
    with pytest.raises(UnsupportedEstimatorError, match="the same categories of every categorical"):
        on_path(estimator, y, proba, Warm(), base, other)


@pytest.mark.skipif("lightgbm" not in NAMES, reason="no LightGBM")
def test_boosters_of_older_lightgbm_go_on():
    import lightgbm

    y = labels(2)
    base = classifier("lightgbm").fit(X[:300], y[:300])
    text = base.booster_.model_to_string().replace("version=v4", "version=v3", 1)
    old = lightgbm.Booster(model_str=text)
    ours, theirs = (
        on_path(classifier("lightgbm"), y, base.predict_proba(X), Warm(), base_model=model)
        for model in (old, base)
    )
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.skipif("xgboost" not in NAMES, reason="no XGBoost")
def test_boosters_of_older_xgboost_go_on():
    import json

    import xgboost

    y = labels(2)
    base = classifier("xgboost").fit(X[:300], y[:300])
    content = json.loads(bytes(base.get_booster().save_raw("json"))) | {"version": [2, 0, 0]}
    # Before 3.1 the constant was one number, not one a class.
    params = content["learner"]["learner_model_param"]
    params["base_score"] = params["base_score"].strip("[]")
    old = xgboost.Booster(model_file=bytearray(json.dumps(content).encode()))
    ours, theirs = (
        on_path(classifier("xgboost"), y, base.predict_proba(X), Warm(), base_model=model)
        for model in (old, base)
    )
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)


# --- one booster to serve -------------------------------------------------------------------------


@every_library
@binary_and_more
def test_joined_boosters_load_in_the_plain_library(name, n_classes, tmp_path):
    y = labels(n_classes)
    models = [classifier(name, n_estimators=n).fit(X[:k], y[:k]) for n, k in ((5, 400), (9, N))]
    joined = joined_boosters(models, [0.25, 0.75], np.unique(y))
    mixed = sum(w * np.log(m.predict_proba(X)) for w, m in zip((0.25, 0.75), models, strict=True))
    expected = softmax(mixed)
    np.testing.assert_allclose(joined.predict_proba(X), expected, atol=1e-6)
    file = str(tmp_path / ("model.json" if name == "xgboost" else "model"))
    if name == "lightgbm":
        import lightgbm

        joined.booster_.save_model(file)
        found = lightgbm.Booster(model_file=file).predict(X)
    elif name == "xgboost":
        import xgboost

        joined.save_model(file)
        found = xgboost.Booster(model_file=file).predict(xgboost.DMatrix(X))
    else:
        import catboost

        joined.save_model(file)
        loaded = catboost.CatBoostClassifier().load_model(file)
        found = loaded.predict_proba(X)
    positive = expected if np.ndim(found) == 2 else expected[:, 1]
    np.testing.assert_allclose(found, positive, atol=1e-6)


@every_library
def test_an_average_in_log_odds_is_served_as_one_booster(name):
    y, estimator = labels(2), classifier(name)
    base = fresh(estimator).fit(X[:300], y[:300])
    before = base.predict_proba(X)
    model = LowChurnClassifier(
        estimator,
        base,
        max_churn=0.05,
        lambdas=[0.5],
        include_base=True,
        average_in="log_odds",
        random_state=0,
    ).fit(X, y)
    assert type(model.served_) is type(estimator)
    assert model.serving_.startswith("one model, which holds the trees of")
    parts = [(model.base_weight_, base), *zip(model.weights_, model.estimators_, strict=True)]
    mixed = sum(weight * np.log(part.predict_proba(X)) for weight, part in parts)
    np.testing.assert_allclose(model.predict_proba(X), softmax(mixed), atol=1e-6)
    np.testing.assert_array_equal(base.predict_proba(X), before)


@pytest.mark.skipif("lightgbm" not in NAMES, reason="no LightGBM")
@pytest.mark.parametrize(
    "params",
    [
        {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1},
        {"boosting_type": "dart"},
        {"linear_tree": True},
    ],
    ids=["rf", "dart", "linear"],
)
def test_other_kinds_of_lightgbm_trees_are_joined_too(params):
    y = labels(2)
    models = [classifier("lightgbm", **params, n_estimators=n).fit(X, y) for n in (4, 7)]
    joined = joined_boosters(models, [0.4, 0.6], np.unique(y))
    mixed = sum(w * np.log(m.predict_proba(X)) for w, m in zip((0.4, 0.6), models, strict=True))
    np.testing.assert_allclose(joined.predict_proba(X), softmax(mixed), atol=1e-9)


@pytest.mark.skipif("xgboost" not in NAMES, reason="no XGBoost")
def test_dropped_trees_of_xgboost_are_joined_with_their_weights():
    y = labels(2)
    dart = {"booster": "dart", "rate_drop": 0.5}
    models = [classifier("xgboost", **dart, n_estimators=n).fit(X, y) for n in (4, 7)]
    joined = joined_boosters(models, [0.4, 0.6], np.unique(y))
    margins = [m.predict(X, output_margin=True) for m in models]
    mixed = 0.4 * margins[0] + 0.6 * margins[1]
    np.testing.assert_allclose(joined.predict(X, output_margin=True), mixed, atol=1e-5)


@pytest.mark.skipif("lightgbm" not in NAMES, reason="no LightGBM")
def test_members_that_are_all_alike_are_told():
    y = labels(2)
    base = classifier("lightgbm").fit(X[:300], y[:300])
    options = {"method": [Ensemble(2)], "max_churn": 0.1, "random_state": 0}
    with pytest.warns(UserWarning, match="the 2 members of ensemble.* are all alike"):
        LowChurnClassifier(classifier("lightgbm"), base, **options).fit(X, y)
    random = classifier("lightgbm", subsample=0.7, subsample_freq=1)
    LowChurnClassifier(random, base, **options).fit(X, y)


# --- what cannot be done --------------------------------------------------------------------------


@every_library
def test_objectives_of_one_s_own_are_refused(name):
    key = "loss_function" if name == "catboost" else "objective"
    own = {"lightgbm": "regression", "xgboost": "reg:squarederror", "catboost": "RMSE"}[name]
    estimator = classifier(name).set_params(**{key: own})
    with pytest.raises(UnsupportedEstimatorError, match="objective of log loss"):
        on_path(estimator, labels(2), soft(2), Distill(0.5))


@every_library
def test_a_first_release_is_a_plain_fit_whatever_the_objective(name):
    y = labels(2)
    own = {
        "lightgbm": {"objective": "regression"},
        "xgboost": {"objective": "binary:hinge"},
        "catboost": {"loss_function": "Focal:focal_alpha=0.5;focal_gamma=1"},
    }
    estimator = classifier(name, **own[name])
    first = LowChurnClassifier(estimator).fit(X, y)
    plain = fresh(estimator).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), plain.predict_proba(X))
    with pytest.raises(UnsupportedEstimatorError, match="objective of log loss"):
        LowChurnClassifier(estimator, LogisticRegression().fit(X, y), max_churn=0.1).fit(X, y)


@every_library
def test_a_base_model_that_fails_is_told_apart(name):
    y = labels(2)
    base = classifier(name).fit(X[:300], y[:300])
    with pytest.raises(InvalidInputError, match="base_model must give probabilities for X, got"):
        LowChurnClassifier(classifier(name), base, max_churn=0.1).fit(X[:, :3], y)
    # As where a file of another version lacks what this one reads.
    broken = copy.copy(base)
    for attribute in ("_Booster", "_object"):
        broken.__dict__.pop(attribute, None)
    with pytest.raises(InvalidInputError, match="that saved it, or give base_proba"):
        LowChurnClassifier(classifier(name), broken, max_churn=0.1).fit(X, y)


@every_library
def test_labels_of_another_encoding_are_refused(name):
    y = labels(2)
    named = np.array(["no", "yes"])[y]
    numbers = classifier(name).fit(X[:300], y[:300])
    with pytest.raises(InvalidInputError, match="must have labels of one type, got"):
        LowChurnClassifier(LogisticRegression(), numbers, max_churn=0.1).fit(X, named)
    names = LogisticRegression().fit(X[:300], named[:300])
    with pytest.raises(InvalidInputError, match="must have labels of one type, got"):
        LowChurnClassifier(classifier(name), names, max_churn=0.1).fit(X, y)


@pytest.mark.skipif("lightgbm" not in NAMES, reason="no LightGBM")
@pytest.mark.parametrize("name", ["rf", "RF", "random_forest"])
def test_forests_of_lightgbm_learn_what_the_library_lets_them(name):
    forest = {"boosting_type": name, "subsample": 0.7, "subsample_freq": 1}
    on_path(classifier("lightgbm", **forest), labels(2), soft(2), Distill(0.5))
    on_path(classifier("lightgbm", **forest), labels(4), soft(4), Cold())
    base = classifier("lightgbm").fit(X, labels(2))
    with pytest.raises(UnsupportedEstimatorError, match="boosting must be 'gbdt' or 'dart'"):
        on_path(classifier("lightgbm", **forest), labels(2), soft(2), Warm(), base_model=base)
    with pytest.raises(UnsupportedEstimatorError, match="of 4 classes, got a random forest"):
        on_path(classifier("lightgbm", **forest), labels(4), soft(4), Distill(0.5))


@every_library
def test_the_base_model_alone_is_not_joined(name):
    y = labels(2)
    base = BaseModel.of(classifier(name).fit(X, y), None, np.arange(2))
    served = serve(
        [], np.ones(0), np.arange(2), average_in="log_odds", base_model=base, base_weight=1.0
    )
    assert served.needs == "the base model, unchanged"
    np.testing.assert_array_equal(served.model.predict(X), base.model.predict(X))


# --- the first rounds -----------------------------------------------------------------------------


def first_by_library(model, n):
    """What the library itself answers with the first n rounds."""
    if type(model).__name__ == "XGBClassifier":
        return model.predict_proba(X, iteration_range=(0, n))
    if type(model).__name__ == "LGBMClassifier":
        return model.predict_proba(X, num_iteration=n)
    return model.predict_proba(X, ntree_end=n)


@every_library
@binary_and_more
def test_first_trees_are_cut_off_or_trained_alone(name, n_classes):
    y = labels(n_classes)
    base = classifier(name).fit(X[:300], y[:300])
    for of in (Cold(), Distill(0.5), WarmDistill(0.5)):
        first = FirstTrees(0.4, of=of)
        both, alone = (
            LowChurnClassifier(
                classifier(name), base, method=methods, max_churn=1.0, random_state=0
            ).fit(X, y)
            for methods in ([first, of], [first])
        )
        cut, trained = (
            next(c for c in model.path_.candidates if c.method == first) for model in (both, alone)
        )
        whole = next(c for c in both.path_.candidates if c.method == of)
        np.testing.assert_allclose(cut.proba, trained.proba, atol=1e-6)
        if of != WarmDistill(0.5):  # which is joined with the base model's trees
            expected = first_by_library(whole.estimator, 3)
            np.testing.assert_allclose(cut.estimator.predict_proba(X), expected, atol=1e-6)
        for candidate, n in ((cut, 3), (trained, 3), (whole, 8)):
            params = candidate.estimator.get_params()
            assert params.get("iterations", params.get("n_estimators")) == n
        copied = copy.deepcopy(cut.estimator)
        np.testing.assert_array_equal(copied.predict_proba(X), cut.estimator.predict_proba(X))


@every_library
def test_first_trees_of_a_fit_that_stops_early(name):
    y = labels(2)
    patience = {"early_stopping_round" if name == "lightgbm" else "early_stopping_rounds": 3}
    estimator = classifier(name, n_estimators=400, learning_rate=0.5, **patience)
    methods = [FirstTrees(share, of=Distill(0.3)) for share in (0.005, 0.9, 1.0)]
    model = LowChurnClassifier(estimator, method=methods, max_churn=1.0, random_state=0)
    model.fit(X, y, base_proba=soft(2))
    assert not learner(estimator, y).in_rounds  # the number of rounds is found already
    assert learner(classifier(name), y).in_rounds
    two, most, whole = (c.estimator for c in model.path_.candidates[1:])
    np.testing.assert_array_equal(most.predict_proba(X), whole.predict_proba(X))
    np.testing.assert_allclose(two.predict_proba(X), first_by_library(whole, 2), atol=1e-6)


@every_library
def test_the_search_halves_rounds_that_gain_nothing(name):
    y = labels(2)
    base = classifier(name).fit(X[:300], y[:300])
    long, short = (classifier(name, n_estimators=n, learning_rate=0.3) for n in (60, 4))
    halved, whole = (
        LowChurnClassifier(
            estimator, base, max_churn=0.01, average_in="log_odds", random_state=0
        ).fit(X, y, seen_by_base=np.arange(N) < 300)
        for estimator in (long, short)
    )
    kept = [candidate.method.rounds for candidate in halved.path_.candidates]
    assert kept == [1.0] + [0.5] * (len(kept) - 1)
    assert halved.path_.candidates[1].method == FirstTrees(0.5)
    assert len(kept) > 2
    assert {candidate.method.rounds for candidate in whole.path_.candidates} == {1.0}
    alone = LowChurnClassifier(long, base, max_churn=0.2, include_base=False, random_state=0)
    alone.fit(X, y, seen_by_base=np.arange(N) < 300)  # only many trees come near to the base model
    assert {candidate.method.rounds for candidate in alone.path_.candidates} == {1.0}
    assert type(halved.served_) is type(long)  # one booster, the base model and parts among it
    answers = halved.predict_proba(X[:50])
    again = LowChurnClassifier(
        long, base, max_churn=0.01, average_in="log_odds", random_state=0, refit=True
    ).fit(X, y, seen_by_base=np.arange(N) < 300)
    assert len(again.estimators_) == len(halved.estimators_)
    assert answers.shape == (50, 2)


@every_library
def test_a_trainer_trains_each_booster_once(name, monkeypatch):
    y, base = labels(2), LogisticRegression().fit(X, labels(2))
    methods = [Cold(), Distill(0.5), FirstTrees(0.5, of=Distill(0.5)), Average(0.3)]
    trainer = learner(classifier(name), y, methods, base).prepare(rows_of(y), soft(2), X[:50])
    fits, own_fit = [], trainer.library.fit
    monkeypatch.setattr(
        type(trainer.library), "fit", lambda self, *args: fits.append(args) or own_fit(*args)
    )
    for asked, n_fits in (([Cold()], 1), (methods, 2), ([Average(0.3), Distill(0.5)], 2)):
        found = trainer.fit([Job(method) for method in asked], n_jobs=None, verbose=0)
        assert [fit.proba.shape for fit in found] == [(50, 2)] * len(asked)
        assert len(fits) == n_fits  # plain retraining, then distillation, then nothing more


@every_library
def test_first_trees_that_are_asked_for_are_there_once(name):
    y = labels(2)
    base = classifier(name).fit(X[:300], y[:300])
    estimator = classifier(name, n_estimators=60, learning_rate=0.3)
    model = LowChurnClassifier(
        estimator,
        base,
        method=["distill", FirstTrees(), FirstTrees(0.2)],
        max_churn=0.01,
        random_state=0,
        refit=True,
    ).fit(X, y, seen_by_base=np.arange(N) < 300)
    methods = [candidate.method for candidate in model.path_.candidates]
    assert len(set(methods)) == len(methods)
    assert {FirstTrees(), FirstTrees(0.2)} <= set(methods)
    assert len(model.estimators_) == len(model.weights_)
    assert model.predict(X[:5]).shape == (5,)
    assert frontier(model) is None  # nothing is stated after a refit
    model.set_params(refit=False).fit(X, y, seen_by_base=np.arange(N) < 300)
    series = {point["series"] for point in frontier(model)["points"]}
    assert series <= {"cold", "distill", "average", "base model"}


def trained_with(name):
    """Settings under which a number of rounds, or a later round, changes the rounds before."""
    return {
        "lightgbm": [
            {"boosting_type": "dart"},
            {"boosting_type": "rf", "subsample": 0.6, "subsample_freq": 1},
        ],
        "xgboost": [{"booster": "dart", "rate_drop": 0.5}],
        # From 200 iterations on, the library takes ten steps to find the values of leaves.
        "catboost": [{"model_shrink_rate": 0.1}, {"n_estimators": 210, "learning_rate": 0.3}],
    }[name]


@every_library
def test_first_trees_do_not_depend_on_what_else_is_trained(name):
    y = labels(2)
    for params in trained_with(name):
        estimator = classifier(name, **params)
        of = Distill(0.5)
        cut, alone = (
            LowChurnClassifier(
                estimator, method=methods, max_churn=1.0, random_state=0, include_base=False
            )
            .fit(X, y, base_proba=soft(2))
            .path_.candidates[-1]
            for methods in ([of, FirstTrees(of=of)], [FirstTrees(of=of)])
        )
        np.testing.assert_allclose(cut.proba, alone.proba, atol=1e-6)
        assert learner(estimator, y).in_rounds == ("n_estimators" in params)


@every_library
def test_methods_that_need_more_are_refused(name):
    with pytest.raises(UnsupportedEstimatorError, match="which changes the batch"):
        on_path(classifier(name), labels(2), soft(2), Mixup(0.5))
    with pytest.raises(UnsupportedEstimatorError, match="got base_proba alone"):
        on_path(classifier(name), labels(2), soft(2), Warm())


@pytest.mark.skipif("xgboost" not in NAMES, reason="no XGBoost")
def test_xgboost_wants_numbered_labels():
    y = np.array(["no", "yes"])[labels(2)]
    with pytest.raises(InvalidInputError, match=r"y must be 0 … 1 for XGBClassifier"):
        LowChurnClassifier(classifier("xgboost"), max_churn=0.1).fit(X, y, base_proba=soft(2))
