"""What a training run changes relative to plain retraining: one small frozen dataclass each.

A method says which soft targets it trains on and which settings its grid holds; learners and paths
work from these declarations alone. Adding a method takes one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from holdfast import targets
from holdfast._validation import check_choice, check_share
from holdfast.exceptions import InvalidInputError

__all__ = ["METHODS", "Anchor", "Cold", "Distill", "LabelSmoothing", "Method", "resolve_methods"]

GRID = tuple(round(0.1 * step, 1) for step in range(1, 10))

METHODS: dict[str, type[Method]] = {}


@dataclass(frozen=True)
class Method:
    """Base class: subclasses with a `name` are found by that name."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if cls.name:
            METHODS[cls.name] = cls

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return the settings to try; `lambdas` is the user's grid in (0, 1]."""
        raise NotImplementedError

    @property
    def lam(self) -> float:
        """Weight of the base model in the targets, 0 where the method has none."""
        return 0.0

    def check(self) -> None:
        """Raise InvalidInputError when a setting is out of range."""
        for key, value in self.params().items():
            check_share(f"{type(self).__name__}.{key}", value, hint="give a weight, e.g. 0.5")

    def params(self) -> dict[str, float]:
        """Return the settings by name."""
        return asdict(self)

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return the soft targets (n, K).

        Parameters
        ----------
        y : ndarray of shape (n,)
            Positions of the labels among the K classes.
        base_proba : ndarray of shape (n, K)
            Rows of NaN have no base prediction.
        classes : ndarray of shape (K,)
            0 … K-1.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value:g}" for key, value in self.params().items())
        return f"{self.name}({settings})" if settings else self.name


@dataclass(frozen=True)
class Cold(Method):
    """Plain retraining on the labels."""

    name: ClassVar[str] = "cold"

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return the one setting there is."""
        return [cls()]

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return e_y."""
        return targets.one_hot(y, classes=classes)


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

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return one setting for each λ."""
        return [cls(lam=lam) for lam in lambdas]

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

    @classmethod
    def grid(cls, lambdas: Sequence[float]) -> list[Method]:
        """Return one setting for each α."""
        return [cls(alpha=alpha) for alpha in lambdas]

    def target(
        self, y: NDArray[np.intp], base_proba: NDArray[np.float64], classes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return (1 − α)·e_y + α/K."""
        return targets.smooth(y, self.alpha, classes=classes)


def resolve_methods(method: Any, lambdas: Any) -> list[Method]:
    """Return the settings that compete, plain retraining always first.

    Parameters
    ----------
    method : str, Method, or sequence of these
        A name stands for its whole grid, a method object for its one setting, "auto" for
        distillation, the one that suits every learner.
    lambdas : "auto" or sequence of float
        The grid of weights; "auto" is .1, .2 … .9. A 0 is allowed and changes nothing, since plain
        retraining belongs to every path.

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
            settings.extend(METHODS["distill" if name == "auto" else name].grid(grid))
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
