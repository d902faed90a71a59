"""The command line. Each command has a file with its options, the order of its work and its output.

The commands in the order of `holdfast --help`:

- `demo`: the whole job on real data
- `compare`: compares two prediction tables, and decides
- `train`: trains a first release, or an update within a churn budget
- `predict`: writes a prediction table
- `gate`: compares two models of an MLflow registry, and moves the champion's alias
- `report`: renders a report again, without the data
- `plan`: the number of rows that a certificate needs
- `floor`: the churn between retrainings that differ only by chance
- `bench`: a folder with the commands of the benchmark

The files that commands share:

- `options`: options of several commands
- `checks`: checks of outputs, columns and numbers
- `rules`: options that name a decision rule
- `training_rows`: the rows of `train`, read and parted
- `trained`: what `train` has trained, measured and printed
- `learners`: learners by name
- `features`: the features that a model takes from a table, in the types that it was trained on
- `output`: prints results, and writes reports
- `usage`: the usage line of every command
- `wording`: puts errors into the words of the command line
- `ending`: runs a command, and turns whatever ends it into an exit code and a message
"""

from __future__ import annotations

import io
import os
import sys

import typer
from typer.main import get_command

from holdfast.cli.bench import bench
from holdfast.cli.compare import compare
from holdfast.cli.demo import demo
from holdfast.cli.ending import exit_code_of
from holdfast.cli.floor import floor
from holdfast.cli.gate import gate
from holdfast.cli.output import say
from holdfast.cli.plan import plan
from holdfast.cli.predict import predict
from holdfast.cli.report import report
from holdfast.cli.train import train
from holdfast.cli.usage import PlainCommand

__all__ = ["app", "main"]

COMPLETION = "_HOLDFAST_COMPLETE"  # the variable by which a shell asks for completions

app = typer.Typer(
    name="holdfast",
    help="Update a classifier without needlessly changing its predictions (predictive churn).",
    epilog="Exit codes: 0 done or PROMOTE, 1 REJECT, 2 wrong use or bad input, 3 HOLD.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,  # square brackets in help texts are not mark-up
    pretty_exceptions_enable=False,
)
for command in (demo, compare, train, predict, gate, report, plan, floor):
    app.command(cls=PlainCommand)(command)


def _show_version(value: bool) -> None:
    if value:
        from holdfast.common.version import __version__

        say(f"holdfast {__version__}")
        raise typer.Exit


app.add_typer(bench)


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
    debug: bool = typer.Option(
        False, "--debug", help="Show where an error happened; it may stand anywhere."
    ),
) -> None:
    pass  # `exit_code_of` has taken --debug before


def main() -> None:
    """Run the command line; whatever goes wrong is one readable message and exit code 2."""
    _set_environment()
    sys.exit(exit_code_of(get_command(app), sys.argv[1:]))


def _set_environment() -> None:
    """Take Click's spelling of a request for completions, and make output possible anywhere."""
    shell, _, instruction = os.environ.get(COMPLETION, "").partition("_")
    if instruction in ("source", "complete"):  # bash_source, where Typer has source_bash
        os.environ[COMPLETION] = f"{instruction}_{shell}"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for stream in (sys.stdout, sys.stderr):  # a terminal may not have every character
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
