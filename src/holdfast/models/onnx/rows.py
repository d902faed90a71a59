"""Turns rows into the inputs of an ONNX file: arrays, or columns by name, in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError

__all__ = ["OnnxInput", "feeds_of", "row_count"]

BATCH_ROWS = 10_000
BATCH_VALUES = 2**22
TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
    **{
        f"tensor({name})": np.dtype(name)
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
}


@dataclass(frozen=True)
class OnnxInput:
    """One input of an ONNX file.

    Attributes
    ----------
    name : str
    dtype : dtype
        The type of the values; `object` for text.
    rows : int or None
        The number of rows of every call, if the file fixes it.
    row : tuple of (int or None), or None
        The shape of a row, in which a side that may have any length is None. None in place of the
        tuple allows any shape.
    """

    name: str
    dtype: Any
    rows: int | None
    row: tuple[int | None, ...] | None

    @classmethod
    def of(cls, name: str, kind: str, shape: list[Any]) -> OnnxInput:
        """Build an input from its name, type and shape in ONNX Runtime."""
        if kind not in TYPES:
            raise InvalidInputError(
                f"an ONNX model must take numbers, booleans or text, got the input {name!r} of "
                f"type {kind}; export a model that takes rows"
            )
        sides = [side if isinstance(side, int) and side > 0 else None for side in shape]
        return cls(name, TYPES[kind], sides[0] if sides else None, tuple(sides[1:]) or None)

    @property
    def is_column(self) -> bool:
        """Whether the input takes a single value of each row."""
        return self.row is None or self.row == (1,)


def row_count(X: Any) -> int:
    """Return the number of rows of anything with rows in memory."""
    if hasattr(X, "shape"):
        return int(X.shape[0])
    _as_frame(X)  # raises for a frame that is not in memory, and has no length
    return len(X)


def feeds_of(inputs: list[OnnxInput], X: Any) -> Iterator[tuple[dict[str, NDArray[Any]], int]]:
    """Yield the values of the inputs for one batch after another, and the number of its rows.

    If the file fixes the number of rows, the last row is repeated to fill the last batch.
    """
    frame = _as_frame(X)
    by_name = len(inputs) > 1 or (
        frame is not None and inputs[0].is_column and inputs[0].name in frame.columns
    )
    if by_name:
        _check_columns(inputs, frame)
    rows = X if frame is not None or hasattr(X, "tocsr") else np.asarray(X)
    if hasattr(rows, "tocsr"):
        rows = rows.tocsr()
    n, width = row_count(rows), max(1, int(np.prod(np.shape(rows)[1:])))
    fixed = {each.rows for each in inputs} - {None}
    if len(fixed) > 1:
        raise InvalidInputError(
            f"an ONNX model must take equally many rows everywhere, got {sorted(map(str, fixed))}; "
            "export it with a free number of rows"
        )
    size = next(iter(fixed), None) or max(1, min(BATCH_ROWS, BATCH_VALUES // width))
    source: Any = rows if frame is None else frame
    for start in range(0, n, size):
        stop = min(start + size, n)
        block = source[start:stop]
        if by_name:
            feed = {each.name: _column(each, block.get_column(each.name)) for each in inputs}
        else:
            feed = {inputs[0].name: _array(inputs[0], block)}
        if fixed and stop - start < size:
            feed = {name: _filled(values, size) for name, values in feed.items()}
        yield feed, stop - start


def _as_frame(X: Any) -> Any | None:
    """Return a data frame of any library as one of narwhals, or None for anything else."""
    if not hasattr(type(X), "columns"):  # a lazy frame would warn that these cost something
        return None
    import narwhals as nw

    try:
        return nw.from_native(X, eager_only=True)
    except TypeError as error:
        raise InvalidInputError(
            f"X must be an array or a data frame in memory, got {type(X).__name__}; collect it"
        ) from error


def _check_columns(inputs: list[OnnxInput], frame: Any | None) -> None:
    names = ", ".join(repr(each.name) for each in inputs[:10])
    odd = [each.name for each in inputs if not each.is_column]
    if odd:
        raise InvalidInputError(
            "an ONNX model must have a single input, or inputs of one column each, got "
            f"{len(inputs)} inputs, of which {odd[0]!r} takes several columns; export it in one of "
            "these ways"
        )
    if frame is None:
        raise InvalidInputError(
            f"X must be a data frame for an ONNX model with the inputs {names}, got an array; name "
            "the columns"
        )
    missing = [each.name for each in inputs if each.name not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"X must have the columns of the ONNX model's inputs {names}, got a table without "
            f"{', '.join(map(repr, missing[:10]))}; keep or rename them"
        )


def _column(into: OnnxInput, column: Any) -> NDArray[Any]:
    converted = _converted(f"column {into.name!r}", column.to_numpy(), into.dtype)
    return converted if into.row is None else converted[:, None]


def _array(into: OnnxInput, block: Any) -> NDArray[Any]:
    if hasattr(block, "columns"):
        columns = [
            _converted(f"column {column.name!r}", column.to_numpy(), into.dtype)
            for column in block.iter_columns()
        ]
        values = np.column_stack(columns)
    else:
        dense = block.toarray() if hasattr(block, "toarray") else block
        values = _converted("X", dense, into.dtype)
    shape = values.shape[1:]
    expected = into.row
    if expected is not None and (
        len(expected) != len(shape)
        or any(side not in (None, own) for side, own in zip(expected, shape, strict=True))
    ):
        listed = ", ".join("any" if side is None else str(side) for side in expected)
        raise InvalidInputError(
            f"X must have rows of shape ({listed}) for this ONNX model, got {shape}; give the "
            "columns that it was trained on, in their order"
        )
    return values


def _converted(name: str, values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Convert values to an input's type; only digits of real numbers may be lost."""
    if dtype is object:
        return _text(name, values)
    if values.dtype.kind not in "iubf":
        values = _numbers(name, values)
    wanted = np.dtype(dtype)
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(values, dtype=wanted)
    exact = True
    if values.dtype.kind == "f":
        exact = bool((np.isfinite(values) & (values == np.floor(values))).all())
    if exact and len(values):
        low, high = (0, 1) if wanted.kind == "b" else _limits(wanted)
        exact = low <= int(values.min()) and int(values.max()) <= high
    if not exact:
        raise InvalidInputError(
            f"{name} must fit {wanted} for this ONNX model, got fractions, missing or larger "
            "values; correct them"
        )
    return np.ascontiguousarray(values, dtype=wanted)


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _numbers(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return objects as numbers, with NaN for None and NA; text is refused and not parsed."""
    import pandas as pd

    objects = values.astype(object)
    text = next((value for value in objects.flat if isinstance(value, str)), None)
    try:
        if text is None:
            return np.where(pd.isna(objects), np.nan, objects).astype(np.float64)
    except (TypeError, ValueError):
        pass
    got = values.dtype if text is None else f"text such as {text!r}"
    raise InvalidInputError(
        f"{name} must be numbers for this ONNX model, got {got}; give the columns that it was "
        "trained on"
    )


def _text(name: str, values: NDArray[Any]) -> NDArray[Any]:
    objects = values.astype(object)
    not_text = [value for value in objects.flat if not isinstance(value, str)]
    if not_text:
        raise InvalidInputError(
            f"{name} must be text for this ONNX model, got {not_text[0]!r}; fill missing values "
            "and convert numbers as for its training"
        )
    return np.ascontiguousarray(objects)


def _filled(values: NDArray[Any], rows: int) -> NDArray[Any]:
    return np.concatenate([values, np.repeat(values[-1:], rows - len(values), axis=0)])
