"""Estimators that cannot learn soft targets, and what the message must hold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

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

CASES = {
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
