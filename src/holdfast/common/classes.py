"""Orders classes and matches them by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import check_labels, missing_rows
from holdfast.common.coding import factorize
from holdfast.common.plain import plain_scalar
from holdfast.exceptions import InvalidInputError

__all__ = [
    "MatchedProba",
    "check_classes",
    "class_index",
    "in_class_order",
    "label_kind",
    "match_classes",
    "named_columns",
    "some_of",
    "spelled_otherwise",
    "union_classes",
    "whole_labels",
]

ENOUGH_ROWS = 50  # labelled rows whose classes nobody answers are then no accident
NARROW = 1 << 16  # the widest range of integers that are looked up in a table


def check_classes(name: str, values: Any, n_columns: int) -> NDArray[Any]:
    """Return the class of each of `n_columns` columns; they are 0 … K-1 for None."""
    if values is None:
        return np.arange(n_columns)
    classes = check_labels(name, values)
    n_distinct = len(np.unique(classes))
    if len(classes) != n_columns or n_distinct != n_columns:
        raise InvalidInputError(
            f"{name} must be {n_columns} distinct names, one a column, got {len(classes)} "
            f"({n_distinct} distinct); give them in the order of the columns"
        )
    return classes


def named_columns(proba: Any) -> list[Any] | None:
    """Return the names of a frame's columns; None for arrays and where they are mere positions.

    pandas numbers the columns of a frame that is made of an array, which names no class.

    Examples
    --------
    >>> import pandas as pd
    >>> named_columns(pd.DataFrame([[0.2, 0.8]], columns=["no", "yes"]))
    ['no', 'yes']
    >>> named_columns(pd.DataFrame([[0.2, 0.8]])) is None
    True
    """
    # In an Arrow table, `columns` are the values and not the names.
    names = getattr(proba, "column_names", getattr(proba, "columns", None))
    if names is None or (
        type(names).__name__ == "RangeIndex" and (names.start, names.step) == (0, 1)
    ):
        return None
    return [plain_scalar(name) for name in names]


def in_class_order(name: str, proba: Any, classes: ArrayLike) -> Any:
    """Return probabilities in the order of `classes`; those of a frame are found by their names.

    Names that are no classes at all, such as "p0", are passed over: their order counts.

    Raises
    ------
    InvalidInputError
        When some names are classes and others are not.
    """
    named, known = named_columns(proba), np.asarray(classes).tolist()
    if named is None or named == known or not set(named) & set(known):
        return proba
    if sorted(map(str, named)) != sorted(map(str, known)):
        raise InvalidInputError(
            f"{name} must have columns that are named after the classes {some_of(known)}, got "
            f"{some_of(named)}; name all of them, or give an array in the order of the classes"
        )
    return proba[known]


def label_kind(labels: NDArray[Any]) -> str:
    """Return "strings" or "numbers" for checked labels; booleans count as numbers."""
    text = labels.dtype.kind == "U" or (
        labels.dtype.kind == "O" and len(labels) > 0 and isinstance(labels.flat[0], str)
    )
    return "strings" if text else "numbers"


def union_classes(**named: Any) -> NDArray[Any]:
    """Return the sorted distinct classes over all named arrays.

    Raises
    ------
    InvalidInputError
        When some are numbers and others strings, since their values can never be equal.
    """
    distinct = {
        name: _distinct(check_labels(name, values))
        for name, values in named.items()
        if values is not None
    }
    kinds = {name: label_kind(values) for name, values in distinct.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(
            f"{n} {k} (e.g. {plain_scalar(distinct[n][0])!r})" for n, k in kinds.items()
        )
        raise InvalidInputError(
            f"{' and '.join(kinds)} must have labels of one type, got {listed}; "
            "convert one side so that equal classes have equal values"
        )
    return _distinct(_concatenate(list(distinct.values())))


def _concatenate(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    common = np.result_type(*arrays)
    if common.kind == "f" and all(array.dtype.kind in "iub" for array in arrays):
        # Signed and unsigned integers combine to real numbers, in which large classes may be equal.
        common = np.dtype(object)
    return np.concatenate([array.astype(common) for array in arrays])


def _distinct(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind != "O":
        return np.unique(values)
    return np.sort(np.array(list(set(values.tolist())), dtype=object))


def whole_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return checked labels that are real numbers as integers; others stay as they are.

    Integers become real numbers in many libraries as soon as one of them is missing.

    Examples
    --------
    >>> whole_labels(np.array([1.0, 0.0])).tolist()
    [1, 0]
    """
    if labels.dtype.kind != "f" or np.abs(labels).max(initial=0) >= 2**63:
        return labels
    return labels.astype(np.int64)


def spelled_otherwise(classes: Sequence[Any]) -> list[list[str]]:
    """Return the sets of classes that differ only in case, in blanks or in the form of a number.

    Examples
    --------
    >>> spelled_otherwise(["Yes", " yes", "no", "1", "1.0"])
    [['Yes', ' yes'], ['1', '1.0']]
    """
    alike: dict[Any, dict[str, None]] = {}
    for text in classes:
        if isinstance(text, str):
            alike.setdefault(_plain_spelling(text), {})[text] = None
    return [list(texts) for texts in alike.values() if len(texts) > 1]


def _plain_spelling(text: str) -> str | float:
    plain = " ".join(text.split()).casefold()
    try:
        return float(plain) if plain[-1:].isdigit() else plain
    except ValueError:
        return plain


def some_of(classes: Sequence[Any], most: int = 3) -> str:
    """Return the first of some classes, for a message."""
    named = ", ".join(f"{plain_scalar(value)!r:.64}" for value in classes[:most])
    return named + (f" and {len(classes) - most} more" if len(classes) > most else "")


def class_index(values: ArrayLike, classes: Sequence[Any] | NDArray[Any]) -> NDArray[np.intp]:
    """Return the position of each value in `classes` (in any order), or -1 if it is absent."""
    values, classes = np.asarray(values), np.asarray(classes)
    if values.dtype.kind == "O" or classes.dtype.kind == "O":
        codes, distinct = factorize(values)
        place = {value: i for i, value in enumerate(classes.tolist())}
        positions = [place.get(value, -1) for value in distinct.tolist()]
        return np.array(positions, dtype=np.intp)[codes]
    if values.dtype.kind in "iu" and classes.dtype.kind in "iu" and len(classes):
        low, high = int(classes.min()), int(classes.max())
        if high - low < min(NARROW, len(values)) and high <= np.iinfo(np.int64).max:
            return _narrow_index(values, classes, low, high)
    order = np.argsort(classes)
    position = np.searchsorted(classes, values, sorter=order).clip(max=len(classes) - 1)
    index = order[position]
    return np.where(classes[index] == values, index, -1)


def _narrow_index(
    values: NDArray[Any], classes: NDArray[Any], low: int, high: int
) -> NDArray[np.intp]:
    """Look up integers in a table from the least class to the greatest."""
    place = np.full(high - low + 1, -1)
    place[classes.astype(np.int64) - low] = np.arange(len(classes))
    inside = (values >= low) & (values <= high)
    offset = np.where(inside, values, low).astype(np.int64) - low
    return np.where(inside, place[offset], -1)


@dataclass(frozen=True)
class MatchedProba:
    """Base probabilities matched to another set of classes.

    Attributes
    ----------
    proba : ndarray of shape (n, K)
        Probabilities with columns in the order of the new classes. A row of NaN has no usable base
        prediction.
    n_missing : int
        Number of rows that came without a prediction (as NaN).
    n_without_mass : int
        Number of rows whose whole probability was on classes that no longer exist.
    unknown_classes : tuple
        New classes that the base model does not know; their columns are zero.
    removed_classes : tuple
        Base classes that no longer exist; their columns are dropped and the rows renormalised.
    """

    proba: NDArray[np.float64]
    n_missing: int
    n_without_mass: int
    unknown_classes: tuple[Any, ...]
    removed_classes: tuple[Any, ...]


def match_classes(
    proba: NDArray[np.floating],
    base_classes: NDArray[Any],
    classes: NDArray[Any],
) -> MatchedProba:
    """Match the columns of base probabilities to `classes` by value, never by position.

    Parameters
    ----------
    proba : ndarray of shape (n, K_base)
        Checked probabilities; a row of NaN has no base prediction.
    base_classes : ndarray of shape (K_base,)
        The classes of the columns.
    classes : ndarray of shape (K,)
        The classes to match them to.

    Returns
    -------
    MatchedProba

    Raises
    ------
    InvalidInputError
        When `base_classes` does not name each column once, or classes are of different types.
    """
    if proba.shape[1] != len(base_classes):
        raise InvalidInputError(
            f"base_proba must have one column per base class, got {proba.shape[1]} columns and "
            f"{len(base_classes)} classes; give base_classes in the order of the columns"
        )
    check_classes("base_classes", base_classes, proba.shape[1])
    union_classes(base_classes=base_classes, classes=classes)  # raises for different types
    n_missing = int(missing_rows(proba).sum())
    column = class_index(classes, base_classes)
    matched = np.zeros((len(proba), len(classes)))
    matched[:, column >= 0] = proba[:, column[column >= 0]]
    matched[missing_rows(proba)] = np.nan
    removed = tuple(np.asarray(base_classes)[class_index(base_classes, classes) < 0].tolist())
    if removed:
        mass = matched.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            matched = np.where(mass > 0, matched / mass, np.nan)
    return MatchedProba(
        proba=matched,
        n_missing=n_missing,
        n_without_mass=int(missing_rows(matched).sum()) - n_missing,
        unknown_classes=tuple(np.asarray(classes)[column < 0].tolist()),
        removed_classes=removed,
    )
