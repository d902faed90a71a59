"""The learner of scikit-learn classifiers: soft targets by weighted rows, or by drawn labels.

A row with target (t_1 … t_K) becomes K rows with the labels 1 … K and the weights t_1 … t_K, its
twins. For a classifier that minimises a weighted sum of losses over rows, this *is* training on the
soft target. What would break the equality is taken care of (here and in `repeated_rows`), or
refused:

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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils import indexable

from holdfast.common.parameters import check_choice
from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import (
    asking_for_weights,
    behind_transformers,
    final_of,
    fit_transform,
    fresh,
    member_seeds,
    parts_of,
    proba_of,
    seeds_of,
    transformers_of,
)
from holdfast.learners.interface import Fit, Job, TrainingRows
from holdfast.learners.repeated_rows import (
    accepts_weights,
    fit_final,
    fit_weighted,
    is_balanced,
    rotated_classes,
)
from holdfast.methods.method import Method

__all__ = ["SklearnLearner", "SklearnTrainer", "fit_plain"]

SOFT_TARGETS = ("weights", "sample")
HOLDING_OUT = ("oob_score", "probability", "eval_fraction")  # hold rows out where they are set


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
        Seed of the drawn labels.
    """

    estimator: Any
    soft_targets: str = "weights"
    random_state: int | None = None

    @classmethod
    def of(
        cls,
        estimator: Any,
        soft_targets: str,
        random_state: int | None,
        methods: Sequence[Method],
    ) -> SklearnLearner:
        """Return the learner that trains these methods, or raise UnsupportedEstimatorError."""
        check_choice("soft_targets", soft_targets, SOFT_TARGETS)
        for method in methods:
            _check_method(method, estimator)
        if soft_targets == "weights" and any("target" in method.changes for method in methods):
            _check_weighted_rows(final_of(estimator))
        return cls(estimator, soft_targets, random_state)

    @property
    def in_rounds(self) -> bool:
        """Whether models grow in rounds and the user alone has chosen how many."""
        return False

    def prepare(
        self, rows: TrainingRows, base_proba: NDArray[np.float64], X_selection: Any
    ) -> SklearnTrainer:
        """Fit the transformers of a pipeline, once for every target to come."""
        rows = behind_transformers(self.estimator, rows)
        (X,) = indexable(rows.X)  # not every sparse format can be indexed
        return SklearnTrainer(self, replace(rows, X=X), base_proba, rows.transform(X_selection))

    def fit_target(
        self, rows: TrainingRows, target: NDArray[np.float64] | None, member: int = 0
    ) -> Any:
        """Return a fitted clone of the last step, for `join`.

        Parameters
        ----------
        rows : TrainingRows
            As the last step sees them.
        target : ndarray of shape (n, K) or None
            Soft targets; None, like targets that are the labels themselves, is a plain fit.
        member : int
            Number among the members of an ensemble; those after the first have seeds of their own.
        """
        final = asking_for_weights(fresh(final_of(self.estimator)))
        if member:
            final.set_params(**member_seeds(final, member))
        if target is None or _is_plain(target, rows.y):
            fit_final(final, rows.X, rows.labels, rows.sample_weight)
        elif self.soft_targets == "sample":
            self._fit_sampled(final, rows, target)
        else:
            fit_weighted(final, rows, target)
        return final

    def _fit_sampled(self, final: Any, rows: TrainingRows, target: NDArray[np.float64]) -> None:
        """Draw one label a row; the same draws for every target, so that paths are smooth."""
        mass = target.sum(axis=1)
        draw = np.random.default_rng(self.random_state).random(len(target)) * mass
        # The row's own label comes first, so that small λ change few labels.
        column = rotated_classes(rows.y, target.shape[1])
        cumulative = np.take_along_axis(target, column, axis=1).cumsum(axis=1)
        position = (draw[:, None] >= cumulative).sum(axis=1)
        position[position == target.shape[1]] = 0  # no mass: any label, since it has no weight
        drawn = np.take_along_axis(column, position[:, None], axis=1)[:, 0]
        weight = rows.sample_weight
        if not np.allclose(mass, 1):
            weight = mass if weight is None else mass * weight
            if not accepts_weights(final):
                raise UnsupportedEstimatorError(
                    "estimator must take sample_weight in fit for targets whose rows do not sum "
                    f"to 1, got {type(final).__name__}; use another method (e.g. Anchor with eta=1)"
                )
        fit_final(final, rows.X, rows.classes[drawn], weight)


@dataclass(frozen=True, eq=False)
class SklearnTrainer:
    """Fits the last step of an estimator to the rows of one `prepare`, in parallel.

    Attributes
    ----------
    learner : SklearnLearner
    rows : TrainingRows
    base_proba : ndarray of shape (n, K)
    X_selection : array-like of shape (n_selection, d) or None
        The selection rows as the last step sees them.
    """

    learner: SklearnLearner
    rows: TrainingRows
    base_proba: NDArray[np.float64]
    X_selection: Any

    def fit(self, jobs: Sequence[Job], *, n_jobs: int | None, verbose: int) -> list[Fit]:
        """Fit the last step for every job, under joblib's back end."""
        distinct = list(dict.fromkeys((job.method.trained, job.member) for job in jobs))
        fitted = Parallel(n_jobs=n_jobs, verbose=verbose)(
            delayed(self._fit_one)(method, member) for method, member in distinct
        )
        by_training = dict(zip(distinct, fitted, strict=True))
        return [by_training[job.method.trained, job.member] for job in jobs]

    def _fit_one(self, method: Method, member: int) -> Fit:
        start = time.perf_counter()
        classes, target = self.rows.classes, None
        if "target" in method.changes:
            target = method.target(self.rows.y, self.base_proba, np.arange(len(classes)))
        final = self.learner.fit_target(self.rows, target, member)
        seconds = time.perf_counter() - start
        proba = None if self.X_selection is None else proba_of(final, self.X_selection, classes)
        return Fit(final, proba, seconds)


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
    head = transformers_of(estimator)
    if head is not None:
        X = fit_transform(head, X, y, sample_weight)
        estimator.steps = [*head.steps, estimator.steps[-1]]
    fit_final(final_of(estimator), X, y, sample_weight)
    return estimator


def _is_plain(target: NDArray[np.float64], y: NDArray[np.intp]) -> bool:
    """Whether soft targets are the labels themselves."""
    own = np.take_along_axis(target, y[:, None], axis=1)
    return bool((own == 1).all() and np.count_nonzero(target) == len(y))


# --- what is refused ------------------------------------------------------------------------------


def _check_method(method: Method, estimator: Any) -> None:
    """Refuse a method that changes more than targets, and members that would all be alike."""
    more = sorted(method.changes - {"target"})
    if more:
        raise UnsupportedEstimatorError(
            f"method must change nothing but targets for {type(estimator).__name__}, got "
            f"{method}, which changes the {' and the '.join(more)}; use a network "
            "(holdfast.nn.NetworkClassifier), or a method such as 'distill'"
        )
    final = final_of(estimator)
    if method.members > 1 and not seeds_of(final):
        raise UnsupportedEstimatorError(
            f"estimator must have a random_state to be one of {method.members} members, got "
            f"{type(final).__name__}, whose fits are all alike; use another estimator or method"
        )


def _check_weighted_rows(final: Any) -> None:
    """Refuse a classifier without weights, and one that splits or counts the rows itself."""
    reason = _splits_rows(final)
    if reason:
        raise UnsupportedEstimatorError(
            "estimator must not split or count the training rows itself, got "
            f"{type(final).__name__} with {reason}: soft targets repeat each row once a class, "
            "and the copies would end up on both sides, or be counted as rows; set "
            "soft_targets='sample', which repeats no rows, or leave that out where it can be"
        )
    if not accepts_weights(asking_for_weights(final)):
        raise UnsupportedEstimatorError(
            f"estimator must take sample_weight in fit to learn soft targets, got "
            f"{type(final).__name__}, {_why_no_weights(final)}; set soft_targets='sample' to draw "
            "one label a row from the targets instead"
        )


def _why_no_weights(final: Any) -> str:
    return "which hands weights on to parts that do not" if parts_of(final) else "which does not"


def _splits_rows(final: Any) -> str:
    """Name the hyperparameter that twins would break; "" where there is none."""
    parameters = final.get_params(deep=True)
    for key, value in parameters.items():
        name = key.rpartition("__")[2]
        stopping = key.removesuffix(name) + "early_stopping"
        handled = isinstance(final, HistGradientBoostingClassifier) and key == "early_stopping"
        splits = (
            (name == "cv" and value != "prefit")
            or (name == "early_stopping" and value is not False and not handled)
            or (name == "n_iter_no_change" and value is not None and stopping not in parameters)
            or name == "sampling_strategy"  # imbalanced-learn draws rows by their labels
            or (name in HOLDING_OUT and bool(value) and value != "deprecated")
            or (name == "class_weight" and isinstance(value, str) and "subsample" in value)
            # A part may see other labels, or fewer, than those the weights would be worked out for.
            or (name == "class_weight" and name != key and is_balanced(value))
        )
        if splits:
            return f"{key}={value!r}"
    return ""
