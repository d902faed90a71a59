"""Candidates + budget -> weights. Arrays only, never estimators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import (
    as_array,
    check_labels,
    check_proba,
    check_same_length,
    check_weights,
    missing_rows,
)
from holdfast.common.classes import check_classes, class_index
from holdfast.common.parameters import check_choice, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.selection.budget import Budget, FrontierPoint, Selection
from holdfast.selection.limits import Limits, group_columns
from holdfast.selection.mixtures import Mixtures
from holdfast.selection.search import choose, choose_with_or_without_base

__all__ = ["CHURN_KINDS", "FrontierPoint", "Selection", "select"]

CHURN_KINDS = ("hard", "kl", "brier")


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
    limits = _check_budget(max_churn, max_negative_flips, min_accuracy, churn, average_in)
    problem = _problem(
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
    if limits.others:
        n = problem.n
        columns = group_columns(groups, None, limits.columns, n, source="groups")
        right = problem.base_pred == problem.y
        counted = limits.counted(columns, right, problem.answer_weight, problem.churn_weight)
        problem = replace(problem, others=counted)
    budget = Budget(
        churn,
        limits.overall,
        min_accuracy,
        mixture,
        others=tuple((one.name, one.limit) for one in limits.others),
    )
    if include_base == "auto" and _base_everywhere(problem):
        return choose_with_or_without_base(problem, _with_base(problem), budget)
    if include_base is True:
        return choose(_with_base(problem), budget, has_base=True)
    if include_base is not False:
        check_choice("include_base", include_base, ["auto"])
    return choose(problem, budget, has_base=False)


def _check_budget(
    max_churn: Any,
    max_negative_flips: float | None,
    min_accuracy: float | None,
    churn: str,
    average_in: str,
) -> Limits:
    if (max_churn is None) == (min_accuracy is None):
        raise InvalidInputError(
            f"exactly one of max_churn and min_accuracy must be given, got max_churn={max_churn!r} "
            f"and min_accuracy={min_accuracy!r}; a churn budget and an accuracy to keep are two "
            "different problems"
        )
    limits = Limits.of(max_churn, max_negative_flips, churn)
    if min_accuracy is not None:
        check_share("min_accuracy", min_accuracy)
    if churn == "brier" and average_in == "log_odds":
        raise InvalidInputError(
            "average_in must be 'probability' with churn='brier', got 'log_odds': the Brier score "
            "is not convex in log-odds; use churn='kl' or 'hard'"
        )
    return limits


def _problem(
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
    weight = np.ones(n)
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, n)
    missing = missing_rows(base)
    churn_weight = np.where(missing, 0.0, weight)
    answer_weight = churn_weight
    if answered is not None:
        answer_weight = np.where(_check_answered(answered, n), weight, 0.0)
    if churn_weight.sum() <= 0 or answer_weight.sum() <= 0:
        raise InvalidInputError(
            "base_proba must have a prediction for at least one selection row, got none; "
            "give rows that the base model has predicted"
        )
    base = np.where(missing[:, None], 1 / base.shape[1], base)
    served = base.argmax(axis=1) if base_pred is None else _check_base_pred(base_pred, base.shape)
    return Mixtures(
        proba=candidates,
        base=base,
        y=index,
        base_pred=served,
        risk_weight=weight / weight.sum(),
        churn_weight=churn_weight / churn_weight.sum(),
        answer_weight=answer_weight / answer_weight.sum(),
        divergence=divergence,
        average_in=average_in,
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


def _base_everywhere(problem: Mixtures) -> bool:
    return not (problem.churn_weight[problem.risk_weight > 0] == 0).any()


def _with_base(problem: Mixtures) -> Mixtures:
    if not _base_everywhere(problem):
        raise InvalidInputError(
            "include_base must be False where base predictions are missing, got rows of NaN in "
            "base_proba; the base model could not be served for them"
        )
    return replace(problem, proba=np.concatenate([problem.proba, problem.base[None]]))
