"""The learner of networks: soft targets go into the loss as they are, a whole path in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from torch import Tensor, nn

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import behind_transformers, final_of, transformers_of
from holdfast.learners.interface import Fit, Job, TrainingRows
from holdfast.learners.networks.skorch import (
    Split,
    check_outputs,
    is_skorch,
    network_of_skorch,
    split_of_skorch,
)
from holdfast.methods.method import Method
from holdfast.nn import FittedNetwork, NetworkClassifier, Run
from holdfast.nn.many.fresh import tensors_of

__all__ = ["TorchLearner", "TorchTrainer", "deployed_network"]


@dataclass(frozen=True, eq=False)
class TorchLearner:
    """Trains networks of one `NetworkClassifier`.

    Parameters
    ----------
    estimator : NetworkClassifier or Pipeline
    random_state : int or None
        Seed of parameters, row order and dropout, the same for every setting on a path.
    base_state : dict of str to Tensor, or None
        Parameters of the base model, where it is a network over the same classes.
    base_head : Pipeline or None
        The fitted transformers of the base model, where some method uses its parameters. All
        networks then see rows through these.
    split : callable or None
        From labels to the positions of the rows to train and to validate on; None for the network's
        own split.
    """

    estimator: Any
    random_state: int | None
    base_state: dict[str, Tensor] | None = None
    base_head: Pipeline | None = None
    split: Split | None = None

    @classmethod
    def of(
        cls,
        estimator: Any,
        soft_targets: str,
        random_state: int | None,
        base_model: Any,
        classes: NDArray[Any],
        methods: Sequence[Method],
    ) -> TorchLearner:
        """Return the learner that trains these methods, or raise UnsupportedEstimatorError.

        The estimator is a network, a skorch classifier, or a pipeline that ends in either.
        """
        if soft_targets != "weights":
            raise UnsupportedEstimatorError(
                f"soft_targets must be left out for a network, got {soft_targets!r}: its loss "
                "takes soft targets as they are"
            )
        given = final_of(estimator)
        estimator = _without_skorch(estimator)
        split = split_of_skorch(given) if is_skorch(given) else None
        own_seed = final_of(estimator).random_state
        state, head = deployed_network(base_model, classes)
        _check_methods(methods, estimator, state, head)
        from_base = any(method.needs_base_parameters for method in methods)
        seed = random_state if own_seed is None else own_seed
        return cls(estimator, seed, state, head if from_base else None, split)

    @property
    def in_rounds(self) -> bool:
        """Whether models grow in rounds and the user alone has chosen how many."""
        return False

    def prepare(
        self, rows: TrainingRows, base_proba: NDArray[np.float64], X_selection: Any
    ) -> TorchTrainer:
        """Fit the transformers of a pipeline once, or take those of the base model."""
        if self.base_head is None:
            rows = behind_transformers(self.estimator, rows)
        else:
            rows = rows.behind(self.base_head, self.base_head.transform(rows.X))
        check_outputs(final_of(self.estimator), rows.X)
        return TorchTrainer(self, rows, base_proba, rows.transform(X_selection))

    def seed_of(self, member: int) -> int:
        """Return the seed of one member of an ensemble."""
        seed = self.random_state or 0
        if not member:
            return seed
        return int(np.random.SeedSequence([seed, member]).generate_state(1)[0] >> 1)


def _without_skorch(estimator: Any) -> Any:
    """Return an estimator that ends in a NetworkClassifier, in place of a skorch classifier."""
    network = final_of(estimator)
    if is_skorch(network):
        network = network_of_skorch(network)
    if not isinstance(network, NetworkClassifier):
        raise UnsupportedEstimatorError(
            "estimator must be a NetworkClassifier or a skorch NeuralNetClassifier, got "
            f"{type(network).__name__}; wrap a module with one logit for each class in "
            "holdfast.nn.NetworkClassifier"
        )
    if not isinstance(estimator, Pipeline):
        return network
    whole = clone(estimator)
    whole.steps = [*whole.steps[:-1], (whole.steps[-1][0], network)]
    return whole


def _check_methods(
    methods: Sequence[Method],
    estimator: Any,
    base_state: dict[str, Tensor] | None,
    base_head: Pipeline | None,
) -> None:
    """Refuse methods of boosters, and those that use parameters which are not there."""
    for method in methods:
        if "rounds" in method.changes:
            raise UnsupportedEstimatorError(
                f"method must suit a network, got {method}, which keeps the first rounds of "
                "boosting; use another method, or a booster"
            )
    needing = [method for method in methods if method.needs_base_parameters]
    if needing and base_state is None:
        raise UnsupportedEstimatorError(
            f"base_model must be a network over the same classes for the method {needing[0]}, "
            "which uses its parameters; give a fitted NetworkClassifier, skorch classifier or "
            "module, or a method such as 'distill'"
        )
    if needing and isinstance(estimator, Pipeline) != (base_head is not None):
        raise UnsupportedEstimatorError(
            "base_model must be a pipeline where estimator is one for the method "
            f"{needing[0]}, so that both networks see the same features; give both as "
            "pipelines, or transform the rows beforehand"
        )


@dataclass(frozen=True, eq=False)
class TorchTrainer:
    """Trains networks on the rows of one `prepare`, many in one call.

    Attributes
    ----------
    learner : TorchLearner
    rows : TrainingRows
        As the network sees them.
    base_proba : ndarray of shape (n, K)
    X_selection : array-like of shape (n_selection, …) or None
        As the network sees them.
    """

    learner: TorchLearner
    rows: TrainingRows
    base_proba: NDArray[np.float64]
    X_selection: Any

    def fit(self, jobs: Sequence[Job], *, n_jobs: int | None, verbose: int) -> list[Fit]:
        """Train a network for every distinct training, and finish each job's from it."""
        distinct = list(dict.fromkeys((job.method.trained, job.member) for job in jobs))
        network: NetworkClassifier = final_of(self.learner.estimator)
        trained = network.train(
            self._runs(network, distinct),
            self.rows.X,
            self.rows.y,
            n_jobs=n_jobs,
            verbose=verbose or None,
        )
        _raise_interrupted(trained)
        by_training = dict(zip(distinct, trained, strict=True))
        return [
            self._finished(job.method, by_training[job.method.trained, job.member]) for job in jobs
        ]

    def _runs(
        self, network: NetworkClassifier, trainings: Sequence[tuple[Method, int]]
    ) -> list[Run]:
        """Return a run for each method and member; all share the rows to stop by."""
        kept, held_out = (self.learner.split or network.split)(self.rows.y)
        weight = None if self.rows.sample_weight is None else self.rows.sample_weight[kept]
        return [
            Run(
                kept,
                held_out,
                method,
                seed=self.learner.seed_of(member),
                base_proba=self.base_proba[kept],
                base_state=self.learner.base_state,
                sample_weight=weight,
            )
            for method, member in trainings
        ]

    def _finished(self, method: Method, trained: FittedNetwork) -> Fit:
        """Return what a method makes of a trained network."""
        if trained.state is None:
            return Fit(None, None, trained.seconds)
        network = trained.finished(method, self.learner.base_state)
        final = clone(final_of(self.learner.estimator)).adopt(network, self.rows.classes)
        proba = None if self.X_selection is None else final.predict_proba(self.X_selection)
        return Fit(final, proba, trained.seconds)


def _raise_interrupted(trained: Sequence[FittedNetwork]) -> None:
    """Stop where training was interrupted: nothing is chosen from a path that is not whole."""
    if any(network.status == "interrupted" for network in trained):
        raise KeyboardInterrupt


def deployed_network(
    model: Any, classes: NDArray[Any]
) -> tuple[dict[str, Tensor] | None, Pipeline | None]:
    """Return the parameters of a deployed network, and the transformers before it.

    Parameters
    ----------
    model : object or None
        A fitted NetworkClassifier or skorch classifier, a Pipeline that ends in one, a
        LowChurnClassifier that serves one, or a module.
    classes : ndarray of shape (K,)
        Classes of the new model; a network over other classes has no parameters to start from.

    Returns
    -------
    tuple of (dict of str to Tensor or None, Pipeline or None)
    """
    model = getattr(model, "served_", model)
    if isinstance(model, nn.Module):
        return tensors_of(model), None
    final = final_of(model)
    own = getattr(final, "classes_", None)
    if own is None or not np.array_equal(own, classes):
        return None, None
    if isinstance(final, NetworkClassifier):
        return dict(final.state_), transformers_of(model)
    if is_skorch(final):
        return tensors_of(final.module_), transformers_of(model)
    return None, None
