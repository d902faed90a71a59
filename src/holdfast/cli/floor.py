"""`holdfast floor DATA`: measures the churn between retrainings that differ only by chance."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.checks import check_columns, check_seed_and_jobs, explained
from holdfast.cli.learners import make_learner
from holdfast.cli.options import JSON_OPTION
from holdfast.cli.output import print_json, progress, say


def floor(
    data: Annotated[
        str, typer.Argument(help="Data: a Parquet, CSV or Arrow file, or the name of a data set.")
    ],
    target: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    learner: Annotated[str, typer.Option(help="Learner: linear, trees or forest.")] = "linear",
    vary: Annotated[
        str, typer.Option(help="Source of chance: seed, or bootstrap (rows and seed).")
    ] = "bootstrap",
    models: Annotated[int, typer.Option(help="Number of retrainings.")] = 5,
    drop: Annotated[
        list[str] | None,
        typer.Option(help="Column to leave out of the features, e.g. an id; repeatable."),
    ] = None,
    test_fraction: Annotated[
        float, typer.Option(help="Share of rows held out to compare the retrainings.")
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(help="Random seed of the split, the draws and the retrainings.")
    ] = 0,
    jobs: Annotated[int, typer.Option(help="Number of fits at once.")] = 1,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Measure the churn that is only noise, between plain retrainings on the same data."""
    from holdfast.datasets.loading import load
    from holdfast.models.columns import refuse_dates
    from holdfast.update.floor import churn_floor

    check_seed_and_jobs(seed, jobs)
    loaded = load(data, target=target)
    check_columns(drop or [], loaded.X)
    X = loaded.X.drop(columns=drop or [])
    if not loaded.text and (loaded.numeric or loaded.categorical):
        refuse_dates(X)
    with progress(f"training {models} times"), explained("training"):
        measured = churn_floor(
            make_learner(learner, X, seed),
            X,
            loaded.y,
            vary=vary,
            n_models=models,
            test_fraction=test_fraction,
            n_jobs=jobs,
            random_state=seed,
        )
    if as_json:
        facts = measured.to_dict()
        print_json({"data": loaded.name, "churn_floor": facts.pop("churn_rate")} | facts)
    else:
        say(str(measured))
