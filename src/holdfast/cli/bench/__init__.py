"""`holdfast bench`: the experiments of the paper, and the same protocol on one's own data."""

from __future__ import annotations

import typer

from holdfast.cli.bench.merge import merge
from holdfast.cli.bench.plot import plot
from holdfast.cli.bench.run import run
from holdfast.cli.bench.table import table

__all__ = ["bench"]

bench = typer.Typer(
    name="bench",
    help="Compare methods by experiment: run trials, then read tables and plots from their store.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for command in (run, table, plot, merge):
    bench.command()(command)
