"""Limits beside that on churn over all rows: churn within groups, and negative flips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import as_array, check_same_length
from holdfast.common.parameters import check_share
from holdfast.exceptions import InvalidInputError

__all__ = [
    "BASE_ANSWER",
    "HIGHEST",
    "GroupColumns",
    "Limit",
    "bound_limits",
    "group_columns",
    "group_limit",
]

HIGHEST = {"hard": 1.0, "kl": np.inf, "brier": 2.0}  # what a limit may be, by unit of churn

BASE_ANSWER = "base_answer"  # the column that names the rows of one answer of the base model

GroupColumns = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Limit:
    """One limit beside that on churn over all rows.

    Attributes
    ----------
    name : str
        ``"country=DE"`` or ``"negative flips"``.
    limit : float
    hard : bool
        True where answers that change are counted, False where the mean divergence is taken.
    column : str or None
        The column that names the group; None for negative flips.
    value : str or None
        The group's rows are those where the column, as text, is this value.
    weight : ndarray of shape (n,) or None
        What each row's change, or unit of divergence, adds to the measure; 0 for rows that do not
        count. None until the limit is bound to rows.
    """

    name: str
    limit: float
    hard: bool
    column: str | None = None
    value: str | None = None
    weight: NDArray[np.float64] | None = None

    def rows(self, groups: GroupColumns, answered: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the rows that this limit is a share of, shape (n,).

        Raises
        ------
        InvalidInputError
            For a column that `groups` does not have, or a group without answered rows.
        """
        if self.column is None:
            return answered
        if self.column not in groups:
            raise InvalidInputError(
                f"max_churn must name groups by columns that the fit had for its own budget, "
                f"got {self.column!r}, and it had {', '.join(map(repr, groups)) or 'none'}; name "
                "the group in the budget of a new fit"
            )
        column = groups[self.column].astype(str)
        mine = answered & (column == self.value)
        if not mine.any():
            values = sorted(set(column[answered].tolist()))
            raise InvalidInputError(
                f"max_churn[{self.name!r}] must name rows that there are, got none among "
                f"{int(answered.sum()):,} rows; {self.column!r} has {', '.join(values[:10])}"
            )
        return mine

    def measure(
        self,
        changed: NDArray[np.bool_],
        divergence: NDArray[np.float64],
        worse: NDArray[np.bool_],
    ) -> float:
        """Return what the limit counts, given each row's change, divergence and negative flip."""
        assert self.weight is not None  # only bound limits are measured
        counted = worse if self.column is None else changed if self.hard else divergence
        return float(counted @ self.weight)


def bound_limits(
    limits: Sequence[Limit],
    groups: GroupColumns,
    answer_weight: NDArray[np.float64],
    churn_weight: NDArray[np.float64],
) -> tuple[Limit, ...]:
    """Return the limits with the weights that make their measures shares.

    A group's limit is a share of the group's rows. The limit on negative flips is a share of all
    answered rows.
    """
    bound = []
    for limit in limits:
        mine = limit.rows(groups, answer_weight > 0)
        weight = np.where(mine, answer_weight if limit.hard else churn_weight, 0.0)
        bound.append(replace(limit, weight=weight / weight.sum()))
    return tuple(bound)


def group_limit(name: Any, limit: Any, churn: str) -> Limit:
    """Read the limit of one group, as ``max_churn`` gives it.

    Raises
    ------
    InvalidInputError
        For a name that is not ``column=value``, or a limit out of range.
    """
    column, equals, value = str(name).partition("=")
    if not equals or not column or not value:
        raise InvalidInputError(
            f"max_churn must have keys 'overall' or 'column=value', got {name!r}; write e.g. "
            "{'overall': 0.02, 'country=DE': 0.01}"
        )
    check_share(f"max_churn[{name!r}]", limit, high=HIGHEST[churn])
    return Limit(str(name), float(limit), churn == "hard", column, value)


def group_columns(
    groups: Any, X: Any, names: Sequence[str], n: int, *, source: str
) -> GroupColumns:
    """Return the columns that name the groups, from `groups` or else from the features.

    Raises
    ------
    InvalidInputError
        For a column that neither has, or of another length.
    """
    found = {}
    for name in names:
        for table in (groups, X):
            if isinstance(table, Mapping) and name in table:
                break
            if hasattr(table, "columns") and name in table.columns:
                break
        else:
            places = "`groups`" if source == "groups" else f"{source} or of `groups`"
            raise InvalidInputError(
                f"max_churn must name groups by columns of {places}, got {name!r}; "
                "correct the name, or give the column in `groups`"
            )
        found[name] = as_array(f"groups[{name!r}]", table[name])
        check_same_length(**{f"groups[{name!r}]": found[name], source: range(n)})
    return found
