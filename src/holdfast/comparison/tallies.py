"""Tables in which blocks of rows are added up: cells of answers and truth, and cells of groups."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.common.coding import as_objects, factorize
from holdfast.comparison.counts import (
    N_OUTCOMES,
    UNLABELED,
    GroupCounts,
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
    """Numbers of cells, and for each its rows, weight and squared weight (3, m), or rows only."""

    cell: NDArray[np.int64]
    values: NDArray[np.float64]


def merged_cells(parts: list[Cells]) -> Cells:
    """Return the distinct cells that have weight, with the sums of each."""
    cell, position = np.unique(np.concatenate([part.cell for part in parts]), return_inverse=True)
    values = np.concatenate([part.values for part in parts], axis=1)
    sums = np.stack([np.bincount(position, row, len(cell)) for row in values]).astype(np.float64)
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
        n_cells, n_sums = n_classes * n_classes * (n_classes + 1), 3 if weighted else 1
        self.dense = np.zeros((n_sums, n_cells)) if n_cells <= MAX_DENSE_CELLS else None
        self.agreed = np.zeros((n_sums, n_classes if self.dense is None else 0))
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
        sums: list[Any] = [1.0] if weight is None else [(weight > 0) * 1.0, weight, weight * weight]
        if self.dense is not None:
            for total, values in zip(self.dense, sums, strict=True):
                np.add.at(total, cell, values)
            return
        agree = (base == new) & (new == truth)
        for total, values in zip(self.agreed, sums, strict=True):
            np.add.at(total, base[agree], values if weight is None else values[agree])
        distinct, position = np.unique(cell[~agree], return_inverse=True)
        rest = [None if weight is None else values[~agree] for values in sums]
        table = np.stack([np.bincount(position, values, len(distinct)) for values in rest])
        self.pending.append(Cells(distinct, table.astype(np.float64)))
        self.n_pending += len(distinct)
        if self.n_pending > max(MAX_PENDING_CELLS, len(self.merged.cell)):
            self._merge()

    def _merge(self) -> None:
        self.merged = merged_cells([self.merged, *self.pending])
        self.pending, self.n_pending = [], 0

    def result(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the triples that occur, and their rows, weights and squared weights (3, m)."""
        if self.dense is not None:
            cell = np.flatnonzero(self.dense[0])
            sums = self.dense[:, cell]
        else:
            every = np.arange(self.n_classes)
            agreed = cell_numbers(every, every, every, self.n_classes)
            self.pending.append(Cells(agreed, self.agreed))
            self._merge()
            cell, sums = self.merged
        return cell_triples(cell, self.n_classes), np.broadcast_to(sums, (3, len(cell)))


class GroupTable:
    """Weight of each (group, answer changed, outcome)."""

    def __init__(self, name: str, values: NDArray[Any]) -> None:
        self.codes, self.values = group_codes(name, values)
        self.tallies = np.zeros((4, len(self.values)))  # rows, squares, both of unlabelled rows
        self.cells = np.zeros(len(self.values) * N_GROUP_CELLS)

    def add(self, rows: slice, cell: NDArray[np.intp], weight: NDArray[np.float64] | None) -> None:
        """Add some rows, of which `cell` says whether the answer changed, and the outcome."""
        code = self.codes[rows]
        self.tallies[:2] += self._tally(code, weight)
        apart = cell % (N_OUTCOMES + 1) == UNLABELED
        if apart.any():
            self.tallies[2:] += self._tally(code[apart], None if weight is None else weight[apart])
        self.cells += np.bincount(code * N_GROUP_CELLS + cell, weight, len(self.cells))

    def _tally(self, code: NDArray[np.intp], weight: NDArray[np.float64] | None) -> Any:
        rows = np.bincount(code, minlength=len(self.values))
        if weight is None:
            return rows, rows
        return rows, np.bincount(code, weight * weight, len(self.values))

    def result(self) -> GroupCounts:
        """Return the counts of all groups, sorted by their values."""
        return groups_in_order(self.values, *self.tallies, cells=self.cells)


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


def groups_in_order(
    values: list[Any],
    rows: NDArray[Any],
    squares: NDArray[Any],
    unlabeled_rows: NDArray[Any],
    unlabeled_squares: NDArray[Any],
    *,
    cells: NDArray[np.float64],
) -> GroupCounts:
    """Return the counts of groups in any order, sorted by their values."""
    order = sorted(range(len(values)), key=lambda i: sort_key(values[i]))
    table = cells.reshape(-1, 2, N_OUTCOMES + 1)[order]
    unlabeled = table[..., UNLABELED]
    outcomes = table[..., :N_OUTCOMES].copy()
    outcomes[..., 0] += unlabeled
    return GroupCounts(
        values=tuple(values[i] for i in order),
        rows=rows[order].astype(np.int64),
        weight_squares=squares[order].astype(np.float64),
        cells=outcomes,
        unlabeled_rows=unlabeled_rows[order].astype(np.int64),
        unlabeled_squares=unlabeled_squares[order].astype(np.float64),
        unlabeled=unlabeled,
    )
