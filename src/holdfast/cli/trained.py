"""What `holdfast train` has trained: its measures, card, report and output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.features import warn_of_unseen
from holdfast.cli.output import EXIT_CODES, print_decision, print_json, say
from holdfast.cli.training_rows import Parts, TrainingTable, part

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from holdfast.comparison.policy import Decision
    from holdfast.models.card import LoadedModel
    from holdfast.report.update import MeasuredRows
    from holdfast.rules import Rule
    from holdfast.update.classifier import LowChurnClassifier

__all__ = ["Trained", "print_trained"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training, measured on its test rows."""

    model: LowChurnClassifier
    rows: TrainingTable
    parts: Parts
    loaded: LoadedModel | None
    learner: str
    seed: int

    @cached_property
    def measured(self) -> MeasuredRows | None:
        """The comparison on the test rows; None without a base model or without test rows."""
        from holdfast.comparison.compare import compare
        from holdfast.models.base import BaseModel
        from holdfast.report.update import MeasuredRows

        if self.loaded is None or not len(self.parts.test):
            return None
        X, y = self._rows_of(self.parts.test)
        classes = self.model.classes_
        base = BaseModel.of(self.loaded.model, None, classes)
        predicted = base.predict(X, classes, sha256=self.loaded.sha256)
        weight = part(self.rows.weight, self.parts.test)
        comparison = compare(predicted.served, self.answers, y, sample_weight=weight)
        return MeasuredRows(X, y, predicted.served, predicted.matched.proba, comparison)

    @cached_property
    def answers(self) -> NDArray[Any]:
        """The answers of the new model to the test rows."""
        return self.model.predict(self.rows.X.iloc[self.parts.test])

    def _rows_of(self, index: NDArray[Any]) -> tuple[pd.DataFrame, NDArray[Any]]:
        return self.rows.X.iloc[index], self.rows.y[index]

    @cached_property
    def accuracy(self) -> float | None:
        """Accuracy of the new model on the test rows."""
        import numpy as np

        if not len(self.parts.test):
            return None
        y, weight = (part(v, self.parts.test) for v in (self.rows.y, self.rows.weight))
        return float(np.average(self.answers == y, weights=weight))

    @property
    def base_rule(self) -> Rule | None:
        """The rule by which the base model answers, where it is known."""
        from holdfast.models.deciding import rule_of_model

        return None if self.loaded is None else rule_of_model(self.loaded.model)

    def card(self) -> dict[str, Any]:
        """Return the card of the model file."""
        from holdfast.models.columns import KEY, columns_of
        from holdfast.report.update import card_of

        card = card_of(
            self.model,
            self.rows.data,
            features=list(self.rows.X.columns),
            learner=self.learner,
            seed=self.seed,
            n_train=len(self.parts.train),
            n_test=len(self.parts.test),
        )
        return card | {KEY: columns_of(self.rows.X.iloc[self.parts.train])}

    @cached_property
    def decision(self) -> Decision | None:
        """Whether the model keeps its budget on the test rows; None without a budget or rows."""
        from holdfast.report.update import budget_decision

        return (
            None if self.measured is None else budget_decision(self.model, self.measured.comparison)
        )

    @property
    def exit_code(self) -> int:
        """The exit code of the verdict, as for `holdfast compare`."""
        return 0 if self.decision is None else EXIT_CODES[str(self.decision.verdict)]

    def summary(self, card: dict[str, Any], n_floor: int, jobs: int) -> dict[str, Any]:
        """Return what the report shows; `n_floor` retrainings measure the churn floor."""
        from holdfast.models.columns import KEY
        from holdfast.report.update import summarise_update

        card = {name: value for name, value in card.items() if name != KEY}
        if self.measured is None:
            return summarise_update(self.model, None, title="Model trained", facts=card)
        title = "Update inside a churn budget"
        floor = self._floor(n_floor, jobs)
        return summarise_update(
            self.model,
            self.measured,
            title=title,
            facts=card,
            floor=floor,
            base_rule=self.base_rule,
        )

    def _floor(self, n_models: int, jobs: int) -> float | None:
        from holdfast.update.floor import churn_floor

        if n_models == 0 or self.model.selection_ is None:
            return None
        return churn_floor(
            self.model.estimator,
            *self._rows_of(self.parts.train),
            test=self._rows_of(self.parts.test),
            sample_weight=part(self.rows.weight, self.parts.train),
            vary="bootstrap",
            n_models=n_models,
            n_jobs=jobs,
            random_state=self.seed,
        ).churn_rate


def print_trained(result: Trained, card: dict[str, Any], out: Path, *, as_json: bool) -> None:
    """Print what was trained, how it does on the test rows, and whether it keeps the budget."""
    from holdfast.common.plain import plain
    from holdfast.models.columns import readable
    from holdfast.report.update import answers_of_update

    measured, decision = result.measured, result.decision
    comparison = None if measured is None else measured.comparison
    if as_json:
        figures = {}
        if comparison is not None:
            answers = answers_of_update(result.model, comparison, result.base_rule)
            figures = comparison.to_dict() | answers.to_dict(comparison)
        verdict = {"verdict": None, "reasons": []} if decision is None else decision.to_dict()
        facts = {"out": str(out), "card": readable(card), "unseen": plain(result.rows.unseen)}
        print_json(facts | {"accuracy_new": result.accuracy} | figures | verdict)
        return
    say(f"{out}: {result.model.serving_}, {len(result.rows.X.columns)} features")
    warn_of_unseen(result.rows.unseen, "the base model")
    if result.loaded is not None and result.rows.seen is None:
        say(
            "some of these rows may be the base model's own training rows, on which it looks "
            "better than it is; mark them with --seen"
        )
    if result.model.certificate_ is not None:
        say(*str(result.model.certificate_).split("\n"))
    if comparison is not None:
        say(*f"on test rows: {comparison}".split("\n"))
        answers = answers_of_update(result.model, comparison, result.base_rule)
        say(*answers.lines(comparison))
    elif result.accuracy is not None:
        say(f"accuracy {result.accuracy:.2%} on {len(result.parts.test):,} test rows")
    if decision is not None:
        say("the budget on these rows: ", end="")
        print_decision(decision)
