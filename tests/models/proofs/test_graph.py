import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from holdfast.models.proofs.claims import DisprovedError
from holdfast.models.proofs.graph import prove_objects

X = np.random.default_rng(0).normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int)
TEXTS = ["aa bb", "bb cc"] * 20


def sparse(**changes):
    model = LogisticRegression().fit(X, Y).sparsify()
    for name, value in changes.items():
        getattr(model.coef_, name)[0] = value
    return model


def changed(model, name, value):
    """Return a fitted model in which an attribute is another."""
    rows = TEXTS if isinstance(model, CountVectorizer) else np.round(X)
    setattr(model.fit(rows, Y), name, value)
    return model


def bitsets():
    model = HistGradientBoostingClassifier(max_iter=1, categorical_features=[0], min_samples_leaf=2)
    rows = np.arange(40)[:, None] % 4
    model.fit(rows, rows[:, 0] % 2)
    tree = model._predictors[0][0]
    assert tree.nodes["is_categorical"].any()
    tree.nodes["bitset_idx"] = 2**31
    return model


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (sparse(indices=2**30), "ind"),
        (sparse(indices=-1), "ind"),
        (bitsets(), "too few sets of categories"),
        (changed(OneHotEncoder(), "_n_features_outs", [1, 1]), "too few columns"),
        (changed(OneHotEncoder(), "categories_", [np.array([2.0, 1.0])] * 2), "not in order"),
        (changed(CountVectorizer(), "vocabulary_", {"aa": 10**9}), "the column of a word"),
        (changed(CountVectorizer(), "vocabulary_", {"aa": 1, "bb": 1}), "two words have one"),
        (changed(KMeans(2, n_init=1), "cluster_centers_", np.ones((2, 1))), "cluster_centers_"),
        (changed(KMeans(2, n_init=1), "_n_threads", 10**6), "_n_threads is 1000000"),
        (changed(PolynomialFeatures(), "_n_out_full", 99), "other powers"),
        (changed(PolynomialFeatures(), "_max_degree", 10**9), "_max_degree is 1000000000"),
        (changed(KNeighborsClassifier(3), "_y", np.full(40, 2)), "a label that is no class"),
        (changed(KNeighborsClassifier(3), "_fit_X", X[:, :1]), "the rows of neighbours"),
        (changed(KNeighborsClassifier(3), "n_samples_fit_", 10**6), "40 rows are stored"),
        (changed(StandardScaler(), "transform", np.positive), "stands in for a method"),
        (changed(LogisticRegression(), "n_jobs", 10**6), "threads are asked for"),
    ],
)
def test_crafted_objects_are_refused_wherever_they_are(model, match):
    for whole in (model, make_pipeline(model), [{"a": (model,)}], np.array([[model]], object)):
        with pytest.raises(DisprovedError if match != "ind" else ValueError, match=match):
            prove_objects(whole)


def test_what_no_proof_covers_is_named():
    pipeline = make_pipeline(LogisticRegression(), memory="folder")
    assert prove_objects(pipeline) == {"sklearn.pipeline.Pipeline"}
    assert prove_objects(pipeline, ("sklearn.pipeline.Pipeline",)) == set()
    files = changed(CountVectorizer(), "input", "filename")
    assert prove_objects(files) == {"sklearn.feature_extraction.text.CountVectorizer"}
    dia = changed(StandardScaler(), "mean_", sp.eye_array(2))
    assert prove_objects(dia) == {"scipy.sparse._dia.dia_array"}
