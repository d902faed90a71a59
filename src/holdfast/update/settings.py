"""The parameters of `LowChurnClassifier`, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.common.parameters import check_choice, check_jobs, check_seed, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import final_of, gives_proba
from holdfast.models.deciding import inner_estimator
from holdfast.rules import Rule
from holdfast.selection.budget import CHURN_KINDS, Budget, is_number
from holdfast.selection.weights import check_average_in

__all__ = ["Settings"]

RULES = ("base", "same_rate", "retuned")

CHOICES = {
    "mixture": ("average", "single", "override"),
    "churn": CHURN_KINDS,
    "average_in": ("probability", "log_odds"),
}


@dataclass(frozen=True, eq=False)
class Settings:
    """The checked parameters of one fit, or of one selection from its candidates.

    Attributes
    ----------
    budget : Budget
        `max_churn`, `max_negative_flips`, `min_accuracy`, `min_utility` and `churn`.
    has_base_model : bool
        Whether there is a base model that can be served.
    others
        As in `LowChurnClassifier`.
    """

    budget: Budget
    has_base_model: bool
    method: Any
    lambdas: Any
    mixture: str
    include_base: bool | str
    average_in: str
    rule: Rule | str
    utility: Any
    confidence: float | None
    validation_fraction: float
    refit: bool
    soft_targets: str
    n_jobs: int | None
    random_state: int | None
    verbose: int

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Settings:
        """Check the estimator's parameters, given by name.

        Raises
        ------
        InvalidInputError
            For values out of range, or parameters that do not go together.
        """
        for name, choices in CHOICES.items():
            check_choice(name, params[name], choices)
        check_share("validation_fraction", params["validation_fraction"], open_ends=True)
        if not isinstance(params["refit"], bool):
            raise InvalidInputError(f"refit must be True or False, got {params['refit']!r}")
        if not isinstance(params["include_base"], bool):
            check_choice("include_base", params["include_base"], ["auto"])
        check_jobs(params["n_jobs"])
        check_seed(params["random_state"])
        budget = _budget_of(params)
        if params["confidence"] is not None:
            _check_confidence(params)
        check_average_in(params["average_in"], params["churn"])
        _check_override(params)
        if not isinstance(params["rule"], Rule):
            _check_rule_name(params["rule"])
        _check_estimator(params["estimator"])
        kept = {name: params[name] for name in cls.__dataclass_fields__ if name in params}
        return cls(budget=budget, has_base_model=params["base_model"] is not None, **kept)

    @property
    def divergence(self) -> str:
        """The divergence of soft churn: ``"kl"`` or ``"brier"``."""
        return "brier" if self.budget.churn == "brier" else "kl"

    @property
    def needs_utility(self) -> bool:
        """Whether answers are weighed against each other."""
        return self.mixture == "override" or self.budget.min_utility is not None

    @property
    def override_competes(self) -> bool:
        """Whether everything that suits is asked for, and an override could be served."""
        names = [self.method] if isinstance(self.method, str) else self.method
        asked = isinstance(names, (list, tuple)) and "auto" in names and self.mixture == "average"
        allowed = self.include_base is not False and self.budget.churn == "hard"
        return asked and allowed and self.has_base_model

    def check_only_answers(self) -> None:
        """Raise where the base model's probabilities are needed and it only answers."""
        if self.budget.churn != "hard":
            raise InvalidInputError(
                f"churn must be 'hard' where the base model only answers, got "
                f"{self.budget.churn!r}, which is a distance from its probabilities; give "
                "base_proba, or use churn='hard' with method='cold'"
            )
        if self.include_base is True:
            raise InvalidInputError(
                "include_base must be False or 'auto' where the base model only answers, got True: "
                "its probabilities cannot be averaged; use mixture='override' with method='cold'"
            )

    def check_base_use(self) -> None:
        """Raise where a base model must be served and there is none."""
        if self.has_base_model:
            return
        if self.mixture == "override":
            raise InvalidInputError(
                "base_model must be given with mixture='override', got base_proba alone: the base "
                "model's class is served wherever the new model is not clearly surer"
            )
        if self.include_base is True:
            raise InvalidInputError(
                "include_base must be False or 'auto' without base_model, got True: base_proba "
                "alone cannot be served; give base_model"
            )


def _budget_of(params: Mapping[str, Any]) -> Budget:
    max_churn, min_accuracy = params["max_churn"], params["min_accuracy"]
    min_utility = params["min_utility"]
    one_of = {"max_churn": max_churn, "min_accuracy": min_accuracy, "min_utility": min_utility}
    given = [name for name, value in one_of.items() if value is not None]
    if len(given) > 1:
        raise InvalidInputError(
            f"only one of {' and '.join(given)} may be given, got both; a churn budget and "
            "an accuracy or utility to keep are different problems"
        )
    budget = Budget.of(
        max_churn, params["max_negative_flips"], min_accuracy, params["churn"], min_utility
    )
    if min_utility is not None and min_utility != "cold" and not is_number(min_utility):
        raise InvalidInputError(
            f"min_utility must be a number or 'cold', got {min_utility!r}; give the mean utility "
            "of the answers to keep"
        )
    if min_accuracy is not None and min_accuracy != "cold":
        check_share("min_accuracy", min_accuracy)
    return budget


def _check_confidence(params: Mapping[str, Any]) -> None:
    check_share("confidence", params["confidence"], open_ends=True)
    if params["max_churn"] is None:
        raise InvalidInputError(
            "max_churn must be given with confidence, got None: a certificate is about a "
            "budget; give one, or leave confidence out"
        )
    if params["refit"]:
        raise InvalidInputError(
            "refit must be False with confidence, got True: a certificate is about the model "
            "that was measured, not about one trained again; choose one of the two"
        )


def _check_override(params: Mapping[str, Any]) -> None:
    if params["mixture"] == "override" and params["churn"] != "hard":
        raise InvalidInputError(
            f"churn must be 'hard' with mixture='override', got {params['churn']!r}: the override "
            "answers a hard budget; use mixture='average' for a soft one"
        )


def _check_rule_name(rule: Any) -> None:
    if not isinstance(rule, str):
        raise InvalidInputError(
            f"rule must be {', '.join(map(repr, RULES))} or a rule of holdfast.rules, got "
            f"{type(rule).__name__}; give e.g. Threshold(0.12, positive=...)"
        )
    check_choice("rule", rule, RULES)


def _check_estimator(estimator: Any) -> None:
    inner = inner_estimator(estimator)
    if inner is not estimator:
        response = final_of(estimator).response_method
        if response == "decision_function":
            raise InvalidInputError(
                "estimator must decide by probabilities, got a "
                f"{type(final_of(estimator)).__name__} with response_method='decision_function'; "
                "use response_method='predict_proba'"
            )
        estimator = inner
    if not gives_proba(estimator):
        final = final_of(estimator)
        raise InvalidInputError(
            f"estimator must have predict_proba, got {type(final).__name__}; {_way_to_proba(final)}"
        )


def _way_to_proba(final: Any) -> str:
    """Return how a classifier without probabilities gets some, or another classifier does."""
    if getattr(final, "voting", None) == "hard":
        return "use voting='soft', where each of its classifiers has probabilities"
    name = type(final).__name__
    if hasattr(final, "decision_function"):
        return (
            f"use CalibratedClassifierCV({name}(...)) with soft_targets='sample', or a classifier "
            "with probabilities, such as LogisticRegression"
        )
    return "use a classifier with probabilities, such as LogisticRegression"
