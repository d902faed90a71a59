"""The interface of a learner, and the rows, jobs and fits that pass through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from holdfast.methods.training import Method

__all__ = ["Fit", "Job", "Learner", "TrainingRows"]


@dataclass(frozen=True)
class TrainingRows:
    """The original rows, ready for the last step of the estimator.

    Attributes
    ----------
    head : Pipeline or None
        The fitted transformers.
    X : array-like of shape (n, d)
        What the last step sees.
    y : ndarray of shape (n,)
        Positions of the labels among `classes`.
    classes : ndarray of shape (K,)
    sample_weight : ndarray of shape (n,) or None
    """

    head: Pipeline | None
    X: Any
    y: NDArray[np.intp]
    classes: NDArray[Any]
    sample_weight: NDArray[np.float64] | None

    @property
    def labels(self) -> NDArray[Any]:
        """The labels by value."""
        return self.classes[self.y]

    def take(self, index: NDArray[np.intp]) -> TrainingRows:
        """Return some of the rows."""
        weight = None if self.sample_weight is None else self.sample_weight[index]
        X = _safe_indexing(self.X, index)
        return replace(self, X=X, y=self.y[index], sample_weight=weight)

    def transform(self, X: Any) -> Any:
        """Return further rows as the last step sees them."""
        return X if self.head is None else self.head.transform(X)


@dataclass(frozen=True)
class Job:
    """One model to fit.

    Attributes
    ----------
    method : Method
    member : int
        Which of the method's members it is; each has its own seed.
    """

    method: Method
    member: int = 0


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted model.

    Attributes
    ----------
    final : estimator or None
        The last step of the estimator; None where training failed and others can go on.
    proba : ndarray of shape (n_selection, K) or None
        Its probabilities on the selection rows; None without such rows.
    seconds : float
    log_odds_weights : tuple of (float, float) or None
        Of this model and of the base model, where what is to be served is the weighted sum of their
        log-odds; None where it is this model alone.
    """

    final: Any
    proba: NDArray[np.float64] | None
    seconds: float
    log_odds_weights: tuple[float, float] | None = None


class Learner(Protocol):
    """How one kind of estimator is fitted to soft targets."""

    @property
    def estimator(self) -> Any:
        """What the user gave: an estimator, or a pipeline that ends in one."""

    @property
    def at_once(self) -> bool:
        """Whether many models take hardly longer than one, so that a search would save nothing."""

    @property
    def in_rounds(self) -> bool:
        """Whether models grow by rounds whose number the user alone has chosen."""

    @property
    def auto(self) -> tuple[str, ...]:
        """Names of the methods that suit it."""

    def for_methods(self, methods: Sequence[Method]) -> Learner:
        """Return the learner that trains these, or raise UnsupportedEstimatorError."""

    def prepare(
        self,
        X: Any,
        y: NDArray[np.intp],
        classes: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
    ) -> TrainingRows:
        """Fit the transformers of a pipeline, once for every model to come."""

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
        """Fit the last step of the estimator for every job, and predict the selection rows."""
