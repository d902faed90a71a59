"""From an estimator to its learner; libraries are imported only for estimators of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import final_of
from holdfast.learners.interface import Learner
from holdfast.learners.sklearn import SklearnLearner
from holdfast.methods.method import Method

if TYPE_CHECKING:
    from holdfast.learners.boosting.library import Library

__all__ = ["Traits", "booster_as_classifier", "joined_boosters", "learner_of", "traits_of"]


@dataclass(frozen=True)
class Traits:
    """Facts about an estimator that are known before methods are chosen, and decide which ones.

    Attributes
    ----------
    at_once : bool
        Whether many models take hardly longer than one, so that a search would save nothing.
    auto : tuple of str
        Names of the methods that suit it.
    """

    at_once: bool
    auto: tuple[str, ...]


def traits_of(
    estimator: Any, *, soft_targets: str, base_model: Any, classes: NDArray[Any]
) -> Traits:
    """Return the traits of an estimator; the arguments are those of `learner_of`."""
    final = final_of(estimator)
    if _is_network(final):
        from holdfast.learners.networks.learner import deployed_network

        state, _ = deployed_network(base_model, classes)
        return Traits(at_once=True, auto=("distill",) if state is None else ("warm_distill",))
    starts = soft_targets == "weights" and base_model is not None and _library_of(final) is not None
    return Traits(at_once=False, auto=("distill", "warm_distill") if starts else ("distill",))


def learner_of(
    estimator: Any,
    *,
    soft_targets: str,
    random_state: int | None,
    base_model: Any,
    classes: NDArray[Any],
    methods: Sequence[Method],
) -> Learner:
    """Return the learner that fits an estimator by some methods.

    Parameters
    ----------
    estimator : estimator
        A classifier, or a `Pipeline` that ends in one.
    soft_targets : {"weights", "sample"}
        As for `SklearnLearner`.
    random_state : int or None
    base_model : object or None
        The deployed model, from whose parameters or trees some methods start.
    classes : ndarray of shape (K,)
    methods : sequence of Method
        All methods that may be trained. None at all for a first release, which is a plain fit and
        asks less of the estimator than an update by plain retraining.

    Raises
    ------
    UnsupportedEstimatorError
        For a method that the estimator cannot be trained by.
    """
    final = final_of(estimator)
    _check_steps(estimator)
    if _is_network(final):
        from holdfast.learners.networks.learner import TorchLearner

        return TorchLearner.of(estimator, soft_targets, random_state, base_model, classes, methods)
    library = _library_of(final)
    if library is None or soft_targets != "weights":
        return SklearnLearner.of(estimator, soft_targets, random_state, methods)
    from holdfast.learners.boosting.learner import BoostingLearner

    return BoostingLearner.of(estimator, library, base_model, classes, methods)


def _check_steps(estimator: Any) -> None:
    """Refuse a pipeline of imbalanced-learn that draws rows: targets belong to the rows given."""
    for name, step in getattr(estimator, "steps", ()):
        if hasattr(step, "fit_resample"):
            raise UnsupportedEstimatorError(
                f"estimator must not draw or make rows itself, got {type(step).__name__} as the "
                f"step {name!r}: soft targets belong to the rows that are given; leave the step "
                "out, and give class_weight to the classifier or sample_weight to fit"
            )


def booster_as_classifier(model: Any, classes: NDArray[Any]) -> Any | None:
    """Return a library's own booster as a classifier; None for anything else.

    Parameters
    ----------
    model : object
        E.g. a `lightgbm.Booster` of log loss.
    classes : ndarray of shape (K,)
        Classes of its outputs.
    """
    library = _library_of(model)
    return None if library is None else library.deployed(model, classes)


def joined_boosters(
    models: Sequence[Any],
    weights: Sequence[float] | NDArray[np.float64],
    classes: NDArray[Any],
    X: Any = None,
) -> Any | None:
    """Return one booster in place of several of one library; None where no booster equals them.

    Parameters
    ----------
    models : sequence of fitted classifiers
    weights : sequence of float
        Weights of their log-odds.
    classes : ndarray of shape (K,)
    X : array-like of shape (n, d), optional
        Rows, as the boosters see them, on which the one is compared with the sum of the several.

    Warns
    -----
    UserWarning
        Where the two differ.
    """
    library = _library_of(models[-1])
    if library is None:
        return None
    known = [library.deployed(model, classes) for model in models]
    if any(model is None for model in known):
        return None
    from holdfast.learners.boosting import sums

    try:
        whole = sums.joined(library, known, [float(weight) for weight in weights], X)
    except UnsupportedEstimatorError:
        return None
    if whole is None:
        sums.report_apart(
            f"one booster with the trees of {len(models)} {type(models[-1]).__name__}",
            "they are served side by side",
        )
    return whole


def _homes(estimator: Any) -> set[str]:
    """Return the packages that define an estimator's classes; none of them is imported."""
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
