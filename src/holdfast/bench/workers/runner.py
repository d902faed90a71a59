"""Running a suite: workers, here or on a cluster, run the trials that the store lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from holdfast.bench.store import Facts, Store
from holdfast.bench.trials.architectures import architecture
from holdfast.bench.trials.contenders import chosen
from holdfast.bench.trials.data import KEPT, BenchData, Source, read
from holdfast.bench.trials.protocol import Trial
from holdfast.bench.trials.suites import Suite
from holdfast.exceptions import HoldfastError, InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Job", "Report", "Result", "Workers", "run_suite", "work"]


@dataclass(frozen=True)
class Job:
    """One trial to run, with the methods that are missing.

    Attributes
    ----------
    trial : Trial
    source : Source
    methods : tuple of str
    device : str
    """

    trial: Trial
    source: Source
    methods: tuple[str, ...]
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of a job: its rows, or the reason why there are none."""

    job: Job
    rows: pd.DataFrame | None = None
    facts: Facts | None = None
    error: str | None = None


class Workers(Protocol):
    """Takes jobs when it has room, and yields their results as they come."""

    def run(self, jobs: Iterator[Job]) -> Iterator[Result]:
        """Yield the result of each job; `jobs` is asked for the next one when there is room."""


@dataclass
class Report:
    """The outcome of one start of a suite.

    Attributes
    ----------
    finished : int
        Number of trials that were run.
    there : int
        Number of trials that the store had already, with all their methods.
    left_out : int
        Number of trials that were not started, since another of their kind had failed.
    failures : dict of str to str
        The reason for each data set, or data set and network, that could not be run.
    """

    finished: int = 0
    there: int = 0
    left_out: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def run_suite(
    suite: Suite,
    store: Store,
    workers: Workers,
    *,
    runs: int,
    methods: Sequence[str] = (),
    device: str = "cpu",
    started: Callable[[int], None] = lambda total: None,
    advanced: Callable[[], None] = lambda: None,
) -> Report:
    """Run the trials of a suite that the store lacks.

    A failure ends neither the other trials nor this function: further runs of that network and data
    set are left out, and the report says why. If rows cannot stand beside those of the same trial,
    only the runs that the store has some methods of are left out.

    Parameters
    ----------
    suite : Suite
    store : Store
        Receives the rows of each trial when it is finished.
    workers : Workers
    runs : int
        Number of draws for each data set and network.
    methods : sequence of str
        Names of methods; if empty, all methods that a network can train.
    device : str
        Device that networks are trained on.
    started : callable
        Called once with the number of trials to run.
    advanced : callable
        Called after each trial.
    """
    report = Report()
    jobs = _missing(suite, store, report, runs, methods, device)
    started(len(jobs))
    failed: set[Trial] = set()
    begun_elsewhere: set[Trial] = set()

    def waiting() -> Iterator[Job]:
        for job in jobs:
            group = job.trial.group
            if group in failed or (group in begun_elsewhere and store.has(job.trial)):
                report.left_out += 1
                advanced()
            else:
                yield job

    for result in workers.run(waiting()):
        job, error, stopped = result.job, result.error, failed
        if result.rows is not None and result.facts is not None:
            error, stopped = store.conflict(job.trial, result.rows), begun_elsewhere
            if error is None:
                store.add(job.trial, result.rows, result.facts)
                report.finished += 1
        if error is not None:
            stopped.add(job.trial.group)
            report.failures.setdefault(f"{job.trial.dataset} × {job.trial.network}", error)
        advanced()
    return report


def _missing(
    suite: Suite, store: Store, report: Report, runs: int, methods: Sequence[str], device: str
) -> list[Job]:
    """Return the jobs in an order that keeps data sets in memory, a few at a time, run by run."""
    hashes: dict[Source, str] = {}
    unsuitable: set[tuple[str, str]] = set()
    for source in suite.sources:
        try:
            data = read(source)
            hashes[source] = data.sha
        except (HoldfastError, OSError) as error:
            report.failures[source.label] = str(error)
            continue
        for network in suite.networks:
            try:
                data.check_encoding(architecture(network).encoding)
            except HoldfastError as error:
                report.failures[f"{source.label} × {network}"] = str(error)
                unsuitable.add((source.label, network))
    jobs = []
    known = list(hashes.items())
    for start in range(0, len(known), KEPT):
        for run in range(runs):
            for source, sha in known[start : start + KEPT]:
                for trial in suite.trials(source, sha, run):
                    if (trial.dataset, trial.network) in unsuitable:
                        continue
                    names = chosen(methods, architecture(trial.network).changes)
                    missing = store.missing(trial, names)
                    report.there += not missing
                    if missing:
                        jobs.append(Job(trial, source, tuple(missing), device))
    return jobs


def work(job: Job, data: BenchData | None = None) -> Result:
    """Run one job in this process.

    An error of any kind becomes the result, and is reported where the results are gathered.

    Parameters
    ----------
    job : Job
    data : BenchData, optional
        The data set, if it is loaded already.
    """
    import time

    from holdfast.bench.trials.trial import run_trial

    start = time.perf_counter()
    try:
        contenders = chosen(job.methods, architecture(job.trial.network).changes)
        data = _unchanged(job, read(job.source) if data is None else data)
        rows = run_trial(job.trial, data, contenders, device=job.device)
    except HoldfastError as error:
        return Result(job, error=str(error))
    except Exception as error:
        return Result(job, error=f"{job.trial} ended with {type(error).__name__}: {error}")
    wanted = rows[rows["method"].isin(job.methods)].reset_index(drop=True)
    return Result(job, wanted, Facts.here(time.perf_counter() - start, job.device))


def _unchanged(job: Job, data: BenchData) -> BenchData:
    """Return the data set, which must be the one that the trial was planned on."""
    if data.sha != job.trial.data:
        raise InvalidInputError(
            f"{job.source.name} must stay as it is while it is used, got another content; "
            "start again"
        )
    return data
