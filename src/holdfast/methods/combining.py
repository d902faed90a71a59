"""Methods that combine or cut the models that another method trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast.common.parameters import check_count, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.methods.method import Method
from holdfast.methods.training import Cold, Warm

__all__ = ["Average", "Ensemble", "FirstTrees", "Interpolate", "Override"]


@dataclass(frozen=True)
class _Derived(Method):
    """Base class of methods that serve another method's trained models in another form."""

    of: Method = field(default=Cold(), kw_only=True)

    @property
    def trained(self) -> Method:
        """The method that is trained: the innermost one."""
        return self.of.trained

    def finish(self, trained: Any, base: Any) -> Any:
        """Return the value of a parameter that the other method serves."""
        return self.of.finish(trained, base)

    @property
    def rounds(self) -> float:
        """Share of the rounds of boosting that the other method keeps."""
        return self.of.rounds

    @property
    def members(self) -> int:
        """Number of models that the other method averages."""
        return self.of.members

    @property
    def base_weight(self) -> float:
        """Weight of the base model in the average that the other method serves."""
        return self.of.base_weight

    @property
    def lam(self) -> float:
        """Weight λ of the base model in the other method."""
        return self.of.lam

    @property
    def changes(self) -> frozenset[str]:
        """Names of the aspects in which the other method differs from plain retraining."""
        return self.of.changes

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        name = type(self).__name__
        if not isinstance(self.of, Method) or self.of.threshold is not None:
            raise InvalidInputError(
                f"{name}.of must be a method other than Override, got {self.of!r}; give a method "
                "object such as Distill(0.5), and make the override of the whole"
            )
        self.of.check()
        for key, value in self.params().items():
            if key not in ("of", "members"):
                check_share(f"{name}.{key}", value, hint="give a weight, e.g. 0.5")


def _joint_lam(weight: float, lam: float) -> float:
    """Return the base model's weight in w·base + (1 − w)·model, where λ is its weight in model."""
    return weight + (1 - weight) * lam


@dataclass(frozen=True)
class Interpolate(_Derived):
    """Interpolation of parameters: one model with parameters w·base + (1 − w)·trained is served.

    Parameters
    ----------
    weight : float
        Weight w of the base model, in [0, 1].
    of : Method
        The method that is trained. It should start from the base model's parameters: those of
        models that are trained apart do not mix.

    References
    ----------
    Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """

    weight: float = 0.5
    of: Method = field(default=Warm(), kw_only=True)

    name: ClassVar[str] = "interpolate"

    def finish(self, trained: Any, base: Any) -> Any:
        """Return w·base + (1 − w)·trained."""
        return self.weight * base + (1 - self.weight) * self.of.finish(trained, base)

    @property
    def changes(self) -> frozenset[str]:
        """Names of the aspects that differ from plain retraining, "parameters" among them."""
        return self.of.changes | {"parameters"}

    @property
    def lam(self) -> float:
        """Weight of the base model in both steps."""
        return _joint_lam(self.weight, self.of.lam)


@dataclass(frozen=True)
class Average(_Derived):
    """Average of probabilities with the base model's: both models are served.

    Parameters
    ----------
    weight : float
        Weight w of the base model, in [0, 1].
    of : Method
        The method that is trained.
    """

    weight: float = 0.5

    name: ClassVar[str] = "average"

    @property
    def base_weight(self) -> float:
        """Weight of the base model in the served average, that of the other method included."""
        return _joint_lam(self.weight, self.of.base_weight)

    @property
    def lam(self) -> float:
        """Weight of the base model in both steps."""
        return _joint_lam(self.weight, self.of.lam)


@dataclass(frozen=True)
class Override(_Derived):
    """Override of the base model's class by the new model's, where the new model is sure enough.

    Let p be the probabilities of the new model. Its class c is served in place of the base model's
    class b if p(c) − p(b) > τ, and b is served otherwise.

    Parameters
    ----------
    threshold : float
        The threshold τ, in [0, 1].
    of : Method
        The method that is trained.
    """

    threshold: float = 0.5

    name: ClassVar[str] = "override"


@dataclass(frozen=True)
class Ensemble(_Derived):
    """Average of the probabilities of models with different seeds, which is steadier than one.

    Parameters
    ----------
    members : int
        Number of models, two or more.
    of : Method
        The method by which each model is trained.
    """

    members: int = 4

    name: ClassVar[str] = "ensemble"

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return one setting, the default: more members are better but cost more."""
        return [cls()]

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        super().check()
        check_count("Ensemble.members", self.members, least=2, hint="give e.g. 4")


@dataclass(frozen=True)
class FirstTrees(_Derived):
    """The first rounds of boosting: a booster with fewer trees and less extreme probabilities.

    The method works for boosters only. It costs no training if the whole booster is trained anyway.
    Otherwise only the rounds that are kept are trained.

    Parameters
    ----------
    share : float
        Share of the estimator's rounds that is kept, in (0, 1]. If training stops before that many
        rounds, all its rounds are kept.
    of : Method
        The method that is trained.

    Examples
    --------
    >>> from holdfast.methods import Distill
    >>> str(FirstTrees(0.5, of=Distill(0.3)))
    'first_trees(share=0.5, of=distill(lam=0.3))'
    """

    share: float = 0.5

    name: ClassVar[str] = "first_trees"

    @property
    def kind(self) -> str:
        """Name of the group of methods with which the whole booster is shown."""
        return self.of.kind

    @property
    def rounds(self) -> float:
        """Share of the rounds of boosting that is kept, after the other method's share."""
        return self.share * self.of.rounds

    @property
    def changes(self) -> frozenset[str]:
        """Names of the aspects that differ from plain retraining, "rounds" among them."""
        return self.of.changes | {"rounds"}

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        super().check()
        if not self.share:
            raise InvalidInputError("FirstTrees.share must be above 0, got 0; give e.g. 0.5")
