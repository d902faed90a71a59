"""Prints results, and writes reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from holdfast.render.texts import visible, visible_json

if TYPE_CHECKING:
    from holdfast.comparison.policy import Decision
    from holdfast.comparison.result import Comparison
    from holdfast.predictions.pairs import PredictionPair
    from holdfast.report.answers import AnswerFacts

__all__ = [
    "EXIT_CODES",
    "percent",
    "print_comparison",
    "print_decision",
    "print_json",
    "print_table",
    "progress",
    "say",
    "summary_of",
    "write_junit",
    "write_report",
]

EXIT_CODES = {"PROMOTE": 0, "REJECT": 1, "HOLD": 3}
MAX_GROUPS_SHOWN = 20
WIDTH_WITHOUT_TERMINAL = 200  # of a pipe or a log, whose lines may be of any length


def say(*lines: str, err: bool = False, end: str = "\n") -> None:
    """Print lines of text; nothing in them can end a line, forge another, or colour it."""
    if lines:
        typer.echo("\n".join(map(visible, lines)) + end, err=err, nl=False)


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object on standard output.

    What `visible` escapes in text is escaped here too, in JSON's own way, so that no value changes.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    typer.echo(visible_json(text))


def print_comparison(comparison: Comparison) -> None:
    """Print the statistics of a comparison, and its groups of highest churn."""
    say(*str(comparison).split("\n"))
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
        say(f"{len(comparison.groups) - len(worst)} groups of lower churn are not shown")


def print_decision(decision: Decision) -> None:
    """Print the verdict and its reasons."""
    colour = {"PROMOTE": "green", "REJECT": "red", "HOLD": "yellow"}[str(decision.verdict)]
    typer.secho(str(decision.verdict), fg=colour, bold=True)
    say(*(f"  - {reason}" for reason in decision.reasons))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a readable table, of which every cell is text.

    On a terminal, rich makes it fit. A pipe or a log takes plain lines, which need no rich.
    """
    columns, *rows = (list(map(visible, row)) for row in (columns, *rows))
    lines = _lines([columns, *rows])
    if not sys.stdout.isatty() and all(map(_is_plain, lines)):
        say(*lines)
    else:
        _print_fitted(columns, rows)


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first row is the header, as rich would draw them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "─" * len("   ".join("x" * width for width in widths))
    blank = " " * len(rule)
    header, *others = (
        "   ".join(
            cell.rstrip().rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return [f" {line} " for line in (blank, header, rule, *others, blank)]


def _is_plain(line: str) -> bool:
    """Return whether each character takes one place, and the line is not cut by rich."""
    narrow = all(character < "\u0300" or character in "─–" for character in line)
    return narrow and line.isprintable() and len(line) <= WIDTH_WITHOUT_TERMINAL


def _print_fitted(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    # Names are data: nothing in them is markup or the name of an emoji.
    Console(width=width, markup=False, emoji=False).print(table)


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Return a share in percent, with its interval if one is given."""
    if value is None:
        return "–"
    text = f"{value:.2%}"
    return text if interval is None else f"{text} ({interval[0]:.2%} to {interval[1]:.2%})"


@contextmanager
def progress(message: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is done, and for how long; the yielded function names a new step."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), text, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(message, total=None)
        yield lambda step: shown.update(task, description=step)


def write_report(path: Path, summary: dict[str, Any]) -> None:
    """Write a report as an HTML page, or as JSON if the file ends in .json."""
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
    answering: AnswerFacts | None = None,
) -> dict[str, Any]:
    """Return the summary of a comparison, with the rows of `pair`, which may be a sample."""
    from holdfast.report.summarise import summarise_comparison

    has_rows = len(pair.base) > 0
    return summarise_comparison(
        comparison,
        decision=decision,
        base=pair.base if has_rows else None,
        new=pair.new if has_rows else None,
        answers=pair.answers if has_rows else None,
        classes=pair.classes,
        y=pair.y,
        ids=pair.ids,
        groups=pair.groups,
        facts=facts | {"rows": comparison.n},
        answering=answering,
    )


def write_junit(path: Path, decision: Decision, *, suite: str) -> None:
    """Write the checks of a decision as JUnit XML."""
    from holdfast.common.files import write_text
    from holdfast.render.junit import render_junit

    write_text(path, render_junit(decision.to_dict(), suite=suite))
