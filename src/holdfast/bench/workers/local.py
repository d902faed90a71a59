"""Workers on this machine, which are processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from holdfast.bench.trials.architectures import architecture
from holdfast.bench.trials.data import BenchData
from holdfast.bench.workers.runner import Job, Result, work

__all__ = ["LocalWorkers", "prepare", "work_alone"]

WATCH_SECONDS = 0.5
AHEAD = 2  # jobs handed out for each worker, so that no worker has to wait


@dataclass(frozen=True)
class LocalWorkers:
    """Runs jobs in processes, which end with this one, however it ends.

    Parameters
    ----------
    n : int
        Number of processes.
    """

    n: int

    def run(self, jobs: Iterator[Job]) -> Iterator[Result]:
        """Yield the result of each job as it comes.

        If a process dies, for example from lack of memory, the jobs that were handed out run again
        one at a time. If a process dies again, its job has this as its result.
        """
        while True:
            handed_out: dict[Future[Result], Job] = {}
            try:
                with _pool(self.n) as pool:
                    yield from _results(pool, jobs, self.n * AHEAD, handed_out)
                return
            except BrokenProcessPool:
                for job in list(handed_out.values()):
                    yield _alone(job)


def _alone(job: Job) -> Result:
    try:
        with _pool(1) as pool:
            return pool.submit(work_alone, job).result()
    except BrokenProcessPool:
        return Result(
            job,
            error=f"{job.trial} must have enough memory, got a process that died; choose a smaller "
            "--network or fewer rows",
        )


@contextmanager
def _pool(n: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n, context, prepare, (os.getpid(),))
    try:
        yield pool
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(cancel_futures=True)


def _results(
    pool: ProcessPoolExecutor,
    jobs: Iterator[Job],
    room: int,
    handed_out: dict[Future[Result], Job],
) -> Iterator[Result]:
    while True:
        while len(handed_out) < room and (job := next(jobs, None)) is not None:
            handed_out[_submitted(pool, job)] = job
        if not handed_out:
            return
        for future in wait(handed_out, return_when=FIRST_COMPLETED).done:
            result = future.result()
            del handed_out[future]
            yield result


def _submitted(pool: ProcessPoolExecutor, job: Job) -> Future[Result]:
    """Hand out a job; if the pool is broken already, the job counts as lost with it."""
    try:
        return pool.submit(work_alone, job)
    except BrokenProcessPool as error:
        lost: Future[Result] = Future()
        lost.set_exception(error)
        return lost


# --- in a worker ---------------------------------------------------------------------------------


def prepare(parent: int) -> None:
    """Make this process end with the one that started it, and leave Ctrl-C to that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End the process when the one that started it is gone, for example killed."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def work_alone(job: Job, data: BenchData | None = None) -> Result:
    """Run one job in a process that does nothing else."""
    _one_thread(architecture(job.trial.network).is_network)
    return work(job, data)


@lru_cache(maxsize=2)
def _one_thread(for_networks: bool) -> None:
    """Train models in one thread, and keep the memory of networks for the next step."""
    import sklearn.ensemble  # noqa: F401  (only loaded libraries are limited)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    if not for_networks:
        return
    try:
        import torch
    except ImportError:  # the job's own error names what to install
        return
    from holdfast.nn.many.workers import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()
