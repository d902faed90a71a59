"""The interface of a boosting library, and the soft targets that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.interface import TrainingRows

__all__ = [
    "LARGEST_STEP",
    "Library",
    "SoftTarget",
    "balanced_weights",
    "is_hard",
    "refuse",
    "refuse_set",
]

# Largest step of a leaf in a training that goes on from other log-odds, before the learning rate.
# Where these are very sure, the second derivatives nearly vanish, and a step without a bound can
# be so long that the training falls apart.
LARGEST_STEP = 4.0


@dataclass(frozen=True, eq=False)
class SoftTarget:
    """Soft targets that trees are fitted to, with weights and a start.

    Attributes
    ----------
    proba : ndarray of shape (n, K)
        Soft targets; rows sum to 1.
    weight : ndarray of shape (n,) or None
        Mass of each row's target, times the row's own weight; None where all rows weigh the same.
    start : ndarray of shape (n, K) or None
        Log-odds that boosting starts from; None for the library's own start.
    """

    proba: NDArray[np.float64]
    weight: NDArray[np.float64] | None
    start: NDArray[np.float64] | None

    def take(self, index: NDArray[np.intp]) -> SoftTarget:
        """Return the targets of some of the rows."""
        weight = None if self.weight is None else self.weight[index]
        start = None if self.start is None else self.start[index]
        return SoftTarget(self.proba[index], weight, start)


def is_hard(target: SoftTarget) -> bool:
    """Whether the targets are labels."""
    return bool(np.isin(target.proba, (0.0, 1.0)).all())


class Library(Protocol):
    """A boosting library: all that differs from one library to another.

    A model is a fitted classifier of the library's scikit-learn interface. Log-odds have shape
    (n, K) and are defined up to a constant for each row.
    """

    def check(self, estimator: Any) -> None:
        """Raise UnsupportedEstimatorError for settings that rule out soft targets."""

    def class_weight(self, estimator: Any, rows: TrainingRows) -> NDArray[np.float64] | None:
        """Return the weight that the estimator's settings give each class, (K,); None for all 1."""

    def stops_early(self, estimator: Any) -> bool:
        """Whether the estimator asks for early stopping."""

    def binned(self, estimator: Any, rows: TrainingRows, held_out: TrainingRows | None) -> Any:
        """Return the rows to train on and to stop by as the library stores them, for all models."""

    def fit(
        self,
        estimator: Any,
        binned: Any,
        target: SoftTarget,
        held_out: SoftTarget | None,
        n_rounds: int | None = None,
    ) -> Any:
        """Return `estimator` fitted, stopped by the cross-entropy to the held-out targets.

        Training ends after `n_rounds` at the latest, where that is given; the rounds themselves are
        those of a training of full length. With a start, and where the estimator sets no bound of
        its own, no step is longer than `LARGEST_STEP` in libraries that can bound it.
        """

    def rounds(self, estimator: Any) -> tuple[str, int]:
        """Return name and value of the setting for the number of rounds."""

    def only_adds(self, estimator: Any) -> bool:
        """Whether a round leaves those before it as they were, and those after can be cut off."""

    def first_rounds(self, model: Any, n: int) -> Any:
        """Return a copy with the first n rounds of a model whose rounds only add."""

    def deployed(self, model: Any, classes: NDArray[Any]) -> Any | None:
        """Return a deployed model of this library as a classifier; None for any other."""

    def log_odds(self, model: Any, X: Any, n_rounds: int | None = None) -> NDArray[np.float64]:
        """Return log-odds (n, K), of the first rounds alone where their number is given."""

    def join(self, models: Sequence[Any], weights: Sequence[float]) -> Any:
        """Return one model whose log-odds are the weighted sum of those of several.

        Its settings and features are those of the last. UnsupportedEstimatorError is raised where
        the library has no such model.
        """


def balanced_weights(rows: TrainingRows) -> NDArray[np.float64]:
    """Return the class weights of ``class_weight="balanced"``, shape (K,)."""
    weights = np.ones(len(rows.classes))
    present = np.unique(rows.y)
    weights[present] = compute_class_weight("balanced", classes=present, y=rows.y)
    return weights


def refuse(name: str, value: Any, requirement: str, remedy: str) -> NoReturn:
    """Raise for a setting that cannot act on soft targets as it does on labels.

    Parameters
    ----------
    name : str
    value : object
    requirement : str
        What the setting must be.
    remedy : str
    """
    what = "one of your own" if callable(value) else f"{value!r:.100}"
    raise UnsupportedEstimatorError(
        f"{name} of the estimator must be {requirement} to learn soft targets, got {what}; {remedy}"
    )


def refuse_set(params: Mapping[str, Any], names: Mapping[str, tuple[Any, str]]) -> None:
    """Raise for the first of some settings that is neither None nor its default.

    Parameters
    ----------
    params : mapping
        The settings of an estimator.
    names : mapping of str to (object, str)
        The settings, each with its default and with what to do instead.
    """
    for name, (default, remedy) in names.items():
        value = params.get(name)
        if value is not None and value is not default and value != default:
            refuse(name, value, "left out", remedy)
