"""`holdfast gate`: compares two models of an MLflow registry, and moves the champion's alias.

The comparison is logged as an MLflow run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.checks import check_columns, check_outputs, check_report, explained
from holdfast.cli.features import checked_features, warn_of_unseen
from holdfast.cli.options import (
    FORMER_TRUSTED_OPTION,
    JSON_OPTION,
    JUNIT_OPTION,
    REPORT_OPTION,
    TRUST_FILE_OPTION,
    TRUST_TYPE_OPTION,
    trusted_by,
)
from holdfast.cli.output import EXIT_CODES, print_json, progress, say, write_junit, write_report
from holdfast.cli.rules import (
    ANSWERS_OPTION,
    BANDS_OPTION,
    COSTS_OPTION,
    NEW_THRESHOLD_OPTION,
    REPORTED_POSITIVE_OPTION,
    THRESHOLD_OPTION,
    UTILITY_OPTION,
    RuleOptions,
    costs_named,
)
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.cli.compared import Compared
    from holdfast.comparison.policy import Decision, Policy
    from holdfast.gate.promotion import LoggedRun
    from holdfast.models.card import LoadedModel
    from holdfast.models.columns import Unseen
    from holdfast.models.mlflow.address import ModelAddress
    from holdfast.predictions.pairs import PredictionPair
    from holdfast.report.answers import AnswerFacts

ROLES = ("champion", "candidate")


def gate(
    champion: Annotated[
        str,
        typer.Option(
            help="Address of the deployed model, e.g. models:/fraud@champion.", metavar="ADDRESS"
        ),
    ],
    candidate: Annotated[
        str,
        typer.Option(
            help="Address of its successor, e.g. runs:/ID/model or models:/fraud/3.",
            metavar="ADDRESS",
        ),
    ],
    data: Annotated[Path, typer.Option(help="Rows to predict: a Parquet, CSV or Arrow file.")],
    policy: Annotated[Path, typer.Option(help="TOML file with the limits.")],
    target: Annotated[
        str | None,
        typer.Option(help="Column with the truth [default: the target of the models, or label]."),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Column whose groups are reported; repeatable.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column with row weights.")] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column that names the rows in the report.")
    ] = None,
    positive: Annotated[str | None, REPORTED_POSITIVE_OPTION] = None,
    threshold: Annotated[float | None, THRESHOLD_OPTION] = None,
    new_threshold: Annotated[float | None, NEW_THRESHOLD_OPTION] = None,
    bands: Annotated[str | None, BANDS_OPTION] = None,
    answers: Annotated[str | None, ANSWERS_OPTION] = None,
    costs: Annotated[Path | None, COSTS_OPTION] = None,
    utility: Annotated[str | None, UTILITY_OPTION] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Move the champion's alias if the verdict is PROMOTE.")
    ] = False,
    experiment: Annotated[
        str | None,
        typer.Option(help="Experiment to log to [default: that of the candidate's run]."),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="MLflow server or sqlite:///FILE [default: MLFLOW_TRACKING_URI]."),
    ] = None,
    trust_type: Annotated[list[str] | None, TRUST_TYPE_OPTION] = None,
    trust_file: Annotated[list[str] | None, TRUST_FILE_OPTION] = None,
    trusted: Annotated[list[str] | None, FORMER_TRUSTED_OPTION] = None,
    report: Annotated[Path | None, REPORT_OPTION] = None,
    junit: Annotated[Path | None, JUNIT_OPTION] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Compare a candidate with the champion in an MLflow registry, and promote it on request.

    The exit code is 0 for PROMOTE, 1 for REJECT, 3 for HOLD, and 2 if something went wrong.
    """
    from holdfast import registry
    from holdfast.comparison.policy import policy_content, policy_of
    from holdfast.gate import promotion
    from holdfast.gate.answering import answering_of, classes_of
    from holdfast.tables.reading import read_table

    trust = trusted_by(trust_type, trust_file, trusted)
    check_report(report)
    check_outputs(report, junit, inputs=[data, policy, costs, utility])
    rules = RuleOptions(None, threshold, positive, bands, answers, costs)
    worth = costs_named(utility)
    content = policy_content(policy)
    limits = policy_of(content, policy)
    table = read_table(data)
    if (limits.per_group is not None or limits.group_limits) and not group:
        name = "group_limits" if limits.group_limits else "per_group"
        raise InvalidInputError(
            f"the limit {name} needs groups, got no --group; name a column of the data"
        )
    columns = [*([target] if target else []), *(group or []), *([weight] if weight else [])]
    check_columns([*columns, *([id_column] if id_column else [])], table)
    with registry.session(tracking_uri):
        old, new = registry.resolve(champion), registry.resolve(candidate)
        _check_addresses(old, new, promote=promote)
        promotion.check_experiment(new, experiment)
        with progress("loading and predicting"):
            models = [registry.load_registered(at, **trust) for at in (old, new)]
            truth = target or _target(models, table)
            _check_limits(limits, truth)
            pair, unseen = _predicted(models, table, data, truth)
        pair = _with_columns(pair, table, group=group or [], weight=weight, id_column=id_column)
        deciding = rules.deciding_for(classes_of(pair), new_threshold)
        pair, answering = answering_of(pair, models, deciding, worth, limits.confidence)
        gated = _judged(pair, unseen, answering, limits, data, old, new)
        if report is not None:
            write_report(report, gated.summary())
        if junit is not None:
            write_junit(junit, gated.decision, suite="holdfast gate")
        if not as_json:
            for name, values in unseen.items():
                warn_of_unseen(values, f"the {name}")
            gated.found.print()
        run = gated.log(content.decode("utf-8"), experiment)
        if not as_json:
            say(f"logged as run {run.name!r} of experiment {run.experiment!r}")
        version = None
        if promote and str(gated.decision.verdict) == "PROMOTE":
            version = promotion.promote(old, new, run_id=run.run_id)
    if as_json:
        print_json(gated.to_dict(run, version))
    elif version is not None:
        say(f"{old.name}@{old.alias}: version {old.version} -> {version}")
    elif promote:
        say(f"{old.name}@{old.alias} stays at version {old.version}")
    raise typer.Exit(EXIT_CODES[str(gated.decision.verdict)])


def _check_addresses(old: ModelAddress, new: ModelAddress, *, promote: bool) -> None:
    from holdfast.gate.promotion import check_promotable

    if old.source == new.source:
        raise InvalidInputError(
            f"--champion and --candidate must be two models, got {old.address} and {new.address}, "
            "which are the same; name the model that is to replace the champion"
        )
    if promote:
        check_promotable(old, new)


def _target(models: list[LoadedModel], table: pd.DataFrame) -> str | None:
    """Return the column with the truth: the target in a model's card (the candidate's first)."""
    named = [loaded.card.get("target") for loaded in reversed(models)]
    return next((name for name in [*named, "label"] if name in table.columns), None)


def _check_limits(limits: Policy, truth: str | None) -> None:
    if truth is None and (limits.max_negative_flips is not None or limits.min_gain is not None):
        raise InvalidInputError(
            "the limits max_negative_flips and min_gain need labels, got data without labels; name "
            "their column with --target"
        )


def _predicted(
    models: list[LoadedModel], table: pd.DataFrame, data: Path, truth: str | None
) -> tuple[PredictionPair, dict[str, dict[str, Unseen]]]:
    """Return the predictions of both models, and what each of them was not trained on."""
    from holdfast.gate.predict import predict_both, with_known_classes

    y = None if truth is None else table[truth].to_numpy()
    base, new = (loaded.model for loaded in models)
    base = with_known_classes(base, new, y, name="the champion")
    new = with_known_classes(new, base, y, name="the candidate")
    old_rows, new_rows = (
        checked_features(model, loaded.card, table, data, name=f"the {name}")
        for name, model, loaded in zip(ROLES, (base, new), models, strict=True)
    )
    with explained("predicting"):
        pair = predict_both(base, new, old_rows.X, new_rows.X, y)
    return pair, dict(zip(ROLES, (old_rows.unseen, new_rows.unseen), strict=True))


def _with_columns(
    pair: PredictionPair,
    table: pd.DataFrame,
    *,
    group: list[str],
    weight: str | None,
    id_column: str | None,
) -> PredictionPair:
    return replace(
        pair,
        groups={name: table[name].to_numpy() for name in group},
        sample_weight=None if weight is None else table[weight].to_numpy(),
        ids=None if id_column is None else table[id_column].to_numpy(),
    )


def _judged(
    pair: PredictionPair,
    unseen: dict[str, dict[str, Unseen]],
    answering: AnswerFacts,
    limits: Policy,
    data: Path,
    old: ModelAddress,
    new: ModelAddress,
) -> _Gated:
    from holdfast.cli.compared import judged
    from holdfast.comparison.compare import compare

    comparison = compare(
        pair.base,
        pair.new,
        pair.y,
        base_pred=pair.base_pred,
        new_pred=pair.new_pred,
        groups=pair.groups or None,
        sample_weight=pair.sample_weight,
        classes=pair.classes,
        confidence=limits.confidence,
        max_group_churn=limits.per_group,
        group_measures=bool(limits.group_limits),
    )
    return _Gated(pair, unseen, judged(comparison, answering, limits), limits, data, old, new)


@dataclass(frozen=True, eq=False)
class _Gated:
    """A comparison of two registered models, with its verdict."""

    pair: PredictionPair
    unseen: dict[str, dict[str, Unseen]]
    found: Compared
    limits: Policy
    data: Path
    champion: ModelAddress
    candidate: ModelAddress

    @property
    def decision(self) -> Decision:
        """The verdict; a gate always has limits."""
        assert self.found.decision is not None
        return self.found.decision

    def facts(self) -> dict[str, Any]:
        """Return the addresses and versions of both models, and the name of the data."""
        return {
            "champion": self.champion.address,
            "champion_version": self.champion.version,
            "candidate": self.candidate.address,
            "candidate_version": self.candidate.version,
            "data": self.data.name,
        }

    def summary(self) -> dict[str, Any]:
        return self.found.summary(self.pair, self.facts())

    def log(self, policy: str, experiment: str | None) -> LoggedRun:
        """Log the figures, the verdict, the report and the policy."""
        import json
        from dataclasses import asdict

        from holdfast.gate.predict import figures
        from holdfast.gate.promotion import log_run
        from holdfast.render.page import render_page

        rule = self.found.answers.rule_text()
        known = self.facts() | asdict(self.limits) | {"rule": rule}
        content = self.found.to_dict()
        return log_run(
            self.candidate,
            name=f"gate of {self.champion}",
            metrics=figures(self.found.comparison),
            params={name: str(value) for name, value in known.items() if value is not None},
            tags={"holdfast.verdict": str(self.decision.verdict)},
            files={
                "report.html": render_page(self.summary()),
                "comparison.json": json.dumps(content, indent=2, ensure_ascii=False),
                "policy.toml": policy,
            },
            experiment=experiment,
        )

    def to_dict(self, run: LoggedRun, version: str | None) -> dict[str, Any]:
        """Return the values that --json prints."""
        from holdfast.common.plain import plain

        logged = {
            "run_id": run.run_id,
            "experiment": run.experiment,
            "promoted_version": version,
            "unseen": plain(self.unseen),
        }
        return self.found.to_dict() | self.facts() | logged
