"""Counts of the rows of each group, for measures of classes within groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.counts import (
    PairedCounts,
    added,
    cell_numbers,
    cell_triples,
    in_use,
    sort_key,
)
from holdfast.comparison.tallies import group_codes

__all__ = ["counts_within"]


def counts_within(
    name: str,
    values: NDArray[Any],
    triples: NDArray[np.intp],
    labels: NDArray[Any],
    sums: NDArray[np.float64],
    *,
    weighted: bool,
    has_truth: bool,
) -> dict[Any, PairedCounts]:
    """Return the counts of each group, by its value in order.

    Parameters
    ----------
    name : str
        Name of the group column, for messages.
    values : ndarray of shape (m,)
        The group of each cell. Cells may be single rows, and may repeat.
    triples : ndarray of shape (m, 3)
        Base answer, new answer and truth of each cell, as positions in `labels`; the truth is −1
        where it is unknown.
    labels : ndarray of shape (L,)
    sums : ndarray of shape (5, m)
        All rows, rows of positive weight, weight, squared weight and largest weight of each cell.
    weighted, has_truth : bool

    Examples
    --------
    >>> triples, labels = np.array([[0, 1, 1], [0, 0, 0]]), np.array(["no", "yes"])
    >>> groups = np.array(["north", "south"])
    >>> sums = np.ones((5, 2))
    >>> found = counts_within("g", groups, triples, labels, sums, weighted=False, has_truth=True)
    >>> {value: counts.n for value, counts in found.items()}
    {'north': 1, 'south': 1}
    """
    codes, groups = group_codes(name, values)
    base, new, truth = triples.T
    numbers = cell_numbers(base, new, truth, len(labels))
    distinct, cell = np.unique(numbers, return_inverse=True)
    number, place = np.unique(codes * len(distinct) + cell, return_inverse=True)
    totals = added(sums, place, len(number))
    group, own = np.divmod(number, len(distinct))
    starts = np.searchsorted(group, np.arange(1, len(groups)))
    each = zip(np.split(own, starts), np.split(totals, starts, axis=1), strict=True)
    found = {}
    for value, (cells, total) in zip(groups, each, strict=True):
        of_group = cell_triples(distinct[cells], len(labels))
        found[value] = _counts(of_group, labels, total, weighted, has_truth)
    return {value: found[value] for value in sorted(groups, key=sort_key)}


def _counts(
    triples: NDArray[np.intp],
    labels: NDArray[Any],
    totals: NDArray[np.float64],
    weighted: bool,
    has_truth: bool,
) -> PairedCounts:
    kept = totals[1] > 0  # rows without weight count for `n` alone
    used, own_labels = in_use(triples[kept], labels)
    return PairedCounts(
        n=int(totals[0].sum()),
        n_labeled=int(totals[0][triples[:, 2] >= 0].sum()),
        weighted=weighted,
        has_truth=has_truth,
        labels=own_labels,
        triples=used,
        rows=totals[1][kept].astype(np.int64),
        weights=totals[2][kept],
        squares=totals[3][kept],
        largest=totals[4][kept],
        sums={},
        groups={},
    )
