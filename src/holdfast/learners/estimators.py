"""Helpers for any estimator: its transformers, seeds, settings and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from holdfast.common.classes import class_index, in_class_order
from holdfast.exceptions import InvalidInputError
from holdfast.learners.interface import TrainingRows

__all__ = [
    "asking_for_weights",
    "behind_transformers",
    "final_of",
    "fit_transform",
    "fresh",
    "gives_proba",
    "join",
    "member_seeds",
    "own_columns",
    "parts_of",
    "proba_of",
    "requests_weights",
    "seeds_of",
    "set_parameters",
    "temporary_parameters",
    "transformers_of",
    "without_changing",
]

COPIED_AT_ONCE = 1 << 20  # bytes of X, whose copy costs less than a try
ROWS_TRIED = 50

# --- pipelines ------------------------------------------------------------------------------------


def final_of(estimator: Any) -> Any:
    """Return the last step of a pipeline; any other estimator as it is."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def transformers_of(estimator: Any) -> Pipeline | None:
    """Return the steps before the last; None where there are none."""
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        return estimator[:-1]
    return None


def fit_transform(
    head: Pipeline, X: Any, y: NDArray[Any], sample_weight: NDArray[np.float64] | None
) -> Any:
    """Fit transformers in place and return what they make of X.

    Transformers that request the weights get them.
    """
    if sample_weight is None or not requests_weights(head):
        return head.fit_transform(X, y)
    with config_context(enable_metadata_routing=True):
        return head.fit_transform(X, y, sample_weight=sample_weight)


def behind_transformers(estimator: Any, rows: TrainingRows) -> TrainingRows:
    """Return rows as they come out of copies of an estimator's transformers, fitted to them."""
    head = transformers_of(estimator)
    if head is None:
        return rows
    head = fresh(head)
    return rows.behind(head, fit_transform(head, rows.X, rows.labels, rows.sample_weight))


def join(estimator: Any, rows: TrainingRows, final: Any) -> Any:
    """Return the whole fitted estimator: the shared transformers and one last step."""
    if not isinstance(estimator, Pipeline):
        return final
    whole = copy(estimator)
    steps = [] if rows.head is None else list(rows.head.steps)
    whole.steps = [*steps, (estimator.steps[-1][0], final)]
    return whole


# --- settings -------------------------------------------------------------------------------------


def fresh(final: Any) -> Any:
    """Return an unfitted copy; CatBoost copies itself, since `clone` refuses its lists."""
    if _is_of_catboost(final):
        return type(final)(**final.get_params())
    if isinstance(final, Pipeline) and _is_of_catboost(final_of(final)):
        whole = copy(final)
        whole.steps = [*clone(final[:-1]).steps, (final.steps[-1][0], fresh(final_of(final)))]
        return whole
    return clone(final)


def _is_of_catboost(estimator: Any) -> bool:
    return any(kind.__module__.startswith("catboost.") for kind in type(estimator).__mro__)


def gives_proba(estimator: Any) -> bool:
    """Whether an estimator has predict_proba, or will have it once it is fitted."""
    final = final_of(estimator)
    own_final = isinstance(final, StackingClassifier) and final.final_estimator is None
    return own_final or hasattr(estimator, "predict_proba")


def asking_for_weights(final: Any) -> Any:
    """Return a copy whose parts ask for sample_weight where all can take it; otherwise `final`.

    A vote of classifiers, and what else hands weights on to its parts, does so only for parts that
    ask for them.
    """
    if has_fit_parameter(final, "sample_weight") or requests_weights(final):
        return final
    with config_context(enable_metadata_routing=True):
        copied = fresh(final)
        return copied if _ask(copied) else final


def _ask(estimator: Any) -> bool:
    """Let an estimator, or all of its parts, ask for weights; return whether they can be given."""
    if has_fit_parameter(estimator, "sample_weight") and hasattr(estimator, "set_fit_request"):
        estimator.set_fit_request(sample_weight=True)
        return True
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:  # transformers see rows without weights
            if has_fit_parameter(step, "sample_weight"):
                step.set_fit_request(sample_weight=False)
    parts = [part for part in parts_of(estimator) if part not in ("drop", "passthrough")]
    return bool(parts) and hasattr(estimator, "get_metadata_routing") and all(map(_ask, parts))


def parts_of(estimator: Any) -> list[Any]:
    """Return the estimators that one hands its weights on to."""
    if isinstance(estimator, Pipeline):
        return [final_of(estimator)]
    if isinstance(getattr(estimator, "estimators", None), list):
        return [part for _, part in estimator.estimators]
    return [estimator.estimator] if hasattr(estimator, "estimator") else []


def requests_weights(estimator: Any) -> bool:
    """Whether metadata routing hands sample_weight to the estimator or to a part of it."""
    with config_context(enable_metadata_routing=True):
        try:
            return bool(get_routing_for_object(estimator).consumes("fit", ["sample_weight"]))
        except (AttributeError, NotImplementedError):  # an estimator that knows no routing
            return False


def seeds_of(final: Any) -> dict[str, Any]:
    """Return the parameters that seed an estimator and its parts."""
    parameters = final.get_params(deep=True)
    names = ("random_state", "random_seed", "seed")
    return {key: v for key, v in parameters.items() if key.rpartition("__")[2] in names}


def member_seeds(final: Any, member: int) -> dict[str, Any]:
    """Return the seeds of one member; None stays, since it differs at every fit anyway."""
    return {
        key: int(np.random.SeedSequence([int(value), member]).generate_state(1)[0] >> 1)
        for key, value in seeds_of(final).items()
        if isinstance(value, (int, np.integer))
    }


@contextmanager
def temporary_parameters(estimator: Any, changed: dict[str, Any]) -> Iterator[None]:
    """Fit with changed hyperparameters; the user's own are set again afterwards."""
    present = estimator.get_params(deep=True)
    before = {key: present[key] for key in changed}
    if not changed:
        yield
        return
    estimator.set_params(**changed)
    try:
        yield
    finally:
        set_parameters(estimator, before)


def set_parameters(estimator: Any, changed: dict[str, Any]) -> None:
    """Set hyperparameters; the estimator may be fitted."""
    if hasattr(estimator, "_init_params"):  # CatBoost: no set_params once it is fitted
        estimator._init_params.update(changed)
    else:
        estimator.set_params(**changed)


# --- predictions ----------------------------------------------------------------------------------


def proba_of(estimator: Any, X: Any, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return an estimator's probabilities with columns in the order of `classes`."""
    own = np.asarray(estimator.classes_)
    predicted = without_changing(estimator.predict_proba, X)
    proba = np.asarray(in_class_order("predict_proba", predicted, own), dtype=np.float64)
    if len(own) == len(classes) and (own == classes).all():
        return proba
    column = class_index(own, classes)
    result = np.zeros((len(proba), len(classes)))
    result[:, column] = proba
    return result


def own_columns(model: Any, X: Any) -> Any:
    """Return the columns of a data frame that a model was trained on, in its order."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:  # CatBoost keeps them elsewhere, and numbers the columns of an array
        names = [name for name in getattr(model, "feature_names_", ()) if not name.isdigit()]
    if not len(names) or not hasattr(X, "columns"):
        return X
    missing = [str(name) for name in names if name not in X.columns]
    if missing:
        raise InvalidInputError(
            "X must have the columns that the base model was trained on, got a table without "
            f"{', '.join(map(repr, missing[:10]))}; keep them, or give base_proba"
        )
    return X if list(X.columns) == list(names) else X[list(names)]


def without_changing(call: Callable[[Any], Any], X: Any) -> Any:
    """Return what a model's method says of X, which stays as it is whatever the method does.

    A method that works in place gets a copy. Whether it does is tried on a few rows, so that large
    X are copied only where that is needed; small X are copied at once.

    Parameters
    ----------
    call : callable
        The method, such as `predict`.
    X : array-like, sparse matrix or data frame

    Examples
    --------
    >>> X = np.array([1.0, 2.0])
    >>> without_changing(lambda rows: rows.__imul__(2), X).tolist(), X.tolist()
    ([2.0, 4.0], [1.0, 2.0])
    """
    if not hasattr(X, "copy") or not hasattr(X, "shape"):
        return call(X)  # a list, or a frame that cannot be changed
    if _n_bytes(X) <= COPIED_AT_ONCE or _changes(call, X):
        return call(_copied(X))
    return call(X)


def _copied(X: Any) -> Any:
    """Return a copy in the same order of memory, in which a model rounds its sums alike."""
    return X.copy(order="K") if isinstance(X, np.ndarray) else X.copy()


def _n_bytes(X: Any) -> int:
    values = X.memory_usage() if hasattr(X, "memory_usage") else getattr(X, "data", X)
    return int(values.sum()) if hasattr(X, "memory_usage") else int(getattr(values, "nbytes", 0))


def _changes(call: Callable[[Any], Any], X: Any) -> bool:
    """Return whether a call changes a copy of the first rows; one that fails on them may."""
    before, given = (_safe_indexing(X, np.arange(min(ROWS_TRIED, X.shape[0]))).copy() for _ in "ab")
    try:
        call(given)
    except Exception:
        return True
    if hasattr(before, "equals"):
        return not before.equals(given)
    if hasattr(before, "nnz"):
        return before.shape != given.shape or (before != given).nnz > 0
    same = (before == given) | ((before != before) & (given != given))
    return not np.all(same)
