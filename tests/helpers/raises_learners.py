"""Estimators that cannot learn soft targets, and what the message must hold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast import LowChurnClassifier
from holdfast.learners.estimators import own_columns
from holdfast.learners.repeated_rows import fit_final
from holdfast.methods import Anchor, Ensemble, FirstTrees, WarmDistill

X = np.random.default_rng(0).normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int)
BASE = LogisticRegression().fit(X, Y)
REVERSED = LogisticRegression().fit(X, 1 - Y)  # wrong in every row


def update(estimator, base=BASE, y=Y, **options):
    return LowChurnClassifier(estimator, base, **({"random_state": 0} | options)).fit(X, y)


def booster(library, name, **options):
    """Return a small booster; skip the test where its library is not installed."""
    quiet = {"verbose": False, "allow_writing_files": False} if library == "catboost" else {}
    quiet = {"verbose": -1} if library == "lightgbm" else quiet
    return getattr(pytest.importorskip(library), name)(n_estimators=2, **quiet, **options)


def lgbm(**options):
    return booster("lightgbm", "LGBMClassifier", **options)


def xgb(**options):
    return booster("xgboost", "XGBClassifier", **options)


def cat(**options):
    return booster("catboost", "CatBoostClassifier", **options)


def own_loss(y, score):
    return score, score


def joined(make, one, other, y=Y):
    """Update a base model of some rows by a method that starts from its trees."""
    base = make().fit(*one)
    LowChurnClassifier(make(), base, method=WarmDistill(0.5)).fit(*other)


def network(**options):
    pytest.importorskip("torch")
    from functools import partial

    from holdfast.nn import FullyConnected, NetworkClassifier

    module = partial(FullyConnected, 2, 2, width=2)
    return NetworkClassifier(module, max_epochs=1, n_jobs=1, **options)


def without_skorch():
    pytest.importorskip("torch")
    from holdfast.learners.networks.learner import _without_skorch

    _without_skorch(LogisticRegression())


NAMED = pd.DataFrame(X, columns=["a", "b"])
OTHER = pd.DataFrame(X, columns=["a", "c"])

THREE = np.arange(40) % 3


def category(*names):
    return pd.DataFrame({"a": pd.Categorical([names[0], names[1]] * 20, categories=names)})


def join(make, *tables, **options):
    """Join the trees of a booster for each table."""
    from holdfast.learners.lookup import _library_of

    models = [make(**options).fit(*table) for table in tables]
    _library_of(models[-1]).join(models, [0.5, 0.5])


def behind_scaling():
    """Update a network without transformers by one that a pipeline has behind some."""
    base = make_pipeline(StandardScaler(), network()).fit(X, Y)
    LowChurnClassifier(network(), base, method="warm", random_state=0).fit(X, Y)


def skorch_network(**options):
    skorch, torch = pytest.importorskip("skorch"), pytest.importorskip("torch")
    from holdfast.nn import FullyConnected

    given = {"module__n_features": 2, "module__n_classes": 2, "module__width": 2, "max_epochs": 1}
    given |= {"optimizer": torch.optim.Adam, "criterion": torch.nn.CrossEntropyLoss, "verbose": 0}
    return skorch.NeuralNetClassifier(FullyConnected, **given, **options)


def splitting(parts):
    pytest.importorskip("skorch")
    from skorch.dataset import ValidSplit

    return skorch_network(train_split=ValidSplit(parts))


CASES = {
    "learners/boosting/catboost.py CatBoost.join #2": (
        lambda: join(cat, (X, Y), (X, THREE)),
        "models must be of one kind for CatBoost to sum them, got: ",
    ),
    "learners/boosting/learner.py _check_method #2": (
        lambda: update(cat(), method=Ensemble(2)),
        "to be one of 2 members, got CatBoostClassifier without; set one",
        lambda: update(cat(random_state=0), method=Ensemble(2)),
    ),
    "learners/boosting/library.py refuse #1": (
        lambda: update(xgb(eval_metric="auc", early_stopping_rounds=3)),
        "'logloss' or 'mlogloss' with early_stopping_rounds to learn soft targets, got 'auc'; ",
        lambda: update(xgb(eval_metric="auc")),
    ),
    "learners/boosting/lightgbm_text.py ModelText.match #1": (
        lambda: join(lgbm, (NAMED, Y), (OTHER, Y)),
        "got b in the base model alone; keep them, or use a method that does not start from",
    ),
    "learners/boosting/lightgbm_text.py ModelText.match #2": (
        lambda: join(lgbm, (X, Y), (X, THREE)),
        "models must have one objective over the same classes to be joined, got the objectives",
    ),
    "learners/boosting/lightgbm_text.py ModelText.match #3": (
        lambda: join(lgbm, (category("a", "b"), Y), (category("b", "a"), Y)),
        "got others; give both tables the same pandas categories",
        lambda: join(lgbm, (category("a", "b"), Y), (category("a", "b"), Y)),
    ),
    "learners/boosting/xgboost_json.py ModelJson.match #1": (
        lambda: join(xgb, (NAMED, Y), (OTHER, Y)),
        "got b in the base model alone; keep them, or use a method that does not start from",
    ),
    "learners/boosting/xgboost_json.py ModelJson.match #2": (
        lambda: join(xgb, (X, Y), (X, THREE)),
        "one objective to be joined, got binary:logistic and multi:softprob; use a method",
    ),
    "learners/boosting/xgboost_json.py ModelJson.match #3": (
        lambda: join(
            xgb, (category("a", "b"), Y), (category("b", "a"), Y), enable_categorical=True
        ),
        "got others; give both tables the same categories",
    ),
    "learners/networks/learner.py _check_methods #3": (
        behind_scaling,
        "so that both networks see the same features; give both as pipelines, or transform the",
    ),
    "learners/networks/skorch.py _refuse #1": (
        lambda: update(skorch_network(predict_nonlinearity=None)),
        "predict_nonlinearity of the skorch classifier must be one that fit_many can follow, got "
        "None; leave it at 'auto', or use holdfast.nn.NetworkClassifier",
    ),
    "learners/networks/skorch.py split_of_skorch.split #1": (
        lambda: update(splitting(1000)),
        "train_split of the skorch classifier must suit the rows, got ",
    ),
    "learners/boosting/catboost.py CatBoost.check #1": (
        lambda: update(cat(loss_function="MultiClassOneVsAll")),
        "got 'MultiClassOneVsAll'; leave `loss_function` out",
    ),
    "learners/boosting/catboost.py CatBoost.join #1": (
        lambda: joined(cat, (OTHER, Y), (OTHER[["c", "a"]], Y)),
        "got a difference in order",
    ),
    "learners/boosting/learner.py _check_method #1": (
        lambda: update(lgbm(), method="mixup"),
        "or a method such as 'warm_distill'",
    ),
    "learners/boosting/learner.py _check_method #3": (
        lambda: LowChurnClassifier(lgbm(), method=WarmDistill(0.5)).fit(
            X, Y, base_proba=BASE.predict_proba(X)
        ),
        "got base_proba alone; give base_model, or a method such as 'distill'",
    ),
    "learners/boosting/lightgbm.py LightGBM.check #1": (
        lambda: update(lgbm(objective=own_loss)),
        "got one of your own; leave `objective` out",
    ),
    "learners/boosting/lightgbm.py _check_forest #1": (
        lambda: joined(
            lambda: lgbm(boosting_type="rf", subsample=0.5, subsample_freq=1), (X, Y), (X, Y)
        ),
        "got a random forest; change it, or give method='cold'",
    ),
    "learners/boosting/xgboost.py XGBoost.binned #1": (
        lambda: update(xgb(), y=Y + 1, base=LogisticRegression().fit(X, Y + 1)),
        "y must be 0 … 1 for XGBClassifier, which takes no other labels, got [1, 2]",
    ),
    "learners/boosting/xgboost.py XGBoost.check #1": (
        lambda: update(xgb(objective=own_loss)),
        "got one of your own; leave `objective` out",
    ),
    "learners/boosting/xgboost.py XGBoost.check #2": (
        lambda: update(xgb(booster="gblinear")),
        "leave `booster` out, or use scikit-learn's LogisticRegression",
    ),
    "learners/estimators.py own_columns #1": (
        lambda: own_columns(LogisticRegression().fit(NAMED, Y), OTHER),
        "got a table without 'b'; keep them, or give base_proba",
    ),
    "learners/networks/learner.py TorchLearner.of #1": (
        lambda: update(network(), soft_targets="sample"),
        "soft_targets must be left out for a network, got 'sample'",
    ),
    "learners/networks/learner.py _check_methods #1": (
        lambda: update(network(), method=FirstTrees(0.5)),
        "use another method, or a booster",
    ),
    "learners/networks/learner.py _check_methods #2": (
        lambda: update(network(), method="warm"),
        "or a method such as 'distill'",
    ),
    "learners/networks/learner.py _without_skorch #1": (
        without_skorch,
        "got LogisticRegression; wrap a module",
    ),
    "learners/repeated_rows.py fit_final #1": (
        lambda: fit_final(KNeighborsClassifier(), X, Y, np.ones(40)),
        "got KNeighborsClassifier; leave sample_weight out",
    ),
    "learners/sklearn.py SklearnLearner._fit_sampled #1": (
        lambda: update(
            *(KNeighborsClassifier(), REVERSED), soft_targets="sample", method=Anchor(0.5, eta=0.5)
        ),
        "use another method (e.g. Anchor with eta=1)",
    ),
    "learners/sklearn.py _check_method #1": (
        lambda: update(LogisticRegression(), method="warm"),
        "or a method such as 'distill'",
    ),
    "learners/sklearn.py _check_method #2": (
        lambda: update(KNeighborsClassifier(), soft_targets="sample", method=Ensemble(2)),
        "got KNeighborsClassifier, whose fits are all alike",
    ),
}
