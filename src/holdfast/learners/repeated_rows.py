"""Fits to weighted rows: each row is there once for every class, as its twins."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import __version__ as sklearn_version
from sklearn import config_context
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import has_fit_parameter

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import requests_weights, temporary_parameters
from holdfast.learners.interface import TrainingRows

__all__ = ["accepts_weights", "fit_final", "fit_weighted", "is_balanced", "rotated_classes"]

ROW_COUNTING = (
    "min_samples_leaf",
    "min_samples_split",
    "min_child_samples",
    "min_data_in_leaf",
    "min_data_in_bin",
    "min_data_per_group",
    "subsample_for_bin",
    "max_samples",
    "batch_size",
    "average",
)
HIST_EARLY_STOPPING_ROWS = 10_000  # scikit-learn's meaning of early_stopping="auto"
MLP_AUTO_BATCH = 200  # scikit-learn's meaning of batch_size="auto"
DRAWS_BY_WEIGHT = parse_version(sklearn_version) >= parse_version("1.9.dev0")
# The weight of a twin whose class has no part in the target. Some learners count rows of positive
# weight only, so the twin must have some; it is too small to change any sum.
NO_WEIGHT = 1e-100


@dataclass(frozen=True)
class _Twins:
    """Repeated rows: positions of the original rows, labels as positions, weights."""

    row: NDArray[np.intp]
    label: NDArray[np.intp]
    weight: NDArray[np.float64]


def rotated_classes(y: NDArray[np.intp], n_classes: int) -> NDArray[np.intp]:
    """Return, per row, all classes starting with the row's own, shape (n, K)."""
    return (y[:, None] + np.arange(n_classes)) % n_classes


def _twins(
    rows: NDArray[np.intp],
    data: TrainingRows,
    target: NDArray[np.float64],
    *,
    keep_all: bool,
) -> _Twins:
    """Repeat `rows` once for each class; their own labels come first, in the original order."""
    n_classes = target.shape[1]
    row = np.tile(rows, n_classes)
    label = rotated_classes(data.y[rows], n_classes).T.ravel()
    weight = target[row, label]
    if keep_all:
        # A row whose target has no mass at all weighs 0, as a row of weight 0 in a plain fit.
        weight = np.where(target.sum(axis=1)[row] > 0, weight.clip(min=NO_WEIGHT), 0.0)
    if data.sample_weight is not None:
        weight = weight * data.sample_weight[row]
    kept = slice(None) if keep_all else weight > 0
    return _Twins(row[kept], label[kept], weight[kept])


def fit_weighted(final: Any, data: TrainingRows, target: NDArray[np.float64]) -> None:
    """Fit a classifier to soft targets, each row repeated once for every class."""
    n, n_classes = target.shape
    changed = _scaled_parameters(final, n, n_classes)
    train, validation = np.arange(n), None
    if isinstance(final, HistGradientBoostingClassifier):
        train, validation = _early_stopping_split(final, data)
        changed["early_stopping"] = validation is not None
    by_class = np.ones(n_classes)
    if is_balanced(getattr(final, "class_weight", None)):
        by_class, changed["class_weight"] = _balanced_weights(final, data), None
    twins = _twins(train, data, target, keep_all=_counts_rows(final) or bool(changed))
    held_out = {}
    if validation is not None:
        held_out = _validation_twins(final, validation, data, target, by_class)
    with temporary_parameters(final, changed):
        fit_final(
            final,
            _safe_indexing(data.X, twins.row),
            data.classes[twins.label],
            twins.weight * by_class[twins.label],
            **held_out,
        )


def _validation_twins(
    final: HistGradientBoostingClassifier,
    validation: NDArray[np.intp],
    data: TrainingRows,
    target: NDArray[np.float64],
    by_class: NDArray[np.float64],
) -> dict[str, Any]:
    """Return the arguments of `fit` for the rows of early stopping."""
    held_out = _twins(validation, data, target, keep_all=False)
    weight = held_out.weight * by_class[held_out.label]
    if isinstance(final.class_weight, dict):
        # The classifier weighs the rows of its own split by class, but not rows that it is given.
        weight *= compute_sample_weight(final.class_weight, held_out.label)
    return {
        "X_val": _safe_indexing(data.X, held_out.row),
        "y_val": data.classes[held_out.label],
        "sample_weight_val": weight,
    }


def _scaled_parameters(final: Any, n: int, n_classes: int) -> dict[str, Any]:
    """Return the hyperparameters that count rows, with the values that are right for twins."""
    parameters = final.get_params(deep=True)
    drawing = _drawing_parts(final, parameters) if DRAWS_BY_WEIGHT else []
    # A draw is one row with one label. As many are drawn as there are rows, and counts stay.
    changed = {f"{part}max_samples": n for part in drawing}
    changed = {key: n for key, n in changed.items() if parameters[key] is None}
    for key, value in parameters.items():
        name = key.rpartition("__")[2]
        if any(key.startswith(part) for part in drawing):
            continue
        if name == "batch_size" and value == "auto":
            changed[key] = min(MLP_AUTO_BATCH, n) * n_classes
        elif name in ROW_COUNTING and isinstance(value, (int, np.integer)) and value > 1:
            changed[key] = int(value) * n_classes
    return changed


def _counts_rows(final: Any) -> bool:
    """Whether some hyperparameter counts rows, in numbers or as a share."""
    names = (key.rpartition("__")[2] for key in final.get_params(deep=True))
    return any(name in ROW_COUNTING for name in names)


def _drawing_parts(final: Any, parameters: dict[str, Any]) -> list[str]:
    """Return the prefixes of hyperparameters that belong to a forest or bagging that draws rows."""
    parts = {"": final} | {f"{key}__": value for key, value in parameters.items()}
    return [
        prefix
        for prefix, part in parts.items()
        if isinstance(part, (ForestClassifier, BaggingClassifier)) and part.bootstrap
    ]


def _balanced_weights(final: Any, data: TrainingRows) -> NDArray[np.float64]:
    """Return the class weights of class_weight="balanced" on the original labels, shape (K,)."""
    # Only logistic regression counts weighted rows when it balances.
    counted = data.sample_weight if isinstance(final, LogisticRegression) else None
    return compute_class_weight(
        "balanced", classes=data.classes, y=data.labels, sample_weight=counted
    )


def is_balanced(class_weight: Any) -> bool:
    """Whether classes are to be weighted by the inverse of their frequency."""
    return isinstance(class_weight, str) and class_weight == "balanced"


def _early_stopping_split(
    final: HistGradientBoostingClassifier, data: TrainingRows
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Split the original rows as the classifier itself would, with the same seed."""
    n = len(data.y)
    stops = final.early_stopping
    if stops == "auto":
        stops = n > HIST_EARLY_STOPPING_ROWS
    everything = np.arange(n)
    if not stops or final.validation_fraction is None:
        return everything, None
    generator = check_random_state(deepcopy(final.random_state))  # its own draws come later
    seed = generator.randint(np.iinfo(np.uint32).max, dtype="u8")
    train, validation = train_test_split(
        everything,
        test_size=final.validation_fraction,
        stratify=data.y,
        random_state=int(seed),
    )
    return train, validation


def fit_final(
    final: Any, X: Any, y: NDArray[Any], weight: NDArray[np.float64] | None, **extra: Any
) -> None:
    """Fit the last step of an estimator, with weights where there are any."""
    if weight is None:
        final.fit(X, y, **extra)
    elif has_fit_parameter(final, "sample_weight"):
        final.fit(X, y, sample_weight=weight, **extra)
    elif accepts_weights(final):
        with config_context(enable_metadata_routing=True):
            final.fit(X, y, sample_weight=weight, **extra)
    else:
        raise UnsupportedEstimatorError(
            f"estimator must take sample_weight in fit when sample_weight is given, got "
            f"{type(final).__name__}; leave sample_weight out or use another estimator"
        )


def accepts_weights(final: Any) -> bool:
    """Whether `fit` takes sample_weight."""
    return has_fit_parameter(final, "sample_weight") or requests_weights(final)
