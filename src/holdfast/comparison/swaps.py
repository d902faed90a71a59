"""Rows whose decision or band changes when the new model's scores take over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.plain import plain
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.intervals import wilson_interval
from holdfast.comparison.paired import rows_of_share
from holdfast.comparison.score_counts import ScoreCounts
from holdfast.comparison.score_grid import bin_starts, score_bin
from holdfast.comparison.shares import Interval

__all__ = [
    "Migration",
    "RowSet",
    "SwapSet",
    "answer_swaps",
    "migration",
    "same_rate_threshold",
    "swap_set",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RowSet:
    """A set of rows, and how often they are of the positive class.

    Attributes
    ----------
    n : int
        Number of rows.
    share : float
        Their share of all rows, or of all weight.
    labeled : int
        Number of these rows whose truth is known.
    positive_rate : float or None
        Share of the positive class among the labeled rows; None without any.
    positive_rate_interval : pair or None
        Its Wilson interval.
    """

    n: int
    share: float
    labeled: int
    positive_rate: float | None
    positive_rate_interval: Interval | None


@dataclass(frozen=True)
class SwapSet:
    """The rows that only one of two models answers as positive.

    Attributes
    ----------
    base_threshold, new_threshold : float or None
        The threshold of each model, which a score that equals it reaches. None where the answers
        themselves were compared.
    base_rate, new_rate : float
        Share of the rows (or of the weight) that each model answers as positive.
    swapped_in : RowSet
        Rows that go from negative to positive.
    swapped_out : RowSet
        Rows that go from positive to negative.
    kept_positive, kept_negative : RowSet
        Rows that keep their answer.
    undecided_share : float
        Share of the rows in a bin that a threshold cuts; they count as above it. It is 0 where
        scores are exact, and for thresholds that were known when the rows were counted.
    """

    base_threshold: float | None
    new_threshold: float | None
    base_rate: float
    new_rate: float
    swapped_in: RowSet
    swapped_out: RowSet
    kept_positive: RowSet
    kept_negative: RowSet
    undecided_share: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return plain(self)


@dataclass(frozen=True)
class Migration:
    """The rows by the base model's band (down) and the new model's band (across).

    Attributes
    ----------
    base_bounds, new_bounds : tuple of float
        Bounds between the bands of each model; a score at a bound belongs to the band above it.
    rows : tuple of tuple of int
        Number of rows.
    weight : tuple of tuple of float
        Their weight.
    positive_rate : tuple of tuple of (float or None)
        Share of the positive class among the labeled rows; None without any.
    """

    base_bounds: tuple[float, ...]
    new_bounds: tuple[float, ...]
    rows: tuple[tuple[int, ...], ...]
    weight: tuple[tuple[float, ...], ...]
    positive_rate: tuple[tuple[float | None, ...], ...]

    @property
    def moved_share(self) -> float | None:
        """Share of the weight that changes its band; None for different numbers of bands."""
        weight = np.array(self.weight)
        if len(set(weight.shape)) > 1:
            return None
        return float((weight.sum() - np.trace(weight)) / weight.sum())

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return plain(self) | {"moved_share": self.moved_share}


def swap_set(
    counts: ScoreCounts, base_threshold: float, new_threshold: float, confidence: float
) -> SwapSet:
    """Return the rows that the two thresholds answer differently."""
    base, unsure_base = _reached(counts, "base", base_threshold)
    new, unsure_new = _reached(counts, "new", new_threshold)
    cells = _Cells(counts.rows, counts.weight, counts.weight_squares, counts.truth)
    unsure = float(counts.weight[unsure_base | unsure_new].sum() / counts.weight.sum())
    return cells.swaps(
        base, new, confidence, thresholds=(base_threshold, new_threshold), unsure=unsure
    )


def answer_swaps(counts: PairedCounts, positive: Any, confidence: float) -> SwapSet:
    """Return the rows that one of two models answers with the positive class, by their answers."""
    is_positive = np.append(counts.labels == positive, False)  # the last is no label
    base, new, truth = is_positive[counts.triples].T
    known = np.where(counts.labeled, truth, -1).astype(np.int8)
    cells = _Cells(counts.rows, counts.weights, counts.squares, known)
    return cells.swaps(base, new, confidence)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Rows by cell, with the truth: 1 for the positive class, 0 for others, -1 where unknown."""

    rows: NDArray[np.int64]
    weight: Floats
    squares: Floats
    truth: NDArray[np.int8]

    def swaps(
        self,
        base: NDArray[np.bool_],
        new: NDArray[np.bool_],
        confidence: float,
        *,
        thresholds: tuple[float, float] | tuple[None, None] = (None, None),
        unsure: float = 0.0,
    ) -> SwapSet:
        """Return the swaps of two models, which answer positive in the cells `base` and `new`."""
        total = self.weight.sum()
        return SwapSet(
            base_threshold=thresholds[0],
            new_threshold=thresholds[1],
            base_rate=float(self.weight[base].sum() / total),
            new_rate=float(self.weight[new].sum() / total),
            swapped_in=self._set(~base & new, confidence),
            swapped_out=self._set(base & ~new, confidence),
            kept_positive=self._set(base & new, confidence),
            kept_negative=self._set(~base & ~new, confidence),
            undecided_share=unsure,
        )

    def _set(self, kept: NDArray[np.bool_], confidence: float) -> RowSet:
        labeled = kept & (self.truth >= 0)
        weight = self.weight[labeled]
        rate = interval = None
        if labeled.any():
            rate = float(weight @ self.truth[labeled] / weight.sum())
            size = rows_of_share(weight, self.squares[labeled], self.truth[labeled] == 1)
            low, high = wilson_interval(rate, size, confidence)
            interval = float(low), float(high)
        return RowSet(
            n=int(self.rows[kept].sum()),
            share=float(self.weight[kept].sum() / self.weight.sum()),
            labeled=int(self.rows[labeled].sum()),
            positive_rate=rate,
            positive_rate_interval=interval,
        )


def _reached(
    counts: ScoreCounts, side: str, threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which cells reach a threshold, and which the threshold cuts."""
    key: NDArray[Any] = getattr(counts, f"{side}_key")
    cuts: tuple[float, ...] = getattr(counts, f"{side}_cuts")
    if not counts.binned:
        return key >= threshold, np.zeros(len(key), dtype=np.bool_)
    if not threshold <= 1:
        return np.zeros(len(key), dtype=np.bool_), np.zeros(len(key), dtype=np.bool_)
    place = score_bin(threshold, cuts)
    known = threshold in cuts or threshold == bin_starts(cuts)[place]
    return key >= place, (key == place) & (not known)


def same_rate_threshold(counts: ScoreCounts, base_threshold: float) -> float:
    """Return the new model's threshold that answers positive as often as the base model's.

    It is a score that occurs, or the start of a bin. The rate may differ where scores are tied;
    of the nearest two thresholds the higher one is taken. It is infinite where no row is to be
    answered as positive.
    """
    reached, _ = _reached(counts, "base", base_threshold)
    wanted = counts.weight[reached].sum()
    keys, code = np.unique(counts.new_key, return_inverse=True)
    mass = np.bincount(code, counts.weight, len(keys))
    answered = np.append(np.cumsum(mass[::-1])[::-1], 0.0)  # at or above each key; none at the end
    off = np.abs(answered - wanted)
    place = len(off) - 1 - int(np.argmin(off[::-1]))
    if place == len(keys):
        return float("inf")
    return float(bin_starts(counts.new_cuts)[keys[place]] if counts.binned else keys[place])


def migration(
    counts: ScoreCounts, base_bounds: Sequence[float], new_bounds: Sequence[float]
) -> Migration:
    """Return the rows by band of both models."""
    base, new = (
        sum(_reached(counts, side, bound)[0].astype(np.intp) for bound in bounds)
        for side, bounds in (("base", base_bounds), ("new", new_bounds))
    )
    shape = len(base_bounds) + 1, len(new_bounds) + 1
    place = base * shape[1] + new

    def table(values: Any) -> Any:
        return np.bincount(place, values, shape[0] * shape[1]).reshape(shape)

    known = np.where(counts.truth >= 0, counts.weight, 0)
    with np.errstate(invalid="ignore"):
        rate = table(known * counts.truth) / table(known)
    return Migration(
        base_bounds=tuple(base_bounds),
        new_bounds=tuple(new_bounds),
        rows=_nested(table(counts.rows).astype(np.int64)),
        weight=_nested(table(counts.weight)),
        positive_rate=_nested(np.where(np.isnan(rate), None, rate)),
    )


def _nested(values: Any) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
