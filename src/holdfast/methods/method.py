"""What a method may declare: the base class of `holdfast.methods`, and the names of its kinds.

Learners and trainers work from these declarations alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from holdfast import targets
from holdfast.common.parameters import check_share

__all__ = ["METHODS", "Method"]

METHODS: dict[str, type[Method]] = {}


@dataclass(frozen=True)
class Method:
    """Base class, which changes nothing: subclasses with a `name` are found by that name."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if cls.name:
            METHODS[cls.name] = cls

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return the settings to try: one for each value of the first setting, where there is one.

        Parameters
        ----------
        lambdas : sequence of float
            The user's grid, in (0, 1].
        """
        names = [entry.name for entry in fields(cls) if entry.name != "of"]
        return [cls(**{names[0]: value}) for value in lambdas] if names else [cls()]

    @property
    def kind(self) -> str:
        """Name of the methods that it is shown among."""
        return self.name

    # --- what is trained --------------------------------------------------------------------------

    @property
    def trained(self) -> Method:
        """The method that is trained; several may be made of one training."""
        return self

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the soft targets (n, K): e_y unless redefined.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Positions of the labels among the K classes.
        base_proba : ndarray of shape (n, K)
            Rows of NaN have no base prediction.
        classes : ndarray of shape (K,)
            0 … K-1.
        """
        return targets.one_hot(y, classes=classes)

    def start(self, fresh: Any, base: Any) -> Any:
        """Return where one parameter starts, from its fresh draw and from the base model's.

        Parameters
        ----------
        fresh, base : tensor
            Of one shape. `base` is there only where `needs_base_parameters`.
        """
        return fresh

    def draw(
        self, rng: np.random.Generator, n_batches: int, batch_size: int
    ) -> dict[str, NDArray[Any]]:
        """Return the random numbers of one epoch for `batch`: arrays of one entry a batch."""
        return {}

    def batch(self, x: Any, target: Any, drawn: dict[str, Any]) -> tuple[Any, Any]:
        """Return what a network sees in place of a batch.

        Runs under `torch.func.vmap`, all networks of one class of methods at once: what depends on
        the setting comes out of `draw`, and values decide no branch.

        Parameters
        ----------
        x : tensor of shape (b, …)
        target : tensor of shape (b, K)
        drawn : dict of tensors
            This batch's entries of what `draw` returned.
        """
        return x, target

    @property
    def peer_weight(self) -> float:
        """Weight of a second network's prediction in the target; 0 for a network on its own."""
        return 0.0

    @property
    def churn_limit(self) -> float | None:
        """Most churn of the training rows, as an explicit constraint; None without."""
        return None

    # --- what is made of it -----------------------------------------------------------------------

    def finish(self, trained: Any, base: Any) -> Any:
        """Return the served value of one parameter, from its trained and the base model's."""
        return trained

    @property
    def rounds(self) -> float:
        """Share of the rounds of boosting that is kept, the first ones."""
        return 1.0

    @property
    def members(self) -> int:
        """Models of different seeds whose probabilities are averaged."""
        return 1

    @property
    def base_weight(self) -> float:
        """Weight of the base model in the served average."""
        return 0.0

    @property
    def threshold(self) -> float | None:
        """Threshold τ of an override of the base model, None without."""
        return None

    # --- settings ---------------------------------------------------------------------------------

    @property
    def lam(self) -> float:
        """Weight of the base model in the targets, 0 where the method has none."""
        return 0.0

    @property
    def needs_base_proba(self) -> bool:
        """Whether the base model's probabilities of the training rows take part in training."""
        return self.trained.lam > 0 or "constraint" in self.changes

    @property
    def needs_base_parameters(self) -> bool:
        """Whether the parameters of the base model take part."""
        return bool({"start", "parameters"} & self.changes)

    @property
    def changes(self) -> frozenset[str]:
        """What of a model differs from plain retraining.

        Among "target", "start", "batch", "coupling", "constraint" (in training), "rounds" and
        "parameters" (thereafter).
        """
        kind = type(self.trained)
        found = {
            what
            for what in ("target", "start", "batch")
            if getattr(kind, what) is not getattr(Method, what)
        }
        if self.trained.peer_weight:
            found.add("coupling")
        if self.trained.churn_limit is not None:
            found.add("constraint")
        return frozenset(found)

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        for key, value in self.params().items():
            check_share(f"{type(self).__name__}.{key}", value, hint="give a weight, e.g. 0.5")

    def params(self) -> dict[str, Any]:
        """Return the settings by name."""
        names = [entry.name for entry in fields(self)]
        names.sort(key=lambda name: name == "of")  # a method within comes last
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={_short(value)}" for key, value in self.params().items())
        return f"{self.name}({settings})" if settings else self.name


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, Real) else str(value)
