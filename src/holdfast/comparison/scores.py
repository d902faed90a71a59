"""`compare_scores`: compares the scores of two models on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import (
    as_array,
    as_probabilities,
    check_same_index,
    check_same_length,
    check_weights,
    missing_values,
)
from holdfast.common.parameters import check_count, check_share
from holdfast.common.plain import plain, plain_scalar
from holdfast.comparison.change import MeasureChange
from holdfast.comparison.movement import ScoreMovement, score_movement
from holdfast.comparison.score_counts import SCORE_ROUNDING, UNKNOWN, ScoreCounts, count_scores
from holdfast.comparison.score_measures import grid_error, score_measures
from holdfast.comparison.score_texts import score_text
from holdfast.comparison.swaps import (
    Migration,
    SwapSet,
    migration,
    same_rate_threshold,
    swap_set,
)
from holdfast.exceptions import InvalidInputError

__all__ = ["TOLERANCE", "ScoreComparison", "compare_scores"]

Floats = NDArray[np.float64]
Pair = tuple[float, float]

TOLERANCE = 0.05


@dataclass(frozen=True, eq=False)
class ScoreComparison:
    """What changes in the scores when the new model replaces the base model.

    Attributes
    ----------
    n : int
        Number of rows.
    n_effective : float
        Kish's effective number of rows, (Σw)² / Σw². It equals `n` without weights.
    weighted : bool
        Whether the rows have weights.
    confidence : float
        Confidence level of every interval, two-sided.
    seed : int
        Seed of the bootstrap of average precision.
    labeled, positives : int
        Number of rows whose truth is known, and of those of the positive class.
    binned : bool
        Whether there were too many distinct scores to keep them apart, so that they were counted
        on the grid.
    grid_error : dict of str to float
        How far the grid can have moved AUC and average precision; empty unless binned.
    measures : dict of str to MeasureChange
        ``auc``, ``average_precision``, ``brier``, ``log_loss`` and ``calibration_error``, with
        intervals of their change. Empty without any truth.
    movement : ScoreMovement
        How far the scores move.
    swaps : SwapSet or None
        The rows that the thresholds answer differently; None without thresholds.
    swaps_at_same_rate : SwapSet or None
        The same at the base model's threshold and the new model's threshold that answers positive
        as often.
    migration : Migration or None
        The rows by band of both models; None without bands.
    counts : ScoreCounts
        The counts from which all of this was computed.
    """

    n: int
    n_effective: float
    weighted: bool
    confidence: float
    seed: int
    labeled: int
    positives: int
    binned: bool
    grid_error: dict[str, float]
    measures: dict[str, MeasureChange]
    movement: ScoreMovement
    swaps: SwapSet | None
    swaps_at_same_rate: SwapSet | None
    migration: Migration | None
    counts: ScoreCounts = field(repr=False)

    @classmethod
    def from_counts(
        cls,
        counts: ScoreCounts,
        *,
        threshold: float | Pair | None = None,
        bands: Sequence[Any] | None = None,
        tolerance: float = TOLERANCE,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> ScoreComparison:
        """Return the comparison that follows from counts, e.g. from the sum of several.

        For the parameters see `compare_scores`. Where the counts are binned, a threshold or bound
        that was not known when they were made moves to the start of its bin.

        Raises
        ------
        InvalidInputError
            When a parameter is out of range, or no row has a positive weight.

        Examples
        --------
        >>> monday = compare_scores([0.2, 0.7], [0.3, 0.6], [0, 1]).counts
        >>> tuesday = compare_scores([0.4, 0.5], [0.6, 0.3], [1, 0]).counts
        >>> ScoreComparison.from_counts(monday + tuesday).measures["auc"].change
        0.25
        """
        if not counts.weight.sum() > 0:
            raise InvalidInputError(
                "counts must have rows of positive weight, got none; count some rows"
            )
        asked = Asked.checked(threshold, bands, tolerance, confidence, seed)
        return comparison_of(counts, asked)

    def at(self, confidence: float) -> ScoreComparison:
        """Return the same comparison at another confidence level."""
        if confidence == self.confidence:
            return self
        swaps, bands, threshold = self.swaps, self.migration, None
        if swaps is not None and swaps.base_threshold is not None:
            threshold = swaps.base_threshold, swaps.new_threshold or 0.0
        return self.from_counts(
            self.counts,
            threshold=threshold,
            bands=None if bands is None else (bands.base_bounds, bands.new_bounds),
            tolerance=self.movement.tolerance,
            confidence=confidence,
            seed=self.seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON, under the names of the fields."""
        skipped = ("counts", "migration")
        result = {key: plain(value) for key, value in vars(self).items() if key not in skipped}
        result["migration"] = None if self.migration is None else self.migration.to_dict()
        return result

    def __str__(self) -> str:
        return score_text(self)


@dataclass(frozen=True)
class Asked:
    """The checked parameters of a comparison of scores.

    Attributes
    ----------
    thresholds : pair of float, or None
        The threshold of the base model and of the new model.
    bands : pair of tuples of float, or None
        The bounds of each model's bands.
    tolerance, confidence : float
    seed : int
    """

    thresholds: Pair | None
    bands: tuple[tuple[float, ...], tuple[float, ...]] | None
    tolerance: float
    confidence: float
    seed: int

    @classmethod
    def checked(
        cls, threshold: Any, bands: Any, tolerance: Any, confidence: Any, seed: Any
    ) -> Asked:
        """Return the parameters, or raise InvalidInputError."""
        hint = "give the change of a score, e.g. 0.05"
        return cls(
            _check_thresholds(threshold),
            _check_bands(bands),
            check_share("tolerance", tolerance, hint=hint),
            check_share("confidence", confidence, open_ends=True),
            check_count("seed", seed, least=0, hint="give e.g. 0"),
        )

    def rounded_like(self, *scores: Any) -> Asked:
        """Return thresholds and bounds as they are compared with scores in single precision."""
        single = [getattr(values, "dtype", None) == np.float32 for values in scores]

        def rounded(value: float, side: int) -> float:
            return float(np.float32(value)) if single[side] else value

        pair, bands = self.thresholds, self.bands
        if pair is not None:
            pair = rounded(pair[0], 0), rounded(pair[1], 1)
        if bands is not None:
            bands = tuple(rounded(b, 0) for b in bands[0]), tuple(rounded(b, 1) for b in bands[1])
        return replace(self, thresholds=pair, bands=bands)

    def cuts(self, side: int) -> tuple[float, ...]:
        """Return the scores of one model that no bin may straddle."""
        found = set() if self.thresholds is None else {self.thresholds[side]}
        return tuple(sorted(found if self.bands is None else found | {*self.bands[side]}))


def compare_scores(
    base: ArrayLike,
    new: ArrayLike,
    y: ArrayLike | None = None,
    *,
    positive: Any = None,
    threshold: float | Pair | None = None,
    bands: Sequence[Any] | None = None,
    tolerance: float = TOLERANCE,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> ScoreComparison:
    """Compare the scores of two models on the same rows.

    Parameters
    ----------
    base, new : array-like of shape (n,)
        Probability of the positive class according to the base model and to the new model.
    y : array-like of shape (n,), optional
        The truth: 1 (or True) for the positive class and 0 for any other. NaN or None marks a row
        of unknown truth, which counts for movement and swaps alone.
    positive : object, optional
        The value of `y` that is the positive class, such as ``"fraud"``; all others are negative.
    threshold : float or pair of float, optional
        The score from which a row is answered as positive: one for both models, or the base
        model's and the new model's.
    bands : sequence of float, or pair of such sequences, optional
        Bounds between bands of scores: for both models, or the base model's and the new model's.
    tolerance : float
        The change up to which a score counts as unmoved.
    sample_weight : array-like of shape (n,), optional
        Importance of each row.
    confidence : float
        Confidence level of the two-sided intervals. Each holds on its own.
    seed : int
        Seed of the bootstrap, from which the change of average precision has its interval.

    Returns
    -------
    ScoreComparison

    Raises
    ------
    InvalidInputError
        When lengths or indexes of pandas differ, scores are missing or outside [0, 1], `y` has
        other values than 0 and 1, a parameter is out of range, or `base` and `new` are the same
        object.

    Examples
    --------
    >>> comparison = compare_scores([0.1, 0.4, 0.6, 0.8], [0.1, 0.7, 0.6, 0.8], [0, 1, 0, 1])
    >>> auc = comparison.measures["auc"]
    >>> auc.base, auc.new, auc.reliable
    (0.75, 1.0, False)
    """
    if base is new:
        raise InvalidInputError(
            "base and new must be the scores of two models, got the same object twice; "
            "give the new model's scores"
        )
    asked = Asked.checked(threshold, bands, tolerance, confidence, seed)
    scores = [_check_scores(name, values) for name, values in (("base", base), ("new", new))]
    asked = asked.rounded_like(base, new)
    truth = None if y is None else _check_truth(y, positive)
    n = check_same_length(base=scores[0], new=scores[1], y=truth)
    check_same_index(base=base, new=new, y=y, sample_weight=sample_weight)
    weight = None
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, n)
    counts = count_scores(
        scores[0],
        scores[1],
        truth,
        sample_weight=weight,
        base_cuts=asked.cuts(0),
        new_cuts=asked.cuts(1),
    )
    return comparison_of(counts, asked)


def comparison_of(counts: ScoreCounts, asked: Asked) -> ScoreComparison:
    """Return the comparison that follows from counts and checked parameters."""
    known = counts.truth >= 0
    swaps = same_rate = None
    if asked.thresholds is not None:
        swaps = swap_set(counts, *asked.thresholds, asked.confidence)
        level = same_rate_threshold(counts, asked.thresholds[0])
        same_rate = swap_set(counts, asked.thresholds[0], level, asked.confidence)
    return ScoreComparison(
        n=counts.n,
        n_effective=float(counts.weight.sum() ** 2 / counts.weight_squares.sum()),
        weighted=counts.weighted,
        confidence=asked.confidence,
        seed=asked.seed,
        labeled=int(counts.rows[known].sum()),
        positives=int(counts.rows[counts.truth == 1].sum()),
        binned=counts.binned,
        grid_error=grid_error(counts),
        measures=score_measures(counts, asked.confidence, seed=asked.seed),
        movement=score_movement(counts, asked.tolerance, asked.confidence),
        swaps=swaps,
        swaps_at_same_rate=same_rate,
        migration=None if asked.bands is None else migration(counts, *asked.bands),
        counts=counts,
    )


# --- checks ---------------------------------------------------------------------------------------


def _check_scores(name: str, values: Any) -> Floats:
    array = as_array(name, values)
    if array.ndim != 1:
        raise InvalidInputError(
            f"{name} must be scores of shape (n,), got shape {array.shape}; give the "
            "probabilities of the positive class, e.g. proba[:, 1]"
        )
    try:
        scores = as_probabilities(name, array).astype(np.float64, copy=False)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{name} must be numbers, got {array.dtype}, e.g. {plain_scalar(array[0])!r}; give the "
            "probabilities of the positive class"
        ) from error
    n_missing = int(np.isnan(scores).sum())
    if n_missing:
        raise InvalidInputError(
            f"{name} must not have missing values, got {n_missing} of {len(scores)} rows with "
            "NaN or None; drop those rows from both models"
        )
    low, high = scores.min(), scores.max()
    if low < -SCORE_ROUNDING or high > 1 + SCORE_ROUNDING:
        raise InvalidInputError(
            f"{name} must be probabilities in [0, 1], got values from {low:.4g} to {high:.4g}; "
            "turn margins into probabilities, e.g. by 1 / (1 + exp(-margin))"
        )
    return scores if low >= 0 and high <= 1 else scores.clip(0, 1)


def _check_truth(y: Any, positive: Any) -> NDArray[np.int8]:
    """Return 1, 0 or -1 (unknown) for each row."""
    values = as_array("y", y)
    if values.ndim != 1:
        raise InvalidInputError(
            f"y must have shape (n,), got shape {values.shape}; give one value per row"
        )
    known = ~missing_values(values)
    truth = np.full(len(values), UNKNOWN, dtype=np.int8)
    given = values[known]
    is_positive = np.asarray(given == (1 if positive is None else positive), dtype=np.bool_)
    if positive is None:
        others = given[~is_positive & np.asarray(given != 0, dtype=np.bool_)]
        if len(others):
            raise InvalidInputError(
                f"y must be 0 or 1, got {plain_scalar(others[0])!r}; name the positive class, "
                f"e.g. positive={plain_scalar(others[0])!r}"
            )
    elif len(given) and not is_positive.any():
        raise InvalidInputError(
            f"positive must be a value of y, got {positive!r}, while y has e.g. "
            f"{plain_scalar(given[0])!r}; give the positive class as it stands in y"
        )
    truth[known] = is_positive
    return truth


def _check_thresholds(threshold: Any) -> Pair | None:
    if threshold is None:
        return None
    pair = [threshold] * 2 if np.ndim(threshold) == 0 else list(threshold)
    if len(pair) != 2:
        raise InvalidInputError(
            f"threshold must be one score or a pair, got {len(pair)} values; give the base "
            "model's and the new model's"
        )
    hint = "give a score, e.g. 0.5"
    base, new = (check_share("threshold", value, hint=hint) for value in pair)
    return base, new


def _check_bands(bands: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    if bands is None:
        return None
    values: list[Any] = [bands] if np.isscalar(bands) else list(bands)
    nested = [np.ndim(value) > 0 for value in values]
    if any(nested) and (not all(nested) or len(values) != 2):
        raise InvalidInputError(
            f"bands must be bounds, or a pair of lists of bounds, got {bands!r}; give e.g. "
            "(0.05, 0.3)"
        )
    pair = values if any(nested) else [values, values]
    base, new = (_check_bounds(bounds) for bounds in pair)
    return base, new


def _check_bounds(bounds: Any) -> tuple[float, ...]:
    hint = "give bounds between bands, e.g. (0.05, 0.3)"
    checked = tuple(check_share("bands", bound, open_ends=True, hint=hint) for bound in bounds)
    if not checked or list(checked) != sorted(set(checked)):
        raise InvalidInputError(
            f"bands must be rising bounds, at least one, got {list(checked)}; {hint}"
        )
    return checked
