from dataclasses import replace

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.learners.estimators import proba_of
from holdfast.learners.sklearn import SklearnLearner, SklearnTrainer
from holdfast.methods import (
    Average,
    Cold,
    Distill,
    Ensemble,
    Mixup,
    Override,
    Warm,
    resolve_methods,
)
from holdfast.models.base import BaseModel
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.update.candidates import Path
from holdfast.update.fitting import PathFitter
from holdfast.update.rows import UpdateRows

X, Y = make_classification(150, 5, n_informative=3, n_classes=3, random_state=0)
BASE = np.random.default_rng(0).dirichlet(np.ones(3), 150)
CLASSES = np.array([10, 20, 30])


def rows(part=slice(None), base=None):
    """Rows of the set, with the probabilities that a base model gave them."""
    predictions = BasePredictions.none(len(Y[part]), CLASSES)
    if base is not None:
        predictions = base_predictions(base[part], CLASSES, CLASSES)
    return UpdateRows(X[part], Y[part], CLASSES, None, predictions)


def fit_path(learner, methods, train, selecting, base_model=None, **options):
    fitter = PathFitter(learner, train, selecting, base_model, **options)
    return Path(tuple(fitter.fit(methods)), CLASSES)


def path(estimator, methods, **options):
    train, selecting = (rows(part, BASE) for part in (slice(100), slice(100, None)))
    return fit_path(SklearnLearner(estimator), methods, train, selecting, **options)


def test_candidates_in_order_with_their_probabilities():
    found = path(GaussianNB(), resolve_methods(["distill", "anchor"], [0.3, 0.7]))
    assert found.labels[:3] == ("cold", "distill(lam=0.3)", "distill(lam=0.7)")
    assert found.lambdas.tolist() == [0, 0.3, 0.7, *[0.3] * 3, *[0.7] * 3]
    assert found.proba.shape == (9, 50, 3)
    for candidate in found.candidates:
        np.testing.assert_array_equal(candidate.estimator.predict_proba(X[100:]), candidate.proba)
    plain = GaussianNB().fit(X[:100], CLASSES[Y[:100]])
    np.testing.assert_array_equal(found.proba[0], plain.predict_proba(X[100:]))
    frame = found.to_frame()
    assert frame["method"].tolist() == ["cold"] + ["distill"] * 2 + ["anchor"] * 6
    assert (frame["fit_seconds"] >= 0).all()


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_back_ends_give_the_same_and_share_the_transformers(backend):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    methods = resolve_methods("distill", [0.5])
    one = path(pipeline, methods)
    with parallel_config(backend=backend):
        other = path(pipeline, methods, n_jobs=2)
    np.testing.assert_array_equal(one.proba, other.proba)
    heads = [candidate.estimator[0] for candidate in other.candidates]
    assert heads[0] is heads[1]


def test_without_base_and_selection_rows():
    learner = SklearnLearner(GaussianNB())
    found = fit_path(learner, resolve_methods("label_smoothing", [0.2]), rows(), None)
    assert [candidate.proba for candidate in found.candidates] == [None, None]
    found = fit_path(learner, resolve_methods("distill", [0.2]), rows(), rows())
    np.testing.assert_array_equal(found.proba[0], found.proba[1])  # no base, no difference


def test_probabilities_by_class_whatever_the_model_knows():
    model = DecisionTreeClassifier(random_state=0).fit(X[Y > 0], CLASSES[Y[Y > 0]])
    proba = proba_of(model, X, CLASSES)
    assert proba.shape == (150, 3)
    assert (proba[:, 0] == 0).all()
    np.testing.assert_array_equal(proba_of(model, X, CLASSES[::-1]), proba[:, ::-1])


# --- several models in one candidate --------------------------------------------------------------


def path_beside_base(estimator, methods):
    base = BaseModel(GaussianNB().fit(X[:60], CLASSES[Y[:60]]), CLASSES)
    selecting = replace(rows(slice(100, None)), base=base.predict(X[100:], CLASSES))
    learner = SklearnLearner(estimator)
    return fit_path(learner, methods, rows(slice(100), BASE), selecting, base), selecting.base


def test_ensembles_have_members_of_their_own_seeds():
    forest = RandomForestClassifier(5, random_state=0)
    found, _ = path_beside_base(forest, [Cold(), Ensemble(3)])
    members = found.candidates[1].estimator.estimators
    assert members[0].random_state == 0
    assert len({member.random_state for member in members}) == 3
    proba = [member.predict_proba(X[100:]) for member in members]
    np.testing.assert_allclose(found.proba[0], proba[0])
    np.testing.assert_allclose(found.proba[1], np.mean(proba, axis=0))
    np.testing.assert_allclose(found.candidates[1].estimator.predict_proba(X[100:]), found.proba[1])


def test_averages_and_overrides_are_what_they_serve():
    methods = [Cold(), Average(0.3), Average(0.6, of=Distill(0.5)), Override(0.2), Distill(0.5)]
    found, base = path_beside_base(LogisticRegression(), methods)
    cold, average, other, override, distilled = found.proba
    np.testing.assert_allclose(average, 0.3 * base.matched.proba + 0.7 * cold)
    np.testing.assert_allclose(other, 0.6 * base.matched.proba + 0.4 * distilled)
    surer = cold.max(axis=1) - cold[np.arange(50), base.pred] > 0.2
    assert (override.argmax(axis=1) == np.where(surer, cold.argmax(axis=1), base.pred)).all()
    for candidate, proba in zip(found.candidates, found.proba, strict=True):
        np.testing.assert_allclose(candidate.estimator.predict_proba(X[100:]), proba)
    # Trained once each: plain retraining and one distillation.
    assert len({id(c.estimator) for c in found.candidates}) == 5
    assert found.candidates[1].estimator.estimators[0] is found.candidates[0].estimator
    assert found.to_frame()["of"].tolist()[1:4] == ["cold", "distill(lam=0.5)", "cold"]


def test_an_override_is_by_all_that_is_served_otherwise():
    forest = RandomForestClassifier(5, random_state=0)
    several = [Ensemble(3), Average(0.3), Average(0.3, of=Ensemble(3))]
    found, base = path_beside_base(
        forest, [Cold(), *several, *(Override(0.1, of=method) for method in several)]
    )
    for new, override in zip(found.proba[1:4], found.proba[4:], strict=True):
        surer = new.max(axis=1) - new[np.arange(50), base.pred] > 0.1
        assert (override.argmax(axis=1) == np.where(surer, new.argmax(axis=1), base.pred)).all()
    for candidate, proba in zip(found.candidates, found.proba, strict=True):
        np.testing.assert_allclose(candidate.estimator.predict_proba(X[100:]), proba)


@pytest.mark.parametrize(
    ("estimator", "method", "match"),
    [
        (GaussianNB(), Ensemble(2), "estimator must have a random_state to be one of 2 members"),
        (GaussianNB(), Warm(), "method must change nothing but targets .* changes the start"),
        (GaussianNB(), Mixup(), "got mixup.* changes the batch"),
    ],
)
def test_what_scikit_learn_cannot_train(estimator, method, match):
    with pytest.raises(UnsupportedEstimatorError, match=match):
        SklearnLearner.of(estimator, "weights", None, [Cold(), method])


def test_a_failed_candidate_leaves_the_path_and_plain_retraining_must_not_fail():
    class FailingTrainer(SklearnTrainer):
        def fit(self, jobs, **options):
            fits = super().fit(jobs, **options)
            return [
                replace(f, final=None) if j.method == bad else f
                for j, f in zip(jobs, fits, strict=True)
            ]

    class Failing(SklearnLearner):
        def prepare(self, *args):
            return FailingTrainer(**vars(super().prepare(*args)))

    def failing_path():
        methods = [Cold(), Distill(0.4), Distill(0.6)]
        return fit_path(Failing(GaussianNB()), methods, rows(base=BASE), rows())

    bad = Distill(0.4)
    with pytest.warns(UserWarning, match=r"1 of 3 settings are not on the path.*lam=0\.4"):
        assert failing_path().labels == ("cold", "distill(lam=0.6)")
    bad = Cold()
    with pytest.raises(InvalidInputError, match="plain retraining must end with a finite loss"):
        failing_path()
