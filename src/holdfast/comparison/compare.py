"""`compare`: compares the predictions of two models on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import (
    as_array,
    as_probabilities,
    check_labels,
    check_same_index,
    check_same_length,
    check_weights,
    missing_values,
)
from holdfast.common.classes import check_classes, named_columns, some_of, whole_labels
from holdfast.comparison.counting import count_pairs
from holdfast.comparison.result import Comparison, check_limits, comparison_of
from holdfast.exceptions import InvalidInputError
from holdfast.rules.pairs import rule_pair

__all__ = ["compare"]


def compare(
    base: ArrayLike,
    new: ArrayLike,
    y: ArrayLike | None = None,
    *,
    base_pred: ArrayLike | None = None,
    new_pred: ArrayLike | None = None,
    groups: Any = None,
    sample_weight: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    rule: Any = None,
    confidence: float = 0.95,
    max_group_churn: float | None = None,
    group_measures: bool = False,
) -> Comparison:
    """Compare the predictions of two models on the same rows.

    Parameters
    ----------
    base, new : array-like of shape (n,) or (n, K)
        Predicted classes, or probabilities, of the base model and of the new model. Rows are paired
        by position. Where several arguments have an index of pandas other than 0, 1, 2, …, these
        must be equal.
    y : array-like of shape (n,), optional
        The truth. Without it only churn is measured. It may be missing (None or NaN) in some rows:
        churn is then measured on all rows, and whatever needs the truth on the labelled ones. Where
        no answer of either model is a true class, such as "approve" beside "fraud", accuracy and
        flips are None.
    base_pred, new_pred : array-like of shape (n,), optional
        The answers of a model whose probabilities are given. They count, also where they are not
        its most probable classes, which the comparison then says.
    groups : array-like of shape (n,), mapping or data frame, optional
        Groups to report one by one: one column, or several columns by name. Rows with a missing
        value form a group of their own.
    sample_weight : array-like of shape (n,), optional
        Importance of each row. Shares become shares of weight. Their intervals use the
        variance of such a share and count one more row of the largest weight, so that they hold
        where weights go with change, too. No McNemar p-value is given.
    classes : array-like of shape (K,), optional
        Class of each probability column; 0 … K-1 when left out.
    rule : Rule or pair of (Rule or None), optional
        What turns probabilities into answers, such as ``Threshold(0.12, positive="fraud")``: one
        rule for both models, or one for each. Answers that are given beside must be the same.
    confidence : float
        Confidence level of the two-sided intervals. Shares have the exact intervals of
        Clopper and Pearson, the paired difference of accuracies that of its test (see
        `holdfast.comparison.gains`). Each interval holds on its own; none is
        corrected for the number of groups.
    max_group_churn : float, optional
        Limit on each group's churn. A group passes when its interval lies within the limit. It
        fails by an exact test that is corrected for the number of groups (Holm), so that chance
        alone seldom makes one of many groups fail. Otherwise it is underpowered. Groups that are
        too small to pass even with no change at all are judged together.
    group_measures : bool
        Whether to count the answers within each group, too, for `Policy(group_limits=…)`. It takes
        memory for each answer of each group.

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidInputError
        When lengths or indexes of pandas differ, answers or all labels are missing, probabilities
        do not sum to 1 or look like logits, labels are of different types, `base` and `new` are
        the same object, or a rule does not fit the classes, has no probabilities, or contradicts
        the given answers.

    Examples
    --------
    >>> comparison = compare([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0])
    >>> comparison.churn_rate, comparison.negative_flip_rate, comparison.accuracy_gain
    (0.25, 0.0, 0.25)
    """
    if base is new:
        raise InvalidInputError(
            "base and new must be the predictions of two models, got the same object twice; "
            "give the new model's predictions"
        )
    _check_same_columns(base, new)
    check_limits(confidence, max_group_churn, grouped=groups is not None)
    arrays = {"base": _predictions("base", base), "new": _predictions("new", new)}
    truth, labeled = (None, None) if y is None else _truth(y)
    answers = {
        role: _answers(f"{role}_pred", values, arrays[role])
        for role, values in (("base", base_pred), ("new", new_pred))
        if values is not None
    }
    lengths = {f"{role}_pred": values for role, values in answers.items()}
    n = check_same_length(**arrays, **lengths, y=truth)
    proba_classes = _proba_classes(arrays, classes)
    for role, model in (("base", base), ("new", new)):
        if arrays[role].ndim == 2:
            _check_names(role, model, proba_classes)
    if rule is not None:
        answers |= _decided(rule, arrays, proba_classes, answers)
    weight = None
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, n)
    columns = _group_columns(groups, n)
    check_same_index(
        base=base,
        new=new,
        y=y,
        base_pred=base_pred,
        new_pred=new_pred,
        sample_weight=sample_weight,
        **_named_groups(groups),
    )
    counts = count_pairs(
        arrays["base"],
        arrays["new"],
        truth,
        proba_classes=proba_classes,
        sample_weight=weight,
        groups=columns,
        labeled=labeled,
        answers=answers,
        group_measures=group_measures,
    )
    return comparison_of(counts, float(confidence), max_group_churn)


def _check_same_columns(base: Any, new: Any) -> None:
    """Raise when two frames have the same columns in different orders."""
    names = [[str(name) for name in _column_names(model)] for model in (base, new)]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        raise InvalidInputError(
            f"base and new must have their columns in the same order, got {names[0][:10]} and "
            f"{names[1][:10]}; reorder the columns of one"
        )


def _column_names(frame: Any) -> Sequence[Any]:
    # In an Arrow table, `columns` are the values and not the names.
    return getattr(frame, "column_names", getattr(frame, "columns", ()))


def _check_names(role: str, frame: Any, classes: NDArray[Any] | None) -> None:
    """Raise if the columns of a frame of probabilities are named after classes in another order.

    Text is no class where classes are numbers, and so says nothing of the order.
    """
    named, known = named_columns(frame), [] if classes is None else classes.tolist()
    if named is None or named == known or not known:
        return
    numbers = all(isinstance(name, (int, float)) for name in (*named, *known))
    if numbers or {*named} & {*known}:
        raise InvalidInputError(
            f"classes must be the names of the columns of {role}, got the classes {some_of(known)} "
            f"and the columns {some_of(named)}; give classes in the order of the columns"
        )


def _predictions(name: str, values: ArrayLike) -> NDArray[Any]:
    """Check labels now; probabilities are checked block by block while they are counted."""
    array = as_array(name, values)
    if array.ndim == 1:
        return check_labels(name, array)
    if array.shape[1] < 2:
        raise InvalidInputError(
            f"{name} must be labels (n,) or probabilities (n, K) with K >= 2, got shape "
            f"{array.shape}; for two classes give both columns"
        )
    return as_probabilities(name, array)


def _truth(values: ArrayLike) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return checked labels, and which rows have one; None stands for all rows."""
    array = as_array("y", values)
    if array.ndim != 1 or not _may_be_missing(array):
        return check_labels("y", array), None
    labeled = ~missing_values(array)
    if labeled.all():
        return check_labels("y", array), None
    if not labeled.any():
        raise InvalidInputError(
            f"y must have a label for some rows, got {len(array)} rows without one; leave y out"
        )
    known = whole_labels(check_labels("y", array[labeled]))
    filled = np.full(len(array), known[0], dtype=known.dtype)
    filled[labeled] = known
    return filled, labeled


def _may_be_missing(array: NDArray[Any]) -> bool:
    if array.dtype.kind != "O":
        return array.dtype.kind in "fmMT"
    return not set(map(type, array.tolist())) <= {str, int, bool}  # a quick look at the types


def _answers(name: str, values: ArrayLike, predicted: NDArray[Any]) -> NDArray[Any]:
    if predicted.ndim == 1:
        role = name.partition("_")[0]
        raise InvalidInputError(
            f"{name} must be given beside probabilities of that model only, got labels as {role}; "
            f"give the answers as {role}"
        )
    return check_labels(name, values)


def _decided(
    rule: Any,
    arrays: Mapping[str, NDArray[Any]],
    classes: NDArray[Any] | None,
    answers: Mapping[str, NDArray[Any]],
) -> dict[str, NDArray[Any]]:
    """Return the answers of rules to the probabilities that are given."""
    found = {}
    for role, one in zip(("base", "new"), rule_pair(rule), strict=True):
        if one is None or arrays[role].ndim == 1:
            continue
        found[role] = one.decide(arrays[role], classes=classes)
        given = answers.get(role)
        different = 0 if given is None else int((given != found[role]).sum())
        if different:
            raise InvalidInputError(
                f"rule must give the answers in {role}_pred, got {different} of "
                f"{len(found[role])} rows whose answer is another; correct the rule, or leave "
                f"{role}_pred out"
            )
    if not found:
        raise InvalidInputError(
            f"rule must be given with probabilities, got {rule!r} for labels of both models; give "
            "probabilities of shape (n, K), or leave the rule out"
        )
    return found


def _proba_classes(
    arrays: Mapping[str, NDArray[Any]], classes: ArrayLike | None
) -> NDArray[Any] | None:
    widths = {name: array.shape[1] for name, array in arrays.items() if array.ndim == 2}
    if not widths:
        if classes is not None:
            raise InvalidInputError(
                "classes must only be given with probabilities, got labels for both models; "
                "leave classes out"
            )
        return None
    if len(set(widths.values())) > 1:
        raise InvalidInputError(
            f"base and new must have the same number of probability columns, got {widths}; "
            "bring both to the same classes, with zeros for a class that a model does not know"
        )
    return check_classes("classes", classes, next(iter(widths.values())))


def _named_groups(groups: Any) -> dict[str, Any]:
    """Return the groups as they were given, by their names in messages."""
    if isinstance(groups, Mapping):
        return {f"groups[{str(name)!r}]": values for name, values in groups.items()}
    return {"groups": groups}


def _group_columns(groups: Any, n: int) -> dict[str, NDArray[Any]]:
    if groups is None:
        return {}
    if isinstance(groups, Mapping):
        columns = {str(name): values for name, values in groups.items()}
    elif hasattr(groups, "columns"):
        columns = {str(name): groups[name] for name in _column_names(groups)}
    else:
        columns = {str(getattr(groups, "name", None) or "group"): groups}
    arrays = {name: as_array(f"groups[{name!r}]", values) for name, values in columns.items()}
    for name, array in arrays.items():
        if array.ndim != 1:
            raise InvalidInputError(
                f"groups[{name!r}] must have shape (n,), got {array.shape}; give several columns "
                "as a mapping or a data frame"
            )
        check_same_length(**{f"groups[{name!r}]": array, "rows": range(n)})
    return arrays
