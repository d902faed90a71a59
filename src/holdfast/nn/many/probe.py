"""What a module is like: its output, its randomness, its memory, whether networks of it stack."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.nn.many.draws import NetworkRandomness, RandomnessDetector
from holdfast.nn.many.fresh import State, distinct_tensors_of
from holdfast.nn.many.functions import forward
from holdfast.nn.many.stack import quiet_vmap

__all__ = ["Probe", "capacity", "probe"]

DEFAULT_CACHE = 16 * 2**20
MAX_CAPACITY = 512
MEMORY_SHARE = 0.5  # of what a GPU has free
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.modules.conv._ConvTransposeNd)


@dataclass(frozen=True)
class Probe:
    """What one batch showed.

    Attributes
    ----------
    n_classes : int
        Outputs of the module.
    random : bool
        Whether it draws random numbers in training.
    stackable : bool
        Whether `torch.func.vmap` gives what networks give one by one.
    pays : bool
        Whether stacking is faster on this device: on a CPU, convolutions of several networks at
        once are not.
    n_parameters : int
        Numbers that are trained.
    activation_bytes : int
        What one network keeps for the backward pass.
    """

    n_classes: int
    random: bool
    stackable: bool
    pays: bool
    n_parameters: int
    activation_bytes: int


# --- one batch -----------------------------------------------------------------------------------


def probe(module: nn.Module, x: Tensor) -> Probe:
    """Run a module on one batch and look.

    Parameters
    ----------
    module : nn.Module
        On the device of training; left as it was, but for buffers that it updates.
    x : Tensor of shape (b, …)

    Raises
    ------
    InvalidInputError
        Where it cannot take the batch, does not return one row of outputs for each of its rows,
        changes shape in training, or puts other tensors in the place of its own.
    UnsupportedEstimatorError
        Where its predictions are random.
    """
    _check_shapes(module)
    before = distinct_tensors_of(module)
    shapes = {name: value.shape for name, value in before.items()}
    with torch.random.fork_rng():
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
    """Raise where a batch replaced a tensor: the new one would be lost."""
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
            f"{x.dtype}, on which it fails: {str(error).strip().splitlines()[0]}; reshape X, or "
            "build the module for these rows"
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
    """Counts what is kept for the backward pass, each memory block once, without parameters."""

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
    """Whether two networks at once give the outputs and gradients that they give one by one."""
    rows = torch.stack([x, x.flip(0)])
    try:
        results = [_trial(module, rows, stacked, random) for stacked in (False, True)]
    except Exception:  # whatever vmap cannot do, training one by one can
        return False
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(*results, strict=True))


def _trial(module: nn.Module, rows: Tensor, stacked: bool, random: bool) -> list[Tensor]:
    """Return outputs, gradients, buffers and then predictions of two networks after one batch."""
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


def capacity(found: Probe, device: torch.device, *, n_moments: int, n_workers: int) -> int:
    """Return how many networks to train at once.

    Parameters
    ----------
    found : Probe
    device : torch.device
    n_moments : int
        Numbers that the optimizer keeps for each parameter.
    n_workers : int
        Workers that share the device's cache.
    """
    if not (found.stackable and found.pays):
        return 1
    # Parameter, gradient, moments; activations once forward and once as gradients.
    one = 4 * found.n_parameters * (2 + n_moments) + 2 * found.activation_bytes
    if device.type == "cuda":
        room: float = MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
        return max(1, int(room / one))
    return int(min(max(1, _cache_bytes(n_workers) // one), MAX_CAPACITY))


def _cache_bytes(n_workers: int) -> int:
    """Return half of a worker's share of the largest CPU cache; measured to be about best."""
    sizes = [DEFAULT_CACHE]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            sizes.append(int(path.read_text().strip().removesuffix("K")) * 1024)
        except (OSError, ValueError):
            continue
    return max(sizes) // (2 * max(1, min(n_workers, os.cpu_count() or 1)))
