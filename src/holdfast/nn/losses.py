"""Losses on logits that learn from the labels and from the base model at once.

A loss has one value for each example, shape (n,), and the caller reduces it. Computations are in
float32 at least, whatever the precision of the logits, so that half precision neither overflows nor
rounds small probabilities to 0. The n of a shape may stand for several dimensions, such as
(batch, time).
"""

from __future__ import annotations

from typing import Any, Literal, NoReturn

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from holdfast.common.parameters import check_choice, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.targets import WEIGHT_HINT

__all__ = [
    "AnchorLoss",
    "DistillationLoss",
    "pack_targets",
    "soft_brier",
    "soft_cross_entropy",
]

LossName = Literal["cross_entropy", "brier"]
BaseKind = Literal["proba", "logits"]
Reduction = Literal["none", "mean", "sum"]

LOSSES = ("cross_entropy", "brier")
BASES = ("proba", "logits")
REDUCTIONS = ("none", "mean", "sum")
SUM_TOLERANCE = 1e-2  # a row of bfloat16 may be off by 0.004, one of many small float16 by 0.002
ROUNDING = 1e-6  # how far below 0 a probability may be after computations in float32


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the soft cross-entropy −Σ_k t_k log softmax(z)_k of each row.

    The function checks shapes and types but never looks at values. It therefore works inside
    `torch.func.vmap` and does not wait for a GPU.

    Parameters
    ----------
    logits : Tensor of shape (..., K)
        Logits of any precision. A logit of −inf rules its class out; it adds nothing to the loss if
        the target of that class is 0.
    target : Tensor of shape (..., K)
        Soft targets, treated as constants. A row that sums to s < 1 counts s times as much as one
        that sums to 1.

    Returns
    -------
    Tensor of shape (...)
        Losses in nats: float64 for logits of float64, float32 for all others.

    Raises
    ------
    InvalidInputError
        When the logits are not floats or have fewer than two columns, or when the shapes differ.

    Examples
    --------
    >>> soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.3, 0.7]]))
    tensor([0.6931])
    """
    logits, target = _read_soft(logits, target)
    log_proba = torch.log_softmax(logits, dim=-1)
    # A class that is ruled out has the log-probability −inf, and 0 · −inf would be NaN.
    log_proba = log_proba.masked_fill(target == 0, 0.0)
    return -(target * log_proba).sum(dim=-1)


def soft_brier(logits: Tensor, target: Tensor) -> Tensor:
    """Return the expected Brier score Σ_k t_k ‖e_k − p‖² of each row, with p = softmax(z).

    For a target that sums to 1, this is ‖t − p‖² plus a constant that depends on the target alone.
    The function checks shapes and types but never looks at values. It therefore works inside
    `torch.func.vmap` and does not wait for a GPU.

    Parameters
    ----------
    logits : Tensor of shape (..., K)
        Logits of any precision.
    target : Tensor of shape (..., K)
        Soft targets, treated as constants. A row that sums to s < 1 counts s times as much as one
        that sums to 1.

    Returns
    -------
    Tensor of shape (...)
        Losses in [0, 2], up to rounding: float64 for logits of float64, float32 for all others.

    Raises
    ------
    InvalidInputError
        When the logits are not floats or have fewer than two columns, or when the shapes differ.

    Examples
    --------
    >>> soft_brier(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))
    tensor([0.5000])
    """
    logits, target = _read_soft(logits, target)
    proba = torch.softmax(logits, dim=-1)
    mass = target.sum(dim=-1, keepdim=True)
    # ‖e_k − p‖² = 1 − 2·p_k + ‖p‖², averaged over k with the weights t_k.
    return mass.squeeze(-1) + (proba * (mass * proba - 2 * target)).sum(dim=-1)


def _read_soft(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    _check_logits(logits)
    _check_shape("target", target, logits.shape, "give one target per row and class")
    logits = _wide(logits)
    return logits, target.detach().to(logits.dtype)


def _wide(values: Tensor) -> Tensor:
    """Return float64 values as they are, and all others in float32."""
    return values if values.dtype == torch.float64 else values.float()


class _TargetLoss(nn.Module):
    """Base class of the losses, which reads labels and base predictions and reduces the result."""

    def __init__(self, loss: str, base: str, reduction: str) -> None:
        super().__init__()
        self.loss = check_choice("loss", loss, LOSSES)
        self.base = check_choice("base", base, BASES)
        self.reduction = check_choice("reduction", reduction, REDUCTIONS)

    def forward(
        self,
        logits: Tensor,
        y: Tensor,
        base: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of each row, or its mean or sum over rows.

        All values are checked together, so that a GPU has to be waited for only once.

        Parameters
        ----------
        logits : Tensor of shape (n, K)
            Outputs of the network.
        y : Tensor of shape (n,)
            Position of each row's class among the columns. Without `base`, it is the tensor of
            shape (n, K + 1) that `pack_targets` returns.
        base : Tensor of shape (n, K), optional
            Predictions of the base model, treated as constants. A row of NaN has no base
            prediction, and its loss is that of its label alone.
        mask : Tensor of shape (n,), bool, optional
            True for rows whose base prediction counts. The values of all other rows of `base` are
            ignored.

        Returns
        -------
        Tensor of shape (n,), or of shape () for the reductions "mean" and "sum"
            float64 for logits of float64, float32 for all others.

        Raises
        ------
        InvalidInputError
            When shapes or types do not fit, a class position is outside [0, K), only part of a row
            of `base` is NaN, or the values of `base` are not of the kind that the loss was built
            for (probabilities or logits).
        """
        _check_logits(logits)
        if base is None:
            y, base = _unpack(logits, y)
        else:
            y = _read_labels(y, logits.shape[:-1])
        _check_base(base, logits.shape)
        known = _known_rows(base, mask)
        proba = _base_proba(base, known, self.base)
        if bool(_find_faults(y, proba, known).any()):
            _raise_fault(self, y, base, known)
        target = self.target(y.long(), proba, known)
        losses = (soft_brier if self.loss == "brier" else soft_cross_entropy)(logits, target)
        return losses if self.reduction == "none" else getattr(losses, self.reduction)()

    def target(self, y: Tensor, base_proba: Tensor, known: Tensor) -> Tensor:
        """Return soft targets of shape (n, K); the arguments are not checked.

        Parameters
        ----------
        y : Tensor of shape (n,), int64
            Class position of each row.
        base_proba : Tensor of shape (n, K)
            Base probabilities, finite in every row.
        known : Tensor of shape (n,), bool
            True for rows that have a base prediction.
        """
        raise NotImplementedError


class DistillationLoss(_TargetLoss):
    """Distillation loss: its target (1 − λ)·e_y + λ·g(x) mixes label and base prediction.

    Parameters
    ----------
    lam : float
        λ in [0, 1], the weight of the base model.
    loss : {"cross_entropy", "brier"}
        Loss between the network's output and the target.
    base : {"proba", "logits"}
        Kind of the base predictions. It is never guessed, and probabilities are checked.
    reduction : {"none", "mean", "sum"}
        How the losses of the rows are combined. Most frameworks expect "mean".

    Raises
    ------
    InvalidInputError
        When λ is outside [0, 1] or a name is unknown.

    See Also
    --------
    holdfast.targets.distill : The same target for learners other than networks.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654), algorithm 1.

    Examples
    --------
    >>> logits = torch.tensor([[0.0, 0.0], [2.0, 0.0]], requires_grad=True)
    >>> base_proba = torch.tensor([[0.8, 0.2], [0.6, 0.4]])
    >>> losses = DistillationLoss(0.5)(logits, torch.tensor([1, 0]), base_proba)
    >>> losses.detach()
    tensor([0.6931, 0.5269])
    >>> losses.mean().backward()
    """

    def __init__(
        self,
        lam: float,
        *,
        loss: LossName = "cross_entropy",
        base: BaseKind = "proba",
        reduction: Reduction = "none",
    ) -> None:
        super().__init__(loss, base, reduction)
        self.lam = check_share("lam", lam, hint=WEIGHT_HINT)

    def extra_repr(self) -> str:
        """Return the settings as `print` shows them."""
        return f"{self.lam:g}, {_settings(self)}"

    def target(self, y: Tensor, base_proba: Tensor, known: Tensor) -> Tensor:
        """Return (1 − λ)·e_y + λ·g, or e_y for rows without a base prediction."""
        weight = self.lam * known.to(base_proba.dtype).unsqueeze(-1)
        return (1 - weight) * _one_hot(y, base_proba) + weight * base_proba


class AnchorLoss(_TargetLoss):
    """Anchor loss (RCP), which pulls towards the base model only in rows that it gets right.

    The target of a row is α·g(x) + (1 − α)·e_y if the base model's most probable class is the
    label, η·e_y if it is another class, and e_y if the row has no base prediction.

    Parameters
    ----------
    alpha : float
        Weight of the base model in rows that it gets right, in [0, 1].
    eta : float
        Weight of the rows that the base model gets wrong, in [0, 1]. The reduction "mean" divides
        by the number of rows, not by the sum of their weights.
    loss : {"cross_entropy", "brier"}
        Loss between the network's output and the target.
    base : {"proba", "logits"}
        Kind of the base predictions. It is never guessed, and probabilities are checked.
    reduction : {"none", "mean", "sum"}
        How the losses of the rows are combined. Most frameworks expect "mean".

    Raises
    ------
    InvalidInputError
        When α or η is outside [0, 1] or a name is unknown.

    See Also
    --------
    holdfast.targets.anchor : The same target for learners other than networks.

    References
    ----------
    Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.

    Examples
    --------
    >>> base_proba = torch.tensor([[0.2, 0.8], [0.4, 0.6]])
    >>> AnchorLoss(0.5, 0.7)(torch.zeros(2, 2), torch.tensor([1, 0]), base_proba)
    tensor([0.6931, 0.4852])
    """

    def __init__(
        self,
        alpha: float,
        eta: float = 1.0,
        *,
        loss: LossName = "cross_entropy",
        base: BaseKind = "proba",
        reduction: Reduction = "none",
    ) -> None:
        super().__init__(loss, base, reduction)
        self.alpha = check_share("alpha", alpha, hint=WEIGHT_HINT)
        self.eta = check_share("eta", eta, hint="0 leaves those rows out, 1 counts them in full")

    def extra_repr(self) -> str:
        """Return the settings as `print` shows them."""
        return f"{self.alpha:g}, {self.eta:g}, {_settings(self)}"

    def target(self, y: Tensor, base_proba: Tensor, known: Tensor) -> Tensor:
        """Return the target of each row; the class describes its three cases."""
        truth = _one_hot(y, base_proba)
        right = (base_proba.argmax(dim=-1) == y).unsqueeze(-1)
        near = self.alpha * base_proba + (1 - self.alpha) * truth
        return torch.where(known.unsqueeze(-1), torch.where(right, near, self.eta * truth), truth)


def _settings(loss: _TargetLoss) -> str:
    return f"loss={loss.loss!r}, base={loss.base!r}, reduction={loss.reduction!r}"


def _one_hot(y: Tensor, like: Tensor) -> Tensor:
    # torch.nn.functional.one_hot would wait for the GPU once more and return integers.
    return torch.zeros_like(like).scatter_(-1, y.unsqueeze(-1), 1.0)


def _known_rows(base: Tensor, mask: Tensor | None) -> Tensor:
    """Return a mask of the rows whose base prediction counts."""
    known = ~base.isnan().all(dim=-1)
    if mask is None:
        return known
    _check_shape("mask", mask, known.shape, "give True for each row whose base prediction counts")
    if mask.dtype != torch.bool:
        raise InvalidInputError(
            f"mask must be booleans, got {_name(mask.dtype)}; give e.g. mask.bool()"
        )
    return known & mask


def _base_proba(base: Tensor, known: Tensor, kind: str) -> Tensor:
    """Return base probabilities; rows that are not `known` get finite values."""
    base = torch.where(known.unsqueeze(-1), _wide(base.detach()), 0.0)
    return torch.softmax(base, dim=-1) if kind == "logits" else base


# --- packed targets ------------------------------------------------------------------------------


def pack_targets(y: ArrayLike | Tensor, base: ArrayLike | Tensor) -> Tensor:
    """Return labels and base predictions as one tensor, for frameworks that know only one target.

    skorch and the Trainer of Transformers call a loss with the predictions and a single target.
    Give them this tensor as the target, and the losses of this module, called without `base`, read
    both parts from their argument `y`.

    Parameters
    ----------
    y : array-like or Tensor of shape (n,), integers
        Position of each row's class among the columns.
    base : array-like or Tensor of shape (n, K)
        Probabilities or logits of the base model. A row of NaN has no base prediction.

    Returns
    -------
    Tensor of shape (n, K + 1), float32
        The class position, exact up to 2**24 classes, followed by the base prediction. The tensor
        is on the device of `base`.

    Raises
    ------
    InvalidInputError
        When the lengths differ, the labels are not class positions, or `base` is not an array of
        floats.

    Notes
    -----
    skorch's classifier needs its parameter `classes`, since it would otherwise take the classes
    from the targets. The Trainer's `num_items_in_batch` counts all entries of the targets, which
    are K + 1 in each row. A `compute_loss_func` therefore has to return the sum of the losses,
    times K + 1, divided by `num_items_in_batch`.

    Examples
    --------
    >>> pack_targets([1, 0], [[0.8, 0.2], [0.6, 0.4]])
    tensor([[1.0000, 0.8000, 0.2000],
            [0.0000, 0.6000, 0.4000]])
    """
    base = _as_tensor("base", base).detach()
    y = _as_tensor("y", y).to(base.device)
    _check_logits(base, name="base")
    y = _read_labels(y, base.shape[:-1])
    _check_positions(y, base.shape[-1])
    return torch.cat([y.unsqueeze(-1).float(), base.float()], dim=-1)


def _as_tensor(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise InvalidInputError(
            f"{name} must be numbers, got dtype {array.dtype}; give class positions as y and the "
            "base model's values as base"
        )
    return torch.tensor(array)  # a copy, since PyTorch warns of read-only arrays


def _unpack(logits: Tensor, packed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class positions, which are still floats, and the base predictions."""
    n_classes = logits.shape[-1]
    shape = (*logits.shape[:-1], n_classes + 1)
    floats = isinstance(packed, Tensor) and packed.is_floating_point()
    if not floats or packed.shape != shape:
        raise InvalidInputError(
            f"base must be given, or y be what pack_targets returns, floats of shape {shape}, got "
            f"y of {_kind(packed)} and no base; give both, or pack_targets(y, base)"
        )
    if n_classes > 2 / torch.finfo(packed.dtype).eps:
        raise InvalidInputError(
            f"y must hold the positions of {n_classes} classes exactly, got packed targets of "
            f"{_name(packed.dtype)}; leave them in float32, or give y and base apart"
        )
    return packed[..., 0].detach(), packed[..., 1:]


# --- checks --------------------------------------------------------------------------------------


def _check_logits(logits: Tensor, name: str = "logits") -> None:
    floats = isinstance(logits, Tensor) and logits.is_floating_point()
    if not floats or logits.ndim < 1 or logits.shape[-1] < 2:
        raise InvalidInputError(
            f"{name} must be a tensor of floats of shape (n, K) with K >= 2, got {_kind(logits)}; "
            "give real numbers, two columns for two classes"
        )


def _check_shape(name: str, values: Tensor, shape: torch.Size, hint: str) -> None:
    if not isinstance(values, Tensor) or values.shape != shape:
        raise InvalidInputError(
            f"{name} must be a tensor of shape {tuple(shape)}, got {_kind(values)}; {hint}"
        )


def _kind(values: Any) -> str:
    if not isinstance(values, Tensor):
        return type(values).__name__
    return f"shape {tuple(values.shape)} and {_name(values.dtype)}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# Types and shapes can be checked without waiting for a GPU. `_find_faults` looks at the values
# once, and only if it finds a fault does `_raise_fault` look for the cause.


def _read_labels(y: Tensor, shape: torch.Size) -> Tensor:
    hint = "give the position of each row's class among the columns"
    _check_shape("y", y, shape, hint)
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise InvalidInputError(f"y must be integers, got {_name(y.dtype)}; {hint}, e.g. y.long()")
    return y.long()


def _check_base(base: Tensor, shape: torch.Size) -> None:
    _check_shape("base", base, shape, "give the base model's value for each row and class")
    if not base.is_floating_point():
        raise InvalidInputError(
            f"base must be floats, got {_name(base.dtype)}; give the base model's probabilities or "
            "logits, not its classes"
        )


def _find_faults(y: Tensor, proba: Tensor, known: Tensor) -> Tensor:
    """Return a mask of the rows whose class is impossible or whose base values are faulty.

    The base values of a row that is `known` must be a distribution.
    """
    # A comparison with NaN is False, so each of these is written to be True for sound values.
    sound = (proba.amin(dim=-1) >= -ROUNDING) & ((proba.sum(dim=-1) - 1).abs() <= SUM_TOLERANCE)
    return ~(_are_positions(y, proba.shape[-1]) & (sound | ~known))


def _are_positions(y: Tensor, n_classes: int) -> Tensor:
    return (y >= 0) & (y < n_classes) & (y == y.floor())  # packed positions are floats


def _check_positions(y: Tensor, n_classes: int) -> None:
    wrong = y[~_are_positions(y, n_classes)]
    if len(wrong):
        raise InvalidInputError(
            f"y must be class positions in [0, {n_classes}), got {wrong[0].item():.9g} "
            f"({len(wrong)} such rows); give the position of each row's class among the columns"
        )


def _raise_fault(loss: _TargetLoss, y: Tensor, base: Tensor, known: Tensor) -> NoReturn:
    _check_positions(y, base.shape[-1])
    base = _wide(base.detach()[known])
    n_partial = int(base.isnan().any(dim=-1).sum())
    if n_partial:
        raise InvalidInputError(
            f"base must not be NaN in part of a row, got {n_partial} such rows; make the whole row "
            "NaN where there is no base prediction"
        )
    low, high = base.min().item(), base.max().item()
    got = f"got values from {low:.4g} to {high:.4g}"
    if loss.base == "logits":
        raise InvalidInputError(
            f"base must be logits below infinity, at least one of each row finite, {got}; correct "
            "those rows or leave them out with `mask`"
        )
    if low < -ROUNDING or high > 1 + SUM_TOLERANCE:
        raise InvalidInputError(
            f"base must be probabilities in [0, 1], {got}; if these are logits, say so with "
            f'{type(loss).__name__}(..., base="logits")'
        )
    total = base.sum(dim=-1)
    worst = total[(total - 1).abs().argmax()].item()
    raise InvalidInputError(
        f"base must be probabilities that sum to 1 in each row, got a row that sums to {worst:.4g};"
        f' normalise it, or for logits say {type(loss).__name__}(..., base="logits")'
    )
