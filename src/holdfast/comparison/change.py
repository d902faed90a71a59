"""`MeasureChange`: one measure of two models, and its change on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from holdfast.common.plain import plain
from holdfast.comparison.shares import Interval

__all__ = ["MeasureChange"]


@dataclass(frozen=True)
class MeasureChange:
    """One measure of both models, and its change on the same rows.

    Attributes
    ----------
    name : str
        The measure, e.g. ``recall[fraud]``, ``balanced_accuracy``, ``cost`` or ``auc``.
    base, new : float or None
        The measure of each model. It is None where it is undefined, such as the precision of a
        class that the model never answers.
    change : float or None
        New minus base.
    interval : pair or None
        Confidence interval of the change, from the pairs of answers or of scores.
    base_interval, new_interval : pair or None
        Confidence interval of each model's own measure.
    n : int
        Number of rows that the measure is about.
    positives : int or None
        Number of rows of the true class; for measures of several classes, of the rarest one. None
        where the truth plays no part.
    reliable : bool
        False where there are fewer than ten positives. For measures of scores, also where there
        are fewer than ten negatives, or where scores moved but no row shows an effect on the
        measure. No interval is then worth much.
    """

    name: str
    base: float | None
    new: float | None
    change: float | None
    interval: Interval | None
    base_interval: Interval | None
    new_interval: Interval | None
    n: int
    positives: int | None
    reliable: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return {key: plain(value) for key, value in vars(self).items()}
