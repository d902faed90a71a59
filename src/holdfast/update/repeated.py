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
ODD = np.uint64(0x9E3779B97F4A7C15)  # parts the hash of a place from that of its value


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
    m, distinct = len(asked), np.unique(known)
    shares = 1 - len(distinct) / max(len(known), 1)
    usual = USUAL * shares * m + FEW * (shares > 0)
    overlap = int(np.isin(asked, distinct).sum())
    if overlap > usual:
        raise InvalidInputError(
            f"{name} must hold rows that are not among the training rows X, got {overlap} of {m} "
            "rows that are; leave them out"
        )
    first = np.sort(np.unique(asked, return_index=True)[1])
    if m - len(first) <= usual:
        return np.arange(m)
    warn(
        f"{m - len(first)} of {m} rows of {name} repeat another of them; each counts once, since "
        "a certificate needs independent rows"
    )
    return first


def row_keys(X: Any) -> NDArray[np.uint64]:
    """Return a hash of 64 bits of each row, equal for equal rows.

    Examples
    --------
    >>> one, two, three = row_keys([[1, 2], [1.0, 2.0], [2, 1]])
    >>> bool(one == two), bool(one == three)
    (True, False)
    """
    import pandas as pd
    from pandas.util import hash_array, hash_pandas_object

    if issparse(X):
        rows = X.tocsr().astype(np.float64)
        rows.sum_duplicates()
        rows.eliminate_zeros()
        cells = hash_array(rows.indices.astype(np.uint64)) * ODD + hash_array(rows.data + 0.0)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(hash_array(cells))])
        return np.asarray(sums[rows.indptr[1:]] - sums[rows.indptr[:-1]], dtype=np.uint64)
    if hasattr(X, "columns"):
        columns = [X[name] for name in X.columns]
    else:
        array = np.asarray(X)
        columns = list(array.reshape(len(array), -1).T)
    plain = {place: _plain(np.asarray(column)) for place, column in enumerate(columns)}
    hashes = hash_pandas_object(pd.DataFrame(plain), index=False).to_numpy()
    return hashes.astype(np.uint64, copy=False)


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as real numbers, and anything else as text."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64) + 0.0  # no minus zero
    return np.array(list(map(str, values)), dtype=object)
