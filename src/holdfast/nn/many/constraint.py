"""Lagrange multipliers of many networks that are trained under an explicit constraint on churn."""

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
    """The multipliers of L networks during one epoch, and how far their constraints are violated.

    The loss plus μ·divergence has the same gradient as the loss on the targets e_y + μ·g. This
    holds for both losses, so a multiplier has to change nothing but the targets.

    Parameters
    ----------
    places : sequence of L int
        Positions of the networks in the stack.
    methods : sequence of L Constrained
        Their methods, which hold the limits.
    start : sequence of L float
        Each multiplier μ at the start of the epoch.
    base_proba : sequence of L ndarray of shape (n, K)
        Base probabilities of the training rows. A row of NaN has no base prediction and no churn.
    device : torch.device
        Device of training.
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
        # Each network has a step size of its own, where cooper has one for all.
        self.rate = torch.tensor([method.dual_lr for method in methods], device=device)
        self.multiplier = cooper.multipliers.DenseMultiplier(
            init=torch.tensor(start, dtype=torch.float32), device=device
        )
        # An inequality keeps the multiplier at 0 or above.
        cooper.Constraint(cooper.ConstraintType.INEQUALITY, multiplier=self.multiplier)
        self.optimizer = torch.optim.SGD(self.multiplier.parameters(), lr=1.0, maximize=True)
        self.total = torch.zeros(len(places), device=device)

    @torch.no_grad()
    def teach(self, target: Tensor, order: Tensor) -> Tensor:
        """Return the targets of a batch, with μ·g added for the constrained networks.

        Parameters
        ----------
        target : Tensor of shape (C, b, K)
            Targets of all networks of the stack.
        order : Tensor of shape (C, b)
            Positions of the batch's rows among the training rows.
        """
        own = target[self.places]
        weight = self.multiplier()[:, None, None] * own.sum(dim=-1, keepdim=True)
        taught = own + weight * self._base_of(order)
        return target.index_copy(0, self.places, taught.to(target.dtype))

    @torch.no_grad()
    def ascend(self, outputs: Tensor, target: Tensor, order: Tensor) -> None:
        """Move each multiplier according to the churn of a batch.

        Parameters
        ----------
        outputs : Tensor of shape (C, b, K)
            Logits of all networks of the stack.
        target : Tensor of shape (C, b, K)
            Targets of all networks, without the part that `teach` adds.
        order : Tensor of shape (C, b)
            Positions of the batch's rows among the training rows.
        """
        proba = torch.softmax(outputs[self.places].float(), dim=-1)
        known = self.known.gather(1, order[self.places])
        excess = self._churn(self._base_of(order), proba) - self.limit[:, None]
        counted = target[self.places].sum(dim=-1) * known * excess
        self._move(counted.mean(dim=1))
        self.total += counted.sum(dim=1)

    def _base_of(self, order: Tensor) -> Tensor:
        """Return the base probabilities of a batch, shape (L, b, K)."""
        rows = order[self.places, :, None].expand(-1, -1, self.base.shape[-1])
        return self.base.gather(1, rows)

    def _churn(self, base: Tensor, proba: Tensor) -> Tensor:
        """Return the churn of each row, shape (L, b), in the kind that each network limits."""
        measured = {
            "hard": lambda: (base.argmax(dim=-1) != proba.argmax(dim=-1)).float(),
            "kl": lambda: (torch.xlogy(base, base) - torch.xlogy(base, proba)).sum(dim=-1),
            "brier": lambda: (base - proba).square().sum(dim=-1),
        }
        churn = {kind: measured[kind]() for kind in set(self.kinds)}
        return torch.stack([churn[kind][i] for i, kind in enumerate(self.kinds)])

    def _move(self, violation: Tensor) -> None:
        """Raise each multiplier if its constraint is violated, and lower it towards 0 if not."""
        # The violation is the derivative of μ·violation, the part of the Lagrangian with μ.
        self.multiplier.weight.grad = self.rate * violation
        self.optimizer.step()
        self.multiplier.post_step_()

    def ended(self) -> tuple[list[float], list[float]]:
        """Return each network's multiplier and its mean violation over the epoch."""
        n = self.base.shape[1]
        return self.multiplier().detach().tolist(), (self.total / n).tolist()
