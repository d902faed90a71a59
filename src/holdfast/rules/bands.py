"""`Bands`: a scale of answers along the probability of one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.parameters import check_share
from holdfast.exceptions import InvalidInputError
from holdfast.render.texts import visible
from holdfast.rules.names import as_name, as_names, positive_column
from holdfast.rules.rule import BoundRule, Rule, class_array

__all__ = ["Bands"]


@dataclass(frozen=True)
class Bands(Rule):
    """A scale of answers along the probability of the positive class.

    It defines no utility.

    Parameters
    ----------
    bounds : sequence of float
        Where the next band begins: p ≥ bound. Each is in [0, 1] and above the one before.
    answers : sequence of str, int or bool
        The answer of each band from the lowest probability up, one more than there are bounds.
    positive : class, optional
        The positive class. Of two classes it is the greater by default.

    Raises
    ------
    InvalidInputError
        When bounds are outside [0, 1] or out of order, or when the answers are too few or too
        many, or repeat.

    Examples
    --------
    >>> rule = Bands((0.05, 0.3), answers=("approve", "review", "decline"))
    >>> rule.decide([[0.98, 0.02], [0.95, 0.05], [0.2, 0.8]]).tolist()
    ['approve', 'review', 'decline']
    """

    bounds: Sequence[float]
    answers: Sequence[Any]
    positive: Any = None

    name = "bands"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", _checked_bounds(self.bounds))
        object.__setattr__(self, "answers", as_names("answers", self.answers))
        object.__setattr__(self, "positive", as_name("positive", self.positive))
        if len(self.answers) != len(self.bounds) + 1:
            raise InvalidInputError(
                f"answers must be one more than the bounds, got {len(self.answers)} answers and "
                f"{len(self.bounds)} bounds; give the answer of each band"
            )

    def describe(self) -> str:
        """Return what the rule does in a few words.

        Examples
        --------
        >>> Bands((0.05, 0.3), answers=("approve", "review", "decline")).describe()
        'answers approve below 0.05, review from 0.05 on and decline from 0.3 on'
        """
        first, *later = map(visible, self.answers)
        bands = [f"{first} below {self.bounds[0]:.4g}"]
        for bound, answer in zip(self.bounds, later, strict=True):
            bands.append(f"{answer} from {bound:.4g} on")
        scale = "" if self.positive is None else f", by the probability of {visible(self.positive)}"
        return f"answers {', '.join(bands[:-1])} and {bands[-1]}{scale}"

    def bind(self, classes: ArrayLike) -> BoundRule:
        """Find the positive class; see `Rule.bind`."""
        known = class_array(classes)
        return BoundBands(
            rule=self,
            classes=known,
            answers=np.array(self.answers),
            utility=None,
            column=positive_column(self.positive, known),
            bounds=np.array(self.bounds),
        )


def _checked_bounds(bounds: Any) -> tuple[float, ...]:
    hint = "give probabilities, e.g. (0.05, 0.30)"
    listed = list(bounds) if np.ndim(bounds) == 1 else []
    if not listed:
        raise InvalidInputError(f"bounds must be a list of numbers, got {bounds!r}; {hint}")
    checked = tuple(check_share("bounds", bound, hint=hint) for bound in listed)
    if any(low >= high for low, high in pairwise(checked)):
        raise InvalidInputError(
            f"bounds must increase, got {list(checked)}; give them from the lowest to the highest"
        )
    return checked


@dataclass(frozen=True, eq=False)
class BoundBands(BoundRule):
    """Bands along the probability of one of the known classes.

    Attributes
    ----------
    column : int
        The column of the positive class.
    bounds : ndarray of shape (A - 1,)
    """

    column: int
    bounds: NDArray[np.float64]

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the number of bounds that the probability of the positive class reaches."""
        positive = proba[:, self.column]
        return np.searchsorted(self._like(positive), positive, side="right")

    def distance(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the distance to the nearest bound."""
        positive = proba[:, self.column]
        apart = np.full(len(positive), np.inf, dtype=positive.dtype)
        for bound in self._like(positive):
            np.minimum(apart, np.abs(positive - bound), out=apart)
        return apart

    def _like(self, positive: NDArray[np.floating]) -> NDArray[np.floating]:
        # In single precision, 0.7 is below the 0.7 of double precision.
        return self.bounds.astype(positive.dtype)
