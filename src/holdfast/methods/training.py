"""What a training run changes relative to plain retraining: one small frozen dataclass each.

A method declares what it changes: the soft targets, where the parameters start, what is done to a
batch, whether a second network learns alongside, what becomes of the trained parameters, and what
is served. Adding a method takes one class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from holdfast import targets
from holdfast.common.arrays import check_choice, check_count, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.methods.method import METHODS, Method

__all__ = [
    "METHODS",
    "Anchor",
    "Average",
    "CoDistillation",
    "Cold",
    "Constrained",
    "Distill",
    "Ensemble",
    "FirstTrees",
    "Interpolate",
    "LabelSmoothing",
    "Method",
    "Mixup",
    "Override",
    "ShrinkPerturb",
    "Warm",
    "WarmDistill",
    "resolve_methods",
    "searched_methods",
]

GRID = tuple(round(0.1 * step, 1) for step in range(1, 10))
BUDGETS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16)


@dataclass(frozen=True)
class Cold(Method):
    """Plain retraining on the labels."""

    name: ClassVar[str] = "cold"


@dataclass(frozen=True)
class Distill(Method):
    """Distillation: targets (1 − λ)·e_y + λ·g(x).

    Parameters
    ----------
    lam : float
        λ in [0, 1].

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654).

    Examples
    --------
    >>> Distill(lam=0.3).params()
    {'lam': 0.3}
    """

    lam: float = 0.5

    name: ClassVar[str] = "distill"

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return (1 − λ)·e_y + λ·g(x)."""
        return targets.distill(y, base_proba, self.lam, classes=classes)


@dataclass(frozen=True)
class Anchor(Method):
    """Anchor (RCP): near the base model where it is right, plain labels of weight η elsewhere.

    Parameters
    ----------
    alpha : float
        Weight of the base model where it is right, in [0, 1].
    eta : float
        Weight of the rows that the base model has wrong, in [0, 1].

    References
    ----------
    Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.
    """

    alpha: float = 0.5
    eta: float = 1.0

    name: ClassVar[str] = "anchor"

    @property
    def lam(self) -> float:
        """Weight of the base model in the targets of the rows that it has right."""
        return self.alpha

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return every α with η of .5, .7 and 1, the paper's grid."""
        return [cls(alpha=alpha, eta=eta) for alpha in lambdas for eta in (0.5, 0.7, 1.0)]

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return α·g + (1 − α)·e_y where the base is right, η·e_y elsewhere."""
        return targets.anchor(y, base_proba, self.alpha, self.eta, classes=classes)


@dataclass(frozen=True)
class LabelSmoothing(Method):
    """Label smoothing: targets (1 − α)·e_y + α/K.

    Parameters
    ----------
    alpha : float
        In [0, 1].
    """

    alpha: float = 0.1

    name: ClassVar[str] = "label_smoothing"

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return (1 − α)·e_y + α/K."""
        return targets.smooth(y, self.alpha, classes=classes)


@dataclass(frozen=True)
class Warm(Method):
    """Warm start: plain labels, from the base model's parameters."""

    name: ClassVar[str] = "warm"

    def start(self, fresh: Any, base: Any) -> Any:
        """Return the base model's parameter."""
        return base


@dataclass(frozen=True)
class WarmDistill(Distill):
    """Distillation from the base model's parameters.

    Parameters
    ----------
    lam : float
        λ in [0, 1].
    """

    name: ClassVar[str] = "warm_distill"

    def start(self, fresh: Any, base: Any) -> Any:
        """Return the base model's parameter."""
        return base


@dataclass(frozen=True)
class ShrinkPerturb(Method):
    """Shrink and perturb: plain labels, from α·base + (1 − α)·fresh parameters.

    Parameters
    ----------
    alpha : float
        In [0, 1].

    References
    ----------
    Ash and Adams, "On Warm-Starting Neural Network Training", NeurIPS 2020.
    """

    alpha: float = 0.5

    name: ClassVar[str] = "shrink_perturb"

    def start(self, fresh: Any, base: Any) -> Any:
        """Return α·base + (1 − α)·fresh."""
        return self.alpha * base + (1 - self.alpha) * fresh


@dataclass(frozen=True)
class Mixup(Method):
    """Mixup: rows and targets of a batch, blended with those of another order of the batch.

    Parameters
    ----------
    alpha : float
        The weight of a batch is drawn from Beta(α, α); α in [0, 1], 0 for no blending.

    References
    ----------
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """

    alpha: float = 0.2

    name: ClassVar[str] = "mixup"

    def draw(
        self, rng: np.random.Generator, n_batches: int, batch_size: int
    ) -> dict[str, NDArray[Any]]:
        """Return a weight of shape (n_batches,) and partners of shape (n_batches, batch_size)."""
        partner = np.tile(np.arange(batch_size), (n_batches, 1))
        weight = np.ones(n_batches)
        if self.alpha:  # without, nothing is drawn: the orders to come are those of plain training
            partner = rng.permuted(partner, axis=1)
            weight = rng.beta(self.alpha, self.alpha, n_batches)
        return {"weight": weight.astype(np.float32), "partner": partner}

    def batch(self, x: Any, target: Any, drawn: dict[str, Any]) -> tuple[Any, Any]:
        """Return w·(x, t) + (1 − w)·(x', t') with the partners' x' and t'."""
        weight, partner = drawn["weight"], drawn["partner"]
        return (
            weight * x + (1 - weight) * x[partner],
            weight * target + (1 - weight) * target[partner],
        )


@dataclass(frozen=True)
class CoDistillation(Method):
    """Co-distillation: two networks learn from the labels and from each other's predictions.

    Both start from the base model's parameters and see the rows in orders of their own. The target
    is (1 − α)·e_y + α·(the other's prediction, as it is in serving); the first one is kept.

    Parameters
    ----------
    alpha : float
        In [0, 1].

    References
    ----------
    Anil et al., "Large scale distributed neural network training through online distillation",
    ICLR 2018; Bhojanapalli et al., "On the Reproducibility of Neural Network Predictions", 2021.
    """

    alpha: float = 0.5

    name: ClassVar[str] = "co_distillation"

    def start(self, fresh: Any, base: Any) -> Any:
        """Return the base model's parameter."""
        return base

    @property
    def peer_weight(self) -> float:
        """Weight α of the other network's prediction."""
        return self.alpha


@dataclass(frozen=True)
class Constrained(Method):
    """Churn as an explicit constraint of training, kept by Lagrangian descent.

    Minimises the loss of the labels subject to churn ≤ `max_churn` on the training rows. In every
    step the parameters descend along the gradient of loss + μ·divergence, and the multiplier μ ≥ 0
    rises by `dual_lr` times the excess of the batch's churn over the limit, or falls where there is
    none. That churn is of the same forward pass, dropout included. The divergence is the one that
    belongs to the loss, KL or Brier, whatever the churn that the limit is about: hard churn has no
    gradient (a proxy constraint). A network goes back to the epoch of least excess, and among those
    without to that of lowest validation loss.

    For networks; needs the extra ``lagrangian`` (Cooper).

    Parameters
    ----------
    max_churn : float
        The limit: a share of rows in [0, 1] for hard churn, a divergence of at least 0 otherwise.
    churn : {"hard", "kl", "brier"}
        What is limited.
    dual_lr : float
        Step size of the multiplier, above 0.

    References
    ----------
    Cotter et al., "Optimization with Non-Differentiable Constraints with Applications to Fairness,
    Recall, Churn, and Other Goals", JMLR 2019; Gallego-Posada et al., "Cooper: A Library for
    Constrained Optimization in Deep Learning", 2025 (arXiv 2504.01212).

    Examples
    --------
    >>> str(Constrained(0.05))
    'constrained(max_churn=0.05, churn=hard, dual_lr=0.5)'
    """

    max_churn: float = 0.02
    churn: str = "hard"
    dual_lr: float = 0.5

    name: ClassVar[str] = "constrained"

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return limits of hard churn from .5 to 16 %: a budget is no weight like λ."""
        return [cls(max_churn) for max_churn in BUDGETS]

    @property
    def churn_limit(self) -> float | None:
        """The limit."""
        return self.max_churn

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        check_choice("Constrained.churn", self.churn, ["hard", "kl", "brier"])
        most = 1.0 if self.churn == "hard" else math.inf
        check_share("Constrained.max_churn", self.max_churn, high=most, hint="give e.g. 0.02")
        check_share(
            "Constrained.dual_lr", self.dual_lr, high=math.inf, open_ends=True, hint="give e.g. 0.5"
        )


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


SEARCHED: dict[str, type[Distill]] = {"distill": Distill, "warm_distill": WarmDistill}


def searched_methods(
    method: Any, lambdas: Any, *, auto: Sequence[str] = ("distill",)
) -> tuple[list[type[Distill]], list[Any]]:
    """Part what is asked for: methods whose λ is to be searched, and all others.

    Parameters
    ----------
    method, lambdas, auto
        As for `resolve_methods`; λ are searched where `lambdas` is "auto".

    Returns
    -------
    tuple of (list of type, list)
        The others as `resolve_methods` takes them, plain retraining among them.

    Examples
    --------
    >>> searched_methods(["distill", "anchor"], "auto")
    ([<class 'holdfast.methods.Distill'>], ['cold', 'anchor'])
    """
    named = [method] if isinstance(method, (str, Method)) else method
    if not isinstance(lambdas, str) or not isinstance(named, (list, tuple)):
        return [], named
    spelled = [known for name in named for known in (auto if name == "auto" else (name,))]
    of_lambda = [name for name in spelled if isinstance(name, str) and name in SEARCHED]
    searched = [SEARCHED[name] for name in dict.fromkeys(of_lambda)]
    return searched, ["cold", *(name for name in spelled if name not in of_lambda)]


def resolve_methods(
    method: Any, lambdas: Any, *, auto: Sequence[str] = ("distill",)
) -> list[Method]:
    """Return the settings that compete, plain retraining always first.

    Parameters
    ----------
    method : str, Method, or sequence of these
        A name stands for its whole grid, a method object for its one setting, "auto" for the
        names in `auto`.
    lambdas : "auto" or sequence of float
        The grid of weights; "auto" is .1, .2 … .9. A 0 is allowed and changes nothing, since plain
        retraining belongs to every path.
    auto : sequence of str
        The methods that suit the learner.

    Raises
    ------
    InvalidInputError
        For an unknown name or a setting out of range.

    Examples
    --------
    >>> [str(setting) for setting in resolve_methods("distill", [0.2, 0.8])]
    ['cold', 'distill(lam=0.2)', 'distill(lam=0.8)']
    """
    grid = _check_lambdas(lambdas)
    named = [method] if isinstance(method, (str, Method)) else method
    if not isinstance(named, (list, tuple)) or not named:
        raise InvalidInputError(
            f"method must be a name, a method object or a list of these, got {method!r}; "
            f"choose from {', '.join(map(repr, METHODS))}"
        )
    settings: list[Method] = [Cold()]
    for entry in named:
        if isinstance(entry, Method):
            entry.check()
            settings.append(entry)
        else:
            name = check_choice("method", entry, ["auto", *METHODS])
            for known in auto if name == "auto" else (name,):
                settings.extend(METHODS[known].grid(grid))
    return list(dict.fromkeys(settings))


def _check_lambdas(lambdas: Any) -> tuple[float, ...]:
    if isinstance(lambdas, str):
        check_choice("lambdas", lambdas, ["auto"])
        return GRID
    try:
        values = np.asarray(lambdas, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not len(values) or not ((values >= 0) & (values <= 1)).all():
        raise InvalidInputError(
            f"lambdas must be 'auto' or numbers in [0, 1], got {lambdas!r}; "
            "give a grid such as [0.2, 0.5, 0.8]"
        )
    return tuple(float(value) for value in np.unique(values) if value > 0)
