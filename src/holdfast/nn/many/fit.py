"""`fit_many` and `predict_many`: many networks of one architecture at once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from holdfast.common.parameters import check_choice, check_count
from holdfast.exceptions import InvalidInputError
from holdfast.nn.many.fresh import (
    FreshStates,
    ModuleSource,
    distinct_tensors_of,
    new_module,
    saved_tensors_of,
)
from holdfast.nn.many.functions import LOSSES, forward, functions_of
from holdfast.nn.many.loop import Recipe, Task
from holdfast.nn.many.outcomes import Collector, FittedNetwork, TrainingWarning
from holdfast.nn.many.probe import Probe, capacity, probe
from holdfast.nn.many.runs import Run, as_rows, check_labels, check_runs, check_state, task_of
from holdfast.nn.many.workers import train_groups, train_in_processes
from holdfast.nn.optimizers import Optimizer, check_optimizer

__all__ = ["FittedNetwork", "Run", "TrainingWarning", "fit_many", "predict_many"]

PRECISIONS: dict[str, torch.dtype | None] = {"float32": None, "bfloat16": torch.bfloat16}
STACKING = ("auto", "always", "never")
# For less work than this, processes take longer to start than they save.
WORTH_PROCESSES_SECONDS = 6.0
USUAL_EPOCHS = 15
PREDICTION_BYTES = 2**26


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
    keep_recordings: bool = False,
    n_jobs: int | None = None,
    verbose: int | None = None,
) -> list[FittedNetwork]:
    """Train many networks of one architecture at once.

    The networks are stacked and trained through `torch.func`, each with rows, targets, starting
    parameters, a seed and a method of its own. A network stops by its own validation loss, leaves
    the stack, and makes room for the next one. Networks that cannot be stacked, or are faster
    alone, are trained one after the other in several processes. The result is the same up to the
    order in which floating-point numbers are added.

    Parameters
    ----------
    module : nn.Module or callable
        The architecture, which maps a batch of rows to logits (b, K). It is a function that builds
        a fresh module, or a module that can draw fresh parameters by its `reset_parameters` or by
        those of its parts.
    runs : sequence of Run
        The networks to train.
    X : array-like or Tensor of shape (N, …)
        All rows that the runs use. The module gets real numbers in its own precision, and integers
        as 64-bit integers.
    y : array-like of int of shape (N,), optional
        Position of each row's label among the K classes. It may be left out if every run has a
        target and none has validation rows.
    batch_size : int
        Rows of one training step.
    max_epochs : int
        Largest number of epochs.
    patience : int or None
        Number of epochs without a better validation loss after which a network stops. None trains
        every network for `max_epochs`, and needs no validation rows.
    restore_best : bool
        Whether a stopped network goes back to its epoch of lowest validation loss.
    optimizer : Adam or SGD, optional
        ``Adam()`` by default.
    loss : {"cross_entropy", "brier"}
        Loss in training. Validation measures the same loss, always on the labels.
    stacking : {"auto", "always", "never"}
        Whether networks are stacked; "auto" stacks them where that works and is faster.
    device : str or torch.device
        Device of training.
    precision : {"float32", "bfloat16"}
        Precision of the forward passes. With "bfloat16" they run in mixed precision (autocast), and
        the parameters stay as they are.
    keep_recordings : bool
        Whether to keep the recorded computations of the architecture for later calls, in every
        process. The first calls then take up to a few seconds longer and later ones are faster,
        small ones several times. It has an effect only for architectures that consist of parts of
        PyTorch and of `holdfast.nn`, whose code does not change while a process runs.
    n_jobs : int, optional
        Number of processes on a CPU, each with one thread. By default there is one for each core if
        the work is worth it. With 1, training stays in this process.
    verbose : int, optional
        Whether to show progress; by default only on a terminal.

    Returns
    -------
    list of FittedNetwork
        The networks in the order of `runs`. After Ctrl-C, finished networks have their parameters
        and all others have the status "interrupted".

    Raises
    ------
    InvalidInputError
        When rows, labels, targets or a base model do not fit the module, when validation rows are
        missing or are also training rows, or when a parameter is out of range.

    Warns
    -----
    TrainingWarning
        When the loss of a network is not finite, which ends that network alone, or when training
        is interrupted.

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
    optimizer = check_optimizer(optimizer)
    device = torch.device(device)
    built = new_module(module).to(device)
    pool = as_rows(X, built)
    runs = check_runs(runs, len(pool), patience)
    first_batch = torch.as_tensor(np.asarray(runs[0].rows)[:batch_size])
    probed = probe(built, pool[first_batch].to(device))
    labels = check_labels(y, runs, len(pool), probed.n_classes)
    like = saved_tensors_of(built)
    tasks = [task_of(i, run, labels, probed.n_classes, like, pool) for i, run in enumerate(runs)]
    n_workers = _n_workers(n_jobs, len(tasks), device)
    at_once = capacity(probed, device, n_moments=optimizer.n_moments, n_workers=n_workers)
    stacked = _use_stacking(stacking, probed, at_once)
    recipe = Recipe(
        batch_size=int(batch_size),
        max_epochs=int(max_epochs),
        patience=patience,
        restore_best=restore_best and patience is not None,
        optimizer=optimizer,
        loss=loss,
        stacked=stacked,
        random=probed.random,
        autocast=PRECISIONS[precision],
        capacity=max(at_once, 2) if stacked else 1,
        keep_recordings=keep_recordings,
    )
    groups = _groups(tasks)
    with Collector(runs, verbose) as collector:
        if n_jobs is None and n_workers > 1:
            n_workers = _worthwhile(n_workers, module, pool, recipe, tasks)
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
        The architecture, as for `fit_many`.
    states : sequence of M mappings of str to Tensor
        Parameters and buffers of each network.
    X : array-like or Tensor of shape (n, …)
        The rows.
    device : str or torch.device
        Device of the computations.

    Returns
    -------
    ndarray of shape (M, n, K)
        Probabilities of each network.

    Raises
    ------
    InvalidInputError
        When there are no states, or one belongs to another architecture.

    Examples
    --------
    >>> linear = torch.nn.Linear(3, 2)
    >>> predict_many(linear, [linear.state_dict()], torch.zeros(5, 3)).shape
    (1, 5, 2)
    """
    built = new_module(module).to(torch.device(device)).eval()
    pool = as_rows(X, built)
    if not len(states):
        raise InvalidInputError("states must be one or more, got none; give those of `fit_many`")
    saved = saved_tensors_of(built)
    like = {name: value for name, value in distinct_tensors_of(built).items() if name in saved}
    results = []
    with torch.no_grad():
        for i, state in enumerate(states):
            known = check_state(f"states[{i}]", state, like)
            on_device = {name: value.to(device)[None] for name, value in known.items()}
            blocks = [
                forward(built, on_device, block[None].to(device), stacked=False)[0]
                for block in pool.split(_block_rows(pool))
            ]
            logits = torch.cat(blocks).double()
            results.append(torch.softmax(logits, dim=-1).cpu().numpy())
    return np.stack(results)


def _block_rows(pool: Tensor) -> int:
    row = pool[0].numel() * max(pool.element_size(), 4) * 64  # activations may be wider than rows
    return max(1, min(1024, PREDICTION_BYTES // row))


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
    check_count("batch_size", batch_size)
    check_count("max_epochs", max_epochs)
    if patience is not None:
        check_count("patience", patience)
    if n_jobs is not None and n_jobs != -1:
        check_count("n_jobs", n_jobs)


def _use_stacking(stacking: str, probed: Probe, at_once: int) -> bool:
    if stacking == "always" and not probed.stackable:
        raise InvalidInputError(
            "stacking must be 'auto' or 'never' for this module, got 'always': torch.func.vmap "
            "does not give what its networks give one by one"
        )
    return stacking == "always" or (stacking == "auto" and at_once > 1)


def _groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """Return groups of tasks that can share a stack, those with the most rows first."""
    groups: dict[tuple[int, int], list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.shape, []).append(task)
    return [groups[shape] for shape in sorted(groups, reverse=True)]


def _n_workers(n_jobs: int | None, n_tasks: int, device: torch.device) -> int:
    if device.type != "cpu":
        return 1
    wanted = joblib.cpu_count() if n_jobs in (None, -1) else int(n_jobs or 1)
    return max(1, min(wanted, n_tasks))


def _worthwhile(
    n_workers: int,
    source: ModuleSource,
    pool: Tensor,
    recipe: Recipe,
    tasks: Sequence[Task],
) -> int:
    """Return `n_workers`, or 1 if the whole work takes less time than starting processes.

    Three training steps are timed to estimate the work.
    """
    places = min(recipe.capacity, len(tasks))
    functions = functions_of(source, recipe.loss, pool.device)
    stack = recipe.stack(functions, [FreshStates(source).draw(0)] * places)
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
