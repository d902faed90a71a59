"""What all learners share: the interface, training rows, and the head of a pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import get_routing_for_object

from holdfast.methods.training import Method

__all__ = [
    "Fit",
    "Job",
    "Learner",
    "TrainingRows",
    "final_of",
    "fit_head",
    "fresh",
    "join",
    "member_seeds",
    "requests_weights",
    "seeds_of",
    "set_parameters",
    "temporary_parameters",
]


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


def join(estimator: Any, rows: TrainingRows, final: Any) -> Any:
    """Return the whole fitted estimator: the shared transformers and one last step."""
    if not isinstance(estimator, Pipeline):
        return final
    whole = copy(estimator)
    steps = [] if rows.head is None else list(rows.head.steps)
    whole.steps = [*steps, (estimator.steps[-1][0], final)]
    return whole


def final_of(estimator: Any) -> Any:
    """Return the last step of a pipeline, or the estimator."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def fit_head(
    estimator: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[np.float64] | None
) -> tuple[Pipeline | None, Any]:
    """Fit the transformers of a pipeline; those that request the weights get them."""
    if not isinstance(estimator, Pipeline) or len(estimator.steps) < 2:
        return None, X
    head = estimator[:-1]
    if sample_weight is None or not requests_weights(head):
        return head, head.fit_transform(X, y)
    with config_context(enable_metadata_routing=True):
        return head, head.fit_transform(X, y, sample_weight=sample_weight)


def requests_weights(estimator: Any) -> bool:
    """Whether metadata routing hands sample_weight to the estimator or to a part of it."""
    with config_context(enable_metadata_routing=True):
        try:
            return bool(get_routing_for_object(estimator).consumes("fit", ["sample_weight"]))
        except (AttributeError, NotImplementedError):  # an estimator that knows no routing
            return False


def fresh(final: Any) -> Any:
    """Return an unfitted copy; of CatBoost, whose lists `clone` refuses, by its own means."""
    if type(final).__module__.startswith("catboost."):
        return type(final)(**final.get_params())
    return clone(final)


def seeds_of(final: Any) -> dict[str, Any]:
    """Return the parameters that seed an estimator and its parts."""
    parameters = final.get_params(deep=True)
    names = ("random_state", "random_seed", "seed")
    return {key: v for key, v in parameters.items() if key.rpartition("__")[2] in names}


def member_seeds(final: Any, member: int) -> dict[str, Any]:
    """Return the seeds of one member; None stays, which differs at every fit."""
    return {
        key: int(np.random.SeedSequence([int(value), member]).generate_state(1)[0] >> 1)
        for key, value in seeds_of(final).items()
        if isinstance(value, (int, np.integer))
    }


@contextmanager
def temporary_parameters(estimator: Any, changed: dict[str, Any]) -> Iterator[None]:
    """Fit with changed hyperparameters, then show the user's own again."""
    present = estimator.get_params(deep=True)
    before = {key: present[key] for key in changed}
    if not changed:
        yield
        return
    estimator.set_params(**changed)
    try:
        yield
    finally:
        set_parameters(estimator, before)


def set_parameters(estimator: Any, changed: dict[str, Any]) -> None:
    """Set hyperparameters, of a fitted estimator too."""
    if hasattr(estimator, "_init_params"):  # CatBoost: no set_params once it is fitted
        estimator._init_params.update(changed)
    else:
        estimator.set_params(**changed)
