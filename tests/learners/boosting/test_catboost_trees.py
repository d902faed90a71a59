"""Trees of CatBoost grown one by one: labels give the library's own model."""

import numpy as np
import pytest

pytest.importorskip("catboost")

import catboost as cb

from holdfast import LowChurnClassifier
from holdfast.learners.boosting.catboost import CatBoost
from holdfast.learners.boosting.catboost_trees import Features, grow, knows
from holdfast.learners.boosting.library import SoftTarget
from holdfast.learners.interface import TrainingRows

N, K = 600, 5
QUIET = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
EXACT = QUIET | {"iterations": 15, "bootstrap_type": "No", "random_strength": 0}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5)).astype(np.float32)
    y = np.argmax(X @ rng.normal(size=(5, K)) + rng.normal(size=(N, K)), axis=1)
    X[rng.random(X.shape) < 0.05] = np.nan
    X[:, 3] = 7.0
    return X, y, rng.uniform(0.2, 3.0, N)


def grown(X, target, params, held_out=None):
    like = cb.CatBoostClassifier(
        **params | {"iterations": 1, "loss_function": "MultiClass", "class_names": list(range(K))}
    )
    like.fit(X, target.proba.argmax(axis=1))
    features = Features.of(X, params)
    if held_out is not None:
        held_out = cb.Pool(held_out[0]), held_out[1]
    return grow(params, like, features, target, held_out)


def labelled(y, weight=None, start=None):
    return SoftTarget(np.eye(K)[y], weight, start)


def raw(model, X):
    return model.predict(X, prediction_type="RawFormulaVal")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"depth": 2, "l2_leaf_reg": 0.5, "learning_rate": 0.3, "border_count": 16},
        {"l2_leaf_reg": 0.0, "learning_rate": 0.3},
        {"leaf_estimation_method": "Gradient", "rsm": 1.0},
        {"grow_policy": "Depthwise", "min_data_in_leaf": 20},
        {"grow_policy": "Lossguide", "max_leaves": 6, "learning_rate": 0.3},
        {"ignored_features": [0], "nan_mode": "Max", "feature_border_type": "Uniform"},
    ],
    ids=lambda params: " ".join(params) or "defaults",
)
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_give_the_model_of_the_library(data, params, weighted):
    X, y, weight = data
    params = EXACT | {"learning_rate": 0.1} | params
    weight = weight if weighted else None
    plain = cb.CatBoostClassifier(**params).fit(X, y, sample_weight=weight)
    ours = grown(X, labelled(y, weight), params)
    np.testing.assert_allclose(raw(ours, X), raw(plain, X), atol=2e-6)


def test_it_goes_on_from_where_it_is_told(data):
    X, y, _ = data
    params = EXACT | {"learning_rate": 0.2}
    start = np.random.default_rng(1).normal(size=(N, K))
    plain = cb.CatBoostClassifier(**params).fit(cb.Pool(X, label=y, baseline=start))
    ours = grown(X, labelled(y, start=start), params)
    np.testing.assert_allclose(raw(ours, X), raw(plain, X), atol=2e-6)


@pytest.mark.parametrize("best", [None, False])
def test_it_stops_where_the_library_stops(data, best):
    X, y, weight = data
    y = np.where(np.arange(N) % 3, y, (y + 1) % K)  # noise to overfit
    params = EXACT | {"learning_rate": 0.5, "iterations": 60, "early_stopping_rounds": 4}
    if best is not None:
        params["use_best_model"] = best
    kept, aside = slice(0, 400), slice(400, N)
    pools = [cb.Pool(X[part], label=y[part], weight=weight[part]) for part in (kept, aside)]
    plain = cb.CatBoostClassifier(**params).fit(pools[0], eval_set=pools[1])
    held_out = X[aside], labelled(y[aside], weight[aside])
    ours = grown(X[kept], labelled(y[kept], weight[kept]), params, held_out)
    assert ours.tree_count_ == plain.tree_count_ < 60
    np.testing.assert_allclose(raw(ours, X), raw(plain, X), atol=2e-6)


def test_chance_follows_the_seed(data):
    X, y, _ = data
    params = QUIET | {"iterations": 5, "learning_rate": 0.2}
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    one, same, other = (grown(X, target, params | {"random_seed": s}) for s in (1, 1, 2))
    np.testing.assert_array_equal(raw(one, X), raw(same, X))
    assert np.abs(raw(one, X) - raw(other, X)).max() > 1e-3


def test_trees_by_chance_are_as_good_as_the_library_s(data):
    X, y, _ = data
    params = QUIET | {"iterations": 40, "learning_rate": 0.2}
    new = np.arange(N) >= 300
    rates = []
    for seed in range(5):
        own = params | {"random_seed": seed}
        plain = cb.CatBoostClassifier(**own).fit(X[~new], y[~new])
        ours = grown(X[~new], labelled(y[~new]), own)
        rates.append([(raw(m, X[new]).argmax(axis=1) == y[new]).mean() for m in (plain, ours)])
    plain, ours = np.mean(rates, axis=0)
    assert abs(plain - ours) < 0.03


def test_targets_of_no_rows_and_of_all_rows(data):
    X, _, _ = data
    never = SoftTarget(np.tile([0.5, 0.5, 0.0, 0.0, 0.0], (N, 1)), None, None)
    params = EXACT | {"learning_rate": 0.5, "iterations": 30}
    like = cb.CatBoostClassifier(
        **params | {"iterations": 1, "loss_function": "MultiClass", "class_names": list(range(K))}
    )
    like.fit(X, np.arange(N) % 2)
    model = grow(params, like, Features.of(X, params), never, None)
    odds = np.exp(raw(model, X))
    proba = odds / odds.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, never.proba, atol=0.01)


def test_it_prints_as_often_as_it_is_told(data, capsys):
    X, y, _ = data
    params = EXACT | {"learning_rate": 0.2}
    grown(X, labelled(y), params)
    assert capsys.readouterr().out == ""
    like = cb.CatBoostClassifier(**params).fit(X, y)
    grow(params | {"verbose": 5}, like, Features.of(X, params), labelled(y), None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":\tlearn: ")[0] for line in lines] == ["0", "5", "10"]
    losses = like.evals_result_["learn"]["MultiClass"]
    printed = [float(line.split(": ")[1]) for line in lines]
    np.testing.assert_allclose(printed, losses[::5], atol=1e-5)


def test_the_model_is_an_ordinary_one(data, tmp_path):
    X, y, _ = data
    names = np.array(["a", "b", "c", "d", "e"])
    rows = TrainingRows(None, X, y, names, None)
    estimator = cb.CatBoostClassifier(**EXACT)
    library = CatBoost()
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    model = library.fit(estimator, library.binned(estimator, rows, None), target, None)
    model.save_model(tmp_path / "model.cbm")
    assert (tmp_path / "model.cbm").stat().st_size < 200_000
    loaded = cb.CatBoostClassifier().load_model(tmp_path / "model.cbm")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert set(np.ravel(loaded.predict(X))) <= set(names)
    shap = loaded.get_feature_importance(cb.Pool(X, label=names[y]), type="ShapValues")
    np.testing.assert_allclose(shap.sum(axis=2), raw(model, X), atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {"cat_features": [0]},
        {"leaf_estimation_iterations": 3},
        {"leaf_estimation_method": "Simple"},
        {"model_shrink_rate": 0.1},
        {"bootstrap_type": "MVS"},
        {"od_type": "IncToDec", "od_pval": 0.01},
    ],
)
def test_what_one_tree_does_not_show_is_left_to_the_library(params):
    assert knows({"depth": 3, "cat_features": None, "task_type": "CPU", "bootstrap_type": "No"})
    assert not knows(params)


def fitted(estimator, X, target, held_out=None):
    """Fit by the library, a slice of the rows held out."""
    y = target.proba.argmax(axis=1)
    library, rows = CatBoost(), TrainingRows(None, X, y, np.arange(K), None)
    if held_out is None:
        return library.fit(estimator, library.binned(estimator, rows, None), target, None)
    kept, aside = np.delete(np.arange(N), held_out), np.arange(N)[held_out]
    binned = library.binned(estimator, rows.take(kept), rows.take(aside))
    return library.fit(estimator, binned, target.take(kept), target.take(aside))


def test_infinite_values_are_left_to_the_library(data):
    X, y, _ = data
    X = X.copy()
    X[:60, 0], X[60:120, 1] = np.inf, -np.inf
    assert Features.of(X, EXACT) is None
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    model = fitted(cb.CatBoostClassifier(**EXACT), X, target)
    assert model.tree_count_ == 15
    assert np.isfinite(raw(model, X)).all()


def test_best_model_of_rows_held_out(data):
    X, y, _ = data
    params = EXACT | {"learning_rate": 0.9, "iterations": 60, "early_stopping_rounds": 3}
    target = SoftTarget(0.9 * np.eye(K)[y] + 0.1 / K, None, None)
    aside = slice(0, 150)
    model = fitted(cb.CatBoostClassifier(**params, use_best_model=True), X, target, aside)
    same = fitted(cb.CatBoostClassifier(**params), X, target, aside)
    assert model.tree_count_ == same.tree_count_ < 60


def test_whole_numbers_may_be_floats(data):
    X, y, _ = data
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    number = {"learning_rate": 0.2, "random_strength": 1}
    one = fitted(cb.CatBoostClassifier(**EXACT | number), X, target)
    number |= {"iterations": 15.0, "random_seed": 0.0}
    np.testing.assert_array_equal(
        raw(fitted(cb.CatBoostClassifier(**EXACT | number), X, target), X), raw(one, X)
    )


def test_borders_of_many_rows_follow_the_seed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(210_000, 1))
    params = {"border_count": 16}  # found from 200,000 of them
    at = [Features.of(X, params | {"random_seed": s}).borders for s in (0, 0, 5)]
    assert at[0] == at[1] != at[2]
    pool = cb.Pool(X, label=rng.integers(0, 3, len(X)))
    like = cb.CatBoostClassifier(**EXACT | params | {"random_seed": 5, "iterations": 1}).fit(pool)
    used = {np.float32(border) for border in like.get_borders()[0]}
    assert used <= {np.float32(line.split("\t")[1]) for line in at[2].splitlines()}


def test_only_the_trees_served_are_printed(data, capfd):
    X, y, _ = data
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    loud = {name: value for name, value in EXACT.items() if name != "verbose"}
    fitted(cb.CatBoostClassifier(**loud), X, target)
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(t) for t in range(15)]


def test_a_sum_tells_what_its_last_model_tells(data):
    X, y, _ = data
    plain = cb.CatBoostClassifier(**EXACT | {"learning_rate": 0.2}).fit(X, y)
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    own, same = (fitted(plain, X, target) for _ in range(2))
    library = CatBoost()
    total = library.join([plain, own], [0.5, 0.5])
    again = library.join([total, own], [0.5, 0.5])
    for model in (total, again):
        assert model.get_all_params() == own.get_all_params()
        assert set(model.get_metadata().keys()) == set(own.get_metadata().keys())
        loaded = cb.CatBoost().load_model(blob=model._serialize_model())
        assert library.deployed(loaded, np.arange(K)) is not None
    models = (plain, own, same, total, again)
    assert len({model.get_metadata()["model_guid"] for model in models}) == 5


def test_a_sum_made_by_the_library_is_a_base_model(data):
    X, y, _ = data
    plain = cb.CatBoostClassifier(**EXACT).fit(X, y)
    total = cb.sum_models([plain, plain], weights=[0.5, 0.5])
    deployed = CatBoost().deployed(total, np.arange(K))
    np.testing.assert_allclose(raw(deployed, X), raw(plain, X), atol=1e-12)


@pytest.mark.parametrize("average_in", ["probability", "log_odds"])
def test_classes_are_served_in_one_dimension(data, average_in):
    X, y, _ = data
    X, y = np.nan_to_num(X), np.array(["a", "b", "c", "d", "e"])[y]
    base = cb.CatBoostClassifier(**EXACT | {"iterations": 3}).fit(X[:150], y[:150])
    model = LowChurnClassifier(
        cb.CatBoostClassifier(**EXACT), base, max_churn=0.2, average_in=average_in, random_state=0
    )
    model.fit(X, y, seen_by_base=np.arange(N) < 150)
    assert model.predict(X).shape == (N,)
    np.testing.assert_array_equal(model.predict(X), np.ravel(model.served_.predict(X)))


@pytest.mark.parametrize("method", ["warm_distill", "auto"])
def test_a_base_model_without_rows_of_a_class_is_served_beside(data, method):
    X, y, _ = data
    X, old = np.nan_to_num(X), np.arange(N) < 200
    names = {"class_names": list(range(K))}
    base = cb.CatBoostClassifier(**EXACT | names).fit(X[old & (y > 0)], y[old & (y > 0)])
    assert CatBoost().deployed(base, np.arange(K)) is None
    model = LowChurnClassifier(
        cb.CatBoostClassifier(**EXACT), base, max_churn=0.3, method=method, random_state=0
    )
    model.fit(X, y, seen_by_base=old & (y > 0))
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("names", ["abcde", "aßäé€", range(K), range(3, 3 + K)], ids=str)
def test_the_library_sums_it_and_goes_on_from_it(data, names):
    X, y, _ = data
    names = np.array(list(names))
    params = EXACT | {"learning_rate": 0.2}
    plain = cb.CatBoostClassifier(**params).fit(X, names[y])
    library, rows = CatBoost(), TrainingRows(None, X, y, names, None)
    target = SoftTarget(0.7 * np.eye(K)[y] + 0.3 / K, None, None)
    own = library.fit(plain, library.binned(plain, rows, None), target, None)
    total = cb.sum_models([plain, own])
    np.testing.assert_allclose(raw(total, X), raw(plain, X) + raw(own, X), atol=1e-9)
    further = cb.CatBoostClassifier(**params).fit(X, names[y], init_model=own)
    assert further.tree_count_ == 30
    assert set(np.ravel(further.predict(X))) <= set(names)
