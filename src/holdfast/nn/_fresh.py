"""Fresh parameters of a module, drawn from a seed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.nn._stack import State

__all__ = ["FreshStates", "ModuleSource", "new_module", "tensors_of"]

ModuleSource = nn.Module | Callable[[], nn.Module]


def new_module(module: ModuleSource) -> nn.Module:
    """Return a module of one's own: a copy, or what the function builds."""
    if isinstance(module, nn.Module):
        return copy.deepcopy(module)
    built = module()
    if not isinstance(built, nn.Module):
        raise InvalidInputError(
            f"module must be a torch.nn.Module or a function that builds one, got a "
            f"{type(module).__name__} that returned {type(built).__name__}; give e.g. "
            "lambda: torch.nn.Linear(10, 2)"
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
        return {name: value.detach().cpu().clone() for name, value in tensors_of(fresh).items()}


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
    """Return the parameters and buffers of a module by name, without copies."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
