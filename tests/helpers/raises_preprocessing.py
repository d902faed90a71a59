"""Columns, texts and images that cannot become numbers, and what the message must hold."""

import numpy as np
import pandas as pd
import pytest

from holdfast.preprocessing import ScaledImages, TokenIds, preprocessor

IMAGES = np.zeros((2, 1, 4, 4), dtype=np.uint8)


def lazy_texts():
    return pytest.importorskip("polars").LazyFrame({"text": ["a"]})


CASES = {
    "preprocessing.py ScaledImages.transform #1": (
        lambda: ScaledImages().fit(IMAGES).transform(IMAGES[:, :, :3]),
        "of shape (1, 4, 4) as in training, got (1, 3, 4)",
    ),
    "preprocessing.py TokenIds.fit #1": (
        lambda: TokenIds().fit(["", "..."]),
        "X must have words, got none in any text",
    ),
    "preprocessing.py _check_texts #1": (lambda: TokenIds().fit([]), "at least one text, got none"),
    "preprocessing.py _check_texts #2": (
        lambda: TokenIds().fit(["a", np.nan]),
        "got nan in row 1; fill missing texts with ''",
    ),
    "preprocessing.py _column_kinds #1": (
        lambda: preprocessor([[1.0]]),
        "X must be a data frame, got list",
    ),
    "preprocessing.py _column_kinds #2": (
        lambda: preprocessor(pd.DataFrame({"day": pd.to_datetime(["2024-01-01"])})),
        "got ['day']; turn dates into numbers and drop the rest",
    ),
    "preprocessing.py _images #1": (
        lambda: ScaledImages().fit(IMAGES[:, 0]),
        "got shape (2, 4, 4); reshape them, for grey images e.g. X[:, None]",
    ),
    "preprocessing.py _images #2": (
        lambda: ScaledImages().fit(IMAGES / 255),
        "images of uint8, got float64",
    ),
    "preprocessing.py _only_column #1": (
        lambda: TokenIds().fit(lazy_texts()),
        "got a LazyFrame; collect it first",
    ),
    "preprocessing.py _only_column #2": (
        lambda: TokenIds().fit(pd.DataFrame({"title": ["a"], "text": ["b"]})),
        "got a frame of 'title', 'text'; choose the column, e.g. X['title']",
    ),
    "preprocessing.py _texts #1": (
        lambda: TokenIds().fit("one text"),
        "got str; give a list of str, even for one text",
    ),
}
