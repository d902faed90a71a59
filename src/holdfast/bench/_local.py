"""Workers on this machine: processes of one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache

from holdfast.bench.architectures import architecture
from holdfast.bench.data import BenchData
from holdfast.bench.runner import Job, Result, work
from holdfast.exceptions import InvalidInputError

__all__ = ["LocalWorkers", "work_alone"]

WATCH_SECONDS = 0.5
AHEAD = 2  # jobs handed out for each worker, so that none waits for the next


@dataclass(frozen=True)
class LocalWorkers:
    """Runs jobs in processes, which end with this one, however it ends.

    Parameters
    ----------
    n : int
        Processes.
    """

    n: int

    def run(self, jobs: Iterator[Job]) -> Iterator[Result]:
        """Yield the result of each job as it comes.

        Raises
        ------
        InvalidInputError
            When a process dies, as for want of memory.
        """
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.n, context, _prepare, (os.getpid(),))
        try:
            yield from _results(pool, jobs, self.n * AHEAD)
        except BrokenProcessPool as error:
            raise InvalidInputError(
                "the workers must have enough memory, got one that died; start again with fewer "
                "--workers or a smaller --network: what is finished is kept"
            ) from error
        finally:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)


def _results(pool: ProcessPoolExecutor, jobs: Iterator[Job], room: int) -> Iterator[Result]:
    pending: set[Future[Result]] = set()
    while True:
        while len(pending) < room and (job := next(jobs, None)) is not None:
            pending.add(pool.submit(work_alone, job))
        if not pending:
            return
        done, pending = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


# --- in a worker ---------------------------------------------------------------------------------


def _prepare(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that was called
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End the process when the one that started it is gone, killed for instance."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def work_alone(job: Job, data: BenchData | None = None) -> Result:
    """Run one job in a process that does nothing else."""
    if architecture(job.trial.network).is_network:
        _one_thread()
    return work(job, data)


@lru_cache(maxsize=1)
def _one_thread() -> None:
    """Have networks trained in one thread, whose memory is kept for the next step."""
    try:
        import torch
    except ImportError:  # the job itself tells what to install
        return
    from holdfast.nn._workers import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()
