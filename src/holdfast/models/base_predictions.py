"""The predictions of the base model for some rows, matched to the new classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import (
    as_array,
    check_labels,
    check_proba,
    check_same_length,
    missing_rows,
    missing_values,
)
from holdfast.common.classes import MatchedProba, class_index, match_classes, union_classes

__all__ = ["BasePredictions", "base_predictions"]


@dataclass(frozen=True, eq=False)
class BasePredictions:
    """The predictions of the base model for n rows.

    Attributes
    ----------
    matched : MatchedProba
        Probabilities with columns in the order of the new classes.
    pred : ndarray of shape (n,)
        The position of the base model's answer among the new model's possible answers. It is −1 if
        the new model cannot give that answer, or if there is none.
    served : ndarray of shape (n,)
        The answer of the base model, by value. It may no longer exist.
    answered : ndarray of shape (n,)
        Mask of the rows with an answer of the base model, even if that answer no longer exists.
    """

    matched: MatchedProba
    pred: NDArray[np.intp]
    served: NDArray[Any]
    answered: NDArray[np.bool_]

    @classmethod
    def none(cls, n: int, classes: NDArray[Any]) -> BasePredictions:
        """Return the predictions of n rows without a base model, all of which are missing."""
        matched = _no_proba(n, classes)
        return cls(matched, np.full(n, -1), np.repeat(classes[:1], n), np.zeros(n, dtype=bool))

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Mask of the rows without usable base probabilities, shape (n,)."""
        return missing_rows(self.matched.proba)

    @property
    def only_answers(self) -> bool:
        """Whether there are answers, and no row has probabilities."""
        return bool(self.answered.any() and self.missing.all())

    def take(self, index: NDArray[np.intp]) -> BasePredictions:
        """Return the predictions for some of the rows."""
        matched = replace(self.matched, proba=self.matched.proba[index])
        return BasePredictions(matched, self.pred[index], self.served[index], self.answered[index])


def base_predictions(
    proba: Any,
    base_classes: NDArray[Any],
    classes: NDArray[Any],
    *,
    answers: Any = None,
    possible: NDArray[Any] | None = None,
    names: tuple[str, str] = ("base_proba", "base_pred"),
) -> BasePredictions:
    """Check what the base model says of some rows, and match it to `classes`.

    Parameters
    ----------
    proba : array-like of shape (n, K_base) or None
        Probabilities; a row of NaN has none. None where the base model only answers.
    base_classes : ndarray of shape (K_base,)
        The classes of the columns.
    classes : ndarray of shape (K,)
        The new classes.
    answers : array-like of shape (n,), optional
        The answers of the base model, by value; a missing value is no answer. Left out, the most
        probable class is the answer.
    possible : ndarray of shape (A,), optional
        The answers that the new model can give. Left out, these are its classes.
    names : (str, str)
        The names of the probabilities and of the answers, for messages.
    """
    possible = classes if possible is None else possible
    checked = None if proba is None else check_proba(names[0], proba, allow_missing=True)
    if answers is not None:
        served, answered = _checked_answers(names[1], answers, possible)
        check_same_length(**{names[0]: checked, names[1]: served})
    else:
        assert checked is not None  # one of the two is given
        answered = ~missing_rows(checked)
        most_probable = np.where(answered[:, None], checked, 0.0).argmax(axis=1)
        served = np.asarray(base_classes)[most_probable]
    if checked is None:
        matched = _no_proba(len(served), classes)
    else:
        matched = match_classes(checked, base_classes, classes)
    pred = np.where(answered, class_index(served, possible), -1)
    return BasePredictions(matched, pred, served, answered)


def _no_proba(n: int, classes: NDArray[Any]) -> MatchedProba:
    nothing = np.full((n, len(classes)), np.nan)
    return MatchedProba(nothing, n, 0, unknown_classes=(), removed_classes=())


def _checked_answers(
    name: str, answers: Any, possible: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return answers by value, and the mask of the rows that have one."""
    given = as_array(name, answers)
    if given.ndim == 2 and given.shape[1] == 1:  # CatBoost, for more than two classes
        given = given[:, 0]
    answered = ~missing_values(given) if given.ndim == 1 else np.ones(len(given), dtype=bool)
    known = given[answered]
    if not len(known):
        return np.repeat(possible[:1], len(given)), answered
    labels = check_labels(name, known)
    union_classes(**{name: labels, "the new model": possible})  # raises for another type of label
    served = np.empty(len(given), dtype=labels.dtype)
    served[answered], served[~answered] = labels, labels[0]
    return served, answered
