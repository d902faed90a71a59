"""`holdfast bench table STORE`: shows the results of finished trials as tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.checks import check_outputs
from holdfast.cli.options import JSON_OPTION
from holdfast.cli.output import print_json, print_table, progress, say
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.bench.pages.formats import Table

SUFFIXES = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".txt": "text"}
WIDTH = 190  # without a terminal

StoreArgument = Annotated[
    list[Path], typer.Argument(help="Folders or files of finished trials.", show_default=False)
]
DatasetOption = Annotated[
    list[str] | None,
    typer.Option(help="Data set to include; repeatable [default: all].", show_default=False),
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option(help="Network to include; repeatable [default: all].", show_default=False),
]
MethodOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Method to include beside cold; repeatable [default: all].", show_default=False
    ),
]


def table(
    store: StoreArgument,
    dataset: DatasetOption = None,
    network: NetworkOption = None,
    method: MethodOption = None,
    measure: Annotated[
        str | None,
        typer.Option(
            help="Table: strict, honest, non_inferior, gain, wins, detail or all. As CSV, all is "
            "the same as detail [default: strict]."
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format: text, markdown, latex or csv [default: by the name of --out, or text].",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write instead of printing.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show the churn of each method at the accuracy of cold start.

    Only the methods that are shown compete, so --method decides which of them is best and wins.
    """
    from holdfast.bench.findings.summary import MEASURES, summarise
    from holdfast.bench.findings.wins import wins
    from holdfast.bench.pages.tables import FORMATS, TABLES, render, tables
    from holdfast.common.files import write_text
    from holdfast.common.parameters import check_choice

    for option, value in (("--measure", measure), ("--format", form)):
        if as_json and value is not None:
            raise InvalidInputError(
                f"{option} must be left out with --json, which prints every number, got {value}; "
                "leave one of them out"
            )
    measure = check_choice("--measure", measure or "strict", [*TABLES, "all"])
    form = check_choice("--format", form or _form_of(out), FORMATS)
    check_outputs(out, inputs=store)
    with progress("measuring"):
        results = read(store, dataset=dataset, network=network, method=method)
        summary = summarise(results)
        # A CSV file cannot hold tables of several shapes, but `detail` has all their numbers.
        wanted = "detail" if (form, measure) == ("csv", "all") else measure
        found = tables(summary, wanted)
    if out is not None:
        write_text(out, render(found, form))
    if as_json:
        print_json(summary.to_dict() | {"wins": {m: wins(summary, m).to_dict() for m in MEASURES}})
    elif out is None and form == "text":
        for each in found:
            _print(each)
    elif out is None:
        say(*render(found, form).split("\n"), end="")
    else:
        say(f"wrote {out}")


def read(
    store: list[Path],
    *,
    dataset: list[str] | None = None,
    network: list[str] | None = None,
    method: list[str] | None = None,
) -> pd.DataFrame:
    """Return the rows of stores that pass the filters."""
    from holdfast.bench.findings.summary import select
    from holdfast.bench.store import read_store

    return select(read_store(store), dataset=dataset, network=network, method=method)


def _form_of(out: Path | None) -> str:
    if out is None:
        return "text"
    if out.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(
            f"--out must end in one of {', '.join(SUFFIXES)}, or have --format beside it, got "
            f"{out.name!r}; name the file {out.with_suffix('.md').name!r}"
        )
    return SUFFIXES[out.suffix.lower()]


def _print(found: Table) -> None:
    """Print a table, in several parts if it is wider than the terminal."""
    from holdfast.bench.pages.tables import clean, text_rows

    typer.secho(found.title, bold=True)
    columns, rows = [clean(name) for name in found.columns], text_rows(found)
    widths = [
        max(map(len, (name, *cells))) + 3 for name, *cells in zip(columns, *rows, strict=True)
    ]
    for part in _parts(widths, found.n_labels):
        print_table([columns[i] for i in part], [[row[i] for i in part] for row in rows])
    say(found.note, "")


def _parts(widths: list[int], n_labels: int) -> list[list[int]]:
    """Return the columns of each part: the labels, and as many other columns as fit."""
    room = _width() - sum(widths[:n_labels])
    parts: list[list[int]] = []
    taken = room + 1
    for i in range(n_labels, len(widths)):
        if taken + widths[i] > room or not parts:
            parts.append(list(range(n_labels)))
            taken = 0
        parts[-1].append(i)
        taken += widths[i]
    return parts


def _width() -> int:
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH
