"""What a report says of the answers that matter: the rule, the positive class, swaps and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.common.plain import plain
from holdfast.comparison.change import MeasureChange
from holdfast.comparison.score_texts import score_lines, swap_lines
from holdfast.render.texts import visible
from holdfast.rules import Argmax, BoundRule, Costs, Rule

if TYPE_CHECKING:
    from holdfast.comparison.result import Comparison
    from holdfast.comparison.scores import ScoreComparison

__all__ = ["AnswerFacts", "costs_of"]

OF_CLASS = ("recall", "precision", "f1", "specificity", "rate")


@dataclass(frozen=True, eq=False)
class AnswerFacts:
    """How two models answer, and what their answers are worth.

    Attributes
    ----------
    rules : pair of (Rule or None)
        The rules of the base model and of the new model; None where none is known.
    positive : object
        The positive class; None where none is known.
    costs : Costs, mapping or None
        The cost of each answer for each true class, as in `Comparison.measures`.
    scores : ScoreComparison or None
        The comparison of the scores of the positive class.
    """

    rules: tuple[Rule | None, Rule | None] = (None, None)
    positive: Any = None
    costs: Any = None
    scores: ScoreComparison | None = None

    def rule_text(self) -> str | None:
        """Return the rules as a sentence; None where both answer the most probable class."""
        if all(rule is None or rule == Argmax() for rule in self.rules):
            return None
        base, new = (
            "is that of its answers" if rule is None else rule.describe() for rule in self.rules
        )
        if base == new:
            return f"The rule of both models {base}."
        return f"The rule of the base model {base}; that of the new model {new}."

    def measures(self, comparison: Comparison) -> list[MeasureChange]:
        """Return the measures of the positive class, and the mean cost where costs are known."""
        labels = [self.positive] if self._occurs(comparison) else []
        costs = self.costs if comparison.n_labeled else None
        if not labels and costs is None:
            return []
        found = comparison.measures(labels=labels, costs=costs)
        own = [f"{name}[{self.positive}]" for name in OF_CLASS]
        return [found[name] for name in (*own, "cost") if name in found]

    def _occurs(self, comparison: Comparison) -> bool:
        return self.positive is not None and self.positive in comparison.counts.labels.tolist()

    def _is_answer(self, comparison: Comparison) -> bool:
        """Return whether some model answers with the positive class."""
        if not self._occurs(comparison):
            return False
        answers = comparison.counts.labels[comparison.counts.triples[:, :2]]
        return bool((answers == self.positive).any())

    def to_dict(self, comparison: Comparison) -> dict[str, Any]:
        """Return plain Python values for JSON and for reports.

        Returns
        -------
        dict
            ``rules`` (of base and new), ``rule_text``, ``positive``, ``positive_measures``,
            ``swaps`` and ``scores``. What is not known is None.
        """
        base, new = (None if rule is None else rule.to_dict() for rule in self.rules)
        return {
            "rules": {"base": base, "new": new} if base or new else None,
            "rule_text": self.rule_text(),
            "positive": plain(self.positive),
            "positive_measures": [one.to_dict() for one in self.measures(comparison)],
            "swaps": comparison.swaps(self.positive).to_dict()
            if self._is_answer(comparison)
            else None,
            "scores": None if self.scores is None else self.scores.to_dict(),
        }

    def lines(self, comparison: Comparison) -> list[str]:
        """Return the same as lines of text."""
        text, measures = self.rule_text(), self.measures(comparison)
        found = [] if text is None else [text]
        if measures:
            found.append(f"  {'':<24}{'base':>10}{'new':>10}{'change':>11}")
        found += [_line(one) for one in measures]
        if self._is_answer(comparison):
            found += swap_lines(str(self.positive), comparison.swaps(self.positive))
        if self.scores is not None:
            found += ["scores", *(line for part in score_lines(self.scores) for line in part)]
        return found


def _line(one: MeasureChange) -> str:
    def shown(value: float | None, sign: str = "") -> str:
        if value is None:
            return "–"
        return f"{value:{sign}.4g}" if one.name == "cost" else f"{100 * value:{sign}.2f}%"

    line = f"  {visible(one.name):<24}{shown(one.base):>10}{shown(one.new):>10}"
    line += f"{shown(one.change, '+'):>11}"
    if one.interval is not None:
        low, high = (shown(end, "+") for end in one.interval)
        line += f"   {low} to {high}"
    return line if one.reliable else f"{line}   too few rows"


def costs_of(bound: BoundRule | None, wanted: Sequence[Any]) -> Any:
    """Return the costs that a rule keeps low, ``{answer: {class: cost}}``; None without any.

    Parameters
    ----------
    bound : BoundRule or None
    wanted : sequence
        The answers and true classes that occur. A rule that does not know them all has no costs.
    """
    if bound is None or bound.utility is None or bound.rule.name == "argmax":
        return None
    if isinstance(bound.rule, Costs):
        return bound.rule
    answers, classes = bound.answers.tolist(), bound.classes.tolist()
    if set(wanted) - {*answers, *classes}:
        return None
    rows = zip(answers, (0 - bound.utility).tolist(), strict=True)
    return {answer: dict(zip(classes, row, strict=True)) for answer, row in rows}
