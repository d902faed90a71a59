"""`holdfast bench run SUITE`: run what is missing of a suite, keep every finished trial."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli._shared import JSON_OPTION, print_json
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from holdfast.bench.runner import Report, Workers

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def run(
    suite: Annotated[
        str,
        typer.Argument(
            help="openml, images, celeba, resnet, text, trees or stream; a table; or a folder of "
            "Parquet files."
        ),
    ],
    store: Annotated[Path, typer.Option(help="Folder of the finished trials.")] = Path("bench"),
    target: Annotated[str | None, typer.Option(help="Column with the label, of a table.")] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this set of the suite; repeatable.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(help="fcn-1000, convnet-1, …, or a booster; repeatable."),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="distill, anchor, …; repeatable [default: all].")
    ] = None,
    runs: Annotated[int, typer.Option(help="Draws of each data set and network.")] = 20,
    n_init: Annotated[int | None, typer.Option(help="Rows of the base model.")] = None,
    n_val: Annotated[int | None, typer.Option(help="Rows of validation.")] = None,
    n_batch: Annotated[int | None, typer.Option(help="Further rows of each update.")] = None,
    n_test: Annotated[int | None, typer.Option(help="Test rows at most; 0 for all.")] = None,
    order: Annotated[
        str | None, typer.Option(help="random draws, or time: a stream of ten updates.")
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Trials at once on this machine; 0: one a core.")
    ] = 0,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A running Ray cluster to work on.")
    ] = None,
    device: Annotated[str, typer.Option(help="Of the networks: cpu or cuda.")] = "cpu",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Run the trials of a suite that its store lacks."""
    from dataclasses import replace

    from holdfast._validation import check_count
    from holdfast.bench.runner import run_suite
    from holdfast.bench.store import Store
    from holdfast.bench.suites import suite_of

    check_count("--runs", runs, hint="give e.g. 20")
    chosen = suite_of(suite, target=target).narrowed(
        datasets=dataset or [], networks=network or [], order=order
    )
    sizes = {"n_init": n_init, "n_val": n_val, "n_batch": n_batch, "n_test": n_test}
    given = {name: size for name, size in sizes.items() if size is not None}
    chosen = replace(chosen, sizes=replace(chosen.sizes, **given))
    chosen.sizes.check()
    chosen.check_methods(method or [])
    opened = Store.open(store)
    with _progress() as (started, advanced):
        try:
            report = run_suite(
                chosen,
                opened,
                _workers(workers, ray, device),
                runs=runs,
                methods=method or [],
                device=device,
                started=started,
                advanced=advanced,
            )
        except KeyboardInterrupt:
            typer.echo("holdfast: interrupted; start again to go on", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
    _print(report, store, as_json=as_json)
    if report.failures:
        raise typer.Exit(EXIT_FAILED)


def _workers(n: int, address: str | None, device: str) -> Workers:
    from holdfast._validation import check_count

    n = check_count("--workers", n, least=0, hint="give e.g. 2")
    if address is not None:
        if n:
            raise InvalidInputError(
                f"--workers must be left out with --ray, got {n}: the cluster has its own; drop it"
            )
        from holdfast.bench._ray import RayWorkers

        return RayWorkers(address)
    import joblib

    from holdfast.bench._local import LocalWorkers

    return LocalWorkers(n or (1 if device != "cpu" else joblib.cpu_count()))


def _print(report: Report, store: Path, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "finished": report.finished,
                "there": report.there,
                "failures": report.failures,
                "store": str(store),
            }
        )
        return
    there = f", {report.there} were there already" if report.there else ""
    typer.echo(f"{report.finished} trials finished{there}; store: {store}")
    for what, why in report.failures.items():
        typer.echo(f"holdfast: {what}: {why}", err=True)
    if not report.failures:
        typer.echo(f"next: holdfast bench table {store}")


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Show the trials done and the time that is left, on a terminal only."""
    if not sys.stderr.isatty():
        yield (lambda total: None), (lambda: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (
        "trials",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=3600) as shown:
        task = shown.add_task("trials", total=None)
        yield (lambda total: shown.update(task, total=total)), (lambda: shown.advance(task))
