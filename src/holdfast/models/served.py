"""The models that an update serves: one model, an average, or an override of the base model.

These are fitted classifiers that hold only what serving needs, without the path and the selection
rows. They predict, save and load like any other model. They can be the base model of the next
update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.learners.estimators import proba_of
from holdfast.learners.lookup import final_of, joined_boosters
from holdfast.models.base import BaseModel
from holdfast.models.base_predictions import BasePredictions
from holdfast.models.joining import joined_linear_model, same_head, with_final
from holdfast.selection.mixtures import mix
from holdfast.selection.override import override_classes, override_proba

__all__ = [
    "AveragedClassifier",
    "OverrideClassifier",
    "Served",
    "answers_of",
    "serve",
    "served_proba",
]


@dataclass(frozen=True, eq=False)
class Served:
    """A fitted classifier, and a short text that says what serving it needs."""

    model: Any
    needs: str


def serve(
    estimators: Sequence[Any],
    weights: NDArray[np.float64],
    classes: NDArray[Any],
    *,
    average_in: str = "probability",
    base_model: BaseModel | None = None,
    base_weight: float = 0.0,
    threshold: float | None = None,
) -> Served:
    """Build the simplest classifier that predicts as a selection does.

    Parameters
    ----------
    estimators : sequence of m fitted classifiers
        The selected models.
    weights : ndarray of shape (m,)
        Their weights; together with `base_weight` they sum to 1.
    classes : ndarray of shape (K,)
    average_in : {"probability", "log_odds"}
        The scale on which the models are averaged.
    base_model : BaseModel, optional
    base_weight : float
        The weight of the base model in the average.
    threshold : float, optional
        With a threshold, the average overrides the base model where it is more probable by more
        than that.
    """
    n = len(estimators)
    if threshold is not None and base_model is not None:
        new = serve(
            estimators,
            weights,
            classes,
            average_in=average_in,
            base_model=base_model,
            base_weight=base_weight,
        )
        model = OverrideClassifier(new.model, base_model, threshold, classes)
        several = isinstance(new.model, AveragedClassifier)
        what = f"{n} new models, which override" if several else "one new model, which overrides"
        return Served(model, f"the base model and {what} it where surer")
    if n == 1 and not base_weight:
        return Served(estimators[0], "one model")
    if average_in == "log_odds" and n:
        base = base_model if base_weight else None
        joined = _joined(estimators, weights, classes, base, base_weight)
        if joined is not None:
            return joined
    averaged = AveragedClassifier(
        estimators, weights, classes, average_in, base_model if base_weight else None, base_weight
    )
    if not n:
        return Served(averaged, "the base model, unchanged")
    models = f"{n} new model{'s' if n > 1 else ''}{' and the base model' if base_weight else ''}"
    return Served(averaged, f"{models}, averaged")


def answers_of(model: Any, X: Any) -> NDArray[Any]:
    """Return the answers of a fitted classifier, shape (n,).

    This is the one definition of what a served model answers: `predict` returns it, and all that is
    stated of the model is measured on it.
    """
    return np.ravel(model.predict(X))  # CatBoost answers several classes in a column


def served_proba(
    proba: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    average_in: str = "probability",
    base: BasePredictions | None = None,
    base_weight: float = 0.0,
    threshold: float | None = None,
) -> NDArray[np.float64]:
    """Return the probabilities that a selection serves, given those of its models.

    Parameters
    ----------
    proba : ndarray of shape (m, n, K)
        The probabilities of the selected models.
    weights : ndarray of shape (m,)
        Their weights; together with `base_weight` they sum to 1.
    average_in : {"probability", "log_odds"}
        The scale on which the models are averaged.
    base : BasePredictions, optional
    base_weight : float
        The weight of the base model in the average. Rows without a usable prediction of the base
        model get the average of the other models.
    threshold : float, optional
        With a threshold, the average overrides the base model where it is more probable by more
        than that.

    Returns
    -------
    ndarray of shape (n, K)
    """
    if threshold is not None and base is not None:
        new = served_proba(
            proba, weights, average_in=average_in, base=base, base_weight=base_weight
        )
        return override_proba(new, base.pred, threshold)
    if not base_weight or base is None:
        return proba[0] if len(proba) == 1 else mix(proba, weights, average_in)
    stacked = np.concatenate([proba, base.matched.proba[None]])
    average = mix(stacked, np.append(weights, base_weight), average_in)
    missing = base.missing
    if missing.any():
        average[missing] = mix(proba[:, missing], weights / weights.sum(), average_in)
    return average


class _ServedClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that is fitted when it is built; `LowChurnClassifier` does the training."""

    classes: NDArray[Any]

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of the probability columns, shape (K,)."""
        return self.classes

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """The names of the features, if the models inside know them."""
        return self._any_model().feature_names_in_

    def _any_model(self) -> Any:
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Any:
        return self  # an empty copy could not be fitted again

    def fit(self, X: Any, y: Any = None) -> Any:
        """Raise UnsupportedEstimatorError; served models come from `LowChurnClassifier.fit`."""
        raise UnsupportedEstimatorError(
            f"{type(self).__name__} cannot be fitted, since it only serves; fit a "
            "LowChurnClassifier"
        )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities of shape (n, K)."""
        raise NotImplementedError

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, shape (n,)."""
        return self.classes[self.predict_proba(X).argmax(axis=1)]


class AveragedClassifier(_ServedClassifier):
    """The weighted average of several models.

    Parameters
    ----------
    estimators : sequence of m fitted classifiers
    weights : ndarray of shape (m,)
        The weights of the estimators.
    classes : ndarray of shape (K,)
    average_in : {"probability", "log_odds"}
        The scale on which the models are averaged.
    base_model : BaseModel or None
        A further model in the average.
    base_weight : float
        The weight of the base model.
    """

    def __init__(
        self,
        estimators: Sequence[Any],
        weights: NDArray[np.float64],
        classes: NDArray[Any],
        average_in: str = "probability",
        base_model: BaseModel | None = None,
        base_weight: float = 0.0,
    ) -> None:
        self.estimators = estimators
        self.weights = weights
        self.classes = classes
        self.average_in = average_in
        self.base_model = base_model
        self.base_weight = base_weight

    def _any_model(self) -> Any:
        if self.base_model is None or len(self.estimators):
            return self.estimators[0]
        return self.base_model.model

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the weighted average of the models' probabilities, shape (n, K).

        Rows without a usable prediction of the base model get the average of the other models.
        """
        proba = [proba_of(estimator, X, self.classes) for estimator in self.estimators]
        weights = np.asarray(self.weights, dtype=np.float64)
        if self.base_model is None:
            return mix(np.stack(proba), weights, self.average_in)
        base = self.base_model.predict(X, self.classes)
        if base.missing.any():
            self._check_others(base.missing)
        members = np.reshape(proba, (len(proba), *base.matched.proba.shape))
        return served_proba(
            members,
            weights,
            average_in=self.average_in,
            base=base,
            base_weight=self.base_weight,
        )

    def _check_others(self, missing: NDArray[np.bool_]) -> None:
        if not len(self.estimators):
            raise InvalidInputError(
                f"base_model must predict a class of {self.classes.tolist()[:10]} for every row "
                f"when it is served alone, got {np.count_nonzero(missing)} of {len(missing)} rows "
                "without one; leave those rows out, or update with a larger budget"
            )


class OverrideClassifier(_ServedClassifier):
    """A new model that overrides the base model only where it is sure enough.

    The class of the base model is served, unless the new model's class is more probable by more
    than a threshold.

    Parameters
    ----------
    estimator : fitted classifier
        The new model.
    base_model : BaseModel
    threshold : float
    classes : ndarray of shape (K,)
    """

    def __init__(
        self, estimator: Any, base_model: BaseModel, threshold: float, classes: NDArray[Any]
    ) -> None:
        self.estimator = estimator
        self.base_model = base_model
        self.threshold = threshold
        self.classes = classes

    def _any_model(self) -> Any:
        return self.estimator

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the new model's probabilities, changed as little as the served class demands."""
        return override_proba(*self._parts(X), self.threshold)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the served class of each row, shape (n,)."""
        return self.classes[override_classes(*self._parts(X), self.threshold)]

    def _parts(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        new = proba_of(self.estimator, X, self.classes)
        return new, self.base_model.predict(X, self.classes).pred


def _joined(
    estimators: Sequence[Any],
    weights: NDArray[np.float64],
    classes: NDArray[Any],
    base_model: BaseModel | None,
    base_weight: float,
) -> Served | None:
    """Return one model in place of an average in log-odds, or None if there is no such model."""
    if base_model is None:
        model = joined_linear_model(estimators, weights)
        if model is not None:
            return Served(model, f"one model, joined from {len(estimators)} linear models")
    else:
        deployed = getattr(base_model.model, "served_", base_model.model)
        estimators, weights = [deployed, *estimators], np.append(base_weight, weights)
    if not same_head(estimators):
        return None
    trees = joined_boosters([final_of(e) for e in estimators], weights, classes)
    if trees is None:
        return None
    whole = with_final(estimators[-1], trees)
    count = f"{len(estimators)} models{'' if base_model is None else ', the base model among them'}"
    return Served(whole, f"one model, which holds the trees of {count}")
