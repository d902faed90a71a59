"""The rows of `holdfast train`: read, checked, and parted into training and test rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.checks import check_columns
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from holdfast.datasets.dataset import Dataset
    from holdfast.models.card import LoadedModel
    from holdfast.models.columns import Unseen

__all__ = ["Parts", "TrainingTable", "part", "split_rows", "traffic_of", "training_table"]


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """The data, the weights of rows, and a mask of those that the base model was trained on.

    `unseen` has the values of features that the base model was not trained on.
    """

    data: Dataset
    X: pd.DataFrame
    y: NDArray[Any]
    seen: NDArray[Any] | None
    weight: NDArray[Any] | None
    unseen: dict[str, Unseen]


@dataclass(frozen=True, eq=False)
class Parts:
    """Positions of the rows that train, and of those that test."""

    train: NDArray[Any]
    test: NDArray[Any]


def part(values: NDArray[Any] | None, index: NDArray[Any]) -> NDArray[Any] | None:
    """Return some of the values, None where there are none."""
    return None if values is None else values[index]


def training_table(
    data: str,
    target: str | None,
    drop: list[str],
    seen: str | None,
    weight: str | None,
    base: LoadedModel | None = None,
) -> TrainingTable:
    """Read the rows, and take apart features, marks and weights.

    The features have the types that the base model was trained on, as far as its card knows them.
    """
    from holdfast.common.arrays import check_weights
    from holdfast.datasets.loading import load

    loaded = load(data, target=target)
    if loaded.text or not (loaded.numeric or loaded.categorical):
        raise InvalidInputError(
            f"DATA must be a table of numbers and categories, got {loaded.name!r}, which holds "
            f"{'text' if loaded.text else 'images'}; train on it in Python, with "
            "holdfast.nn.NetworkClassifier"
        )
    named = list(dict.fromkeys([*drop, *filter(None, (seen, weight))]))
    check_columns(named, loaded.X)
    marks = None
    if seen is not None:
        marks = loaded.X[seen].to_numpy()
        if marks.dtype.kind != "b":
            raise InvalidInputError(
                f"--seen must name a column of true and false, got {seen!r} of type {marks.dtype}; "
                "mark the rows that the base model was trained on"
            )
    features, unseen = _features(loaded.X.drop(columns=named), data, loaded, base)
    weights = None
    if weight is not None:
        weights = check_weights(f"--weight {weight}", loaded.X[weight], len(loaded.y))
    return TrainingTable(loaded, features, loaded.y, marks, weights, unseen)


def _features(
    X: pd.DataFrame, data: str, loaded: Dataset, base: LoadedModel | None
) -> tuple[pd.DataFrame, dict[str, Unseen]]:
    """Return the features in the base model's types, and the values that are new to it."""
    from holdfast.models.columns import KEY, checked_rows, refuse_dates
    from holdfast.tables.reading import read_as_text

    path, known = Path(data), {} if base is None else base.card.get(KEY, {})
    as_text = partial(read_as_text, path) if loaded.source == str(path) else None
    rows = checked_rows(X, known, model="the base model", as_text=as_text)
    refuse_dates(rows.X)
    return rows.X, rows.unseen


def traffic_of(path: Path | None, rows: TrainingTable) -> pd.DataFrame | None:
    """Return the features of the rows without labels, in the types of the others."""
    from holdfast.models.columns import checked_rows, columns_of
    from holdfast.tables.reading import read_as_text, read_table

    if path is None:
        return None
    table = read_table(path)
    features = list(rows.X.columns)
    check_columns(features, table)
    as_text = partial(read_as_text, path)
    types = columns_of(rows.X)
    return checked_rows(table[features], types, model="the new model", as_text=as_text).X


def split_rows(rows: TrainingTable, test_fraction: float, seed: int) -> Parts:
    """Hold out test rows, from the rows that the base model has not seen."""
    import numpy as np

    from holdfast.common.parameters import check_share
    from holdfast.update.rows import held_out_rows

    check_share("--test-fraction", test_fraction, high=0.9)
    n = len(rows.y)
    if not test_fraction:
        return Parts(np.arange(n), np.arange(0))
    _, codes = np.unique(rows.y, return_inverse=True)
    return Parts(*held_out_rows(n, test_fraction, seed, rows.seen, stratify=codes))
