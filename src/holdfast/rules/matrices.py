"""Tables of numbers with a row for each answer and a column for each class, perhaps named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import as_array
from holdfast.common.plain import plain_scalar
from holdfast.exceptions import InvalidInputError
from holdfast.rules.names import as_names, positions_of

__all__ = ["NamedMatrix"]


@dataclass(frozen=True, eq=False)
class NamedMatrix:
    """A finite matrix whose rows may be named by answers and whose columns by classes.

    Attributes
    ----------
    name : str
        What the matrix holds, for messages.
    values : ndarray of shape (A, K)
    answers : tuple or None
        The answer of each row.
    classes : tuple or None
        The class of each column.
    """

    name: str
    values: NDArray[np.float64]
    answers: tuple[Any, ...] | None = None
    classes: tuple[Any, ...] | None = None

    @classmethod
    def of(cls, name: str, matrix: Any, answers: Any = None, classes: Any = None) -> NamedMatrix:
        """Check a matrix and its names; those of a data frame count where none are given.

        Raises
        ------
        InvalidInputError
            When values are not finite numbers, or names repeat or do not fit the shape.
        """
        if hasattr(matrix, "columns"):
            answers = _frame_names(getattr(matrix, "index", None)) if answers is None else answers
            classes = _frame_names(matrix.columns) if classes is None else classes
        values = _finite(name, matrix)
        return cls(
            name,
            values,
            _checked_names(f"answers of the {name}", answers, len(values), "row"),
            _checked_names(f"classes of the {name}", classes, values.shape[1], "column"),
        )

    def matched(self, answers: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values with these answers as rows and classes as columns, by value.

        Rows and columns without names stand in the order of `answers` and `classes`.

        Raises
        ------
        InvalidInputError
            When names do not match, or the shape does not fit where there are none.
        """
        self._check_shape(answers, classes)
        values = self.values
        if self.answers is not None:
            values = values[positions_of(f"{self.name}", answers.tolist(), self.answers, "answers")]
        if self.classes is None:
            return values
        columns = positions_of(f"{self.name}", classes.tolist(), self.classes)
        if len(self.classes) > len(columns):
            others = [value for value in self.classes if value not in classes.tolist()]
            raise InvalidInputError(
                f"{self.name} must be those of the classes {classes.tolist()[:10]}, got a column "
                f"for {others[0]!r}; leave it out"
            )
        return values[:, columns]

    def _check_shape(self, answers: NDArray[Any], classes: NDArray[Any]) -> None:
        n_rows, n_columns = self.values.shape
        fits = (self.answers is not None or n_rows == len(answers)) and (
            self.classes is not None or n_columns == len(classes)
        )
        if not fits:
            raise InvalidInputError(
                f"{self.name} must have a row for each of {len(answers)} answers and a column for "
                f"each of {len(classes)} classes, got shape {self.values.shape}; give them all, "
                "or name the rows by answers and the columns by classes"
            )


def _frame_names(names: Any) -> list[Any] | None:
    """Return the names of a frame's rows or columns; None where they merely count."""
    if names is None or type(names).__name__ == "RangeIndex":
        return None
    return [plain_scalar(value) for value in names]


def _finite(name: str, matrix: Any) -> NDArray[np.float64]:
    if isinstance(matrix, Mapping) or not hasattr(matrix, "__len__"):
        raise InvalidInputError(
            f"{name} must be a table of numbers, got {type(matrix).__name__}; give a row for each "
            "answer and a column for each class"
        )
    values = as_array(name, matrix)
    try:
        numbers = values.astype(np.float64) if values.dtype.kind in "iubfO" else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or numbers.ndim != 2 or 0 in numbers.shape:
        raise InvalidInputError(
            f"{name} must be numbers of shape (A, K), got shape {values.shape} and dtype "
            f"{values.dtype}; give a row for each answer and a column for each class"
        )
    if not np.isfinite(numbers).all():
        wrong = numbers[~np.isfinite(numbers)][0]
        raise InvalidInputError(
            f"{name} must be finite, got {wrong}; give a number for every answer and class"
        )
    return numbers


def _checked_names(
    name: str, names: Iterable[Any] | None, n: int, unit: str
) -> tuple[Any, ...] | None:
    if names is None:
        return None
    checked = as_names(name, names)
    if len(checked) != n:
        raise InvalidInputError(
            f"{name} must be {n} names, one for each {unit}, got {len(checked)}; name each {unit}"
        )
    return checked
