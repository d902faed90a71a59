"""Fresh parameters of a module, drawn from a seed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.nn.many.draws import OwnDraws

__all__ = [
    "FreshStates",
    "ModuleSource",
    "State",
    "distinct_tensors_of",
    "loadable",
    "new_module",
    "saved_tensors_of",
    "tensors_of",
]

ModuleSource = nn.Module | Callable[[], nn.Module]
State = dict[str, Tensor]


def new_module(module: ModuleSource) -> nn.Module:
    """Return a new module: a copy of `module`, or what it builds if it is a function."""
    if isinstance(module, nn.Module):
        return copy.deepcopy(module)
    with OwnDraws(0):  # the caller's generator must not move on
        return _built(module)


def _built(module: Any) -> nn.Module:
    """Return what a function builds, with the draws that the caller has set up."""
    built = module() if callable(module) else None
    if not isinstance(built, nn.Module):
        returned = f" that returned {type(built).__name__}" if callable(module) else ""
        raise InvalidInputError(
            "module must be a torch.nn.Module or a function that builds one, got a "
            f"{type(module).__name__}{returned}; give e.g. lambda: torch.nn.Linear(10, 2)"
        )
    return built


class FreshStates:
    """Draws fresh parameters and buffers, which are the same for the same seed.

    The draws are those that follow ``torch.manual_seed(seed)``. A function builds the module anew,
    and a module is reset by its `reset_parameters` or by those of its parts.

    Parameters
    ----------
    source : nn.Module or callable
        The architecture, or a function that builds it.
    """

    def __init__(self, source: ModuleSource) -> None:
        self.source = source
        self._scratch = new_module(source) if isinstance(source, nn.Module) else None

    def draw(self, seed: int) -> State:
        """Return the parameters and buffers that belong to a seed, on the CPU."""
        fresh = self._scratch
        with OwnDraws(seed):
            if fresh is None:
                fresh = _built(self.source)
            else:
                _reset(fresh)
        state = distinct_tensors_of(fresh)
        return {name: value.detach().cpu().clone() for name, value in state.items()}


def _reset(module: nn.Module) -> None:
    for name in ("reset_parameters", "_reset_parameters"):
        if callable(getattr(module, name, None)):
            getattr(module, name)()
            return
    if next(module.parameters(recurse=False), None) is not None:
        raise UnsupportedEstimatorError(
            "module must say how its parameters are drawn afresh, got a "
            f"{type(module).__name__} with parameters and no reset_parameters; define it, or give "
            "a function that builds the module"
        )
    for child in module.children():
        _reset(child)


def tensors_of(module: nn.Module) -> State:
    """Return the parameters and buffers of a module, uncopied, shared ones under each name."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def distinct_tensors_of(module: nn.Module) -> State:
    """Return the parameters and buffers of a module, shared ones under their first name only."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def saved_tensors_of(module: nn.Module) -> State:
    """Return the parameters and buffers that `Module.state_dict` has.

    Buffers that are not persistent are left out.
    """
    kept = tensors_of(module)
    return {name: kept[name] for name in module.state_dict(keep_vars=True) if name in kept}


def loadable(module: nn.Module, state: State) -> State:
    """Return a state of distinct tensors in the form of `Module.load_state_dict`, on the CPU."""
    first = {id(value): name for name, value in distinct_tensors_of(module).items()}
    names = {name: first[id(value)] for name, value in saved_tensors_of(module).items()}
    # A second name gets a copy, since files of tensors accept none that share memory.
    return {
        name: state[own].cpu() if name == own else state[own].cpu().clone()
        for name, own in names.items()
    }
