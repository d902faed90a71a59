"""Turns counts into shares with intervals, of all rows and of groups."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.plain import plain
from holdfast.comparison.counts import (
    BASE_RIGHT,
    N_OUTCOMES,
    NEW_RIGHT,
    GroupCounts,
    WeighedCells,
)
from holdfast.comparison.effective import Weighed, share_interval
from holdfast.comparison.gains import weighed_gain_interval
from holdfast.render.texts import visible

__all__ = ["GroupResult", "Interval", "group_name", "group_results", "judge", "shares_of"]

Interval = tuple[float, float]

_OUTCOME = np.arange(2 * N_OUTCOMES) % N_OUTCOMES
_CHANGED = np.arange(2 * N_OUTCOMES) >= N_OUTCOMES
_BASE, _NEW = _OUTCOME & BASE_RIGHT > 0, _OUTCOME & NEW_RIGHT > 0

# The cells (answer changed, outcome) whose rows make up each share.
CELLS_OF = {
    name: cells.astype(np.float64)
    for name, cells in {
        "churn_rate": _CHANGED,
        "negative_flip_rate": _CHANGED & _BASE,
        "positive_flip_rate": _CHANGED & _NEW,
        "lateral_flip_rate": _CHANGED & ~_BASE & ~_NEW,
        "accuracy_base": _BASE,
        "accuracy_new": _NEW,
    }.items()
}
SHARES = tuple(CELLS_OF)


def judge(interval: Interval, limit: float, *, at_least: bool = False) -> str:
    """Return whether a confidence interval keeps a limit.

    Parameters
    ----------
    interval : (float, float)
    limit : float
    at_least : bool
        Whether the value must be at least the limit; otherwise it must be at most the limit.

    Returns
    -------
    {"pass", "fail", "underpowered"}
        "pass" when the whole interval keeps the limit, "fail" when the whole interval breaks it,
        and "underpowered" when the interval straddles it.

    Examples
    --------
    >>> judge((0.010, 0.018), 0.02), judge((0.021, 0.030), 0.02), judge((0.01, 0.03), 0.02)
    ('pass', 'fail', 'underpowered')
    """
    low, high = interval
    if at_least:
        return "pass" if low >= limit else "fail" if high < limit else "underpowered"
    return "pass" if high <= limit else "fail" if low > limit else "underpowered"


def group_name(column: str, value: Any, pooled: int = 0) -> str:
    r"""Return the name of a group, or of `pooled` small groups of a column.

    Values are data, so what would end or forge a line is escaped. The rows without a value differ
    from those whose value is a text such as "None".

    Examples
    --------
    >>> group_name("country", "DE"), group_name("country", None), group_name("country", "a\nb")
    ('country=DE', 'country: missing', 'country=a\\nb')
    """
    if pooled:
        return visible(f"{column}: {pooled} small group{'s' if pooled > 1 else ''}")
    return visible(f"{column}: missing" if value is None else f"{column}={value}")


@dataclass(frozen=True)
class GroupResult:
    """The statistics of one group: the rows where a column has a certain value.

    Attributes
    ----------
    column : str
        The name of the column.
    value : object
        The value of the column; None for the rows without a value.
    n : int
        Number of rows.
    n_effective : float
        Kish's effective number of rows, (Σw)² / Σw². It equals `n` without weights. Intervals go
        further: they regard how the weights go with the answers.
    churn_rate, negative_flip_rate, positive_flip_rate, lateral_flip_rate : float or None
        Shares of the group's weight; all but the first need labels.
    accuracy_base, accuracy_new, accuracy_gain : float or None
        Accuracy of each model within the group, and new minus base; they need labels.
    churn_rate_interval, negative_flip_rate_interval, accuracy_gain_interval : pair or None
        Confidence intervals of these measures.
    status : {"pass", "fail", "underpowered", "small"} or None
        Whether the group's churn keeps `max_group_churn`; None where no limit was given. A group is
        "small" if it could not pass even with no change at all; it is judged together with the
        other small groups of its column.
    pooled : int
        Number of small groups that this result stands for; 0 for a group of its own.
    """

    column: str
    value: Any
    n: int
    n_effective: float
    churn_rate: float
    churn_rate_interval: Interval
    negative_flip_rate: float | None
    negative_flip_rate_interval: Interval | None
    positive_flip_rate: float | None
    lateral_flip_rate: float | None
    accuracy_base: float | None
    accuracy_new: float | None
    accuracy_gain: float | None
    accuracy_gain_interval: Interval | None
    status: str | None = None
    pooled: int = 0

    @property
    def name(self) -> str:
        """The name of the group: ``column=value``, ``column: missing``, or how many it pools."""
        return group_name(self.column, self.value, self.pooled)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return {key: plain(value) for key, value in vars(self).items()}


def shares_of(
    rows: WeighedCells,
    confidence: float,
    *,
    has_truth: bool,
    has_interval: Collection[str] | None = None,
) -> dict[str, Any]:
    """Return shares and intervals: lists for groups of rows, or scalars for one.

    Without `has_interval`, all shares have intervals.
    """
    names = SHARES if has_truth else SHARES[:1]
    masks = np.stack([CELLS_OF[name] for name in names])
    weights, squares = (
        table.reshape(*table.shape[:-2], 2 * N_OUTCOMES) for table in (rows.weights, rows.squares)
    )
    # Sums come first and one division last, so that 18 of 600 rows are exactly 0.03 and keep a
    # limit of 0.03.
    total = weights.sum(axis=-1)
    share = {
        name: np.minimum(weights @ m / total, 1.0) for name, m in zip(names, masks, strict=True)
    }
    result: dict[str, Any] = dict.fromkeys(SHARES)
    result |= dict.fromkeys(f"{name}_interval" for name in SHARES)
    result |= {"accuracy_gain": None, "accuracy_gain_interval": None}
    wanted = [has_interval is None or name in has_interval for name in names]
    some, others = (  # all shares at once, along the first axis
        Weighed(*(np.moveaxis(table @ m.T, -1, 0) for table in (weights, squares)))
        for m in (masks[wanted], 1 - masks[wanted])
    )
    lows, highs = share_interval(some, others, rows.largest, confidence)
    for name, low, high in zip(compress(names, wanted), lows, highs, strict=True):
        result[f"{name}_interval"] = _pairs(low, high)
    result |= {name: _item(value) for name, value in share.items()}
    if has_truth:
        gained, lost = CELLS_OF["positive_flip_rate"], CELLS_OF["negative_flip_rate"]
        up, down, still = (
            Weighed(weights @ m, squares @ m) for m in (gained, lost, 1 - gained - lost)
        )
        result["accuracy_gain"] = _item((up.weight - down.weight) / total)
        interval = weighed_gain_interval(up, down, still, rows.largest, confidence)
        result["accuracy_gain_interval"] = _pairs(*interval)
    return result


def group_results(
    column: str, group: GroupCounts, confidence: float, has_truth: bool
) -> list[GroupResult]:
    """Return the statistics of each group of a column."""
    every = group.weighed()
    some = every.largest > 0  # a group without weight has no shares
    own = WeighedCells(*(array[some] for array in every))
    n_effective = own.weights.sum(axis=(1, 2)) ** 2 / own.squares.sum(axis=(1, 2))
    fields = GroupResult.__dataclass_fields__
    shares: dict[str, Any] = shares_of(
        own,
        confidence,
        has_truth=has_truth,
        has_interval=[name for name in SHARES if f"{name}_interval" in fields],
    )
    values = [value for value, kept in zip(group.values, some, strict=True) if kept]
    rows = group.n[some].tolist()
    return [
        GroupResult(
            column=column,
            value=value,
            n=rows[i],
            n_effective=float(n_effective[i]),
            **{name: _nth(shares[name], i) for name in shares if name in fields},
        )
        for i, value in enumerate(values)
    ]


def _nth(values: Any, i: int) -> Any:
    return None if values is None else values[i]


def _item(value: NDArray[np.float64]) -> Any:
    return value.tolist()


def _pairs(low: NDArray[np.float64], high: NDArray[np.float64]) -> Any:
    if np.ndim(low) == 0:
        return float(low), float(high)
    return list(zip(low.tolist(), high.tolist(), strict=True))
