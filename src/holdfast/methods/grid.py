"""Names, grids of λ and lists of methods become the settings to fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.common.parameters import check_choice
from holdfast.exceptions import InvalidInputError
from holdfast.methods.method import METHODS, Method
from holdfast.methods.training import Cold, Distill, WarmDistill

__all__ = ["resolve_methods", "searched_methods"]

GRID = tuple(round(0.1 * step, 1) for step in range(1, 10))


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
