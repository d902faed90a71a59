"""Counts the rows of two models' predictions, in one pass over the rows.

Rows are read in blocks that fit the processor's cache, so the extra memory does not grow with n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_proba_rows
from holdfast.common.classes import class_index, union_classes
from holdfast.common.coding import as_objects, factorize
from holdfast.comparison.counts import (
    BASE_RIGHT,
    N_OUTCOMES,
    NEW_RIGHT,
    GroupCounts,
    PairedCounts,
    sort_key,
)
from holdfast.exceptions import InvalidInputError
from holdfast.metrics import divergence_per_row, loss_per_row

__all__ = ["CellRows", "count_pairs", "counts_of_cells"]

BLOCK = 1 << 16  # rows that are counted at a time
MAX_INTEGER_RANGE = 1 << 16  # the widest range of labels that serve as their own codes
MAX_DENSE_CLASSES = 128
MAX_PENDING_CELLS = 1 << 20

# Returns the class codes of a block of rows.
Codes = Callable[[slice], NDArray[np.intp]]


def count_pairs(
    base: NDArray[Any],
    new: NDArray[Any],
    y: NDArray[Any] | None,
    *,
    proba_classes: NDArray[Any] | None,
    sample_weight: NDArray[np.float64] | None,
    groups: Mapping[str, NDArray[Any]],
) -> PairedCounts:
    """Count rows that are already checked; `base` and `new` have shape (n,) or (n, K)."""
    classes, codes = _encode({"base": base, "new": new, "y": y}, proba_classes)
    table = _CellTable(len(classes), weighted=sample_weight is not None)
    soft = _SoftSums(base, new, _columns_of(classes, proba_classes))
    columns = {name: _GroupTable(name, values) for name, values in groups.items()}
    weight_squares = float(len(base))
    if sample_weight is not None:
        weight_squares = float(sample_weight @ sample_weight)
    for start in range(0, len(base), BLOCK):
        rows = slice(start, min(start + BLOCK, len(base)))
        weight = None if sample_weight is None else sample_weight[rows]
        soft.check(rows)
        b, n = codes["base"](rows), codes["new"](rows)
        truth = codes["y"](rows) if y is not None else None
        outcome = _outcome(b, n, truth)
        for column in columns.values():
            column.add(rows, (b != n) * N_OUTCOMES + outcome, weight)
        soft.add(rows, truth, weight)
        table.add(b, n, outcome, weight)
    pairs, pair_cells, used = table.result()
    return PairedCounts(
        n=len(base),
        weighted=sample_weight is not None,
        has_truth=y is not None,
        weight_squares=weight_squares,
        classes=classes[used],
        pairs=pairs,
        pair_cells=pair_cells,
        sums=soft.sums,
        groups={name: column.result() for name, column in columns.items()},
    )


def _outcome(
    base: NDArray[np.intp], new: NDArray[np.intp], truth: NDArray[np.intp] | None
) -> NDArray[np.intp]:
    if truth is None:
        return np.zeros(len(base), dtype=np.intp)
    return (base == truth) * BASE_RIGHT + (new == truth) * NEW_RIGHT


# --- rows that were counted elsewhere -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CellRows:
    """Rows that a data frame's own library counted: one entry for each cell, in any order.

    Attributes
    ----------
    changed : ndarray of shape (m,)
        Whether the answer of the cell's rows changed.
    outcome : ndarray of shape (m,)
        Which models are right on the cell's rows, as bits.
    rows : ndarray of shape (m,)
        Number of rows in the cell.
    weight : ndarray of shape (m,)
        Sum of the rows' weights.
    weight_squares : ndarray of shape (m,)
        Sum of the rows' squared weights.
    """

    changed: NDArray[np.bool_]
    outcome: NDArray[np.intp]
    rows: NDArray[np.int64]
    weight: NDArray[np.float64]
    weight_squares: NDArray[np.float64]

    def of_groups(self, name: str, values: NDArray[Any]) -> GroupCounts:
        """Return the counts of each group; `values` (m,) holds the group of each cell."""
        codes, groups = _group_codes(name, values)
        size = len(groups)
        cell = (codes * 2 + self.changed) * N_OUTCOMES + self.outcome
        return _in_order(
            groups,
            np.bincount(codes, self.rows, size).astype(np.int64),
            np.bincount(codes, self.weight_squares, size).astype(np.float64),
            np.bincount(cell, self.weight, size * 2 * N_OUTCOMES).astype(np.float64),
        )


def counts_of_cells(
    base: NDArray[Any],
    new: NDArray[Any],
    cells: CellRows,
    *,
    weighted: bool,
    has_truth: bool,
    sums: dict[str, float],
    groups: dict[str, GroupCounts],
) -> PairedCounts:
    """Return the counts of m cells; `base` and `new` (m,) hold the answers of each."""
    classes = union_classes(base=base, new=new)
    b, n = class_index(base, classes), class_index(new, classes)
    table = _CellTable(len(classes), weighted=True)
    table.add(b, n, cells.outcome, cells.weight)
    pairs, pair_cells, used = table.result()
    return PairedCounts(
        n=int(cells.rows.sum()),
        weighted=weighted,
        has_truth=has_truth,
        weight_squares=float(cells.weight_squares.sum()),
        classes=classes[used],
        pairs=pairs,
        pair_cells=pair_cells,
        sums=sums,
        groups=groups,
    )


# --- classes to codes -----------------------------------------------------------------------------


def _encode(
    arrays: dict[str, NDArray[Any] | None], proba_classes: NDArray[Any] | None
) -> tuple[NDArray[Any], dict[str, Codes]]:
    """Return the sorted classes, and for each array the codes of its rows."""
    given = {name: array for name, array in arrays.items() if array is not None}
    labels = {name: array for name, array in given.items() if array.ndim == 1}
    by_value = dict(labels)
    if proba_classes is not None:
        by_value["proba columns"] = proba_classes
    classes, codes = _encode_small_integers(by_value) or _encode_any(by_value)
    if proba_classes is not None:
        column_code = codes.pop("proba columns")(slice(None))
        for name, array in given.items():
            if array.ndim == 2:
                codes[name] = _argmax_codes(array, column_code)
    return classes, codes


def _encode_small_integers(
    arrays: dict[str, NDArray[Any]],
) -> tuple[NDArray[Any], dict[str, Codes]] | None:
    """Use integers in a narrow range as their own codes, without hashing or copying the column.

    Returns None for other labels.
    """
    if any(array.dtype.kind not in "iub" for array in arrays.values()):
        return None
    low = min(int(array.min()) for array in arrays.values())
    high = max(int(array.max()) for array in arrays.values())
    if high - low >= MAX_INTEGER_RANGE or high > np.iinfo(np.int64).max:
        return None
    classes = np.arange(low, high + 1)
    if all(array.dtype.kind == "b" for array in arrays.values()):
        classes = classes.astype(bool)
    return classes, {name: _shifted_codes(array, low) for name, array in arrays.items()}


def _shifted_codes(array: NDArray[Any], low: int) -> Codes:
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    # Subtracting in the array's own type would wrap for short and unsigned integers.
    return lambda rows: array[rows].astype(np.int64, copy=False) - low


def _encode_any(arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], dict[str, Codes]]:
    parts = {name: factorize(array) for name, array in arrays.items()}
    classes = union_classes(**{name: distinct for name, (_, distinct) in parts.items()})
    recoded = {
        name: class_index(distinct, classes)[code] for name, (code, distinct) in parts.items()
    }
    return classes, {name: code.__getitem__ for name, code in recoded.items()}


def _argmax_codes(proba: NDArray[np.floating], column_code: NDArray[np.intp]) -> Codes:
    return lambda rows: column_code[proba[rows].argmax(axis=1)]


def _columns_of(
    classes: NDArray[Any], proba_classes: NDArray[Any] | None
) -> NDArray[np.intp] | None:
    """Return the probability column of each class, or -1 for a class without one."""
    return None if proba_classes is None else class_index(classes, proba_classes)


# --- accumulators ---------------------------------------------------------------------------------


class _Cells(NamedTuple):
    """Distinct cell numbers and the weight of each."""

    cell: NDArray[np.int64]
    weight: NDArray[Any]


class _CellTable:
    """Weight of each (base class, new class, outcome): dense for few classes, sparse for many."""

    def __init__(self, n_classes: int, *, weighted: bool) -> None:
        self.n_classes = n_classes
        dense = n_classes <= MAX_DENSE_CLASSES
        dtype = np.float64 if weighted else np.int64
        self.dense = np.zeros(n_classes * n_classes * N_OUTCOMES, dtype) if dense else None
        self.merged = _Cells(np.zeros(0, np.int64), np.zeros(0))
        self.pending: list[_Cells] = []
        self.n_pending = 0

    def add(
        self,
        base: NDArray[np.intp],
        new: NDArray[np.intp],
        outcome: NDArray[np.intp],
        weight: NDArray[np.float64] | None,
    ) -> None:
        cell = (base * self.n_classes + new) * N_OUTCOMES + outcome
        if self.dense is not None:
            self.dense += np.bincount(cell, weights=weight, minlength=len(self.dense))
            return
        distinct, position = np.unique(cell, return_inverse=True)
        self.pending.append(_Cells(distinct, np.bincount(position, weights=weight)))
        self.n_pending += len(distinct)
        if self.n_pending > max(MAX_PENDING_CELLS, len(self.merged.cell)):
            self._merge()

    def _merge(self) -> None:
        parts = [self.merged, *self.pending]
        cell, position = np.unique(
            np.concatenate([part.cell for part in parts]), return_inverse=True
        )
        weights = np.concatenate([part.weight for part in parts])
        self.merged = _Cells(cell, np.bincount(position, weights=weights))
        self.pending, self.n_pending = [], 0

    def result(
        self,
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
        """Return the pairs that occur, their cells, and the positions of the classes in use."""
        cell, weight = self._cells()
        pair, row = np.unique(cell // N_OUTCOMES, return_inverse=True)
        pair_cells = np.zeros((len(pair), N_OUTCOMES))
        pair_cells[row, cell % N_OUTCOMES] = weight
        pairs = np.stack(np.divmod(pair, self.n_classes), axis=1)
        used, position = np.unique(pairs, return_inverse=True)
        return position.reshape(pairs.shape), pair_cells, used

    def _cells(self) -> _Cells:
        if self.dense is not None:
            cell = np.flatnonzero(self.dense)
            return _Cells(cell, self.dense[cell].astype(np.float64))
        self._merge()
        some = self.merged.weight > 0
        return _Cells(self.merged.cell[some], self.merged.weight[some])


class _GroupTable:
    """Weight of each (group, answer changed, outcome)."""

    def __init__(self, name: str, values: NDArray[Any]) -> None:
        self.codes, self.values = _group_codes(name, values)
        self.rows = np.zeros(len(self.values), dtype=np.int64)
        self.weight_squares = np.zeros(len(self.values))
        self.cells = np.zeros(len(self.values) * 2 * N_OUTCOMES)

    def add(self, rows: slice, cell: NDArray[np.intp], weight: NDArray[np.float64] | None) -> None:
        code, size = self.codes[rows], len(self.values)
        n_rows = np.bincount(code, minlength=size)
        self.rows += n_rows
        self.weight_squares += (
            n_rows if weight is None else np.bincount(code, weights=weight**2, minlength=size)
        )
        cell = code * (2 * N_OUTCOMES) + cell
        self.cells += np.bincount(cell, weights=weight, minlength=len(self.cells))

    def result(self) -> GroupCounts:
        return _in_order(self.values, self.rows, self.weight_squares, self.cells)


def _group_codes(name: str, values: NDArray[Any]) -> tuple[NDArray[np.intp], list[Any]]:
    """Return the code of each row's group, and the value of each group (None if missing)."""
    try:
        codes, distinct = factorize(values)
    except TypeError as error:
        raise InvalidInputError(
            f"groups[{name!r}] must have values that can be grouped, such as text or numbers, "
            f"got: {error}; convert them, e.g. to text"
        ) from error
    return codes, as_objects(distinct).tolist()


def _in_order(
    values: list[Any],
    rows: NDArray[np.int64],
    weight_squares: NDArray[np.float64],
    cells: NDArray[np.float64],
) -> GroupCounts:
    order = sorted(range(len(values)), key=lambda i: sort_key(values[i]))
    return GroupCounts(
        values=tuple(values[i] for i in order),
        rows=rows[order],
        weight_squares=weight_squares[order],
        cells=cells.reshape(-1, 2, N_OUTCOMES)[order],
    )


class _SoftSums:
    """Sums of losses and divergences of the models that gave probabilities."""

    def __init__(
        self, base: NDArray[Any], new: NDArray[Any], column: NDArray[np.intp] | None
    ) -> None:
        models = {"base": base, "new": new}
        self.proba = {name: array for name, array in models.items() if array.ndim == 2}
        self.column = column
        self.sums: dict[str, float] = {}

    def check(self, rows: slice) -> None:
        for name, proba in self.proba.items():
            check_proba_rows(name, proba[rows], allow_missing=False, first_row=rows.start)

    def add(
        self,
        rows: slice,
        truth: NDArray[np.intp] | None,
        weight: NDArray[np.float64] | None,
    ) -> None:
        block = {name: proba[rows] for name, proba in self.proba.items()}
        if truth is not None and self.column is not None:
            index = self.column[truth]
            if (index < 0).any():
                raise InvalidInputError(
                    "y must be among the classes of the probability columns, got a label without "
                    "a column; give `classes` in the order of the columns"
                )
            for name, proba in block.items():
                self._sum(f"log_loss_{name}", loss_per_row(index, proba, "log_loss"), weight)
                self._sum(f"brier_{name}", loss_per_row(index, proba, "brier"), weight)
        if len(block) == 2:
            for name in ("kl", "brier"):
                values = divergence_per_row(block["base"], block["new"], name)
                self._sum(f"divergence_{name}", values, weight)

    def _sum(
        self, key: str, values: NDArray[np.float64], weight: NDArray[np.float64] | None
    ) -> None:
        total = values.sum() if weight is None else values @ weight
        self.sums[key] = self.sums.get(key, 0.0) + float(total)
