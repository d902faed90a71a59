"""What a boosting library must offer, and the soft targets that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from holdfast.learners.interface import TrainingRows

__all__ = ["Library", "SoftTarget", "balanced_weights", "is_hard", "softmax"]


@dataclass(frozen=True, eq=False)
class SoftTarget:
    """What the trees are fitted to.

    Attributes
    ----------
    proba : ndarray of shape (n, K)
        Rows sum to 1.
    weight : ndarray of shape (n,) or None
        Mass of each row's target, times its own weight; None where all weigh the same.
    start : ndarray of shape (n, K) or None
        Log-odds that boosting starts from; None for the library's own start.
    """

    proba: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    start: NDArray[np.float64] | None

    def take(self, index: NDArray[np.intp]) -> SoftTarget:
        """Return the target of some rows."""
        weight = None if self.weight is None else self.weight[index]
        start = None if self.start is None else self.start[index]
        return SoftTarget(self.proba[index], weight, start)


def is_hard(target: SoftTarget) -> bool:
    """Whether the targets are labels."""
    return bool(np.isin(target.proba, (0.0, 1.0)).all())


def softmax(log_odds: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities (n, K) of log-odds (n, K)."""
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return odds


class Library(Protocol):
    """What is particular to one library; a model is a fitted classifier of its scikit-learn face.

    Log-odds have shape (n, K) and are defined up to a constant of each row.
    """

    def check(self, estimator: Any) -> None:
        """Raise UnsupportedEstimatorError for settings that soft targets cannot go with."""

    def class_weight(self, estimator: Any, rows: TrainingRows) -> NDArray[np.float64] | None:
        """Return the weight that the estimator's settings give each class, shape (K,)."""

    def stops_early(self, estimator: Any) -> bool:
        """Whether the estimator asks for early stopping."""

    def binned(self, estimator: Any, rows: TrainingRows, held_out: TrainingRows | None) -> Any:
        """Return the rows to train on and to stop by as the library keeps them, for all models."""

    def fit(
        self,
        estimator: Any,
        binned: Any,
        target: SoftTarget,
        held_out: SoftTarget | None,
        n_rounds: int | None = None,
    ) -> Any:
        """Return `estimator` fitted, stopped by the cross-entropy to the held-out targets.

        After `n_rounds` at the latest, where these are given; nothing else depends on them.
        """

    def rounds(self, estimator: Any) -> tuple[str, int]:
        """Return name and value of the setting that says how many rounds there are."""

    def only_adds(self, estimator: Any) -> bool:
        """Whether rounds leave those before them as they were."""

    def first_rounds(self, model: Any, n: int) -> Any:
        """Return a copy with the first n rounds of a model whose rounds only add."""

    def deployed(self, model: Any, classes: NDArray[Any]) -> Any | None:
        """Return a deployed model of this library as a classifier; None for any other."""

    def log_odds(self, model: Any, X: Any) -> NDArray[np.float64]:
        """Return log-odds (n, K)."""

    def join(self, models: Sequence[Any], weights: Sequence[float]) -> Any:
        """Return one model whose log-odds are the weighted sum of those of several.

        It takes its settings and its features from the last. Raises UnsupportedEstimatorError where
        the library knows no such model.
        """


def balanced_weights(rows: TrainingRows) -> NDArray[np.float64]:
    """Return the class weights of ``class_weight="balanced"``, shape (K,)."""
    weights = np.ones(len(rows.classes))
    present = np.unique(rows.y)
    weights[present] = compute_class_weight("balanced", classes=present, y=rows.y)
    return weights
