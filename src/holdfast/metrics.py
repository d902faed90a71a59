"""Measures of predictive churn, which take arrays and return one number.

A flip goes from the base model to the new model: in a row with a *negative* flip the base model is
right and the new model is wrong. Labels are arrays of shape (n,). Probabilities have shape (n, K),
and each row sums to 1. With `sample_weight` every share of rows is a weighted share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import (
    check_labels,
    check_proba,
    check_same_index,
    check_same_length,
    check_weights,
)
from holdfast.common.classes import (
    ENOUGH_ROWS,
    check_classes,
    class_index,
    label_kind,
    some_of,
    spelled_otherwise,
    union_classes,
)
from holdfast.common.parameters import check_choice
from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError

__all__ = [
    "accuracy",
    "accuracy_gain",
    "brier_score",
    "churn_divergence",
    "churn_floor",
    "churn_rate",
    "excess_churn",
    "lateral_flip_rate",
    "log_loss",
    "negative_flip_rate",
    "pairwise_churn",
    "positive_flip_rate",
    "risk",
    "unavoidable_churn",
]

LOSSES = ("log_loss", "brier")
DIVERGENCES = ("kl", "brier")

SMALLEST = float(np.finfo(np.float64).eps)  # smallest probability whose logarithm is taken


def churn_rate(
    base_pred: ArrayLike, new_pred: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Hard churn: the share of rows whose predicted class differs between base and new model.

    Parameters
    ----------
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model for the same rows.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, 1].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    References
    ----------
    Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.

    Examples
    --------
    >>> churn_rate(["cat", "dog", "dog", "cat"], ["cat", "cat", "dog", "cat"])
    0.25
    """
    base, new = _labels(sample_weight, base_pred=base_pred, new_pred=new_pred)
    return _share(base != new, sample_weight)


def negative_flip_rate(
    y: ArrayLike,
    base_pred: ArrayLike,
    new_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of rows that the base model gets right and the new model gets wrong.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, `churn_rate`].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    References
    ----------
    Yan et al., "Positive-Congruent Training", CVPR 2021.

    Examples
    --------
    >>> negative_flip_rate([1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0])
    0.25
    """
    truth, base, new = _labels(sample_weight, y=y, base_pred=base_pred, new_pred=new_pred)
    return _share((base == truth) & (new != truth), sample_weight)


def positive_flip_rate(
    y: ArrayLike,
    base_pred: ArrayLike,
    new_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of rows that the base model gets wrong and the new model gets right.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, `churn_rate`].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    Examples
    --------
    >>> positive_flip_rate([1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0])
    0.25
    """
    truth, base, new = _labels(sample_weight, y=y, base_pred=base_pred, new_pred=new_pred)
    return _share((base != truth) & (new == truth), sample_weight)


def lateral_flip_rate(
    y: ArrayLike,
    base_pred: ArrayLike,
    new_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of rows that both models get wrong, with different answers.

    It is always 0 for two classes. Negative, positive and lateral flips add up to the churn.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, `churn_rate`].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    Examples
    --------
    >>> lateral_flip_rate([0, 0], [1, 0], [2, 0])
    0.5
    """
    truth, base, new = _labels(sample_weight, y=y, base_pred=base_pred, new_pred=new_pred)
    return _share((base != truth) & (new != truth) & (base != new), sample_weight)


def accuracy(y: ArrayLike, pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Share of rows whose predicted class is the true one.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    pred : array-like of shape (n,)
        Predicted classes.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, 1].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    Examples
    --------
    >>> accuracy([1, 1, 0, 0], [1, 1, 1, 0])
    0.75
    """
    truth, predicted = _labels(sample_weight, y=y, pred=pred)
    return _share(truth == predicted, sample_weight)


def accuracy_gain(
    y: ArrayLike,
    base_pred: ArrayLike,
    new_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Accuracy of the new model minus accuracy of the base model, on the same rows.

    It equals the rate of positive flips minus the rate of negative flips.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The gain, in [-1, 1].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    Examples
    --------
    >>> accuracy_gain([1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 0])
    0.25
    """
    truth, base, new = _labels(sample_weight, y=y, base_pred=base_pred, new_pred=new_pred)
    gained = (new == truth).astype(np.float64) - (base == truth)
    return _mean(gained, sample_weight)


def unavoidable_churn(
    y: ArrayLike,
    base_pred: ArrayLike,
    new_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Unavoidable churn: the absolute change of accuracy.

    Any model that is as accurate as the new one has at least this much churn.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, `churn_rate`].

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    Examples
    --------
    >>> unavoidable_churn([1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0])
    0.5
    """
    return abs(accuracy_gain(y, base_pred, new_pred, sample_weight=sample_weight))


def excess_churn(
    y: ArrayLike,
    base_pred: ArrayLike,
    new_pred: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Excess churn: `churn_rate` minus `unavoidable_churn`.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    base_pred : array-like of shape (n,)
        Predicted classes of the base model.
    new_pred : array-like of shape (n,)
        Predicted classes of the new model.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The share, in [0, `churn_rate`]. For two classes it is twice the smaller of the rates of
        negative and positive flips.

    Raises
    ------
    InvalidInputError
        When values are missing, lengths or indexes of pandas differ, or the input is empty.

    Examples
    --------
    >>> excess_churn([1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0])
    0.5
    """
    churn = churn_rate(base_pred, new_pred, sample_weight=sample_weight)
    gain = accuracy_gain(y, base_pred, new_pred, sample_weight=sample_weight)
    return max(churn - abs(gain), 0.0)  # rounding may give -1e-17


def pairwise_churn(predictions: Sequence[ArrayLike]) -> float:
    """Mean churn over all pairs of several retrainings, such as ones that differ only in the seed.

    The churn between retrainings that differ only in the seed is the noise of training.

    Parameters
    ----------
    predictions : sequence of at least two array-likes of shape (n,)
        Predicted classes of each retraining for the same rows.

    Returns
    -------
    float
        The mean churn, in [0, 1].

    Raises
    ------
    InvalidInputError
        When there are fewer than two retrainings, values are missing or lengths differ.

    See Also
    --------
    holdfast.churn_floor : Retrains an estimator and measures the churn between its retrainings.

    Examples
    --------
    >>> pairwise_churn([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0]])
    0.16666666666666666
    """
    if len(predictions) < 2:
        raise InvalidInputError(
            f"predictions must hold at least two retrainings, got {len(predictions)}; "
            "train the same model with several seeds"
        )
    runs = [check_labels(f"predictions[{i}]", pred) for i, pred in enumerate(predictions)]
    check_same_index(**{f"predictions[{i}]": pred for i, pred in enumerate(predictions)})
    pairs = [(a, b) for i, a in enumerate(runs) for b in runs[i + 1 :]]
    return float(np.mean([churn_rate(a, b) for a, b in pairs]))


def churn_floor(predictions: Sequence[ArrayLike]) -> float:
    """Return the mean churn over all pairs of retrainings, as `pairwise_churn` does.

    .. deprecated:: 0.1
        Use `pairwise_churn`; the next release removes this name.

    Parameters
    ----------
    predictions : sequence of at least two array-likes of shape (n,)
        Predicted classes of each retraining for the same rows.

    Returns
    -------
    float
        The mean churn, in [0, 1].

    Warns
    -----
    DeprecationWarning
        Whenever the function is called.
    """
    warn(
        "metrics.churn_floor is now metrics.pairwise_churn; call that, since the next release "
        "removes the old name",
        DeprecationWarning,
    )
    return pairwise_churn(predictions)


def log_loss(
    y: ArrayLike,
    proba: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean negative log-probability of the true class, in nats.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    proba : array-like of shape (n, K)
        Predicted probabilities.
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 by default.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The mean, at least 0. Probabilities below 2.2e-16 count as 2.2e-16, as in scikit-learn.

    Raises
    ------
    InvalidInputError
        When rows are not distributions, labels are outside `classes`, or lengths differ.

    Examples
    --------
    >>> round(log_loss([0, 1], [[0.9, 0.1], [0.2, 0.8]]), 4)
    0.1643
    """
    return risk(y, proba, loss="log_loss", classes=classes, sample_weight=sample_weight)


def brier_score(
    y: ArrayLike,
    proba: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Mean squared distance ‖e_y − h‖² between indicators of the true class and probabilities.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    proba : array-like of shape (n, K)
        Predicted probabilities.
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 by default.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The mean, in [0, 2]. For two classes it is twice the squared error of one column.

    Raises
    ------
    InvalidInputError
        When rows are not distributions, labels are outside `classes`, or lengths differ.

    References
    ----------
    Brier, "Verification of forecasts expressed in terms of probability", 1950.

    Examples
    --------
    >>> round(brier_score([0, 1], [[0.9, 0.1], [0.2, 0.8]]), 4)
    0.05
    """
    return risk(y, proba, loss="brier", classes=classes, sample_weight=sample_weight)


def risk(
    y: ArrayLike,
    proba: ArrayLike,
    *,
    loss: str = "log_loss",
    classes: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Risk R(h): the mean of a proper loss of the labels.

    Parameters
    ----------
    y : array-like of shape (n,)
        True classes.
    proba : array-like of shape (n, K)
        Predicted probabilities.
    loss : {"log_loss", "brier"}
        Loss of each row, as in `log_loss` or `brier_score`.
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 by default.
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The mean loss, at least 0.

    Raises
    ------
    InvalidInputError
        When rows are not distributions, labels are outside `classes`, lengths differ, or the loss
        is another one.

    Examples
    --------
    >>> round(risk([0, 1], [[0.9, 0.1], [0.2, 0.8]], loss="brier"), 4)
    0.05
    """
    check_choice("loss", loss, LOSSES)
    checked = check_proba("proba", proba)
    truth = check_labels("y", y)
    check_same_length(y=truth, proba=checked)
    check_same_index(y=y, proba=proba, sample_weight=sample_weight)
    index = _column_of(truth, classes, checked.shape[1])
    return _mean(loss_per_row(index, checked, loss), sample_weight)


def churn_divergence(
    base_proba: ArrayLike,
    new_proba: ArrayLike,
    *,
    divergence: str = "kl",
    sample_weight: ArrayLike | None = None,
) -> float:
    """Soft churn C: the mean divergence d(g(x) ‖ h(x)) of new probabilities h from base ones g.

    Parameters
    ----------
    base_proba : array-like of shape (n, K)
        Probabilities g(x) of the base model.
    new_proba : array-like of shape (n, K)
        Probabilities h(x) of the new model, with the same classes in the same order.
    divergence : {"kl", "brier"}
        The divergence: KL(g ‖ h) in nats, or ‖g − h‖².
    sample_weight : array-like of shape (n,), optional
        Weight of each row.

    Returns
    -------
    float
        The mean divergence, at least 0. It is 0 only for equal probabilities.

    Raises
    ------
    InvalidInputError
        When rows are not distributions, shapes differ, or the divergence is another one.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654), section 2.

    Examples
    --------
    >>> round(churn_divergence([[0.5, 0.5]], [[0.9, 0.1]], divergence="brier"), 4)
    0.32
    """
    check_choice("divergence", divergence, DIVERGENCES)
    base, new = check_proba("base_proba", base_proba), check_proba("new_proba", new_proba)
    check_same_shape(base, new)
    check_same_index(base_proba=base_proba, new_proba=new_proba, sample_weight=sample_weight)
    return _mean(divergence_per_row(base, new, divergence), sample_weight)


# --- measures of each row, for checked arrays -----------------------------------------------------


def loss_per_row(
    y_index: NDArray[np.intp], proba: NDArray[np.floating], loss: str
) -> NDArray[np.float64]:
    """Return the loss of each row; `y_index` (n,) is the column of its true class."""
    true_proba = np.take_along_axis(proba, y_index[:, None], axis=1)[:, 0].astype(np.float64)
    if loss == "log_loss":
        return -np.log(clip(true_proba).clip(max=1))
    squares = np.einsum("nk,nk->n", proba, proba, dtype=np.float64)
    return np.maximum(squares - 2 * true_proba + 1, 0.0)


def divergence_per_row(
    base: NDArray[np.floating], new: NDArray[np.floating], divergence: str
) -> NDArray[np.float64]:
    """Return d(base ‖ new) of each row."""
    if divergence == "brier":
        difference = np.subtract(base, new, dtype=np.float64)
        return np.einsum("nk,nk->n", difference, difference)
    terms = np.log(clip(base))
    terms -= np.log(clip(new))
    terms *= base
    return np.maximum(terms.sum(axis=1), 0.0)


def clip(proba: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return `proba` in float64, at least 2.2e-16 everywhere, so that logarithms are finite."""
    return np.maximum(proba, SMALLEST, dtype=np.float64)


def check_same_shape(base: NDArray[Any], new: NDArray[Any]) -> None:
    """Raise unless both arrays have the same rows and columns."""
    if base.shape != new.shape:
        raise InvalidInputError(
            f"base and new probabilities must have the same shape, got {base.shape} and "
            f"{new.shape}; give the same rows and classes"
        )


# --- helpers --------------------------------------------------------------------------------------


def _labels(sample_weight: ArrayLike | None, **named: ArrayLike) -> list[NDArray[Any]]:
    arrays = {name: check_labels(name, values) for name, values in named.items()}
    n = check_same_length(**arrays)
    check_same_index(**named, sample_weight=sample_weight)
    if len({label_kind(array) for array in arrays.values()}) > 1:
        union_classes(**arrays)  # raises if one holds numbers and another strings
    if "y" in arrays and not any(
        np.any(arrays["y"] == answers) for answers in [*arrays.values()][1:]
    ):
        _warn_of_other_classes(arrays, n)
    return list(arrays.values())


def _warn_of_other_classes(arrays: Mapping[str, NDArray[Any]], n: int) -> None:
    """Warn where no answer is a true class and that is no accident; no row is right then."""
    truth, *answers = ({*np.unique(array).tolist()} for array in arrays.values())
    given = set().union(*answers)
    alike = spelled_otherwise([*truth, *given])
    if not truth & given and (alike or n >= ENOUGH_ROWS):
        named = some_of(sorted(given)), some_of(sorted(truth))
        also = f"; {some_of(alike[0])} differ only in their spelling" if alike else ""
        warn(
            f"no answer ({named[0]}) is among the true classes ({named[1]}), so none is right{also}"
        )


def _share(rows: NDArray[np.bool_], sample_weight: ArrayLike | None) -> float:
    if sample_weight is None:
        return float(np.count_nonzero(rows) / len(rows))
    return _mean(rows, sample_weight)


def _mean(values: NDArray[Any], sample_weight: ArrayLike | None) -> float:
    if sample_weight is None:
        return float(np.mean(values))
    weights = check_weights("sample_weight", sample_weight, len(values))
    return float(np.average(values, weights=weights))


def _column_of(y: NDArray[Any], classes: ArrayLike | None, n_classes: int) -> NDArray[np.intp]:
    known = check_classes("classes", classes, n_classes)
    index = class_index(y, known)
    if (index < 0).any():
        raise InvalidInputError(
            f"y must be among the classes {known.tolist()[:10]}, got {y[index < 0].tolist()[0]!r}; "
            "give `classes` in the order of the columns"
        )
    return index
