"""The computations of every stack of one architecture: gradients, outputs and changed batches.

Their recordings can be kept for later calls. A benchmark trains thousands of networks in this way,
with one call of `fit_many` for each trial.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from holdfast.methods.method import Method
from holdfast.nn.losses import soft_brier, soft_cross_entropy
from holdfast.nn.many.fresh import ModuleSource, State, new_module
from holdfast.nn.many.traced import CALLS_BEFORE_RECORDING, Recorded

__all__ = ["LOSSES", "Functions", "Loss", "forward", "functions_of", "gradient_of"]

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "cross_entropy": soft_cross_entropy,
    "brier": soft_brier,
}
KEPT_ARCHITECTURES = 8
# Modules whose code does not change while a process runs.
KNOWN_PARTS = ("torch.nn.modules.", "holdfast.nn.networks")
KNOWN_METHODS = "holdfast.methods."


def forward(module: nn.Module, states: State, x: Tensor, *, stacked: bool) -> Tensor:
    """Return the outputs of several networks, each for its own rows.

    Parameters
    ----------
    module : nn.Module
        The architecture; its own parameters are not used.
    states : dict of Tensor of shape (C, …)
        Parameters and buffers of C networks.
    x : Tensor of shape (C, b, …)
        The rows of each network.
    stacked : bool
        Whether the networks run all at once through ``vmap`` or one after the other.

    Returns
    -------
    Tensor of shape (C, b, K)
        The outputs of each network.
    """

    def outputs_of(state: State, rows: Tensor) -> Tensor:
        return functional_call(module, state, (rows,))

    if stacked:
        return vmap(outputs_of, randomness="different")(states, x)  # see `NetworkRandomness`
    networks = [{name: value[i] for name, value in states.items()} for i in range(len(x))]
    layout = _layout(module, x)
    return torch.stack(
        [
            outputs_of(state, rows.to(memory_format=layout))
            for state, rows in zip(networks, x, strict=True)
        ]
    )


def _layout(module: nn.Module, x: Tensor) -> torch.memory_format:
    """Return the memory layout in which a network gets its rows.

    A class inherits no layout from its parent, since another `forward` may need the usual one.
    """
    own = vars(type(module)).get("cpu_layout")
    images = x.dim() == 5 and x.device.type == "cpu"  # networks, rows, channels, height, width
    return own if own is not None and images else torch.preserve_format


def gradient_of(
    loss: Loss, outputs: Tensor, target: Tensor, leaves: Sequence[Tensor], weight: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return outputs, losses and the gradient of the weighted losses.

    Outputs and losses are detached from the graph of their computation.
    """
    losses = loss(outputs, target)
    grads = torch.autograd.grad(losses, leaves, weight, allow_unused=True)
    dense = [_dense(g, p) for g, p in zip(grads, leaves, strict=True)]
    return outputs.detach(), losses.detach(), dense


def _dense(grad: Tensor | None, param: Tensor) -> Tensor:
    """Return a gradient in the layout of its parameter, which fused optimizers rely on."""
    return torch.zeros_like(param) if grad is None else grad.contiguous()


class Functions:
    """The computations of one architecture, each recorded for shapes that come often.

    They may be used for architectures without buffers and randomness only.

    Parameters
    ----------
    module : nn.Module
        The architecture, on the device of training. Its mode changes, its parameters do not.
    loss : str
        A key of `LOSSES`.
    at_once : bool
        Whether to record at the first call, which pays off if many calls follow.

    Attributes
    ----------
    gradient : Recorded
        Returns outputs, losses and gradients. It takes a list of parameters, rows, targets and the
        weight of each row's loss.
    outputs : Recorded
        Returns outputs. It takes a list of parameters and rows.
    """

    def __init__(self, module: nn.Module, loss: str, *, at_once: bool = False) -> None:
        self.module, self.loss = module, LOSSES[loss]
        self.names = [name for name, value in module.named_parameters() if value.requires_grad]
        self._calls_before = 0 if at_once else CALLS_BEFORE_RECORDING
        self.gradient = Recorded(self._gradient, self._calls_before)
        self.outputs = Recorded(self._outputs, self._calls_before)
        self._changes: dict[Any, Recorded] = {}

    def _gradient(
        self, leaves: list[Tensor], x: Tensor, target: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        return gradient_of(self.loss, self._outputs(leaves, x), target, leaves, weight)

    def _outputs(self, params: list[Tensor], x: Tensor) -> Tensor:
        states = dict(zip(self.names, params, strict=True))
        return forward(self.module, states, x, stacked=True)

    def change(self, method: Method, names: Sequence[str]) -> Recorded:
        """Return the method's `batch` for several networks at once.

        Parameters
        ----------
        method : Method
            A method that changes batches.
        names : sequence of str
            Names of the random numbers that its `draw` returns.

        Returns
        -------
        Recorded
            Takes rows, targets and the random numbers in the order of `names`.
        """

        def change(x: Tensor, target: Tensor, *values: Tensor) -> tuple[Tensor, Tensor]:
            return vmap(method.batch)(x, target, dict(zip(names, values, strict=True)))

        recorded = Recorded(change, self._calls_before)
        return self._changes.setdefault(type(method).batch, recorded)

    def forget_changes(self) -> None:
        """Forget how methods from outside holdfast change batches: their code may change."""
        self._changes = {
            function: recorded
            for function, recorded in self._changes.items()
            if function.__module__.startswith(KNOWN_METHODS)
        }


# --- kept for the next call ----------------------------------------------------------------------


class _Kept(threading.local):
    """The latest architectures, kept for each thread: a module serves one call at a time."""

    def __init__(self) -> None:
        self.functions: dict[Any, Functions] = {}


_KEPT = _Kept()


def functions_of(
    source: ModuleSource, loss: str, device: torch.device, *, keep: bool = False
) -> Functions:
    """Return the functions of an architecture.

    Parameters
    ----------
    source : nn.Module or callable
        The architecture, or a function that builds it.
    loss : str
        A key of `LOSSES`.
    device : torch.device
        Device of training.
    keep : bool
        Whether to use the functions of an earlier call with the same architecture, and to keep
        them for later calls. All calls then compute alike, by recordings from the first step on.
    """
    module = new_module(source)
    key = _key(module, loss, device) if keep else None
    if key is None:
        return Functions(module.to(device), loss)
    functions = _KEPT.functions.pop(key, None) or Functions(module.to(device), loss, at_once=True)
    functions.forget_changes()
    _KEPT.functions[key] = functions  # the latest comes last
    while len(_KEPT.functions) > KEPT_ARCHITECTURES:
        _KEPT.functions.pop(next(iter(_KEPT.functions)))
    return functions


def _key(module: nn.Module, loss: str, device: torch.device) -> Any:
    """Return a key that identifies an architecture, or None if its code may change."""
    known = all(type(part).__module__.startswith(KNOWN_PARTS) for part in module.modules())
    hooks = any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    if not known or hooks:
        return None
    try:
        return pickle.dumps(new_module(module).to("meta")), loss, device
    except Exception:  # a part of a module may raise anything; then nothing is kept
        return None
