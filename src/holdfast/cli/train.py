"""`holdfast train DATA`: trains a first release, or an update within a churn budget."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.checks import (
    check_columns,
    check_outputs,
    check_report,
    check_seed_and_jobs,
    explained,
)
from holdfast.cli.learners import make_learner
from holdfast.cli.options import JSON_OPTION, REPORT_OPTION, TRUSTED_OPTION
from holdfast.cli.output import print_decision, print_json, progress, write_report
from holdfast.cli.rules import (
    ANSWERS_OPTION,
    BANDS_OPTION,
    CLASS_WEIGHT_OPTION,
    COSTS_OPTION,
    MIN_UTILITY_OPTION,
    POSITIVE_OPTION,
    RULE_OPTION,
    THRESHOLD_OPTION,
    TOP_SHARE_OPTION,
    UTILITY_OPTION,
    RuleOptions,
    class_weight_of,
    utility_of,
)
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from holdfast.datasets.dataset import Dataset
    from holdfast.models.card import LoadedModel
    from holdfast.report.update import MeasuredRows
    from holdfast.update.classifier import LowChurnClassifier


def train(
    data: Annotated[
        str, typer.Argument(help="Data: a Parquet, CSV or Arrow file, or the name of a data set.")
    ],
    out: Annotated[Path, typer.Option(help="Model file to write (.skops).")],
    target: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Deployed model: .skops, .onnx, .safetensors, or models:/NAME@ALIAS. Without it, "
            "the model is a first release."
        ),
    ] = None,
    max_churn: Annotated[
        float | None, typer.Option(help="Churn budget: share of answers that may change.")
    ] = None,
    min_accuracy: Annotated[
        str | None,
        typer.Option(
            help="Lowest accuracy, in place of --max-churn: a share, or 'cold' for that of plain "
            "retraining. Of the models that reach it, the one with the least churn is served "
            "[default without a budget: cold]."
        ),
    ] = None,
    group_churn: Annotated[
        list[str] | None,
        typer.Option(help="Churn budget of a group, as COLUMN=VALUE=SHARE; repeatable."),
    ] = None,
    max_negative_flips: Annotated[
        float | None, typer.Option(help="Share of answers that may go from right to wrong.")
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            help="Confidence level at which the budget is certified, e.g. 0.95, on rows kept for "
            "this."
        ),
    ] = None,
    unlabeled: Annotated[
        Path | None,
        typer.Option(
            help="Table on which the budget is certified, e.g. yesterday's traffic. It needs no "
            "labels."
        ),
    ] = None,
    mixture: Annotated[
        str, typer.Option(help="Kind of served model: average, single or override.")
    ] = "average",
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method: distill, anchor, …; repeatable [default: distill]."),
    ] = None,
    learner: Annotated[
        str | None,
        typer.Option(
            help="Learner: linear, trees or forest [default: that of the base model, or linear]."
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Column to leave out of the features, e.g. an id; repeatable."),
    ] = None,
    seen: Annotated[
        str | None,
        typer.Option(help="Column that is true for rows that the base model was trained on."),
    ] = None,
    validation_fraction: Annotated[
        float, typer.Option(help="Share of rows held out to select the served model.")
    ] = 0.2,
    test_fraction: Annotated[
        float,
        typer.Option(help="Share of rows held out to measure the result; 0 for no measurement."),
    ] = 0.2,
    rule: Annotated[str | None, RULE_OPTION] = None,
    threshold: Annotated[float | None, THRESHOLD_OPTION] = None,
    positive: Annotated[str | None, POSITIVE_OPTION] = None,
    bands: Annotated[str | None, BANDS_OPTION] = None,
    answers: Annotated[str | None, ANSWERS_OPTION] = None,
    costs: Annotated[Path | None, COSTS_OPTION] = None,
    top_share: Annotated[float | None, TOP_SHARE_OPTION] = None,
    utility: Annotated[str | None, UTILITY_OPTION] = None,
    min_utility: Annotated[str | None, MIN_UTILITY_OPTION] = None,
    class_weight: Annotated[list[str] | None, CLASS_WEIGHT_OPTION] = None,
    weight: Annotated[
        str | None, typer.Option(help="Column with row weights, which is no feature.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of splits and learners.")] = 0,
    jobs: Annotated[int, typer.Option(help="Number of candidates that are fitted at once.")] = 1,
    trusted: Annotated[list[str] | None, TRUSTED_OPTION] = None,
    report: Annotated[Path | None, REPORT_OPTION] = None,
    floor: Annotated[
        int,
        typer.Option(
            help="Number of retrainings that measure the churn floor for the report; 0 for none."
        ),
    ] = 3,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Train a model; with a base model, keep the update within a churn budget."""
    from holdfast import LowChurnClassifier
    from holdfast.models.files import save_model
    from holdfast.models.loading import load_model

    check_report(report)
    check_seed_and_jobs(seed, jobs)
    check_outputs(out, report, inputs=[Path(data), None if base is None else Path(base), unlabeled])
    if floor == 1 or floor < 0:
        raise InvalidInputError(f"--floor must be 0, or at least 2, got {floor}; give e.g. 3")
    update_options = {
        "--max-churn": max_churn,
        "--group-churn": group_churn,
        "--max-negative-flips": max_negative_flips,
        "--min-accuracy": min_accuracy,
        "--confidence": confidence,
        "--unlabeled": unlabeled,
        "--seen": seen,
        "--rule": rule,
        "--utility": utility,
        "--min-utility": min_utility,
    }
    given = [name for name, option in update_options.items() if option is not None]
    if base is None and given:
        raise InvalidInputError(
            f"--base must be given with {', '.join(given)}, got none; name the deployed model, or "
            "leave these options out for a first release"
        )
    rules = RuleOptions(rule, threshold, positive, bands, answers, costs, top_share)
    worth = utility_of(utility)
    loaded = None if base is None else load_model(base, trusted=tuple(trusted or ()))
    rows = _rows(data, target, drop or [], seen, weight)
    classes = sorted(set(rows.y.tolist()))
    parts = _split(rows, test_fraction, seed)
    name = learner or (loaded.card.get("learner") if loaded else None) or "linear"
    model = LowChurnClassifier(
        make_learner(name, rows.X, seed, class_weight_of(class_weight, classes)),
        loaded,
        method=method or "distill",
        max_churn=_budget(max_churn, group_churn),
        max_negative_flips=max_negative_flips,
        min_accuracy=_least("--min-accuracy", min_accuracy, "a share", "0.85"),
        mixture=mixture,
        confidence=confidence,
        validation_fraction=validation_fraction,
        n_jobs=jobs,
        random_state=seed,
        rule=rules.rule_for(classes),
        utility=worth,
        min_utility=_least("--min-utility", min_utility, "a number", "-0.2"),
    )
    traffic = _traffic(unlabeled, rows)
    with progress(f"training on {len(parts.train):,} rows"), explained("training"):
        model.fit(
            rows.X.iloc[parts.train],
            rows.y[parts.train],
            sample_weight=_part(rows.weight, parts.train),
            seen_by_base=_part(rows.seen, parts.train),
            groups=rows.data.X.iloc[parts.train] if group_churn else None,
            X_unlabeled=traffic,
        )
    result = _Result(model, rows, parts, loaded, name, seed)
    card = result.card()
    save_model(model.served_, out, card=card)
    if report is not None:
        with progress("measuring the churn floor"):
            write_report(report, result.summary(card, floor, jobs))
    _print(result, card, out, as_json=as_json)


def _budget(overall: float | None, groups: list[str] | None) -> float | dict[str, float] | None:
    if not groups:
        return overall
    budget = {} if overall is None else {"overall": overall}
    for text in groups:
        name, _, limit = text.rpartition("=")
        try:
            budget[name] = float(limit)
        except ValueError as error:
            raise InvalidInputError(
                f"--group-churn must be COLUMN=VALUE=SHARE, got {text!r}; e.g. country=DE=0.01"
            ) from error
    return budget


def _least(option: str, text: str | None, what: str, example: str) -> float | str | None:
    if text is None or text == "cold":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise InvalidInputError(
            f"{option} must be {what} or 'cold', got {text!r}; give e.g. {example}"
        ) from error


@dataclass(frozen=True, eq=False)
class _Rows:
    """The data, the weights of rows, and a mask of those that the base model was trained on."""

    data: Dataset
    X: pd.DataFrame
    y: NDArray[Any]
    seen: NDArray[Any] | None
    weight: NDArray[Any] | None


@dataclass(frozen=True, eq=False)
class _Parts:
    train: NDArray[Any]
    test: NDArray[Any]


def _part(values: NDArray[Any] | None, index: NDArray[Any]) -> NDArray[Any] | None:
    return None if values is None else values[index]


def _rows(
    data: str, target: str | None, drop: list[str], seen: str | None, weight: str | None
) -> _Rows:
    from holdfast.common.arrays import check_weights
    from holdfast.datasets.loading import load

    loaded = load(data, target=target)
    if loaded.text or not (loaded.numeric or loaded.categorical):
        raise InvalidInputError(
            f"DATA must be a table of numbers and categories, got {loaded.name!r}, which holds "
            f"{'text' if loaded.text else 'images'}; train on it in Python, with "
            "holdfast.nn.NetworkClassifier"
        )
    named = list(dict.fromkeys([*drop, *filter(None, (seen, weight))]))
    check_columns(named, loaded.X)
    marks = None
    if seen is not None:
        marks = loaded.X[seen].to_numpy()
        if marks.dtype.kind != "b":
            raise InvalidInputError(
                f"--seen must name a column of true and false, got {seen!r} of type {marks.dtype}; "
                "mark the rows that the base model was trained on"
            )
    features = loaded.X.drop(columns=named)
    weights = None
    if weight is not None:
        weights = check_weights(f"--weight {weight}", loaded.X[weight], len(loaded.y))
    return _Rows(loaded, features, loaded.y, marks, weights)


def _traffic(path: Path | None, rows: _Rows) -> pd.DataFrame | None:
    """Return the features of the rows without labels."""
    from holdfast.tables.reading import read_table

    if path is None:
        return None
    table = read_table(path)
    features = list(rows.X.columns)
    check_columns(features, table)
    return table[features]


def _split(rows: _Rows, test_fraction: float, seed: int) -> _Parts:
    """Hold out test rows, from the rows that the base model has not seen."""
    import numpy as np

    from holdfast.common.parameters import check_share
    from holdfast.update.rows import held_out_rows

    check_share("--test-fraction", test_fraction, high=0.9)
    n = len(rows.y)
    if not test_fraction:
        return _Parts(np.arange(n), np.arange(0))
    _, codes = np.unique(rows.y, return_inverse=True)
    return _Parts(*held_out_rows(n, test_fraction, seed, rows.seen, stratify=codes))


@dataclass(frozen=True, eq=False)
class _Result:
    """A finished training, measured on its test rows."""

    model: LowChurnClassifier
    rows: _Rows
    parts: _Parts
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
        X, y = self._part(self.parts.test)
        classes = self.model.classes_
        base = BaseModel.of(self.loaded.model, None, classes)
        predicted = base.predict(X, classes, sha256=self.loaded.sha256)
        weight = _part(self.rows.weight, self.parts.test)
        new = self.model.predict(X)
        comparison = compare(predicted.served, new, y, sample_weight=weight)
        return MeasuredRows(X, y, predicted.served, predicted.matched.proba, comparison)

    def _part(self, index: NDArray[Any]) -> tuple[pd.DataFrame, NDArray[Any]]:
        return self.rows.X.iloc[index], self.rows.y[index]

    @cached_property
    def accuracy(self) -> float | None:
        """Accuracy of the new model on the test rows."""
        import numpy as np

        if not len(self.parts.test):
            return None
        X, y = self._part(self.parts.test)
        weight = _part(self.rows.weight, self.parts.test)
        return float(np.average(self.model.predict(X) == y, weights=weight))

    def card(self) -> dict[str, Any]:
        """Return the card of the model file."""
        from holdfast.report.update import card_of

        return card_of(
            self.model,
            self.rows.data,
            features=list(self.rows.X.columns),
            learner=self.learner,
            seed=self.seed,
            n_train=len(self.parts.train),
            n_test=len(self.parts.test),
        )

    def summary(self, card: dict[str, Any], n_floor: int, jobs: int) -> dict[str, Any]:
        """Return what the report shows; `n_floor` retrainings measure the churn floor."""
        from holdfast.report.update import summarise_update

        if self.measured is None:
            return summarise_update(self.model, None, title="Model trained", facts=card)
        title = "Update inside a churn budget"
        floor = self._floor(n_floor, jobs)
        return summarise_update(self.model, self.measured, title=title, facts=card, floor=floor)

    def _floor(self, n_models: int, jobs: int) -> float | None:
        from holdfast.update.floor import churn_floor

        if n_models == 0 or self.model.selection_ is None:
            return None
        return churn_floor(
            self.model.estimator,
            *self._part(self.parts.train),
            test=self._part(self.parts.test),
            sample_weight=_part(self.rows.weight, self.parts.train),
            vary="bootstrap",
            n_models=n_models,
            n_jobs=jobs,
            random_state=self.seed,
        ).churn_rate


def _print(result: _Result, card: dict[str, Any], out: Path, *, as_json: bool) -> None:
    from holdfast.report.update import budget_decision

    measured = result.measured
    comparison = None if measured is None else measured.comparison
    decision = None if comparison is None else budget_decision(result.model, comparison)
    if as_json:
        figures = {} if comparison is None else comparison.to_dict()
        verdict = {"verdict": None, "reasons": []} if decision is None else decision.to_dict()
        accuracy = {"accuracy_new": result.accuracy} | figures
        print_json({"out": str(out), "card": card} | accuracy | verdict)
        return
    typer.echo(f"{out}: {result.model.serving_}, {len(result.rows.X.columns)} features")
    if result.learner != "linear":
        typer.echo("to load its trees, name their type with --trusted, as the error will say")
    if result.loaded is not None and result.rows.seen is None:
        typer.echo(
            "some of these rows may be the base model's own training rows, on which it looks "
            "better than it is; mark them with --seen"
        )
    if result.model.certificate_ is not None:
        typer.echo(result.model.certificate_)
    if comparison is not None:
        typer.echo(f"on test rows: {comparison}")
    elif result.accuracy is not None:
        typer.echo(f"accuracy {result.accuracy:.2%} on {len(result.parts.test):,} test rows")
    if decision is not None:
        typer.echo("the budget on these rows: ", nl=False)
        print_decision(decision)
