"""Rows to certify on that are training rows, or that repeat each other.

A certificate needs independent rows that no candidate was trained on. Equal rows occur by chance
too, where features have few values; how often they do is read off the training rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError

__all__ = ["distinct_rows"]

# Up to so many times as many equal rows as among the training rows, and a few, are left alone.
USUAL, FEW = 2, 5


def distinct_rows(X: Any, given: Any, name: str) -> NDArray[np.intp]:
    """Return the positions of the given rows that count, each row once where many are equal.

    Parameters
    ----------
    X : array-like of shape (n, …)
        The training rows.
    given : array-like of shape (m, …)
        The rows to certify on.
    name : str
        What the given rows are called in messages.

    Raises
    ------
    InvalidInputError
        When more of the given rows are training rows than chance explains.

    Warns
    -----
    UserWarning
        When more of the given rows repeat others than chance explains.
    """
    known, asked = row_keys(X), row_keys(given)
    m = len(asked)
    shares = 1 - len(set(known)) / max(len(known), 1)
    usual = USUAL * shares * m + FEW * (shares > 0)
    own = set(known)
    overlap = sum(key in own for key in asked)
    if overlap > usual:
        raise InvalidInputError(
            f"{name} must hold rows that are not among the training rows X, got {overlap} of {m} "
            "rows that are; leave them out"
        )
    first = list(dict(zip(reversed(asked), range(m - 1, -1, -1), strict=True)).values())
    if m - len(first) <= usual:
        return np.arange(m)
    warn(
        f"{m - len(first)} of {m} rows of {name} repeat another of them; each counts once, since "
        "a certificate needs independent rows"
    )
    return np.sort(np.array(first, dtype=np.intp))


def row_keys(X: Any) -> list[Any]:
    """Return a key of each row, equal for equal rows.

    Examples
    --------
    >>> one, two, three = row_keys([[1, 2], [1.0, 2.0], [2, 1]])
    >>> one == two, one == three
    (True, False)
    """
    if issparse(X):
        rows = X.tocsr().astype(np.float64)
        rows.sum_duplicates()
        parts = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
        return [(rows.indices[a:b].tobytes(), rows.data[a:b].tobytes()) for a, b in parts]
    if hasattr(X, "columns"):
        import pandas as pd

        frame = (
            X if isinstance(X, pd.DataFrame) else pd.DataFrame({c: list(X[c]) for c in X.columns})
        )
        plain = {str(c): _plain(frame[c].to_numpy()) for c in frame.columns}
        keys: list[Any] = pd.util.hash_pandas_object(pd.DataFrame(plain), index=False).tolist()
        return keys
    rows = _plain(np.asarray(X))
    if rows.dtype == object:
        return [repr(row) for row in rows.tolist()]
    return [row.tobytes() for row in rows]


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as real numbers, and anything else as text."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64) + 0.0  # no minus zero
    return np.array([str(value) for value in values.ravel()], dtype=object).reshape(values.shape)
