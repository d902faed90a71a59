"""`holdfast bench`: the experiments of the paper, and the same protocol on other data.

The commands in the order of their use:

- `run`: runs the trials of a suite that its store does not have yet
- `table`: shows the results of finished trials as tables
- `plot`: draws figures from finished trials, or writes a page with everything
- `merge`: writes several stores to one file
"""

from __future__ import annotations

import typer

from holdfast.cli.bench.merge import merge
from holdfast.cli.bench.plot import plot
from holdfast.cli.bench.run import run
from holdfast.cli.bench.table import table
from holdfast.cli.usage import PlainCommand

__all__ = ["bench"]

bench = typer.Typer(
    name="bench",
    help="Compare methods by experiment: run trials, then show their results.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for command in (run, table, plot, merge):
    bench.command(cls=PlainCommand)(command)
