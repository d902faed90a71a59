"""Every setting of scikit-learn's classifiers acts as it does there, or is refused by name."""

import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier
from tests.helpers.settings_walk import Walk, acts, lines, names_of, refused

ONE_TREE = {
    "criterion": "entropy",
    "max_depth": 2,
    "min_samples_split": 40,
    "min_samples_leaf": 20,
    "share_of_rows": acts(0.1, "min_samples_leaf"),
    "min_weight_fraction_leaf": 0.1,
    "max_features": 2,
    "random_state": 5,
    "max_leaf_nodes": 4,
    "min_impurity_decrease": 0.01,
    "class_weight": {0: 1, 1: 5},
    "balanced": acts("balanced", "class_weight"),
    "ccp_alpha": 0.02,
    "monotonic_cst": [1, 0, 0, 0, 0, 0],
}
FOREST = ONE_TREE | {
    "n_estimators": 3,
    "bootstrap": acts(True, max_samples=0.5),
    "oob_score": refused(True, bootstrap=True),
    "n_jobs": None,
    "verbose": 0,
    "warm_start": True,
    "max_samples": acts(0.3, bootstrap=True),
    "rows_drawn": acts(50, "max_samples", bootstrap=True),
    "by_draw": refused("balanced_subsample", "class_weight", bootstrap=True),
}
HISTOGRAM = {
    "loss": "log_loss",
    "learning_rate": 0.3,
    "max_iter": 3,
    "max_leaf_nodes": 4,
    "max_depth": 2,
    "min_samples_leaf": 40,
    "l2_regularization": 9.0,
    "max_features": 0.5,
    "max_bins": 8,
    "categorical_features": [5],
    "monotonic_cst": [1, 0, 0, 0, 0, 0],
    "interaction_cst": [[0, 1], [2, 3]],
    "warm_start": True,
    "early_stopping": True,
    "scoring": acts("accuracy", early_stopping=True, n_iter_no_change=1),
    "validation_fraction": acts(0.4, early_stopping=True),
    "n_iter_no_change": acts(1, early_stopping=True, tol=0.01),
    "tol": acts(0.1, early_stopping=True, n_iter_no_change=2),
    "verbose": 0,
    "random_state": acts(5, early_stopping=True),
    "class_weight": {0: 1.0, 1: 5.0},
    "balanced": acts("balanced", "class_weight"),
}
LOGISTIC = {
    "penalty": LogisticRegression().penalty,
    "C": 0.01,
    "l1_ratio": acts(0.5, solver="saga", C=0.05),
    "dual": acts(True, solver="liblinear"),
    "tol": 0.5,
    "fit_intercept": False,
    "intercept_scaling": acts(0.1, solver="liblinear"),
    "class_weight": {0: 1, 1: 5},
    "balanced": acts("balanced", "class_weight"),
    "random_state": 3,
    "solver": "newton-cg",
    "max_iter": 400,
    "verbose": 0,
    "warm_start": True,
    "n_jobs": None,
}
SGD = {"solver": "sgd"}
PERCEPTRON = {
    "hidden_layer_sizes": (3,),
    "activation": "tanh",
    "solver": "sgd",
    "alpha": 9.0,
    "batch_size": 20,
    "learning_rate": acts("invscaling", **SGD),
    "learning_rate_init": 0.1,
    "power_t": acts(0.1, learning_rate="invscaling", **SGD),
    "max_iter": 2,
    "shuffle": False,
    "random_state": 3,
    "tol": acts(0.5, n_iter_no_change=1),
    "verbose": False,
    "warm_start": True,
    "momentum": acts(0.1, **SGD),
    "nesterovs_momentum": acts(False, **SGD),
    "early_stopping": refused(True),
    "validation_fraction": 0.3,
    "beta_1": 0.1,
    "beta_2": 0.5,
    "epsilon": 0.1,
    "n_iter_no_change": acts(1, tol=0.5),
    "max_fun": acts(2, solver="lbfgs"),
}
GRADIENT = {
    "loss": "exponential",
    "learning_rate": 0.3,
    "n_estimators": 2,
    "subsample": 0.5,
    "criterion": GradientBoostingClassifier().criterion,
    "min_samples_split": 60,
    "min_samples_leaf": 40,
    "min_weight_fraction_leaf": 0.2,
    "max_depth": 1,
    "min_impurity_decrease": 0.5,
    "init": "zero",
    "random_state": acts(4, subsample=0.5),
    "max_features": 2,
    "verbose": 0,
    "max_leaf_nodes": 3,
    "warm_start": True,
    "validation_fraction": 0.3,
    "n_iter_no_change": refused(2),
    "tol": 0.5,
    "ccp_alpha": 0.01,
}
BAGGING = {
    "estimator": LogisticRegression(),
    "n_estimators": 2,
    "max_samples": 0.3,
    "rows_drawn": acts(40, "max_samples"),
    "max_features": 0.5,
    "bootstrap": False,
    "bootstrap_features": True,
    "oob_score": refused(True),
    "warm_start": True,
    "n_jobs": None,
    "random_state": 4,
    "verbose": 0,
}
DESCENT = {
    "loss": "modified_huber",
    "penalty": "l1",
    "alpha": 0.1,
    "l1_ratio": acts(0.9, penalty="elasticnet", alpha=0.01),
    "fit_intercept": False,
    "max_iter": 2,
    "tol": 0.5,
    "shuffle": False,
    "verbose": 0,
    "epsilon": 0.5,
    "n_jobs": None,
    "random_state": 4,
    "learning_rate": acts("constant", eta0=0.01),
    "eta0": acts(0.1, learning_rate="constant"),
    "power_t": acts(0.1, learning_rate="invscaling", eta0=0.1),
    "early_stopping": refused(True),
    "validation_fraction": 0.3,
    "n_iter_no_change": acts(1, tol=0.1),
    "class_weight": {0: 1, 1: 5},
    "balanced": acts("balanced", "class_weight"),
    "warm_start": True,
    "average": True,
    "average_later": acts(300, "average"),
}
ADABOOST = {
    "estimator": DecisionTreeClassifier(max_depth=2),
    "n_estimators": 2,
    "learning_rate": 0.1,
    "random_state": 4,
}
CLASSIFIERS = [
    (DecisionTreeClassifier, {"max_depth": 4}, ONE_TREE | {"splitter": "random"}),
    (RandomForestClassifier, {"n_estimators": 4}, FOREST | {"bootstrap": False}),
    (ExtraTreesClassifier, {"n_estimators": 4}, FOREST),
    (HistGradientBoostingClassifier, {"max_iter": 8, "min_samples_leaf": 5}, HISTOGRAM),
    (LogisticRegression, {"max_iter": 500}, LOGISTIC),
    (MLPClassifier, {"max_iter": 5, "hidden_layer_sizes": (5,)}, PERCEPTRON),
    (GradientBoostingClassifier, {"n_estimators": 4}, GRADIENT),
    (BaggingClassifier, {"n_estimators": 3}, BAGGING),
    (AdaBoostClassifier, {"n_estimators": 3}, ADABOOST),
    (SGDClassifier, {"loss": "log_loss", "max_iter": 20, "tol": None}, DESCENT),
    (GaussianNB, {}, {"priors": [0.9, 0.1], "var_smoothing": 0.5}),
]


def walk_of(kind, small):
    seed = {"random_state": 0} if "random_state" in kind().get_params() else {}
    return Walk(lambda **params: kind(**small | seed | params))


def cases():
    for kind, small, table in CLASSIFIERS:
        walk = walk_of(kind, small)
        for case in lines(**table):
            name, line = case.values
            yield pytest.param(walk, name, line, id=f"{kind.__name__}-{case.id}")


@pytest.mark.filterwarnings("ignore:When fitting BaggingClassifier")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("walk", "name", "line"), list(cases()))
def test_settings(walk, name, line):
    walk.check(name, line)


@pytest.mark.parametrize(("kind", "small", "table"), CLASSIFIERS)
def test_no_setting_is_left_out(kind, small, table):
    assert set(kind().get_params()) <= names_of(lines(**table))
