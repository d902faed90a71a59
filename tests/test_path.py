import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from holdfast._proba import proba_of
from holdfast.learners._sklearn import SklearnLearner
from holdfast.methods import resolve_methods
from holdfast.path import fit_path

X, Y = make_classification(150, 5, n_informative=3, n_classes=3, random_state=0)
BASE = np.random.default_rng(0).dirichlet(np.ones(3), 150)
CLASSES = np.array([10, 20, 30])


def path(estimator, methods, **options):
    return fit_path(
        SklearnLearner(estimator),
        methods,
        X[:100],
        Y[:100],
        classes=CLASSES,
        base_proba=BASE[:100],
        X_selection=X[100:],
        **options,
    )


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
    found = fit_path(
        SklearnLearner(GaussianNB()),
        resolve_methods("label_smoothing", [0.2]),
        X,
        Y,
        classes=CLASSES,
    )
    assert [candidate.proba for candidate in found.candidates] == [None, None]
    found = fit_path(
        SklearnLearner(GaussianNB()),
        resolve_methods("distill", [0.2]),
        X,
        Y,
        classes=CLASSES,
        X_selection=X,
    )
    np.testing.assert_array_equal(found.proba[0], found.proba[1])  # no base, no difference


def test_probabilities_by_class_whatever_the_model_knows():
    model = DecisionTreeClassifier(random_state=0).fit(X[Y > 0], CLASSES[Y[Y > 0]])
    proba = proba_of(model, X, CLASSES)
    assert proba.shape == (150, 3)
    assert (proba[:, 0] == 0).all()
    np.testing.assert_array_equal(proba_of(model, X, CLASSES[::-1]), proba[:, ::-1])
