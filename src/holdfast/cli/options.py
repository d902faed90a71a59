"""Options of several commands."""

from __future__ import annotations

import typer

__all__ = ["JSON_OPTION", "JUNIT_OPTION", "REPORT_OPTION", "TRUSTED_OPTION"]

JSON_OPTION = typer.Option("--json", help="Print one JSON object, for programs.")

TRUSTED_OPTION = typer.Option(
    "--trusted",
    metavar="NAME",
    help="Type inside a model file to trust, or name of a pickle to trust; repeatable.",
)

JUNIT_OPTION = typer.Option(
    "--junit", metavar="FILE", help="JUnit XML file to write, with the checks of the policy."
)

REPORT_OPTION = typer.Option(
    help="Report to write: .html, or .json for `holdfast report` to render later."
)
