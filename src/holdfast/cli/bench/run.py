"""`holdfast bench run SUITE`: runs the trials that a store lacks, and keeps each finished one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.checks import check_store
from holdfast.cli.options import JSON_OPTION
from holdfast.cli.output import print_json, say
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from holdfast.bench.workers.runner import Report, Workers

SECONDS_BETWEEN_LINES = 60
LONGEST_TRIAL = 7 * 24 * 3600  # seconds; older trials are not used to estimate the time left
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def run(
    suite: Annotated[
        str,
        typer.Argument(
            help="Suite: openml, images, celeba, resnet, text, trees or stream; or a table; or a "
            "folder of Parquet files."
        ),
    ],
    store: Annotated[Path, typer.Option(help="Folder for finished trials.")] = Path("bench"),
    target: Annotated[
        str | None, typer.Option(help="Column with the label, if the suite is a table.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Data set of the suite; repeatable [default: all].")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            help="Network, e.g. fcn-1000 or convnet-1, or booster; repeatable [default: those "
            "of the suite]."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method: distill, anchor, …; repeatable [default: all]."),
    ] = None,
    runs: Annotated[
        int, typer.Option(help="Number of draws of each data set, for each network.")
    ] = 20,
    n_init: Annotated[
        int | None, typer.Option(help="Number of rows that train the base model.")
    ] = None,
    n_val: Annotated[int | None, typer.Option(help="Number of validation rows.")] = None,
    n_batch: Annotated[
        int | None, typer.Option(help="Number of further rows in each update.")
    ] = None,
    n_test: Annotated[
        int | None, typer.Option(help="Largest number of test rows; 0 for all.")
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Order of rows: random, or time for a stream of ten updates.")
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Number of trials at once on this machine; 0 for one on each core.")
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address of a running Ray cluster that runs the trials."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device of the networks: cpu, cuda, cuda:1, …")
    ] = "cpu",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Run the trials of a suite that its store does not have yet."""
    from holdfast.bench.store import Store
    from holdfast.bench.trials.suites import suite_of
    from holdfast.bench.workers.runner import run_suite
    from holdfast.common.parameters import check_count

    check_count("--runs", runs, hint="give e.g. 20")
    chosen = suite_of(suite, target=target).narrowed(
        datasets=dataset or [], networks=network or [], order=order
    )
    check_store(store, suite)
    chosen = chosen.sized(n_init=n_init, n_val=n_val, n_batch=n_batch, n_test=n_test)
    chosen.check_methods(method or [])
    chosen.check_device(device)
    working = _workers(workers, ray, device)
    opened = Store.open(store)
    with _progress() as (started, advanced):
        try:
            report = run_suite(
                chosen,
                opened,
                working,
                runs=runs,
                methods=method or [],
                device=device,
                started=started,
                advanced=advanced,
            )
        except KeyboardInterrupt:
            say("holdfast: interrupted; run the same command to continue", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
    _print(report, store, as_json=as_json)
    if report.failures:
        raise typer.Exit(EXIT_FAILED)


def _workers(n: int, address: str | None, device: str) -> Workers:
    from holdfast.common.parameters import check_count

    n = check_count("--workers", n, least=0, hint="give e.g. 2")
    if address is not None:
        if n:
            raise InvalidInputError(
                f"--workers must be left out with --ray, got {n}; the cluster has its own workers"
            )
        from holdfast.bench.workers.ray import RayWorkers

        return RayWorkers(address)
    import joblib

    from holdfast.bench.workers.local import LocalWorkers

    if device != "cpu":
        _check_device_exists(device)
    return LocalWorkers(n or (1 if device != "cpu" else joblib.cpu_count()))


def _check_device_exists(device: str) -> None:
    from holdfast.common.parameters import first_line, require

    torch = require("torch", extra="torch", purpose=f"--device {device}")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidInputError(
            f"--device must exist, got {device} ({first_line(error)}); leave it out, or install "
            "PyTorch for your GPU"
        ) from error


def _print(report: Report, store: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "finished": report.finished,
                "there": report.there,
                "left_out": report.left_out,
                "failures": report.failures,
                "store": str(store),
            }
        )
        return
    parts = [_trials(report.finished) + " finished"]
    parts += [f"{report.there:,} there already"] if report.there else []
    parts += [f"{report.left_out:,} not started"] if report.left_out else []
    say(f"{', '.join(parts)}; store: {store}")
    for what, why in report.failures.items():
        say(f"holdfast: {what}: {why}", err=True)
    if not report.failures:
        say(f"next: holdfast bench table {store}")


def _trials(n: int) -> str:
    return f"{n:,} trial{'' if n == 1 else 's'}"


class _Lines:
    """Reports the progress of a run without a terminal, with at most one line a minute."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.start = self.said = time.monotonic()

    def started(self, total: int) -> None:
        self.total = total
        self.start = time.monotonic()

    def advanced(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.said >= SECONDS_BETWEEN_LINES and self.done < self.total:
            self.said = now
            left = (now - self.start) / self.done * (self.total - self.done)
            minutes = max(round(left / 60), 1)
            say(
                f"{self.done:,} of {_trials(self.total)}, about {minutes // 60} h "
                f"{minutes % 60} min left",
                err=True,
            )


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Show the number of finished trials and the time left."""
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lines.started, lines.advanced
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (
        "trials",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, speed_estimate_period=LONGEST_TRIAL) as shown:
        task = shown.add_task("trials", total=None)
        yield (lambda total: shown.update(task, total=total)), (lambda: shown.advance(task))
