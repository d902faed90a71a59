"""The errors that holdfast raises."""

from __future__ import annotations

__all__ = [
    "HoldfastError",
    "InfeasibleBudgetError",
    "InvalidInputError",
    "MissingExtraError",
    "RegistryError",
    "UnsupportedEstimatorError",
    "UntrustedModelError",
]


class HoldfastError(Exception):
    """Base class of every error that holdfast raises on purpose."""


class InvalidInputError(HoldfastError, ValueError):
    """A parameter, an array, a table or a file is not what it must be."""


class UnsupportedEstimatorError(HoldfastError, TypeError):
    """An estimator cannot be trained on soft targets in the requested way."""


class InfeasibleBudgetError(HoldfastError, ValueError):
    """No selection meets the budget.

    Attributes
    ----------
    lowest_churn : float or None
        The lowest reachable churn, in the unit of the budget; None for a budget on accuracy.
    highest_accuracy : float or None
        The highest reachable accuracy; None for a budget on churn.
    """

    def __init__(
        self,
        message: str,
        *,
        lowest_churn: float | None = None,
        highest_accuracy: float | None = None,
    ) -> None:
        super().__init__(message)
        self.lowest_churn = lowest_churn
        self.highest_accuracy = highest_accuracy


class MissingExtraError(HoldfastError, ImportError):
    """An optional library is needed; the message names the extra that installs it."""


class UntrustedModelError(HoldfastError):
    """A model file could run code when it is loaded, and the caller did not trust it."""


class RegistryError(HoldfastError):
    """A model registry did not answer, refused a request, or changed in the meantime.

    The message says what was left undone.
    """
