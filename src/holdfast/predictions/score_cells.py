"""Counts the scores of two models in a frame of pairs, along with their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import missing_values
from holdfast.comparison.score_counts import (
    LOSSES,
    SCORE_ROUNDING,
    SIDES,
    SMALLEST,
    ScoreCounts,
    counts_of_score_cells,
)
from holdfast.comparison.score_grid import SCORE_BINS

__all__ = [
    "KEYS",
    "Scores",
    "bin_of",
    "is_score",
    "loss_sums",
    "score_counts",
    "score_sums",
    "with_keys",
    "with_losses",
    "with_scores",
]

Expr = nw.Expr
Columns = dict[str, NDArray[Any]]
ROLES = ("base", "new")
SCORES = ("score_base", "score_new")
CLIPPED = ("p_base", "p_new")
KEYS = ("key_base", "key_new")


@dataclass(frozen=True)
class Scores:
    """How the scores of two models are counted.

    Attributes
    ----------
    positive : object
        The positive class, as the truth has it.
    cuts : pair of tuples of float
        The scores of each model that no bin may straddle.
    exact : bool
        Whether each distinct score is kept; otherwise scores are counted on the grid.
    """

    positive: Any
    cuts: tuple[tuple[float, ...], tuple[float, ...]]
    exact: bool


def is_score(score: Expr) -> Expr:
    """Return whether a value is a probability, up to rounding in single precision."""
    return (score >= -SCORE_ROUNDING) & (score <= 1 + SCORE_ROUNDING)


def with_scores(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return the frame with the scores in [0, 1], as `p_base` and `p_new`."""
    return frame.with_columns(
        **{p: nw.col(name).clip(0.0, 1.0) for p, name in zip(CLIPPED, SCORES, strict=True)}
    )


def with_keys(frame: nw.LazyFrame[Any], scores: Scores) -> nw.LazyFrame[Any]:
    """Return a frame of `with_scores` with the key of each score, which is itself or its bin."""
    keys = {
        key: nw.col(p) if scores.exact else bin_of(nw.col(p), cuts)
        for key, p, cuts in zip(KEYS, CLIPPED, scores.cuts, strict=True)
    }
    return frame.with_columns(**keys)


def with_losses(frame: nw.LazyFrame[Any], scores: Scores) -> nw.LazyFrame[Any]:
    """Return a frame of `with_scores` with the losses of both models, 0 without the truth."""
    # Each step names what the next one uses more than once, so that no database works it out twice.
    unknown, positive = nw.col("truth").is_null(), nw.col("truth") == nw.lit(scores.positive)
    parts, losses = {}, {}
    for role in ROLES:
        p = nw.col(f"p_{role}")
        right = nw.when(positive).then(p).otherwise(1 - p).clip(SMALLEST)
        wrong = nw.when(positive).then(1 - p).otherwise(p)
        parts[f"right_{role}"] = nw.when(unknown).then(nw.lit(1.0)).otherwise(right)
        parts[f"wrong_{role}"] = nw.when(unknown).then(nw.lit(0.0)).otherwise(wrong)
        losses[f"brier_{role}"] = nw.col(f"wrong_{role}") * nw.col(f"wrong_{role}")
        losses[f"log_loss_{role}"] = -nw.col(f"right_{role}").log()
    change = {f"{loss}_change": nw.col(f"{loss}_new") - nw.col(f"{loss}_base") for loss in LOSSES}
    return frame.with_columns(**parts).with_columns(**losses).with_columns(**change)


def bin_of(p: Expr, cuts: Sequence[float]) -> Expr:
    """Return the bin of a score, as `score_bin` gives it."""
    place = (p.sqrt() - (1 - p).sqrt() + 1) / 2
    number = (place * SCORE_BINS).floor().clip(upper_bound=SCORE_BINS - 1).cast(nw.Int64)
    for cut in cuts:
        number = number + (p >= cut).cast(nw.Int64)
    return number


def score_sums(scores: Scores, *, weighted: bool) -> dict[str, Expr]:
    """Return what is summed over the rows of each cell of `with_keys`, by name."""
    if scores.exact:
        return {}
    weight = nw.col("weight")
    return {
        f"{role}_sum": weight * nw.col(f"p_{role}") if weighted else nw.col(f"p_{role}")
        for role in ROLES
    }


def loss_sums(*, weighted: bool) -> dict[str, Expr]:
    """Return what is summed over the rows of each class of `with_losses`, by name."""
    weight, sums = nw.col("weight"), dict[str, Expr]()
    for loss in LOSSES:
        for side in SIDES:
            value = nw.col(f"{loss}_{side}")
            sums[f"{loss}_{side}_0"] = weight * value if weighted else value
            sums[f"{loss}_{side}_1"] = weight * weight * value if weighted else value
            squares = value * value
            sums[f"{loss}_{side}_2"] = weight * weight * squares if weighted else squares
    return sums


def score_counts(
    cells: Columns, losses: Columns | None, scores: Scores, truth: NDArray[np.int8]
) -> ScoreCounts:
    """Return the counts of cells that a data frame's own library counted.

    Parameters
    ----------
    cells : dict of str to ndarray of shape (m,)
        The keys, ``rows``, ``weight`` and so on, and the sums of `score_sums`.
    losses : dict of str to ndarray of shape (t,), or None
        The true classes and the sums of `loss_sums`; None without any truth.
    scores : Scores
    truth : ndarray of shape (m,)
        1 for the positive class, 0 for any other, -1 where the truth is unknown.
    """
    weighted = "weight" in cells
    weight = cells["weight" if weighted else "rows"].astype(np.float64)
    kept = weight > 0
    return counts_of_score_cells(
        cells[KEYS[0]][kept],
        cells[KEYS[1]][kept],
        truth[kept],
        n=int(cells["rows"].sum()),
        weighted=weighted,
        binned=not scores.exact,
        cuts=scores.cuts,
        rows=cells["counted" if weighted else "rows"][kept].astype(np.int64),
        weight=weight[kept],
        weight_squares=cells["weight_squares" if weighted else "rows"][kept].astype(np.float64),
        sums=None if scores.exact else (cells["base_sum"][kept], cells["new_sum"][kept]),
        losses=_losses_by_class(losses, scores),
    )


def _losses_by_class(cells: Columns | None, scores: Scores) -> dict[str, NDArray[np.float64]]:
    losses = {f"{loss}_{side}": np.zeros((2, 3)) for loss in LOSSES for side in SIDES}
    if cells is None:
        return losses
    known = ~missing_values(cells["truth"])
    positive = np.zeros(len(known), dtype=np.bool_)
    positive[known] = cells["truth"][known] == scores.positive
    for name, sums in losses.items():
        for place in range(3):
            values = cells[f"{name}_{place}"]
            sums[:, place] = values[known & ~positive].sum(), values[positive].sum()
    return losses
