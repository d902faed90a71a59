"""The softmax loss against soft targets, as the libraries take objectives of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.learners.boosting.library import SoftTarget
from holdfast.metrics import clip

__all__ = ["cross_entropy", "softmax", "softmax_objective"]

Objective = Callable[[NDArray[Any], Any], tuple[NDArray[Any], NDArray[Any]]]


def softmax(log_odds: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities (n, K) of log-odds (n, K)."""
    odds = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return odds


def softmax_objective(
    target: SoftTarget, *, factor: float, least_hessian: float | None = None
) -> Objective:
    """Return softmax cross-entropy to soft targets, as a function of (scores, library's data).

    The function returns gradient and Hessian, both of shape (n, K). The Hessian is the library's
    own bound on the diagonal, which is ``factor * p * (1 - p)`` before weights.

    Parameters
    ----------
    target : SoftTarget
    factor : float
    least_hessian : float, optional
        Lower bound of the Hessian, before weights.
    """
    wanted, weight = target.proba, target.weight

    def objective(scores: NDArray[Any], data: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        proba = softmax(scores.reshape(wanted.shape))
        gradient, hessian = proba - wanted, factor * proba * (1 - proba)
        if least_hessian is not None:
            np.maximum(hessian, least_hessian, out=hessian)
        if weight is not None:
            gradient *= weight[:, None]
            hessian *= weight[:, None]
        return gradient, hessian

    return objective


def cross_entropy(scores: NDArray[Any], target: SoftTarget) -> float:
    """Return the mean cross-entropy to soft targets, in nats.

    Parameters
    ----------
    scores : ndarray of n · K log-odds
    target : SoftTarget
    """
    proba = softmax(scores.reshape(target.proba.shape))
    losses = -(target.proba * np.log(clip(proba))).sum(axis=1)
    return float(np.average(losses, weights=target.weight))
