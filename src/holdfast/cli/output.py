"""What several commands share: output for people and machines, progress, models and learners."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from holdfast.exceptions import HoldfastError, InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.comparison.policy import Decision
    from holdfast.comparison.result import Comparison
    from holdfast.predictions.tables import PredictionPair

__all__ = [
    "EXIT_CODES",
    "JSON_OPTION",
    "JUNIT_OPTION",
    "REPORT_OPTION",
    "TRUSTED_OPTION",
    "check_columns",
    "check_outputs",
    "check_report",
    "check_seed_and_jobs",
    "explained",
    "features_of",
    "make_learner",
    "percent",
    "print_comparison",
    "print_decision",
    "print_json",
    "print_table",
    "progress",
    "summary_of",
    "write_junit",
    "write_report",
]

EXIT_CODES = {"PROMOTE": 0, "REJECT": 1, "HOLD": 3}

JSON_OPTION = typer.Option("--json", help="Print one JSON object, for machines.")
TRUSTED_OPTION = typer.Option(
    "--trusted",
    metavar="NAME",
    help="Type inside a model file to trust, or the name of a pickle to trust; repeatable.",
)

JUNIT_OPTION = typer.Option(
    "--junit", metavar="FILE", help="Checks of the policy to write as JUnit XML, for CI."
)

MAX_GROUPS_SHOWN = 20
REPORT_OPTION = typer.Option(
    help="Report to write: .html, or .json for `holdfast report` to render later."
)

LEARNERS = ("linear", "trees", "forest")


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def print_comparison(comparison: Comparison) -> None:
    """Print what was measured, and the groups of highest churn."""
    typer.echo(str(comparison))
    if not comparison.groups:
        return
    worst = sorted(comparison.groups, key=lambda group: -group.churn_rate)[:MAX_GROUPS_SHOWN]
    print_table(
        ["group", "rows", "churn", "negative flips", "accuracy gain", "status"],
        [
            [
                group.name,
                f"{group.n:,}",
                percent(group.churn_rate, group.churn_rate_interval),
                percent(group.negative_flip_rate),
                percent(group.accuracy_gain),
                group.status or "–",
            ]
            for group in worst
        ],
    )
    if len(comparison.groups) > len(worst):
        typer.echo(f"{len(comparison.groups) - len(worst)} groups of lower churn are not shown")


def print_decision(decision: Decision) -> None:
    """Print the verdict and its reasons."""
    colour = {"PROMOTE": "green", "REJECT": "red", "HOLD": "yellow"}[str(decision.verdict)]
    typer.secho(str(decision.verdict), fg=colour, bold=True)
    for reason in decision.reasons:
        typer.echo(f"  - {reason}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a readable table; numbers are text already."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    # Without a terminal the width is unknown; a pipe or a log takes lines of any length.
    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Return a share as text, with its interval."""
    if value is None:
        return "–"
    text = f"{value:.2%}"
    return text if interval is None else f"{text} ({interval[0]:.2%} to {interval[1]:.2%})"


@contextmanager
def progress(message: str) -> Iterator[None]:
    """Show that work goes on, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(message):
        yield


def write_report(path: Path, summary: dict[str, Any]) -> None:
    """Write the report: an HTML page, or its summary as JSON."""
    from holdfast.common.files import write_text
    from holdfast.render.page import render_page
    from holdfast.report.saved import to_json

    as_json = path.suffix.lower() == ".json"
    write_text(path, to_json(summary) if as_json else render_page(summary))


def summary_of(
    pair: PredictionPair,
    comparison: Comparison,
    decision: Decision | None,
    *,
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Return what the report on a comparison shows, with rows of `pair`, which may be a sample."""
    from holdfast.report.summarise import summarise_comparison

    some = len(pair.base) > 0
    return summarise_comparison(
        comparison,
        decision=decision,
        base=pair.base if some else None,
        new=pair.new if some else None,
        classes=pair.classes,
        y=pair.y,
        ids=pair.ids,
        groups=pair.groups,
        facts=facts | {"rows": comparison.n},
    )


def write_junit(path: Path, decision: Decision, *, suite: str) -> None:
    """Write the checks of a decision as JUnit XML."""
    from holdfast.common.files import write_text
    from holdfast.render.junit import render_junit

    write_text(path, render_junit(decision.to_dict(), suite=suite))


def check_outputs(*outputs: Path | None, inputs: Sequence[Path | None] = ()) -> None:
    """Raise before any work when an output could not be written, or would destroy another file."""
    taken = [path.resolve() for path in inputs if path is not None]
    for path in outputs:
        if path is None:
            continue
        if path.exists() and not path.is_file():
            raise InvalidInputError(
                f"{path} must be a file to write, got another kind; name a file"
            )
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise InvalidInputError(
                f"{path} must be in an existing folder that can be written to; create {path.parent}"
            )
        if path.resolve() in taken or (path.exists() and any(map(path.samefile, _there(taken)))):
            raise InvalidInputError(
                f"{path} must be a file of its own, got one that is read or written already; "
                "name another output"
            )
        taken.append(path.resolve())


def _there(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def check_report(path: Path | None, *, option: str = "--report", page: bool = False) -> None:
    """Raise unless a report's name says that it is HTML, or JSON where it need not be a page."""
    allowed = (".html", ".htm") if page else (".html", ".htm", ".json")
    if path is not None and path.suffix.lower() not in allowed:
        raise InvalidInputError(
            f"{option} must end in .html{'' if page else ' or .json'}, got {path.name!r}; name the "
            f"file {path.with_suffix('.html').name!r}"
        )


def check_seed_and_jobs(seed: int, jobs: int) -> None:
    """Raise for numbers that no generator or worker pool takes."""
    if not 0 <= seed < 2**32:
        raise InvalidInputError(f"--seed must be in [0, 4294967295], got {seed}; e.g. 0")
    if jobs == 0:
        raise InvalidInputError("--jobs must be at least 1, or -1 for every core, got 0")


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turn what a model says of unsuitable values into one readable message."""
    try:
        yield
    except HoldfastError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise InvalidInputError(
            f"the data must suit the model for {task}, got: {reason}; check the types of the "
            "columns, and missing and infinite values"
        ) from error


def make_learner(name: str, X: pd.DataFrame, seed: int) -> Any:
    """Return an unfitted pipeline of preprocessing and classifier.

    Parameters
    ----------
    name : {"linear", "trees", "forest"}
    X : DataFrame
        Tells numeric from categorical columns.
    seed : int
    """
    from sklearn.pipeline import make_pipeline

    from holdfast.common.arrays import check_choice
    from holdfast.preprocessing import preprocessor

    check_choice("--learner", name, LEARNERS)
    if name == "linear":
        from sklearn.linear_model import LogisticRegression

        return make_pipeline(preprocessor(X, kind="linear"), LogisticRegression(max_iter=1000))
    if name == "forest":
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(min_samples_leaf=5, random_state=seed)
        return make_pipeline(preprocessor(X, kind="linear"), forest)
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosted = HistGradientBoostingClassifier(random_state=seed)
    return make_pipeline(preprocessor(X, kind="trees"), boosted)


def check_columns(names: Sequence[str], table: pd.DataFrame) -> None:
    """Raise unless `table` has each of the columns that the user named."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InvalidInputError(
            f"the data must have the column {missing[0]!r}, got "
            f"{', '.join(map(str, table.columns[:20]))}; correct the name"
        )


def features_of(
    model: Any, card: dict[str, Any], table: pd.DataFrame, named: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the columns that the user names, else those that the model was trained on."""
    features = list(named) or card.get("features")
    if features is None:
        features = list(getattr(model, "feature_names_in_", []))
    if not features:
        raise InvalidInputError(
            f"the model must know the names of its features, got a {type(model).__name__} without; "
            "name them with --feature, in its order, or train it on a data frame"
        )
    missing = [name for name in features if name not in table.columns]
    if missing:
        raise InvalidInputError(
            "the data must have the columns that the model was trained on, got a table without "
            f"{', '.join(map(repr, missing[:10]))}; it has {', '.join(table.columns[:20])}"
        )
    return table[list(features)]
