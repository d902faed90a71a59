"""Paired counts of two models, from which every comparison follows.

Each row falls into a cell (base class, new class, outcome), where the outcome says which of the two
models are right. The cells suffice for every measure of hard churn and of accuracy, and the counts
of two sets of rows can be added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import class_index, union_classes
from holdfast.exceptions import InvalidInputError

__all__ = ["BASE_RIGHT", "NEW_RIGHT", "N_OUTCOMES", "GroupCounts", "PairedCounts"]

# The bits of an outcome. Without the truth, every row has outcome 0.
BASE_RIGHT, NEW_RIGHT = 1, 2
N_OUTCOMES = 4


@dataclass(frozen=True, eq=False)
class GroupCounts:
    """Counts within the groups of one column.

    Attributes
    ----------
    values : tuple of length G
        Value of each group; None for rows without a value.
    rows : ndarray of shape (G,)
        Number of rows of each group.
    weight_squares : ndarray of shape (G,)
        Sums of squared weights, from which effective numbers of rows follow.
    cells : ndarray of shape (G, 2, 4)
        Weight of each (answer changed, outcome).
    """

    values: tuple[Any, ...]
    rows: NDArray[np.int64]
    weight_squares: NDArray[np.float64]
    cells: NDArray[np.float64]

    def __add__(self, other: GroupCounts) -> GroupCounts:
        values = sorted({*self.values, *other.values}, key=sort_key)
        place = {value: i for i, value in enumerate(values)}
        total = GroupCounts(
            tuple(values),
            np.zeros(len(values), dtype=np.int64),
            np.zeros(len(values)),
            np.zeros((len(values), 2, N_OUTCOMES)),
        )
        for part in (self, other):
            at = [place[value] for value in part.values]
            total.rows[at] += part.rows
            total.weight_squares[at] += part.weight_squares
            total.cells[at] += part.cells
        return total


@dataclass(frozen=True, eq=False)
class PairedCounts:
    """Counts over all rows. The counts of two sets of rows are added with ``a + b``.

    Attributes
    ----------
    n : int
        Number of rows.
    weighted : bool
        Whether the rows have weights.
    has_truth : bool
        Whether the truth is known, so that outcomes are.
    weight_squares : float
        Sum of squared weights.
    classes : ndarray of shape (K,)
        The classes that either model predicts for rows of positive weight, sorted.
    pairs : ndarray of shape (m, 2)
        Base and new class of each pair that occurs, as positions in `classes`.
    pair_cells : ndarray of shape (m, 4)
        Weight of each pair and outcome.
    sums : dict
        Weighted sums of losses and divergences, where probabilities are given.
    groups : dict of str to GroupCounts
        The counts of each group column.
    """

    n: int
    weighted: bool
    has_truth: bool
    weight_squares: float
    classes: NDArray[Any]
    pairs: NDArray[np.intp]
    pair_cells: NDArray[np.float64]
    sums: dict[str, float]
    groups: dict[str, GroupCounts]

    @property
    def cells(self) -> NDArray[np.float64]:
        """Weight of each (answer changed, outcome), shape (2, 4)."""
        changed = self.pairs[:, 0] != self.pairs[:, 1]
        return np.stack([self.pair_cells[~changed].sum(axis=0), self.pair_cells[changed].sum(0)])

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
            ("losses and divergences", sorted(self.sums), sorted(other.sums)),
        ):
            if mine != its:
                raise InvalidInputError(
                    f"counts that are added must have the same {what}, got {mine} and {its}; "
                    "count both parts with the same columns"
                )
        classes = union_classes(**{"one part": self.classes, "another part": other.classes})
        coded = [class_index(part.classes, classes)[part.pairs] for part in (self, other)]
        pairs, row = np.unique(np.concatenate(coded), axis=0, return_inverse=True)
        pair_cells = np.zeros((len(pairs), N_OUTCOMES))
        np.add.at(pair_cells, row.ravel(), np.concatenate([self.pair_cells, other.pair_cells]))
        return PairedCounts(
            n=self.n + other.n,
            weighted=self.weighted or other.weighted,
            has_truth=self.has_truth,
            weight_squares=self.weight_squares + other.weight_squares,
            classes=classes,
            pairs=pairs,
            pair_cells=pair_cells,
            sums={name: value + other.sums[name] for name, value in self.sums.items()},
            groups={name: group + other.groups[name] for name, group in self.groups.items()},
        )

    def __radd__(self, other: Any) -> PairedCounts:
        """Let ``sum(parts)`` start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented


def sort_key(value: Any) -> tuple[bool, bool, Any]:
    """Return the key that sorts groups: numbers, then text, then the missing value."""
    number = isinstance(value, (int, float))
    return value is None, not number, value if number else str(value)
