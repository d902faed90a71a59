"""One rule for each of two models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.exceptions import InvalidInputError
from holdfast.rules.rule import Rule
from holdfast.rules.threshold import TopShare

__all__ = ["positive_of", "rule_pair"]


def rule_pair(rule: Any) -> tuple[Rule | None, Rule | None]:
    """Return the rules of the base model and of the new model.

    Parameters
    ----------
    rule : Rule, pair of (Rule or None), or None
        One rule for both models, or one for each.

    Raises
    ------
    InvalidInputError
        For anything else, and for rules that do not decide each row on its own.

    Examples
    --------
    >>> from holdfast.rules import Argmax, Threshold
    >>> rule_pair((Argmax(), Threshold(0.3)))
    (Argmax(), Threshold(threshold=0.3, positive=None))
    """
    pair = tuple(rule) if isinstance(rule, (tuple, list)) else (rule, rule)
    if len(pair) != 2 or any(not isinstance(one, Rule) for one in pair if one is not None):
        raise InvalidInputError(
            f"rule must be a rule of holdfast.rules, or a pair of them, got {rule!r}; give e.g. "
            "Threshold(0.12, positive='fraud')"
        )
    if any(isinstance(one, TopShare) for one in pair):
        raise InvalidInputError(
            "rule must decide each row on its own, got TopShare; give the threshold that "
            "TopShare.fit(proba) returned when the rule was set up"
        )
    return pair[0], pair[1]


def positive_of(rules: Sequence[Rule | None]) -> Any:
    """Return the positive class that the first of some rules names; None where none does.

    Examples
    --------
    >>> from holdfast.rules import Argmax, Threshold
    >>> positive_of((Argmax(), Threshold(0.3, positive="fraud")))
    'fraud'
    """
    named = (getattr(rule, "positive", None) for rule in rules)
    return next((one for one in named if one is not None), None)
