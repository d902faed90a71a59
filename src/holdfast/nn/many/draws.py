"""Random numbers inside a module, drawn from one generator for each network.

A network therefore draws the same numbers whichever networks are trained beside it, and whatever
other threads draw from the generator that all of PyTorch shares.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from holdfast.exceptions import UnsupportedEstimatorError

__all__ = ["NetworkRandomness", "OwnDraws", "RandomnessDetector"]

aten = torch.ops.aten
NATIVE_DROPOUT = aten.native_dropout.default
# Operations that draw a new tensor, and their in-place twins, which take a generator. The first is
# what ``vmap`` turns in-place Bernoulli draws into.
IN_PLACE = {
    aten.bernoulli.p: aten.bernoulli_.float,
    aten.rand_like.default: aten.uniform_.default,
    aten.randn_like.default: aten.normal_.default,
}
ATTENTION = "_scaled_dot_product"
_SHARED = threading.RLock()  # held while the shared generator is marked
MARK = 0x2F6E_40BA_D5A1_93C7  # a seed that nobody else gives


def _is_random(func: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags


class RandomnessDetector(TorchDispatchMode):
    """Records in `found` whether any random operation was run."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and note whether it is random."""
        # Fused attention is tagged as random even if it drops nothing.
        self.found |= _is_random(func) and not (ATTENTION in str(func) and not _drops(args))
        return func(*args, **(kwargs or {}))


class OwnDraws(TorchDispatchMode):
    """Draws random numbers on the CPU from a generator of its own, in this thread alone.

    The numbers are those that follow ``torch.manual_seed(seed)``. The generator that all threads
    share neither decides them nor moves on. Code that calls ``torch.manual_seed`` itself, as a
    module's constructor may, draws what follows that. One thread at a time draws in this way.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def __enter__(self) -> Any:
        """Mark the shared generator, so that a new seed is noticed."""
        _SHARED.acquire()
        self.before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(MARK)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        """Give the shared generator back as it was."""
        super().__exit__(*raised)
        torch.default_generator.set_state(self.before)
        _SHARED.release()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation; a random one draws from the generator."""
        kwargs = kwargs or {}
        if not _is_random(func):
            return func(*args, **kwargs)
        if torch.default_generator.initial_seed() != MARK:
            self.generator.set_state(torch.default_generator.get_state())
            torch.default_generator.manual_seed(MARK)
        if any(argument.name == "generator" for argument in func._schema.arguments):
            given = kwargs.get("generator")
            on_cpu = not any(isinstance(a, Tensor) and a.device.type != "cpu" for a in args)
            if given is None and on_cpu and str(kwargs.get("device") or "cpu") == "cpu":
                kwargs = {**kwargs, "generator": self.generator}
            return func(*args, **kwargs)
        return self._borrowed(func, args, kwargs)

    def _borrowed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operation that takes no generator, with the shared one in our state."""
        shared = torch.default_generator
        shared.set_state(self.generator.get_state())
        try:
            return func(*args, **kwargs)
        finally:
            self.generator.set_state(shared.get_state())
            shared.manual_seed(MARK)


class NetworkRandomness(TorchDispatchMode):
    """Draws the random numbers of each network of a stack from that network's own generator.

    It works below `torch.func`: tensors that arrive here from ``vmap`` have the networks as their
    first axis.

    Parameters
    ----------
    generators : sequence of torch.Generator
        One generator for each network, in the order of the first axis.
    stacked : bool
        Whether tensors have the networks as their first axis. If not, they belong to one network,
        and there is one generator.
    """

    def __init__(self, generators: Sequence[torch.Generator], *, stacked: bool) -> None:
        super().__init__()
        self.generators = generators
        self.stacked = stacked

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation; a random one is run network by network."""
        kwargs = kwargs or {}
        if not _is_random(func) or (ATTENTION in str(func) and not _drops(args)):
            return func(*args, **kwargs)
        if func is NATIVE_DROPOUT:
            return self._dropout(*args, **kwargs)
        if func in IN_PLACE:
            return self._fill(torch.empty_like(args[0]), IN_PLACE[func], args[1:])
        if func._schema.name.endswith("_") and isinstance(args[0], Tensor):
            return self._fill(args[0], func, args[1:])
        raise UnsupportedEstimatorError(
            "module must draw random numbers through dropout or in-place operations only, got "
            f"{func}; use torch.nn.Dropout, or draw with tensor.bernoulli_, uniform_ or normal_"
        )

    def _fill(self, tensor: Tensor, func: Any, args: Any) -> Tensor:
        """Fill each network's part in the order of its entries, whatever its layout in memory."""
        parts = tensor.unbind(0) if self.stacked else (tensor,)
        for part, generator in zip(parts, self.generators, strict=True):
            drawn = part if part.is_contiguous() else part.contiguous()
            func(drawn, *args, generator=generator)
            if drawn is not part:
                part.copy_(drawn)
        return tensor

    def _dropout(self, x: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
        """Return what the fused dropout of some devices returns, which takes no generator."""
        if train is False or p == 0:
            return x.clone(), torch.ones_like(x, dtype=torch.bool)
        keep = torch.empty_like(x, dtype=torch.float32)
        self._fill(keep, aten.bernoulli_.float, (1 - p,))
        scale = 0.0 if p == 1 else 1 / (1 - p)
        return x * keep.to(x.dtype) * scale, keep.bool()


def _drops(args: Any) -> bool:
    """Return whether fused attention was called with a dropout above 0."""
    return any(isinstance(value, float) and 0 < value <= 1 for value in args[3:])
