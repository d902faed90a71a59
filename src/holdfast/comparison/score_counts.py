"""Mergeable counts of two models' scores, from which every comparison of scores follows.

A cell holds the rows with one pair of scores and one truth. Where a model has more than
`MOST_DISTINCT` scores, a cell holds the rows of one pair of bins instead (see `score_grid`). The
losses are sums over all rows and therefore exact in either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.score_grid import score_bin
from holdfast.exceptions import InvalidInputError

__all__ = [
    "LOSSES",
    "MOST_DISTINCT",
    "SCORE_ROUNDING",
    "SIDES",
    "SMALLEST",
    "UNKNOWN",
    "ScoreCounts",
    "count_scores",
    "counts_of_score_cells",
]

Floats = NDArray[np.float64]

UNKNOWN = -1  # the truth of a row without a label
SCORE_ROUNDING = 1e-6  # how far outside [0, 1] rounding in single precision may take a score
MOST_DISTINCT = 10_000  # distinct scores of one model that are kept apart
SMALLEST = float(np.finfo(np.float64).eps)  # smallest probability whose logarithm is taken
LOSSES = ("brier", "log_loss")
SIDES = ("base", "new", "change")


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """Counts over all rows. The counts of two sets of rows are added with ``a + b``.

    Attributes
    ----------
    n : int
        Number of rows.
    weighted : bool
        Whether the rows have weights.
    binned : bool
        Whether the scores are counted on the grid. Otherwise each distinct score is kept.
    base_cuts, new_cuts : tuple of float
        Scores of each model that no bin straddles, such as thresholds.
    base_key, new_key : ndarray of shape (m,)
        The score, or the bin, of each model in each cell.
    truth : ndarray of shape (m,)
        1 for the positive class, 0 for any other, -1 where the truth is unknown.
    rows : ndarray of shape (m,)
        Number of rows of positive weight.
    weight, weight_squares : ndarray of shape (m,)
        Sums of the weights and of their squares.
    base_sum, new_sum : ndarray of shape (m,)
        Weighted sums of the scores.
    losses : dict of str to ndarray of shape (2, 3)
        For each loss of the base model, of the new model, and for the change: the sums of w·loss,
        w²·loss and w²·loss² over the rows of each class, in the order 0, 1.
    """

    n: int
    weighted: bool
    binned: bool
    base_cuts: tuple[float, ...]
    new_cuts: tuple[float, ...]
    base_key: NDArray[Any]
    new_key: NDArray[Any]
    truth: NDArray[np.int8]
    rows: NDArray[np.int64]
    weight: Floats
    weight_squares: Floats
    base_sum: Floats
    new_sum: Floats
    losses: dict[str, Floats]

    @property
    def base(self) -> Floats:
        """Mean score of the base model in each cell; the score itself unless binned."""
        return self.base_sum / self.weight if self.binned else self.base_key

    @property
    def new(self) -> Floats:
        """Mean score of the new model in each cell; the score itself unless binned."""
        return self.new_sum / self.weight if self.binned else self.new_key

    def on_grid(self) -> ScoreCounts:
        """Return the same counts on the grid."""
        if self.binned:
            return self
        keys = score_bin(self.base_key, self.base_cuts), score_bin(self.new_key, self.new_cuts)
        return _merged(self, *keys, binned=True)

    def __add__(self, other: ScoreCounts) -> ScoreCounts:
        """Return the counts over the rows of both.

        Raises
        ------
        InvalidInputError
            When the two were not counted with the same cuts.
        """
        if not isinstance(other, ScoreCounts):
            return NotImplemented
        for what in ("base_cuts", "new_cuts"):
            mine, its = getattr(self, what), getattr(other, what)
            if mine != its:
                raise InvalidInputError(
                    f"score counts that are added must have the same {what}, got {mine} and "
                    f"{its}; count both parts with the same thresholds and bands"
                )
        parts = (self, other)
        if self.binned or other.binned:
            parts = (self.on_grid(), other.on_grid())
        joined = _joined(*parts)
        total = _merged(joined, joined.base_key, joined.new_key, binned=joined.binned)
        return total if _few(total.base_key) and _few(total.new_key) else total.on_grid()

    def __radd__(self, other: Any) -> ScoreCounts:
        """Let ``sum(parts)`` start from 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented


def count_scores(
    base: Floats,
    new: Floats,
    truth: NDArray[np.int8] | None = None,
    *,
    sample_weight: Floats | None = None,
    base_cuts: tuple[float, ...] = (),
    new_cuts: tuple[float, ...] = (),
) -> ScoreCounts:
    """Count checked scores in [0, 1]; `truth` is 1, 0 or -1 (unknown) for each row.

    Examples
    --------
    >>> counts = count_scores(np.array([0.1, 0.1, 0.7]), np.array([0.2, 0.2, 0.7]))
    >>> counts.base.tolist(), counts.new.tolist(), counts.rows.tolist()
    ([0.1, 0.7], [0.2, 0.7], [2, 1])
    """
    n = len(base)
    weight = np.ones(n) if sample_weight is None else sample_weight
    truth = np.full(n, UNKNOWN, dtype=np.int8) if truth is None else truth
    losses = _loss_sums(base, new, truth, weight)
    exact = _few(base) and _few(new)
    if sample_weight is not None and not weight.all():
        kept = weight > 0
        base, new, truth, weight = base[kept], new[kept], truth[kept], weight[kept]
    rows = counts_of_score_cells(
        base,
        new,
        truth,
        n=n,
        weighted=sample_weight is not None,
        binned=False,
        cuts=(base_cuts, new_cuts),
        rows=np.ones(len(base), dtype=np.int64),
        weight=weight,
        weight_squares=weight**2,
        sums=None,
        losses=losses,
        merge=exact,
    )
    return rows if exact else rows.on_grid()


def counts_of_score_cells(
    base_key: NDArray[Any],
    new_key: NDArray[Any],
    truth: NDArray[np.int8],
    *,
    n: int,
    weighted: bool,
    binned: bool,
    cuts: tuple[tuple[float, ...], tuple[float, ...]],
    rows: NDArray[np.int64],
    weight: Floats,
    weight_squares: Floats,
    sums: tuple[Floats, Floats] | None,
    losses: dict[str, Floats],
    merge: bool = True,
) -> ScoreCounts:
    """Return the counts of cells in any order; equal cells become one if `merge`.

    For the parameters see the attributes of `ScoreCounts`. `sums` are the weighted sums of both
    models' scores; None where the keys are the scores.
    """
    base_sum, new_sum = (weight * base_key, weight * new_key) if sums is None else sums
    cells = ScoreCounts(
        n=n,
        weighted=weighted,
        binned=binned,
        base_cuts=cuts[0],
        new_cuts=cuts[1],
        base_key=base_key,
        new_key=new_key,
        truth=truth,
        rows=rows,
        weight=weight,
        weight_squares=weight_squares,
        base_sum=base_sum,
        new_sum=new_sum,
        losses=losses,
    )
    return _merged(cells, base_key, new_key, binned=binned) if merge else cells


def _few(keys: NDArray[Any]) -> bool:
    if keys.dtype.kind == "i" or len(keys) <= MOST_DISTINCT:
        return True  # bins are few enough
    return len(np.unique(keys)) <= MOST_DISTINCT


def _merged(
    counts: ScoreCounts, base_key: NDArray[Any], new_key: NDArray[Any], *, binned: bool
) -> ScoreCounts:
    """Return the counts with one cell for each pair of keys and truth."""
    base_values, base_code = _coded(base_key)
    new_values, new_code = _coded(new_key)
    n_new = max(len(new_values), 1)
    code = (base_code * n_new + new_code) * 3 + (counts.truth + 1)
    cells, place = np.unique(code, return_inverse=True)
    pairs = cells // 3

    def summed(values: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(place, values, len(cells))

    return ScoreCounts(
        n=counts.n,
        weighted=counts.weighted,
        binned=binned,
        base_cuts=counts.base_cuts,
        new_cuts=counts.new_cuts,
        base_key=base_values[pairs // n_new],
        new_key=new_values[pairs % n_new],
        truth=(cells % 3 - 1).astype(np.int8),
        rows=summed(counts.rows).astype(np.int64),
        weight=summed(counts.weight),
        weight_squares=summed(counts.weight_squares),
        base_sum=summed(counts.base_sum),
        new_sum=summed(counts.new_sum),
        losses=counts.losses,
    )


def _coded(key: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return values in rising order, and the place of each key among them."""
    if key.dtype.kind == "i":  # bins are their own places
        return np.arange(key.max(initial=0) + 1), key
    values, code = np.unique(key, return_inverse=True)
    return values, code.astype(np.int64)


def _joined(one: ScoreCounts, two: ScoreCounts) -> ScoreCounts:
    """Return the cells of both, one after the other."""
    names = ("base_key", "new_key", "truth", "rows", "weight", "weight_squares")
    arrays = {
        name: np.concatenate([getattr(one, name), getattr(two, name)])
        for name in (*names, "base_sum", "new_sum")
    }
    return ScoreCounts(
        n=one.n + two.n,
        weighted=one.weighted or two.weighted,
        binned=one.binned,
        base_cuts=one.base_cuts,
        new_cuts=one.new_cuts,
        losses={name: value + two.losses[name] for name, value in one.losses.items()},
        **arrays,
    )


def _loss_sums(
    base: Floats, new: Floats, truth: NDArray[np.int8], weight: Floats
) -> dict[str, Floats]:
    """Return the sums of each loss and of its change over the rows of each class."""
    sums = {f"{loss}_{side}": np.zeros((2, 3)) for loss in LOSSES for side in SIDES}
    for label in (0, 1):
        own = truth == label
        w = weight[own]
        wrong = [np.abs(label - score[own]) for score in (base, new)]
        right = [1 - score[own] if label == 0 else score[own] for score in (base, new)]
        values = {
            "brier": [miss**2 for miss in wrong],
            "log_loss": [-np.log(np.maximum(share, SMALLEST)) for share in right],
        }
        for loss, (of_base, of_new) in values.items():
            for side, value in zip(SIDES, (of_base, of_new, of_new - of_base), strict=True):
                products = w * value, w**2 * value, (w * value) ** 2
                sums[f"{loss}_{side}"][label] = [product.sum() for product in products]
    return sums
