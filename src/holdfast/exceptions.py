"""The errors of holdfast: one base class and a few kinds."""

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
    """A parameter, an array, a table or a file is not as it must be."""


class UnsupportedEstimatorError(HoldfastError, TypeError):
    """An estimator cannot be trained in the requested way, for example on soft targets."""


class InfeasibleBudgetError(HoldfastError, ValueError):
    """No selection meets the budget.

    Attributes
    ----------
    lowest_churn : float or None
        The lowest churn that was reachable, in the unit of the budget. None if the budget does not
        limit churn.
    highest_accuracy : float or None
        The highest accuracy that was reachable. None if the budget has no limit on accuracy.
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
    """An optional library is missing; the message names the extra that installs it."""


class UntrustedModelError(HoldfastError):
    """A model file that is not named as trusted could run code when loaded."""


class RegistryError(HoldfastError):
    """A model registry did not answer, refused a request, or changed meanwhile.

    The message says what was left undone.
    """
