"""Probabilities of any fitted classifier, one column a class, from the columns that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import class_index
from holdfast.exceptions import InvalidInputError

__all__ = ["own_columns", "proba_of"]


def proba_of(estimator: Any, X: Any, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return an estimator's probabilities with columns in the order of `classes`."""
    proba = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    own = np.asarray(estimator.classes_)
    if len(own) == len(classes) and (own == classes).all():
        return proba
    column = class_index(own, classes)
    result = np.zeros((len(proba), len(classes)))
    result[:, column] = proba
    return result


def own_columns(model: Any, X: Any) -> Any:
    """Return the columns of a data frame that a model was trained on, in its order."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:  # CatBoost has a name of its own for them, and numbers where there are none
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
