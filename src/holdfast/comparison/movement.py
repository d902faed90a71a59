"""How far scores move between two models, whatever the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.plain import plain
from holdfast.comparison.calibration import equal_mass_bins
from holdfast.comparison.intervals import wilson_interval
from holdfast.comparison.paired import rows_of_share
from holdfast.comparison.score_counts import ScoreCounts
from holdfast.comparison.shares import Interval

__all__ = ["ScoreMovement", "population_stability", "rank_correlation", "score_movement"]

Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)
STABILITY_BINS = 10
ROUNDING = 1e-12  # scores that differ by less than the tolerance and this moved no further


@dataclass(frozen=True)
class ScoreMovement:
    """How far the scores of the rows move.

    Attributes
    ----------
    mean_change : float
        Mean of new minus base.
    mean_absolute_change : float
        Mean of |new − base|.
    quantiles : dict of str to float
        Quantiles of |new − base|, e.g. under ``"0.95"``: the least value that this share of the
        rows does not exceed.
    tolerance : float
        The change up to which a score counts as unmoved.
    moved_share : float
        Share of the rows that move further than the tolerance.
    moved_interval : pair
        Its Wilson interval.
    rank_correlation : float or None
        Spearman's correlation of both models' scores, ties at their mean rank. None where a model
        gives all rows one score.
    population_stability_index : float
        Shift of the distribution of scores, see `population_stability`.
    """

    mean_change: float
    mean_absolute_change: float
    quantiles: dict[str, float]
    tolerance: float
    moved_share: float
    moved_interval: Interval
    rank_correlation: float | None
    population_stability_index: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return plain(self)


def score_movement(counts: ScoreCounts, tolerance: float, confidence: float) -> ScoreMovement:
    """Return how far the scores move; on the grid, each cell counts with its mean scores."""
    weight, total = counts.weight, counts.weight.sum()
    size = total**2 / counts.weight_squares.sum()
    change = counts.new - counts.base
    far = np.abs(change) > tolerance + ROUNDING
    moved = float(weight[far].sum() / total)
    low, high = wilson_interval(
        moved, rows_of_share(weight, counts.weight_squares, far), confidence
    )
    return ScoreMovement(
        mean_change=float(weight @ change / total),
        mean_absolute_change=float(weight @ np.abs(change) / total),
        quantiles=_quantiles(np.abs(change), weight),
        tolerance=tolerance,
        moved_share=moved,
        moved_interval=(float(low), float(high)),
        rank_correlation=rank_correlation(counts.base_key, counts.new_key, weight),
        population_stability_index=population_stability(
            counts.base_key, counts.new_key, weight, float(size)
        ),
    )


def _quantiles(values: Floats, weight: Floats) -> dict[str, float]:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    places = np.searchsorted(reached, np.array(QUANTILES) - ROUNDING).clip(max=len(values) - 1)
    return {f"{q:g}": float(values[order[i]]) for q, i in zip(QUANTILES, places, strict=True)}


def rank_correlation(base: NDArray[Any], new: NDArray[Any], weight: Floats) -> float | None:
    """Return Spearman's correlation of weighted rows, ties at their mean rank.

    Examples
    --------
    >>> rank_correlation(np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.4, 0.9]), np.ones(3))
    0.5
    """
    ranks = [_centred_rank(key, weight) for key in (base, new)]
    cross, first, second = (
        float(weight @ (ranks[i] * ranks[j])) for i, j in ((0, 1), (0, 0), (1, 1))
    )
    return None if first * second == 0 else cross / (first * second) ** 0.5


def _centred_rank(key: NDArray[Any], weight: Floats) -> Floats:
    distinct, code = np.unique(key, return_inverse=True)
    mass = np.bincount(code, weight, len(distinct))
    if len(distinct) == 1:
        return np.zeros(len(key))
    return (np.cumsum(mass) - mass / 2 - mass.sum() / 2)[code]


def population_stability(
    base: NDArray[Any], new: NDArray[Any], weight: Floats, size: float
) -> float:
    """Return the population stability index Σ (new − base)·ln(new / base) of shares of rows.

    The bins are the tenths of the base model's scores; equal scores share a bin. Each bin of each
    model gets half a row more, so that an empty bin leaves the index finite.

    Parameters
    ----------
    base, new : ndarray of shape (m,)
        Scores, or numbers of bins of one grid.
    weight : ndarray of shape (m,)
    size : float
        Effective number of rows.

    References
    ----------
    Siddiqi, "Credit Risk Scorecards", 2006: below 0.1 a distribution is held to be stable, and
    from 0.25 to have shifted. Yurdakul, "Statistical properties of population stability index",
    Western Michigan University, 2018: for two independent samples of n rows without any shift, the
    mean is about (bins − 1)·2 / n. On the same rows it is less.

    Examples
    --------
    >>> scores = np.linspace(0, 1, 100)
    >>> population_stability(scores, scores, np.ones(100), 100.0)
    0.0
    >>> round(population_stability(scores, scores**2, np.ones(100), 100.0), 2)
    0.32
    """
    place = equal_mass_bins(base, weight, STABILITY_BINS)
    used, place = np.unique(place, return_inverse=True)
    highest = np.zeros(len(used), dtype=base.dtype)
    np.maximum.at(highest, place, base)
    above = np.searchsorted(highest[:-1], new, side="left")
    counted = [np.bincount(at, weight, len(used)) for at in (place, above)]
    was, now = ((mass / weight.sum() * size + 0.5) / (size + 0.5 * len(used)) for mass in counted)
    return float(((now - was) * np.log(now / was)).sum())
