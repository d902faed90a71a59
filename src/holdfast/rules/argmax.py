"""`Argmax`: the most probable class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.rules.rule import BoundRule, Rule, class_array

__all__ = ["Argmax", "lead"]


@dataclass(frozen=True)
class Argmax(Rule):
    """The most probable class; of equally probable ones the first.

    It optimises accuracy.

    Examples
    --------
    >>> Argmax().decide([[0.2, 0.8], [0.5, 0.5]], classes=["ham", "spam"]).tolist()
    ['spam', 'ham']
    """

    name = "argmax"

    def describe(self) -> str:
        """Return what the rule does in a few words.

        Examples
        --------
        >>> Argmax().describe()
        'answers the most probable class'
        """
        return "answers the most probable class"

    def bind(self, classes: ArrayLike) -> BoundRule:
        """Check the classes; see `Rule.bind`."""
        known = class_array(classes)
        return BoundArgmax(rule=self, classes=known, answers=known, utility=np.eye(len(known)))


@dataclass(frozen=True, eq=False)
class BoundArgmax(BoundRule):
    """The most probable of known classes."""

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the column of the largest probability."""
        return proba.argmax(axis=1)

    def distance(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the lead of the most probable class over the next."""
        return lead(proba)


def lead(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return by how much the largest value of each row exceeds the next.

    Examples
    --------
    >>> lead(np.array([[0.25, 0.75], [0.5, 0.5]])).tolist()
    [0.5, 0.0]
    """
    highest = np.partition(values, -2, axis=1)[:, -2:]
    return highest[:, 1] - highest[:, 0]
