"""Area under the ROC curve and average precision from counts, for many weightings at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ranking"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """The order of one model's scores over the cells of positive and negative rows.

    Attributes
    ----------
    positives : ndarray of shape (c,)
        The cells of positive rows, by rising score.
    starts : ndarray of shape (u,)
        Where each distinct score of positive rows begins in `positives`.
    negatives : ndarray of shape (d,)
        The cells of negative rows, by rising score.
    below, upto : ndarray of shape (u,)
        How many of `negatives` have a score below, and at most, that of each distinct score.
    level : ndarray of shape (c,)
        The distinct score of each of `positives`.
    """

    positives: NDArray[np.intp]
    starts: NDArray[np.intp]
    negatives: NDArray[np.intp]
    below: NDArray[np.intp]
    upto: NDArray[np.intp]
    level: NDArray[np.intp]

    @classmethod
    def of_keys(cls, key: NDArray[Any], truth: NDArray[np.int8]) -> Ranking:
        """Return the order of the cells by their keys; those of unknown truth are left out."""
        positives, negatives = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
        positives = positives[np.argsort(key[positives], kind="stable")]
        negatives = negatives[np.argsort(key[negatives], kind="stable")]
        distinct, starts, level = np.unique(key[positives], return_index=True, return_inverse=True)
        lower = key[negatives]
        below = np.searchsorted(lower, distinct, side="left")
        upto = np.searchsorted(lower, distinct, side="right")
        return cls(positives, starts, negatives, below, upto, level)

    def measure(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return the AUC and the average precision for each of B weightings (m, B).

        They are NaN where a weighting has no positive or no negative rows.
        """
        hits = np.add.reduceat(weight[self.positives], self.starts, axis=0)
        false = _from_zero(weight[self.negatives])
        low, total, n_hits = false[self.below], false[-1], hits.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            auc = (hits * (low + false[self.upto])).sum(axis=0) / (2 * n_hits * total)
            answered = _from_above(hits)
            precision = answered / (answered + total - low)
            average = np.where(hits > 0, hits * precision, 0).sum(axis=0) / n_hits
        return auc, average

    def gradients(self, weight: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of both measures by the weight of each cell (m,).

        Those of the AUC are the placements of DeLong, DeLong and Clarke-Pearson (1988).
        """
        own, other = weight[self.positives], weight[self.negatives]
        hits, false = np.add.reduceat(own, self.starts), _from_zero(other)
        low, high, n_hits, total = false[self.below], false[self.upto], hits.sum(), false[-1]
        below = (low + high) / (2 * total)
        answered = _from_above(hits)
        found = answered + total - low
        precision = answered / found
        auc, average = hits @ below / n_hits, hits @ precision / n_hits
        # A negative row at a score touches the distinct scores of positives at or below it: all
        # whose `below` it is not among (it stands at its own rank among the negatives).
        rank = np.arange(len(other))
        strictly = np.searchsorted(self.upto, rank, side="right")  # positives' scores below it
        reached = np.searchsorted(self.below, rank, side="right")  # and those at or below it
        above = 1 - (_from_zero(hits)[strictly] + _from_zero(hits)[reached]) / (2 * n_hits)
        lost = _from_zero(hits * answered / found**2)
        won = _from_zero(hits * (total - low) / found**2)[1:]
        of_auc, of_average = np.zeros(len(weight)), np.zeros(len(weight))
        of_auc[self.positives] = (below[self.level] - auc) / n_hits
        of_auc[self.negatives] = (above - auc) / total
        of_average[self.positives] = ((precision - average + won) / n_hits)[self.level]
        of_average[self.negatives] = -lost[reached] / n_hits
        return of_auc, of_average

    def order_bounds(self, weight: Floats) -> tuple[float, float]:
        """Return how far AUC and average precision can move by reordering rows of equal keys."""
        hits = np.add.reduceat(weight[self.positives], self.starts)
        false = _from_zero(weight[self.negatives])
        low, high, total, n_hits = false[self.below], false[self.upto], false[-1], hits.sum()
        answered = _from_above(hits)
        precision = answered / (answered + total - low)
        best = answered / (answered + total - high)
        # With all negative rows of the key first, precision is least at its first positive row.
        first = answered - hits
        worst = first / np.maximum(first + total - low, np.finfo(float).tiny)
        auc = hits @ (high - low) / (2 * n_hits * total)
        average = max(hits @ (best - precision), hits @ (precision - worst)) / n_hits
        return float(auc), float(average)


def _from_zero(values: Floats) -> Floats:
    """Return cumulative sums along the first axis, with a leading zero."""
    return np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])


def _from_above(values: Floats) -> Floats:
    return np.cumsum(values[::-1], axis=0)[::-1]
