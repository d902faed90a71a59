"""What an answer is worth given the truth, and what another answer would gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.parameters import check_choice
from holdfast.exceptions import InvalidInputError
from holdfast.rules.matrices import NamedMatrix
from holdfast.rules.names import column_of, positions_of

if TYPE_CHECKING:
    from holdfast.rules.rule import BoundRule

__all__ = ["expected_gain", "expected_utility", "utility_matrix"]

UTILITIES = ("accuracy", "balanced_accuracy")


@runtime_checkable
class HasUtility(Protocol):
    """What knows the worth of its answers by name, such as `Costs`."""

    def as_utility(self) -> NamedMatrix:
        """Return what each answer is worth given each class as the truth."""


UtilitySpec = str | Mapping[Any, float] | HasUtility | ArrayLike | None


def utility_matrix(
    utility: UtilitySpec, bound: BoundRule, class_share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what each answer of a rule is worth given each class as the truth.

    Parameters
    ----------
    utility : {"accuracy", "balanced_accuracy"}, mapping, Costs or array-like, optional
        By default what the rule optimises. A mapping gives the weight of each class, by which
        right answers count; the weights are scaled so that a model that is always right has a
        utility of 1. `Costs` count negatively. An array or data frame of shape (A, K) is taken as
        it is, by its names if it has any.
    bound : BoundRule
        The rule, for known classes.
    class_share : ndarray of shape (K,)
        The share of rows of each class. Classes without rows do not count in balanced accuracy.

    Returns
    -------
    ndarray of shape (A, K)

    Raises
    ------
    InvalidInputError
        When the rule defines no utility and none is given, or the utility does not fit its answers
        and classes.

    Examples
    --------
    >>> from holdfast.rules import Argmax
    >>> bound = Argmax().bind(["common", "rare"])
    >>> utility_matrix("balanced_accuracy", bound, np.array([0.75, 0.25])).round(2).tolist()
    [[0.67, 0.0], [0.0, 2.0]]
    """
    if utility is None:
        return _own(bound)
    if isinstance(utility, str):
        return _right_answers(check_choice("utility", utility, UTILITIES), bound, class_share)
    if isinstance(utility, Mapping):
        return _weighted(utility, bound, class_share)
    named = utility.as_utility() if isinstance(utility, HasUtility) else None
    named = named or NamedMatrix.of("utility", utility)
    return named.matched(bound.answers, bound.classes)


def _own(bound: BoundRule) -> NDArray[np.float64]:
    if bound.utility is not None:
        return bound.utility
    name = type(bound.rule).__name__
    raise InvalidInputError(
        f"utility must be given with {name} for {len(bound.classes)} classes, got None; give "
        "what each answer is worth given each class, such as Costs"
    )


def _right_answers(
    utility: str, bound: BoundRule, class_share: NDArray[np.float64]
) -> NDArray[np.float64]:
    if utility == "accuracy":
        return _rewards(np.ones(len(bound.classes)), bound, utility)
    share = np.asarray(class_share, dtype=np.float64)
    present = share > 0
    weights = np.divide(1, present.sum() * share, out=np.zeros_like(share), where=present)
    return _rewards(weights, bound, utility)


def _weighted(
    utility: Mapping[Any, float], bound: BoundRule, class_share: NDArray[np.float64]
) -> NDArray[np.float64]:
    for name in utility:
        column_of("utility", name, bound.classes)
    order = positions_of("utility", bound.classes.tolist(), utility)
    named = NamedMatrix.of("utility", [list(utility.values())])
    weights = named.values[0, order]
    scale = float(weights @ class_share)
    if weights.min() < 0 or scale <= 0:
        raise InvalidInputError(
            f"utility must hold weights >= 0, not zero for every class that has rows, got "
            f"{dict(utility)!r}; give e.g. {{{bound.classes.tolist()[0]!r}: 1.0, ...}}"
        )
    return _rewards(weights / scale, bound, "class weights")


def _rewards(weights: NDArray[np.float64], bound: BoundRule, what: str) -> NDArray[np.float64]:
    """Return the matrix in which a right answer is worth its class's weight, any other 0."""
    classes = bound.classes.tolist()
    others = [answer for answer in bound.answers.tolist() if answer not in classes]
    if others:
        raise InvalidInputError(
            f"utility must say what the answer {others[0]!r} is worth, which is no class, got "
            f"{what}; give Costs or an array with a row for each answer"
        )
    right = bound.answers[:, None] == bound.classes
    return np.where(right, weights, 0.0)


def expected_utility(
    proba: NDArray[np.floating], answer: NDArray[np.intp], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the answer to each row is worth by expectation.

    Parameters
    ----------
    proba : ndarray of shape (n, K)
        Checked probabilities.
    answer : ndarray of shape (n,)
        The row of `matrix` that is answered.
    matrix : ndarray of shape (A, K)
        What each answer is worth given each class as the truth.

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> expected_utility(np.array([[0.25, 0.75]]), np.array([1]), np.eye(2)).tolist()
    [0.75]
    """
    return np.einsum("nk,nk->n", proba, matrix[answer])


def expected_gain(
    proba: NDArray[np.floating],
    to: NDArray[np.intp],
    given: NDArray[np.intp],
    matrix: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return how much more one answer to each row is worth than another, by expectation.

    Parameters
    ----------
    proba : ndarray of shape (n, K)
        Checked probabilities.
    to : ndarray of shape (n,)
        The row of `matrix` that is answered.
    given : ndarray of shape (n,)
        The row of `matrix` of the answer before; -1 stands for one that is gone.
    matrix : ndarray of shape (A, K)
        What each answer is worth given each class as the truth.

    Returns
    -------
    ndarray of shape (n,)
        The gain; it is infinite where the answer before is gone.

    Examples
    --------
    >>> proba = np.array([[0.25, 0.75], [0.25, 0.75]])
    >>> expected_gain(proba, np.array([1, 1]), np.array([0, -1]), np.eye(2)).tolist()
    [0.5, inf]
    """
    if matrix.shape[0] == matrix.shape[1] and (matrix == np.eye(len(matrix))).all():
        rows = np.arange(len(proba))  # a difference of probabilities, also of very many classes
        gain = np.subtract(proba[rows, to], proba[rows, given], dtype=np.float64)
    else:
        gain = np.einsum("nk,nk->n", proba, matrix[to] - matrix[given])
    return np.where(given < 0, np.inf, gain)
