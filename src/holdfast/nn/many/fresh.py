"""Fresh parameters of a module, drawn from a seed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError

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
    """Return a module of one's own: a copy, or what the function builds."""
    if isinstance(module, nn.Module):
        return copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers are not for us
        built = module() if callable(module) else None
    if not isinstance(built, nn.Module):
        returned = f" that returned {type(built).__name__}" if callable(module) else ""
        raise InvalidInputError(
            "module must be a torch.nn.Module or a function that builds one, got a "
            f"{type(module).__name__}{returned}; give e.g. lambda: torch.nn.Linear(10, 2)"
        )
    return built


class FreshStates:
    """Draws fresh parameters and buffers, the same for the same seed.

    As after ``torch.manual_seed(seed)``: building the module where `source` is a function, calling
    `reset_parameters` of the module, or of each part that has parameters, where it is a module.

    Parameters
    ----------
    source : nn.Module or callable
    """

    def __init__(self, source: ModuleSource) -> None:
        self.source = source
        self._scratch = new_module(source) if isinstance(source, nn.Module) else None

    def draw(self, seed: int) -> State:
        """Return the state of one seed, on the CPU."""
        # Not through torch.manual_seed, which notes the call stack for devices to come.
        generator = torch.default_generator
        before = generator.get_state()
        try:
            generator.manual_seed(seed)
            if self._scratch is None:
                fresh = new_module(self.source)
            else:
                fresh = self._scratch
                _reset(fresh)
        finally:
            generator.set_state(before)
        found = distinct_tensors_of(fresh)
        return {name: value.detach().cpu().clone() for name, value in found.items()}


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
    """Return the parameters and buffers of a module, shared ones under each name; no copies."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def distinct_tensors_of(module: nn.Module) -> State:
    """Return the same with shared ones under their first name only."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def saved_tensors_of(module: nn.Module) -> State:
    """Return those that `Module.state_dict` has: no buffers that are not persistent."""
    kept = tensors_of(module)
    return {name: kept[name] for name in module.state_dict(keep_vars=True) if name in kept}


def loadable(module: nn.Module, state: State) -> State:
    """Return a state of distinct tensors as `Module.load_state_dict` takes it, on the CPU."""
    first = {id(value): name for name, value in distinct_tensors_of(module).items()}
    names = {name: first[id(value)] for name, value in saved_tensors_of(module).items()}
    # A copy for a second name: files of tensors take none that share memory.
    return {
        name: state[own].cpu() if name == own else state[own].cpu().clone()
        for name, own in names.items()
    }
