"""Training under an explicit constraint on churn: Lagrange multipliers of many networks at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.common.parameters import require

__all__ = ["Multipliers", "require_cooper"]


def require_cooper() -> Any:
    """Return the module `cooper`, or raise MissingDependencyError."""
    return require("cooper", extra="lagrangian", purpose="the method Constrained")


class Multipliers:
    """The multipliers of L networks during one epoch, and what their constraints measure.

    The gradient of loss + μ·divergence is that of the loss on the targets e_y + μ·g, whichever of
    the two losses it is: a target is all that a multiplier has to change.

    Parameters
    ----------
    places : sequence of L int
        Of the networks in the stack.
    methods : sequence of L Constrained
    start : sequence of L float
        μ at the start of the epoch.
    base_proba : sequence of L ndarray of shape (n, K)
        Of the training rows; rows of NaN have no base prediction, and nothing to keep.
    device : torch.device
    """

    def __init__(
        self,
        places: Sequence[int],
        methods: Sequence[Any],
        start: Sequence[float],
        base_proba: Sequence[Any],
        device: torch.device,
    ) -> None:
        cooper = require_cooper()
        self.places = torch.tensor(places, device=device, dtype=torch.long)
        base = torch.from_numpy(np.stack(base_proba)).to(device)
        self.base = base.nan_to_num()
        self.known = ~base[..., 0].isnan()
        self.kinds = [method.churn for method in methods]
        self.limit = torch.tensor([method.max_churn for method in methods], device=device)
        # A step size for each network: cooper's own is one for all.
        self.rate = torch.tensor([method.dual_lr for method in methods], device=device)
        self.multiplier = cooper.multipliers.DenseMultiplier(
            init=torch.tensor(start, dtype=torch.float32), device=device
        )
        # Which tells the multiplier that it stays at 0 or above.
        cooper.Constraint(cooper.ConstraintType.INEQUALITY, multiplier=self.multiplier)
        self.optimizer = torch.optim.SGD(self.multiplier.parameters(), lr=1.0, maximize=True)
        self.total = torch.zeros(len(places), device=device)

    @torch.no_grad()
    def teach(self, target: Tensor, order: Tensor) -> Tensor:
        """Return targets e_y + μ·g.

        Parameters
        ----------
        target : Tensor of shape (C, b, K)
            Of all networks of the stack.
        order : Tensor of shape (C, b)
            Positions of these rows among the training rows.
        """
        own = target[self.places]
        weight = self.multiplier()[:, None, None] * own.sum(dim=-1, keepdim=True)
        taught = own + weight * self._base_of(order)
        return target.index_copy(0, self.places, taught.to(target.dtype))

    @torch.no_grad()
    def ascend(self, outputs: Tensor, target: Tensor, order: Tensor) -> None:
        """Move each μ by the churn of these rows.

        Parameters
        ----------
        outputs, target : Tensor of shape (C, b, K)
            What all networks said, and their targets without μ.
        order : Tensor of shape (C, b)
        """
        proba = torch.softmax(outputs[self.places].float(), dim=-1)
        known = self.known.gather(1, order[self.places])
        excess = self._churn(self._base_of(order), proba) - self.limit[:, None]
        counted = target[self.places].sum(dim=-1) * known * excess
        self._move(counted.mean(dim=1))
        self.total += counted.sum(dim=1)

    def _base_of(self, order: Tensor) -> Tensor:
        """Return the base model's probabilities of these rows, shape (L, b, K)."""
        rows = order[self.places, :, None].expand(-1, -1, self.base.shape[-1])
        return self.base.gather(1, rows)

    def _churn(self, base: Tensor, proba: Tensor) -> Tensor:
        """Return the churn of each row, as each network's limit is about it."""
        measured = {
            "hard": lambda: (base.argmax(dim=-1) != proba.argmax(dim=-1)).float(),
            "kl": lambda: (torch.xlogy(base, base) - torch.xlogy(base, proba)).sum(dim=-1),
            "brier": lambda: (base - proba).square().sum(dim=-1),
        }
        found = {kind: measured[kind]() for kind in set(self.kinds)}
        return torch.stack([found[kind][i] for i, kind in enumerate(self.kinds)])

    def _move(self, violation: Tensor) -> None:
        """Let the multipliers rise where the constraint is violated, and fall to 0 where not."""
        # The gradient of the dual part of the Lagrangian, μ·violation.
        self.multiplier.weight.grad = self.rate * violation
        self.optimizer.step()
        self.multiplier.post_step_()

    def ended(self) -> tuple[list[float], list[float]]:
        """Return μ and the mean violation over the epoch, one a network."""
        n = self.base.shape[1]
        return self.multiplier().detach().tolist(), (self.total / n).tolist()
