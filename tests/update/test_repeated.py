import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from holdfast.exceptions import InvalidInputError
from holdfast.update.repeated import distinct_rows, row_keys

FORMS = {
    "numbers": lambda X: X,
    "integers": lambda X: X.astype(int),
    "lists": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "frame": pd.DataFrame,
    "text": lambda X: pd.DataFrame(X).astype(str),
    "images": lambda X: X.reshape(len(X), 2, 2),
    "csr": sp.csr_matrix,
    "csc": sp.csc_array,
    "polars": lambda X: pytest.importorskip("polars").DataFrame(X),
}


@pytest.mark.parametrize("form", FORMS)
def test_keys_are_equal_just_for_equal_rows(form):
    X = np.random.default_rng(0).integers(0, 3, (600, 4)).astype(float)
    keys = row_keys(FORMS[form](X))
    assert keys.dtype == np.uint64
    _, expected = np.unique(X, axis=0, return_inverse=True)
    _, found = np.unique(keys, return_inverse=True)
    pairs = set(zip(expected.ravel().tolist(), found.tolist(), strict=True))
    assert len(pairs) == len(set(expected.ravel().tolist())) == len(set(found.tolist()))


def test_types_of_numbers_and_signs_of_zero_do_not_matter():
    X = np.array([[0.0, 1.0], [-0.0, 1.0]])
    first, second = row_keys(X)
    assert first == second
    np.testing.assert_array_equal(row_keys(X.astype(np.float32)), row_keys(X))
    np.testing.assert_array_equal(row_keys(X.astype(int)), row_keys(X))
    explicit = sp.csr_matrix((np.array([0.0, 1.0, 1.0]), [0, 1, 1], [0, 2, 3]), shape=(2, 2))
    first, second = row_keys(explicit)
    assert first == second


def test_training_rows_are_refused_and_copies_count_once():
    X = np.random.default_rng(0).normal(size=(50, 3))
    other = X + 10
    with pytest.raises(InvalidInputError, match=r"X_unlabeled must hold .* got 7 of 57 rows"):
        distinct_rows(X, np.concatenate([other, X[:7]]), "X_unlabeled")
    with pytest.warns(UserWarning, match="2 of 52 rows of X_unlabeled repeat another"):
        kept = distinct_rows(X, np.concatenate([other[:1], other, other[:1]]), "X_unlabeled")
    assert kept.tolist() == [0, *range(2, 51)]


def test_features_of_few_values_repeat_by_chance():
    rng = np.random.default_rng(0)
    X, other = rng.integers(0, 3, (400, 2)), rng.integers(0, 3, (100, 2))
    np.testing.assert_array_equal(distinct_rows(X, other, "X_unlabeled"), np.arange(100))
