"""The models that an update serves: one model, an average, or an override of the base model.

These are fitted classifiers that hold only what serving needs, without the path and the selection
rows. They predict, save and load like any other model. They can be the base model of the next
update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of, without_changing
from holdfast.models.base import BaseModel
from holdfast.models.base_predictions import BasePredictions
from holdfast.models.deciding import DecidingClassifier
from holdfast.models.fitted import FittedClassifier
from holdfast.models.joining import Served, joined, says_the_same
from holdfast.rules import Argmax, BoundRule
from holdfast.selection.answering import Answering
from holdfast.selection.limits import BASE_ANSWER, GroupColumns
from holdfast.selection.mixtures import mix
from holdfast.selection.override import leading_proba, override_proba
from holdfast.selection.surcharges import Surcharge

__all__ = [
    "AveragedClassifier",
    "OverrideClassifier",
    "Served",
    "answers_of",
    "serve",
    "served_proba",
]


def serve(
    estimators: Sequence[Any],
    weights: NDArray[np.float64],
    classes: NDArray[Any],
    *,
    average_in: str = "probability",
    base_model: BaseModel | None = None,
    base_weight: float = 0.0,
    threshold: float | None = None,
    rule: BoundRule | None = None,
    utility: NDArray[np.float64] | None = None,
    surcharges: Sequence[Surcharge] = (),
    X: Any = None,
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
        With a threshold, the average overrides the base model where its answer has an expected gain
        of more than that.
    rule : BoundRule, optional
        How probabilities become answers. Left out, the estimators answer as they do.
    utility : ndarray of shape (A, K), optional
        What each answer is worth given the truth, for an override. Left out, a right answer is
        worth 1 and any other nothing.
    surcharges : sequence of Surcharge
        What an override must gain beyond the threshold in some rows.
    X : array-like of shape (n, d), optional
        Rows on which one model in place of several is compared with their average. The average is
        served where the two differ.

    Warns
    -----
    UserWarning
        Where the two differ.
    """
    n = len(estimators)
    if threshold is not None and base_model is not None:
        new = _average(estimators, weights, classes, average_in, base_model, base_weight, X)
        overridden = OverrideClassifier(
            new.model, base_model, threshold, classes, rule, utility, tuple(surcharges)
        )
        several = isinstance(new.model, AveragedClassifier)
        what = f"{n} new models, which override" if several else "one new model, which overrides"
        return Served(overridden, f"the base model and {what} it where surer{_answering(rule)}")
    if not n and base_model is not None:
        unchanged = AveragedClassifier(
            estimators, weights, classes, average_in, base_model, base_weight, rule
        )
        return Served(unchanged, "the base model, unchanged")
    served = _average(estimators, weights, classes, average_in, base_model, base_weight, X)
    if rule is None:
        return served
    return Served(DecidingClassifier(served.model, rule), f"{served.needs}{_answering(rule)}")


def _answering(rule: BoundRule | None) -> str:
    return "" if rule is None else f"; its rule {rule.rule.describe()}"


def _average(
    estimators: Sequence[Any],
    weights: NDArray[np.float64],
    classes: NDArray[Any],
    average_in: str,
    base_model: BaseModel | None,
    base_weight: float,
    X: Any,
) -> Served:
    """Return the simplest model with the probabilities of an average."""
    n, base = len(estimators), base_model if base_weight else None
    if n == 1 and base is None:
        return Served(estimators[0], "one model")
    averaged = AveragedClassifier(estimators, weights, classes, average_in, base, base_weight)
    if average_in == "log_odds":
        one = joined(estimators, weights, classes, base, base_weight, X)
        if one is not None and says_the_same(one.model, averaged, X):
            return one
    models = f"{n} new model{'s' if n > 1 else ''}{'' if base is None else ' and the base model'}"
    return Served(averaged, f"{models}, averaged")


def answers_of(model: Any, X: Any) -> NDArray[Any]:
    """Return the answers of a fitted classifier, shape (n,).

    This is the only definition of a served model's answers. `predict` returns them, and everything
    that is stated about the model is measured on them.
    """
    return np.ravel(
        without_changing(model.predict, X)
    )  # CatBoost returns a column for more than two classes


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
        The probabilities of the models.
    weights : ndarray of shape (m,)
        Their weights; together with `base_weight` they sum to 1. Models of weight 0 play no part.
    average_in : {"probability", "log_odds"}
        The scale on which the models are averaged.
    base : BasePredictions, optional
    base_weight : float
        The weight of the base model in the average. Rows without usable probabilities of the base
        model get the average of the other models.
    threshold : float, optional
        With a threshold, the average overrides the base model where it is more probable by more
        than that.

    Returns
    -------
    ndarray of shape (n, K)
    """
    if not weights.all():
        used = np.flatnonzero(weights)
        proba, weights = proba[used], weights[used]
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


class AveragedClassifier(FittedClassifier):
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
    rule : BoundRule or None
        How answers are decided where the base model is served alone and its own answer can no
        longer be given; None for the most probable class.
    """

    rule: BoundRule | None = None  # for files of releases that did not have it

    def __init__(
        self,
        estimators: Sequence[Any],
        weights: NDArray[np.float64],
        classes: NDArray[Any],
        average_in: str = "probability",
        base_model: BaseModel | None = None,
        base_weight: float = 0.0,
        rule: BoundRule | None = None,
    ) -> None:
        self.estimators = estimators
        self.weights = weights
        self.classes = classes
        self.average_in = average_in
        self.base_model = base_model
        self.base_weight = base_weight
        self.rule = rule

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of the probability columns, shape (K,)."""
        return self.classes

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
        base = self.base_model.proba(X, self.classes)
        if not len(self.estimators):
            self._check_alone(base.missing)
        members = np.reshape(proba, (len(proba), *base.matched.proba.shape))
        return served_proba(
            members,
            weights,
            average_in=self.average_in,
            base=base,
            base_weight=self.base_weight,
        )

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row; the base model alone answers itself."""
        if self.base_model is None or len(self.estimators):
            return self.classes[self.predict_proba(X).argmax(axis=1)]
        rule = self.rule or Argmax().bind(self.classes)
        base = self.base_model.answers(X, self.classes, rule.answers)
        gone = base.pred < 0
        if not gone.any():
            return base.served
        own = self.base_model.proba(X, self.classes)
        self._check_alone(gone & own.missing)
        answers = np.array(base.served, dtype=np.result_type(base.served, rule.answers))
        answers[gone] = rule.answers[rule.decide(own.matched.proba[gone])]
        return answers

    def _check_alone(self, missing: NDArray[np.bool_]) -> None:
        if missing.any():
            raise InvalidInputError(
                f"base_model must predict a class of {self.classes.tolist()[:10]} for every row "
                f"when it is served alone, got {np.count_nonzero(missing)} of {len(missing)} rows "
                "without one; leave those rows out, or update with a larger budget"
            )


class OverrideClassifier(FittedClassifier):
    """A new model that overrides the base model only where it is sure enough.

    The answer of the base model is served, unless the new model's own answer has an expected gain
    of more than a threshold.

    Parameters
    ----------
    estimator : fitted classifier
        The new model.
    base_model : BaseModel
    threshold : float
    classes : ndarray of shape (K,)
    rule : BoundRule or None
        How the new model's probabilities become answers; None for the most probable class.
    utility : ndarray of shape (A, K) or None
        What each answer is worth given the truth; None for 1 where it is right, and else nothing.
    surcharges : tuple of Surcharge
        What a change must gain beyond the threshold in some rows. The columns that they name are
        columns of X, or ``"base_answer"``.
    """

    # For files of releases that did not have them.
    rule: BoundRule | None = None
    utility: NDArray[np.float64] | None = None
    surcharges: tuple[Surcharge, ...] = ()

    def __init__(
        self,
        estimator: Any,
        base_model: BaseModel,
        threshold: float,
        classes: NDArray[Any],
        rule: BoundRule | None = None,
        utility: NDArray[np.float64] | None = None,
        surcharges: tuple[Surcharge, ...] = (),
    ) -> None:
        self.estimator = estimator
        self.base_model = base_model
        self.threshold = threshold
        self.classes = classes
        self.rule = rule
        self.utility = utility
        self.surcharges = surcharges

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of the probability columns, shape (K,)."""
        return self.classes

    def _any_model(self) -> Any:
        return self.estimator

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the new model's probabilities, shape (n, K).

        Where most probable classes are the answers, they are changed as little as the served class
        demands.
        """
        new, served = self._served(X)
        by_argmax = self.rule is None or isinstance(self.rule.rule, Argmax)
        return leading_proba(new, served) if by_argmax else new

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the answer to each row, shape (n,)."""
        answers = self.classes if self.rule is None else self.rule.answers
        return answers[self._served(X)[1]]

    def _served(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return the new model's probabilities, and the answers that are served."""
        rule = self.rule or Argmax().bind(self.classes)
        answering = Answering(rule, rule.utility if self.utility is None else self.utility)
        new = proba_of(self.estimator, X, self.classes)
        base = self.base_model.answers(X, self.classes, rule.answers)
        own = rule.decide(new)
        gain = answering.net_gains(new, own, base.pred, self.surcharges, self._groups(X, base))
        return new, np.where(gain > self.threshold, own, base.pred)

    def _groups(self, X: Any, base: BasePredictions) -> GroupColumns:
        """Return the columns that the surcharges name."""
        names = {one.column for one in self.surcharges if one.column is not None}
        missing = names - {BASE_ANSWER} - set(getattr(X, "columns", ()))
        if missing:
            raise InvalidInputError(
                f"X must have the column {missing.pop()!r}, which the budget limits groups by, got "
                "rows without it; give a data frame with the columns of the training"
            )
        return {name: base.served if name == BASE_ANSWER else np.asarray(X[name]) for name in names}
