"""Decision rules as expressions of a data frame, so that a table's own library decides its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError
from holdfast.rules import BoundRule, Rule
from holdfast.rules.bands import BoundBands
from holdfast.rules.costs import BoundCosts
from holdfast.rules.names import column_of
from holdfast.rules.pairs import positive_of, rule_pair
from holdfast.rules.threshold import BoundThreshold

__all__ = [
    "Deciding",
    "Known",
    "TwoClasses",
    "cuts_of",
    "decided",
    "decider",
    "most_probable",
]

Expr = nw.Expr


@dataclass(frozen=True)
class Deciding:
    """What turns the probabilities or scores of two tables into answers.

    Attributes
    ----------
    rules : pair of (Rule or None)
        The rule of the base model and of the new model. None stands for the answers in the table,
        or the most probable class.
    positive : object
        The positive class by value; None where none was named.
    """

    rules: tuple[Rule | None, Rule | None] = (None, None)
    positive: Any = None


Known = Callable[[Sequence[Any]], Deciding]  # the classes of the tables are known late


def decider(rule: Any, positive: Any) -> Known | None:
    """Return what gives rules and the positive class once the classes are known.

    Parameters
    ----------
    rule : Rule, pair of (Rule or None), or None
        One rule for both models, or one for each.
    positive : object
        The positive class. By default it is that of a rule which names one.
    """
    if rule is None and positive is None:
        return None
    pair = rule_pair(rule)
    deciding = Deciding(pair, positive_of(pair) if positive is None else positive)
    return lambda classes: deciding


@dataclass(frozen=True)
class TwoClasses:
    """The positive class of a score, and the other.

    Attributes
    ----------
    classes : ndarray of shape (2,)
        Both classes in their order.
    column : {0, 1}
        The position of the positive class among them.
    positive : object
        The positive class as the answers and labels hold it.
    names : pair
        The other class and the positive one, as answers name them.
    """

    classes: NDArray[Any]
    column: int
    positive: Any
    names: tuple[Any, Any]

    @classmethod
    def of(cls, known: Sequence[Any], positive: Any) -> TwoClasses:
        """Return the two classes; `known` are those of the tables."""
        if positive is None:
            positive = _default_positive(known)
        if known:
            column_of("positive", positive, np.array(known))  # raises for a class that is none
        others = [value for value in known if value != positive]
        names = (others[0], positive) if len(others) == 1 else _named(positive, bool(others))
        classes = np.array(sorted(names))
        return cls(classes, classes.tolist().index(names[1]), positive, names)


def _default_positive(known: Sequence[Any]) -> Any:
    """Return 1 or True where the classes are no text."""
    if all(value in (0, 1) for value in known):
        return known[-1] if known and known[-1] == 1 else 1
    shown = ", ".join(map(repr, known[:10]))
    raise InvalidInputError(
        f"positive must name the class whose probability the score is, got none for the classes "
        f"{shown}; give positive="
    )


def _named(positive: Any, several: bool) -> tuple[Any, Any]:
    """Return names of "not positive" and positive."""
    if isinstance(positive, bool):
        return not positive, positive
    if isinstance(positive, int) and not several:
        return int(positive == 0), positive
    return f"not {positive}", str(positive)


def decided(bound: BoundRule, proba: Sequence[Expr], *, single: bool = False) -> Expr:
    """Return the answer of a rule to each row, as `BoundRule.decide` gives it.

    Parameters
    ----------
    bound : BoundRule
    proba : sequence of K expressions
        The probability of each of the rule's classes.
    single : bool
        Whether the probabilities were stored in single precision. Bounds are then rounded to it,
        as they are for arrays.
    """
    answers, cuts = bound.answers.tolist(), cuts_of(bound, single=single)
    if isinstance(bound, BoundThreshold):
        others = dict(zip(answers, proba, strict=True))
        del others[answers[bound.column]]
        reached = nw.when(proba[bound.column] >= cuts[0]).then(nw.lit(answers[bound.column]))
        return reached.otherwise(most_probable(others))
    if isinstance(bound, BoundBands):
        band: Expr = nw.lit(answers[0])
        for cut, answer in zip(cuts, answers[1:], strict=True):
            band = nw.when(proba[bound.column] >= cut).then(nw.lit(answer)).otherwise(band)
        return band
    if isinstance(bound, BoundCosts):
        assert bound.utility is not None
        worth = [_weighted(proba, row) for row in bound.utility.tolist()]
        return most_probable(dict(zip(answers, worth, strict=True)))
    return most_probable(dict(zip(answers, proba, strict=True)))


def cuts_of(bound: BoundRule | None, *, single: bool = False) -> tuple[float, ...]:
    """Return the scores at which a rule changes its answer, as `decided` compares them."""
    cuts = np.array([bound.threshold]) if isinstance(bound, BoundThreshold) else np.array([])
    if isinstance(bound, BoundBands):
        cuts = bound.bounds
    return tuple((cuts.astype(np.float32) if single else cuts).astype(np.float64).tolist())


def _weighted(proba: Sequence[Expr], weights: Sequence[float]) -> Expr:
    # The order of the sum is that of `BoundCosts`, so that both round alike.
    total = proba[0] * weights[0]
    for p, weight in zip(proba[1:], weights[1:], strict=True):
        total = total + p * weight
    return total


def most_probable(distribution: dict[Any, Expr]) -> Expr:
    """Return the class of the largest value, the first of several."""
    if len(distribution) == 1:
        return nw.lit(next(iter(distribution)))
    highest = nw.max_horizontal(*distribution.values())
    return nw.coalesce(*(nw.when(p >= highest).then(nw.lit(c)) for c, p in distribution.items()))
