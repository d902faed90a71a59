"""Many networks of one architecture, trained at once."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from holdfast._method import Method
from holdfast._validation import check_choice, check_proba, check_same_length, check_weights
from holdfast.exceptions import InvalidInputError
from holdfast.methods import Cold
from holdfast.nn._fresh import FreshStates, ModuleSource, new_module, tensors_of
from holdfast.nn._probe import Probe, capacity, probe
from holdfast.nn._stack import State, forward
from holdfast.nn._training import LOSSES, Outcome, Recipe, Task
from holdfast.nn._workers import train_groups, train_in_processes
from holdfast.nn.optimizers import Adam, Optimizer

__all__ = ["FittedNetwork", "Run", "TrainingWarning", "fit_many", "predict_many"]

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}
PLAIN = Cold()
STACKING = ("auto", "always", "never")
# Below this much work, processes take longer to start than they save.
WORTH_PROCESSES_SECONDS = 6.0
USUAL_EPOCHS = 15
PREDICTION_BYTES = 2**26


class TrainingWarning(UserWarning):
    """Some networks are not what was asked for: their loss was not finite, or they were stopped."""


@dataclass(frozen=True, eq=False)
class Run:
    """One network to train.

    Parameters
    ----------
    rows : array-like of int of shape (n,)
        Positions of its training rows among the rows given to `fit_many`.
    validation_rows : array-like of int of shape (m,), optional
        Positions of the rows by whose loss it stops.
    method : Method
        What it changes relative to plain training.
    seed : int
        Of its fresh parameters, row order and dropout.
    base_proba : array-like of shape (n, K), optional
        Base probabilities of its training rows, for methods that learn from them; rows of NaN have
        none.
    base_state : mapping of str to Tensor, or nn.Module, optional
        Parameters of the base model, for methods that start from them.
    target : array-like of shape (n, K), optional
        Soft targets in place of the labels and of what the method makes of them.
    sample_weight : array-like of shape (n,), optional
        Only proportions matter.
    """

    rows: ArrayLike
    validation_rows: ArrayLike | None = None
    method: Method = PLAIN
    seed: int = 0
    base_proba: ArrayLike | None = None
    base_state: Mapping[str, Tensor] | nn.Module | None = None
    target: ArrayLike | None = None
    sample_weight: ArrayLike | None = None


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
    seconds : float
        Its share of the time of training.
    """

    run: Run
    state: State | None
    status: str
    losses: tuple[float, ...] = ()
    validation_losses: tuple[float, ...] = ()
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
            name: method.finish(value, base[name].detach().cpu())
            if value.is_floating_point()
            else value
            for name, value in self.state.items()
        }
        return replace(self, state=state)


def fit_many(
    module: ModuleSource,
    runs: Sequence[Run],
    X: ArrayLike | Tensor,
    y: ArrayLike | Tensor | None = None,
    *,
    batch_size: int = 32,
    max_epochs: int = 200,
    patience: int | None = 5,
    restore_best: bool = True,
    optimizer: Optimizer | None = None,
    loss: str = "cross_entropy",
    stacking: str = "auto",
    device: str | torch.device = "cpu",
    precision: str = "float32",
    n_jobs: int | None = None,
    verbose: int | None = None,
) -> list[FittedNetwork]:
    """Train many networks of one architecture at once.

    Networks are stacked and trained through `torch.func`, each on its own rows, targets, start,
    seed and method. Each stops by its own validation loss, leaves the batch, and makes room for the
    next. What cannot be stacked, or is faster alone, is trained one network after the other, in
    several processes; the result is the same up to the order in which floating-point numbers are
    added.

    Parameters
    ----------
    module : nn.Module or callable
        The architecture, which maps a batch of rows to logits (b, K): a module, whose
        `reset_parameters` (or those of its parts) draw fresh parameters, or a function that builds
        a fresh one.
    runs : sequence of Run
    X : array-like or Tensor of shape (N, …)
        All rows that the runs use; real numbers are given to the module in its own precision,
        integers as 64-bit integers.
    y : array-like of int of shape (N,), optional
        Positions of the labels among the K classes; may be left out where every run brings a target
        and none has validation rows.
    batch_size : int
    max_epochs : int
    patience : int or None
        A network stops after so many epochs without a better validation loss. None trains every
        network for `max_epochs`, and needs no validation rows.
    restore_best : bool
        Whether a stopped network goes back to its epoch of lowest validation loss.
    optimizer : Adam or SGD, optional
        ``Adam()`` by default.
    loss : {"cross_entropy", "brier"}
        Of training; validation measures the same loss against the labels.
    stacking : {"auto", "always", "never"}
        "auto": where it works and is faster.
    device : str or torch.device
    precision : {"float32", "bfloat16"}
        "bfloat16" computes forward passes in mixed precision (autocast); parameters stay as they
        are.
    n_jobs : int, optional
        Processes on a CPU, of one thread each; by default one a core where the work is worth it.
        With 1, training stays in this process.
    verbose : int, optional
        Whether to show progress; by default on a terminal.

    Returns
    -------
    list of FittedNetwork
        In the order of `runs`. After Ctrl-C those that are finished are there, and the others have
        the status "interrupted".

    Raises
    ------
    InvalidInputError
        For rows, labels, targets or a base model that do not fit the module, validation rows that
        are missing or also trained on, or parameters out of range.

    Warns
    -----
    TrainingWarning
        When a loss was not finite, which ends that network only, or training was interrupted.

    Examples
    --------
    >>> import numpy as np
    >>> from holdfast.methods import Distill
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4)); y = (X[:, 0] > 0).astype(int)
    >>> base = np.full((200, 2), 0.5)
    >>> runs = [
    ...     Run(np.arange(200), np.arange(200, 300), Distill(lam), seed=seed, base_proba=base)
    ...     for lam in (0.0, 0.5) for seed in (0, 1)
    ... ]
    >>> networks = fit_many(torch.nn.Linear(4, 2), runs, X, y, max_epochs=3, n_jobs=1)
    >>> [network.epochs for network in networks]
    [3, 3, 3, 3]
    >>> predict_many(torch.nn.Linear(4, 2), [n.state for n in networks], X).shape
    (4, 300, 2)
    """
    _check_options(batch_size, max_epochs, patience, loss, stacking, precision, n_jobs)
    device = torch.device(device)
    built = new_module(module).to(device)
    pool = as_rows(X, built)
    runs = _check_runs(runs, len(pool), patience)
    found = probe(built, pool[torch.as_tensor(np.asarray(runs[0].rows)[:batch_size])].to(device))
    labels = _check_labels(y, runs, len(pool), found.n_classes)
    shapes = {name: value.shape for name, value in tensors_of(built).items()}
    tasks = [_task(i, run, labels, found.n_classes, shapes, pool) for i, run in enumerate(runs)]
    optimizer = optimizer or Adam()
    n_workers = _n_workers(n_jobs, len(tasks), device)
    at_once = capacity(found, device, n_moments=optimizer.n_moments, n_workers=n_workers)
    stacked = _use_stacking(stacking, found, at_once)
    recipe = Recipe(
        batch_size=int(batch_size),
        max_epochs=int(max_epochs),
        patience=patience,
        restore_best=restore_best and patience is not None,
        optimizer=optimizer,
        loss=loss,
        stacked=stacked,
        random=found.random,
        autocast=PRECISIONS[precision],
        capacity=max(at_once, 2) if stacked else 1,
    )
    groups = _groups(tasks)
    with _Collector(runs, verbose) as collector:
        if n_jobs is None and n_workers > 1:
            n_workers = _worthwhile(n_workers, module, built, pool, recipe, tasks)
        if n_workers > 1:
            train_in_processes(module, pool, recipe, groups, collector.add, n_workers)
        else:
            train_groups(module, pool.to(device), recipe, groups, collector.add)
    return collector.result()


def predict_many(
    module: ModuleSource,
    states: Sequence[Mapping[str, Tensor]],
    X: ArrayLike | Tensor,
    *,
    device: str | torch.device = "cpu",
) -> NDArray[np.float64]:
    """Return the probabilities of several networks for the same rows.

    Parameters
    ----------
    module : nn.Module or callable
        As for `fit_many`.
    states : sequence of M mappings of str to Tensor
    X : array-like or Tensor of shape (n, …)
    device : str or torch.device

    Returns
    -------
    ndarray of shape (M, n, K)

    Examples
    --------
    >>> linear = torch.nn.Linear(3, 2)
    >>> predict_many(linear, [linear.state_dict()], torch.zeros(5, 3)).shape
    (1, 5, 2)
    """
    built = new_module(module).to(torch.device(device)).eval()
    pool = as_rows(X, built)
    results = []
    with torch.no_grad():
        for state in states:
            on_device = {name: value.to(device)[None] for name, value in state.items()}
            blocks = [
                forward(built, on_device, block[None].to(device), stacked=False)[0]
                for block in pool.split(_block_rows(pool))
            ]
            logits = torch.cat(blocks).double()
            results.append(torch.softmax(logits, dim=-1).cpu().numpy())
    return np.stack(results)


def _block_rows(pool: Tensor) -> int:
    row = pool[0].numel() * max(pool.element_size(), 4) * 64  # activations are wider than rows
    return max(1, min(1024, PREDICTION_BYTES // row))


# --- checks --------------------------------------------------------------------------------------


def _check_options(
    batch_size: Any,
    max_epochs: Any,
    patience: Any,
    loss: str,
    stacking: str,
    precision: str,
    n_jobs: Any,
) -> None:
    check_choice("loss", loss, LOSSES)
    check_choice("stacking", stacking, STACKING)
    check_choice("precision", precision, PRECISIONS)
    _check_count("batch_size", batch_size)
    _check_count("max_epochs", max_epochs)
    if patience is not None:
        _check_count("patience", patience)
    if n_jobs is not None and n_jobs != -1:
        _check_count("n_jobs", n_jobs)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise InvalidInputError(f"{name} must be a positive integer, got {value!r}; give e.g. 32")


def as_rows(X: ArrayLike | Tensor, module: nn.Module) -> Tensor:
    """Return rows as a module takes them: its own precision, or 64-bit integers.

    Parameters
    ----------
    X : array-like or Tensor of shape (N, …)
    module : nn.Module
    """
    rows = X.detach() if isinstance(X, Tensor) else _from_numpy(X)
    if rows.ndim < 2 or not len(rows):
        raise InvalidInputError(
            f"X must have shape (n, …) with one row or more, got {tuple(rows.shape)}; "
            "give one row of numbers per example"
        )
    if not rows.is_floating_point():
        return rows.long()
    precision = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    return rows.to(precision)


def _from_numpy(X: ArrayLike) -> Tensor:
    values = np.asarray(X)
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(
            f"X must hold numbers, got {values.dtype}; encode text and categories first"
        )
    if not values.flags.writeable or not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    return torch.from_numpy(np.ascontiguousarray(values))


def _check_runs(runs: Sequence[Run], n: int, patience: int | None) -> list[Run]:
    if not runs or not all(isinstance(run, Run) for run in runs):
        raise InvalidInputError(
            f"runs must be a sequence of holdfast.nn.Run, got {runs!r:.60}; give one for each "
            "network"
        )
    checked = []
    for i, run in enumerate(runs):
        run.method.check()
        rows = _positions(f"runs[{i}].rows", run.rows, n)
        held_out = np.empty(0, dtype=np.int64)
        if run.validation_rows is not None:
            held_out = _positions(f"runs[{i}].validation_rows", run.validation_rows, n)
        elif patience is not None:
            raise InvalidInputError(
                f"runs[{i}].validation_rows must be given to stop by validation loss, got None; "
                "give rows to validate on, or patience=None for a fixed number of epochs"
            )
        shared = held_out[np.isin(held_out, rows, kind="table")]
        if len(shared):
            raise InvalidInputError(
                f"runs[{i}].validation_rows must not be among its rows, got {len(shared)} shared, "
                f"the first {shared[0]}; hold them out"
            )
        checked.append(replace(run, rows=rows, validation_rows=held_out))
    return checked


def _positions(name: str, values: ArrayLike, n: int) -> NDArray[np.int64]:
    positions = np.asarray(values)
    whole = positions.ndim == 1 and positions.dtype.kind in "iu" and len(positions)
    if not whole or positions.min() < 0 or positions.max() >= n:
        raise InvalidInputError(
            f"{name} must be positions in [0, {n}), one or more, got {_described(positions)}; "
            "give row numbers of X"
        )
    return positions.astype(np.int64)


def _described(values: NDArray[Any]) -> str:
    if values.ndim != 1 or values.dtype.kind not in "iu" or not len(values):
        return f"shape {values.shape} of {values.dtype}"
    return f"{values.min()} to {values.max()}"


def _check_labels(
    y: ArrayLike | Tensor | None, runs: Sequence[Run], n: int, n_classes: int
) -> NDArray[np.int64] | None:
    if y is None:
        if any(run.target is None or len(np.asarray(run.validation_rows)) for run in runs):
            raise InvalidInputError(
                "y must be given unless every run has a target and no validation rows, got None; "
                "give the position of each row's class"
            )
        return None
    labels = np.asarray(y)
    check_same_length(X=range(n), y=labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InvalidInputError(
            f"y must be integers of shape (n,), the positions of the classes, got shape "
            f"{labels.shape} of {labels.dtype}; encode labels with numpy.unique(…, "
            "return_inverse=True)"
        )
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InvalidInputError(
            f"y must be in [0, {n_classes}), the outputs of the module, got {labels.min()} to "
            f"{labels.max()}; build the module with one output per class"
        )
    return labels.astype(np.int64)


def _task(
    index: int,
    run: Run,
    labels: NDArray[np.int64] | None,
    n_classes: int,
    shapes: Mapping[str, torch.Size],
    pool: Tensor,
) -> Task:
    rows, held_out = np.asarray(run.rows), np.asarray(run.validation_rows)
    method = run.method.trained
    if "batch" in method.changes and not pool.is_floating_point():
        raise InvalidInputError(
            f"runs[{index}].method must not blend rows of integers, got {method} for rows of "
            f"{pool.dtype}; use another method, or give the module real numbers"
        )
    validation = np.zeros((len(held_out), n_classes), dtype=np.float32)
    if labels is not None and len(held_out):
        validation[np.arange(len(held_out)), labels[held_out]] = 1.0
    return Task(
        index=index,
        rows=rows,
        targets=_target(index, run, labels, n_classes).astype(np.float32),
        validation_rows=held_out,
        validation_targets=validation,
        method=method,
        seeds=_seeds(index, run, method),
        base=_base(index, run, shapes),
    )


def _seeds(index: int, run: Run, method: Method) -> tuple[int, ...]:
    if not isinstance(run.seed, Integral) or run.seed < 0:
        raise InvalidInputError(
            f"runs[{index}].seed must be an integer of at least 0, got {run.seed!r}; give e.g. 0"
        )
    seed = int(run.seed)
    if not method.peer_weight:
        return (seed,)
    partner = np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0]
    return (seed, int(partner >> np.uint64(1)))


def _target(
    index: int, run: Run, labels: NDArray[np.int64] | None, n_classes: int
) -> NDArray[np.float64]:
    rows, classes = np.asarray(run.rows), np.arange(n_classes)
    if run.target is not None:
        if "target" in run.method.changes:
            raise InvalidInputError(
                f"runs[{index}].target must be left out with the method {run.method}, which makes "
                "its own, got both; give one of the two"
            )
        target = _columns(f"runs[{index}].target", run.target, n_classes)
    else:
        assert labels is not None  # checked before
        base = np.full((len(rows), n_classes), np.nan)
        if run.base_proba is not None:
            name = f"runs[{index}].base_proba"
            base = _columns(name, run.base_proba, n_classes, allow_missing=True)
            check_same_length(**{f"runs[{index}].rows": rows, name: base})
        target = run.method.trained.target(labels[rows], base, classes)
    check_same_length(**{f"runs[{index}].rows": rows, f"runs[{index}].target": target})
    if run.sample_weight is None:
        return target
    weight = check_weights(f"runs[{index}].sample_weight", run.sample_weight, len(rows))
    return target * (weight / weight.mean())[:, None]


def _columns(
    name: str, values: ArrayLike, n_classes: int, *, allow_missing: bool = False
) -> NDArray[np.float64]:
    proba = check_proba(name, values, allow_missing=allow_missing)
    if proba.shape[1] != n_classes:
        raise InvalidInputError(
            f"{name} must have one column for each of the module's {n_classes} outputs, got "
            f"{proba.shape[1]}; match the columns to the classes"
        )
    return proba.astype(np.float64)


def _base(index: int, run: Run, shapes: Mapping[str, torch.Size]) -> State | None:
    if not run.method.needs_base_parameters:
        return None
    if run.base_state is None:
        raise InvalidInputError(
            f"runs[{index}].base_state must be given for the method {run.method}, got None; give "
            "the base model's module or its state_dict()"
        )
    state = _state_of(run.base_state) or {}
    for name, shape in shapes.items():
        if name not in state or state[name].shape != shape:
            got = f"shape {tuple(state[name].shape)}" if name in state else "none"
            raise InvalidInputError(
                f"runs[{index}].base_state must be of the same architecture: {name!r} must have "
                f"shape {tuple(shape)}, got {got}; use a method that starts afresh, e.g. Distill, "
                "for a base model of another shape or with other classes"
            )
    return {name: state[name].detach().cpu() for name in shapes}


def _state_of(given: Mapping[str, Tensor] | nn.Module | None) -> State | None:
    if given is None:
        return None
    return tensors_of(given) if isinstance(given, nn.Module) else dict(given)


# --- the plan ------------------------------------------------------------------------------------


def _use_stacking(stacking: str, found: Probe, at_once: int) -> bool:
    if stacking == "always" and not found.stackable:
        raise InvalidInputError(
            "stacking must be 'auto' or 'never' for this module, got 'always': torch.func.vmap "
            "does not give what its networks give one by one"
        )
    return stacking == "always" or (stacking == "auto" and at_once > 1)


def _groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return tasks that can share a stack, the largest first."""
    groups: dict[tuple[int, int], list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.shape, []).append(task)
    return [groups[shape] for shape in sorted(groups, reverse=True)]


def _n_workers(n_jobs: int | None, n_tasks: int, device: torch.device) -> int:
    import joblib

    if device.type != "cpu":
        return 1
    wanted = joblib.cpu_count() if n_jobs in (None, -1) else int(n_jobs or 1)
    return max(1, min(wanted, n_tasks))


def _worthwhile(
    n_workers: int,
    source: ModuleSource,
    module: nn.Module,
    pool: Tensor,
    recipe: Recipe,
    tasks: Sequence[Task],
) -> int:
    """Return 1 where the whole work is done sooner than processes have started."""
    places = min(recipe.capacity, len(tasks))
    stack = recipe.stack(module, [FreshStates(source).draw(0)] * places)
    first = tasks[0]
    x = pool[first.rows[: recipe.batch_size]].expand(places, *[-1] * pool.ndim)
    target = torch.from_numpy(first.targets[: recipe.batch_size]).expand(places, -1, -1)
    generators = [torch.Generator() for _ in range(places)]
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        stack.learn(x, target, generators)
        seconds.append(time.perf_counter() - start)
    epochs = recipe.max_epochs if recipe.patience is None else min(USUAL_EPOCHS, recipe.max_epochs)
    batches = sum(-(-len(task.rows) // recipe.batch_size) for task in tasks)
    work = min(seconds) * batches * epochs / places
    return n_workers if work > WORTH_PROCESSES_SECONDS else 1


# --- outcomes ------------------------------------------------------------------------------------


class _Collector:
    """Gathers outcomes, shows progress, and survives Ctrl-C."""

    def __init__(self, runs: Sequence[Run], verbose: int | None) -> None:
        self.runs = runs
        self.networks = [FittedNetwork(run, None, "interrupted") for run in runs]
        self.show = sys.stderr.isatty() if verbose is None else bool(verbose)
        self.advance: Callable[[], None] = lambda: None

    def __enter__(self) -> _Collector:
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
            outcome.seconds,
        )
        self.networks[outcome.index] = network.finished(run.method, _state_of(run.base_state))
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
                warnings.warn(
                    f"{len(found)} of {len(self.runs)} networks {what}: {first}"
                    f"{', …' if len(found) > 3 else ''}; the others are there",
                    TrainingWarning,
                    stacklevel=3,
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
