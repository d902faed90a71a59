"""Methods that change how one model is trained: its target, its start or its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from holdfast import targets
from holdfast.common.parameters import check_choice, check_share
from holdfast.methods.method import Method

__all__ = [
    "Anchor",
    "CoDistillation",
    "Cold",
    "Constrained",
    "Distill",
    "LabelSmoothing",
    "Mixup",
    "ShrinkPerturb",
    "Warm",
    "WarmDistill",
]

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
    """Anchor (RCP), which keeps to the base model only in rows that it gets right.

    The target is α·g(x) + (1 − α)·e_y in rows that it gets right and η·e_y in rows that it gets
    wrong.

    Parameters
    ----------
    alpha : float
        Weight of the base model in rows that it gets right, in [0, 1].
    eta : float
        Weight of the rows that the base model gets wrong, in [0, 1].

    References
    ----------
    Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.
    """

    alpha: float = 0.5
    eta: float = 1.0

    name: ClassVar[str] = "anchor"

    @property
    def lam(self) -> float:
        """Weight of the base model in the targets of the rows that it gets right."""
        return self.alpha

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return every α with η of .5, .7 and 1, the paper's grid."""
        return [cls(alpha=alpha, eta=eta) for alpha in lambdas for eta in (0.5, 0.7, 1.0)]

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return α·g + (1 − α)·e_y for rows that the base gets right, η·e_y for the others."""
        return targets.anchor(y, base_proba, self.alpha, self.eta, classes=classes)


@dataclass(frozen=True)
class LabelSmoothing(Method):
    """Label smoothing: targets (1 − α)·e_y + α/K.

    Parameters
    ----------
    alpha : float
        Share of the target that is spread over all classes, in [0, 1].
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
    """Warm start: training on the labels that starts from the base model's parameters."""

    name: ClassVar[str] = "warm"

    def start(self, fresh: Any, base: Any) -> Any:
        """Return the base model's parameter."""
        return base


@dataclass(frozen=True)
class WarmDistill(Distill):
    """Distillation that starts from the base model's parameters.

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
    """Shrink and perturb: training on the labels from parameters α·base + (1 − α)·fresh.

    Parameters
    ----------
    alpha : float
        Weight of the base model's parameters, in [0, 1].

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
    """Mixup: each row and its target are blended with those of another row of the batch.

    Parameters
    ----------
    alpha : float
        α in [0, 1] of the distribution Beta(α, α), from which each batch draws the weight of its
        own rows. With 0 nothing is blended.

    References
    ----------
    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """

    alpha: float = 0.2

    name: ClassVar[str] = "mixup"

    def draw(
        self, rng: np.random.Generator, n_batches: int, batch_size: int
    ) -> dict[str, NDArray[Any]]:
        """Return the weight and the order of partners of each batch.

        Parameters
        ----------
        rng : numpy.random.Generator
            The network's generator.
        n_batches : int
            Number of batches.
        batch_size : int
            Rows of each batch.

        Returns
        -------
        dict of str to ndarray
            "weight" of shape (n_batches,) and "partner" of shape (n_batches, batch_size).
        """
        partner = np.tile(np.arange(batch_size), (n_batches, 1))
        weight = np.ones(n_batches)
        if self.alpha:  # with 0 nothing is drawn, so that later draws are those of plain training
            partner = rng.permuted(partner, axis=1)
            weight = rng.beta(self.alpha, self.alpha, n_batches)
        return {"weight": weight.astype(np.float32), "partner": partner}

    def batch(self, x: Any, target: Any, drawn: dict[str, Any]) -> tuple[Any, Any]:
        """Return w·(x, t) + (1 − w)·(x', t'), where x' and t' belong to the partners."""
        weight, partner = drawn["weight"], drawn["partner"]
        return (
            weight * x + (1 - weight) * x[partner],
            weight * target + (1 - weight) * target[partner],
        )


@dataclass(frozen=True)
class CoDistillation(Method):
    """Co-distillation: two networks learn from the labels and from each other's predictions.

    Both networks start from the base model's parameters, and each sees the rows in an order of its
    own. The target is (1 − α)·e_y + α·p, where p is the other network's prediction in evaluation
    mode. The first network is kept.

    Parameters
    ----------
    alpha : float
        Weight of the other network's prediction, in [0, 1].

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

    The method minimises the loss on the labels subject to churn ≤ `max_churn` on the training rows.
    In every step the parameters descend along the gradient of loss + μ·divergence. The multiplier
    μ ≥ 0 moves by `dual_lr` times the batch's churn minus the limit: it rises above the limit and
    falls below it. That churn is measured in the same forward pass, dropout included.

    The divergence is the one that belongs to the loss, KL or Brier, whichever churn is limited.
    Hard churn has no gradient, so the divergence stands in for it (a proxy constraint). A network
    goes back to the epoch whose churn exceeded the limit least; among epochs within the limit it
    goes back to the one of lowest validation loss.

    The method works for networks only and needs the extra ``lagrangian`` (Cooper).

    Parameters
    ----------
    max_churn : float
        The limit: a share of rows in [0, 1] for hard churn, or a divergence of at least 0.
    churn : {"hard", "kl", "brier"}
        Kind of churn that is limited.
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
        """Return limits of hard churn from .5 to 16 %, since a limit is not a weight like λ."""
        return [cls(max_churn) for max_churn in BUDGETS]

    @property
    def churn_limit(self) -> float | None:
        """Largest churn of the training rows that training allows."""
        return self.max_churn

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        check_choice("Constrained.churn", self.churn, ["hard", "kl", "brier"])
        most = 1.0 if self.churn == "hard" else math.inf
        check_share("Constrained.max_churn", self.max_churn, high=most, hint="give e.g. 0.02")
        check_share(
            "Constrained.dual_lr", self.dual_lr, high=math.inf, open_ends=True, hint="give e.g. 0.5"
        )
