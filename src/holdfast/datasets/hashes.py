"""The hash of a table's contents."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from holdfast.datasets.dataset import is_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["content_hash"]


def content_hash(frame: pd.DataFrame) -> str:
    """Return a SHA-256 of a table's column names and values, whatever their types are.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table. Numbers count as 64-bit real numbers and all other values as text. All missing
        values count as the same.

    Returns
    -------
    str
        64 hexadecimal digits, which are equal for the same rows and columns in the same order.

    Examples
    --------
    >>> import pandas as pd
    >>> first = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    >>> second = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Categorical(["x", None])})
    >>> content_hash(first) == content_hash(second)
    True
    """
    names = [str(column) for column in frame.columns]
    digest = hashlib.sha256(json.dumps([len(frame), *names]).encode())
    for column in frame.columns:
        values = frame[column]
        if is_number(values):
            numbers = values.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # -0.0 becomes 0.0
            digest.update(b"numbers")
            digest.update(np.where(np.isnan(numbers), np.nan, numbers).tobytes())
        else:
            digest.update(b"text" + _text_digest(values))
    return digest.hexdigest()


def _text_digest(values: pd.Series) -> bytes:
    """Return a column's sorted distinct texts and the number of each row's text, as bytes."""
    import pandas as pd

    texts = values.astype(object).map(str, na_action="ignore")
    codes, distinct = pd.factorize(texts, sort=True)  # -1 where missing
    return json.dumps(list(distinct)).encode() + codes.astype("<i8").tobytes()
