"""`Threshold`: one class from a threshold on. `TopShare`: that class for the riskiest rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import check_proba, check_weights
from holdfast.common.classes import check_classes
from holdfast.common.parameters import check_share
from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError
from holdfast.render.texts import visible
from holdfast.rules.argmax import lead
from holdfast.rules.names import as_name, positive_column
from holdfast.rules.rule import BoundRule, Rule, class_array

__all__ = ["Threshold", "TopShare"]

ROUNDING = 1e-9  # how far a sum of weights may exceed a share by rounding


@dataclass(frozen=True)
class Threshold(Rule):
    """The positive class from a threshold on, else the most probable of the other classes.

    For two classes it optimises the utility in which a false alarm costs `threshold` and a miss
    costs 1 − `threshold`. For more it defines no utility.

    Parameters
    ----------
    threshold : float
        The probability in [0, 1] from which on the answer is positive: p ≥ threshold.
    positive : class, optional
        The positive class. Of two classes it is the greater by default, as in scikit-learn.

    Raises
    ------
    InvalidInputError
        When the threshold is outside [0, 1].

    Examples
    --------
    >>> rule = Threshold(0.12, positive="fraud")
    >>> rule.decide([[0.2, 0.8], [0.1, 0.9]], classes=["fraud", "ok"]).tolist()
    ['fraud', 'ok']
    """

    threshold: float
    positive: Any = None

    name = "threshold"

    def __post_init__(self) -> None:
        checked = check_share("threshold", self.threshold, hint="give a probability, e.g. 0.12")
        object.__setattr__(self, "threshold", checked)
        object.__setattr__(self, "positive", as_name("positive", self.positive))

    def describe(self) -> str:
        """Return what the rule does in a few words.

        Examples
        --------
        >>> Threshold(0.12, positive="fraud").describe()
        'answers fraud from a probability of 0.12 on'
        """
        answer = "the positive class" if self.positive is None else visible(self.positive)
        return f"answers {answer} from a probability of {self.threshold:.4g} on"

    def bind(self, classes: ArrayLike) -> BoundRule:
        """Find the positive class; see `Rule.bind`."""
        known = class_array(classes)
        column = positive_column(self.positive, known)
        return BoundThreshold(
            rule=self,
            classes=known,
            answers=known,
            utility=self._utility(column) if len(known) == 2 else None,
            column=column,
            threshold=self.threshold,
        )

    def _utility(self, column: int) -> NDArray[np.float64]:
        utility = np.zeros((2, 2))
        utility[column, 1 - column] = 0 - self.threshold
        utility[1 - column, column] = self.threshold - 1
        return utility


@dataclass(frozen=True, eq=False)
class BoundThreshold(BoundRule):
    """A threshold on one of the known classes.

    Attributes
    ----------
    column : int
        The column of the positive class.
    threshold : float
    """

    column: int
    threshold: float

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the positive column from the threshold on, else the most probable other."""
        reached = proba[:, self.column] >= self.threshold
        return np.where(reached, self.column, self._others(proba).argmax(axis=1))

    def distance(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the distance to the threshold or, below it, to the next of the other classes."""
        positive = proba[:, self.column]
        apart = np.abs(positive - self.threshold)
        ahead = np.where(positive >= self.threshold, np.inf, lead(self._others(proba)))
        return np.minimum(apart, ahead)

    def _others(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        others = proba.copy()
        others[:, self.column] = -1  # less than any probability
        return others


@dataclass(frozen=True)
class TopShare(Rule):
    """The positive class for the riskiest share of the rows that it is fitted on.

    `fit` turns it into a `Threshold`, which then holds for all rows. It defines no utility.

    Parameters
    ----------
    share : float
        The share of rows in (0, 1) that may be answered with the positive class.
    positive : class, optional
        The positive class. Of two classes it is the greater by default.

    Raises
    ------
    InvalidInputError
        When the share is outside (0, 1).

    Examples
    --------
    >>> proba = [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.2, 0.8]]
    >>> TopShare(0.25).fit(proba).decide(proba).tolist()
    [0, 0, 0, 1]
    """

    share: float
    positive: Any = None

    name = "top_share"

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", check_share("share", self.share, open_ends=True))
        object.__setattr__(self, "positive", as_name("positive", self.positive))

    def describe(self) -> str:
        """Return what the rule does in a few words.

        Examples
        --------
        >>> TopShare(0.01, positive="fraud").describe()
        'answers fraud for the riskiest 1 % of rows'
        """
        answer = "the positive class" if self.positive is None else visible(self.positive)
        return f"answers {answer} for the riskiest {100 * self.share:.4g} % of rows"

    def fit(
        self,
        proba: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Threshold:
        """Return the threshold that answers as many rows with the positive class as the share lets.

        Rows of equal probability are taken together or left out together. The threshold lies
        halfway between the last row that is taken and the first that is not.

        Parameters
        ----------
        proba : array-like of shape (n, K)
            Probabilities of the classes.
        classes : array-like of shape (K,), optional
            Class of each column; 0 … K-1 by default.
        sample_weight : array-like of shape (n,), optional
            Weight of each row. The share is then one of the total weight.

        Returns
        -------
        Threshold

        Warns
        -----
        UserWarning
            When the share is so small that no row is taken.

        Raises
        ------
        InvalidInputError
            When rows are not distributions, the positive class is none of the classes, or more
            rows than the share have a probability of 1.
        """
        checked = check_proba("proba", proba)
        known = check_classes("classes", classes, checked.shape[1])
        column = positive_column(self.positive, known)
        weights = np.ones(len(checked))
        if sample_weight is not None:
            weights = check_weights("sample_weight", sample_weight, len(checked))
        threshold = self._threshold(checked[:, column].clip(0, 1), weights)
        return Threshold(threshold, positive=known.tolist()[column])

    def _threshold(self, scores: NDArray[np.floating], weights: NDArray[np.float64]) -> float:
        counted = weights > 0
        values, group = np.unique(scores[counted], return_inverse=True)
        reached = np.cumsum(np.bincount(group, weights[counted])[::-1])[::-1]  # from each value on
        room = self.share * reached[0] * (1 + ROUNDING)
        place = int(np.count_nonzero(reached > room))  # the first value that is taken
        left_out = values[place - 1]
        if place == len(values):
            return self._above_all(left_out, reached[-1] / reached[0])
        halfway = values[place - 1 : place + 1].mean()
        return float(halfway if halfway > left_out else values[place])

    def _above_all(self, highest: np.floating, share: float) -> float:
        threshold = float(np.nextafter(highest, highest.dtype.type(2)))
        if threshold > 1:
            raise InvalidInputError(
                f"share must be at least that of the rows with a probability of 1, which is "
                f"{share:.4g}, got {self.share:g}; no threshold separates these rows"
            )
        warn(
            f"TopShare({self.share:g}) takes none of the rows, since those of the highest "
            f"probability, {highest:.4g}, are a share of {share:.4g}; fit it on more rows"
        )
        return threshold

    def bind(self, classes: ArrayLike) -> BoundRule:
        """Find the positive class; see `Rule.bind`. The rule decides only after `fit`."""
        known = class_array(classes)
        positive_column(self.positive, known)
        return UnfittedTopShare(rule=self, classes=known, answers=known, utility=None)


@dataclass(frozen=True, eq=False)
class UnfittedTopShare(BoundRule):
    """A share of known classes whose threshold is not known yet."""

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.intp]:
        """Raise, since the threshold is not known."""
        self._raise()

    def distance(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        """Raise, since the threshold is not known."""
        self._raise()

    def _raise(self) -> NoReturn:
        raise InvalidInputError(
            f"rule must be fitted before it decides, got {self.rule!r}; use the threshold that "
            "TopShare.fit(proba) returns"
        )
