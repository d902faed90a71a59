"""The training loop in this process, or spread over several.

Each process claims networks whenever it has room, and hands back those that have ended. Claims and
results are files in a folder that exists as long as the call. Finished networks therefore survive a
process that dies and a call that is interrupted.
"""

from __future__ import annotations

import ctypes
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.common.files import temporary_folder
from holdfast.nn.many.fresh import ModuleSource
from holdfast.nn.many.loop import Outcome, Recipe, Task, train

__all__ = ["keep_freed_memory", "train_groups", "train_in_processes"]

POLL_SECONDS = 0.1
IDLE_SECONDS = 300  # a process that has had nothing to do for so long ends
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # constants of glibc's malloc.h

Groups = Sequence[Sequence[Task]]


def train_groups(
    source: ModuleSource,
    pool: Tensor,
    recipe: Recipe,
    groups: Groups,
    report: Callable[[Outcome], None],
    claim: Callable[[Task], bool] = lambda task: True,
) -> None:
    """Train groups of tasks in this process, one group after the other.

    Parameters
    ----------
    source : nn.Module or callable
        The architecture, or a function that builds it.
    pool : Tensor of shape (N, …)
        All rows, on the device of training.
    recipe : Recipe
        The settings that all networks share.
    groups : sequence of sequences of Task
        The tasks; those of one group have the same shape.
    report : callable
        Takes the outcome of each task as soon as it ends.
    claim : callable
        Takes a task and returns whether this process may train it; it is called once for each task.
    """
    for group in groups:
        waiting = iter(group)

        def take(places: int, waiting: Iterator[Task] = waiting) -> list[Task]:
            taken: list[Task] = []
            # A pair of networks takes two places, but may join if only one is left.
            while sum(len(task.seeds) for task in taken) < places:
                task = next((task for task in waiting if claim(task)), None)
                if task is None:
                    break
                taken.append(task)
            return taken

        train(source, pool, recipe, take, report)


def train_in_processes(
    source: ModuleSource,
    pool: Tensor,
    recipe: Recipe,
    groups: Groups,
    report: Callable[[Outcome], None],
    n_workers: int,
) -> None:
    """Train groups of tasks in several processes, each with one thread.

    Parameters
    ----------
    source : nn.Module or callable
        The architecture, or a function that builds it.
    pool : Tensor of shape (N, …)
        All rows, on the CPU.
    recipe : Recipe
        The settings that all networks share.
    groups : sequence of sequences of Task
        The tasks; those of one group have the same shape.
    report : callable
        Takes the outcome of each task, some time after it ends.
    n_workers : int
        Number of processes.

    Raises
    ------
    KeyboardInterrupt
        When the user presses Ctrl-C, after all finished tasks have been reported.
    """
    with temporary_folder() as name:
        folder = Path(name)
        np.save(folder / "pool.npy", pool.numpy())
        workers = _Workers.executor(n_workers)
        try:
            futures = [
                workers.submit(_work, source, recipe, groups, str(folder)) for _ in range(n_workers)
            ]
            _collect(futures, folder, report)
        except BaseException:  # Ctrl-C, or an error in one process while others still train
            _report_done(folder, report)
            _Workers.dismiss()
            raise


class _Workers:
    """Processes that stay for the next call, since starting them takes seconds.

    They are not the processes that joblib shares among all its users, who would find them changed.
    """

    _executor: Any = None
    _size = 0

    @classmethod
    def executor(cls, size: int) -> Any:
        """Return an executor with this many processes."""
        if cls._executor is None or cls._size != size:
            from joblib.externals.loky import ProcessPoolExecutor

            cls.dismiss()
            cls._executor = ProcessPoolExecutor(max_workers=size, timeout=IDLE_SECONDS)
            cls._size = size
        return cls._executor

    @classmethod
    def dismiss(cls) -> None:
        """End the processes, even if they are at work."""
        executor, cls._executor = cls._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


def _collect(futures: list[Future[None]], folder: Path, report: Callable[[Outcome], None]) -> None:
    pending: set[Future[None]] = set(futures)
    while pending:
        done, pending = wait(pending, POLL_SECONDS, FIRST_EXCEPTION)
        _report_done(folder, report)
        for future in done:
            future.result()
    _report_done(folder, report)


def _report_done(folder: Path, report: Callable[[Outcome], None]) -> None:
    for path in sorted(folder.glob("*.done")):
        outcome = pickle.loads(path.read_bytes())  # written by this call's own workers
        report(replace(outcome, state=_tensors(outcome.state)))
        path.unlink()


def _arrays(state: Any) -> Any:
    """Return a state as arrays, which take a tenth of the time to pickle that tensors take."""
    if state is None:
        return None
    return {k: v if v.dtype == torch.bfloat16 else v.numpy() for k, v in state.items()}


def _tensors(state: Any) -> Any:
    if state is None:
        return None
    return {k: v if isinstance(v, Tensor) else torch.from_numpy(v) for k, v in state.items()}


# --- in a process --------------------------------------------------------------------------------


def _work(source: ModuleSource, recipe: Recipe, groups: Groups, folder_name: str) -> None:
    folder = Path(folder_name)
    torch.set_num_threads(1)
    keep_freed_memory()
    with warnings.catch_warnings():
        # The rows are never written to.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        pool = torch.from_numpy(np.load(folder / "pool.npy", mmap_mode="r"))

    def report(outcome: Outcome) -> None:
        temporary = folder / f"{outcome.index}.part"
        plain = replace(outcome, state=_arrays(outcome.state))
        temporary.write_bytes(pickle.dumps(plain, protocol=5))
        temporary.rename(folder / f"{outcome.index}.done")

    def claim(task: Task) -> bool:
        with suppress(FileExistsError):
            (folder / f"{task.index}.claimed").touch(exist_ok=False)
            return True
        return False

    with _deaf_to_interrupts():
        train_groups(source, pool, recipe, groups, report, claim)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C, which reaches all processes of a group; the calling process handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def keep_freed_memory() -> None:
    """Let malloc keep freed memory, since every step needs tensors of the same sizes again.

    Returning the memory to the system and getting it back cleared took half of the training time.
    """
    with suppress(OSError, AttributeError):  # other systems, other C libraries
        mallopt: Any = ctypes.CDLL("libc.so.6").mallopt
        mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest value that it accepts
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 2**26)
