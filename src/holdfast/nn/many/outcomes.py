"""How networks end: what is kept of each, what is told about them, progress on the way."""

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
    """Some networks are not what was asked for: their loss was not finite, or they were stopped."""


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """What became of one run.

    Attributes
    ----------
    run : Run
    state : dict of str to Tensor, or None
        Parameters and buffers, for `Module.load_state_dict`; None where it is not finished.
    status : {"stopped", "max_epochs", "diverged", "interrupted"}
        Stopped by its validation loss; at the last epoch; its loss was not finite; not finished
        when the call was interrupted.
    losses, validation_losses : tuple of float
        Of each epoch; the training loss as the parameters moved.
    violations, multipliers : tuple of float
        Of each epoch, where the method constrains churn, and empty otherwise: how far churn of the
        training rows was above the limit on average, below it where negative, and the multiplier μ
        at its end.
    seconds : float
        Its share of the time of training.
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
        """Epochs that it was trained."""
        return len(self.losses)

    def finished(self, method: Method, base: Mapping[str, Tensor] | None) -> FittedNetwork:
        """Return the network with what `method` makes of its parameters.

        Parameters
        ----------
        method : Method
        base : mapping of str to Tensor, or None
            Parameters of the base model, for methods that use them.
        """
        if self.state is None or base is None or "parameters" not in method.changes:
            return self
        # Counts and other integers are no parameters.
        state = {
            name: method.finish(value, base[name].detach().to("cpu", value.dtype))
            if value.is_floating_point()
            else value
            for name, value in self.state.items()
        }
        return replace(self, state=state)


class Collector:
    """Gathers outcomes, shows progress, and survives Ctrl-C."""

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
        """Take one outcome."""
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
        """Return all networks; warn about those without parameters."""
        for status, what in (
            ("diverged", "had a loss that is not finite and stopped"),
            ("interrupted", "were not finished when training was interrupted"),
        ):
            found = [i for i, network in enumerate(self.networks) if network.status == status]
            if found:
                first = ", ".join(
                    f"runs[{i}] ({self.runs[i].method}, seed {self.runs[i].seed})"
                    for i in found[:3]
                )
                warn(
                    f"{len(found)} of {len(self.runs)} networks {what}: {first}"
                    f"{', …' if len(found) > 3 else ''}; the others are there",
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
