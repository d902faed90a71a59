"""`holdfast train DATA`: trains a first release, or an update within a churn budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.checks import (
    check_outputs,
    check_report,
    check_seed_and_jobs,
    explained,
)
from holdfast.cli.learners import make_learner
from holdfast.cli.options import (
    FORMER_TRUSTED_OPTION,
    JSON_OPTION,
    REPORT_OPTION,
    TRUST_FILE_OPTION,
    TRUST_TYPE_OPTION,
    trusted_by,
)
from holdfast.cli.output import progress, write_report
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
from holdfast.cli.trained import Trained, print_trained
from holdfast.cli.training_rows import part, split_rows, traffic_of, training_table
from holdfast.exceptions import InvalidInputError


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
    max_weight: Annotated[
        float | None,
        typer.Option(help="What no weight exceeds, also of rows not seen; for --confidence."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of splits and learners.")] = 0,
    jobs: Annotated[int, typer.Option(help="Number of candidates that are fitted at once.")] = 1,
    trust_type: Annotated[list[str] | None, TRUST_TYPE_OPTION] = None,
    trust_file: Annotated[list[str] | None, TRUST_FILE_OPTION] = None,
    trusted: Annotated[list[str] | None, FORMER_TRUSTED_OPTION] = None,
    report: Annotated[Path | None, REPORT_OPTION] = None,
    floor: Annotated[
        int,
        typer.Option(
            help="Number of retrainings that measure the churn floor for the report; 0 for none."
        ),
    ] = 3,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 whatever the verdict is.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Train a model; with a base model, keep the update within a churn budget.

    With a budget and test rows, the exit code is 0 for PROMOTE, 1 for REJECT and 3 for HOLD. The
    model is written in each case.
    """
    from holdfast import LowChurnClassifier
    from holdfast.models.files import save_model
    from holdfast.models.loading import load_model

    trust = trusted_by(trust_type, trust_file, trusted)
    check_report(report)
    check_seed_and_jobs(seed, jobs)
    check_outputs(out, report, inputs=[data, base, unlabeled, costs, utility])
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
    loaded = None if base is None else load_model(base, **trust)
    rows = training_table(data, target, drop or [], seen, weight, loaded)
    classes = sorted(set(rows.y.tolist()))
    parts = split_rows(rows, test_fraction, seed)
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
    traffic = traffic_of(unlabeled, rows)
    n_steps = 2 if report is None else 3
    started = f"step 1 of {n_steps}: training on {len(parts.train):,} rows"
    with progress(started), explained("training"):
        model.fit(
            rows.X.iloc[parts.train],
            rows.y[parts.train],
            sample_weight=part(rows.weight, parts.train),
            max_weight=max_weight,
            seen_by_base=part(rows.seen, parts.train),
            groups=rows.data.X.iloc[parts.train] if group_churn else None,
            X_unlabeled=traffic,
        )
    result = Trained(model, rows, parts, loaded, name, seed)
    with progress(f"step 2 of {n_steps}: measuring on {len(parts.test):,} test rows"):
        card, exit_code = result.card(), 0 if exit_zero else result.exit_code
    save_model(model.served_, out, card=card)
    if report is not None:
        with progress("step 3 of 3: measuring the churn floor"):
            write_report(report, result.summary(card, floor, jobs))
    print_trained(result, card, out, as_json=as_json)
    raise typer.Exit(exit_code)


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
