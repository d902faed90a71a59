"""Measures of two models' scores, with paired intervals of the change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.calibration import calibration_error
from holdfast.comparison.change import MeasureChange
from holdfast.comparison.linearised import (
    around,
    half_width,
    student_quantile,
    within_unit,
)
from holdfast.comparison.ranking import Ranking
from holdfast.comparison.score_counts import LOSSES, ScoreCounts

__all__ = ["MeasureChange", "grid_error", "score_measures"]

Floats = NDArray[np.float64]

ENOUGH_POSITIVES = 10
REPLICATES = 500
BOOTSTRAP_CELLS = 20_000  # with more cells, the derivatives alone give the interval
AT_ONCE = 1 << 21  # drawn counts in memory at a time


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of known truth, with the order of both models' scores.

    Attributes
    ----------
    keys, scores : tuple of two ndarrays of shape (m,)
        Keys and mean scores of the base and of the new model.
    truth : ndarray of shape (m,)
    weight, weight_squares : ndarray of shape (m,)
    rows : ndarray of shape (2,)
        Number of rows of each class.
    sizes : ndarray of shape (2,)
        Effective number of rows of each class.
    """

    keys: tuple[NDArray[Any], NDArray[Any]]
    scores: tuple[Floats, Floats]
    truth: NDArray[np.int8]
    weight: Floats
    weight_squares: Floats
    rows: NDArray[np.int64]
    sizes: Floats

    @classmethod
    def of_counts(cls, counts: ScoreCounts) -> Cells:
        """Return the cells of known truth."""
        known = counts.truth >= 0
        truth, weight = counts.truth[known], counts.weight[known]
        squares = counts.weight_squares[known]
        mass = _by_class(truth, weight)
        with np.errstate(invalid="ignore"):
            sizes = np.nan_to_num(mass**2 / _by_class(truth, squares))
        return cls(
            (counts.base_key[known], counts.new_key[known]),
            (counts.base[known], counts.new[known]),
            truth,
            weight,
            squares,
            _by_class(truth, counts.rows[known]).astype(np.int64),
            sizes,
        )

    @property
    def moved(self) -> bool:
        """Whether any score differs between the models."""
        return not np.array_equal(*self.scores)

    def rankings(self) -> tuple[Ranking, Ranking]:
        """Return the orders of both models' scores."""
        base, new = self.keys
        return Ranking.of_keys(base, self.truth), Ranking.of_keys(new, self.truth)


def _by_class(truth: NDArray[np.int8], values: NDArray[Any]) -> NDArray[Any]:
    return np.bincount(truth, values, 2)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A measure of both models, before its intervals.

    Attributes
    ----------
    name : str
    values : ndarray of shape (2,)
        The measure of the base and of the new model.
    variances : ndarray of shape (3, 2)
        What each class adds to the variance of the measure of the base model, of the new model,
        and of the change.
    kind : {"rank", "bounded", "loss"}
        Whether the measure is a share with intervals in log odds, lies in [0, 1], or has no
        upper end.
    error : float or None
        Standard error of the change, where it does not follow from the variances.
    """

    name: str
    values: Floats
    variances: Floats
    kind: str
    error: float | None = None


def score_measures(
    counts: ScoreCounts, confidence: float, *, seed: int = 0
) -> dict[str, MeasureChange]:
    """Return the measures by name; an empty dictionary where no truth is known.

    AUC and average precision are None where a class has no rows. Every interval is that of the
    linearised measure, with the quantile of Student's t at Satterthwaite's degrees of freedom.
    Only the change of average precision has another standard error: that over 500 seeded Poisson
    weightings of the cells, as long as there are at most 20,000 cells.
    """
    cells = Cells.of_counts(counts)
    if not cells.rows.sum():
        return {}
    if cells.rows.all():
        changes = [_stated(found, cells, confidence) for found in _rankings(cells, seed)]
    else:
        changes = [_undefined(name, cells) for name in ("auc", "average_precision")]
    others = [*(_loss(cells, counts, name) for name in LOSSES), _calibration(cells)]
    changes += [_stated(found, cells, confidence) for found in others]
    return {change.name: change for change in changes}


def _rankings(cells: Cells, seed: int) -> list[Estimate]:
    orders = cells.rankings()
    values = [order.measure(cells.weight[:, None]) for order in orders]
    gradients = [order.gradients(cells.weight) for order in orders]
    errors = None, _bootstrap_error(cells, orders, seed)
    return [
        Estimate(
            name,
            np.concatenate([value[i] for value in values]),
            _variances(cells, *(gradient[i] for gradient in gradients)),
            "rank",
            errors[i],
        )
        for i, name in enumerate(("auc", "average_precision"))
    ]


def _bootstrap_error(cells: Cells, orders: tuple[Ranking, Ranking], seed: int) -> float | None:
    """Return the standard deviation of the change of average precision over weightings.

    A cell of weight W and squares S is drawn as S/W times a Poisson count of mean W²/S, which has
    the mean and the variance of the sum of its rows' weights, each times a Poisson count of mean 1.
    """
    size = len(cells.weight)
    if size > BOOTSTRAP_CELLS or not cells.moved:
        return None
    rng = np.random.default_rng(seed)
    unit = cells.weight_squares / cells.weight
    mean = (cells.weight / unit)[:, None]
    found, step = [], max(AT_ONCE // size, 1)
    for start in range(0, REPLICATES, step):
        drawn = rng.poisson(mean, (size, min(step, REPLICATES - start))) * unit[:, None]
        base, new = (order.measure(drawn)[1] for order in orders)
        found.append(new - base)
    changes = np.concatenate(found)
    changes = changes[np.isfinite(changes)]
    return float(changes.std()) if len(changes) else None


def _loss(cells: Cells, counts: ScoreCounts, name: str) -> Estimate:
    """Return a mean loss from its sums, which are exact whatever the grid."""
    total, squares = cells.weight.sum(), _by_class(cells.truth, cells.weight_squares)
    sums = np.array([counts.losses[f"{name}_{side}"] for side in ("base", "new", "change")])
    first, second, third = np.moveaxis(sums, 2, 0)  # each (3, 2)
    mean = first.sum(axis=1, keepdims=True) / total
    variances = np.maximum(third - 2 * mean * second + mean**2 * squares, 0) / total**2
    return Estimate(name, mean[:2, 0], variances, "bounded" if name == "brier" else "loss")


def _calibration(cells: Cells) -> Estimate:
    (base, of_base), (new, of_new) = (
        calibration_error(key, score, cells.truth, cells.weight)
        for key, score in zip(cells.keys, cells.scores, strict=True)
    )
    variances = _variances(cells, of_base, of_new)
    return Estimate("calibration_error", np.array([base, new]), variances, "bounded")


def _variances(cells: Cells, base: Floats, new: Floats) -> Floats:
    """Return the variances (3, 2) that follow from derivatives by the weights of the cells."""
    return np.stack(
        [_by_class(cells.truth, cells.weight_squares * g**2) for g in (base, new, new - base)]
    )


def _stated(found: Estimate, cells: Cells, confidence: float) -> MeasureChange:
    """Return a measure with its intervals."""
    widths = [half_width(part, cells.sizes, confidence) for part in found.variances]
    half, freedom = widths[2]
    least = max(float(cells.sizes.min()), 1.0)
    if found.error is not None and least > 1:
        inflated = found.error * math.sqrt(least / (least - 1))
        half = inflated * student_quantile(confidence, freedom)
    base, new = found.values.tolist()
    top = math.inf if found.kind == "loss" else 1.0
    ranked = found.kind == "rank"
    own = [
        within_unit(value, width, least, confidence) if ranked else around(value, width, 0.0, top)
        for value, (width, _) in zip((base, new), widths, strict=False)
    ]
    return MeasureChange(
        name=found.name,
        base=base,
        new=new,
        change=new - base,
        interval=around(new - base, half, -top, top),
        base_interval=own[0],
        new_interval=own[1],
        n=int(cells.rows.sum()),
        positives=int(cells.rows[1]),
        reliable=int(cells.rows.min()) >= ENOUGH_POSITIVES and (half > 0 or not cells.moved),
    )


def _undefined(name: str, cells: Cells) -> MeasureChange:
    n, positives = int(cells.rows.sum()), int(cells.rows[1])
    return MeasureChange(name, None, None, None, None, None, None, n, positives, False)


def grid_error(counts: ScoreCounts) -> dict[str, float]:
    """Return how far the grid can have moved a measure of either model, where it was used.

    A pair of a positive and a negative row in one bin counts one half for the AUC, which is wrong
    by one half at most. Average precision is bounded by the best and the worst order in each bin.
    """
    cells = Cells.of_counts(counts)
    if not counts.binned or not cells.rows.all():
        return {}
    bounds = [order.order_bounds(cells.weight) for order in cells.rankings()]
    return {
        "auc": max(auc for auc, _ in bounds),
        "average_precision": max(average for _, average in bounds),
    }
