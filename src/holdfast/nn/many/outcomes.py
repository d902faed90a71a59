"""The results of training: one `FittedNetwork` for each run, warnings and progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from holdfast.common.warning import warn
from holdfast.methods.method import Method
from holdfast.nn.many.fresh import State
from holdfast.nn.many.loop import Outcome
from holdfast.nn.many.runs import Run, parameters_of

__all__ = ["Collector", "FittedNetwork", "TrainingWarning"]


class TrainingWarning(UserWarning):
    """The training of some networks diverged or was interrupted."""


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """The trained network of one run.

    Attributes
    ----------
    run : Run
        The run.
    state : dict of str to Tensor, or None
        Parameters and buffers, for `Module.load_state_dict`. None if the network diverged or was
        interrupted.
    status : {"stopped", "max_epochs", "diverged", "interrupted"}
        How training ended: by its validation loss ("stopped"), after the last epoch ("max_epochs"),
        by a loss that is not finite ("diverged"), or unfinished because the call was interrupted
        ("interrupted").
    losses : tuple of float
        Training loss of each epoch, averaged over its steps while the parameters moved.
    validation_losses : tuple of float
        Validation loss of each epoch; empty without validation rows.
    violations : tuple of float
        Mean excess of the churn of the training rows over the limit in each epoch, negative if the
        churn was below it. Empty if the method does not constrain churn.
    multipliers : tuple of float
        Lagrange multiplier μ at the end of each epoch; empty if the method does not constrain
        churn.
    seconds : float
        The network's share of the training time.
    """

    run: Run
    state: State | None
    status: str
    losses: tuple[float, ...] = ()
    validation_losses: tuple[float, ...] = ()
    violations: tuple[float, ...] = ()
    multipliers: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """Number of epochs of training."""
        return len(self.losses)

    def finished(self, method: Method, base: Mapping[str, Tensor] | None) -> FittedNetwork:
        """Return the network with the parameters that the method serves.

        Parameters
        ----------
        method : Method
            The method; interpolation, for example, mixes trained parameters with the base model's.
        base : mapping of str to Tensor, or None
            Parameters of the base model, for methods that use them.
        """
        if self.state is None or base is None or "parameters" not in method.changes:
            return self
        # Counts and other integers are not parameters.
        state = {
            name: method.finish(value, base[name].detach().to("cpu", value.dtype))
            if value.is_floating_point()
            else value
            for name, value in self.state.items()
        }
        return replace(self, state=state)


class Collector:
    """Context manager that gathers outcomes, shows progress and survives Ctrl-C.

    Parameters
    ----------
    runs : sequence of Run
        The runs, to which the indices of outcomes refer.
    verbose : int or None
        Whether to show progress; None shows it on a terminal.
    """

    def __init__(self, runs: Sequence[Run], verbose: int | None) -> None:
        self.runs = runs
        self.networks = [FittedNetwork(run, None, "interrupted") for run in runs]
        self.show = sys.stderr.isatty() if verbose is None else bool(verbose)
        self.advance: Callable[[], None] = lambda: None

    def __enter__(self) -> Collector:
        self._progress = _progress(len(self.runs)) if self.show else None
        if self._progress is not None:
            self.advance = self._progress.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
        return kind is KeyboardInterrupt

    def add(self, outcome: Outcome) -> None:
        """Store one outcome and move the progress on."""
        run = self.runs[outcome.index]
        network = FittedNetwork(
            run,
            outcome.state,
            outcome.status,
            outcome.losses,
            outcome.validation_losses,
            outcome.violations,
            outcome.multipliers,
            outcome.seconds,
        )
        self.networks[outcome.index] = network.finished(run.method, parameters_of(run.base_state))
        self.advance()

    def result(self) -> list[FittedNetwork]:
        """Return all networks, and warn about those without parameters."""
        for status, what in (
            ("diverged", "had a loss that is not finite and stopped"),
            ("interrupted", "were not finished when training was interrupted"),
        ):
            failed = [i for i, network in enumerate(self.networks) if network.status == status]
            if failed:
                first = ", ".join(
                    f"runs[{i}] ({self.runs[i].method}, seed {self.runs[i].seed})"
                    for i in failed[:3]
                )
                warn(
                    f"{len(failed)} of {len(self.runs)} networks {what}: {first}"
                    f"{', …' if len(failed) > 3 else ''}; the others are there",
                    TrainingWarning,
                )
        return self.networks


@contextmanager
def _progress(n: int) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("networks", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=console.is_terminal) as progress:
        task = progress.add_task("networks", total=n)
        yield lambda: progress.advance(task)
