"""`select`: weights over candidates, from arrays of probabilities and a budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import (
    as_array,
    check_labels,
    check_proba,
    check_same_length,
    check_weights,
)
from holdfast.common.classes import check_classes, class_index
from holdfast.common.parameters import check_choice, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.selection.budget import CHURN_KINDS, Budget
from holdfast.selection.limits import group_columns
from holdfast.selection.mixtures import Mixtures
from holdfast.selection.outcome import Selection
from holdfast.selection.search import choose

__all__ = ["check_average_in", "select"]


def select(
    candidate_proba: ArrayLike,
    base_proba: ArrayLike,
    y: ArrayLike,
    *,
    max_churn: float | Mapping[str, float] | None = None,
    max_negative_flips: float | None = None,
    min_accuracy: float | None = None,
    churn: str = "hard",
    groups: Any = None,
    include_base: bool | str = False,
    mixture: str = "average",
    average_in: str = "probability",
    classes: ArrayLike | None = None,
    base_pred: ArrayLike | None = None,
    answered: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Selection:
    """Choose weights over candidates: the lowest risk inside a churn budget.

    With ``churn="kl"`` or ``"brier"`` this is the convex program: minimise the mean loss (log loss,
    Brier) of the mixture subject to mean divergence <= `max_churn`, solved to about 1e-9. With
    ``churn="hard"`` the soft (KL) budget is tightened until the measured share of changed answers
    fits. With `min_accuracy` the result is the mixture of lowest churn on the same frontier that is
    accurate enough.

    Parameters
    ----------
    candidate_proba : array-like of shape (L, n, K)
        Probabilities of the L candidates on the selection rows.
    base_proba : array-like of shape (n, K)
        Probabilities of the base model; a row of NaN has none and does not count as churn.
    y : array-like of shape (n,)
    max_churn : float or mapping, optional
        The budget: a share of rows (hard), nats (kl), or squared distance (brier). A mapping limits
        groups too: ``{"overall": 0.02, "country=DE": 0.01}``.
    max_negative_flips : float, optional
        Largest share of rows that may go from right to wrong, beside `max_churn`.
    min_accuracy : float, optional
        The other budget; give exactly one of `max_churn` and this.
    churn : {"hard", "kl", "brier"}
    groups : mapping or data frame, optional
        Columns of shape (n,) that `max_churn` names.
    include_base : bool or "auto"
        Whether the base model may carry weight. "auto" lets it, and prefers a selection without it
        where that is as good within one standard error of the paired difference.
    mixture : {"average", "single"}
        Average candidates, or choose one.
    average_in : {"probability", "log_odds"}
        Average probabilities, or log-probabilities (then renormalised; not for "brier").
    classes : array-like of shape (K,), optional
        Class of each column; 0 … K-1 when left out.
    base_pred : array-like of shape (n,), optional
        Column of the base model's class, −1 for a class that no candidate has; the largest base
        probability when left out.
    answered : array-like of bool of shape (n,), optional
        Rows that the base model answered, which count as hard churn where the answer changes; those
        with base probabilities when left out. An answer that is a class no candidate has may leave
        none.
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    Selection

    Raises
    ------
    InfeasibleBudgetError
        When no mixture meets the budget; names the lowest churn (highest accuracy) reachable.
    InvalidInputError
        For a budget out of range, both or no budget, arrays that do not fit together.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> base = np.array([[0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7]])
    >>> cold = np.array([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9], [0.8, 0.2]])
    >>> selection = select([cold, base], base, [1, 0, 1, 1], max_churn=0.05, churn="kl")
    >>> selection.weights.round(3), round(selection.soft_churn, 6)
    (array([0.349, 0.651]), 0.05)
    """
    check_choice("churn", churn, CHURN_KINDS)
    check_choice("mixture", mixture, ("average", "single"))
    check_choice("average_in", average_in, ("probability", "log_odds"))
    if not isinstance(include_base, bool):
        check_choice("include_base", include_base, ["auto"])
    budget = _check_budget(max_churn, max_negative_flips, min_accuracy, churn, average_in)
    problem = _check_arrays(
        candidate_proba,
        base_proba,
        y,
        divergence="brier" if churn == "brier" else "kl",
        average_in=average_in,
        classes=classes,
        base_pred=base_pred,
        answered=answered,
        sample_weight=sample_weight,
    )
    columns = group_columns(groups, None, budget.columns, problem.n, source="groups")
    problem, budget = problem.bound(budget, columns)
    return choose(problem, budget, mixture=mixture, include_base=include_base)


def _check_budget(
    max_churn: Any,
    max_negative_flips: float | None,
    min_accuracy: float | None,
    churn: str,
    average_in: str,
) -> Budget:
    if (max_churn is None) == (min_accuracy is None):
        raise InvalidInputError(
            f"exactly one of max_churn and min_accuracy must be given, got max_churn={max_churn!r} "
            f"and min_accuracy={min_accuracy!r}; a churn budget and an accuracy to keep are two "
            "different problems"
        )
    budget = Budget.of(max_churn, max_negative_flips, min_accuracy, churn)
    if min_accuracy is not None:
        check_share("min_accuracy", min_accuracy)
    check_average_in(average_in, churn)
    return budget


def check_average_in(average_in: str, churn: str) -> None:
    """Raise where averages in log-odds would make the budget's divergence no longer convex."""
    if churn == "brier" and average_in == "log_odds":
        raise InvalidInputError(
            "average_in must be 'probability' with churn='brier', got 'log_odds': the Brier score "
            "is not convex in log-odds; use churn='kl' or 'hard'"
        )


def _check_arrays(
    candidate_proba: ArrayLike,
    base_proba: ArrayLike,
    y: ArrayLike,
    *,
    divergence: str,
    average_in: str,
    classes: ArrayLike | None,
    base_pred: ArrayLike | None,
    answered: ArrayLike | None,
    sample_weight: ArrayLike | None,
) -> Mixtures:
    base = check_proba("base_proba", base_proba, allow_missing=True).astype(np.float64, copy=False)
    candidates = _check_candidates(candidate_proba, base.shape)
    truth = check_labels("y", y)
    n = check_same_length(base_proba=base, y=truth)
    known = check_classes("classes", classes, base.shape[1])
    index = class_index(truth, known)
    if (index < 0).any():
        raise InvalidInputError(
            f"y must be among the classes of the columns, got {truth[index < 0].tolist()[0]!r}; "
            "give `classes` in the order of the columns"
        )
    return Mixtures.of(
        candidates,
        base,
        index,
        divergence=divergence,
        average_in=average_in,
        base_pred=None if base_pred is None else _check_base_pred(base_pred, base.shape),
        answered=None if answered is None else _check_answered(answered, n),
        sample_weight=(
            None if sample_weight is None else check_weights("sample_weight", sample_weight, n)
        ),
    )


def _check_base_pred(base_pred: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.intp]:
    pred = as_array("base_pred", base_pred)
    columns = pred.ndim == 1 and pred.dtype.kind in "iu"
    if not columns or pred.min() < -1 or pred.max() >= shape[1]:
        got = f"{pred.min()} to {pred.max()}" if columns else f"{pred.dtype} {pred.shape}"
        raise InvalidInputError(
            f"base_pred must be columns from 0 to {shape[1] - 1} (or -1) of shape (n,), got {got}; "
            "give the position of each class among the columns"
        )
    check_same_length(base_proba=range(shape[0]), base_pred=pred)
    return pred.astype(np.intp)


def _check_answered(answered: ArrayLike, n: int) -> NDArray[np.bool_]:
    rows = as_array("answered", answered)
    if rows.dtype.kind != "b" or rows.shape != (n,):
        raise InvalidInputError(
            f"answered must be booleans of shape ({n},), got dtype {rows.dtype} and shape "
            f"{rows.shape}; mark the rows that the base model answered"
        )
    return rows


def _check_candidates(candidate_proba: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    parts = [
        check_proba(f"candidate_proba[{position}]", proba)
        for position, proba in enumerate(candidate_proba)
    ]
    if not parts:
        raise InvalidInputError("candidate_proba must hold at least one candidate, got none")
    for position, part in enumerate(parts):
        if part.shape != shape:
            raise InvalidInputError(
                f"candidate_proba[{position}] must have the shape of base_proba {shape}, got "
                f"{part.shape}; give the same rows and classes"
            )
    return np.stack(parts).astype(np.float64, copy=False)
