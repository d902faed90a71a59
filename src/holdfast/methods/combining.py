"""Methods that serve what other methods have trained, combined or cut."""

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
class _Made(Method):
    """What is made of another method's models once they are trained."""

    of: Method = field(default=Cold(), kw_only=True)

    @property
    def trained(self) -> Method:
        """What the other method trains."""
        return self.of.trained

    def finish(self, trained: Any, base: Any) -> Any:
        """Return what the other method serves."""
        return self.of.finish(trained, base)

    @property
    def rounds(self) -> float:
        """Share of the rounds that the other method keeps."""
        return self.of.rounds

    @property
    def members(self) -> int:
        """Members of the other method."""
        return self.of.members

    @property
    def base_weight(self) -> float:
        """Weight of the base model in what the other method serves."""
        return self.of.base_weight

    @property
    def lam(self) -> float:
        """Weight of the base model in the other method."""
        return self.of.lam

    @property
    def changes(self) -> frozenset[str]:
        """What the other method changes."""
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
    """Weight of the base model in w·base + (1 − w)·model, the model having λ of it."""
    return weight + (1 - weight) * lam


@dataclass(frozen=True)
class Interpolate(_Made):
    """Parameters w·base + (1 − w)·trained: one model is served.

    Parameters
    ----------
    weight : float
        w in [0, 1], of the base model.
    of : Method
        What is trained; from the base model's parameters, or the two are not connected.

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
        """The parameters, and what the trained method changes."""
        return self.of.changes | {"parameters"}

    @property
    def lam(self) -> float:
        """Weight of the base model in both steps."""
        return _joint_lam(self.weight, self.of.lam)


@dataclass(frozen=True)
class Average(_Made):
    """Probabilities averaged with the base model's: both models are served.

    Parameters
    ----------
    weight : float
        w in [0, 1], of the base model.
    of : Method
        What is trained.
    """

    weight: float = 0.5

    name: ClassVar[str] = "average"

    @property
    def base_weight(self) -> float:
        """Weight w of the base model, and what the other method gives it."""
        return _joint_lam(self.weight, self.of.base_weight)

    @property
    def lam(self) -> float:
        """Weight of the base model in both steps."""
        return _joint_lam(self.weight, self.of.lam)


@dataclass(frozen=True)
class Override(_Made):
    """The base model's class, unless the new model's is more probable by more than τ.

    Parameters
    ----------
    threshold : float
        τ in [0, 1].
    of : Method
        What is trained.
    """

    threshold: float = 0.5

    name: ClassVar[str] = "override"


@dataclass(frozen=True)
class Ensemble(_Made):
    """Models of several seeds, probabilities averaged: a steadier model.

    Parameters
    ----------
    members : int
        How many, two or more.
    of : Method
        What each of them is.
    """

    members: int = 4

    name: ClassVar[str] = "ensemble"

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return one setting: more members are better, and cost more."""
        return [cls()]

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        super().check()
        check_count("Ensemble.members", self.members, least=2, hint="give e.g. 4")


@dataclass(frozen=True)
class FirstTrees(_Made):
    """The first rounds of boosting alone: a booster of fewer trees, which is surer of less.

    For boosters. Of a model that is trained anyway it costs no training; else no more rounds are
    trained than are kept.

    Parameters
    ----------
    share : float
        Of the estimator's rounds, in (0, 1]; where training stops early, all rounds up to there
        where these are fewer.
    of : Method
        What is trained.

    Examples
    --------
    >>> str(FirstTrees(0.5, of=Distill(0.3)))
    'first_trees(share=0.5, of=distill(lam=0.3))'
    """

    share: float = 0.5

    name: ClassVar[str] = "first_trees"

    @property
    def kind(self) -> str:
        """Name of what the trees are of."""
        return self.of.kind

    @property
    def rounds(self) -> float:
        """Share of the rounds, of those that the other method keeps."""
        return self.share * self.of.rounds

    @property
    def changes(self) -> frozenset[str]:
        """The rounds, and what the other method changes."""
        return self.of.changes | {"rounds"}

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        super().check()
        if not self.share:
            raise InvalidInputError("FirstTrees.share must be above 0, got 0; give e.g. 0.5")
