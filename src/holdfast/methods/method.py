"""The base class `Method` with all that a method may declare, and the table of methods by name.

Learners and trainers know a method by these declarations alone.
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
    """Base class of methods, which changes nothing relative to plain retraining.

    A subclass that has a `name` is entered in `METHODS` under that name.
    """

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if cls.name:
            METHODS[cls.name] = cls

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return the settings to try, one for each value of the method's first setting.

        A method without settings has one entry.

        Parameters
        ----------
        lambdas : sequence of float
            The values to try, in (0, 1].
        """
        names = [entry.name for entry in fields(cls) if entry.name != "of"]
        return [cls(**{names[0]: value}) for value in lambdas] if names else [cls()]

    @property
    def kind(self) -> str:
        """Name of the group of methods with which this method is shown."""
        return self.name

    # --- what is trained --------------------------------------------------------------------------

    @property
    def trained(self) -> Method:
        """The method that is trained; several methods may serve the result of one training."""
        return self

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the soft targets (n, K), which are the indicators e_y unless redefined.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Position of each row's label among the K classes.
        base_proba : ndarray of shape (n, K)
            Base probabilities. A row of NaN has no base prediction.
        classes : ndarray of shape (K,)
            The positions 0 … K-1.
        """
        return targets.one_hot(y, classes=classes)

    def start(self, fresh: Any, base: Any) -> Any:
        """Return the value with which a parameter starts.

        Parameters
        ----------
        fresh : tensor
            The freshly drawn value.
        base : tensor
            The base model's value, of the same shape; it is given only to a method that
            `needs_base_parameters`.
        """
        return fresh

    def draw(
        self, rng: np.random.Generator, n_batches: int, batch_size: int
    ) -> dict[str, NDArray[Any]]:
        """Return the random numbers that `batch` needs in one epoch.

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
            Arrays with one entry for each batch.
        """
        return {}

    def batch(self, x: Any, target: Any, drawn: dict[str, Any]) -> tuple[Any, Any]:
        """Return the rows and targets on which a network learns in place of a batch.

        This runs under `torch.func.vmap` for all networks of one class of methods at once. Whatever
        depends on a setting must therefore come from `draw`, and no branch may depend on a value.

        Parameters
        ----------
        x : tensor of shape (b, …)
            Rows of the batch.
        target : tensor of shape (b, K)
            Their targets.
        drawn : dict of tensors
            The entries of this batch in the arrays from `draw`.
        """
        return x, target

    @property
    def peer_weight(self) -> float:
        """Weight of a second network's prediction in the target; 0 for a network alone."""
        return 0.0

    @property
    def churn_limit(self) -> float | None:
        """Largest churn of the training rows that training allows; None without a constraint."""
        return None

    # --- what is served ---------------------------------------------------------------------------

    def finish(self, trained: Any, base: Any) -> Any:
        """Return the value of a parameter that is served.

        Parameters
        ----------
        trained : tensor
            The trained value.
        base : tensor
            The base model's value, of the same shape.
        """
        return trained

    @property
    def rounds(self) -> float:
        """Share of the rounds of boosting, counted from the first, that is kept."""
        return 1.0

    @property
    def members(self) -> int:
        """Number of models of different seeds whose probabilities are averaged."""
        return 1

    @property
    def base_weight(self) -> float:
        """Weight of the base model in the served average."""
        return 0.0

    @property
    def threshold(self) -> float | None:
        """Threshold τ of an override of the base model; None if the method is not an override."""
        return None

    # --- settings ---------------------------------------------------------------------------------

    @property
    def lam(self) -> float:
        """Weight λ of the base model in the targets; 0 if it has no part in them."""
        return 0.0

    @property
    def needs_base_proba(self) -> bool:
        """Whether training needs the base model's probabilities for the training rows."""
        return self.trained.lam > 0 or "constraint" in self.changes

    @property
    def needs_base_parameters(self) -> bool:
        """Whether the method needs the parameters of the base model."""
        return bool({"start", "parameters"} & self.changes)

    @property
    def changes(self) -> frozenset[str]:
        """Names of the aspects that differ from plain retraining.

        In training these are "target", "start", "batch", "coupling" and "constraint"; after
        training they are "rounds" and "parameters".
        """
        kind = type(self.trained)
        aspects = {
            aspect
            for aspect in ("target", "start", "batch")
            if getattr(kind, aspect) is not getattr(Method, aspect)
        }
        if self.trained.peer_weight:
            aspects.add("coupling")
        if self.trained.churn_limit is not None:
            aspects.add("constraint")
        return frozenset(aspects)

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        for key, value in self.params().items():
            check_share(f"{type(self).__name__}.{key}", value, hint="give a weight, e.g. 0.5")

    def params(self) -> dict[str, Any]:
        """Return the settings by name."""
        names = [entry.name for entry in fields(self)]
        names.sort(key=lambda name: name == "of")  # the method inside a method comes last
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={_short(value)}" for key, value in self.params().items())
        return f"{self.name}({settings})" if settings else self.name


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, Real) else str(value)
