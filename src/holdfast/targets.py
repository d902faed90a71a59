"""Soft targets, which turn labels and base probabilities into one distribution for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import (
    as_array,
    check_labels,
    check_proba,
    check_same_length,
    missing_rows,
)
from holdfast.common.classes import check_classes, class_index
from holdfast.common.parameters import check_share
from holdfast.exceptions import InvalidInputError

__all__ = ["anchor", "distill", "one_hot", "smooth"]

WEIGHT_HINT = "0 learns from the labels alone, 1 from the base model alone"


def one_hot(y: ArrayLike, *, classes: ArrayLike) -> NDArray[np.float64]:
    """Return the indicator e_y of each label.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels.
    classes : array-like of shape (K,)
        Class of each column.

    Returns
    -------
    ndarray of shape (n, K)
        1 in the column of the label, 0 elsewhere.

    Raises
    ------
    InvalidInputError
        When a label is not among `classes`.

    Examples
    --------
    >>> one_hot(["b", "a"], classes=["a", "b"])
    array([[0., 1.],
           [1., 0.]])
    """
    known = check_labels("classes", classes)
    known = check_classes("classes", known, len(known))
    labels = check_labels("y", y)
    index = class_index(labels, known)
    if (index < 0).any():
        raise InvalidInputError(
            f"y must be among the classes {known.tolist()[:10]}, got "
            f"{labels[index < 0].tolist()[0]!r}; give `classes` in the order of the columns"
        )
    target = np.zeros((len(index), len(known)))
    target[np.arange(len(index)), index] = 1.0
    return target


def distill(
    y: ArrayLike,
    base_proba: ArrayLike,
    lam: float | ArrayLike,
    *,
    classes: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return the distillation target (1 − λ)·e_y + λ·g(x).

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels.
    base_proba : array-like of shape (n, K)
        Base probabilities g(x). A row of NaN has no base prediction and gets λ = 0.
    lam : float or array-like of shape (n,)
        Weight λ of the base model in [0, 1], one for all rows or one for each row.
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 by default.

    Returns
    -------
    ndarray of shape (n, K)
        Targets, whose rows sum to 1.

    Raises
    ------
    InvalidInputError
        When λ is outside [0, 1], rows are not distributions, labels are unknown, or lengths differ.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654), algorithm 1.

    Examples
    --------
    >>> distill([1, 0], [[0.8, 0.2], [0.6, 0.4]], 0.5)
    array([[0.4, 0.6],
           [0.8, 0.2]])
    """
    truth, base = _truth_and_base(y, base_proba, classes)
    weight = _row_weight(lam, len(base)) * ~missing_rows(base)
    target = truth * (1 - weight)[:, None]
    target += np.nan_to_num(base) * weight[:, None]
    return target


def anchor(
    y: ArrayLike,
    base_proba: ArrayLike,
    alpha: float,
    eta: float = 1.0,
    *,
    classes: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Return the anchor target (RCP), which keeps to the base model only where it is right.

    The target of a row is α·g(x) + (1 − α)·e_y if the base model's most probable class is the
    label, and η·e_y if it is another class.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels.
    base_proba : array-like of shape (n, K)
        Base probabilities g(x). A row of NaN has no base prediction and gets the target e_y.
    alpha : float
        Weight of the base model in rows that it gets right, in [0, 1].
    eta : float
        Weight of the rows that the base model gets wrong, in [0, 1].
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 by default.

    Returns
    -------
    ndarray of shape (n, K)
        Targets. Rows that the base model gets wrong sum to η, all others to 1.

    Raises
    ------
    InvalidInputError
        When α or η is outside [0, 1], rows are not distributions, labels are unknown, or lengths
        differ.

    References
    ----------
    Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.

    Examples
    --------
    >>> anchor([1, 0], [[0.2, 0.8], [0.4, 0.6]], alpha=0.5, eta=0.7)
    array([[0.1, 0.9],
           [0.7, 0. ]])
    """
    check_share("alpha", alpha, hint=WEIGHT_HINT)
    check_share("eta", eta, hint="0 leaves those rows out, 1 counts them in full")
    truth, base = _truth_and_base(y, base_proba, classes)
    missing = missing_rows(base)
    base = np.nan_to_num(base)
    right = np.take_along_axis(truth, base.argmax(axis=1)[:, None], axis=1)[:, 0] > 0
    right &= ~missing
    target = np.where(right[:, None], alpha * base + (1 - alpha) * truth, eta * truth)
    target[missing] = truth[missing]
    return target


def smooth(y: ArrayLike, alpha: float, *, classes: ArrayLike) -> NDArray[np.float64]:
    """Return the label-smoothing target (1 − α)·e_y + α/K.

    Parameters
    ----------
    y : array-like of shape (n,)
        Labels.
    alpha : float
        Share of the target that is spread over all classes, in [0, 1].
    classes : array-like of shape (K,)
        Class of each column.

    Returns
    -------
    ndarray of shape (n, K)
        Targets, whose rows sum to 1.

    Raises
    ------
    InvalidInputError
        When α is outside [0, 1] or labels are unknown.

    References
    ----------
    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.

    Examples
    --------
    >>> smooth([1, 0], 0.2, classes=[0, 1])
    array([[0.1, 0.9],
           [0.9, 0.1]])
    """
    check_share("alpha", alpha, hint="0 leaves the labels as they are")
    truth = one_hot(y, classes=classes)
    return (1 - alpha) * truth + alpha / truth.shape[1]


def _truth_and_base(
    y: ArrayLike, base_proba: ArrayLike, classes: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    base = check_proba("base_proba", base_proba, allow_missing=True)
    truth = one_hot(y, classes=np.arange(base.shape[1]) if classes is None else classes)
    check_same_length(y=truth, base_proba=base)
    if truth.shape != base.shape:
        raise InvalidInputError(
            f"base_proba must have one column per class, got {base.shape[1]} columns and "
            f"{truth.shape[1]} classes; match the columns to `classes`"
        )
    return truth, base


def _row_weight(lam: Any, n: int) -> NDArray[np.float64]:
    if np.ndim(lam) == 0:
        return np.full(n, check_share("lam", lam, hint=WEIGHT_HINT))
    weight = as_array("lam", lam)
    inside = weight.dtype.kind in "iuf" and ((weight >= 0) & (weight <= 1)).all()
    if weight.ndim > 1 or not inside:
        raise InvalidInputError(
            f"lam must be in [0, 1], one number or one a row, got {lam!r}; {WEIGHT_HINT}"
        )
    check_same_length(lam=weight, rows=range(n))
    return weight.astype(np.float64)
