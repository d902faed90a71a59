"""Paired counts of two models, from which every comparison follows.

Each row falls into a cell: a triple of the base model's answer, the new model's answer and the
truth. The cells suffice for every measure of hard churn, of accuracy and of single classes, and the
counts of two sets of rows can be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import ENOUGH_ROWS, class_index, union_classes
from holdfast.exceptions import InvalidInputError

__all__ = [
    "BASE_RIGHT",
    "NEW_RIGHT",
    "N_OUTCOMES",
    "UNLABELED",
    "GroupCounts",
    "PairedCounts",
    "WeighedCells",
    "added",
    "cell_numbers",
    "cell_triples",
    "check_size",
    "in_use",
]

# The bits of an outcome. A row without the truth has outcome 0 among the four outcomes, and the
# outcome UNLABELED where such rows are counted apart.
BASE_RIGHT, NEW_RIGHT = 1, 2
N_OUTCOMES = UNLABELED = 4
MAX_LABELS = 2_000_000  # the cells of more labels have no number of 64 bits


class WeighedCells(NamedTuple):
    """Rows by (answer changed, outcome), as intervals of shares need them.

    Attributes
    ----------
    weights, squares : ndarray of shape (..., 2, 4)
        Sums of weights and of squared weights; rows without a label have outcome 0.
    largest : ndarray of shape (...)
        The largest weight of a row.
    """

    weights: NDArray[np.float64]
    squares: NDArray[np.float64]
    largest: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """Counts within the groups of one column.

    Rows are counted by (answer changed, outcome), in arrays of shape (G, 2, 5). The last outcome is
    that of rows without a label.

    Attributes
    ----------
    values : tuple of length G
        Value of each group; None for rows without a value.
    rows : ndarray
        Number of rows.
    weights, squares : ndarray
        Sums of weights and of squared weights.
    largest : ndarray
        The largest weight of a row; 0 where there is no row.
    """

    values: tuple[Any, ...]
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    squares: NDArray[np.float64]
    largest: NDArray[np.float64]

    @property
    def n(self) -> NDArray[np.int64]:
        """Number of rows of each group."""
        return np.asarray(self.rows.sum(axis=(1, 2)))

    @property
    def n_unlabeled(self) -> NDArray[np.int64]:
        """Number of rows of each group without a label."""
        return np.asarray(self.rows[..., UNLABELED].sum(axis=1))

    def weighed(self) -> WeighedCells:
        """Return the rows of each group by answer changed and outcome."""
        tables = []
        for whole in (self.weights, self.squares):
            table = whole[..., :N_OUTCOMES].copy()
            table[..., 0] += whole[..., UNLABELED]
            tables.append(table)
        return WeighedCells(tables[0], tables[1], self.largest.max(axis=(1, 2)))

    def labeled(self) -> GroupCounts:
        """Return the counts of the rows that have a label."""
        known = np.arange(N_OUTCOMES + 1) != UNLABELED
        return GroupCounts(self.values, *(array * known for array in self._arrays()))

    def pooled(self, mask: Sequence[bool]) -> GroupCounts:
        """Return the counts of some groups together, as one group without a value."""
        mine = np.asarray(mask, dtype=bool)
        rows, weights, squares = (array[mine].sum(axis=0)[None] for array in self._arrays()[:-1])
        largest = self.largest[mine].max(axis=0, initial=0.0)[None]
        return GroupCounts((None,), rows, weights, squares, largest)

    def __add__(self, other: GroupCounts) -> GroupCounts:
        values = sorted({*self.values, *other.values}, key=sort_key)
        place = {value: i for i, value in enumerate(values)}
        total = GroupCounts(
            tuple(values),
            *(
                np.zeros((len(values), *array.shape[1:]), dtype=array.dtype)
                for array in self._arrays()
            ),
        )
        for part in (self, other):
            at = [place[value] for value in part.values]
            for whole, own in zip(total._arrays()[:-1], part._arrays()[:-1], strict=True):
                whole[at] += own
            total.largest[at] = np.maximum(total.largest[at], part.largest)
        return total

    def _arrays(self) -> list[NDArray[Any]]:
        return [self.rows, self.weights, self.squares, self.largest]


@dataclass(frozen=True, eq=False)
class PairedCounts:
    """Counts over all rows. The counts of two sets of rows are added with ``a + b``.

    Attributes
    ----------
    n : int
        Number of rows.
    n_labeled : int
        Number of rows whose truth is known.
    weighted : bool
        Whether the rows have weights.
    has_truth : bool
        Whether the rows came with a truth, which may be missing in some rows.
    labels : ndarray of shape (L,)
        The answers and true classes of rows of positive weight, sorted.
    triples : ndarray of shape (m, 3)
        Base answer, new answer and truth of each cell that occurs, as positions in `labels`; the
        truth is −1 where it is unknown.
    rows : ndarray of shape (m,)
        Number of rows of positive weight in each cell.
    weights : ndarray of shape (m,)
        Sum of the weights of each cell.
    squares : ndarray of shape (m,)
        Sum of the squared weights of each cell.
    largest : ndarray of shape (m,)
        The largest weight of a row of each cell.
    sums : dict
        Weighted sums of losses and divergences, where probabilities are given.
    groups : dict of str to GroupCounts
        The counts of each group column.
    within : dict of str to dict of object to PairedCounts
        The counts of the rows of each group of each column, where measures within groups were asked
        for; else empty. Their own `groups` are empty.
    """

    n: int
    n_labeled: int
    weighted: bool
    has_truth: bool
    labels: NDArray[Any]
    triples: NDArray[np.intp]
    rows: NDArray[np.int64]
    weights: NDArray[np.float64]
    squares: NDArray[np.float64]
    largest: NDArray[np.float64]
    sums: dict[str, float]
    groups: dict[str, GroupCounts]
    within: dict[str, dict[Any, PairedCounts]] = field(default_factory=dict)

    # --- cells of a table ---------------------------------------------------------------------

    @cached_property
    def changed(self) -> NDArray[np.bool_]:
        """Whether the answer changed, for each cell."""
        return self.triples[:, 0] != self.triples[:, 1]

    @cached_property
    def labeled(self) -> NDArray[np.bool_]:
        """Whether the truth is known, for each cell."""
        return self.triples[:, 2] >= 0

    @cached_property
    def outcome(self) -> NDArray[np.intp]:
        """The outcome of each cell: who is right, 0 where the truth is unknown."""
        base, new, truth = self.triples.T
        return (base == truth) * BASE_RIGHT + (new == truth) * NEW_RIGHT

    @property
    def weight_squares(self) -> float:
        """Sum of squared weights."""
        return float(self.squares.sum())

    @property
    def cells(self) -> NDArray[np.float64]:
        """Weight of each (answer changed, outcome), shape (2, 4)."""
        return self._table(self.weights)

    @property
    def labeled_cells(self) -> NDArray[np.float64]:
        """Weight of each (answer changed, outcome) over the labelled rows, shape (2, 4)."""
        return self._table(self.weights * self.labeled)

    def weighed(self, *, labeled: bool = False) -> WeighedCells:
        """Return the rows, or those with a label, by answer changed and outcome."""
        kept = self.labeled if labeled else np.ones(len(self.rows), dtype=np.bool_)
        weights, squares = (self._table(values * kept) for values in (self.weights, self.squares))
        return WeighedCells(weights, squares, np.asarray(self.largest[kept].max(initial=0.0)))

    def _table(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        code = self.changed * N_OUTCOMES + self.outcome
        table = np.bincount(code, weights, 2 * N_OUTCOMES).astype(np.float64)
        return table.reshape(2, N_OUTCOMES)

    # --- pairs of answers ---------------------------------------------------------------------

    @cached_property
    def _answers(self) -> NDArray[np.intp]:
        return np.unique(self.triples[:, :2])

    @property
    def classes(self) -> NDArray[Any]:
        """The classes (K,) that either model predicts for rows of positive weight, sorted."""
        return self.labels[self._answers]

    @cached_property
    def _pair_of_cell(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The pairs of answers, as positions in `labels`, and the pair of each cell."""
        size = len(self.labels)
        code, place = np.unique(self.triples[:, 0] * size + self.triples[:, 1], return_inverse=True)
        return np.stack(np.divmod(code, size), axis=1), place

    @cached_property
    def pairs(self) -> NDArray[np.intp]:
        """Base and new answer of each pair that occurs, as positions in `classes`."""
        return np.searchsorted(self._answers, self._pair_of_cell[0])

    @cached_property
    def pair_cells(self) -> NDArray[np.float64]:
        """Weight of each pair and outcome; rows without a label have outcome 0."""
        pairs, place = self._pair_of_cell
        code = place * N_OUTCOMES + self.outcome
        table = np.bincount(code, self.weights, len(pairs) * N_OUTCOMES).astype(np.float64)
        return table.reshape(-1, N_OUTCOMES)

    @property
    def pair_rows(self) -> NDArray[Any]:
        """The number of rows of positive weight, for each pair."""
        pairs, place = self._pair_of_cell
        return np.bincount(place, self.rows, len(pairs))

    @property
    def pair_labeled(self) -> NDArray[np.float64]:
        """The share of rows with a label, for each pair."""
        pairs, place = self._pair_of_cell
        return np.bincount(place, self.rows * self.labeled, len(pairs)) / self.pair_rows

    @property
    def comparable(self) -> bool:
        """Whether answers can be right: at least one answer occurs among the true classes.

        Answers such as "approve" beside a truth such as "fraud" cannot. Fewer than 50 labelled rows
        are too few to say so.
        """
        if not self.has_truth:
            return False
        truth = self.triples[self.labeled, 2]
        few = self.rows[self.labeled].sum() < ENOUGH_ROWS
        return bool(few or np.isin(self._answers, truth).any())

    # --- sums ---------------------------------------------------------------------------------

    def __add__(self, other: PairedCounts) -> PairedCounts:
        """Return the counts over the rows of both.

        Raises
        ------
        InvalidInputError
            When the two were not counted with the same columns.
        """
        if not isinstance(other, PairedCounts):
            return NotImplemented
        for what, mine, its in (
            ("truth", self.has_truth, other.has_truth),
            ("groups", sorted(self.groups), sorted(other.groups)),
            ("measures within groups", sorted(self.within), sorted(other.within)),
            ("losses and divergences", sorted(self.sums), sorted(other.sums)),
        ):
            if mine != its:
                raise InvalidInputError(
                    f"counts that are added must have the same {what}, got {mine} and {its}; "
                    "count both parts with the same columns"
                )
        labels = union_classes(**{"one part": self.labels, "another part": other.labels})
        check_size(len(labels))
        numbers = []
        for part in (self, other):
            place = np.append(class_index(part.labels, labels), -1)  # the truth −1 stays −1
            base, new, truth = place[part.triples].T
            numbers.append(cell_numbers(base, new, truth, len(labels)))
        cell, row = np.unique(np.concatenate(numbers), return_inverse=True)
        parts = [np.stack([p.rows, p.weights, p.squares, p.largest]) for p in (self, other)]
        rows, weights, squares, largest = added(np.concatenate(parts, axis=1), row, len(cell))
        return PairedCounts(
            n=self.n + other.n,
            n_labeled=self.n_labeled + other.n_labeled,
            weighted=self.weighted or other.weighted,
            has_truth=self.has_truth,
            labels=labels,
            triples=cell_triples(cell, len(labels)),
            rows=rows.astype(np.int64),
            weights=weights,
            squares=squares,
            largest=largest,
            sums={name: value + other.sums[name] for name, value in self.sums.items()},
            groups={name: group + other.groups[name] for name, group in self.groups.items()},
            within={name: _added(own, other.within[name]) for name, own in self.within.items()},
        )

    def __radd__(self, other: Any) -> PairedCounts:
        """Let ``sum(parts)`` start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented


def _added(one: dict[Any, PairedCounts], two: dict[Any, PairedCounts]) -> dict[Any, PairedCounts]:
    """Return the counts of each group in either part."""
    values = sorted({*one, *two}, key=sort_key)
    found = one | two
    return {v: one[v] + two[v] if v in one and v in two else found[v] for v in values}


# --- numbers of cells -----------------------------------------------------------------------------


def cell_numbers(
    base: NDArray[np.intp], new: NDArray[np.intp], truth: NDArray[np.intp] | int, size: int
) -> NDArray[np.intp]:
    """Return one number for each triple of positions below `size`; the truth may be −1."""
    return (base * size + new) * (size + 1) + (truth + 1)


def cell_triples(cell: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return the triples (m, 3) behind the numbers (m,) of cells."""
    pair, truth = np.divmod(cell, size + 1)
    return np.stack([*np.divmod(pair, size), truth - 1], axis=1)


def added(values: NDArray[Any], place: NDArray[np.intp], size: int) -> NDArray[np.float64]:
    """Return what is counted of some rows, added up by their places below `size`.

    Parameters
    ----------
    values : ndarray of shape (k, m)
        All but the last are sums. The last is the largest weight.
    place : ndarray of shape (m,)
    size : int

    Returns
    -------
    ndarray of shape (k, size)
    """
    found = np.zeros((len(values), size))
    for whole, own in zip(found[:-1], values[:-1], strict=True):
        whole[:] = np.bincount(place, own, size)
    np.maximum.at(found[-1], place, values[-1])
    return found


def in_use(
    triples: NDArray[np.intp], labels: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the triples as positions among the labels that they use, and those labels."""
    used = np.unique(triples)
    used = used[used >= 0]
    place = np.full(len(labels) + 1, -1)  # the last entry keeps the truth −1 as it is
    place[used] = np.arange(len(used))
    return place[triples], labels[used]


def check_size(n_labels: int) -> None:
    """Raise where there are too many labels for the numbers of cells."""
    if n_labels > MAX_LABELS:
        raise InvalidInputError(
            f"answers and labels must be of at most {MAX_LABELS:,} classes, got {n_labels:,}; "
            "give classes, not names of rows"
        )


def sort_key(value: Any) -> tuple[bool, bool, Any]:
    """Return the key that sorts groups: numbers, then text, then the missing value."""
    number = isinstance(value, (int, float))
    return value is None, not number, value if number else str(value)
