"""What a proof says of a value, and the errors of a failed proof."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_THREADS",
    "DisprovedError",
    "UnprovenError",
    "claim",
    "plain_array",
    "whole",
    "written",
]

MAX_THREADS = 1024  # OpenMP ends the process if it cannot start as many threads as a file asks for
LARGEST = 2**31 - 1
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class DisprovedError(ValueError):
    """A model that contradicts itself, so that compiled code could leave its arrays."""


class UnprovenError(Exception):
    """A model whose content no proof covers."""


def claim(holds: Any, otherwise: str) -> None:
    """Raise DisprovedError with a description of the model unless a statement holds."""
    if not holds:
        raise DisprovedError(otherwise)


def whole(value: Any, name: str, low: int = 0, high: int = LARGEST) -> int:
    """Return a whole number in [low, high]; raise DisprovedError for anything else."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))
    claim(is_whole, f"{name} is not a whole number")
    claim(low <= value <= high, f"{name} is {value}, outside {low} … {high}")
    return int(value)


def written(text: Any, name: str) -> int:
    """Return the whole number that a text is; raise DisprovedError for other ways to write one."""
    claim(WHOLE_NUMBER.fullmatch(str(text)), f"{name} is not a whole number")
    return int(text)


def plain_array(value: Any, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return an array of a kind and shape; raise DisprovedError for anything else.

    Parameters
    ----------
    value : object
    name : str
    kinds : str
        The kinds of numbers that it may hold, as in ``dtype.kind``.
    shape : tuple of int or None
        None stands for any length.
    """
    claim(type(value) is np.ndarray, f"{name} is not an array")
    claim(value.dtype.kind in kinds, f"{name} holds {value.dtype}")
    fits = value.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, value.shape, strict=True)
    )
    claim(fits, f"{name} has the shape {value.shape}")
    array: NDArray[Any] = value
    return array
