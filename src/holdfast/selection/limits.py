"""What a budget asks for: churn over all rows, within named groups, and negative flips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import as_array, check_same_length
from holdfast.common.parameters import check_share
from holdfast.exceptions import InvalidInputError

__all__ = ["Counted", "GroupColumns", "Limit", "Limits", "group_columns"]

OVERALL = "overall"
HIGHEST = {"hard": 1.0, "kl": np.inf, "brier": 2.0}

GroupColumns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Limit:
    """One limit beside that on churn over all rows.

    Attributes
    ----------
    name : str
        ``"country=DE"`` or ``"negative flips"``.
    limit : float
    hard : bool
        Whether answers are counted that change; else the mean divergence.
    column, value : str or None
        The group's rows are those where the column, as text, is the value.
    """

    name: str
    limit: float
    hard: bool
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True, eq=False)
class Counted:
    """What one of the other limits counts.

    Attributes
    ----------
    weight : ndarray of shape (n,)
        What a changed answer, or a unit of divergence, adds; 0 for rows that do not count.
    hard : bool
        Whether changed answers are counted, else divergence.
    """

    weight: NDArray[np.float64]
    hard: bool


@dataclass(frozen=True)
class Limits:
    """All limits of a budget.

    Attributes
    ----------
    overall : float or None
        None where the budget is an accuracy.
    others : tuple of Limit
    """

    overall: float | None
    others: tuple[Limit, ...] = ()

    @classmethod
    def of(cls, max_churn: Any, max_negative_flips: float | None, churn: str) -> Limits:
        """Read and check what the user gave."""
        high, others = HIGHEST[churn], []
        overall = max_churn
        if isinstance(max_churn, Mapping):
            if not max_churn:
                raise InvalidInputError(
                    "max_churn must name at least one limit, got an empty mapping; write e.g. "
                    "{'overall': 0.02, 'country=DE': 0.01}"
                )
            overall = max_churn.get(OVERALL, high)
            named = {name: limit for name, limit in max_churn.items() if name != OVERALL}
            others = [_group_limit(name, limit, churn) for name, limit in named.items()]
        if overall is not None and not np.isinf(overall if _is_number(overall) else 0.0):
            check_share("max_churn", overall, high=high)
        if max_negative_flips is not None:
            check_share("max_negative_flips", max_negative_flips)
            if overall is None:
                raise InvalidInputError(
                    "max_churn must be given with max_negative_flips, got None; give the share of "
                    "answers that may change, 1.0 for any"
                )
            others.append(Limit("negative flips", max_negative_flips, hard=True))
        return cls(overall, tuple(others))

    @property
    def columns(self) -> list[str]:
        """Names of the columns that groups are told by."""
        return list(dict.fromkeys(one.column for one in self.others if one.column is not None))

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments that these limits are made of."""
        groups = {one.name: one.limit for one in self.others if one.column is not None}
        flips = [one.limit for one in self.others if one.column is None]
        return {
            "max_churn": {OVERALL: self.overall, **groups} if groups else self.overall,
            "max_negative_flips": flips[0] if flips else None,
        }

    def changed(self, change: Callable[[float, Limit | None], float]) -> Limits:
        """Return other limits on what counts answers; None stands for that over all rows."""
        assert self.overall is not None
        others = [replace(one, limit=change(one.limit, one)) for one in self.others]
        return Limits(change(self.overall, None), tuple(others))

    def rows(
        self, groups: GroupColumns, answered: NDArray[np.bool_], base_right: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return the rows that each of the other limits counts, shape (J, n).

        Raises
        ------
        InvalidInputError
            For a group that has none of these rows.
        """
        found = np.empty((len(self.others), len(answered)), dtype=bool)
        for i, one in enumerate(self.others):
            if one.column is None:
                found[i] = answered & base_right
                continue
            if one.column not in groups:
                raise InvalidInputError(
                    f"max_churn must name groups by columns that the fit had for its own budget, "
                    f"got {one.column!r} and not {', '.join(map(repr, groups)) or 'any'}; name "
                    "the group in the budget of a new fit"
                )
            found[i] = answered & (_as_text(groups[one.column]) == one.value)
            if not found[i].any():
                values = sorted(set(_as_text(groups[one.column])[answered].tolist()))
                raise InvalidInputError(
                    f"max_churn[{one.name!r}] must name rows that there are, got none among "
                    f"{int(answered.sum()):,} rows; {one.column!r} has "
                    f"{', '.join(values[:10])}"
                )
        return found

    def counted(
        self,
        groups: GroupColumns,
        base_right: NDArray[np.bool_],
        answer_weight: NDArray[np.float64],
        churn_weight: NDArray[np.float64],
    ) -> tuple[Counted, ...]:
        """Return what each of the other limits counts, as shares.

        Of a group, of its own rows; of negative flips, of all that the base model answered.
        """
        rows = self.rows(groups, answer_weight > 0, base_right)
        counted = []
        for one, mine in zip(self.others, rows, strict=True):
            weight = np.where(mine, answer_weight if one.hard else churn_weight, 0.0)
            whole = answer_weight if one.column is None else weight
            counted.append(Counted(weight / whole.sum(), one.hard))
        return tuple(counted)


def group_columns(
    groups: Any, X: Any, names: Sequence[str], n: int, *, source: str
) -> GroupColumns:
    """Return the columns that groups are told by, from `groups` or else from the features.

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
            raise InvalidInputError(
                f"max_churn must name groups by columns of {source} or of `groups`, got {name!r}; "
                "correct the name, or give the column in `groups`"
            )
        found[name] = as_array(f"groups[{name!r}]", table[name])
        check_same_length(**{f"groups[{name!r}]": found[name], source: range(n)})
    return found


def _group_limit(name: Any, limit: Any, churn: str) -> Limit:
    column, equals, value = str(name).partition("=")
    if not equals or not column or not value:
        raise InvalidInputError(
            f"max_churn must have keys 'overall' or 'column=value', got {name!r}; write e.g. "
            "{'overall': 0.02, 'country=DE': 0.01}"
        )
    check_share(f"max_churn[{name!r}]", limit, high=HIGHEST[churn])
    return Limit(str(name), float(limit), churn == "hard", column, value)


def _as_text(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(str)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
