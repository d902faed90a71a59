"""Measures of single classes, from eight sums a class.

For one class a row is one of eight: the base model answers the class or not, the new model does or
not, and the row is of the class or not. All functions work on arrays (..., 8) of such sums, so that
all classes are computed at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.comparison.effective import Weighed, share_interval
from holdfast.comparison.paired import Part, combined_interval, part_of

__all__ = ["RATIOS", "Estimate", "class_tables", "estimate"]

Floats = NDArray[np.float64]

_CODE = np.arange(8)
BASE, NEW, TRUE = (((_CODE >> bit) & 1).astype(float) for bit in (2, 1, 0))
ROWS = np.ones(8)


class Ratio(NamedTuple):
    """A measure of one model: a sum over another sum.

    Attributes
    ----------
    of : callable
        Returns both sums' factors (8,) for a model that answers the class in some of the cells.
    kinds : tuple of ndarray (8,)
        The cells in which a changed answer changes the measure, in one or two kinds of rows.
    within : ndarray (8,)
        The cells of which changed rows are a share.
    share : callable, optional
        Returns the factors of a share of rows on which the measure depends; by default those of
        the measure, which is a share itself.
    of_share : callable
        Returns the measure for that share.
    """

    of: Callable[[Floats], tuple[Floats, Floats]]
    kinds: tuple[Floats, ...]
    within: Floats
    share: Callable[[Floats], tuple[Floats, Floats]] | None = None
    of_share: Callable[[Floats], Floats] = lambda share: share


RATIOS = {
    "recall": Ratio(lambda m: (m * TRUE, TRUE), (TRUE,), TRUE),
    "precision": Ratio(lambda m: (m * TRUE, m), (TRUE, 1 - TRUE), ROWS),
    "f1": Ratio(
        lambda m: (2 * m * TRUE, m + TRUE),
        (TRUE, 1 - TRUE),
        ROWS,
        lambda m: (m * TRUE, np.maximum(m, TRUE)),
        lambda share: 2 * share / (1 + share),
    ),
    "specificity": Ratio(lambda m: ((1 - m) * (1 - TRUE), 1 - TRUE), (1 - TRUE,), 1 - TRUE),
    "rate": Ratio(lambda m: (m, ROWS), (ROWS,), ROWS),
}


class Estimate(NamedTuple):
    """Values of both models, the change, and an interval of each; NaN where a sum is zero."""

    base: Floats
    new: Floats
    change: Floats
    interval: tuple[Floats, Floats]
    base_interval: tuple[Floats, Floats]
    new_interval: tuple[Floats, Floats]
    part: Part


def estimate(name: str, weights: Floats, squares: Floats, confidence: float) -> Estimate:
    """Return a measure of each class.

    Parameters
    ----------
    name : {"recall", "precision", "f1", "specificity", "rate"}
    weights, squares : ndarray of shape (..., 8)
        Sums of weights and of squared weights.
    confidence : float
        Confidence level of the intervals.
    """
    ratio = RATIOS[name]
    values, scores, own = [], [], []
    with np.errstate(all="ignore"):
        for model in (BASE, NEW):
            above, below = ratio.of(model)
            total = weights @ below
            value = weights @ above / total
            values.append(value)
            scores.append((above - value[..., None] * below) / total[..., None])
            own.append(_own_interval(ratio, model, weights, squares, confidence))
        change = values[1] - values[0]
        score = scores[1] - scores[0]
        parts = _parts(ratio, score, weights, squares, confidence)
        variance = (squares * score**2).sum(axis=-1)
        low, high = combined_interval(change, parts, variance, confidence)
    ends = np.maximum(low, -1), np.minimum(high, 1)
    return Estimate(values[0], values[1], change, ends, own[0], own[1], parts[0])


def _own_interval(
    ratio: Ratio, model: Floats, weights: Floats, squares: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """Return the interval of one model, which is exact without weights."""
    above, below = (ratio.share or ratio.of)(model)
    some, others = (Weighed(weights @ cells, squares @ cells) for cells in (above, below - above))
    largest = np.where(weights * below > 0, squares / weights, 0.0).max(axis=-1)
    unknown = np.where(some.weight + others.weight > 0, 0.0, np.nan)
    low, high = share_interval(some, others, largest, confidence)
    return ratio.of_share(low) + unknown, ratio.of_share(high) + unknown


def _parts(
    ratio: Ratio, score: Floats, weights: Floats, squares: Floats, confidence: float
) -> list[Part]:
    """Return the parts of a change: answers that changed, for each kind of rows."""
    total, total2 = weights @ ratio.within, squares @ ratio.within
    parts = []
    for kind in ratio.kinds:
        up, down = kind * NEW * (1 - BASE), kind * BASE * (1 - NEW)
        step = (score @ up / up.sum() - score @ down / down.sum()) / 2
        sums = weights @ up, weights @ down, total
        own_squares = squares @ up, squares @ down, total2
        parts.append(part_of(step * total, sums, own_squares, confidence))
    return parts


def class_tables(triples: NDArray[np.intp], values: Floats, n_classes: int) -> Floats:
    """Return the eight sums of each class.

    Parameters
    ----------
    triples : ndarray of shape (m, 3)
        Base answer, new answer and truth of each cell; −1 stands for an unknown truth.
    values : ndarray of shape (m,)
        What is summed up.
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes, 8)
    """
    base, new, truth = triples.T
    known = truth >= 0
    table = np.zeros(n_classes * 8)
    for own, bits, some in (
        (base, 4 + 2 * (new == base) + (truth == base), np.ones(len(base), dtype=np.bool_)),
        (new, 2 + (truth == new), new != base),
        (truth, np.ones(len(base), dtype=np.intp), known & (truth != base) & (truth != new)),
    ):
        table += np.bincount((own * 8 + bits)[some], values[some], len(table))
    sums = table.reshape(n_classes, 8)
    sums[:, 0] = np.maximum(values.sum() - sums.sum(axis=1), 0.0)
    return sums
