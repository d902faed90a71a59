"""The predictions of the base model for some rows, matched to the new classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_proba, missing_rows
from holdfast.common.classes import MatchedProba, class_index, match_classes

__all__ = ["BasePredictions", "base_predictions"]


@dataclass(frozen=True, eq=False)
class BasePredictions:
    """The predictions of the base model for n rows.

    Attributes
    ----------
    matched : MatchedProba
        Probabilities with columns in the order of the new classes.
    pred : ndarray of shape (n,)
        The column of the class that the base model serves. It is −1 if that class no longer exists,
        or if there is no prediction.
    served : ndarray of shape (n,)
        The class that the base model serves, by value. It may no longer exist.
    answered : ndarray of shape (n,)
        Mask of the rows with a base prediction, even if the predicted class no longer exists.
    """

    matched: MatchedProba
    pred: NDArray[np.intp]
    served: NDArray[Any]
    answered: NDArray[np.bool_]

    @classmethod
    def none(cls, n: int, classes: NDArray[Any]) -> BasePredictions:
        """Return what there is of n rows without a base model."""
        nothing = np.full((n, len(classes)), np.nan)
        matched = MatchedProba(nothing, n, 0, unknown_classes=(), removed_classes=())
        return cls(matched, np.full(n, -1), np.repeat(classes[:1], n), np.zeros(n, dtype=bool))

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of the rows without a usable base prediction, shape (n,)."""
        return missing_rows(self.matched.proba)


def base_predictions(
    proba: Any, base_classes: NDArray[Any], classes: NDArray[Any], name: str = "base_proba"
) -> BasePredictions:
    """Check base probabilities and match them to `classes`.

    Parameters
    ----------
    proba : array-like of shape (n, K_base)
        Probabilities; a row of NaN has no base prediction.
    base_classes : ndarray of shape (K_base,)
        The classes of the columns.
    classes : ndarray of shape (K,)
        The new classes.
    name : str
        The name of the probabilities, for messages.
    """
    checked = check_proba(name, proba, allow_missing=True)
    matched = match_classes(checked, base_classes, classes)
    missing = missing_rows(checked)
    own = np.where(missing[:, None], 0.0, checked).argmax(axis=1)
    pred = class_index(base_classes, classes)[own]
    served = np.asarray(base_classes)[own]
    return BasePredictions(matched, np.where(missing, -1, pred), served, ~missing)
