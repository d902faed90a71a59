"""Adam and SGD as settings, which update the parameters of many networks at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from holdfast.exceptions import InvalidInputError

__all__ = ["SGD", "Adam", "Optimizer", "check_optimizer"]


@dataclass(frozen=True)
class Adam:
    """Adam with PyTorch's defaults.

    Parameters
    ----------
    lr : float
        Learning rate.
    betas : tuple of two floats
        Decay rates of the two running moments of the gradient.
    eps : float
        Term added to the denominator, so that it is not 0.
    weight_decay : float
        Weight of the decay of the parameters.
    decoupled : bool
        Whether the parameters decay apart from the gradient (AdamW).

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015; Loshchilov and Hutter,
    "Decoupled Weight Decay Regularization", ICLR 2019.

    Examples
    --------
    >>> Adam(lr=0.01).lr
    0.01
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    n_moments: ClassVar[int] = 2

    def step(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        moments: Sequence[list[Tensor]],
        steps: list[Tensor],
    ) -> None:
        """Update parameters, moments and step counts in place.

        Parameters
        ----------
        params : list of Tensor
            The parameters.
        grads : list of Tensor
            The gradient of each parameter.
        moments : two lists of Tensor
            The first and the second moment of each gradient.
        steps : list of Tensor
            Number of steps that each parameter has taken so far; these may differ.
        """
        (adamw if self.decoupled else adam)(
            params,
            grads,
            moments[0],
            moments[1],
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.lr,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent, with or without momentum.

    Parameters
    ----------
    lr : float
        Learning rate.
    momentum : float
        Share of the previous update that is kept.
    nesterov : bool
        Whether momentum is Nesterov's, which needs a momentum above 0.
    weight_decay : float
        Weight of the decay of the parameters.

    Examples
    --------
    >>> SGD(lr=0.1, momentum=0.9).momentum
    0.9
    """

    lr: float = 1e-2
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    n_moments: ClassVar[int] = 1

    def step(
        self,
        params: list[Tensor],
        grads: list[Tensor],
        moments: Sequence[list[Tensor]],
        steps: list[Tensor],
    ) -> None:
        """Update parameters and moments in place, and count the steps.

        Parameters
        ----------
        params : list of Tensor
            The parameters.
        grads : list of Tensor
            The gradient of each parameter.
        moments : one list of Tensor
            The momentum of each parameter.
        steps : list of Tensor
            Number of steps that each parameter has taken so far.
        """
        sgd(
            params,
            grads,
            list(moments[0]),
            fused=True,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=self.lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
        )
        for step in steps:
            step += 1


Optimizer = Adam | SGD


def check_optimizer(optimizer: Any) -> Optimizer:
    """Return the optimizer after a check of its settings; None stands for ``Adam()``."""
    if optimizer is None:
        return Adam()
    if not isinstance(optimizer, Optimizer):
        raise InvalidInputError(
            f"optimizer must be holdfast.nn.Adam or SGD, got {optimizer!r:.60}; give e.g. "
            "Adam(lr=1e-3)"
        )
    name = type(optimizer).__name__
    _check_number(f"{name}.lr", optimizer.lr)
    _check_number(f"{name}.weight_decay", optimizer.weight_decay)
    if isinstance(optimizer, Adam):
        _check_number("Adam.eps", optimizer.eps)
        for beta in optimizer.betas:
            _check_number("each of Adam.betas", beta, below=1, hint="give e.g. (0.9, 0.999)")
    else:
        _check_number("SGD.momentum", optimizer.momentum, hint="give e.g. 0.9")
        if optimizer.nesterov and not optimizer.momentum:
            raise InvalidInputError(
                "SGD.momentum must be above 0 with nesterov=True, got 0; give e.g. 0.9"
            )
    return optimizer


def _check_number(
    name: str, value: Any, *, below: float = math.inf, hint: str = "give e.g. 0.001"
) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 <= value < below:
        raise InvalidInputError(
            f"{name} must be a number of at least 0 and below {below:g}, got {value!r}; {hint}"
        )
