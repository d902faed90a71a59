"""The command line: one small file for each command."""

from __future__ import annotations

import sys

import typer

from holdfast.cli.bench import bench
from holdfast.cli.compare import compare
from holdfast.cli.demo import demo
from holdfast.cli.floor import floor
from holdfast.cli.gate import gate
from holdfast.cli.plan import plan
from holdfast.cli.predict import predict
from holdfast.cli.report import report
from holdfast.cli.train import train
from holdfast.exceptions import HoldfastError

__all__ = ["app", "main"]

EXIT_BAD_INPUT = 2

app = typer.Typer(
    name="holdfast",
    help="Update a classifier without needlessly changing its predictions (predictive churn).",
    epilog="Exit codes: 0 done or PROMOTE, 1 REJECT, 2 wrong use or bad input, 3 HOLD.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # square brackets in help texts are meant
    pretty_exceptions_enable=False,
)
for command in (demo, compare, train, predict, gate, report, plan, floor):
    app.command()(command)


def _show_version(value: bool) -> None:
    if value:
        from holdfast.common.version import __version__

        typer.echo(f"holdfast {__version__}")
        raise typer.Exit


app.add_typer(bench)


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line; bad input is one readable message and exit code 2."""
    try:
        app()
    except HoldfastError as error:
        typer.echo(f"holdfast: {error}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    except OSError as error:
        typer.echo(f"holdfast: {error.strerror or error} ({error.filename})", err=True)
        sys.exit(EXIT_BAD_INPUT)
