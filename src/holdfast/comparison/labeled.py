"""Shares of rows of which only some have a label: churn of all rows, all else of the labelled."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from holdfast.comparison.counts import GroupCounts, PairedCounts
from holdfast.comparison.shares import GroupResult, group_results, shares_of

__all__ = ["groups_of", "is_selective", "labels_selective", "overall_shares"]

SELECTIVE = 0.001  # largest p-value at which labels count as selective


def overall_shares(counts: PairedCounts, confidence: float) -> dict[str, Any]:
    """Return shares and intervals of all rows, as `shares_of` does."""
    if counts.comparable and counts.labeled.all():
        return shares_of(counts.weighed(), confidence, has_truth=True)
    shares = shares_of(counts.weighed(), confidence, has_truth=False)
    if not counts.comparable:
        return shares
    own = shares_of(counts.weighed(labeled=True), confidence, has_truth=True)
    return own | {name: shares[name] for name in ("churn_rate", "churn_rate_interval")}


def groups_of(
    column: str,
    group: GroupCounts,
    confidence: float,
    comparable: bool,
) -> list[GroupResult]:
    """Return the statistics of each group of a column."""
    if not comparable or not group.n_unlabeled.any():
        return group_results(column, group, confidence, comparable)
    labeled = group_results(column, group.labeled(), confidence, True)
    known = {result.value: result for result in labeled}
    return [
        replace(known.get(result.value, result), **{name: getattr(result, name) for name in _WHOLE})
        for result in group_results(column, group, confidence, False)
    ]


# What is known of a group without labels.
_WHOLE = ("n", "n_effective", "churn_rate", "churn_rate_interval")


def labels_selective(counts: PairedCounts) -> float | None:
    """Return the p-value of a test that rows are labelled alike whether or not they changed.

    Rows fall into four cells: answer changed or not, labelled or not. The statistic is the
    chi-square of this table, times (N − 1)/N as Campbell advises for small expected numbers. It
    counts rows and not their weights. It is None where all rows or none are labelled, or where all
    answers or none changed.

    References
    ----------
    Campbell, "Chi-squared and Fisher-Irwin tests of two-by-two tables with small sample
    recommendations", Statistics in Medicine 26(19), 2007.
    """
    code = counts.changed * 2 + counts.labeled
    table = np.bincount(code, counts.rows, 4).reshape(2, 2)
    margins = np.prod(table.sum(axis=0)) * np.prod(table.sum(axis=1))
    if not counts.has_truth or margins == 0:
        return None
    determinant = table[0, 0] * table[1, 1] - table[0, 1] * table[1, 0]
    statistic = (table.sum() - 1) * determinant**2 / margins
    return math.erfc(math.sqrt(statistic / 2))


def is_selective(p_value: float | None) -> bool:
    """Whether labels are missing selectively, beyond chance, given `labels_selective`."""
    return p_value is not None and p_value <= SELECTIVE
