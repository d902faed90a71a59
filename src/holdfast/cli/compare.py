"""`holdfast compare BASE NEW`: compares two prediction tables, and decides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.checks import check_outputs, check_report
from holdfast.cli.options import JSON_OPTION, JUNIT_OPTION, REPORT_OPTION
from holdfast.cli.output import EXIT_CODES, print_json, progress, write_junit, write_report
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
    from holdfast.comparison.policy import Policy
    from holdfast.comparison.result import Comparison
    from holdfast.comparison.score_counts import ScoreCounts
    from holdfast.predictions.pairs import Pairs
    from holdfast.report.answers import AnswerFacts


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
    score: Annotated[
        str | None, typer.Option(help="Column with the probability of the positive class.")
    ] = None,
    new_score: Annotated[
        str | None, typer.Option(help="The same as --score, for the new model.")
    ] = None,
    positive: Annotated[str | None, REPORTED_POSITIVE_OPTION] = None,
    threshold: Annotated[float | None, THRESHOLD_OPTION] = None,
    new_threshold: Annotated[float | None, NEW_THRESHOLD_OPTION] = None,
    bands: Annotated[str | None, BANDS_OPTION] = None,
    answers: Annotated[str | None, ANSWERS_OPTION] = None,
    costs: Annotated[Path | None, COSTS_OPTION] = None,
    utility: Annotated[str | None, UTILITY_OPTION] = None,
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
    from holdfast.cli.compared import judged
    from holdfast.comparison.result import Comparison
    from holdfast.predictions.tables import open_pairs

    check_report(report)
    check_outputs(report, junit, inputs=[base, new, policy, costs, utility])
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
    if limits is not None and limits.group_limits and not group:
        raise InvalidInputError(
            "the limit group_limits needs groups, got no --group; name a column of the tables"
        )
    rules = RuleOptions(None, threshold, positive, bands, answers, costs)
    worth = costs_named(utility)
    decides = rules != RuleOptions() or new_threshold is not None
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
            score=score,
            new_score=new_score,
            rule=(lambda known: rules.deciding_for(known, new_threshold)) if decides else None,
            by_position=by_position,
            group_measures=limits is not None and bool(limits.group_limits),
            memory_limit=memory_limit,
            temp_dir=temp_dir,
        ) as pairs,
    ):
        counted = pairs.counted()
        comparison = Comparison.from_counts(
            counted.pairs,
            confidence=_confidence(limits, confidence),
            max_group_churn=None if limits is None else limits.per_group,
        )
        facts = _answers(pairs, comparison, counted.scores, worth)
        if report is not None:
            from holdfast.report.rows import MOST_OF_ONE, worst_groups

            changed = pairs.changed(worst_groups(comparison), most_of_one=MOST_OF_ONE)
    found = judged(comparison, facts, limits)
    if report is not None and changed is not None:
        names = {"base": base.name, "new": (new or base).name}
        write_report(report, found.summary(changed, names))
    if junit is not None and found.decision is not None:
        write_junit(junit, found.decision, suite="holdfast compare")
    if as_json:
        print_json(found.to_dict())
    else:
        found.print()
    raise typer.Exit(0 if found.decision is None else EXIT_CODES[str(found.decision.verdict)])


def _answers(
    pairs: Pairs, comparison: Comparison, scores: ScoreCounts | None, costs: Any
) -> AnswerFacts:
    """Return how the models answer, and the comparison of their scores."""
    from holdfast.report.answers import AnswerFacts, costs_of

    pairing = pairs.pairing
    labels = comparison.counts.labels.tolist()
    compared = None
    if scores is not None:
        compared = pairs.score_comparison(scores, confidence=comparison.confidence)
    return AnswerFacts(
        rules=pairing.deciding.rules,
        positive=pairing.positive,
        costs=costs_of(pairing.bound.get("new"), labels) if costs is None else costs,
        scores=compared,
    )


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
