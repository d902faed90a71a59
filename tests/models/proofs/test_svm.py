import numpy as np
import pytest
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

from holdfast.models.proofs.claims import DisprovedError, UnprovenError
from holdfast.models.proofs.svm import prove_svm

X = np.random.default_rng(0).normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


@pytest.mark.parametrize("kind", [SVC, SVR, NuSVC, OneClassSVM])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "sigmoid"])
def test_fitted_machines_are_proved(kind, kernel):
    settings = {"nu": 0.1} if kind is NuSVC else {}
    prove_svm(kind(kernel=kernel, **settings).fit(X, Y))
    prove_svm(kind())


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("_n_support", lambda a: a + np.int32(2**30), "_n_support is out of range"),
        ("_n_support", lambda a: a[:2], r"_n_support has the shape \(2,\)"),
        ("_dual_coef_", lambda a: a[:, :1], "_dual_coef_ has the shape"),
        ("_dual_coef_", lambda a: a[:1], "_dual_coef_ has the shape"),
        ("_intercept_", lambda a: a[:1], "_intercept_ has the shape"),
        ("support_", lambda a: a[:1], "support_ has the shape"),
        ("support_vectors_", lambda a: a[:, :1], "support_vectors_ has the shape"),
        ("classes_", lambda a: np.arange(9), "_n_support has the shape"),
        ("_probA", lambda a: np.ones(1), "_probA has the length 1"),
        ("n_features_in_", lambda a: 3, "support_vectors_ has the shape"),
    ],
)
def test_crafted_machines_are_refused(name, change, match):
    model = SVC().fit(X, Y)
    setattr(model, name, change(getattr(model, name)))
    with pytest.raises(DisprovedError, match=match):
        prove_svm(model)


def test_a_machine_of_sparse_rows_is_not_proved():
    model = SVC().fit(X, Y)
    model._sparse = True
    with pytest.raises(UnprovenError, match="of sparse rows"):
        prove_svm(model)
