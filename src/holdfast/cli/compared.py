"""What `holdfast compare` and `holdfast gate` found: printed, as JSON, and as a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import print_comparison, print_decision, say, summary_of

if TYPE_CHECKING:
    from holdfast.comparison.policy import Decision, Policy
    from holdfast.comparison.result import Comparison
    from holdfast.predictions.pairs import PredictionPair
    from holdfast.report.answers import AnswerFacts

__all__ = ["Compared", "judged"]


@dataclass(frozen=True, eq=False)
class Compared:
    """A comparison of two models, how they answer, and the verdict if there are limits."""

    comparison: Comparison
    answers: AnswerFacts
    decision: Decision | None

    def print(self) -> None:
        """Print the statistics, the answers that matter, and the verdict."""
        print_comparison(self.comparison)
        say(*self.answers.lines(self.comparison))
        if self.decision is not None:
            print_decision(self.decision)

    def to_dict(self) -> dict[str, Any]:
        """Return the values that --json prints."""
        verdict: dict[str, Any] = {"verdict": None, "reasons": [], "checks": []}
        if self.decision is not None:
            verdict = self.decision.to_dict()
        return self.comparison.to_dict() | self.answers.to_dict(self.comparison) | verdict

    def summary(self, pair: PredictionPair, facts: dict[str, Any]) -> dict[str, Any]:
        """Return what the report shows, with the rows of `pair`, which may be a sample."""
        return summary_of(pair, self.comparison, self.decision, facts=facts, answering=self.answers)


def judged(comparison: Comparison, answers: AnswerFacts, limits: Policy | None) -> Compared:
    """Return a comparison with its verdict; a policy may name the positive class and costs."""
    from dataclasses import replace

    if limits is None:
        return Compared(comparison, answers, None)
    if limits.positive is not None and answers.positive is None:
        answers = replace(answers, positive=limits.positive)
    if limits.costs is not None:
        answers = replace(answers, costs=limits.costs)
    limits = replace(limits, positive=answers.positive, costs=answers.costs)
    return Compared(comparison, answers, limits.decide(comparison, answers.scores))
