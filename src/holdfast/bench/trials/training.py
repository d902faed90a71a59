"""The models of a trial: trained, networks all at once and boosters in turn, and asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from holdfast.bench.trials.architectures import Architecture
from holdfast.bench.trials.protocol import ModelRows
from holdfast.methods.method import Method

__all__ = ["Base", "Models", "Training", "models_of"]

Proba = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Base:
    """The base model of an update.

    Attributes
    ----------
    proba : ndarray of shape (n, K)
        Probabilities that are served for the rows of the trial.
    state : mapping or classifier
        Parameters of the network that was trained last, or the booster.
    """

    proba: Proba
    state: Any


@dataclass(frozen=True, eq=False)
class Training:
    """One model to train.

    Attributes
    ----------
    method : Method
        The method that is trained (`Method.trained`).
    seed : int
    base : Base or None
        None for the training of the first base model.
    """

    method: Method
    seed: int
    base: Base | None


class Models(Protocol):
    """Trains and asks the models of one trial; rows are positions among the trial's rows."""

    def fit(self, trainings: Sequence[Training], rows: ModelRows) -> list[Any]:
        """Return a fitted model for each training, or None if its loss was not finite."""

    def finish(self, fitted: Any, method: Method, base: Base | None) -> Any:
        """Return the model after the method has changed its parameters."""

    def proba(self, fitted: Any, rows: NDArray[np.intp]) -> Proba:
        """Return probabilities (len(rows), K)."""

    def state(self, fitted: Any) -> Any:
        """Return the parameters of the network, or the booster."""


def models_of(
    architecture: Architecture,
    X: Any,
    y: NDArray[np.intp],
    n_classes: int,
    *,
    n_jobs: int | None,
    device: str,
) -> Models:
    """Return the object that trains an architecture on the rows of a trial.

    Parameters
    ----------
    architecture : Architecture
    X : ndarray of shape (n, …)
        The rows of the trial, encoded for the architecture.
    y : ndarray of shape (n,)
        Positions of the labels among the classes.
    n_classes : int
    n_jobs : int or None
        Number of processes that train networks.
    device : str
        Device that networks are trained on.
    """
    if architecture.is_network:
        return _Networks(architecture.module(X.shape[1:], n_classes), X, y, n_jobs, device)
    return _Boosters(architecture, X, y, n_classes)


@dataclass(frozen=True, eq=False)
class _Networks:
    module: Any
    X: Any
    y: NDArray[np.intp]
    n_jobs: int | None
    device: str

    def fit(self, trainings: Sequence[Training], rows: ModelRows) -> list[Any]:
        from holdfast.nn import Run, fit_many

        runs = [
            Run(
                rows.train,
                rows.validation,
                training.method,
                training.seed,
                base_proba=None if training.base is None else training.base.proba[rows.train],
                base_state=None if training.base is None else training.base.state,
            )
            for training in trainings
        ]
        networks = fit_many(
            self.module,
            runs,
            self.X,
            self.y,
            device=self.device,
            keep_recordings=True,
            n_jobs=self.n_jobs,
            verbose=0,
        )
        if any(network.status == "interrupted" for network in networks):
            raise KeyboardInterrupt
        return [network if network.state is not None else None for network in networks]

    def finish(self, fitted: Any, method: Method, base: Base | None) -> Any:
        return fitted.finished(method, None if base is None else base.state)

    def proba(self, fitted: Any, rows: NDArray[np.intp]) -> Proba:
        from holdfast.nn import predict_many

        return predict_many(self.module, [fitted.state], self.X[rows], device=self.device)[0]

    def state(self, fitted: Any) -> Any:
        return fitted.state


@dataclass(frozen=True, eq=False)
class _Boosters:
    architecture: Architecture
    X: Any
    y: NDArray[np.intp]
    n_classes: int

    def fit(self, trainings: Sequence[Training], rows: ModelRows) -> list[Any]:
        return [self._fit(training, rows.train) for training in trainings]

    def _fit(self, training: Training, rows: NDArray[np.intp]) -> Any:
        from holdfast.learners.interface import Job, TrainingRows
        from holdfast.learners.lookup import learner_of

        base, method, classes = training.base, training.method, np.arange(self.n_classes)
        learner = learner_of(
            self.architecture.booster(training.seed),
            soft_targets="weights",
            random_state=training.seed,
            base_model=None if base is None else base.state,
            classes=classes,
            methods=[method],
        )
        prepared = TrainingRows(None, self.X[rows], self.y[rows], classes, None)
        proba = np.full((len(rows), self.n_classes), np.nan) if base is None else base.proba[rows]
        trainer = learner.prepare(prepared, proba, None)
        (fit,) = trainer.fit([Job(method)], n_jobs=1, verbose=0)
        return fit.final

    def finish(self, fitted: Any, method: Method, base: Base | None) -> Any:
        from holdfast.learners.lookup import joined_boosters

        if "parameters" not in method.changes or base is None:
            return fitted
        weights = [float(method.finish(0.0, 1.0)), float(method.finish(1.0, 0.0))]
        return joined_boosters([base.state, fitted], weights, np.arange(self.n_classes))

    def proba(self, fitted: Any, rows: NDArray[np.intp]) -> Proba:
        from holdfast.learners.estimators import proba_of

        return proba_of(fitted, self.X[rows], np.arange(self.n_classes))

    def state(self, fitted: Any) -> Any:
        return fitted
