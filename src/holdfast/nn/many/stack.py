"""A stack of networks of one architecture, whose parameters have the networks as first axis."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from holdfast.nn.many.draws import NetworkRandomness
from holdfast.nn.many.fresh import State
from holdfast.nn.many.functions import Functions, forward, gradient_of
from holdfast.nn.optimizers import Optimizer

__all__ = ["Stack", "quiet_vmap"]


@contextmanager
def quiet_vmap() -> Iterator[None]:
    """Suppress the warning of ``vmap`` that it runs an operation network by network."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop because")
        yield


class Stack:
    """C networks in training.

    Parameters
    ----------
    functions : Functions
        The computations of the architecture, on the device of training.
    states : sequence of State
        Parameters and buffers of each network; the stack copies them.
    optimizer : Optimizer
        Settings of the optimizer.
    stacked : bool
        Whether networks run through ``vmap`` or one after the other.
    random : bool
        Whether the module draws random numbers in training.
    autocast : torch.dtype or None
        Precision of the forward pass if it is not that of the parameters.
    """

    def __init__(
        self,
        functions: Functions,
        states: Sequence[State],
        optimizer: Optimizer,
        *,
        stacked: bool,
        random: bool = False,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.functions, self.optimizer = functions, optimizer
        self.module, self.loss = functions.module, functions.loss
        self.stacked, self.random, self.autocast = stacked, random, autocast
        self.device = next(self.module.parameters()).device
        merged = {
            name: torch.stack([state[name].to(self.device) for state in states])
            for name in states[0]
        }
        self.params = {name: merged.pop(name) for name in functions.names}
        self.fixed = merged
        self.moments = [
            {name: torch.zeros_like(value) for name, value in self.params.items()}
            for _ in range(optimizer.n_moments)
        ]
        self.steps = torch.zeros(len(states))
        # Buffers that change, random numbers and casts cannot be recorded.
        self.recorded = stacked and not (random or self.fixed or autocast)
        self._prepare()

    def __len__(self) -> int:
        return len(self.steps)

    # --- its networks -----------------------------------------------------------------------------

    def join(self, other: Stack) -> None:
        """Append the networks of another stack."""
        for mine, its in zip(self._tables(), other._tables(), strict=True):
            for name in mine:
                mine[name] = torch.cat([mine[name], its[name]])
        self.steps = torch.cat([self.steps, other.steps])
        self._prepare()

    def keep(self, index: Tensor) -> None:
        """Keep the networks at some places, in that order; all others leave the stack."""
        for table in self._tables():
            for name in table:
                table[name] = table[name][index.to(self.device)]
        self.steps = self.steps[index]
        self._prepare()

    def state(self, position: int) -> State:
        """Return a copy of one network's parameters and buffers."""
        return {name: value[position].clone() for name, value in self.states().items()}

    def states(self) -> State:
        """Return the parameters and buffers of all networks, shape (C, …), without copies."""
        return {**self.params, **self.fixed}

    def _tables(self) -> list[State]:
        return [self.params, self.fixed, *self.moments]

    def _prepare(self) -> None:
        """Cut the stack into slices of networks that have taken equally many steps.

        The optimizer takes one slice at a time.
        """
        counts = self.steps.tolist()
        cuts = [i for i in range(len(counts)) if i == 0 or counts[i] != counts[i - 1]]
        self._parts = [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(counts)], strict=True)]
        names = list(self.params)
        cut = [(name, part) for part in self._parts for name in names]
        self._params = [self.params[name][part] for name, part in cut]
        self._moments = [[table[name][part] for name, part in cut] for table in self.moments]
        self._steps = [torch.tensor(counts[part.start], device=self.device) for _, part in cut]
        self._leaves = {
            name: value.detach().requires_grad_() for name, value in self.params.items()
        }

    # --- steps ------------------------------------------------------------------------------------

    def learn(
        self, x: Tensor, target: Tensor, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Let each network take one step along the gradient of its own mean loss.

        Parameters
        ----------
        x : Tensor of shape (C, b, …)
            The batch of each network.
        target : Tensor of shape (C, b, K)
            Its targets.
        generators : sequence of C torch.Generator
            Generators of the random numbers inside the module.

        Returns
        -------
        outputs : Tensor of shape (C, b, K)
            Outputs of each network before the step.
        losses : Tensor of shape (C,)
            Mean loss of each network before the step.
        """
        self.module.train()
        # Networks share no parameters, so the gradient of the summed losses is that of each one.
        weight = torch.full(x.shape[:2], 1 / x.shape[1], device=self.device)
        leaves = list(self._leaves.values())
        if self.recorded:
            outputs, losses, grads = self.functions.gradient(leaves, x, target, weight)
        else:
            logits = self._logits({**self._leaves, **self.fixed}, x, generators)
            outputs, losses, grads = gradient_of(self.loss, logits, target, leaves, weight)
        by_name = dict(zip(self._leaves, grads, strict=True))
        cut = [by_name[name][part] for part in self._parts for name in self.params]
        self.optimizer.step(self._params, cut, self._moments, self._steps)
        self.steps += 1
        return outputs, losses.mean(dim=1)

    @torch.no_grad()
    def predictions(self, x: Tensor, index: Tensor | None = None) -> Tensor:
        """Return outputs in evaluation mode.

        Parameters
        ----------
        x : Tensor of shape (C, b, …)
            The rows of each network.
        index : Tensor of shape (C,), optional
            Places of the networks in the stack; all of them by default.

        Returns
        -------
        Tensor of shape (C, b, K)
            The outputs of each network.
        """
        self.module.eval()
        states = self.states()
        if index is not None:
            states = {name: value[index] for name, value in states.items()}
        if self.recorded:
            return self.functions.outputs(list(states.values()), x)
        with self._precision():
            return forward(self.module, states, x, stacked=self.stacked)

    def _logits(self, states: State, x: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        with self._precision():
            if not self.random:
                return forward(self.module, states, x, stacked=self.stacked)
            if self.stacked:
                with NetworkRandomness(generators, stacked=True):
                    return forward(self.module, states, x, stacked=True)
            outputs = []
            for i, generator in enumerate(generators):
                state = {name: value[i : i + 1] for name, value in states.items()}
                with NetworkRandomness([generator], stacked=False):
                    outputs.append(forward(self.module, state, x[i : i + 1], stacked=False))
            return torch.cat(outputs)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.autocast)
