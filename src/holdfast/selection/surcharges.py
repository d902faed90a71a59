"""What a change must gain beyond the common threshold, where further limits count its row.

With one limit on all rows, the best override changes the rows of largest expected gain. With
further limits each gets a multiplier: a row is changed where its gain exceeds the threshold τ plus
the sum of the multipliers of the limits that count it. This is optimal up to the rows at the
boundary, of which there is at most one for each limit [1]_.

References
----------
.. [1] Martello and Toth, "Knapsack Problems", Wiley, 1990, chapter 2: the continuous relaxation,
   whose solution has at most as many fractional items as there are constraints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.selection.limits import GroupColumns, Limit
from holdfast.selection.multipliers import least_multipliers

__all__ = ["ChangedRows", "Surcharge", "least_surcharges"]

Columns = NDArray[np.intp]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Surcharge:
    """What a change must gain in addition in some rows.

    Attributes
    ----------
    amount : float
    column : str or None
        The column that names a group. With None the amount is multiplied by the probability of a
        negative flip.
    value : str or None
        The group's rows are those where the column, as text, is this value.
    """

    amount: float
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True, eq=False)
class ChangedRows:
    """Rows whose answers may change, and what is known of them without the truth.

    Attributes
    ----------
    gain : ndarray of shape (n,)
        Expected gain of the new answers; infinite where the base model's answer is gone.
    proba : ndarray of shape (n, K)
        The posterior.
    own, base : ndarray of shape (n,)
        New answers, and those of the base model (−1: gone).
    utility : ndarray of shape (A, K)
        What answers are worth given the truth.
    groups : dict of str to ndarray of shape (n,)
        Columns that name groups.
    """

    gain: Vector
    proba: NDArray[np.float64]
    own: Columns
    base: Columns
    utility: Vector
    groups: GroupColumns

    def density(self, limit: Limit | Surcharge) -> Vector:
        """Return how much of a row's change a limit counts, in [0, 1]."""
        if limit.column is None:
            worse = self.utility[self.own] < self.utility[self.base]
            return np.where(self.base >= 0, (self.proba * worse).sum(axis=1), 0.0)
        return (self.groups[limit.column].astype(str) == limit.value).astype(np.float64)

    def net_gain(self, surcharges: Sequence[Surcharge]) -> Vector:
        """Return the gain beyond what is charged."""
        charged = sum((one.amount * self.density(one) for one in surcharges), np.zeros(1))
        return self.gain - charged


def least_surcharges(
    rows: ChangedRows,
    limits: Sequence[Limit],
    *,
    max_churn: float,
    weight: Vector,
    known: NDArray[np.bool_],
) -> tuple[Surcharge, ...]:
    """Return the multipliers of limits, for rows of which as much may change as all limits allow.

    Limits that need the truth are taken by their expectation.

    Parameters
    ----------
    rows : ChangedRows
    limits : sequence of Limit
        Limits beside that on all rows, bound to these rows.
    max_churn : float
        The limit on all rows.
    weight : ndarray of shape (n,)
        Weights of the rows.
    known : ndarray of shape (n,)
        Rows that count as churn.

    Returns
    -------
    tuple of Surcharge
        One for each limit that is worth more than a common threshold; empty where none is.
    """
    spent = np.where(known, weight, 0.0)
    densities = np.array([rows.density(one) for one in limits])
    flips = np.array([one.column is None for one in limits])
    wholes = np.where(flips, spent.sum(), densities @ spent)  # what each limit is a share of
    costs = np.vstack([spent / spent.sum(), spent * densities / wholes[:, None]])
    bounds = np.array([max_churn, *(one.limit for one in limits)])
    names = ["max_churn", *(one.name for one in limits)]
    multipliers = least_multipliers(rows.gain, spent, costs, bounds, names=names).values
    amounts = multipliers[1:] / wholes
    return tuple(
        Surcharge(float(amount), one.column, one.value)
        for amount, one in zip(amounts, limits, strict=True)
        if amount > 0
    )
