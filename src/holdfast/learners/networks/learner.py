"""Soft targets for networks: they go into the loss as they are, a whole path in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from torch import Tensor, nn

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import final_of, fit_head
from holdfast.learners.interface import Fit, Job, TrainingRows
from holdfast.learners.networks.skorch import is_skorch, network_of_skorch
from holdfast.methods.method import Method
from holdfast.nn import FittedNetwork, NetworkClassifier, Run
from holdfast.nn.many.fresh import tensors_of

__all__ = ["TorchLearner", "deployed_network"]


@dataclass(frozen=True, eq=False)
class TorchLearner:
    """Trains networks of one `NetworkClassifier`.

    Parameters
    ----------
    estimator : NetworkClassifier or Pipeline
    random_state : int or None
        Of parameters, row order and dropout, the same for every setting on a path.
    base_state : dict of str to Tensor, or None
        Parameters of the base model, where it is a network over the same classes.
    base_head : Pipeline or None
        The fitted transformers of the base model, where it is such a pipeline.
    from_base : bool
        Whether some method uses those parameters: then all networks see rows as the base model
        does, through its transformers.
    """

    estimator: Any
    random_state: int | None
    base_state: dict[str, Tensor] | None = None
    base_head: Any = None
    from_base: bool = False

    @classmethod
    def of(
        cls,
        estimator: Any,
        soft_targets: str,
        random_state: int | None,
        base_model: Any,
        classes: NDArray[Any],
    ) -> TorchLearner:
        """Return the learner of a network, of a skorch classifier, or of a pipeline of either."""
        if soft_targets != "weights":
            raise UnsupportedEstimatorError(
                f"soft_targets must be left out for a network, got {soft_targets!r}: its loss "
                "takes soft targets as they are"
            )
        final = final_of(estimator)
        if is_skorch(final):
            final = network_of_skorch(final)
        if not isinstance(final, NetworkClassifier):
            raise UnsupportedEstimatorError(
                "estimator must be a NetworkClassifier or a skorch NeuralNetClassifier, got "
                f"{type(final).__name__}; wrap the module in holdfast.nn.NetworkClassifier"
            )
        whole = final
        if isinstance(estimator, Pipeline):
            whole = clone(estimator)
            whole.steps = [*whole.steps[:-1], (whole.steps[-1][0], final)]
        seed = random_state if final.random_state is None else final.random_state
        state, head = deployed_network(base_model, classes)
        return cls(whole, seed, state, head)

    @property
    def at_once(self) -> bool:
        """Whether many models take hardly longer than one: they train together."""
        return True

    @property
    def in_rounds(self) -> bool:
        """Whether models grow by rounds whose number the user alone has chosen."""
        return False

    @property
    def auto(self) -> tuple[str, ...]:
        """Names of the methods that suit it: from the base model's parameters where it can."""
        return ("distill",) if self.base_state is None else ("warm_distill",)

    def for_methods(self, methods: Sequence[Method]) -> TorchLearner:
        """Return the learner that trains these, or raise UnsupportedEstimatorError."""
        for method in methods:
            if "rounds" in method.changes:
                raise UnsupportedEstimatorError(
                    f"method must suit a network, got {method}, which keeps the first rounds of "
                    "boosting; use another method, or a booster"
                )
        needing = [method for method in methods if method.needs_base_parameters]
        if needing and self.base_state is None:
            raise UnsupportedEstimatorError(
                f"base_model must be a network over the same classes for the method {needing[0]}, "
                "which uses its parameters; give a fitted NetworkClassifier, skorch classifier or "
                "module, or a method such as 'distill'"
            )
        if needing and isinstance(self.estimator, Pipeline) != (self.base_head is not None):
            raise UnsupportedEstimatorError(
                "base_model must be a pipeline where estimator is one for the method "
                f"{needing[0]}, so that both networks see the same features; give both as "
                "pipelines, or transform the rows beforehand"
            )
        return replace(self, from_base=bool(needing))

    def prepare(
        self,
        X: Any,
        y: NDArray[np.intp],
        classes: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
    ) -> TrainingRows:
        """Fit the transformers of a pipeline once, or take those of the base model."""
        if self.from_base and self.base_head is not None:
            return TrainingRows(
                self.base_head, self.base_head.transform(X), y, classes, sample_weight
            )
        head, transformed = fit_head(clone(self.estimator), X, classes[y], sample_weight)
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
        """Train a network for every distinct training, and finish each job's from it."""
        network: NetworkClassifier = final_of(self.estimator)
        distinct = list(dict.fromkeys((job.method.trained, job.member) for job in jobs))
        kept, held_out = network.split(rows.y)
        weight = None if rows.sample_weight is None else rows.sample_weight[kept]
        runs = [
            Run(
                kept,
                held_out,
                method,
                seed=self._seed(member),
                base_proba=base_proba[kept],
                base_state=self.base_state,
                sample_weight=weight,
            )
            for method, member in distinct
        ]
        trained = network.train(runs, rows.X, rows.y, n_jobs=n_jobs, verbose=verbose or None)
        _raise_interrupted(trained)
        by_training = dict(zip(distinct, trained, strict=True))
        return [
            self._fit(job.method, by_training[job.method.trained, job.member], rows, X_selection)
            for job in jobs
        ]

    def _seed(self, member: int) -> int:
        seed = self.random_state or 0
        if not member:
            return seed
        return int(np.random.SeedSequence([seed, member]).generate_state(1)[0] >> 1)

    def _fit(
        self, method: Method, trained: FittedNetwork, rows: TrainingRows, X_selection: Any
    ) -> Fit:
        if trained.state is None:
            return Fit(None, None, trained.seconds)
        network = trained.finished(method, self.base_state)
        final = clone(final_of(self.estimator)).adopt(network, rows.classes)
        proba = None if X_selection is None else final.predict_proba(X_selection)
        return Fit(final, proba, trained.seconds)


def _raise_interrupted(trained: Sequence[FittedNetwork]) -> None:
    """A path with holes is no path to choose from."""
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
        Of the new model; a network over other classes has no parameters to start from.

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
    head = model[:-1] if isinstance(model, Pipeline) and len(model.steps) > 1 else None
    if isinstance(final, NetworkClassifier):
        return dict(final.state_), head
    if is_skorch(final):
        return tensors_of(final.module_), head
    return None, None
