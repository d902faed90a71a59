"""Data frames in types whose values a join or a count does not change.

Where a library would turn large integers into real numbers, or fail, the used columns get types
that stay what they are. Columns for which there is no such type are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw

from holdfast.exceptions import InvalidInputError
from holdfast.predictions.sides import ColumnNames

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["exact_frames"]

Frame = nw.LazyFrame[Any]


def exact_frames(
    lazy: Sequence[Frame], table_names: Sequence[str], names: ColumnNames
) -> list[Frame]:
    """Return two frames whose used columns can be joined and counted without a change.

    Parameters
    ----------
    lazy : sequence of narwhals.LazyFrame
        The base table and the new one; they may be the same object, as are the results then.
    table_names : sequence of str
        The names of the tables in messages.
    names : ColumnNames
        The columns that are used.

    Raises
    ------
    InvalidInputError
        When a column holds lists or values of several types, weights are no numbers, or the ids of
        the tables have types that cannot be compared.
    """
    base, new = lazy
    frames = [_in_exact_types(base, table_names[0], names)]
    frames.append(
        frames[0] if new is base else _in_exact_types(new, table_names[1], names),
    )
    for frame, name in zip(frames, table_names, strict=True):
        _check_plain(frame, name, names)
        _check_names(frame, name, names)
    if names.id is not None and new is not base:
        for frame, name in zip(lazy, table_names, strict=True):
            _check_ids(frame, name, names.id)
        return _with_comparable_ids(frames, table_names, names.id)
    return frames


def _check_plain(frame: Frame, table: str, names: ColumnNames) -> None:
    schema = dict(frame.collect_schema())
    for column in _keys_of(names):
        if column in schema and schema[column].is_nested():
            raise InvalidInputError(
                f"column {column!r} of {table} must hold one plain value a row, such as text or a "
                f"number, got {str(schema[column]).lower()}; convert it, e.g. to text"
            )
    dtype = schema.get(str(names.weight))
    if dtype is not None and not (
        dtype.is_numeric() or dtype in (nw.Boolean, nw.Unknown, nw.Object)
    ):
        raise InvalidInputError(
            f"column {names.weight!r} of {table} must be numbers, got {str(dtype).lower()}; "
            "convert the weights"
        )


def _check_names(frame: Frame, table: str, names: ColumnNames) -> None:
    """Raise if libraries would read the name of a used column as that of several columns."""
    used = (*_keys_of(names), *names.prediction, *names.score, names.label)
    for column in frame.collect_schema().names():
        probability = column.startswith(names.prefix)
        if (column in used or probability) and re.fullmatch(r"\*|\^.*\$", column, re.DOTALL):
            raise InvalidInputError(
                f"column {column!r} of {table} must have a name that is no pattern, got one that "
                "libraries read as several columns; rename it"
            )


def _keys_of(names: ColumnNames) -> list[str]:
    return [column for column in (names.id, names.weight, *names.groups) if column is not None]


# --- ids ------------------------------------------------------------------------------------------


def _with_comparable_ids(
    frames: list[Frame], table_names: Sequence[str], column: str
) -> list[Frame]:
    """Give the ids of both tables one type, where libraries would not compare them as they are."""
    schemas = [frame.collect_schema() for frame in frames]
    if not all(column in schema for schema in schemas):
        return frames
    base, new = (schema[column] for schema in schemas)
    decimals = [dtype == nw.Decimal for dtype in (base, new)]
    if any(decimals) and not (all(decimals) and _same_decimals(base, new, frames[0])):
        raise InvalidInputError(
            f"column {column!r} must have one type in both tables, got {str(base).lower()} in "
            f"{table_names[0]} and {str(new).lower()} in {table_names[1]}; write it the same way "
            "in both"
        )
    common: Any = None
    if base != new and base.is_integer() and new.is_integer():
        common = _common_integer(base, new)
    elif base != new and base.is_float() and new.is_float():
        common = nw.Float64
    if common is None or frames[0].implementation.is_duckdb():  # which compares numbers exactly
        return frames
    return [frame.with_columns(nw.col(column).cast(common)) for frame in frames]


def _common_integer(*dtypes: Any) -> Any:
    if not any(dtype in (nw.UInt64, nw.Int128, nw.UInt128) for dtype in dtypes):
        return nw.Int64
    unsigned = all(dtype.is_unsigned_integer() and dtype != nw.UInt128 for dtype in dtypes)
    return nw.UInt64 if unsigned else nw.String


def _same_decimals(base: Any, new: Any, frame: Frame) -> bool:
    """Return whether two types of decimals can be compared digit by digit."""
    if base == new:
        return True
    scales = [getattr(dtype, "scale", 0) or 0 for dtype in (base, new)]
    whole = max(getattr(d, "precision", 38) - s for d, s in zip((base, new), scales, strict=True))
    return frame.implementation.is_duckdb() and whole + max(scales) <= 38


# --- pandas ---------------------------------------------------------------------------------------


def _in_exact_types(frame: Frame, table: str, names: ColumnNames) -> Frame:
    """Return a frame of pandas with types that may be missing, and other frames as they are.

    pandas joins turn its usual integers into real numbers as soon as a row has no partner.
    """
    if not frame.implementation.is_pandas():
        return frame
    native: pd.DataFrame = nw.to_native(frame.collect())
    label = "label" if names.label is None else names.label
    used = dict.fromkeys([*_keys_of(names), label, *names.prediction])
    if names.weight in native.columns and native[names.weight].dtype == object:
        _check_numbers(native[names.weight], table)
    types = {
        column: kind
        for column in used
        if column in native.columns and (kind := _exact_type(native[column], table))
    }
    return nw.from_native(native.astype(types)).lazy() if types else frame


def _check_ids(frame: Frame, table: str, column: str) -> None:
    """Raise if an id of a frame of pandas is missing, which may give the others another type."""
    if not frame.implementation.is_pandas() or column not in frame.collect_schema():
        return
    unknown = nw.to_native(frame.collect())[column].isna().to_numpy()
    if unknown.any():
        raise InvalidInputError(
            f"ids of {table} must not be missing, got {unknown.sum()} of {len(unknown)} rows "
            f"without one, the first in row {unknown.argmax()}; fill them or drop the rows"
        )


def _check_numbers(weights: pd.Series[Any], table: str) -> None:
    from pandas.api.types import infer_dtype

    found = infer_dtype(weights, skipna=True)
    if found not in ("boolean", "decimal", "empty", "floating", "integer", "mixed-integer-float"):
        raise InvalidInputError(
            f"column {weights.name!r} of {table} must be numbers, got {found}; convert the weights"
        )


def _exact_type(values: pd.Series[Any], table: str) -> str | None:
    """Return the type of pandas's that holds the values and may be missing, None for theirs."""
    import pandas as pd

    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    kind = dtype.kind if not pd.api.types.is_extension_array_dtype(dtype) else ""
    if kind in "iu" and kind:
        return str(dtype).replace("i", "I", 1).replace("uI", "UI", 1)
    if kind == "f":
        return "Float32" if dtype.itemsize == 4 else "Float64"
    if kind == "b":
        return "boolean"
    if kind != "O" or isinstance(values.dtype, pd.CategoricalDtype):
        return None
    found = pd.api.types.infer_dtype(values, skipna=True)
    if found in ("mixed", "mixed-integer"):
        kinds = sorted({type(value).__name__ for value in values if value is not None})
        raise InvalidInputError(
            f"column {values.name!r} of {table} must hold plain values of one type, got "
            f"{', '.join(kinds)}; convert it, e.g. to text"
        )
    if found == "integer":
        low, high = values.min(), values.max()
        return "Int64" if low >= -(2**63) and high < 2**63 else None
    return {"boolean": "boolean", "floating": "Float64"}.get(found)
