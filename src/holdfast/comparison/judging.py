"""Holds groups against a limit on their churn, however many and however small they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.binomial import tail
from holdfast.comparison.counts import GroupCounts, WeighedCells
from holdfast.comparison.effective import Weighed, share_bound, share_counts
from holdfast.comparison.labeled import groups_of
from holdfast.comparison.shares import GroupResult

__all__ = ["judged_groups"]


def judged_groups(
    columns: Mapping[str, GroupCounts],
    confidence: float,
    limit: float | None,
    *,
    comparable: bool,
) -> tuple[GroupResult, ...]:
    """Return the statistics of each group of each column, held against the limit.

    A group passes if its interval lies within the limit: a promotion needs no correction, since all
    groups must pass. Groups fail by exact binomial tests, which Holm's procedure corrects for their
    number, so that some group fails by chance in at most half of the error [1]_. A group that is
    too small to pass even with no change at all is not judged alone. The small groups of a column
    are judged together, as one more group.

    Parameters
    ----------
    columns : mapping of str to GroupCounts
    confidence : float
    limit : float or None
        The largest churn of a group.
    comparable : bool
        Whether there are labels that answers can be compared with.

    References
    ----------
    .. [1] Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
       Statistics 1979.
    """
    results: list[GroupResult] = []
    rows: list[WeighedCells] = []
    for column, group in columns.items():
        own = groups_of(column, group, confidence, comparable)
        cells = _with_weight(group)
        if limit is not None:
            own, cells = _with_pool(own, cells, column, group, confidence, limit, comparable)
        results += own
        rows.append(cells)
    if limit is None:
        return tuple(results)
    return _judged(results, _joined(rows), (1 - confidence) / 2, limit)


def _with_weight(group: GroupCounts) -> WeighedCells:
    """Return the rows of the groups that have results."""
    every = group.weighed()
    return WeighedCells(*(array[every.largest > 0] for array in every))


def _joined(parts: Sequence[WeighedCells]) -> WeighedCells:
    return WeighedCells(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _with_pool(
    results: list[GroupResult],
    rows: WeighedCells,
    column: str,
    group: GroupCounts,
    confidence: float,
    limit: float,
    comparable: bool,
) -> tuple[list[GroupResult], WeighedCells]:
    """Mark the small groups of a column, and add the group of all of them."""
    error = (1 - confidence) / 2
    small = _too_small(rows, error, limit)
    if not small.any():
        return results, rows
    values = {results[i].value for i in np.flatnonzero(small)}
    pooled = group.pooled([value in values for value in group.values])
    (together,) = groups_of(column, pooled, confidence, comparable)
    together = replace(together, pooled=int(small.sum()))
    marked = [
        replace(one, status="small") if is_small else one
        for one, is_small in zip(results, small, strict=True)
    ]
    if _too_small(pooled.weighed(), error, limit)[0] and not small.all():
        together = replace(together, status="small")
    return [*marked, together], _joined([rows, pooled.weighed()])


def _too_small(rows: WeighedCells, error: float, limit: float) -> NDArray[np.bool_]:
    """Return which groups could not pass even if nothing had changed in them."""
    every = Weighed(rows.weights.sum(axis=(1, 2)), rows.squares.sum(axis=(1, 2)))
    none = Weighed(np.zeros(len(rows.largest)), np.zeros(len(rows.largest)))
    return share_bound(none, every, rows.largest, error, upper=True) > limit


def _judged(
    results: Sequence[GroupResult], rows: WeighedCells, error: float, limit: float
) -> tuple[GroupResult, ...]:
    """Return the results with the status of those that are not small."""
    judged = [i for i, one in enumerate(results) if one.status is None]
    kept, changed = (
        Weighed(rows.weights[judged, i].sum(axis=1), rows.squares[judged, i].sum(axis=1))
        for i in (0, 1)
    )
    count, n = share_counts(changed, kept, rows.largest[judged], upper=False)
    failing = _holm(tail(count, n, limit), error)
    statuses = {}
    for i, fails in zip(judged, failing, strict=True):
        passes = results[i].churn_rate_interval[1] <= limit
        statuses[i] = "fail" if fails else "pass" if passes else "underpowered"
    return tuple(replace(one, status=statuses.get(i, one.status)) for i, one in enumerate(results))


def _holm(p_values: NDArray[np.float64], error: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected at a family-wise error."""
    order = np.argsort(p_values, kind="stable")
    kept = p_values[order] > error / np.arange(len(order), 0, -1)
    rejected = np.zeros(len(order), dtype=bool)
    rejected[order[: int(np.argmax(kept)) if kept.any() else len(order)]] = True
    return rejected
