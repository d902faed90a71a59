"""Every setting of a booster acts as in its library, or is refused by name."""

import inspect

import numpy as np
import pytest
from tests.helpers.settings_walk import LABELS, N, Walk, X, acts, lines, names_of, refused

from holdfast.learners.boosting.learner import STOPPING_SHARE, _split

RNG = np.random.default_rng(1)


def stopping(estimator, X, y):
    """Fit with rows held out as holdfast holds them out, where the estimator stops early."""
    params = estimator.get_params()
    if not any(params.get(name) for name in ("early_stopping_rounds", "od_wait", "od_pval")):
        return estimator.fit(X, y)
    kept, held_out = _split(y, True)
    assert len(held_out) == N * STOPPING_SHARE
    quiet = {"verbose": False} if hasattr(estimator, "get_booster") else {}
    return estimator.fit(X[kept], y[kept], eval_set=[(X[held_out], y[held_out])], **quiet)


def lightgbm(**params):
    from lightgbm import LGBMClassifier

    small = {"n_estimators": 8, "num_leaves": 8, "min_child_samples": 5, "n_jobs": 1}
    return LGBMClassifier(**{"random_state": 0, "verbosity": -1} | small | params)


def xgboost(**params):
    from xgboost import XGBClassifier

    return XGBClassifier(
        **{"n_estimators": 8, "max_depth": 3, "n_jobs": 1, "random_state": 0} | params
    )


SAME = {
    "iterations": ("n_estimators", "num_boost_round", "num_trees"),
    "depth": ("max_depth",),
    "random_seed": ("random_state",),
    "verbose": ("silent", "logging_level"),
}


def catboost(**params):
    from catboost import CatBoostClassifier

    small = {"iterations": 6, "depth": 3, "thread_count": 1, "random_seed": 0, "verbose": 0}
    small = {k: v for k, v in small.items() if not set(SAME.get(k, ())) & set(params)}
    return CatBoostClassifier(**{"allow_writing_files": False} | small | params)


LIGHTGBM = lines(
    boosting_type="dart",
    forest=acts("rf", "boosting_type", subsample=0.5, subsample_freq=1),
    class_weight={0: 1.0, 1: 3.0},
    balanced=acts("balanced", "class_weight"),
    colsample_bytree=0.5,
    importance_type="gain",
    learning_rate=0.3,
    max_depth=2,
    min_child_samples=40,
    min_child_weight=9.0,
    min_split_gain=0.5,
    n_estimators=3,
    n_jobs=None,
    num_leaves=3,
    objective="cross_entropy",
    other_objective=refused("xentlambda", "objective"),
    random_state=acts(5, colsample_bytree=0.5),
    reg_alpha=5.0,
    reg_lambda=5.0,
    subsample=acts(0.5, subsample_freq=1),
    subsample_for_bin=100,
    subsample_freq=acts(2, subsample=0.5),
    # Those below are further names, which the classifier takes too.
    scale_pos_weight=3.0,
    is_unbalance=True,
    unbalance=True,
    forest_balance=refused(
        True, "is_unbalance", boosting_type="rf", subsample=0.5, subsample_freq=1
    ),
    sigmoid=refused(2.0),
    num_class=refused(2),
    pos_bagging_fraction=refused(0.3, bagging_freq=1),
    neg_bagging_fraction=refused(0.3, bagging_freq=1),
    early_stopping_rounds=acts(2, learning_rate=0.9, n_estimators=40),
    metric=refused("auc", early_stopping_rounds=2),
    metric_alone=acts("auc", "metric"),
    extra_trees=True,
    linear_tree=True,
    monotone_constraints=[1, 0, 0, -1, 0, 0],
    interaction_constraints=[[0, 1], [2, 3, 4, 5]],
    max_bin=8,
    boost_from_average=False,
    path_smooth=5.0,
    feature_contri=[0, 0, 0, 1, 1, 1.0],
    max_delta_step=0.1,
    num_iterations=3,
    min_data_in_bin=50,
)

LAST_IS_A_CATEGORY = ["q"] * 5 + ["c"]

XGBOOST = lines(
    objective="binary:logistic",
    other_objective=refused("binary:hinge", "objective"),
    base_score=0.3,
    booster=acts("dart", rate_drop=0.5),
    linear=refused("gblinear", "booster"),
    callbacks=refused([print]),
    colsample_bylevel=0.5,
    colsample_bynode=0.5,
    colsample_bytree=0.5,
    device="cpu",
    early_stopping_rounds=acts(2, learning_rate=0.9, n_estimators=40),
    enable_categorical=True,
    eval_metric="auc",
    stop_by=refused("auc", "eval_metric", early_stopping_rounds=2),
    feature_types=["q"] * 6,
    feature_weights=acts(np.array([0, 0, 0, 1, 1, 1.0]), colsample_bynode=0.5),
    gamma=2.0,
    grow_policy=acts("lossguide", max_leaves=3),
    importance_type="weight",
    interaction_constraints="[[0, 1], [2, 3, 4]]",
    learning_rate=0.1,
    max_bin=8,
    max_cat_threshold=acts(4, feature_types=LAST_IS_A_CATEGORY, enable_categorical=True),
    max_cat_to_onehot=acts(99, feature_types=LAST_IS_A_CATEGORY, enable_categorical=True),
    max_delta_step=0.1,
    max_depth=2,
    max_leaves=3,
    min_child_weight=9.0,
    missing=0.0,
    monotone_constraints=(1, 0, 0, -1, 0, 0),
    multi_strategy="multi_output_tree",
    n_estimators=3,
    n_jobs=2,
    num_parallel_tree=acts(2, subsample=0.5),
    random_state=acts(3, subsample=0.5),
    reg_alpha=2.0,
    reg_lambda=9.0,
    sampling_method=acts("uniform", subsample=0.5),
    scale_pos_weight=3.0,
    subsample=0.5,
    tree_method="exact",
    validate_parameters=True,
    verbosity=0,
)

CATBOOST = lines(
    iterations=3,
    learning_rate=0.3,
    depth=2,
    l2_leaf_reg=20.0,
    model_size_reg=3.0,
    rsm=0.5,
    loss_function="Logloss",
    other_loss=refused("MultiClassOneVsAll", "loss_function"),
    border_count=8,
    feature_border_type="Median",
    per_float_feature_quantization=["0:border_count=3"],
    fold_permutation_block=5,
    od_pval=acts(0.1, od_type="IncToDec"),
    od_wait=acts(2, learning_rate=0.9, iterations=40),
    od_type="Iter",
    nan_mode="Max",
    counter_calc_method="Full",
    leaf_estimation_iterations=3,
    leaf_estimation_method="Gradient",
    thread_count=2,
    random_seed=7,
    use_best_model=False,
    best_model_min_trees=2,
    verbose=False,
    silent=True,
    logging_level="Silent",
    metric_period=2,
    ctr_leaf_count_limit=2,
    store_all_simple_ctr=True,
    max_ctr_complexity=1,
    has_time=True,
    allow_const_label=True,
    target_border=refused(0.5),
    class_weights=[1.0, 3.0],
    weights_in_another_order=acts([3.0, 1.0], "class_weights", class_names=[1, 0]),
    auto_class_weights="Balanced",
    class_names=[1, 0],
    other_names=refused([0, 1, 2], "class_names"),
    one_hot_max_size=3,
    random_strength=5.0,
    random_score_type="Gumbel",
    name="mine",
    ignored_features=[0, 1],
    train_dir="elsewhere",
    custom_loss=["AUC"],
    custom_metric=["Accuracy"],
    eval_metric="Accuracy",
    stop_by=refused("Accuracy", "eval_metric", early_stopping_rounds=2),
    bagging_temperature=acts(5.0, bootstrap_type="Bayesian"),
    save_snapshot=refused(True),
    fold_len_multiplier=4.0,
    used_ram_limit="4gb",
    allow_writing_files=False,
    final_ctr_computation_mode="Skip",
    boosting_type="Ordered",
    simple_ctr=["Counter"],
    combinations_ctr=["Counter"],
    task_type="CPU",
    bootstrap_type="Bernoulli",
    subsample=acts(0.4, bootstrap_type="Bernoulli"),
    mvs_reg=acts(5.0, bootstrap_type="MVS", subsample=0.5),
    sampling_unit="Object",
    sampling_frequency="PerTree",
    dev_score_calc_obj_block_size=50,
    dev_efb_max_buckets=10,
    sparse_features_conflict_fraction=0.5,
    max_depth=2,
    n_estimators=3,
    num_boost_round=3,
    num_trees=3,
    colsample_bylevel=0.5,
    random_state=7,
    reg_lambda=20.0,
    objective="Logloss",
    eta=0.3,
    max_bin=8,
    scale_pos_weight=3.0,
    early_stopping_rounds=acts(2, learning_rate=0.9, iterations=40),
    grow_policy="Depthwise",
    min_data_in_leaf=acts(30, grow_policy="Depthwise"),
    min_child_samples=acts(30, grow_policy="Depthwise"),
    max_leaves=acts(3, grow_policy="Lossguide"),
    num_leaves=acts(3, grow_policy="Lossguide"),
    score_function="L2",
    leaf_estimation_backtracking=acts("No", leaf_estimation_iterations=4),
    monotone_constraints=[1, 0, 0, -1, 0, 0],
    feature_weights=[0.1, 0.1, 1, 1, 1, 1],
    penalties_coefficient=acts(5.0, first_feature_use_penalties=[1, 0, 0, 0, 0, 0]),
    first_feature_use_penalties=[5, 0, 0, 0, 0, 0],
    per_object_feature_penalties=[5, 0, 0, 0, 0, 0],
    model_shrink_rate=0.3,
    model_shrink_mode=acts("Decreasing", model_shrink_rate=0.3),
    langevin=True,
    diffusion_temperature=acts(10000, langevin=True),
    posterior_sampling=True,
    boost_from_average=True,
    callback=refused(print),
    eval_fraction=refused(0.2),
    ctr_history_unit="Sample",
    cat_features=[],
    text_features=[],
    embedding_features=[],
)

# Settings of GPUs, those that only act on text or categories in ways of their own, those that name
# files, and those that CatBoost itself refuses on a CPU or for two classes.
CATBOOST_OUT_OF_REACH = {
    *("approx_on_full_history", "classes_count", "ctr_description", "ctr_target_border_count"),
    *("data_partition", "device_config", "devices", "dictionaries", "feature_calcers"),
    *("fixed_binary_splits", "gpu_cat_features_storage", "gpu_ram_part", "input_borders"),
    *("metadata", "output_borders", "per_feature_ctr", "pinned_memory_size", "snapshot_file"),
    *("snapshot_interval", "text_processing", "tokenizers"),
}


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
@pytest.mark.parametrize(("name", "line"), LIGHTGBM)
def test_lightgbm(name, line):
    pytest.importorskip("lightgbm")
    _walk(lightgbm).check(name, line)


@pytest.mark.parametrize(("name", "line"), XGBOOST)
def test_xgboost(name, line):
    pytest.importorskip("xgboost")
    _walk(xgboost).check(name, line)


@pytest.mark.parametrize(("name", "line"), CATBOOST)
def test_catboost(name, line):
    pytest.importorskip("catboost")
    _walk(catboost).check(name, line)


WALKS = {}


def _walk(make):
    return WALKS.setdefault(make, Walk(make, fit=stopping))


def test_no_setting_is_left_out():
    classifier = pytest.importorskip("lightgbm").LGBMClassifier
    assert set(classifier().get_params()) <= names_of(LIGHTGBM)
    classifier = pytest.importorskip("xgboost").XGBClassifier
    assert set(classifier().get_params()) <= names_of(XGBOOST)
    classifier = pytest.importorskip("catboost").CatBoostClassifier
    known = set(inspect.signature(classifier).parameters)
    assert known <= names_of(CATBOOST) | CATBOOST_OUT_OF_REACH


@pytest.mark.parametrize(
    ("make", "params"),
    [
        (lightgbm, {"class_weight": "balanced"}),
        (lightgbm, {"min_split_gain": 0.1}),
        (xgboost, {"multi_strategy": "multi_output_tree"}),
        (xgboost, {"feature_weights": np.array([0, 0, 0, 1, 1, 1.0]), "colsample_bytree": 0.5}),
        (catboost, {"class_weights": [1.0, 3.0, 2.0]}),
        (catboost, {"class_weights": [1.0, 3.0, 2.0], "class_names": [2, 0, 1]}),
    ],
)
def test_more_classes(make, params):
    pytest.importorskip(make.__name__)
    name, *others = params
    line = acts(params[name], **{other: params[other] for other in others})
    Walk(make, n_classes=3, fit=stopping).check(name, line)


def test_a_scale_that_has_no_meaning_is_refused():
    pytest.importorskip("catboost")
    Walk(catboost, n_classes=3).check("scale_pos_weight", refused(3.0))


@pytest.mark.parametrize(
    ("make", "params"),
    [
        (lightgbm, {"scale_pos_weight": 3.0}),
        (lightgbm, {"scale_pos_weight": 3.0, "boost_from_average": False}),
        (xgboost, {"scale_pos_weight": 3.0}),
        (xgboost, {"scale_pos_weight": 3.0, "base_score": 0.4}),
    ],
)
def test_balanced_soft_targets_start_where_the_library_starts_on_repeated_rows(make, params):
    pytest.importorskip(make.__name__)
    if make is lightgbm:
        params = params | {"min_child_samples": 1, "min_child_weight": 3.1, "min_data_in_bin": 1}
    walk = Walk(make)
    target = 0.5 * np.eye(2)[LABELS[2]] + 0.5 * walk.base
    slow = make(**params).fit(
        np.tile(X, (2, 1)), np.repeat([0, 1], N), sample_weight=target.T.ravel()
    )
    ours = walk.by_learner(params, 0.5)[1]
    np.testing.assert_allclose(ours, slow.predict_proba(X), rtol=0, atol=1e-5)
