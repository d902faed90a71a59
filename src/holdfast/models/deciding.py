"""`DecidingClassifier`: a model whose probabilities a rule turns into answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.learners.estimators import final_of, proba_of
from holdfast.models.fitted import FittedClassifier
from holdfast.rules import BoundRule, Rule, Threshold

__all__ = ["DecidingClassifier", "inner_estimator", "rule_of_model"]


class DecidingClassifier(FittedClassifier):
    """A fitted classifier that answers by a rule.

    Parameters
    ----------
    estimator : fitted classifier
    rule : BoundRule
    """

    def __init__(self, estimator: Any, rule: BoundRule) -> None:
        self.estimator = estimator
        self.rule = rule

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes of the probability columns, shape (K,)."""
        return self.rule.classes

    def _any_model(self) -> Any:
        return self.estimator

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities of shape (n, K)."""
        return proba_of(self.estimator, X, self.rule.classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the answer of the rule to each row, shape (n,)."""
        return self.rule.answers[self.rule.decide(self.predict_proba(X))]


def rule_of_model(model: Any) -> Rule | None:
    """Return the rule by which a deployed model is known to answer; None where it is not known.

    Known are models that holdfast serves, and scikit-learn's threshold classifiers that look at
    probabilities.
    """
    model = getattr(model, "served_", model)
    rule = getattr(model, "rule", None)
    if isinstance(rule, BoundRule):
        return rule.rule
    return _rule_of_threshold_classifier(final_of(model))


def _rule_of_threshold_classifier(model: Any) -> Rule | None:
    kind = _threshold_kind(model)
    inner = getattr(model, "estimator_", getattr(model, "estimator", None))
    if kind is None or model.response_method == "decision_function":
        return None
    if model.response_method == "auto" and not hasattr(inner, "predict_proba"):
        return None
    if kind == "TunedThresholdClassifierCV":
        if not hasattr(model, "best_threshold_"):
            return None
        return Threshold(
            float(np.clip(model.best_threshold_, 0.0, 1.0)),
            positive=model._curve_scorer._get_pos_label(),
        )
    threshold = 0.5 if model.threshold == "auto" else float(model.threshold)
    return Threshold(threshold, positive=model.pos_label)


def inner_estimator(estimator: Any) -> Any:
    """Return what learns inside a threshold classifier of scikit-learn, also at a pipeline's end.

    Any other estimator is returned as it is.
    """
    final = final_of(estimator)
    if _threshold_kind(final) is None:
        return estimator
    if final is estimator:
        return final.estimator
    from sklearn.pipeline import Pipeline

    name = estimator.steps[-1][0]
    return Pipeline([*estimator.steps[:-1], (name, final.estimator)])


def _threshold_kind(model: Any) -> str | None:
    """Return the name of a threshold classifier's class; None for anything else."""
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

    kinds = (FixedThresholdClassifier, TunedThresholdClassifierCV)
    return next((kind.__name__ for kind in kinds if isinstance(model, kind)), None)
