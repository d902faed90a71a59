"""The class `Dataset` with features, labels and source, and its construction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_labels
from holdfast.common.parameters import check_choice, check_share
from holdfast.datasets.images import Images
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "TrainTest"]


@dataclass(frozen=True)
class TrainTest:
    """Row numbers of a training part and a test part, which together are all rows.

    Attributes
    ----------
    train : ndarray of int
        Row numbers of the training part, ascending.
    test : ndarray of int
        Row numbers of the test part, ascending.
    """

    train: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True)
class Dataset:
    """A data set for classification: a table or images, with labels.

    Every column of a table is in one of `numeric`, `categorical` and `text`. These are empty for
    images.

    Attributes
    ----------
    name : str
        Name of the data set.
    X : pandas.DataFrame of shape (n, d), or ndarray of uint8, shape (n, channels, height, width)
        The features. Values of a table may be missing. Images have their channels first, as in
        PyTorch; `preprocessing.ScaledImages` makes them real numbers.
    y : ndarray of shape (n,)
        The labels, of two classes or more, without missing values.
    target : str
        Name of the label's column.
    numeric : tuple of str
        Numeric columns of X.
    categorical : tuple of str
        Categorical columns of X.
    split : ndarray of shape (n,) or None
        "train" or "test" for each row if the data set has a standard split.
    source : str
        Place from which the rows came.
    sha256 : str
        SHA-256 of the file that holds the data, or of the hashes of several files. Without a file
        it is the `content_hash` of the table, or the hash of pixels and labels.
    text : tuple of str
        Columns of X with free text; `preprocessing.TokenIds` takes one of them.
    """

    name: str
    X: Any  # a data frame or an array; whoever loads a data set knows which
    y: NDArray[Any]
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    split: NDArray[Any] | None
    source: str
    sha256: str
    text: tuple[str, ...] = ()

    def train_test(self, *, test_size: float = 1 / 3, random_state: int = 0) -> TrainTest:
        """Return the standard split, or a random one if there is none.

        Parameters
        ----------
        test_size : float
            Share of test rows in a random split, in (0, 1).
        random_state : int
            Seed of a random split.

        Raises
        ------
        InvalidInputError
            When `test_size` is outside (0, 1) or leaves one part without rows.

        Examples
        --------
        >>> from holdfast.datasets import load
        >>> parts = load("iris").train_test()
        >>> len(parts.train), len(parts.test)
        (100, 50)
        """
        check_share("test_size", test_size, open_ends=True)
        if self.split is not None:
            return TrainTest(
                np.flatnonzero(self.split != "test"), np.flatnonzero(self.split == "test")
            )
        n_test = round(len(self.y) * test_size)
        if not 0 < n_test < len(self.y):
            raise InvalidInputError(
                f"test_size must leave rows in both parts, got {test_size:g} of "
                f"{len(self.y)} rows; choose another share"
            )
        order = np.random.default_rng(random_state).permutation(len(self.y))
        return TrainTest(np.sort(order[n_test:]), np.sort(order[:n_test]))


def table_dataset(
    name: str,
    frame: pd.DataFrame,
    target: str,
    *,
    source: str,
    sha256: str,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    text: Sequence[str] = (),
    split: NDArray[Any] | None = None,
) -> Dataset:
    """Return the data set of a table.

    Parameters
    ----------
    name : str
        Name of the data set.
    frame : pandas.DataFrame
        Features and labels.
    target : str
        Name of the label's column.
    source : str
        Place from which the rows came.
    sha256 : str
        Hash of the data.
    drop : sequence of str
        Columns that are not features. Case, spaces and signs in these names do not matter.
    categorical : sequence of str
        Columns that are categorical even if they hold numbers.
    text : sequence of str
        Columns of free text.
    split : ndarray of shape (n,), optional
        "train" or "test" for each row.
    """
    check_choice("target", target, [str(column) for column in frame.columns])
    y = _target(name, frame[target])
    dropped = {_bare(column) for column in drop} - {_bare(target)}
    X = frame[[c for c in frame.columns if c != target and _bare(c) not in dropped]]
    if not X.shape[1]:
        raise InvalidInputError(f"{name} must have features, got only {target!r}; add columns")
    for column in text:
        check_choice("text", column, [str(c) for c in X.columns])
    numeric = [c for c in X.columns if is_number(X[c]) and c not in {*categorical, *text}]
    return Dataset(
        name=name,
        X=X,
        y=y,
        target=target,
        numeric=tuple(numeric),
        categorical=tuple(c for c in X.columns if c not in {*numeric, *text}),
        split=split,
        source=source,
        sha256=sha256,
        text=tuple(c for c in X.columns if c in text),
    )


def image_dataset(
    name: str,
    images: Images,
    target: str | None,
    text: Sequence[str],
    *,
    source: str,
    sha256: str,
    label: str = "target",
) -> Dataset:
    """Return the data set of images.

    Parameters
    ----------
    name : str
        Name of the data set.
    images : Images
        Images, labels and split.
    target : str or None
        Name of the label that the caller asks for; anything but `label` is refused.
    text : sequence of str
        Columns of free text that the caller asks for; images have none, so any is refused.
    source : str
        Place from which the images came.
    sha256 : str
        Hash of the data.
    label : str
        Name of the label that the images have.
    """
    return Dataset(
        name=name,
        X=images.X,
        y=_target(name, images.y),
        target=image_target(target, text, label),
        numeric=(),
        categorical=(),
        split=images.split,
        source=source,
        sha256=sha256,
    )


def image_target(target: str | None, text: Sequence[str], label: str = "target") -> str:
    """Return the name of the images' label; raise for any other target, and for text columns."""
    if text:
        got = ", ".join(map(repr, text))
        raise InvalidInputError(f"text must be left out for images, got {got}; drop it")
    return check_choice("target", target or label, [label])


def _bare(column: str) -> str:
    """Return a name without case, spaces and signs, in which the sources of a data set differ."""
    return re.sub(r"[\W_]", "", column.casefold())


def _target(name: str, column: pd.Series | NDArray[Any]) -> NDArray[Any]:
    y = check_labels(f"target of {name}", column)
    y = y.astype(str) if y.dtype.kind == "O" else y
    classes = np.unique(y)
    if len(classes) < 2:
        raise InvalidInputError(
            f"target of {name} must have two classes or more, got only {classes.tolist()[0]!r}; "
            "choose another column with target="
        )
    return y


def is_number(column: pd.Series) -> bool:
    """Return whether a column holds numbers; booleans are not numbers."""
    from pandas.api import types

    return types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
