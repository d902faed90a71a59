"""Options that name a decision rule and the worth of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from holdfast.predictions.deciding import Deciding

__all__ = [
    "ANSWERS_OPTION",
    "BANDS_OPTION",
    "CLASS_WEIGHT_OPTION",
    "COSTS_OPTION",
    "MIN_UTILITY_OPTION",
    "NEW_THRESHOLD_OPTION",
    "POSITIVE_OPTION",
    "REPORTED_POSITIVE_OPTION",
    "RULE_OPTION",
    "THRESHOLD_OPTION",
    "TOP_SHARE_OPTION",
    "UTILITY_OPTION",
    "RuleOptions",
    "class_weight_of",
    "costs_named",
    "utility_of",
]

RULE_OPTION = typer.Option(
    help="How the threshold is found: base, same_rate or retuned [default: base]."
)
THRESHOLD_OPTION = typer.Option(
    help="Least probability from which the positive class is the answer, e.g. 0.12."
)
NEW_THRESHOLD_OPTION = typer.Option(
    help="The same as --threshold, for the new model [default: that of --threshold]."
)
POSITIVE_OPTION = typer.Option(
    help="Positive class of --threshold, --bands and --top-share [default: the second of two]."
)
REPORTED_POSITIVE_OPTION = typer.Option(
    help="Positive class, whose recall, swaps and scores are reported."
)
BANDS_OPTION = typer.Option(help="Bounds of bands of the positive class, e.g. 0.05,0.30.")
ANSWERS_OPTION = typer.Option(help="Answers of the bands, e.g. approve,review,decline.")
COSTS_OPTION = typer.Option(
    help="CSV file of costs: classes in the header, each row an answer and its costs."
)
TOP_SHARE_OPTION = typer.Option(
    help="Share of the riskiest rows that get the positive answer, e.g. 0.01."
)
UTILITY_OPTION = typer.Option(
    help="What answers are worth: accuracy, balanced_accuracy, or a CSV file of costs [default: "
    "what the rule optimises]."
)

MIN_UTILITY_OPTION = typer.Option(
    help="Lowest mean utility, in place of --max-churn: a number, or 'cold' for that of plain "
    "retraining."
)
CLASS_WEIGHT_OPTION = typer.Option(
    help="Class weight of the learner: balanced, or CLASS=WEIGHT, repeatable."
)


@dataclass(frozen=True)
class RuleOptions:
    """The options of one command, as they were given."""

    rule: str | None = None
    threshold: float | None = None
    positive: str | None = None
    bands: str | None = None
    answers: str | None = None
    costs: Path | None = None
    top_share: float | None = None

    def rule_for(self, classes: Sequence[Any]) -> Any:
        """Return the rule, or the name of one, for classes by value.

        Raises
        ------
        InvalidInputError
            For options that contradict each other, a positive class that is none, or values out of
            range.
        """
        given = self._given()
        takes_positive = {"--threshold", "--bands", "--top-share"}
        if self.positive is not None and not takes_positive & set(given):
            raise InvalidInputError(
                "--positive must be given with --threshold, --bands or --top-share, got none of "
                "them; give one, or leave --positive out"
            )
        found = self._rule_for(classes)
        if found is None:
            return self.rule if "--rule" in given else "base"
        return found

    def deciding_for(self, classes: Sequence[Any], new_threshold: float | None = None) -> Deciding:
        """Return the rules of two models, and the positive class, for classes by value.

        Parameters
        ----------
        classes : sequence
            The classes of the models; empty where none is known.
        new_threshold : float, optional
            The threshold of the new model, if it differs.

        Raises
        ------
        InvalidInputError
            As `rule_for`.
        """
        from holdfast.predictions.deciding import Deciding

        self._given()
        if new_threshold is not None and self.threshold is None:
            raise InvalidInputError(
                "--threshold must be given with --new-threshold, got none; give that of the base "
                "model"
            )
        later = replace(self, threshold=self.threshold if new_threshold is None else new_threshold)
        return Deciding(
            (self._rule_for(classes), later._rule_for(classes)), self._positive_in(classes)
        )

    def _positive_in(self, classes: Sequence[Any]) -> Any:
        if self.positive is None or not classes:
            return self.positive
        return _class_named("--positive", self.positive, classes)

    def _rule_for(self, classes: Sequence[Any]) -> Any:
        from holdfast.rules import Bands, Costs, Threshold, TopShare

        positive = self._positive_in(classes)
        if self.threshold is not None:
            return Threshold(self.threshold, positive=positive)
        if self.top_share is not None:
            return TopShare(self.top_share, positive=positive)
        if self.costs is not None:
            return Costs.from_csv(self.costs)
        if self.bands is not None:
            bounds = tuple(_number("--bands", part) for part in self.bands.split(","))
            names = (self.answers or "").split(",")
            if len(names) != len(bounds) + 1:
                raise InvalidInputError(
                    f"--answers must name one answer more than --bands has bounds "
                    f"({len(bounds)}), got {self.answers!r}; give e.g. approve,review,decline"
                )
            return Bands(bounds, answers=tuple(name.strip() for name in names), positive=positive)
        return None

    def _given(self) -> list[str]:
        kinds = {
            "--rule": self.rule,
            "--threshold": self.threshold,
            "--bands": self.bands,
            "--costs": self.costs,
            "--top-share": self.top_share,
        }
        given = [name for name, value in kinds.items() if value is not None]
        if len(given) > 1:
            raise InvalidInputError(
                f"only one of {' and '.join(given)} may be given, got {len(given)}; they are "
                "different rules"
            )
        if self.answers is not None and self.bands is None:
            raise InvalidInputError(
                "--bands must be given with --answers, got none; give its bounds"
            )
        return given


def _class_named(option: str, text: str, classes: Sequence[Any]) -> Any:
    """Return the class that a text names, as a value of the classes' type."""
    wanted = text.strip().lower()
    exact = [one for one in classes if str(one) == text]
    found = exact or [one for one in classes if str(one).lower() == wanted]
    if len(found) != 1:
        listed = ", ".join(map(str, classes[:20]))
        raise InvalidInputError(
            f"{option} must be one of the classes {listed}, got {text!r}; write it as there"
        )
    return found[0]


def class_weight_of(texts: Sequence[str] | None, classes: Sequence[Any]) -> Any:
    """Return the class weights that options name: None, "balanced", or a weight for each class.

    Classes that are not named have the weight 1.
    """
    if not texts:
        return None
    if list(texts) == ["balanced"]:
        return "balanced"
    weights = dict.fromkeys(classes, 1.0)
    for text in texts:
        name, _, weight = text.rpartition("=")
        try:
            number = float(weight)
        except ValueError:
            number = -1.0
        if not name or not 0 < number < float("inf"):
            raise InvalidInputError(
                f"--class-weight must be balanced alone, or CLASS=WEIGHT with weights above 0, "
                f"got {text!r}; e.g. {classes[0]}=20"
            )
        weights[_class_named("--class-weight", name, classes)] = number
    return weights


def utility_of(text: str | None) -> Any:
    """Return the utility that an option names: a word, or a file of costs."""
    if text is None or text in ("accuracy", "balanced_accuracy"):
        return text
    from holdfast.rules import Costs

    if not Path(text).exists():
        raise InvalidInputError(
            f"--utility must be accuracy, balanced_accuracy or a CSV file of costs, got {text!r}; "
            "correct the name"
        )
    return Costs.from_csv(text)


def costs_named(text: str | None) -> Any:
    """Return the costs that --utility names where two models are compared; None without it."""
    costs = utility_of(text)
    if isinstance(costs, str):
        raise InvalidInputError(
            f"--utility must be a CSV file of costs here, got {costs!r}; the measures hold "
            "accuracies in any case"
        )
    return costs


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{option} must be numbers with commas between them, got {text!r}; e.g. 0.05,0.30"
        ) from error
