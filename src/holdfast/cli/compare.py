"""`holdfast compare BASE NEW`: compares two prediction tables, and decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.checks import check_outputs, check_report
from holdfast.cli.options import JSON_OPTION, JUNIT_OPTION, REPORT_OPTION
from holdfast.cli.output import (
    EXIT_CODES,
    print_comparison,
    print_decision,
    print_json,
    progress,
    summary_of,
    write_junit,
    write_report,
)
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from holdfast.comparison.policy import Policy


def compare(
    base: Annotated[
        Path,
        typer.Argument(
            help="Predictions of the base model: a Parquet, CSV or Arrow file, a folder, or a "
            "pattern."
        ),
    ],
    new: Annotated[
        Path | None,
        typer.Argument(
            help="Predictions of the new model [default: the same table, in the column that "
            "--new-prediction names]."
        ),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", help="Column by which the two tables are joined.")
    ] = None,
    by_position: Annotated[
        bool,
        typer.Option(
            "--by-position",
            help="Pair rows by their position, although columns of both files differ.",
        ),
    ] = False,
    label: Annotated[
        str | None, typer.Option(help="Column with the truth [default: label, if there is one].")
    ] = None,
    prediction: Annotated[
        str, typer.Option(help="Column with the predicted class.")
    ] = "prediction",
    proba_prefix: Annotated[
        str, typer.Option(help="Start of the names of probability columns.")
    ] = "proba_",
    new_prediction: Annotated[
        str | None, typer.Option(help="The same as --prediction, for the new model.")
    ] = None,
    new_proba_prefix: Annotated[
        str | None, typer.Option(help="The same as --proba-prefix, for the new model.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Column whose groups are reported; repeatable.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column with row weights.")] = None,
    max_churn: Annotated[
        float | None, typer.Option(help="Largest share of answers that may change.")
    ] = None,
    max_negative_flips: Annotated[
        float | None, typer.Option(help="Largest share of answers that may go from right to wrong.")
    ] = None,
    min_gain: Annotated[
        float | None,
        typer.Option(help="Least accuracy gain; -0.005 means at most half a point worse."),
    ] = None,
    per_group: Annotated[
        float | None, typer.Option(help="Largest churn within each group.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Confidence level of the intervals [default: 0.95].")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="TOML file with these limits; options take precedence over it."),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(help="Memory that reading, joining and counting may use, e.g. 512MB."),
    ] = None,
    temp_dir: Annotated[
        Path | None, typer.Option(help="Folder for temporary files that do not fit into memory.")
    ] = None,
    report: Annotated[Path | None, REPORT_OPTION] = None,
    junit: Annotated[Path | None, JUNIT_OPTION] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Compare the predictions of two models and say whether to promote the new one.

    With limits, the exit code is 0 for PROMOTE, 1 for REJECT and 3 for HOLD.
    """
    from holdfast.comparison.result import Comparison
    from holdfast.predictions.tables import open_pairs

    check_report(report)
    check_outputs(report, junit, inputs=[base, new, policy])
    limits = _policy(
        policy,
        max_churn=max_churn,
        max_negative_flips=max_negative_flips,
        min_gain=min_gain,
        per_group=per_group,
        confidence=confidence,
    )
    if junit is not None and limits is None:
        raise InvalidInputError(
            "--junit must be given with limits, got none; give --policy, or e.g. --max-churn"
        )
    changed = None
    with (
        progress("comparing"),
        open_pairs(
            base,
            new,
            id=id_column,
            label=label,
            prediction=prediction,
            new_prediction=new_prediction,
            proba_prefix=proba_prefix,
            new_proba_prefix=new_proba_prefix,
            groups=tuple(group or ()),
            weight=weight,
            by_position=by_position,
            memory_limit=memory_limit,
            temp_dir=temp_dir,
        ) as pairs,
    ):
        comparison = Comparison.from_counts(
            pairs.counts(),
            confidence=_confidence(limits, confidence),
            max_group_churn=None if limits is None else limits.per_group,
        )
        if report is not None:
            from holdfast.report.rows import MOST_OF_ONE, worst_groups

            changed = pairs.changed(worst_groups(comparison), most_of_one=MOST_OF_ONE)
    decision = None if limits is None else limits.decide(comparison)
    if report is not None and changed is not None:
        facts = {"base": base.name, "new": (new or base).name}
        write_report(report, summary_of(changed, comparison, decision, facts=facts))
    if junit is not None and decision is not None:
        write_junit(junit, decision, suite="holdfast compare")
    if as_json:
        verdict: dict[str, Any] = {"verdict": None, "reasons": [], "checks": []}
        print_json(comparison.to_dict() | (decision.to_dict() if decision else verdict))
    else:
        print_comparison(comparison)
        if decision is not None:
            print_decision(decision)
    raise typer.Exit(0 if decision is None else EXIT_CODES[str(decision.verdict)])


def _policy(path: Path | None, **flags: float | None) -> Policy | None:
    """Return the limits, or None without any; flags take precedence over the file."""
    from dataclasses import replace

    from holdfast.comparison.policy import Policy

    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    if path is None and not set(given) - {"confidence"}:
        return None
    policy = replace(Policy.from_toml(path), **given) if path else Policy(**given)
    policy.check()
    return policy


def _confidence(policy: Policy | None, flag: float | None) -> float:
    if policy is not None:
        return policy.confidence
    return 0.95 if flag is None else flag
