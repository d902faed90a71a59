"""The hard budget, exactly: serve the base model's class unless the new model is clearly surer.

Given a posterior p(c|x) and base classes b(x), the classifier of highest expected accuracy among
those that change at most a share ε of the answers changes the rows with the largest margins
max_c p(c|x) − p(b(x)|x): each changed row gains its margin and costs one row, so the best set is
the top of the sorted margins, and the rule is one threshold τ.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import as_array, check_proba, check_same_length, check_weights
from holdfast.common.parameters import check_share
from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError

__all__ = [
    "above",
    "largest_kept",
    "leading_proba",
    "least_threshold",
    "margins",
    "override_classes",
    "override_proba",
    "override_threshold",
    "served_columns",
]

Vector = NDArray[np.float64]

# Smallest lead of the served class over any other in `override_proba`.
LEAD = 1e-9
# A margin in probabilities that sum to 1 only nearly may exceed 1.
MAX_THRESHOLD = 1.01


def override_threshold(
    new_proba: ArrayLike,
    base_pred: ArrayLike,
    *,
    max_churn: float,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Return the least threshold τ that keeps the churn within the budget.

    The new model's class c is served where p(c) − p(b) > τ, the base class b elsewhere. Rows with
    equal margins are changed together or not at all.

    Parameters
    ----------
    new_proba : array-like of shape (n, K)
        Posterior p of the new model.
    base_pred : array-like of shape (n,)
        Column of the base model's class; −1 for a class that the new model does not have, whose
        rows always change.
    max_churn : float
        Largest share of rows (of weight) that may change, in [0, 1].
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    float
        τ in [0, 1], up to the rounding of the probabilities.

    Raises
    ------
    InfeasibleBudgetError
        When the rows whose base class is gone exceed the budget by themselves.
    InvalidInputError
        For rows that are not distributions, a budget outside [0, 1], unequal lengths.

    References
    ----------
    The 0–1 knapsack with items of equal weight (Dantzig, 1957), whose greedy solution is optimal.

    Examples
    --------
    >>> p = [[0.1, 0.9], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]]
    >>> tau = override_threshold(p, [0, 0, 0, 0], max_churn=0.5)
    >>> override_classes(p, [0, 0, 0, 0], tau)
    array([1, 0, 0, 1])
    """
    check_share("max_churn", max_churn)
    proba, base = _check(new_proba, base_pred)
    weight = np.ones(len(proba))
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, len(proba))
    return least_threshold(margins(proba, base), weight, max_churn)


def least_threshold(margin: Vector, weight: Vector, max_churn: float) -> float:
    """Return the least threshold that keeps the churn within the budget, given margins (n,).

    Raises
    ------
    InfeasibleBudgetError
        As for `override_threshold`.
    """
    return above(largest_kept(margin, weight, max_churn), margin)


def largest_kept(margin: Vector, weight: Vector, max_churn: float) -> float:
    """Return the largest margin (n,) whose rows the budget does not let change; at least 0.

    Raises
    ------
    InfeasibleBudgetError
        As for `override_threshold`.
    """
    value, position = np.unique(-margin, return_inverse=True)  # distinct margins, largest first
    spent = np.bincount(position, weights=weight).cumsum() / weight.sum()
    value = -value
    affordable = int(np.count_nonzero(spent <= max_churn + 1e-12))
    if affordable == 0 and np.isinf(value[0]):
        raise InfeasibleBudgetError(
            f"max_churn must be at least {spent[0]:.4g} here, got {max_churn:.4g}: that share of "
            "the base model's answers are classes that the new model does not have; raise the "
            "budget",
            lowest_churn=float(spent[0]),
        )
    return 0.0 if affordable == len(value) else max(float(value[affordable]), 0.0)


def above(kept: float, margin: Vector) -> float:
    """Return a threshold halfway from a margin that may not change to the next that may.

    So that rounding at serving does not decide.
    """
    larger = margin[margin > kept]
    if kept <= 0 or not len(larger):
        return kept
    least = float(larger.min())
    return ((max(kept, 1.0) if np.isinf(least) else least) + kept) / 2


def override_classes(
    new_proba: ArrayLike, base_pred: ArrayLike, threshold: float
) -> NDArray[np.intp]:
    """Return the column of the served class of each row.

    Parameters
    ----------
    new_proba : array-like of shape (n, K)
    base_pred : array-like of shape (n,)
        Column of the base model's class, −1 for a class that the new model does not have.
    threshold : float
        τ in [0, 1].

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    InvalidInputError
        For rows that are not distributions, a threshold outside [0, 1], unequal lengths.

    Examples
    --------
    >>> override_classes([[0.1, 0.9], [0.45, 0.55]], [0, 0], 0.2)
    array([1, 0])
    """
    check_share("threshold", threshold, high=MAX_THRESHOLD, hint="see override_threshold")
    proba, base = _check(new_proba, base_pred)
    return served_columns(proba, base, threshold)


def override_proba(
    new_proba: ArrayLike, base_pred: ArrayLike, threshold: float
) -> NDArray[np.float64]:
    """Return the least change of the probabilities that makes the served class the largest.

    Where the base class is served although the new model prefers others, the row is projected
    (Euclidean) onto the distributions whose largest entry is the base class: every class above a
    level t comes down to t and the base class rises to t. A lead of 1e-9 makes the largest entry
    unique.

    Parameters
    ----------
    new_proba : array-like of shape (n, K)
    base_pred : array-like of shape (n,)
    threshold : float

    Returns
    -------
    ndarray of shape (n, K)
        Rows sum to 1; their argmax is `override_classes`.

    Raises
    ------
    InvalidInputError
        For rows that are not distributions, a threshold outside [0, 1], unequal lengths.

    Examples
    --------
    >>> override_proba([[0.1, 0.9], [0.45, 0.55]], [0, 0], 0.2).round(6)
    array([[0.1, 0.9],
           [0.5, 0.5]])
    """
    check_share("threshold", threshold, high=MAX_THRESHOLD, hint="see override_threshold")
    proba, base = _check(new_proba, base_pred)
    return leading_proba(proba, served_columns(proba, base, threshold))


def served_columns(
    proba: NDArray[np.floating], base: NDArray[np.intp], threshold: float
) -> NDArray[np.intp]:
    """Return `override_classes` of checked arrays."""
    return np.where(margins(proba, base) > threshold, proba.argmax(axis=1), base)


def leading_proba(proba: NDArray[np.floating], served: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the least change of probabilities that makes the served classes (n,) the largest."""
    result = proba.astype(np.float64)
    moved = np.flatnonzero(served != proba.argmax(axis=1))
    if len(moved):
        # To sums of exactly 1 first: those of 32-bit floats are off by more than the lead.
        rows = result[moved] / result[moved].sum(axis=1, keepdims=True)
        result[moved] = _raise_to_top(rows, served[moved])
    return result


def _raise_to_top(proba: NDArray[np.float64], top: NDArray[np.intp]) -> NDArray[np.float64]:
    rows = np.arange(len(proba))
    others = proba.copy()
    others[rows, top] = -np.inf
    ordered = -np.sort(-others, axis=1)[:, :-1]  # the other classes, largest first
    own = proba[rows, top][:, None]
    # Lowering the j largest others and raising the own class to one level t_j keeps the sum; the
    # right j is the largest whose j-th class still lies above its level.
    count = np.arange(1, ordered.shape[1] + 1)
    level = (own + ordered.cumsum(axis=1)) / (count + 1)
    j = np.count_nonzero(ordered > level, axis=1) - 1
    t = level[rows, np.maximum(j, 0)]
    result = np.minimum(proba, (t - LEAD / proba.shape[1]).clip(min=0)[:, None])
    result[rows, top] = 0.0
    result[rows, top] = 1.0 - result.sum(axis=1)
    return result


def margins(proba: NDArray[np.floating], base: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return max_c p(c) − p(b) of each row, infinite where the base class is gone."""
    own = np.take_along_axis(proba, base.clip(min=0)[:, None], axis=1)[:, 0]
    margin = np.subtract(proba.max(axis=1), own, dtype=np.float64)
    return np.where(base < 0, np.inf, margin)


def _check(
    new_proba: ArrayLike, base_pred: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
    proba = check_proba("new_proba", new_proba)
    base = as_array("base_pred", base_pred)
    check_same_length(new_proba=proba, base_pred=base)
    integers = base.ndim == 1 and base.dtype.kind in "iu"
    if not integers or base.min() < -1 or base.max() >= proba.shape[1]:
        got = f"{base.min()} to {base.max()}" if integers else f"{base.dtype} {base.shape}"
        raise InvalidInputError(
            f"base_pred must be columns from 0 to {proba.shape[1] - 1} (or -1) of shape (n,), got "
            f"{got}; give the position of each class among the columns"
        )
    return proba, base.astype(np.intp)
