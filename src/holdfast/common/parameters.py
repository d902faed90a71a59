"""Checks parameters, imports optional libraries, and shortens errors to their first line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np

from holdfast.common.plain import plain_scalar
from holdfast.exceptions import InvalidInputError, MissingExtraError

__all__ = [
    "check_choice",
    "check_count",
    "check_jobs",
    "check_seed",
    "check_share",
    "first_line",
    "on_one_line",
    "require",
]

PLACE_IN_CODE = re.compile(r"^(\[[\d:]+\] )?[\w./\\-]*\.(cc|cpp|cu|h|hpp):\d+: ")


def check_share(
    name: str,
    value: Any,
    *,
    low: float = 0.0,
    high: float = 1.0,
    open_ends: bool = False,
    hint: str | None = None,
) -> float:
    """Return `value` as a float in [low, high], or raise InvalidInputError.

    Parameters
    ----------
    name : str
        The name of the parameter, for messages.
    value : object
    low, high : float
    open_ends : bool
        Whether the value must lie strictly between `low` and `high`.
    hint : str, optional
        What to do instead, for a parameter that is not a share of rows.
    """
    number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    inside = number and (low < value < high if open_ends else low <= value <= high)
    if not inside:
        ends = f"({low:g}, {high:g})" if open_ends else f"[{low:g}, {high:g}]"
        if hint is None:
            hint = "give a number in that range"
            if name in ("confidence", "power"):
                hint = "give a share, e.g. 0.95 for 95 %"
            elif (low, high) in ((0.0, 1.0), (-1.0, 1.0)):
                hint = "give a share of rows, e.g. 0.02 for 2 %"
        raise InvalidInputError(f"{name} must be in {ends}, got {plain_scalar(value)!r}; {hint}")
    return float(value)


def check_count(name: str, value: Any, *, least: int = 1, hint: str = "give e.g. 10") -> int:
    """Return `value` as an int of at least `least`, or raise; `hint` says what to do instead."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InvalidInputError(
            f"{name} must be an integer of at least {least}, got {plain_scalar(value)!r}; {hint}"
        )
    return int(value)


def check_jobs(value: Any) -> int | None:
    """Return a number of fits at once: None, an integer from 1 on, or -1 for every core.

    As in joblib, -2 leaves one core free, and so on.
    """
    if value is not None and (
        not isinstance(value, Integral) or isinstance(value, bool) or value == 0
    ):
        raise InvalidInputError(
            f"n_jobs must be an integer of at least 1, or -1 for every core, got "
            f"{plain_scalar(value)!r}; give e.g. 1"
        )
    return None if value is None else int(value)


def check_seed(value: Any) -> Any:
    """Return a `random_state`: an integer, None or a generator of NumPy's, but no other number."""
    if isinstance(value, (bool, np.bool_, str)) or (
        isinstance(value, Real) and not isinstance(value, Integral)
    ):
        raise InvalidInputError(
            f"random_state must be an integer or None, got {plain_scalar(value)!r}; give e.g. 0"
        )
    return value


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`, or raise an error that names the nearest one."""
    options = list(choices)
    if isinstance(value, str) and value in options:
        return value
    from difflib import get_close_matches

    near = get_close_matches(str(value), options, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "choose one of them"
    listed = ", ".join(repr(option) for option in options)
    raise InvalidInputError(f"{name} must be one of {listed}, got {plain_scalar(value)!r}; {hint}")


def first_line(reason: object) -> str:
    """Return the first line of an error's text, or its type where the text is empty.

    The time and the place in C++ code, with which some libraries begin, are left out.

    Examples
    --------
    >>> first_line("[12:00:01] /workspace/src/data/data.cc:12: Check failed: ...")
    'Check failed: ...'
    """
    line = next(iter(str(reason).strip().splitlines()), type(reason).__name__)
    return PLACE_IN_CODE.sub("", line) or line


def on_one_line(reason: object) -> str:
    """Return an error's text on one line, without a stack trace; its type where it is empty."""
    text = str(reason).partition("\nStack trace:")[0]
    return first_line(" ".join(text.split()) or reason)


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import an optional module for a purpose, or raise an error that names its extra."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs {module.split('.')[0]}, which is not installed; "
            f"run: pip install 'holdfast[{extra}]'"
        ) from error
