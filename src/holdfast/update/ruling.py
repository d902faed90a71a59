"""The rule by which an update answers: copied from the base model, named, or fitted to rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.plain import plain_scalar
from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import final_of
from holdfast.models.base import BaseModel
from holdfast.models.base_predictions import BasePredictions
from holdfast.models.deciding import inner_estimator, rule_of_model
from holdfast.rules import Argmax, BoundRule, Rule, Threshold, TopShare, utility_matrix
from holdfast.selection.answering import Answering
from holdfast.selection.fitted_rules import Retuned, SameRate, TopShareOfRows
from holdfast.update.rows import UpdateRows
from holdfast.update.settings import Settings

__all__ = ["Ruling", "first_release_rule"]

# Rounding may decide the few rows whose probabilities are nearer than this to another answer.
TIE, FEW = 1e-6, 1e-3


@dataclass(frozen=True, eq=False)
class Ruling:
    """The rule of an update.

    Attributes
    ----------
    rule : BoundRule
        A fixed rule. Where it is fitted to rows, a rule of the same answers and classes, whose
        utility it has.
    fitted : TopShare, "same_rate", "retuned" or None
        How the threshold is fitted to the selection rows; None for a fixed rule.
    copied : bool
        Whether the rule is to be that of the base model.
    class_weight : "balanced", mapping or None
        What the estimator weighs classes by.
    """

    rule: BoundRule
    fitted: TopShare | str | None = None
    copied: bool = False
    class_weight: Any = None

    @classmethod
    def of(
        cls,
        settings: Settings,
        estimator: Any,
        base_model: BaseModel | None,
        classes: NDArray[Any],
    ) -> Ruling:
        """Return the rule that the settings, the estimator and the base model ask for.

        Raises
        ------
        InvalidInputError
            For a rule that does not fit the classes.
        """
        named: Rule | str = settings.rule
        if named == "base":
            named = rule_of_model(estimator) or named
            if tunes_threshold(estimator):
                named = "retuned"
        class_weight = getattr(final_of(inner_estimator(estimator)), "class_weight", None)
        known = None if base_model is None else rule_of_model(base_model.model)
        if isinstance(named, TopShare):
            placeholder = Threshold(0.5, positive=named.positive).bind(classes)
            return cls(placeholder, named, class_weight=class_weight)
        if isinstance(named, Rule):
            return cls(named.bind(classes), class_weight=class_weight)
        if named == "base":
            return cls((known or Argmax()).bind(classes), copied=True, class_weight=class_weight)
        if len(classes) != 2:
            raise InvalidInputError(
                f"rule must be a rule of holdfast.rules where there are {len(classes)} classes, "
                f"got {named!r}, which looks for one threshold between two; name a rule"
            )
        return cls((known or Argmax()).bind(classes), named, class_weight=class_weight)

    @property
    def answers(self) -> NDArray[Any]:
        """The possible answers, by value."""
        return self.rule.answers

    @property
    def decides(self) -> bool:
        """Whether the rule decides; else the estimators answer, by most probable classes."""
        return not self.copied or not isinstance(self.rule.rule, Argmax)

    def check_copied(self, base: BasePredictions) -> None:
        """Warn where the rule does not give the answers of the base model.

        Parameters
        ----------
        base : BasePredictions
            For all rows of the update.

        Raises
        ------
        InvalidInputError
            When the rule gives none of the base model's answers.

        Warns
        -----
        UserWarning
            When the base model decides in a way that cannot be copied.
        """
        answered = base.answered
        if answered.any() and (base.pred[answered] < 0).all():
            given = np.unique(base.served[answered])[:5].tolist()
            raise InvalidInputError(
                f"rule must give answers that the base model gives, got {self.rule.rule}, which "
                f"answers {', '.join(map(repr, self.answers.tolist()[:5]))}, where the base model "
                f"answers {', '.join(map(repr, given))}; name a rule with these answers"
            )
        known = base.answered & ~base.missing & (base.pred >= 0)
        if not self.copied or not known.any():
            return
        proba, pred = base.matched.proba[known], base.pred[known]
        apart = self.rule.decide(proba) != pred
        if apart.mean() > FEW or (apart & (self.rule.distance(proba) > TIE)).any():
            warn(
                f"the base model's answers to {int(apart.sum()):,} of {len(pred):,} rows do not "
                f"follow from its probabilities by {self.rule.rule}, and the new model decides by "
                "that. Budgets, churn and certificates are about the base model's own answers; "
                f"{self._advice(proba, pred)}"
            )

    def _advice(self, proba: NDArray[np.float64], pred: NDArray[np.intp]) -> str:
        """Return what to do, with the threshold that the answers follow if there is one."""
        if proba.shape[1] == 2 and self.answers is self.rule.classes:
            positive = proba[:, 1]
            least = positive[pred == 1].min(initial=1.0)
            most = positive[pred == 0].max(initial=0.0)
            if most < least:
                positive_class = plain_scalar(self.rule.classes[1])
                return (
                    "they follow a threshold, so give e.g. "
                    f"rule=Threshold({(most + least) / 2:.4g}, positive={positive_class!r})"
                )
        return "name the rule of the new model with rule=, e.g. rule='same_rate'"

    def answering(self, rows: UpdateRows, settings: Settings) -> Answering:
        """Return how models answer the selection rows, and what their answers are worth.

        Raises
        ------
        InvalidInputError
            For a utility that does not fit, or where one is needed and none is known.
        """
        utility, by_utility = self._utility(rows, settings)
        follows = settings.utility is None and self.class_weight is None
        if self.fitted is None:
            return Answering(self.rule, utility, by_utility)
        if isinstance(self.fitted, TopShare):
            return TopShareOfRows(
                self.rule, utility, by_utility, share=self.fitted, weight=rows.weight
            )
        if self.fitted == "same_rate":
            weight = rows.answered_weight
            positive = np.average(rows.base.pred == 1, weights=weight)
            return SameRate(
                self.rule,
                utility,
                by_utility,
                follows,
                positive=1,
                rate=float(positive),
                weight=weight,
            )
        return Retuned(
            self.rule,
            utility,
            by_utility,
            follows,
            positive=1,
            y=rows.y,
            base_pred=rows.base.pred,
            weight=np.ones(len(rows.y)) if rows.weight is None else rows.weight,
            answer_weight=rows.answered_weight,
        )

    def _utility(
        self, rows: UpdateRows, settings: Settings
    ) -> tuple[NDArray[np.float64] | None, bool]:
        """Return the utility of answers, and whether it decides between mixtures."""
        spec = settings.utility
        if spec is None and self.class_weight is not None:
            balanced = isinstance(self.class_weight, str)
            spec = "balanced_accuracy" if balanced else self._weights_of(self.class_weight)
        if spec is None:
            unknown = isinstance(self.fitted, TopShare) or self.rule.utility is None
            own = None if unknown else self.rule.utility
            if own is None and settings.needs_utility:
                raise InvalidInputError(
                    f"utility must be given with {self.fitted or self.rule.rule} where answers are "
                    "weighed against each other, got None; give e.g. 'balanced_accuracy', class "
                    "weights or Costs"
                )
            decides = own is not None and not isinstance(self.rule.rule, Argmax)
            return own, decides or self.fitted == "retuned"
        weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
        share = np.bincount(rows.y, weight, len(rows.classes)) / weight.sum()
        matrix = utility_matrix(spec, self.rule, share)
        return matrix, not (isinstance(spec, str) and spec == "accuracy")

    def _weights_of(self, class_weight: Any) -> Any:
        if isinstance(class_weight, Mapping):
            return {label: class_weight.get(label, 1.0) for label in self.rule.classes.tolist()}
        return class_weight


def tunes_threshold(estimator: Any) -> bool:
    """Whether an estimator is scikit-learn's classifier that tunes its threshold."""
    from sklearn.model_selection import TunedThresholdClassifierCV

    return isinstance(final_of(estimator), TunedThresholdClassifierCV)


def first_release_rule(settings: Settings, classes: NDArray[Any]) -> BoundRule | None:
    """Return the rule of a first release; None where the estimator answers itself.

    Raises
    ------
    InvalidInputError
        For a rule that is fitted to selection rows, which a first release does not have.
    """
    if settings.rule == "base":
        return None
    if isinstance(settings.rule, Rule) and not isinstance(settings.rule, TopShare):
        return settings.rule.bind(classes)
    raise InvalidInputError(
        f"rule must need no selection rows in a first release, which has none, got "
        f"{settings.rule!r}; give a Threshold, or fit scikit-learn's TunedThresholdClassifierCV"
    )
