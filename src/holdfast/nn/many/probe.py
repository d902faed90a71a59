"""Examination of a module by one batch: its outputs, randomness and memory, and stacking."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from holdfast.common.parameters import first_line
from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.nn.many.draws import NetworkRandomness, OwnDraws, RandomnessDetector
from holdfast.nn.many.fresh import State, distinct_tensors_of
from holdfast.nn.many.functions import forward
from holdfast.nn.many.stack import quiet_vmap

__all__ = ["Probe", "capacity", "probe"]

DEFAULT_CACHE = 16 * 2**20  # bytes
MAX_CAPACITY = 512
MEMORY_SHARE = 0.5  # share of a GPU's free memory
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.modules.conv._ConvTransposeNd)


@dataclass(frozen=True)
class Probe:
    """The properties of a module that one batch reveals.

    Attributes
    ----------
    n_classes : int
        Number of outputs.
    random : bool
        Whether the module draws random numbers in training.
    stackable : bool
        Whether `torch.func.vmap` gives the same results as networks that run one by one.
    pays : bool
        Whether stacking is faster on this device. On a CPU it is not for modules with convolutions.
    n_parameters : int
        Number of trained parameters, counted as single numbers.
    activation_bytes : int
        Memory that one network needs to keep values for the backward pass.
    """

    n_classes: int
    random: bool
    stackable: bool
    pays: bool
    n_parameters: int
    activation_bytes: int


# --- one batch -----------------------------------------------------------------------------------


def probe(module: nn.Module, x: Tensor) -> Probe:
    """Run a module on one batch and return its properties.

    Parameters
    ----------
    module : nn.Module
        The module, on the device of training. Nothing in it changes except for buffers that it
        updates itself.
    x : Tensor of shape (b, …)
        The batch.

    Raises
    ------
    InvalidInputError
        When the module cannot take the batch, does not return one row of outputs for each row,
        changes shape in training, or replaces its tensors by others.
    UnsupportedEstimatorError
        When the module draws random numbers in evaluation.
    """
    _check_shapes(module)
    before = distinct_tensors_of(module)
    shapes = {name: value.shape for name, value in before.items()}
    with OwnDraws(0):
        module.train()
        saved = _SavedBytes(module)
        detector = RandomnessDetector()
        with detector, saved:
            output = _checked_output(module, x)
        after = distinct_tensors_of(module)
        module.eval()
        serving = RandomnessDetector()
        with torch.no_grad(), serving:
            served = _checked_output(module, x)
    changed = {name: value.shape for name, value in after.items()} != shapes
    if changed or served.shape != output.shape:
        raise InvalidInputError(
            "module must keep its shape in training, got other shapes of "
            f"{'parameters' if changed else 'outputs'} after a batch or between training and "
            "evaluation; build it at its final size"
        )
    _check_in_place(before, after)
    if serving.found:
        raise UnsupportedEstimatorError(
            f"module must predict without random numbers, got a {type(module).__name__} that draws "
            "some in evaluation; draw only where self.training is True"
        )
    on_cpu = x.device.type == "cpu"
    return Probe(
        n_classes=output.shape[1],
        random=detector.found,
        stackable=_stackable(module, x, detector.found),
        pays=not (on_cpu and any(isinstance(part, CONVOLUTIONS) for part in module.modules())),
        n_parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        activation_bytes=saved.total,
    )


def _check_shapes(module: nn.Module) -> None:
    if any(nn.parameter.is_lazy(value) for value in distinct_tensors_of(module).values()):
        raise InvalidInputError(
            "module must have parameters of fixed shapes, got lazy ones; run one batch through it "
            "first"
        )
    if not any(p.requires_grad for p in module.parameters()):
        raise InvalidInputError(
            f"module must have parameters to train, got a {type(module).__name__} without; set "
            "requires_grad where you froze them"
        )


def _check_in_place(before: State, after: State) -> None:
    """Raise if a batch replaced a tensor of the module, since the new one would be lost."""
    replaced = [name for name, value in before.items() if after[name] is not value]
    if replaced:
        raise InvalidInputError(
            f"module must change its tensors in place, got another one as {replaced[0]!r} after a "
            "batch; write e.g. self.count += 1 or self.mean.copy_(…)"
        )


def _checked_output(module: nn.Module, x: Tensor) -> Tensor:
    try:
        output = module(x)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise InvalidInputError(
            f"X must be what module takes, got rows of shape {tuple(x.shape[1:])} and type "
            f"{x.dtype}, on which it fails: {first_line(error)}; reshape or convert X (e.g. to "
            "real numbers), or build the module for these rows"
        ) from error
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != len(x):
        raise InvalidInputError(
            f"module must return logits of shape ({len(x)}, K) for {len(x)} rows, got {shape}; "
            "return one number a class, before the softmax"
        )
    if not output.is_floating_point() or output.shape[1] < 2:
        raise InvalidInputError(
            f"module must return two or more real numbers a row, got shape {shape} of "
            f"{output.dtype}; give two classes two outputs"
        )
    return output


class _SavedBytes(torch.autograd.graph.saved_tensors_hooks):
    """Counts the bytes that are kept for the backward pass.

    Each block of memory counts once, and the parameters do not count.
    """

    def __init__(self, module: nn.Module) -> None:
        self.total = 0
        self._seen = {p.untyped_storage().data_ptr() for p in module.parameters()}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._seen:
                self._seen.add(storage.data_ptr())
                self.total += storage.nbytes()
            return tensor

        super().__init__(pack, lambda tensor: tensor)


@quiet_vmap()
def _stackable(module: nn.Module, x: Tensor, random: bool) -> bool:
    """Return whether two networks give the same results at once as one after the other."""
    rows = torch.stack([x, x.flip(0)])
    try:
        results = [_trial(module, rows, stacked, random) for stacked in (False, True)]
    except Exception:  # vmap may fail in any way, and training one by one then works
        return False
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(*results, strict=True))


def _trial(module: nn.Module, rows: Tensor, stacked: bool, random: bool) -> list[Tensor]:
    """Return the outputs, gradients, buffers and predictions of two networks for one batch."""
    module.train()
    states = {
        name: torch.stack([value.detach(), value.detach()])
        for name, value in distinct_tensors_of(module).items()
    }
    trained = {
        n: states[n].requires_grad_() for n, p in module.named_parameters() if p.requires_grad
    }
    if random:
        output = _random_trial(module, states, rows, stacked)
    else:
        output = forward(module, states, rows, stacked=stacked)
    weights = torch.linspace(-1, 1, output.numel(), device=rows.device).view_as(output)
    grads = torch.autograd.grad((output * weights).sum(), list(trained.values()), allow_unused=True)
    buffers = [states[name].float() for name, _ in module.named_buffers()]
    module.eval()
    with torch.no_grad():
        served = forward(module, states, rows, stacked=stacked)
    return [output.detach(), *(g for g in grads if g is not None), *buffers, served]


def _random_trial(module: nn.Module, states: State, rows: Tensor, stacked: bool) -> Tensor:
    generators = [torch.Generator(rows.device).manual_seed(seed) for seed in (0, 1)]
    if stacked:
        with NetworkRandomness(generators, stacked=True):
            return forward(module, states, rows, stacked=True)
    outputs = []
    for i, generator in enumerate(generators):
        with NetworkRandomness([generator], stacked=False):
            state = {name: value[i : i + 1] for name, value in states.items()}
            outputs.append(forward(module, state, rows[i : i + 1], stacked=False))
    return torch.cat(outputs)


# --- how many at once ----------------------------------------------------------------------------


def capacity(probed: Probe, device: torch.device, *, n_moments: int, n_workers: int) -> int:
    """Return how many networks to train at once.

    Parameters
    ----------
    probed : Probe
        Properties of the module.
    device : torch.device
        Device of training.
    n_moments : int
        How many numbers the optimizer keeps for each parameter.
    n_workers : int
        Number of processes that share the cache of the CPU.
    """
    if not (probed.stackable and probed.pays):
        return 1
    # Parameters, gradients and moments are kept, and activations twice: forward and as gradients.
    network = 4 * probed.n_parameters * (2 + n_moments) + 2 * probed.activation_bytes
    if device.type == "cuda":
        room: float = MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
        return max(1, int(room / network))
    return int(min(max(1, _cache_bytes(n_workers) // network), MAX_CAPACITY))


def _cache_bytes(n_workers: int) -> int:
    """Return half of a process's share of the largest CPU cache, about the best by measurement."""
    sizes = [DEFAULT_CACHE]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            sizes.append(int(path.read_text().strip().removesuffix("K")) * 1024)
        except (OSError, ValueError):
            continue
    return max(sizes) // (2 * max(1, min(n_workers, os.cpu_count() or 1)))
