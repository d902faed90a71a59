"""Joins several models into one, if that says the same as their average."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from holdfast.learners.boosting import sums
from holdfast.learners.estimators import final_of, proba_of, transformers_of
from holdfast.learners.lookup import joined_boosters
from holdfast.models.base import BaseModel

__all__ = ["Served", "joined", "joined_linear_model", "says_the_same"]


@dataclass(frozen=True, eq=False)
class Served:
    """A fitted classifier, and a short text that says what serving it needs."""

    model: Any
    needs: str


def joined(
    estimators: Sequence[Any],
    weights: NDArray[np.float64],
    classes: NDArray[Any],
    base_model: BaseModel | None,
    base_weight: float,
    X: Any,
) -> Served | None:
    """Return one model in place of an average in log-odds, or None if there is no such model.

    Parameters
    ----------
    estimators : sequence of m fitted classifiers
    weights : ndarray of shape (m,)
    classes : ndarray of shape (K,)
    base_model : BaseModel or None
        A further model in the average.
    base_weight : float
    X : array-like of shape (n, d) or None
        Rows on which boosters are compared with the sum of their parts.
    """
    if base_model is None:
        model = joined_linear_model(estimators, weights)
        if model is not None:
            return Served(model, f"one model, joined from {len(estimators)} linear models")
    else:
        deployed = getattr(base_model.model, "served_", base_model.model)
        estimators, weights = [deployed, *estimators], np.append(base_weight, weights)
    if not same_head(estimators):
        return None
    head = transformers_of(estimators[-1])
    rows = X if head is None or X is None else head.transform(X)
    trees = joined_boosters([final_of(e) for e in estimators], weights, classes, rows)
    if trees is None:
        return None
    whole = with_final(estimators[-1], trees)
    count = f"{len(estimators)} models{'' if base_model is None else ', the base model among them'}"
    return Served(whole, f"one model, which holds the trees of {count}")


def says_the_same(one: Any, averaged: Any, X: Any) -> bool:
    """Whether one model has the probabilities of an average; a warning says where it has not.

    Very sure models are apart where the average takes a probability for at least 2e-16, and the one
    model does not.
    """
    alike = sums.agree(
        lambda rows: proba_of(one, rows, averaged.classes), averaged.predict_proba, X
    )
    if not alike:
        sums.report_apart("one model in place of the average", "the average is served")
    return alike


def same_head(estimators: Sequence[Any]) -> bool:
    """Return whether pipelines differ in their last step only, as those of one path do."""
    heads = [[s[1] for s in e.steps[:-1]] if isinstance(e, Pipeline) else [] for e in estimators]
    return all(
        len(head) == len(heads[0]) and all(a is b for a, b in zip(head, heads[0], strict=True))
        for head in heads
    )


def with_final(estimator: Any, final: Any) -> Any:
    """Return a pipeline with another last step, or only that step for a plain estimator."""
    if not isinstance(estimator, Pipeline):
        return final
    pipeline = copy(estimator)
    pipeline.steps = [*estimator.steps[:-1], (estimator.steps[-1][0], final)]
    return pipeline


def joined_linear_model(estimators: Sequence[Any], weights: NDArray[np.float64]) -> Any | None:
    """Return one logistic regression in place of several that are averaged in log-odds.

    Averaging the log-odds of logistic regressions is the same as averaging their coefficients and
    intercepts. Pipelines can be joined if only their last steps differ, as on one path.

    Parameters
    ----------
    estimators : sequence of m fitted classifiers
    weights : ndarray of shape (m,)

    Returns
    -------
    classifier or None
        None if the estimators cannot be joined.
    """
    finals = [final_of(estimator) for estimator in estimators]
    if not (same_head(estimators) and all(_is_softmax(final, finals[0]) for final in finals)):
        return None
    whole = copy(finals[0])
    whole.coef_ = np.tensordot(weights, np.stack([f.coef_ for f in finals]), axes=1)
    whole.intercept_ = np.tensordot(
        weights, np.stack([np.atleast_1d(f.intercept_) for f in finals]), axes=1
    )
    return with_final(estimators[0], whole)


def _is_softmax(final: Any, first: Any) -> bool:
    """Return whether the log-odds of `final` are linear, over the same classes as in `first`."""
    if not isinstance(final, LogisticRegression) or type(final) is not type(first):
        return False
    classes, first_classes = np.asarray(final.classes_), np.asarray(first.classes_)
    one_vs_rest = final.solver == "liblinear" or getattr(final, "multi_class", None) == "ovr"
    return np.array_equal(classes, first_classes) and (len(classes) == 2 or not one_vs_rest)
