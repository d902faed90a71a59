"""The methods that a benchmark compares, each with the settings of its grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from holdfast.common.parameters import check_choice, require
from holdfast.exceptions import InvalidInputError
from holdfast.methods.combining import Average, Ensemble, Interpolate, Override
from holdfast.methods.grid import GRID
from holdfast.methods.training import (
    BUDGETS,
    Anchor,
    CoDistillation,
    Cold,
    Constrained,
    Distill,
    LabelSmoothing,
    Method,
    Mixup,
    ShrinkPerturb,
    Warm,
    WarmDistill,
)

__all__ = ["CONTENDERS", "Contenders", "chosen", "cost", "models_served"]

Contenders = dict[str, tuple[Method, ...]]

EVERYTHING = ("target", "start", "batch", "coupling", "constraint", "parameters")
# For two parameters at once a coarser grid is enough. A fine one would favour the method.
COARSE = GRID[::2]
THRESHOLDS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
FEW_THRESHOLDS = THRESHOLDS[1::2]
MEMBERS = Ensemble(4)


def _contenders() -> Contenders:
    found: dict[str, list[Method]] = {
        "cold": [Cold()],
        "warm": [Warm()],
        "shrink_perturb": [ShrinkPerturb(alpha) for alpha in GRID],
        "mixup": [Mixup(alpha) for alpha in GRID],
        "label_smoothing": [LabelSmoothing(alpha) for alpha in GRID],
        "co_distillation": [CoDistillation(alpha) for alpha in GRID],
        "anchor": Anchor.grid(GRID),
        "distill": [Distill(lam) for lam in GRID],
        "constrained": [Constrained(budget) for budget in BUDGETS],
        "warm_distill": [WarmDistill(lam) for lam in GRID],
        "interpolate": [Interpolate(weight) for weight in GRID],
        "interpolate_warm_distill": [
            Interpolate(weight, of=WarmDistill(lam)) for weight in COARSE for lam in COARSE
        ],
        "average": [Average(weight) for weight in GRID],
        "average_warm_distill": [
            Average(weight, of=WarmDistill(lam)) for weight in COARSE for lam in COARSE
        ],
        "override": [Override(threshold) for threshold in THRESHOLDS],
        "override_warm_distill": [
            Override(threshold, of=WarmDistill(lam))
            for threshold in FEW_THRESHOLDS
            for lam in COARSE
        ],
        "ensemble": [MEMBERS],
        "average_ensemble": [Average(weight, of=MEMBERS) for weight in GRID],
        "override_ensemble": [Override(threshold, of=MEMBERS) for threshold in THRESHOLDS],
    }
    return {name: tuple(settings) for name, settings in found.items()}


CONTENDERS = _contenders()


def chosen(
    names: Sequence[str] = (), able: Iterable[str] = EVERYTHING, *, learner: str = "the learner"
) -> Contenders:
    """Return the settings of some contenders, with cold start always among them.

    Parameters
    ----------
    names : sequence of str
        Names of methods. If empty, these are all methods that the learner can train and whose
        library is installed.
    able : iterable of str
        What the learner can change, in the words of `Method.changes`.
    learner : str
        Name of the learner in the error.

    Raises
    ------
    InvalidInputError
        For an unknown name, or for a method that the learner cannot train.
    MissingExtraError
        For a method whose library is not installed.

    Examples
    --------
    >>> list(chosen(["distill"]))
    ['cold', 'distill']
    >>> "warm" in chosen(able=["target"])
    False
    """
    for name in names:
        check_choice("--method", name, CONTENDERS)
    found = {name: settings for name, settings in CONTENDERS.items() if _suits(settings, able)}
    wrong = [name for name in names if name not in found]
    if wrong:
        raise InvalidInputError(
            f"--method must be one that {learner} can train, got {wrong[0]}; choose from "
            f"{', '.join(found)}"
        )
    if not names:
        return {n: s for n, s in found.items() if not _constrains(s) or find_spec("cooper")}
    if any(_constrains(found[name]) for name in names):
        require("cooper", extra="lagrangian", purpose="--method constrained")
    return {n: s for n, s in found.items() if n in names or n == "cold"}


def _constrains(settings: Sequence[Method]) -> bool:
    return any("constraint" in method.changes for method in settings)


def _suits(settings: Sequence[Method], able: Iterable[str]) -> bool:
    return all(method.changes <= set(able) for method in settings)


def cost(method: Method) -> int:
    """Return how many models a setting trains."""
    return method.members * (2 if method.trained.peer_weight else 1)


def models_served(method: Method) -> int:
    """Return how many models a setting serves; the base model counts if it is one of them."""
    return method.members + (method.base_weight > 0 or method.threshold is not None)
