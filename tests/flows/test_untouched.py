"""The caller's rows stay as they are, even where a base model works in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LinearRegression, LogisticRegression

from holdfast import LowChurnClassifier, LowChurnRegressor
from holdfast.gate.predict import predict_both
from holdfast.learners import estimators
from holdfast.learners.estimators import without_changing


def scale(X: Any) -> Any:
    """Halve the rows in place, as a hand-written model may do."""
    if hasattr(X, "iloc"):
        X.iloc[:, 0] *= 0.5
    else:
        X *= 0.5
    return X


class InPlace(LogisticRegression):
    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(scale(X))

    def predict(self, X: Any) -> Any:
        return super().predict(scale(X))


class InPlaceRegression(LinearRegression):
    def predict(self, X: Any) -> Any:
        return super().predict(scale(X))


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, (X[:, 0] + 0.3 * rng.normal(size=200) > 0).astype(int)


@pytest.fixture(params=["copied at once", "tried on a few rows"], autouse=True)
def size(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "copied at once":
        monkeypatch.setattr(estimators, "COPIED_AT_ONCE", 0)


FORMS: list[Callable[[Any], Any]] = [np.array, pd.DataFrame]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mixture", ["average", "override"])
def test_a_classifier_leaves_the_rows(form, mixture) -> None:
    X, y = rows()
    given = form(X)
    base = InPlace().fit(X[:100], y[:100])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn=0.02, mixture=mixture, random_state=0
    )
    model.fit(given, y)
    np.testing.assert_array_equal(np.asarray(given), X)
    first = model.predict(given)
    np.testing.assert_array_equal(np.asarray(given), X)
    np.testing.assert_array_equal(model.predict(given), first)
    model.predict_proba(given)
    np.testing.assert_array_equal(np.asarray(given), X)


def test_a_regressor_leaves_the_rows() -> None:
    X, _ = rows()
    given = X.copy()
    base = InPlaceRegression().fit(X[:100], X[:100, 0])
    model = LowChurnRegressor(LinearRegression(), base, max_churn=0.1, random_state=0)
    model.fit(given, X[:, 0]).predict(given)
    np.testing.assert_array_equal(given, X)


def test_two_models_of_a_gate_see_the_same_rows() -> None:
    X, y = rows()
    given = pd.DataFrame(X)
    base = InPlace().fit(X[:100], y[:100])
    pair = predict_both(base, InPlace(C=0.1).fit(X, y), given, given)
    np.testing.assert_array_equal(given.to_numpy(), X)
    np.testing.assert_array_equal(pair.base_pred, base.predict(pd.DataFrame(X)))


@pytest.mark.parametrize("form", [np.array, pd.DataFrame, sp.csr_matrix, sp.csr_array])
def test_every_form_of_rows(form) -> None:
    X, _ = rows()
    given = form(X)

    def work(one: Any) -> int:
        target = one.data if sp.issparse(one) else one
        scale(target)
        return 7

    assert without_changing(work, given) == 7
    left = given.toarray() if sp.issparse(given) else np.asarray(given)
    np.testing.assert_array_equal(left, X)


def test_large_rows_are_not_copied_for_models_that_leave_them(monkeypatch) -> None:
    monkeypatch.setattr(estimators, "COPIED_AT_ONCE", 0)
    X = np.array([[np.nan, 1.0]] * 100)
    seen = []
    without_changing(seen.append, X)
    assert len(seen) == 2
    assert len(seen[0]) == estimators.ROWS_TRIED
    assert seen[1] is X
    objects = np.array([["a", None]] * 100, dtype=object)
    without_changing(seen.append, objects)
    assert seen[-1] is objects


def test_other_rows_are_passed_on() -> None:
    for X in ([[1.0], [2.0]], "text", None):
        assert without_changing(lambda one: one, X) is X


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame])
def test_a_model_is_asked_about_rows_in_the_same_order_of_memory(order, form) -> None:
    """Else its sums are rounded otherwise than those of its own answers."""
    X = form(np.asarray(np.random.default_rng(0).normal(size=(40, 3)), order=order))
    strides = without_changing(lambda rows: np.asarray(rows).strides, X)
    assert strides == np.asarray(X).strides
