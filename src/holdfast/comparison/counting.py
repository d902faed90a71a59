"""Counts the rows of two models' predictions, in one pass over the rows.

Rows are read in blocks that fit the processor's cache, so the extra memory does not grow with n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_proba_rows
from holdfast.common.classes import class_index, union_classes
from holdfast.common.coding import factorize
from holdfast.comparison.counts import (
    BASE_RIGHT,
    N_OUTCOMES,
    NEW_RIGHT,
    UNLABELED,
    GroupCounts,
    PairedCounts,
    added,
    cell_numbers,
    cell_triples,
    check_size,
    in_use,
)
from holdfast.comparison.tallies import (
    N_GROUP_CELLS,
    Cells,
    CellTable,
    GroupTable,
    group_codes,
    groups_in_order,
    merged_cells,
)
from holdfast.comparison.within import counts_within
from holdfast.exceptions import InvalidInputError
from holdfast.metrics import divergence_per_row, loss_per_row

__all__ = ["CellRows", "count_pairs", "counts_of_cells", "triples_of"]

BLOCK = 1 << 16  # rows that are counted at a time
MAX_INTEGER_RANGE = 1 << 16  # the widest range of labels that serve as their own codes

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
    labeled: NDArray[np.bool_] | None = None,
    answers: Mapping[str, NDArray[Any]] | None = None,
    group_measures: bool = False,
) -> PairedCounts:
    """Count rows that are already checked; `base` and `new` have shape (n,) or (n, K).

    The truth `y` counts only where `labeled` is true; None stands for all rows. `answers` (n,)
    count in place of the most probable classes of a model that has probabilities. With
    `group_measures`, the rows of each group are counted by class, too.
    """
    given: dict[str, NDArray[Any] | None] = {"base": base, "new": new, "y": y}
    beside: dict[str, NDArray[Any] | None] = {
        f"{role}_pred": array for role, array in (answers or {}).items()
    }
    classes, codes = _encode(given | beside, proba_classes)
    table = CellTable(len(classes), weighted=sample_weight is not None)
    soft = _SoftSums(base, new, _columns_of(classes, proba_classes))
    columns = {name: GroupTable(name, values) for name, values in groups.items()}
    every = np.empty((len(base) if group_measures else 0, 3), dtype=np.intp)
    for start in range(0, len(base), BLOCK):
        rows = slice(start, min(start + BLOCK, len(base)))
        weight = None if sample_weight is None else sample_weight[rows]
        soft.check(rows)
        b, n = (soft.answers(role, codes, rows, weight) for role in ("base", "new"))
        truth = codes["y"](rows) if y is not None else None
        if truth is not None and labeled is not None:
            truth = np.where(labeled[rows], truth, -1)
        if columns:
            cell = (b != n) * (N_OUTCOMES + 1) + outcome_of(b, n, truth)
            for column in columns.values():
                column.add(rows, cell, weight)
        if group_measures:
            every[rows] = np.stack([b, n, np.full(len(b), -1) if truth is None else truth], axis=1)
        soft.add(rows, truth, weight)
        table.add(b, n, -1 if truth is None else truth, weight)
    triples, sums = table.result()
    triples, labels = in_use(triples, classes)
    return PairedCounts(
        n=len(base),
        n_labeled=0 if y is None else len(y) if labeled is None else int(labeled.sum()),
        weighted=sample_weight is not None,
        has_truth=y is not None,
        labels=labels,
        triples=triples,
        rows=sums[0].astype(np.int64),
        weights=sums[1],
        squares=sums[2],
        largest=sums[3],
        sums=soft.sums,
        groups={
            name: column.result(weighted=sample_weight is not None)
            for name, column in columns.items()
        },
        within={
            name: counts_within(
                name,
                values,
                every,
                classes,
                _row_sums(len(base), sample_weight),
                weighted=sample_weight is not None,
                has_truth=y is not None,
            )
            for name, values in (groups.items() if group_measures else ())
        },
    )


def _row_sums(n: int, weight: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return what single rows count: 1, whether they have weight, it, its square, and it again."""
    ones = np.ones(n)
    if weight is None:
        return np.broadcast_to(ones, (5, n))
    return np.stack([ones, weight > 0, weight, weight * weight, weight])


def outcome_of(
    base: NDArray[np.intp], new: NDArray[np.intp], truth: NDArray[np.intp] | None
) -> NDArray[np.intp]:
    """Return the outcome of each row; it is UNLABELED where the truth is −1 or None."""
    if truth is None:
        return np.full(len(base), UNLABELED)
    outcome = (base == truth) * BASE_RIGHT + (new == truth) * NEW_RIGHT
    return outcome + (truth < 0) * UNLABELED


# --- rows that were counted elsewhere -------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CellRows:
    """Rows that a data frame's own library counted: one entry for each cell, in any order.

    Attributes
    ----------
    changed : ndarray of shape (m,)
        Whether the answer of the cell's rows changed.
    outcome : ndarray of shape (m,)
        Which models are right on the cell's rows, as bits, or UNLABELED.
    rows : ndarray of shape (m,)
        Number of rows in the cell.
    counted : ndarray of shape (m,)
        Number of rows of positive weight among them.
    weight : ndarray of shape (m,)
        Sum of the rows' weights.
    weight_squares : ndarray of shape (m,)
        Sum of the rows' squared weights.
    largest : ndarray of shape (m,)
        The largest of the rows' weights.
    """

    changed: NDArray[np.bool_]
    outcome: NDArray[np.intp]
    rows: NDArray[np.int64]
    counted: NDArray[np.int64]
    weight: NDArray[np.float64]
    weight_squares: NDArray[np.float64]
    largest: NDArray[np.float64]

    def of_groups(self, name: str, groups_of_cells: NDArray[Any]) -> GroupCounts:
        """Return the counts of each group; `groups_of_cells` (m,) holds the group of each."""
        codes, groups = group_codes(name, groups_of_cells)
        cell = codes * N_GROUP_CELLS + self.changed * (N_OUTCOMES + 1) + self.outcome
        values = np.stack([self.rows, self.weight, self.weight_squares, self.largest])
        return groups_in_order(groups, added(values, cell, len(groups) * N_GROUP_CELLS))


def triples_of(
    base: NDArray[Any],
    new: NDArray[Any],
    truth: NDArray[Any] | None,
    labeled: NDArray[np.bool_],
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the answers and truths of m cells as positions (m, 3) among their classes, and these.

    `truth` holds the true classes of the cells that are `labeled` (m,); the others get −1.
    """
    known = truth if labeled.any() else None
    classes = union_classes(base=base, new=new, truth=known)
    check_size(len(classes))
    codes = np.full(len(base), -1)
    if known is not None:
        codes[labeled] = class_index(known, classes)
    triples = [class_index(base, classes), class_index(new, classes), codes]
    return np.stack(triples, axis=1), classes


def counts_of_cells(
    base: NDArray[Any],
    new: NDArray[Any],
    truth: NDArray[Any] | None,
    labeled: NDArray[np.bool_],
    cells: CellRows,
    *,
    weighted: bool,
    sums: dict[str, float],
    groups: dict[str, GroupCounts],
    within: dict[str, dict[Any, PairedCounts]] | None = None,
) -> PairedCounts:
    """Return the counts of m cells; `base` and `new` (m,) hold the answers of each.

    `truth` holds the true classes of those cells that are `labeled` (m,).
    """
    triples, classes = triples_of(base, new, truth, labeled)
    values = np.stack([cells.counted, cells.weight, cells.weight_squares, cells.largest])
    b, n, codes = triples.T
    merged = Cells(cell_numbers(b, n, codes, len(classes)), values)
    if groups or weighted:  # cells of several groups may be one, and some may have no weight
        merged = merged_cells([merged])
    triples, labels = in_use(cell_triples(merged.cell, len(classes)), classes)
    return PairedCounts(
        n=int(cells.rows.sum()),
        n_labeled=int(cells.rows[labeled].sum()),
        weighted=weighted,
        has_truth=truth is not None,
        labels=labels,
        triples=triples,
        rows=merged.values[0].astype(np.int64),
        weights=merged.values[1],
        squares=merged.values[2],
        largest=merged.values[3],
        sums=sums,
        groups=groups,
        within=within or {},
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


# --- losses and divergences ----------------------------------------------------------------------


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

    def answers(
        self,
        role: str,
        codes: Mapping[str, Codes],
        rows: slice,
        weight: NDArray[np.float64] | None,
    ) -> NDArray[np.intp]:
        """Return the codes of answers; sum the weight of those that are not most probable."""
        if f"{role}_pred" not in codes:
            return codes[role](rows)
        given = codes[f"{role}_pred"](rows)
        if role in self.proba:
            otherwise = (given != codes[role](rows)).astype(np.float64)
            self._sum(f"otherwise_{role}", otherwise, weight)
        return given

    def add(
        self,
        rows: slice,
        truth: NDArray[np.intp] | None,
        weight: NDArray[np.float64] | None,
    ) -> None:
        block = {name: proba[rows] for name, proba in self.proba.items()}
        if truth is not None and self.column is not None:
            self._add_losses(block, truth, weight)
        if len(block) == 2:
            for name in ("kl", "brier"):
                values = divergence_per_row(block["base"], block["new"], name)
                self._sum(f"divergence_{name}", values, weight)

    def _add_losses(
        self,
        block: dict[str, NDArray[Any]],
        truth: NDArray[np.intp],
        weight: NDArray[np.float64] | None,
    ) -> None:
        known = truth >= 0
        if not known.all():
            truth = truth[known]
            block = {name: proba[known] for name, proba in block.items()}
            weight = None if weight is None else weight[known]
        assert self.column is not None  # `add` has seen to it
        index = self.column[truth]
        if (index < 0).any():
            raise InvalidInputError(
                "y must be among the classes of the probability columns, got a label without "
                "a column; give `classes` in the order of the columns"
            )
        for name, proba in block.items():
            self._sum(f"log_loss_{name}", loss_per_row(index, proba, "log_loss"), weight)
            self._sum(f"brier_{name}", loss_per_row(index, proba, "brier"), weight)

    def _sum(
        self, key: str, values: NDArray[np.float64], weight: NDArray[np.float64] | None
    ) -> None:
        total = values.sum() if weight is None else values @ weight
        self.sums[key] = self.sums.get(key, 0.0) + float(total)
