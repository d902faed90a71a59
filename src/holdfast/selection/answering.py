"""How probabilities become answers on the selection rows, and what these answers are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import class_index
from holdfast.rules import Argmax, BoundRule, expected_gain
from holdfast.selection.budget import Budget
from holdfast.selection.limits import GroupColumns
from holdfast.selection.surcharges import ChangedRows, Surcharge

__all__ = ["Answering"]

Proba = NDArray[np.float64]
Columns = NDArray[np.intp]
Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Answering:
    """The rule that decides, and the utility of its answers.

    Answers are positions among the possible answers of the rule. A position of −1 is an answer of
    the base model that the new model cannot give.

    Attributes
    ----------
    rule : BoundRule
        The rule; where it is fitted to rows, its answers and classes are the same for all rows.
    utility : ndarray of shape (A, K) or None
        What each answer is worth given the truth; None where nobody has said it.
    by_utility : bool
        Whether the utility decides between mixtures that keep the budget. Otherwise the risk does.
    follows_rule : bool
        Whether an override weighs answers as a fitted rule does. Where the new model's
        probabilities are on another scale than the base model's, the base model's threshold does
        not say what an answer gains.
    """

    rule: BoundRule
    utility: Vector | None
    by_utility: bool = False
    follows_rule: bool = False

    @classmethod
    def argmax(cls, classes: NDArray[Any]) -> Answering:
        """Return the answering of most probable classes, which are worth 1 where they are right."""
        rule = Argmax().bind(classes)
        return cls(rule, rule.utility)

    def rule_of(self, proba: Proba) -> BoundRule:
        """Return the rule for the probabilities (n, K) of a model on the selection rows."""
        return self.rule

    def under(self, budget: Budget | None) -> Answering:
        """Return the answering under a budget, which a rule that is tuned looks at."""
        return self

    def decide(self, proba: Proba) -> Columns:
        """Return the answers (n,) to selection rows, given their probabilities (n, K)."""
        return self.rule_of(proba).decide(proba)

    def own_answers(self, proba: Proba, base: Columns | None) -> Columns:
        """Return the answers (n,) of a mixture, given those of the base model if it is alone.

        The base model alone answers itself. Where its answer can no longer be given, the rule
        decides by what is left of its probabilities.
        """
        if base is None:
            return self.decide(proba)
        return base if (base >= 0).all() else np.where(base >= 0, base, self.decide(proba))

    @cached_property
    def class_of_answer(self) -> Columns:
        """The position of each answer among the classes, −1 for an answer that is no class."""
        return class_index(self.rule.answers, self.rule.classes)

    def right(self, answer: Columns, y: Columns) -> NDArray[np.bool_]:
        """Return which answers are the true class, shape (n,)."""
        return (answer >= 0) & (self.class_of_answer[answer] == y)

    def utilities(self, answer: Columns, y: Columns) -> Vector:
        """Return what answers (n,) are worth, NaN where nobody has said it.

        An answer that the new model cannot give is worth as little as the worst that it can give.
        """
        if self.utility is None:
            return np.full(len(y), np.nan)
        return np.where(answer >= 0, self.utility[answer, y], self.utility.min(axis=0)[y])

    def worse(self, new: Columns, base: Columns, y: Columns) -> NDArray[np.bool_]:
        """Return the negative flips: the rows (n,) whose new answer is worth less than the base's.

        With the default utility of most probable classes these go from right to wrong.
        """
        if self.utility is None:
            return self.right(base, y) & (new != base)
        return (base >= 0) & (self.utility[new, y] < self.utility[base, y])

    def weighed_by(self, rule: BoundRule | None) -> Vector:
        """Return the utility by which an override weighs the answers of a rule, shape (A, K)."""
        if self.follows_rule and rule is not None and rule.utility is not None:
            return rule.utility
        assert self.utility is not None  # checked before an override is looked for
        return self.utility

    def gains(
        self, proba: Proba, answer: Columns, base: Columns, rule: BoundRule | None = None
    ) -> Vector:
        """Return the expected gain (n,) of answers over those of the base model.

        Parameters
        ----------
        proba : ndarray of shape (n, K)
            The posterior.
        answer, base : ndarray of shape (n,)
        rule : BoundRule, optional
            The rule that gives the answers.

        Returns
        -------
        ndarray of shape (n,)
            Infinite where the base model's answer can no longer be given.
        """
        return expected_gain(proba, answer, base, self.weighed_by(rule))

    def net_gains(
        self,
        proba: Proba,
        answer: Columns,
        base: Columns,
        surcharges: Sequence[Surcharge],
        groups: GroupColumns,
        rule: BoundRule | None = None,
    ) -> Vector:
        """Return the expected gain (n,) beyond what is charged in some rows."""
        assert self.utility is not None
        gain = self.gains(proba, answer, base, rule)
        return ChangedRows(gain, proba, answer, base, self.utility, groups).net_gain(surcharges)
