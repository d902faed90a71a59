"""The interface of a learner, and what passes through it: rows, jobs and fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from holdfast.methods.training import Method

__all__ = ["Fit", "Job", "Learner", "Trainer", "TrainingRows"]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows to train on.

    Attributes
    ----------
    head : Pipeline or None
        The fitted transformers that `X` has passed; None where it has passed none.
    X : array-like of shape (n, …)
    y : ndarray of shape (n,)
        Positions of the labels in `classes`.
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

    def behind(self, head: Pipeline, X: Any) -> TrainingRows:
        """Return the rows as they come out of fitted transformers: `X` in place of their own."""
        return replace(self, head=head, X=X)

    def transform(self, X: Any) -> Any:
        """Return further rows as they come out of the transformers; None stays None."""
        return X if self.head is None or X is None else self.head.transform(X)


@dataclass(frozen=True)
class Job:
    """One model to fit.

    Attributes
    ----------
    method : Method
    member : int
        Number of the model among the members of the method; each has its own seed.
    """

    method: Method
    member: int = 0


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted model.

    Attributes
    ----------
    final : estimator or None
        The last step of the estimator; None where its training failed and the others can go on.
    proba : ndarray of shape (n_selection, K) or None
        Its probabilities on the selection rows; None without such rows.
    seconds : float
    log_odds_weights : tuple of (float, float) or None
        Weights of this model and of the base model, where the weighted sum of their log-odds is to
        be served; None where this model is served alone.
    goes_on : bool
        Whether it is a booster whose training went on from the base model.
    """

    final: Any
    proba: NDArray[np.float64] | None
    seconds: float
    log_odds_weights: tuple[float, float] | None = None
    goes_on: bool = False


class Learner(Protocol):
    """The way in which one kind of estimator is fitted to soft targets."""

    @property
    def estimator(self) -> Any:
        """The user's estimator, or a pipeline that ends in one; it is never changed."""

    @property
    def in_rounds(self) -> bool:
        """Whether models grow in rounds and the user alone has chosen how many."""

    def prepare(
        self, rows: TrainingRows, base_proba: NDArray[np.float64], X_selection: Any
    ) -> Trainer:
        """Make rows ready for every model to come; transformers of a pipeline are fitted here.

        Parameters
        ----------
        rows : TrainingRows
            As the user gave them.
        base_proba : ndarray of shape (n, K)
            Probabilities of the base model; rows of NaN have no base prediction.
        X_selection : array-like of shape (n_selection, …) or None
            Rows that every model predicts.
        """


class Trainer(Protocol):
    """Fits models to the rows of one `prepare`."""

    @property
    def rows(self) -> TrainingRows:
        """The training rows as the last step of the estimator sees them."""

    def fit(self, jobs: Sequence[Job], *, n_jobs: int | None, verbose: int) -> list[Fit]:
        """Fit a model for every job, and predict the selection rows.

        Parameters
        ----------
        jobs : sequence of Job
        n_jobs : int or None
            Number of models fitted at once, where the learner does not decide it.
        verbose : int
        """
