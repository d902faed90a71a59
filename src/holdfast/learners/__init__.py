"""How one estimator is fitted to soft targets: one module a library."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from holdfast.learners._common import Learner, final_of
from holdfast.learners._sklearn import SklearnLearner

__all__ = ["Learner", "learner_of"]


def learner_of(
    estimator: Any,
    *,
    soft_targets: str,
    random_state: int | None,
    base_model: Any,
    classes: NDArray[Any],
) -> Learner:
    """Return the learner that fits an estimator.

    Parameters
    ----------
    estimator : estimator
        Or a `Pipeline` that ends in one.
    soft_targets : str
        As for `SklearnLearner`.
    random_state : int or None
    base_model : object or None
        The deployed model, whose parameters a network may start from.
    classes : ndarray of shape (K,)
    """
    if not _is_network(final_of(estimator)):
        return SklearnLearner(estimator, soft_targets, random_state)
    from holdfast.learners._torch import TorchLearner  # the estimator has brought PyTorch already

    return TorchLearner.of(estimator, soft_targets, random_state, base_model, classes)


def _is_network(estimator: Any) -> bool:
    """Whether the estimator trains a network, told without importing what it would come from."""
    homes = {kind.__module__.partition(".")[0] for kind in type(estimator).__mro__}
    own = any(kind.__module__.startswith("holdfast.nn.") for kind in type(estimator).__mro__)
    return own or "skorch" in homes
