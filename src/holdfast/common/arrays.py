"""Checks arrays: labels, probabilities, weights and lengths."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from holdfast.common.plain import plain_scalar
from holdfast.exceptions import InvalidInputError

__all__ = [
    "as_array",
    "as_probabilities",
    "check_labels",
    "check_proba",
    "check_same_index",
    "check_same_length",
    "check_weight_range",
    "check_weights",
    "missing_rows",
    "missing_values",
]

SUM_TOLERANCE = 1e-3  # how far the sum of a row of probabilities may be from 1
ROUNDING = 1e-9  # how far below 0 rounding may take a probability
LEAST_WEIGHT = 1e-100  # the square of a smaller weight cannot be summed


def as_array(name: str, values: Any) -> NDArray[Any]:
    """Turn an array, a sequence, or a series or frame of any library into a NumPy array.

    Raises
    ------
    InvalidInputError
        When `values` is None, a scalar, ragged or empty.
    """
    if values is None:
        raise InvalidInputError(f"{name} must be an array, got None; give one value per row")
    try:
        values = _to_numpy(values)
    except ValueError as error:
        raise InvalidInputError(
            f"{name} must be rectangular, got rows of unequal length; give one value per row "
            "or one probability per row and class"
        ) from error
    if values.ndim not in (1, 2):
        raise InvalidInputError(
            f"{name} must have shape (n,) or (n, K), got shape {values.shape}; give one value per "
            "row, or one probability per row and class"
        )
    if values.shape[0] == 0:
        raise InvalidInputError(f"{name} must have at least one row, got none; give the rows")
    return values


def _to_numpy(values: Any) -> NDArray[Any]:
    # The first look at `np.ma` loads it, so plain arrays are passed over before.
    if type(values) is not np.ndarray and isinstance(values, np.ma.MaskedArray):
        array = values.data.astype(object)
        array[np.ma.getmaskarray(values)] = None
        return array
    # Arrow arrays have `to_numpy` too, but it makes no copies, so it works for few types only.
    if hasattr(values, "to_numpy") and not type(values).__module__.startswith("pyarrow"):
        values = values.to_numpy()
    array = np.asarray(values)
    # NumPy turns numbers and NaN beside text into text: [1, "a"] becomes ["1", "a"].
    listed = array.dtype.kind in "US" and isinstance(values, (list, tuple)) and array.ndim == 1
    if listed and not all(isinstance(value, (str, bytes)) for value in values):
        return np.array(values, dtype=object)
    return array


def check_labels(name: str, values: Any) -> NDArray[Any]:
    """Return `values` as a 1-D array of class labels without missing values.

    Python objects become integers, booleans or real numbers where all of them are of that type.
    Text stays as it is.

    Raises
    ------
    InvalidInputError
        When `values` has another shape, missing values, real numbers or mixed types.
    """
    labels = as_array(name, values)
    if labels.ndim != 1:
        raise InvalidInputError(
            f"{name} must be labels of shape (n,), got shape {labels.shape}; give one class per row"
        )
    if labels.dtype.kind in "OT":
        labels = _object_labels(name, labels.astype(object, copy=False))
    if labels.dtype.kind == "f":
        _check_float_labels(name, labels)
    elif labels.dtype.kind not in "iubUO":
        _raise_label_type(name, f"dtype {labels.dtype}")
    return labels


def _object_labels(name: str, labels: NDArray[Any]) -> NDArray[Any]:
    types = set(map(type, labels.tolist()))
    dtypes = {_label_dtype(kind) for kind in types}
    if not dtypes <= {object, np.bool_, np.int64}:  # these types have no missing values
        _check_present(name, labels)
    if dtypes == {np.int64, np.float64}:
        dtypes = {np.float64}
    dtype, *others = dtypes
    if others or dtype is None:
        _raise_label_type(name, ", ".join(sorted({kind.__name__ for kind in types})))
    try:
        return labels.astype(dtype, copy=False)
    except OverflowError:
        return labels  # integers of more than 64 bits can be compared as they are


def _label_dtype(kind: type) -> type | None:
    """Return the type of an array of labels of one Python type; None if it is no label's type."""
    if issubclass(kind, str):
        return object
    if issubclass(kind, (bool, np.bool_)):
        return np.bool_
    if issubclass(kind, (int, np.integer)) and not issubclass(kind, np.timedelta64):
        return np.int64
    return np.float64 if issubclass(kind, (float, np.floating)) else None


def _raise_label_type(name: str, got: str) -> NoReturn:
    raise InvalidInputError(
        f"{name} must be integers, strings or booleans, all of one type, got {got}; "
        "convert the classes"
    )


def _check_float_labels(name: str, labels: NDArray[Any]) -> None:
    n_missing = int(np.isnan(labels).sum())
    if n_missing:
        _raise_missing(name, n_missing, len(labels))
    real = ~np.isfinite(labels) | (labels != np.floor(labels))
    if real.any():
        raise InvalidInputError(
            f"{name} must be class labels, got real numbers such as {labels[real][0]:.6g}; for "
            "probabilities give an array (n, K), e.g. np.column_stack([1 - p, p]) for two classes"
        )


def _raise_missing(name: str, n_missing: int, n: int) -> NoReturn:
    raise InvalidInputError(
        f"{name} must not have missing values, got {n_missing} of {n} rows with NaN or None; "
        "drop those rows from all that is given for them"
    )


def _check_present(name: str, values: NDArray[Any]) -> None:
    n_missing = int(missing_values(values).sum())
    if n_missing:
        _raise_missing(name, n_missing, len(values))


def missing_values(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values are None, NaN, NaT or NA.

    Examples
    --------
    >>> missing_values(np.array(["a", None, float("nan")], dtype=object)).tolist()
    [False, True, True]
    """
    if values.dtype.kind in "fc":
        return np.isnan(values)
    if values.dtype.kind in "mM":
        return np.isnat(values)
    if values.dtype.kind != "O":
        return np.zeros(values.shape, dtype=np.bool_)
    missing = np.fromiter(map(_is_missing, values.flat), dtype=np.bool_, count=values.size)
    return missing.reshape(values.shape)


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, (str, int)):
        return value is None
    differs = value != value  # NaN and NaT differ from themselves
    if isinstance(differs, (bool, np.bool_)):
        return bool(differs)
    return type(value).__name__ == "NAType"  # NA of pandas answers every comparison with itself


def check_proba(name: str, values: Any, *, allow_missing: bool = False) -> NDArray[np.floating]:
    """Return `values` as an array (n, K) of probabilities that sum to 1.

    Parameters
    ----------
    name : str
        The name of the parameter, for messages.
    values : array-like of shape (n, K)
    allow_missing : bool
        Whether whole rows may be NaN; such a row has no prediction.

    Raises
    ------
    InvalidInputError
        When `values` has another shape, holds NaN or values outside [0, 1] (such as logits), or a
        row does not sum to 1.
    """
    proba = as_array(name, values)
    if proba.ndim != 2 or proba.shape[1] < 2:
        raise InvalidInputError(
            f"{name} must be probabilities of shape (n, K) with K >= 2, got shape {proba.shape}; "
            "for two classes give both columns, e.g. np.column_stack([1 - p, p])"
        )
    proba = as_probabilities(name, proba)
    check_proba_rows(name, proba, allow_missing=allow_missing)
    return proba


def as_probabilities(name: str, proba: NDArray[Any]) -> NDArray[np.floating]:
    """Return `proba` as floats, whatever type of number it holds."""
    if proba.dtype.kind == "f":
        # In half precision, sums are wrong by more than the tolerance.
        return proba.astype(np.float32) if proba.dtype.itemsize == 2 else proba
    floats = None
    if proba.dtype.kind in "iub":
        floats = proba.astype(np.float64)
    elif proba.dtype.kind == "O":
        floats = _objects_to_floats(proba)
    if floats is None:
        raise InvalidInputError(
            f"{name} must be numbers, got dtype {proba.dtype}; give probabilities (n, K)"
        )
    return floats


def _objects_to_floats(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return numbers, with NaN for None and NA; return None where a value is not a number."""
    if any(isinstance(value, str) for value in values.flat):
        return None
    try:
        return np.where(missing_values(values), np.nan, values).astype(np.float64)
    except (TypeError, ValueError):
        return None


def check_proba_rows(
    name: str, proba: NDArray[np.floating], *, allow_missing: bool, first_row: int = 0
) -> None:
    """Raise unless each row of `proba` is a distribution (or, where allowed, all NaN).

    Parameters
    ----------
    name : str
        The name of the parameter, for messages.
    proba : ndarray of shape (n, K)
    allow_missing : bool
        Whether whole rows may be NaN.
    first_row : int
        The number of the first row, for messages about a block of rows.

    Raises
    ------
    InvalidInputError
        When a value or the sum of a row is wrong.
    """
    low, high = proba.min(), proba.max()
    if np.isnan(low):
        missing = missing_rows(proba)
        n_missing = int(np.isnan(proba).any(axis=1).sum())
        if not allow_missing:
            _raise_missing(name, n_missing, len(proba))
        if n_missing > missing.sum():
            raise InvalidInputError(
                f"{name} must be NaN in all columns of a row or in none, got {n_missing} of "
                f"{len(proba)} rows with NaN, {n_missing - int(missing.sum())} of them beside "
                "numbers; make a row NaN where there is no prediction"
            )
        proba = np.where(missing[:, None], 1 / proba.shape[1], proba)
        low, high = proba.min(), proba.max()
    if not np.isfinite([low, high]).all():
        raise InvalidInputError(
            f"{name} must be finite, got values from {low:.4g} to {high:.4g}; correct or drop "
            "those rows"
        )
    if low < -ROUNDING or high > 1 + SUM_TOLERANCE:
        reason = "counts or scores; divide each row by its sum"
        if low < -ROUNDING:
            reason = "logits; apply a softmax first"
        raise InvalidInputError(
            f"{name} must be probabilities in [0, 1], got values from {low:.4g} to {high:.4g}, "
            f"which look like {reason}"
        )
    # A matrix product sums rows fastest, as long as both factors have the same type.
    off = np.abs(proba @ np.ones(proba.shape[1], dtype=proba.dtype) - 1)
    if off.max() > SUM_TOLERANCE:
        row = int(np.argmax(off))
        raise InvalidInputError(
            f"{name} must sum to 1 in each row, got {proba[row].sum():.4g} in row "
            f"{first_row + row} ({int((off > SUM_TOLERANCE).sum())} such rows); divide each row "
            "by its sum if just one class is true, or give one column at a time if several may be"
        )


def missing_rows(proba: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return a mask of the rows of `proba` (n, K) that are all NaN."""
    return np.isnan(proba).all(axis=1)


def check_weights(name: str, values: Any, n: int) -> NDArray[np.float64]:
    """Return `values` as n finite weights of at least 0 with a positive sum."""
    weights = as_array(name, values)
    if weights.ndim == 1 and weights.dtype.kind == "O":
        _check_present(name, weights)
    if weights.ndim != 1 or weights.dtype.kind not in "iubf":
        raise InvalidInputError(
            f"{name} must be numbers of shape (n,), got shape {weights.shape} and dtype "
            f"{weights.dtype}; give one weight per row"
        )
    check_same_length(**{name: weights, "rows": range(n)})
    weights = weights.astype(np.float64, copy=False)
    check_weight_range(name, float(weights.min()), float(weights.max()))
    return weights


def check_weight_range(name: str, low: float, high: float) -> None:
    """Raise unless weights from `low` to `high` can be summed; NaN stands for a missing weight."""
    if not np.isfinite([low, high]).all() or low < 0 or high == 0:
        raise InvalidInputError(
            f"{name} must be finite and >= 0, not every weight zero, got values from "
            f"{low:.4g} to {high:.4g}; drop rows that should not count"
        )
    if not LEAST_WEIGHT < high < 1 / LEAST_WEIGHT:
        raise InvalidInputError(
            f"{name} must have squares that can be summed, got weights up to {high:.4g}; "
            "divide them by their mean"
        )


def check_same_length(**arrays: Any) -> int:
    """Return the common length of the named arrays; those that are None are left out."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidInputError(
            f"{' and '.join(lengths)} must have the same number of rows, got {listed}; "
            "give them for the same rows in the same order"
        )
    return next(iter(lengths.values()))


def check_same_index(**named: Any) -> None:
    """Raise if two of the named objects of pandas have different indexes.

    Rows are paired by position, and an index says which rows they are. Arrays and objects with the
    default index 0, 1, 2, … say nothing of that, and neither does None. Lengths are not compared.
    """
    indexes = {name: _own_index(values) for name, values in named.items()}
    known = {name: index for name, index in indexes.items() if index is not None}
    for (first, index), (name, other) in pairwise(known.items()):
        if len(index) != len(other) or index.equals(other):
            continue
        rows = np.flatnonzero(np.asarray(index != other))
        if not len(rows):  # the same values, some of them NaN
            continue
        one, another = (_entry(values, rows[0]) for values in (index, other))
        same = index.is_unique and other.is_unique and bool(other.isin(index).all())
        reorder = f"reorder one with {name}.loc[{first}.index], or " if same else ""
        raise InvalidInputError(
            f"{first} and {name} must have the same index, since it says which rows they are, got "
            f"{len(rows)} of {len(index)} rows that differ (e.g. {one} and {another}); {reorder}"
            f"pair the rows by position with {name}.to_numpy()"
        )


def _entry(index: Any, row: int) -> str:
    """Return one entry of an index for a message."""
    entry = index[row]
    if isinstance(entry, tuple):
        return repr(tuple(map(plain_scalar, entry)))
    return repr(plain_scalar(entry))


def _own_index(values: Any) -> Any:
    """Return the index of an object of pandas unless it is the default one, else None."""
    index: Any = getattr(values, "index", None) if hasattr(values, "iloc") else None
    if type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1):
        return None
    return index
