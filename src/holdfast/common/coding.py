"""Codes values by their place among the distinct ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import missing_values

__all__ = ["as_objects", "factorize"]

FEW = 1 << 16  # more values are left to pandas, which codes them faster but loads slowly


def factorize(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the code of each value, and the distinct values. All missing values are one.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Values of any type.

    Returns
    -------
    codes : ndarray of shape (n,)
        The position of each value in `distinct`.
    distinct : ndarray of shape (m,)
        The distinct values, in any order, with the type of `values`.

    Raises
    ------
    TypeError
        When some values have no hash, such as lists.

    Examples
    --------
    >>> codes, distinct = factorize(np.array(["b", None, "b"], dtype=object))
    >>> distinct[codes].tolist()
    ['b', None, 'b']
    """
    if len(values) <= FEW and values.dtype.kind == "O":
        return _factorize_objects(values)
    if len(values) <= FEW and values.dtype.kind in "biufUSmM":
        distinct, codes = np.unique(values, return_inverse=True)
        return codes, distinct
    import pandas as pd

    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    return codes, np.asarray(distinct)


def _factorize_objects(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    place: dict[Any, int] = {}
    codes = [place.setdefault(value, len(place)) for value in as_objects(values).tolist()]
    return np.array(codes, dtype=np.intp), np.fromiter(place, dtype=object, count=len(place))


def as_objects(values: NDArray[Any]) -> NDArray[Any]:
    """Return values as Python objects, with None for missing values.

    Dates and times become those of pandas, since Python's own have no nanoseconds.

    Examples
    --------
    >>> as_objects(np.array([1.5, np.nan])).tolist()
    [1.5, None]
    """
    if values.dtype.kind in "mM":
        import pandas as pd

        objects = np.array(pd.Series(values).astype(object))
    else:
        objects = values.astype(object)
    objects[missing_values(objects)] = None
    return objects
