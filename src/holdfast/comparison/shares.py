"""Turns counts into shares with intervals, of all rows and of groups."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.plain import plain
from holdfast.comparison.binomial import exact_interval
from holdfast.comparison.counts import BASE_RIGHT, NEW_RIGHT, GroupCounts
from holdfast.comparison.gains import gain_interval
from holdfast.render.texts import visible

__all__ = ["GroupResult", "Interval", "group_name", "group_results", "judge", "shares_of"]

Interval = tuple[float, float]

BOTH_RIGHT = BASE_RIGHT | NEW_RIGHT
SHARES = (
    "churn_rate",
    "negative_flip_rate",
    "positive_flip_rate",
    "lateral_flip_rate",
    "accuracy_base",
    "accuracy_new",
)


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
        Kish's effective number of rows, (Σw)² / Σw². It equals `n` without weights.
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
    cells: NDArray[np.float64],
    n_effective: NDArray[np.float64],
    confidence: float,
    *,
    has_truth: bool,
    has_interval: Collection[str] | None = None,
) -> dict[str, Any]:
    """Return shares and intervals of cells (..., 2, 4): lists, or scalars for shape (2, 4).

    Without `has_interval`, all shares have intervals.
    """
    kept, changed = cells[..., 0, :], cells[..., 1, :]
    weight = {"churn_rate": changed.sum(axis=-1)}
    if has_truth:
        both = kept[..., BOTH_RIGHT]
        weight |= {
            "negative_flip_rate": changed[..., BASE_RIGHT],
            "positive_flip_rate": changed[..., NEW_RIGHT],
            "lateral_flip_rate": changed[..., 0],
            "accuracy_base": both + changed[..., BASE_RIGHT],
            "accuracy_new": both + changed[..., NEW_RIGHT],
        }
    # Sums come first and one division last, so that 18 of 600 rows are exactly 0.03 and keep a
    # limit of 0.03.
    total = cells.sum(axis=(-2, -1))
    share = {name: np.minimum(value / total, 1.0) for name, value in weight.items()}
    result: dict[str, Any] = dict.fromkeys(SHARES)
    result |= dict.fromkeys(f"{name}_interval" for name in SHARES)
    result |= {"accuracy_gain": None, "accuracy_gain_interval": None}
    names = [name for name in share if has_interval is None or name in has_interval]
    if names:
        values = np.stack([share[name] for name in names])
        lows, highs = exact_interval(values, n_effective, confidence)
        for name, low, high in zip(names, lows, highs, strict=True):
            result[f"{name}_interval"] = _pairs(low, high)
    result |= {name: _item(value) for name, value in share.items()}
    if has_truth:
        gained, lost = share["positive_flip_rate"], share["negative_flip_rate"]
        result["accuracy_gain"] = _item(
            (changed[..., NEW_RIGHT] - changed[..., BASE_RIGHT]) / total
        )
        result["accuracy_gain_interval"] = _pairs(
            *gain_interval(gained, lost, n_effective, confidence)
        )
    return result


def group_results(
    column: str, group: GroupCounts, confidence: float, has_truth: bool
) -> list[GroupResult]:
    """Return the statistics of each group of a column."""
    weight = group.cells.sum(axis=(1, 2))
    some = weight > 0  # a group without weight has no shares
    cells = group.cells[some]
    n_effective = weight[some] ** 2 / group.weight_squares[some]
    fields = GroupResult.__dataclass_fields__
    shares: dict[str, Any] = shares_of(
        cells,
        n_effective,
        confidence,
        has_truth=has_truth,
        has_interval=[name for name in SHARES if f"{name}_interval" in fields],
    )
    values = [value for value, kept in zip(group.values, some, strict=True) if kept]
    rows = group.rows[some].tolist()
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
