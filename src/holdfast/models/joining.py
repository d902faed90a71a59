"""Joins several linear models into one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from holdfast.learners.lookup import final_of

__all__ = ["joined_linear_model"]


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
    joined = copy(finals[0])
    joined.coef_ = np.tensordot(weights, np.stack([f.coef_ for f in finals]), axes=1)
    joined.intercept_ = np.tensordot(
        weights, np.stack([np.atleast_1d(f.intercept_) for f in finals]), axes=1
    )
    return with_final(estimators[0], joined)


def _is_softmax(final: Any, first: Any) -> bool:
    """Return whether the log-odds of `final` are linear, over the same classes as in `first`."""
    if not isinstance(final, LogisticRegression) or type(final) is not type(first):
        return False
    classes, first_classes = np.asarray(final.classes_), np.asarray(first.classes_)
    one_vs_rest = final.solver == "liblinear" or getattr(final, "multi_class", None) == "ovr"
    return np.array_equal(classes, first_classes) and (len(classes) == 2 or not one_vs_rest)
