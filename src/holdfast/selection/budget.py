"""A budget: what a selection must keep, and what it makes as small as possible inside that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from holdfast.common.parameters import check_share
from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.selection.limits import HIGHEST, GroupColumns, Limit, bound_limits, group_limit
from holdfast.selection.problem import Vector

__all__ = ["CHURN_KINDS", "TOLERANCE", "Budget", "cautious", "choose_cautiously", "is_number"]

CHURN_KINDS = tuple(HIGHEST)
OVERALL = "overall"
TOLERANCE = 1e-9
CAUTION = 0.5  # standard errors


class Measured(Protocol):
    """The measures of a mixture that a budget looks at."""

    @property
    def risk(self) -> float:
        """Mean loss of the labels."""

    @property
    def accuracy(self) -> float:
        """Share of right answers, or R² of a regressor."""

    @property
    def others(self) -> tuple[float, ...]:
        """What the budget's other limits count."""

    @property
    def utility(self) -> float:
        """Mean utility of the answers."""

    def churn(self, kind: str) -> float:
        """Churn in the unit of the budget."""


@dataclass(frozen=True, eq=False)
class Budget:
    """Limits on churn and negative flips, or a utility to keep with as little churn as possible.

    Attributes
    ----------
    churn : str
        Unit of churn: ``"hard"`` or a divergence.
    max_churn : float or None
        Limit over all rows; None where an accuracy or a utility is kept.
    min_accuracy, min_utility : float, "cold" or None
        The accuracy, or the mean utility, to keep where there is no `max_churn`. ``"cold"`` stands
        for that of plain retraining until `keeping` replaces it.
    others : tuple of Limit
        Limits beside `max_churn`.
    accuracy_name : str
        What the caller calls `min_accuracy`.
    by_utility : bool
        Whether the utility of the answers decides among what is allowed, and not the risk.
    """

    churn: str = "hard"
    max_churn: float | None = None
    min_accuracy: float | str | None = None
    others: tuple[Limit, ...] = ()
    accuracy_name: str = "min_accuracy"
    min_utility: float | str | None = None
    by_utility: bool = False

    @classmethod
    def of(
        cls,
        max_churn: Any,
        max_negative_flips: float | None,
        min_accuracy: float | str | None,
        churn: str,
        min_utility: float | str | None = None,
    ) -> Budget:
        """Read and check what the caller gave; what is to be kept has been checked before.

        Raises
        ------
        InvalidInputError
            For limits out of range, or names of groups that are not ``column=value``.
        """
        overall, others = _read_max_churn(max_churn, churn)
        if max_negative_flips is not None:
            check_share("max_negative_flips", max_negative_flips)
            if overall is None:
                raise InvalidInputError(
                    "max_churn must be given with max_negative_flips, got None; give the share of "
                    f"answers that may change, 1.0 for any{_in_place_of(min_accuracy, min_utility)}"
                )
            others.append(Limit("negative flips", max_negative_flips, hard=True))
        return cls(churn, overall, min_accuracy, tuple(others), min_utility=min_utility)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that name the groups."""
        return list(dict.fromkeys(one.column for one in self.others if one.column is not None))

    def bound(
        self,
        groups: GroupColumns,
        answer_weight: Vector,
        churn_weight: Vector,
    ) -> Budget:
        """Return the budget with its other limits bound to rows; see `bound_limits`."""
        others = bound_limits(self.others, groups, answer_weight, churn_weight)
        return replace(self, others=others)

    def keeping(self, of_cold: Callable[[str], float]) -> Budget:
        """Return the budget with the word ``"cold"``, its default, replaced by a number.

        Parameters
        ----------
        of_cold : callable
            Returns the accuracy or the utility of plain retraining, by name. It is asked only where
            it is needed.
        """
        if self.max_churn is not None or isinstance(self.floor, (int, float)):
            return self
        least = of_cold(self.kept)
        if self.kept == "accuracy":
            return replace(self, min_accuracy=least)
        return replace(self, min_utility=least)

    @property
    def kept(self) -> str:
        """What is kept where there is no `max_churn`: ``"accuracy"`` or ``"utility"``."""
        if self.min_utility is None and (self.min_accuracy is not None or not self.by_utility):
            return "accuracy"
        return "utility"

    @property
    def floor(self) -> float | str | None:
        """The least accuracy or utility."""
        return self.min_accuracy if self.kept == "accuracy" else self.min_utility

    def inside(self, weight: Vector) -> Budget:
        """Return the budget with every limit half a standard error lower.

        Parameters
        ----------
        weight : ndarray of shape (n,)
            Weights of the rows that count as churn.
        """
        assert self.max_churn is not None
        others = [
            replace(one, limit=cautious(one.limit, weight if one.column is None else one.weight))
            for one in self.others
        ]
        return replace(self, max_churn=cautious(self.max_churn, weight), others=tuple(others))

    def allows(self, point: Measured) -> bool:
        """Whether the point keeps the limits."""
        if self.max_churn is not None:
            within = point.churn(self.churn) <= self.max_churn + TOLERANCE
            return within and not self.broken(point)
        assert self.floor is not None  # see `keeping`
        return getattr(point, self.kept) >= float(self.floor) - TOLERANCE

    def broken(self, point: Measured) -> list[str]:
        """Return the names of the other limits that a point breaks."""
        pairs = zip(self.others, point.others, strict=True)
        return [one.name for one, value in pairs if value > one.limit + TOLERANCE]

    def cost(self, point: Measured) -> tuple[float, ...]:
        """Return what is minimised among the allowed; the later measures decide ties."""
        churn = point.churn(self.churn)
        wanted = (-point.utility, point.risk) if self.by_utility else (point.risk,)
        return (*wanted, churn) if self.max_churn is not None else (churn, *wanted)


def _in_place_of(min_accuracy: Any, min_utility: Any) -> str:
    """Return the part of an advice that names what `max_churn` cannot stand beside."""
    given = {"min_accuracy": min_accuracy, "min_utility": min_utility}
    return "".join(f", in place of {name}" for name, value in given.items() if value is not None)


def _read_max_churn(max_churn: Any, churn: str) -> tuple[Any, list[Limit]]:
    """Return the limit over all rows and those of groups, checked."""
    overall, others = max_churn, []
    if isinstance(max_churn, Mapping):
        if not max_churn:
            raise InvalidInputError(
                "max_churn must name at least one limit, got an empty mapping; write e.g. "
                "{'overall': 0.02, 'country=DE': 0.01}"
            )
        overall = max_churn.get(OVERALL, HIGHEST[churn])
        named = {name: limit for name, limit in max_churn.items() if name != OVERALL}
        others = [group_limit(name, limit, churn) for name, limit in named.items()]
    if overall is not None and not np.isinf(overall if is_number(overall) else 0.0):
        check_share("max_churn", overall, high=HIGHEST[churn])
    return overall, others


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a boolean."""
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


class Chosen(Protocol):
    """A selection, which carries its budget."""

    @property
    def others(self) -> dict[str, tuple[float, float]]:
        """Limit and measure of each other limit."""


AnyChosen = TypeVar("AnyChosen", bound=Chosen)


def choose_cautiously(
    choose_at: Callable[[Budget], AnyChosen], budget: Budget, weight: Vector
) -> AnyChosen:
    """Choose half a standard error inside a hard budget, where that is possible.

    The most favourable of many mixtures is partly the one whose churn happens to look low on the
    selection rows: chosen at the budget itself, churn on fresh rows exceeds it on average.

    Parameters
    ----------
    choose_at : callable
        Returns the selection for a budget.
    budget : Budget
        The user's budget, which the result carries; its other limits are bound to rows.
    weight : ndarray of shape (n,)
        Weights of the selection rows that count as churn.
    """
    try:
        chosen = choose_at(budget.inside(weight))
    except InfeasibleBudgetError:
        chosen = choose_at(budget)
    others = {one.name: (one.limit, chosen.others[one.name][1]) for one in budget.others}
    return replace(chosen, max_churn=budget.max_churn, others=others)  # type: ignore[type-var]


def cautious(limit: float, weight: Vector | None) -> float:
    """Return a limit on a share of rows, half a standard error inside it."""
    assert weight is not None  # the limits of groups are bound to rows
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    return float(max(limit - CAUTION * np.sqrt(limit * (1 - limit) / n_effective), 0.0))
