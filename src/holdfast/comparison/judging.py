"""Holds groups against a limit on their churn, however many and however small they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.binomial import tail, upper_bound
from holdfast.comparison.counts import GroupCounts
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
    for column, group in columns.items():
        own = groups_of(column, group, confidence, comparable)
        if limit is not None:
            own = _with_pool(own, column, group, confidence, limit, comparable)
        results += own
    if limit is None:
        return tuple(results)
    return _judged(results, (1 - confidence) / 2, limit)


def _with_pool(
    results: list[GroupResult],
    column: str,
    group: GroupCounts,
    confidence: float,
    limit: float,
    comparable: bool,
) -> list[GroupResult]:
    """Mark the small groups of a column, and add the group of all of them."""
    small = _too_small(results, (1 - confidence) / 2, limit)
    if not small.any():
        return results
    values = {results[i].value for i in np.flatnonzero(small)}
    pooled = group.pooled([value in values for value in group.values])
    (together,) = groups_of(column, pooled, confidence, comparable)
    together = replace(together, pooled=int(small.sum()))
    marked = [
        replace(one, status="small") if is_small else one
        for one, is_small in zip(results, small, strict=True)
    ]
    if _too_small([together], (1 - confidence) / 2, limit)[0] and not small.all():
        together = replace(together, status="small")
    return [*marked, together]


def _too_small(results: Sequence[GroupResult], error: float, limit: float) -> NDArray[np.bool_]:
    """Return which groups could not pass even if nothing had changed in them."""
    n = np.array([one.n_effective for one in results])
    return upper_bound(np.zeros(len(n)), n, error) > limit


def _judged(results: Sequence[GroupResult], error: float, limit: float) -> tuple[GroupResult, ...]:
    """Return the results with the status of those that are not small."""
    judged = [i for i, one in enumerate(results) if one.status is None]
    churn = np.array([results[i].churn_rate for i in judged])
    n = np.array([results[i].n_effective for i in judged])
    failing = _holm(tail(np.minimum(churn * n, n), n, limit), error)
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
