"""One network to train: the caller's `Run`, checked and turned into a `Task` of the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from holdfast.common.arrays import check_proba, check_same_length, check_weights
from holdfast.common.parameters import check_count
from holdfast.exceptions import InvalidInputError
from holdfast.methods.method import Method
from holdfast.methods.training import Cold
from holdfast.nn.many.constraint import require_cooper
from holdfast.nn.many.fresh import State, tensors_of
from holdfast.nn.many.loop import Task

__all__ = [
    "Run",
    "as_rows",
    "check_labels",
    "check_runs",
    "check_state",
    "parameters_of",
    "task_of",
]

PLAIN = Cold()


@dataclass(frozen=True, eq=False)
class Run:
    """One network to train.

    Parameters
    ----------
    rows : array-like of int of shape (n,)
        Positions of the training rows among the rows given to `fit_many`.
    validation_rows : array-like of int of shape (m,), optional
        Positions of the rows whose loss decides when training stops.
    method : Method
        The training method; plain retraining by default.
    seed : int
        Seed of the fresh parameters, the row order and dropout.
    base_proba : array-like of shape (n, K), optional
        Base probabilities of the training rows, for methods that learn from them. A row of NaN has
        no base prediction.
    base_state : mapping of str to Tensor, or nn.Module, optional
        Parameters of the base model, for methods that use them.
    target : array-like of shape (n, K), optional
        Soft targets that replace the labels, for methods that make no targets of their own.
    sample_weight : array-like of shape (n,), optional
        Weights of the training rows; only proportions matter.
    """

    rows: ArrayLike
    validation_rows: ArrayLike | None = None
    method: Method = PLAIN
    seed: int = 0
    base_proba: ArrayLike | None = None
    base_state: Mapping[str, Tensor] | nn.Module | None = None
    target: ArrayLike | None = None
    sample_weight: ArrayLike | None = None


def as_rows(X: ArrayLike | Tensor, module: nn.Module) -> Tensor:
    """Return rows as a tensor that a module takes.

    Real numbers get the module's own precision, and integers become 64-bit integers.

    Parameters
    ----------
    X : array-like or Tensor of shape (N, …)
        The rows.
    module : nn.Module
        The module.
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


def check_runs(runs: Sequence[Run], n: int, patience: int | None) -> list[Run]:
    """Return checked runs whose rows are arrays of positions among `n` rows."""
    listed = isinstance(runs, Sequence) and len(runs) > 0
    if not listed or not all(isinstance(run, Run) for run in runs):
        raise InvalidInputError(
            f"runs must be a sequence of holdfast.nn.Run, got {runs!r:.60}; give one for each "
            "network"
        )
    checked = []
    for i, run in enumerate(runs):
        if not isinstance(run.method, Method):
            raise InvalidInputError(
                f"runs[{i}].method must be a method object, got {run.method!r:.60}; give e.g. "
                "holdfast.methods.Distill(0.5)"
            )
        run.method.check()
        if not isinstance(run.base_state, (Mapping, nn.Module, type(None))):
            raise InvalidInputError(
                f"runs[{i}].base_state must be a module or its state_dict(), got a "
                f"{type(run.base_state).__name__}; give one of these"
            )
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


def check_labels(
    y: ArrayLike | Tensor | None, runs: Sequence[Run], n: int, n_classes: int
) -> NDArray[np.int64] | None:
    """Return the class position of each row, shape (n,), or None if no run needs labels."""
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
            f"{labels.max()}; number the classes from 0, and give the module an output for each"
        )
    return labels.astype(np.int64)


def task_of(
    index: int,
    run: Run,
    labels: NDArray[np.int64] | None,
    n_classes: int,
    like: State,
    pool: Tensor,
) -> Task:
    """Return the task of one run, with everything that the training loop needs.

    Parameters
    ----------
    index : int
        Position of the run in the caller's list.
    run : Run
        A run that `check_runs` has returned.
    labels : ndarray of shape (N,) or None
        Class position of each row.
    n_classes : int
        Number of outputs of the module.
    like : State
        The module's parameters and buffers, whose names and shapes those of a base model must
        have.
    pool : Tensor of shape (N, …)
        All rows.
    """
    rows, held_out = np.asarray(run.rows), np.asarray(run.validation_rows)
    method = run.method.trained
    if "rounds" in run.method.changes:
        raise InvalidInputError(
            f"runs[{index}].method must suit a network, got {run.method}, which keeps the first "
            "rounds of boosting; use another method, or a booster"
        )
    if "constraint" in method.changes:
        require_cooper()
    if "batch" in method.changes and not pool.is_floating_point():
        raise InvalidInputError(
            f"runs[{index}].method must not blend rows of integers, got {method} for rows of "
            f"{pool.dtype}; use another method, or give the module real numbers"
        )
    validation = np.zeros((len(held_out), n_classes), dtype=np.float32)
    if labels is not None and len(held_out):
        validation[np.arange(len(held_out)), labels[held_out]] = 1.0
    if run.target is not None and "target" in method.changes:
        raise InvalidInputError(
            f"runs[{index}].target must be left out with the method {run.method}, which makes its "
            "own, got both; give one of the two"
        )
    base_proba = _base_proba(index, run, n_classes)
    return Task(
        index=index,
        rows=rows,
        targets=_target(index, run, labels, base_proba).astype(np.float32),
        validation_rows=held_out,
        validation_targets=validation,
        method=method,
        seeds=_seeds(index, run, method),
        base=_base(index, run, like),
        base_proba=base_proba.astype(np.float32) if "constraint" in method.changes else None,
    )


def _seeds(index: int, run: Run, method: Method) -> tuple[int, ...]:
    seed = check_count(f"runs[{index}].seed", run.seed, least=0, hint="give e.g. 0")
    if seed >= 2**64:
        raise InvalidInputError(f"runs[{index}].seed must be below 2**64, got {seed}; give e.g. 0")
    if not method.peer_weight:
        return (seed,)
    partner = np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0]
    return (seed, int(partner >> np.uint64(1)))


def _base_proba(index: int, run: Run, n_classes: int) -> NDArray[np.float64]:
    """Return the base probabilities of the training rows, all NaN if the run has none."""
    n = len(np.asarray(run.rows))
    if run.base_proba is None:
        if run.method.trained.needs_base_proba:
            raise InvalidInputError(
                f"runs[{index}].base_proba must be given for the method {run.method}, which learns "
                "from it, got None; give the base model's probabilities for the training rows"
            )
        return np.full((n, n_classes), np.nan)
    name = f"runs[{index}].base_proba"
    base = _columns(name, run.base_proba, n_classes, allow_missing=True)
    check_same_length(**{f"runs[{index}].rows": range(n), name: base})
    return base


def _target(
    index: int,
    run: Run,
    labels: NDArray[np.int64] | None,
    base: NDArray[np.float64],
) -> NDArray[np.float64]:
    rows, n_classes = np.asarray(run.rows), base.shape[1]
    if run.target is not None:
        target = _columns(f"runs[{index}].target", run.target, n_classes)
    else:
        assert labels is not None  # `check_labels` has seen to it
        target = run.method.trained.target(labels[rows], base, np.arange(n_classes))
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


def _base(index: int, run: Run, like: State) -> State | None:
    if not run.method.needs_base_parameters:
        return None
    if run.base_state is None:
        raise InvalidInputError(
            f"runs[{index}].base_state must be given for the method {run.method}, got None; give "
            "the base model's module or its state_dict()"
        )
    state = check_state(
        f"runs[{index}].base_state",
        parameters_of(run.base_state),
        like,
        hint="use a method that starts afresh, e.g. Distill, for a base model of another shape or "
        "with other classes",
    )
    return {name: value.cpu() for name, value in state.items()}


def check_state(
    name: str, state: Any, like: State, *, hint: str = "give a state of this module's networks"
) -> State:
    """Return the tensors of a state that a module has too, in the module's precision.

    Parameters
    ----------
    name : str
        Name of the state in messages.
    state : mapping of str to Tensor
        The state; anything else is refused.
    like : State
        Parameters and buffers of the module.
    hint : str
        Advice at the end of messages.
    """
    given = state if isinstance(state, Mapping) else {}
    for key, own in like.items():
        tensor = given.get(key)
        if not isinstance(tensor, Tensor) or tensor.shape != own.shape:
            got = f"shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "none"
            if tensor is not None and not isinstance(tensor, Tensor):
                got = f"a {type(tensor).__name__} in place of a tensor"
            raise InvalidInputError(
                f"{name} must be of the same architecture: {key!r} must have shape "
                f"{tuple(own.shape)}, got {got}; {hint}"
            )
    return {key: given[key].detach().to(value.dtype) for key, value in like.items()}


def parameters_of(given: Mapping[str, Tensor] | nn.Module | None) -> State | None:
    """Return a run's base model, a module or a state, as a state."""
    if given is None:
        return None
    return tensors_of(given) if isinstance(given, nn.Module) else dict(given)
