"""Finds classes and answers by value, and explains near misses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_labels
from holdfast.common.plain import plain_scalar
from holdfast.exceptions import InvalidInputError

__all__ = ["as_name", "as_names", "column_of", "positions_of", "positive_column"]

SHOWN = 10  # how many names a message lists


def as_name(name: str, value: Any) -> Any:
    """Return a class or an answer as a Python value; None stands for no name."""
    value = plain_scalar(value)
    if value is not None and not isinstance(value, (str, int, float)):
        raise InvalidInputError(
            f"{name} must be one class, got {type(value).__name__}; give its name, e.g. 'fraud'"
        )
    return value


def as_names(name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """Return distinct names of one type as Python values."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidInputError(
            f"{name} must be a list of names, got {values!r}; give e.g. ['a', 'b']"
        )
    names = tuple(check_labels(name, list(values)).tolist())
    repeated = [value for i, value in enumerate(names) if value in names[:i]]
    if repeated:
        raise InvalidInputError(
            f"{name} must be distinct, got {repeated[0]!r} more than once; name each once"
        )
    return names


def column_of(name: str, value: Any, among: NDArray[Any], what: str = "classes") -> int:
    """Return the position of a value among the classes or answers of a rule.

    Raises
    ------
    InvalidInputError
        When it is none of them. The message says so if it differs from one by its type alone.
    """
    known = among.tolist()
    found = [i for i, other in enumerate(known) if _is_same(value, other)]
    if found:
        return found[0]
    raise InvalidInputError(
        f"{name} must be one of the {what} {_shown(known)}, got {value!r}{_advice(value, known)}"
    )


def _is_same(value: Any, other: Any) -> bool:
    """Return whether two names are equal; True and 1 are not."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _shown(known: list[Any]) -> str:
    listed = ", ".join(repr(value) for value in known[:SHOWN])
    return f"[{listed}, ...]" if len(known) > SHOWN else f"[{listed}]"


def _advice(value: Any, known: list[Any]) -> str:
    alike = [other for other in known if str(other) == str(value)]
    equal = [other for other in known if other == value]
    if equal:
        kind = "true or false" if isinstance(value, bool) else "a number"
        return f", which is {kind} where the others are not; write {equal[0]!r}"
    if not alike:
        return "; name one of them"
    return f", which is {'text' if isinstance(value, str) else 'not text'}; write {alike[0]!r}"


def positions_of(
    name: str, values: Iterable[Any], among: Iterable[Any], what: str = "classes"
) -> NDArray[np.intp]:
    """Return the position of each value in `among`, by value.

    Raises
    ------
    InvalidInputError
        When one is missing.
    """
    known = list(among)
    place = {value: i for i, value in enumerate(known)}
    for value in values:
        if value not in place:
            raise InvalidInputError(
                f"{name} must name all {what}, got {_shown(known)} without {value!r}"
                f"{_missing_advice(value, known)}"
            )
    return np.array([place[value] for value in values], dtype=np.intp)


def _missing_advice(value: Any, known: list[Any]) -> str:
    alike = [other for other in known if str(other) == str(value)]
    if not alike:
        return "; add it"
    return f"; {alike[0]!r} is {'text' if isinstance(alike[0], str) else 'not text'}"


def positive_column(positive: Any, classes: NDArray[Any]) -> int:
    """Return the position of the positive class; without one, it is the greater of two."""
    if positive is not None:
        return column_of("positive", positive, classes)
    if len(classes) != 2:
        raise InvalidInputError(
            f"positive must be given for {len(classes)} classes, got None; name one of "
            f"{_shown(classes.tolist())}"
        )
    return int(classes[1] > classes[0])
