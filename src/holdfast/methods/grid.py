"""Functions that turn a user's choice, method names and values of λ, into methods to fit."""

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
    """Divide methods into those whose λ is to be searched and all others.

    Parameters
    ----------
    method : str, Method, or sequence of these
        Methods as for `resolve_methods`.
    lambdas : "auto" or sequence of float
        λ is searched only if this is "auto".
    auto : sequence of str
        The methods that suit the learner.

    Returns
    -------
    tuple of (list of type, list)
        The classes of methods whose λ is to be searched. Then all other methods as
        `resolve_methods` takes them, plain retraining among them.

    Examples
    --------
    >>> searched_methods(["distill", "anchor"], "auto")
    ([<class 'holdfast.methods.training.Distill'>], ['cold', 'anchor'])
    """
    named = [method] if isinstance(method, (str, Method)) else method
    if not isinstance(lambdas, str) or not isinstance(named, (list, tuple)):
        return [], named
    names = [known for name in named for known in (auto if name == "auto" else (name,))]
    searched = [name for name in names if isinstance(name, str) and name in SEARCHED]
    classes = [SEARCHED[name] for name in dict.fromkeys(searched)]
    return classes, ["cold", *(name for name in names if name not in searched)]


def resolve_methods(
    method: Any, lambdas: Any, *, auto: Sequence[str] = ("distill",)
) -> list[Method]:
    """Return the methods that compete, of which plain retraining is always the first.

    Parameters
    ----------
    method : str, Method, or sequence of these
        A name stands for all settings in its grid, a method object for itself, and "auto" for the
        names in `auto`.
    lambdas : "auto" or sequence of float
        Values of λ to try; "auto" means .1, .2 … .9. A 0 is allowed but changes nothing, since
        plain retraining always competes.
    auto : sequence of str
        The methods that suit the learner.

    Raises
    ------
    InvalidInputError
        When a name is unknown or a setting is out of range.

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
