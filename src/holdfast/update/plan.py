"""The plan of an update: the learner, the settings to fit, the methods whose λ is searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError
from holdfast.learners.interface import Learner
from holdfast.learners.lookup import learner_of, traits_of
from holdfast.methods.grid import resolve_methods, searched_methods
from holdfast.methods.method import Method
from holdfast.methods.training import Cold, Distill
from holdfast.models.base import BaseModel
from holdfast.update.settings import Settings

__all__ = ["Plan"]


@dataclass(frozen=True, eq=False)
class Plan:
    """The training that an update consists of.

    Attributes
    ----------
    learner : Learner
    methods : list of Method
        Fitted in any case.
    searched : list of type
        Methods whose λ is searched for.
    """

    learner: Learner
    methods: list[Method]
    searched: list[type[Distill]]

    @classmethod
    def of(
        cls,
        estimator: Any,
        settings: Settings,
        base_model: BaseModel | None,
        classes: NDArray[Any],
    ) -> Plan:
        """Return the plan for an estimator.

        Raises
        ------
        InvalidInputError
            For a method that serves the base model where only its predictions are given.
        UnsupportedEstimatorError
            When the estimator cannot be trained as the methods ask.
        """
        model = None if base_model is None else base_model.model
        soft_targets = settings.soft_targets
        traits = traits_of(estimator, soft_targets=soft_targets, base_model=model, classes=classes)
        searched: list[type[Distill]] = []
        named = settings.method
        if not traits.at_once:
            searched, named = searched_methods(named, settings.lambdas, auto=traits.auto)
        methods = resolve_methods(named, settings.lambdas, auto=traits.auto)
        serving_base = [one for one in methods if one.base_weight or one.threshold is not None]
        if serving_base and base_model is None:
            raise InvalidInputError(
                f"base_model must be given for the method {serving_base[0]}, which serves it "
                "beside the new model, got base_proba alone; give base_model or choose another "
                "method"
            )
        learner = learner_of(
            estimator,
            soft_targets=soft_targets,
            random_state=settings.random_state,
            base_model=model,
            classes=classes,
            methods=[*methods, *(family() for family in searched)],
        )
        return cls(learner, methods, searched)

    def for_answers_alone(self, settings: Settings) -> Plan:
        """Return the plan where the base model only answers; ``"auto"`` is plain retraining then.

        Raises
        ------
        InvalidInputError
            For a method that learns from the base model's probabilities, or averages them.
        """
        if settings.method == "auto":
            return Plan(self.learner, [Cold()], [])
        needing = [one for one in self.methods if one.needs_base_proba or one.base_weight]
        names = [str(one) for one in needing] + [family.name for family in self.searched]
        if names:
            raise InvalidInputError(
                "method must need no probabilities where the base model only answers, got "
                f"{names[0]!r}; use e.g. method='cold' with mixture='override', or give base_proba"
            )
        return self

    @classmethod
    def first_release(cls, estimator: Any, settings: Settings, classes: NDArray[Any]) -> Plan:
        """Return the plan of a plain fit, where there is no base model."""
        learner = learner_of(
            estimator,
            soft_targets=settings.soft_targets,
            random_state=settings.random_state,
            base_model=None,
            classes=classes,
            methods=[],
        )
        return cls(learner, [Cold()], [])
