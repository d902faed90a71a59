"""Turns values into plain Python values, which JSON and messages can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["plain", "plain_scalar"]


def plain(value: Any) -> Any:
    """Return the nearest value that JSON has.

    Examples
    --------
    >>> plain({"share": np.float64(0.5), "rows": (np.int64(3), float("nan"))})
    {'share': 0.5, 'rows': [3, None]}
    """
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)  # `tolist` would give a mere count of nanoseconds
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def plain_scalar(value: Any) -> Any:
    """Return a NumPy scalar as a Python value, which reads better in a message."""
    return value.item() if isinstance(value, np.generic) else value
