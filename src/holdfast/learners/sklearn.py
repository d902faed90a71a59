"""Soft targets for scikit-learn classifiers, by weighted rows.

A row with target (t_1 … t_K) becomes K rows with the labels 1 … K and the weights t_1 … t_K. For a
classifier that minimises a weighted sum of losses over rows this *is* training on the soft target.
The module takes care of what would break the equality, or refuses:

- Transformers of a pipeline are fitted on the original rows, once; only the last step sees twins.
- Hyperparameters that count rows (`min_samples_leaf`, `min_child_samples`, `batch_size`, …) are
  multiplied by the number of twins during the fit, with one twin for every class of every row.
- Forests and bagging draw twins in proportion to their weights, which draws a row and then a label
  from its target: they draw as often as there are rows, and their row counts stay as they are.
- ``class_weight="balanced"`` is worked out on the original labels.
- Early stopping of histogram gradient boosting splits the original rows before the twins are made.
  Every other internal split (cross-validation, out-of-bag scores, early stopping elsewhere) would
  put twins of one row on both sides, and is refused.

What stays approximate: stochastic solvers see twins in different batches, and scikit-learn before
1.9 draws the rows of a forest first and weighs them afterwards; both are right in expectation.
CatBoost works out a learning rate from the number of rows where none is given, twins included.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn import __version__ as sklearn_version
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_random_state, indexable
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import has_fit_parameter

from holdfast.common.arrays import check_choice
from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import proba_of
from holdfast.learners.interface import (
    Fit,
    Job,
    TrainingRows,
    final_of,
    fit_head,
    member_seeds,
    requests_weights,
    seeds_of,
    temporary_parameters,
)
from holdfast.methods.method import Method

__all__ = ["SklearnLearner", "fit_plain"]

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
)
HOLDING_OUT = ("oob_score", "probability", "eval_fraction")
SOFT_TARGETS = ("weights", "sample")
HIST_EARLY_STOPPING_ROWS = 10_000  # scikit-learn's meaning of early_stopping="auto"
MLP_AUTO_BATCH = 200  # scikit-learn's meaning of batch_size="auto"
# Of a twin whose class has no part in the target. It must be there, since some learners count rows
# of positive weight only, and must not matter: a sum never notices it.
NO_WEIGHT = 1e-100
DRAWS_BY_WEIGHT = parse_version(sklearn_version) >= parse_version("1.9.dev0")


@dataclass(frozen=True)
class SklearnLearner:
    """Fits clones of one scikit-learn classifier to soft targets.

    Parameters
    ----------
    estimator : estimator
        A classifier or a `Pipeline` that ends in one; never changed.
    soft_targets : {"weights", "sample"}
        "weights": exact, by weighted rows; needs `sample_weight` in ``fit``. "sample": each row
        gets one label drawn from its target, for estimators without `sample_weight` or with
        internal splits; right in expectation, noisier.
    random_state : int or None
        Of the drawn labels.
    """

    estimator: Any
    soft_targets: str = "weights"
    random_state: int | None = None

    @property
    def at_once(self) -> bool:
        """Whether many models take hardly longer than one."""
        return False

    @property
    def in_rounds(self) -> bool:
        """Whether models grow by rounds whose number the user alone has chosen."""
        return False

    @property
    def auto(self) -> tuple[str, ...]:
        """Names of the methods that suit every estimator."""
        return ("distill",)

    def for_methods(self, methods: Sequence[Method]) -> SklearnLearner:
        """Return the learner that trains these, or raise UnsupportedEstimatorError."""
        check_choice("soft_targets", self.soft_targets, SOFT_TARGETS)
        for method in methods:
            self._check_method(method)
        if any("target" in method.changes for method in methods):
            self._check_targets()
        return self

    def _check_method(self, method: Method) -> None:
        more = sorted(method.changes - {"target"})
        if more:
            raise UnsupportedEstimatorError(
                f"method must change nothing but targets for {type(self.estimator).__name__}, got "
                f"{method}, which changes the {' and the '.join(more)}; use a network "
                "(holdfast.nn.NetworkClassifier), or a method such as 'distill'"
            )
        if method.members > 1 and not seeds_of(final_of(self.estimator)):
            raise UnsupportedEstimatorError(
                f"estimator must have a random_state to be one of {method.members} members, got "
                f"{type(final_of(self.estimator)).__name__}, whose fits are all alike; use another "
                "estimator or method"
            )

    def _check_targets(self) -> None:
        final = final_of(self.estimator)
        if self.soft_targets == "sample":
            return
        if not _accepts_weights(final):
            raise UnsupportedEstimatorError(
                f"estimator must take sample_weight in fit to learn soft targets, got "
                f"{type(final).__name__}, which does not; set soft_targets='sample' to draw one "
                "label a row from the targets instead"
            )
        reason = _splits_rows(final)
        if reason:
            raise UnsupportedEstimatorError(
                "estimator must not split or count the training rows itself, got "
                f"{type(final).__name__} with {reason}: soft targets repeat each row once a class, "
                "and the copies would end up on both sides, or be counted as rows; switch that "
                "off, put it around the whole model, or set soft_targets='sample'"
            )

    def prepare(
        self,
        X: Any,
        y: NDArray[np.intp],
        classes: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
    ) -> TrainingRows:
        """Fit the transformers of a pipeline, once for every target to come."""
        head, transformed = fit_head(clone(self.estimator), X, classes[y], sample_weight)
        (transformed,) = indexable(transformed)  # not every sparse format can be indexed
        return TrainingRows(head, transformed, y, classes, sample_weight)

    def fit_all(
        self,
        rows: TrainingRows,
        jobs: Sequence[Job],
        base_proba: NDArray[np.float64],
        X_selection: Any,
        *,
        n_jobs: int | None,
        verbose: int,
    ) -> list[Fit]:
        """Fit the last step for every job, in parallel under joblib's back end."""
        distinct = list(dict.fromkeys((job.method.trained, job.member) for job in jobs))
        fitted = Parallel(n_jobs=n_jobs, verbose=verbose)(
            delayed(self._fit_one)(rows, method, member, base_proba, X_selection)
            for method, member in distinct
        )
        by_training = dict(zip(distinct, fitted, strict=True))
        return [by_training[job.method.trained, job.member] for job in jobs]

    def _fit_one(
        self,
        rows: TrainingRows,
        method: Method,
        member: int,
        base_proba: NDArray[np.float64],
        X_selection: Any,
    ) -> Fit:
        start = time.perf_counter()
        target = None
        if "target" in method.changes:
            target = method.target(rows.y, base_proba, np.arange(len(rows.classes)))
        final = self.fit(rows, target, member)
        seconds = time.perf_counter() - start
        proba = None if X_selection is None else proba_of(final, X_selection, rows.classes)
        return Fit(final, proba, seconds)

    def fit(self, rows: TrainingRows, target: NDArray[np.float64] | None, member: int = 0) -> Any:
        """Return a fitted clone of the last step, for `join`.

        Parameters
        ----------
        rows : TrainingRows
        target : ndarray of shape (n, K) or None
            Soft targets; None, like targets that are the labels themselves, is a plain fit.
        member : int
            Of an ensemble; those after the first have seeds of their own.
        """
        final = clone(final_of(self.estimator))
        if member:
            final.set_params(**member_seeds(final, member))
        if target is None or _is_plain(target, rows.y):
            _fit_final(final, rows.X, rows.labels, rows.sample_weight)
        elif self.soft_targets == "sample":
            self._fit_sampled(final, rows, target)
        else:
            _fit_weighted(final, rows, target)
        return final

    def _fit_sampled(self, final: Any, rows: TrainingRows, target: NDArray[np.float64]) -> None:
        """Draw one label a row; the same draws for every target, so that paths are smooth."""
        mass = target.sum(axis=1)
        draw = np.random.default_rng(self.random_state).random(len(target)) * mass
        # The row's own label comes first, so that small λ change few labels.
        column = _rotated_classes(rows.y, target.shape[1])
        cumulative = np.take_along_axis(target, column, axis=1).cumsum(axis=1)
        position = (draw[:, None] >= cumulative).sum(axis=1)
        position[position == target.shape[1]] = 0  # no mass: whatever label, without weight
        drawn = np.take_along_axis(column, position[:, None], axis=1)[:, 0]
        weight = rows.sample_weight
        if not np.allclose(mass, 1):
            weight = mass if weight is None else mass * weight
            if not _accepts_weights(final):
                raise UnsupportedEstimatorError(
                    "estimator must take sample_weight in fit for targets whose rows do not sum "
                    f"to 1, got {type(final).__name__}; use another method (e.g. Anchor with eta=1)"
                )
        _fit_final(final, rows.X, rows.classes[drawn], weight)


def fit_plain(
    estimator: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[np.float64] | None
) -> Any:
    """Fit `estimator` in place and return it; weights reach the last step of a pipeline.

    Parameters
    ----------
    estimator : estimator
        A fresh clone.
    X : array-like of shape (n, d)
    y : ndarray of shape (n,)
    sample_weight : ndarray of shape (n,) or None
    """
    if sample_weight is None:
        return estimator.fit(X, y)
    head, transformed = fit_head(estimator, X, y, sample_weight)
    _fit_final(final_of(estimator), transformed, y, sample_weight)
    if head is not None:
        estimator.steps = [*head.steps, estimator.steps[-1]]
    return estimator


# --- weighted rows --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Twins:
    """Repeated rows: positions of the originals, their labels (positions) and weights."""

    row: NDArray[np.intp]
    label: NDArray[np.intp]
    weight: NDArray[np.float64]


def _rotated_classes(y: NDArray[np.intp], n_classes: int) -> NDArray[np.intp]:
    """Return, per row, all classes starting with the row's own, shape (n, K)."""
    return (y[:, None] + np.arange(n_classes)) % n_classes


def _twins(
    rows: NDArray[np.intp],
    data: TrainingRows,
    target: NDArray[np.float64],
    *,
    keep_all: bool,
) -> _Twins:
    """Repeat `rows` once a class, the own labels first and in the original order."""
    n_classes = target.shape[1]
    row = np.tile(rows, n_classes)
    label = _rotated_classes(data.y[rows], n_classes).T.ravel()
    weight = target[row, label]
    if keep_all:
        # A row whose whole target is without mass has no weight, as a plain fit's row of weight 0.
        weight = np.where(target.sum(axis=1)[row] > 0, weight.clip(min=NO_WEIGHT), 0.0)
    if data.sample_weight is not None:
        weight = weight * data.sample_weight[row]
    kept = slice(None) if keep_all else weight > 0
    return _Twins(row[kept], label[kept], weight[kept])


def _fit_weighted(final: Any, data: TrainingRows, target: NDArray[np.float64]) -> None:
    n, n_classes = target.shape
    changed = _scaled_parameters(final, n, n_classes)
    train, validation = np.arange(n), None
    if isinstance(final, HistGradientBoostingClassifier):
        train, validation = _early_stopping_split(final, data)
        changed["early_stopping"] = validation is not None
    by_class = np.ones(n_classes)
    if _is_balanced(getattr(final, "class_weight", None)):
        by_class, changed["class_weight"] = _balanced_weights(final, data), None
    twins = _twins(train, data, target, keep_all=_counts_rows(final) or bool(changed))
    held_out = {}
    if validation is not None:
        held_out = _validation_twins(final, validation, data, target, by_class)
    with temporary_parameters(final, changed):
        _fit_final(
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
    """Return the arguments of `fit` that hold the early-stopping rows."""
    held_out = _twins(validation, data, target, keep_all=False)
    weight = held_out.weight * by_class[held_out.label]
    if isinstance(final.class_weight, dict):
        # Its own split takes rows that are weighted by class already; rows given to it are not.
        weight *= compute_sample_weight(final.class_weight, held_out.label)
    return {
        "X_val": _safe_indexing(data.X, held_out.row),
        "y_val": data.classes[held_out.label],
        "sample_weight_val": weight,
    }


def _scaled_parameters(final: Any, n: int, n_classes: int) -> dict[str, Any]:
    """Return the hyperparameters that count rows, as they are right for twins."""
    parameters = final.get_params(deep=True)
    drawing = _drawing_parts(final, parameters) if DRAWS_BY_WEIGHT else []
    # Each draw is one row with one label: as many draws as rows, and counts that stay.
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
    """Whether some hyperparameter counts rows, be it as a share of them."""
    names = (key.rpartition("__")[2] for key in final.get_params(deep=True))
    return any(name in ROW_COUNTING for name in names)


def _drawing_parts(final: Any, parameters: dict[str, Any]) -> list[str]:
    """Return the prefixes of the hyperparameters of forests and bagging that draw rows."""
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


def _is_balanced(class_weight: Any) -> bool:
    return isinstance(class_weight, str) and class_weight == "balanced"


def _early_stopping_split(
    final: HistGradientBoostingClassifier, data: TrainingRows
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Split the original rows as the classifier itself would, seed included."""
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


def _fit_final(
    final: Any, X: Any, y: NDArray[Any], weight: NDArray[np.float64] | None, **extra: Any
) -> None:
    if weight is None:
        final.fit(X, y, **extra)
    elif has_fit_parameter(final, "sample_weight"):
        final.fit(X, y, sample_weight=weight, **extra)
    elif _accepts_weights(final):
        with config_context(enable_metadata_routing=True):
            final.fit(X, y, sample_weight=weight, **extra)
    else:
        raise UnsupportedEstimatorError(
            f"estimator must take sample_weight in fit when sample_weight is given, got "
            f"{type(final).__name__}; leave sample_weight out or use another estimator"
        )


def _is_plain(target: NDArray[np.float64], y: NDArray[np.intp]) -> bool:
    own = np.take_along_axis(target, y[:, None], axis=1)
    return bool((own == 1).all() and np.count_nonzero(target) == len(y))


# --- what an estimator can do ---------------------------------------------------------------------


def _accepts_weights(final: Any) -> bool:
    return has_fit_parameter(final, "sample_weight") or requests_weights(final)


def _splits_rows(final: Any) -> str:
    """Name the hyperparameter that twins would break, "" if none."""
    parameters = final.get_params(deep=True)
    for key, value in parameters.items():
        name = key.rpartition("__")[2]
        stopping = key.removesuffix(name) + "early_stopping"
        handled = isinstance(final, HistGradientBoostingClassifier) and key == "early_stopping"
        splits = (
            (name == "cv" and value != "prefit")
            or (name == "early_stopping" and value is not False and not handled)
            or (name == "n_iter_no_change" and value is not None and stopping not in parameters)
            or (name in HOLDING_OUT and bool(value) and value != "deprecated")
            or (name == "class_weight" and isinstance(value, str) and "subsample" in value)
            # A part may see other labels, or fewer, than those the weights would be worked out for.
            or (name == "class_weight" and name != key and _is_balanced(value))
        )
        if splits:
            return f"{key}={value!r}"
    return ""
