"""Which learner an estimator gets, and what is known of it before methods are chosen."""

import importlib.util
from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.lookup import Traits, learner_of, traits_of
from holdfast.learners.sklearn import SklearnLearner
from holdfast.methods import Cold, Distill, Warm

needs_lightgbm = pytest.mark.skipif(
    importlib.util.find_spec("lightgbm") is None, reason="no LightGBM"
)
CLASSES = np.array([0, 1])
X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def traits(estimator, base_model=None, soft_targets="weights"):
    return traits_of(estimator, soft_targets=soft_targets, base_model=base_model, classes=CLASSES)


def learner(estimator, methods, base_model=None, soft_targets="weights"):
    return learner_of(
        estimator,
        soft_targets=soft_targets,
        random_state=0,
        base_model=base_model,
        classes=CLASSES,
        methods=methods,
    )


def test_scikit_learn_learns_targets_only():
    base = GaussianNB().fit(X, Y)
    for estimator in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        assert traits(estimator, base) == Traits(at_once=False, auto=("distill",))
        assert isinstance(learner(estimator, [Cold(), Distill()], base), SklearnLearner)
        with pytest.raises(UnsupportedEstimatorError, match="changes the start"):
            learner(estimator, [Warm()], base)


@needs_lightgbm
def test_boosters_go_on_from_a_base_model_unless_labels_are_drawn():
    from lightgbm import LGBMClassifier

    from holdfast.learners.boosting.learner import BoostingLearner

    booster, base = LGBMClassifier(n_estimators=2, verbosity=-1), GaussianNB().fit(X, Y)
    assert traits(booster) == Traits(at_once=False, auto=("distill",))
    assert traits(booster, base) == Traits(at_once=False, auto=("distill", "warm_distill"))
    assert traits(booster, base, "sample") == Traits(at_once=False, auto=("distill",))
    assert isinstance(learner(booster, [Distill()]), BoostingLearner)
    assert isinstance(learner(booster, [Distill()], soft_targets="sample"), SklearnLearner)


@needs_lightgbm
def test_only_a_first_release_may_have_another_objective():
    from lightgbm import LGBMClassifier

    booster = LGBMClassifier(objective="regression")
    assert learner(booster, []).plain
    with pytest.raises(UnsupportedEstimatorError, match="objective of log loss"):
        learner(booster, [Cold()])


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no PyTorch")
def test_networks_start_from_networks():
    from holdfast.learners.networks.learner import TorchLearner
    from holdfast.nn import FullyConnected, NetworkClassifier

    module = partial(FullyConnected, 3, 2, width=4)
    network = NetworkClassifier(module, max_epochs=1, random_state=0, n_jobs=1)
    other, base = GaussianNB().fit(X, Y), network.fit(X.astype(np.float32), Y)
    assert traits(network) == traits(network, other) == Traits(at_once=True, auto=("distill",))
    assert traits(network, base) == Traits(at_once=True, auto=("warm_distill",))
    assert isinstance(learner(network, [Warm()], base), TorchLearner)
    with pytest.raises(UnsupportedEstimatorError, match="must be a network over the same classes"):
        learner(network, [Warm()], other)
