"""`holdfast report RESULT.json`: renders a report again, without the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.checks import check_outputs, check_report
from holdfast.cli.options import JSON_OPTION
from holdfast.cli.output import print_json, say, write_report


def report(
    result: Annotated[Path, typer.Argument(help="JSON file that --report FILE.json wrote.")],
    out: Annotated[Path, typer.Option(help="HTML page to write.")] = Path("report.html"),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Render a report from the JSON file that another command wrote."""
    from holdfast.report.saved import read_summary

    check_report(out, option="--out", page=True)
    check_outputs(out, inputs=[result])
    write_report(out, read_summary(result))
    if as_json:
        print_json({"out": str(out), "bytes": out.stat().st_size})
    else:
        say(f"report: {out}")
