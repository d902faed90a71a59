"""Probabilities of any fitted classifier, one column a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast._validation import class_index

__all__ = ["proba_of"]


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
