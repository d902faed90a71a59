"""Tables in which blocks of rows are added up: cells of answers and truth, and cells of groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.common.coding import as_objects, factorize
from holdfast.comparison.counts import (
    N_OUTCOMES,
    GroupCounts,
    added,
    cell_numbers,
    cell_triples,
    check_size,
    sort_key,
)
from holdfast.exceptions import InvalidInputError

__all__ = [
    "N_GROUP_CELLS",
    "CellTable",
    "Cells",
    "GroupTable",
    "group_codes",
    "groups_in_order",
    "merged_cells",
]

MAX_DENSE_CELLS = 1 << 21  # reached with 128 classes
MAX_PENDING_CELLS = 1 << 20

# A row of a group falls into a cell (answer changed, outcome); one outcome more is UNLABELED.
N_GROUP_CELLS = 2 * (N_OUTCOMES + 1)


class Cells(NamedTuple):
    """Numbers of cells, with what was counted in each.

    Attributes
    ----------
    cell : ndarray of shape (m,)
    values : ndarray of shape (4, m)
        Rows, weight, squared weight and largest weight. Without weights, the shape is (2, m): rows,
        and the weight 1.
    """

    cell: NDArray[np.int64]
    values: NDArray[np.float64]


def merged_cells(parts: list[Cells]) -> Cells:
    """Return the distinct cells that have weight, with the sums of each."""
    cell, position = np.unique(np.concatenate([part.cell for part in parts]), return_inverse=True)
    values = np.concatenate([part.values for part in parts], axis=1)
    sums = added(values, position, len(cell))
    some = sums[0] > 0
    return Cells(cell[some], sums[:, some])


class CellTable:
    """Sums of each (base, new, truth): dense for few classes, sparse for many.

    Where there are many classes, rows that both models get right are not sorted, since there are
    few such cells.
    """

    def __init__(self, n_classes: int, *, weighted: bool) -> None:
        check_size(n_classes)
        self.n_classes = n_classes
        n_cells, n_sums = n_classes * n_classes * (n_classes + 1), 4 if weighted else 2
        self.dense = np.zeros((n_sums, n_cells)) if n_cells <= MAX_DENSE_CELLS else None
        self.agreed = np.zeros((n_sums, n_classes if self.dense is None else 0))
        if not weighted:  # the largest weight
            self.agreed[1] = 1.0
        self.merged = Cells(np.zeros(0, np.int64), np.zeros((n_sums, 0)))
        self.pending: list[Cells] = []
        self.n_pending = 0

    def add(
        self,
        base: NDArray[np.intp],
        new: NDArray[np.intp],
        truth: NDArray[np.intp] | int,
        weight: NDArray[np.float64] | None,
    ) -> None:
        """Add rows, given as codes of their classes; the truth is −1 where it is unknown."""
        cell = cell_numbers(base, new, truth, self.n_classes)
        if self.dense is not None:
            _add_at(self.dense, cell, weight)
            return
        agree = (base == new) & (new == truth)
        own, other = (None if weight is None else weight[rows] for rows in (agree, ~agree))
        _add_at(self.agreed, base[agree], own)
        distinct, position = np.unique(cell[~agree], return_inverse=True)
        table = np.zeros((len(self.agreed), len(distinct)))
        if weight is None:
            table[1] = 1.0
        _add_at(table, position, other)
        self.pending.append(Cells(distinct, table))
        self.n_pending += len(distinct)
        if self.n_pending > max(MAX_PENDING_CELLS, len(self.merged.cell)):
            self._merge()

    def _merge(self) -> None:
        self.merged = merged_cells([self.merged, *self.pending])
        self.pending, self.n_pending = [], 0

    def result(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the triples that occur, and the four values of each, shape (4, m)."""
        if self.dense is not None:
            cell = np.flatnonzero(self.dense[0])
            sums = self.dense[:, cell]
        else:
            every = np.arange(self.n_classes)
            agreed = cell_numbers(every, every, every, self.n_classes)
            self.pending.append(Cells(agreed, self.agreed))
            self._merge()
            cell, sums = self.merged
        if len(sums) == 2:
            sums = np.stack([sums[0], sums[0], sums[0], np.ones(len(cell))])
        return cell_triples(cell, self.n_classes), sums


def _add_at(
    table: NDArray[np.float64], place: NDArray[np.intp], weight: NDArray[np.float64] | None
) -> None:
    """Add rows to a table whose last line is the largest weight of each place."""
    if weight is None:
        np.add.at(table[0], place, 1.0)
        return
    for total, values in zip(table, ((weight > 0) * 1.0, weight, weight * weight), strict=False):
        np.add.at(total, place, values)
    np.maximum.at(table[-1], place, weight)


class GroupTable:
    """What is counted in each (group, answer changed, outcome)."""

    def __init__(self, name: str, values: NDArray[Any]) -> None:
        self.codes, self.values = group_codes(name, values)
        self.table = np.zeros((4, len(self.values) * N_GROUP_CELLS))

    def add(self, rows: slice, cell: NDArray[np.intp], weight: NDArray[np.float64] | None) -> None:
        """Add some rows, of which `cell` says whether the answer changed, and the outcome."""
        place = self.codes[rows] * N_GROUP_CELLS + cell
        size = self.table.shape[1]
        self.table[0] += np.bincount(place, minlength=size)
        if weight is None:
            return
        self.table[1] += np.bincount(place, weight, size)
        self.table[2] += np.bincount(place, weight * weight, size)
        np.maximum.at(self.table[3], place, weight)

    def result(self, *, weighted: bool) -> GroupCounts:
        """Return the counts of all groups, sorted by their values."""
        if not weighted:
            self.table[1:] = self.table[0], self.table[0], self.table[0] > 0
        return groups_in_order(self.values, self.table)


def group_codes(name: str, values: NDArray[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """Return the code of each row's group, and the value of each group (None if missing)."""
    try:
        codes, distinct = factorize(values)
    except TypeError as error:
        raise InvalidInputError(
            f"groups[{name!r}] must have values that can be grouped, such as text or numbers, "
            f"got: {error}; convert them, e.g. to text"
        ) from error
    return codes, as_objects(distinct).tolist()


def groups_in_order(values: list[Any], table: NDArray[np.float64]) -> GroupCounts:
    """Return the counts of groups in any order, sorted by their values.

    Parameters
    ----------
    values : list
    table : ndarray of shape (4, cells)
        Rows, weight, squared weight and largest weight of each (group, answer changed, outcome).
    """
    order = sorted(range(len(values)), key=lambda i: sort_key(values[i]))
    rows, *others = table.reshape(4, -1, 2, N_OUTCOMES + 1)[:, order]
    return GroupCounts(tuple(values[i] for i in order), rows.astype(np.int64), *others)
