"""How one estimator is fitted to soft targets: one module a library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import final_of
from holdfast.learners.interface import Job, Learner
from holdfast.learners.sklearn import SklearnLearner

if TYPE_CHECKING:
    from holdfast.learners.boosting.library import Library

__all__ = ["Job", "Learner", "booster_as_classifier", "final_of", "joined_boosters", "learner_of"]


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
    final = final_of(estimator)
    if _is_network(final):
        from holdfast.learners.networks.learner import (
            TorchLearner,
        )  # the estimator has brought PyTorch

        return TorchLearner.of(estimator, soft_targets, random_state, base_model, classes)
    library = _library_of(final)
    if library is None or soft_targets != "weights":
        return SklearnLearner(estimator, soft_targets, random_state)
    from holdfast.learners.boosting.learner import BoostingLearner

    return BoostingLearner.of(estimator, library, base_model, classes)


def booster_as_classifier(model: Any, classes: NDArray[Any]) -> Any | None:
    """Return a library's own booster as a classifier, None for anything else.

    Parameters
    ----------
    model : object
        E.g. a `lightgbm.Booster` of log loss.
    classes : ndarray of shape (K,)
        Of its outputs.
    """
    library = _library_of(model)
    return None if library is None else library.deployed(model, classes)


def joined_boosters(
    models: Sequence[Any], weights: Sequence[float] | NDArray[np.float64], classes: NDArray[Any]
) -> Any | None:
    """Return one booster in place of several of one library, None where there is none.

    Parameters
    ----------
    models : sequence of fitted classifiers
    weights : sequence of float
        Of their log-odds.
    classes : ndarray of shape (K,)
    """
    library = _library_of(models[-1])
    if library is None:
        return None
    known = [library.deployed(model, classes) for model in models]
    if any(model is None for model in known):
        return None
    try:
        return library.join(known, [float(weight) for weight in weights])
    except UnsupportedEstimatorError:
        return None


def _homes(estimator: Any) -> set[str]:
    """Return the packages that an estimator's classes come from, none of which is imported."""
    return {kind.__module__.partition(".")[0] for kind in type(estimator).__mro__}


def _is_network(estimator: Any) -> bool:
    own = any(kind.__module__.startswith("holdfast.nn.") for kind in type(estimator).__mro__)
    return own or "skorch" in _homes(estimator)


def _library_of(estimator: Any) -> Library | None:
    """Return the boosting library of a classifier; None for any other."""
    homes = _homes(estimator)
    if "lightgbm" in homes:
        from holdfast.learners.boosting.lightgbm import LightGBM

        return LightGBM()
    if "xgboost" in homes:
        from holdfast.learners.boosting.xgboost import XGBoost

        return XGBoost()
    if "catboost" in homes:
        from holdfast.learners.boosting.catboost import CatBoost

        return CatBoost()
    return None
