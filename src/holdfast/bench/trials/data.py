"""Data sets by name or by file, made ready for a kind of model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.parameters import first_line
from holdfast.exceptions import InvalidInputError
from holdfast.tables.paths import TABLE_SUFFIXES

if TYPE_CHECKING:
    from holdfast.datasets.dataset import Dataset

__all__ = ["KEPT", "BenchData", "Source", "data_of", "read"]

HASH_LENGTH = 16
KEPT = 4  # data sets in memory
LONGEST_FIRST = sorted(TABLE_SUFFIXES, key=len, reverse=True)
FITTING = {"images": "convnet or resnet", "table": "fcn or a booster", "texts": "transformer"}
# The encodings that each kind of data can have.
ENCODINGS = {
    "images": ("images", "numbers"),
    "table": ("numbers", "trees"),
    "texts": ("tokens",),
}


@dataclass(frozen=True, order=True)
class Source:
    """Where a data set comes from.

    Attributes
    ----------
    name : str
        A name or the path of a file, as `datasets.load` takes it.
    target : str or None
        Column of the label, if it is not the usual one.
    """

    name: str
    target: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is a file rather than a name."""
        return self.name.lower().endswith(TABLE_SUFFIXES)

    @property
    def stem(self) -> str:
        """The name; for a file, without folder and suffix."""
        if not self.is_file:
            return self.name
        name = Path(self.name).name
        suffix = next((s for s in LONGEST_FIRST if name.lower().endswith(s)), "")
        return name[: len(name) - len(suffix)]

    @property
    def label(self) -> str:
        """The name of the data set in results, which includes a target that was asked for."""
        return self.stem if self.target is None else f"{self.stem}:{self.target}"


@dataclass(frozen=True, eq=False)
class BenchData:
    """A data set whose labels are positions among the classes, and whose parts are fixed.

    Attributes
    ----------
    name : str
    kind : {"table", "images", "texts"}
    X : data frame of n rows, or ndarray of uint8, shape (n, channels, height, width)
    y : ndarray of shape (n,)
        Positions of the labels among `classes`.
    classes : ndarray of shape (K,)
    train, test : ndarray of int
        The standard split, or else a fixed one of 2:1.
    sha : str
        Short hash of the data.
    """

    name: str
    kind: str
    X: Any
    y: NDArray[np.intp]
    classes: NDArray[Any]
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    sha: str

    def check_encoding(self, encoding: str) -> None:
        """Raise InvalidInputError unless the data can have this encoding."""
        if encoding not in ENCODINGS[self.kind]:
            kind = {"table": "a table", "images": "images", "texts": "texts"}[self.kind]
            raise InvalidInputError(
                f"--network must suit {self.name}, which is {kind}, got one that takes {encoding}; "
                f"choose {FITTING[self.kind]}"
            )

    def ready(self, encoding: str, fitted_on: NDArray[np.intp], rows: NDArray[np.intp]) -> Any:
        """Return some rows as numbers, in an encoding that is fitted on other rows.

        Parameters
        ----------
        encoding : {"numbers", "images", "tokens", "trees"}
        fitted_on : ndarray of int
            Rows from which means, categories and words are taken.
        rows : ndarray of int
            Rows to return.
        """
        self.check_encoding(encoding)
        if self.kind == "images":
            fitted_on = fitted_on[:1]  # only the shape of images is learned
        try:
            encoder = self._encoder(encoding).fit(self._take(fitted_on))
            found = encoder.transform(self._take(rows))
        except ValueError as error:
            raise InvalidInputError(
                f"{self.name} must have numbers and categories that can be encoded, got"
                f"{self._infinite() or f': {first_line(error)}'}; correct those columns, or leave "
                "them out"
            ) from error
        found = found.toarray() if hasattr(found, "toarray") else found
        return found.astype(np.float32) if encoding == "numbers" else found

    def _encoder(self, encoding: str) -> Any:
        from holdfast.preprocessing import ScaledImages, TokenIds, preprocessor

        if self.kind == "images":
            return ScaledImages()
        if self.kind == "texts":
            return TokenIds()
        return preprocessor(self.X, kind="trees" if encoding == "trees" else "linear")

    def _infinite(self) -> str:
        """Return a text that names the columns with infinite values; encoders name none."""
        if self.kind != "table":
            return ""
        numbers = self.X.select_dtypes("number")
        found = numbers.columns[np.isinf(numbers.to_numpy(np.float64, na_value=0.0)).any(axis=0)]
        return f" infinite values in {', '.join(map(repr, found))}" if len(found) else ""

    def _take(self, rows: NDArray[np.intp]) -> Any:
        return self.X[rows] if self.kind == "images" else self.X.iloc[rows]


def data_of(dataset: Dataset, name: str) -> BenchData:
    """Return a loaded data set in the form that trials use.

    Parameters
    ----------
    dataset : Dataset
    name : str
        Its name in results.
    """
    kind = "images" if isinstance(dataset.X, np.ndarray) else "texts" if dataset.text else "table"
    X = dataset.X
    if kind == "texts":
        if len(dataset.text) > 1 or dataset.numeric or dataset.categorical:
            raise InvalidInputError(
                f"{name} must have one column of text and no other, got "
                f"{', '.join(map(str, X.columns))}; drop the others"
            )
        X = X[list(dataset.text)]
    classes, y = np.unique(dataset.y, return_inverse=True)
    parts = dataset.train_test()
    sha = dataset.sha256[:HASH_LENGTH]
    return BenchData(name, kind, X, y, classes, parts.train, parts.test, sha)


@lru_cache(maxsize=KEPT)
def read(source: Source) -> BenchData:
    """Read a data set by its name or from its file; the latest few stay in memory."""
    from holdfast.datasets.loading import load

    return data_of(load(source.name, target=source.target), source.label)
