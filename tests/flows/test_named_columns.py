"""Probabilities belong to classes by the names of a frame's columns, or else by their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from holdfast import LowChurnClassifier, compare
from holdfast.exceptions import InvalidInputError

CLASSES = [(0, 1), (1, 2), (0, 1, 2), (3, 1), ("a", "b"), ("b", "a", "c"), (-1, 1)]


def problem(classes: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 3))
    y = np.array(sorted(classes))[np.argmax(X[:, : len(classes)], axis=1)]
    return X, y, LogisticRegression().fit(X[:120], y[:120])


def churn(base_model: Any, X: Any, y: Any, **given: Any) -> float:
    model = LowChurnClassifier(LogisticRegression(), base_model, random_state=0)
    return float(model.fit(X, y, **given).comparison_.churn_rate)


@pytest.mark.parametrize("classes", CLASSES, ids=str)
def test_every_form_of_base_probabilities_says_the_same(classes) -> None:
    X, y, base = problem(classes)
    proba, own = base.predict_proba(X), base.classes_.tolist()
    expected = churn(base, X, y)
    turned = own[::-1]
    forms: list[Any] = [
        proba,
        pd.DataFrame(proba),  # columns 0, 1, … are positions
        pd.DataFrame(proba, index=range(5, 245)).reset_index(drop=True),
        pd.DataFrame(proba, columns=own),
        pd.DataFrame(proba, columns=own)[turned],
    ]
    if isinstance(own[0], str):
        forms.append(pl.DataFrame(proba, schema=turned[::-1]).select(turned))
    for form in forms:
        assert churn(base, X, y, base_proba=form) == expected
        assert churn(None, X, y, base_proba=form) == expected


@pytest.mark.parametrize("classes", CLASSES, ids=str)
def test_a_base_model_may_return_frames(classes) -> None:
    X, y, base = problem(classes)

    class Framed(LogisticRegression):
        order: Any = slice(None)

        def predict_proba(self, X: Any) -> Any:
            return type(self).framed(super().predict_proba(X), self.classes_)

    framed = Framed().fit(X[:120], y[:120])
    expected = churn(base, X, y)
    for form in (
        lambda p, own: pd.DataFrame(p),
        lambda p, own: pd.DataFrame(p, columns=own)[own[::-1]],
        lambda p, own: pd.DataFrame(p, columns=[f"p{i}" for i in range(len(own))]),
    ):
        Framed.framed = staticmethod(form)
        assert churn(framed, X, y) == expected


def test_names_that_are_other_classes_are_refused() -> None:
    X, y, base = problem((1, 2))
    proba = base.predict_proba(X)
    match = "base_proba must have columns that are named after"
    for names in ([0, 1], [2, 3], ["1", "2"], ["p1", "p2"], range(1, 3)):
        frame = pd.DataFrame(proba, columns=names)
        if list(names) == [1, 2]:
            assert churn(base, X, y, base_proba=frame) == churn(base, X, y)
            continue
        if isinstance(names, list) and names == [0, 1]:
            frame.columns = pd.Index([0, 1])
        with pytest.raises(InvalidInputError, match=match):
            churn(base, X, y, base_proba=frame)
    turned = pd.DataFrame(proba, columns=[1, 2])
    with pytest.raises(InvalidInputError, match=f"{match} base_classes"):
        churn(None, X, y, base_proba=turned, base_classes=[2, 1])


def test_fewer_columns_than_classes_need_names() -> None:
    X, y, _ = problem((0, 1, 2))
    proba = np.full((len(X), 2), 0.5)
    for form in (proba, pd.DataFrame(proba)):
        with pytest.raises(InvalidInputError, match="must have one column per class of y"):
            churn(None, X, y, base_proba=form)
    named = pd.DataFrame(proba, columns=pd.Index([0, 2]))
    assert 0 <= churn(None, X, y, base_proba=named) <= 1


def test_validation_and_traffic_follow_the_same_rule() -> None:
    X, y, base = problem((1, 2))
    proba = base.predict_proba(X)
    expected = churn(base, X[:200], y[:200], validation=(X[200:], y[200:]))
    for form in (pd.DataFrame(proba), pd.DataFrame(proba, columns=[1, 2])[[2, 1]]):
        validation = (X[200:], y[200:], form[200:].reset_index(drop=True))
        given = {"base_proba": form[:200], "validation": validation}
        assert churn(base, X[:200], y[:200], **given) == expected


def test_compare_takes_no_names_in_another_order() -> None:
    X, y, base = problem((1, 2))
    new = LogisticRegression(C=0.01).fit(X, y)
    old, later = (model.predict_proba(X) for model in (base, new))
    expected = compare(old, later, y, classes=[1, 2]).to_dict()
    default = [pd.DataFrame(p) for p in (old, later)]
    named = [pd.DataFrame(p, columns=[1, 2]) for p in (old, later)]
    assert compare(*default, y, classes=[1, 2]).to_dict() == expected
    assert compare(*named, y, classes=[1, 2]).to_dict() == expected
    match = "classes must be the names of the columns of base"
    for classes in (None, [2, 1]):
        with pytest.raises(InvalidInputError, match=match):
            compare(*named, y, classes=classes)
