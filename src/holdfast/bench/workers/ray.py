"""Workers on a running Ray cluster; if a node dies, its trials run elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from holdfast.bench.trials.data import Source, read
from holdfast.bench.workers.local import prepare, work_alone
from holdfast.bench.workers.runner import Job, Result
from holdfast.common.parameters import first_line, require
from holdfast.exceptions import HoldfastError, InvalidInputError

__all__ = ["RayWorkers"]

AHEAD = 2  # jobs handed out for each core, so that no core has to wait
KEPT_SETS = 4  # data sets in the cluster's memory
RETRIES = 5  # for a trial whose node or process died
CONNECT_SECONDS = 5
WANTED = "a job"


@dataclass(frozen=True)
class RayWorkers:
    """Runs jobs as Ray tasks of one core each, on data sets that are loaded here.

    Parameters
    ----------
    address : str
        Address of a running cluster, as `ray.init` takes it: ``host:port``, ``ray://host:port``
        or ``auto``.
    """

    address: str

    def run(self, jobs: Iterator[Job]) -> Iterator[Result]:
        """Yield the result of each job as it comes.

        A separate process talks to the cluster, because Ray ends this process when the cluster is
        lost, without an error that could be caught.

        Raises
        ------
        MissingExtraError
            If Ray is not installed.
        InvalidInputError
            If the cluster cannot be reached, or is lost.
        """
        require("ray", extra="ray", purpose="--ray")
        context = multiprocessing.get_context("spawn")
        connection, theirs = context.Pipe()
        driver = context.Process(target=_drive, args=(os.getpid(), theirs, self.address))
        driver.start()
        theirs.close()
        try:
            while True:
                with _connected():
                    message = connection.recv()
                if message is None:
                    return
                if isinstance(message, HoldfastError):
                    raise message
                if isinstance(message, Result):
                    yield message
                else:  # it wants a job
                    job = next(jobs, None)
                    with _connected():
                        connection.send(job)
        finally:
            driver.terminate()
            driver.join()
            connection.close()


@contextmanager
def _connected() -> Iterator[None]:
    """Turn the end of the process that talks to the cluster into an error that explains it."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise InvalidInputError(_lost("a connection that ended")) from error


def _lost(reason: str) -> str:
    return (
        f"--ray must stay connected to its cluster, got {reason}; start again: finished trials are "
        "kept"
    )


# --- in the driver -------------------------------------------------------------------------------


def _drive(parent: int, connection: Connection, address: str) -> None:
    """Run the jobs of the process `parent` on the cluster."""
    import ray

    prepare(parent)
    try:
        _connect(ray, address)
        for result in _results(ray, _jobs(connection)):
            connection.send(result)
        connection.send(None)
    except HoldfastError as error:
        connection.send(error)
    except (ray.exceptions.RayError, ConnectionError) as error:
        connection.send(InvalidInputError(_lost(_reason(error))))
    finally:
        ray.shutdown()


def _jobs(connection: Connection) -> Iterator[Job]:
    while True:
        connection.send(WANTED)
        job = connection.recv()
        if job is None:
            return
        yield job


def _reason(error: Exception) -> str:
    return first_line(error)[:300]


def _connect(ray: Any, address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    host = host.strip("[]")  # around an IPv6 address
    try:
        if host and port.isdigit():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidInputError(
            f"--ray must be the address of a running Ray cluster, got {address} "
            f"({_reason(error)}); start one with: ray start --head"
        ) from error


def _results(ray: Any, jobs: Iterator[Job]) -> Iterator[Result]:
    task = ray.remote(num_cpus=1, max_retries=RETRIES)(work_alone)
    shared: dict[Source, Any] = {}
    pending: dict[Any, Job] = {}
    while True:
        room = max(1, int(ray.cluster_resources().get("CPU", 1))) * AHEAD
        while len(pending) < room and (job := next(jobs, None)) is not None:
            n_gpus = float(job.device.startswith("cuda"))
            if n_gpus and not ray.cluster_resources().get("GPU"):
                raise InvalidInputError(
                    f"--device must be there on the cluster, got {job.device} and no node with a "
                    "GPU; leave it out"
                )
            if job.source not in shared:
                if len(shared) == KEPT_SETS:
                    del shared[next(iter(shared))]
                shared[job.source] = ray.put(read(job.source))
            pending[task.options(num_gpus=n_gpus).remote(job, shared[job.source])] = job
        if not pending:
            return
        done, _ = ray.wait(list(pending), num_returns=1)
        for reference in done:
            yield _result(ray, reference, pending.pop(reference))


def _result(ray: Any, reference: Any, job: Job) -> Result:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        why = _reason(error)
        return Result(job, error=f"{job.trial} must be finished by a node of the cluster: {why}")
