"""The protocol: what one trial is, and which rows its models see.

The rows and every seed follow from the trial's key alone, so that a trial gives the same result
wherever and whenever it is run.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError

__all__ = [
    "COUNTS",
    "MEANS",
    "ORDERS",
    "PROTOCOL",
    "ModelRows",
    "Trial",
    "TrialRows",
    "rows_of",
    "seed_of",
]

# Raised whenever the same key would give other rows: the store never mixes two protocols.
PROTOCOL = 1
ORDERS = ("random", "time")
# The measures on the test rows: numbers of rows, and means.
COUNTS = ("n", "correct", "base_correct", "changed", "negative")
MEANS = ("kl", "log_loss", "member_churn")
UPDATES = 10  # in a stream
DRAWS = 100  # attempts to draw initial rows of at least two classes


@dataclass(frozen=True, order=True)
class Trial:
    """The key of one trial: a run of one network on one data set, with all its methods.

    Attributes
    ----------
    dataset, network : str
    order : {"random", "time"}
        Whether rows are drawn at random and updated once, or are a stream that is updated ten times
        in a row.
    n_init, n_val, n_batch : int
        Numbers of initial rows, of validation rows, and of further rows in each update.
    n_test : int
        Largest number of test rows, which are then a fixed random sample; 0 for all.
    data : str
        Short hash of the data set.
    run : int
        Number of the draw, from 0.
    """

    dataset: str
    network: str
    order: str
    n_init: int
    n_val: int
    n_batch: int
    n_test: int
    data: str
    run: int

    def key(self) -> dict[str, Any]:
        """Return the key as columns of a table."""
        return asdict(self)

    @property
    def group(self) -> Trial:
        """The first run of the same kind, which stands for all of them."""
        return Trial(**(self.key() | {"run": 0}))

    def __str__(self) -> str:
        sizes = f"{self.n_init}/{self.n_val}/{self.n_batch}"
        return f"{self.dataset} × {self.network} ({self.order}, {sizes}, run {self.run})"


@dataclass(frozen=True, eq=False)
class ModelRows:
    """The rows that one model is trained on, stopped by, and measured on.

    Attributes
    ----------
    train, validation, test : ndarray of int
        Positions in the data set.
    """

    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TrialRows:
    """The rows of the first base model and of each update.

    Attributes
    ----------
    initial : ModelRows
        The rows of the first base model, which has no test rows.
    updates : tuple of ModelRows
    """

    initial: ModelRows
    updates: tuple[ModelRows, ...]


def seed_of(trial: Trial, update: int, member: int = 0) -> int:
    """Return the seed of a model, which is the same for every method, so that methods are paired.

    Parameters
    ----------
    trial : Trial
    update : int
        Number of the update, from 1; 0 for the first base model.
    member : int
        Position in an ensemble.
    """
    return int(np.random.SeedSequence([trial.run, update, member]).generate_state(1)[0])


def rows_of(
    trial: Trial, y: NDArray[np.intp], train: NDArray[np.intp], test: NDArray[np.intp]
) -> TrialRows:
    """Return the rows of a trial.

    Parameters
    ----------
    trial : Trial
    y : ndarray of shape (n,)
        Positions of the labels among the classes.
    train, test : ndarray of int
        The parts from which random rows are drawn; a stream takes all rows in their order.

    Raises
    ------
    InvalidInputError
        When there are fewer rows than the sizes ask for, or the base model's rows are of one class.

    Notes
    -----
    Random order: initial, validation and further rows are drawn together without replacement. The
    update is trained on the initial and the further rows, and both models are stopped by the same
    validation rows. A draw whose initial rows are all of one class is drawn again.

    Time: the base model sees a window of `n_init` + `n_val` rows that begins at a random place.
    Each of ten updates then moves on by `n_batch` rows, sees the latest `n_init` + `n_val` +
    `n_batch` rows, and is measured on the next `n_batch` rows. `n_val` random rows among the newest
    `n_batch` validate; no earlier model was trained on them. All test rows are used. If the rows of
    the base model are all of one class, its window is drawn again.
    """
    _check_classes(trial, y)
    return _random_rows(trial, y, train, test) if trial.order == "random" else _stream(trial, y)


def _random_rows(
    trial: Trial, y: NDArray[np.intp], train: NDArray[np.intp], test: NDArray[np.intp]
) -> TrialRows:
    sizes = (trial.n_init, trial.n_val, trial.n_batch)
    _check_enough(trial, sum(sizes), len(train), "the training part", "further rows")
    cuts = np.cumsum(sizes)
    nothing = np.empty(0, dtype=np.intp)
    for draw in range(DRAWS):
        order = np.random.default_rng([trial.run, draw]).permutation(train)
        initial, validation, further, _ = np.split(order, cuts)
        if len(np.unique(y[initial])) > 1:
            everything = np.concatenate([initial, further])
            update = ModelRows(everything, validation, _sample(test, trial.n_test))
            return TrialRows(ModelRows(initial, validation, nothing), (update,))
    raise _one_class(trial, f"in each of {DRAWS} draws")


def _sample(test: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    if not n or n >= len(test):
        return test
    return np.sort(np.random.default_rng(0).choice(test, n, replace=False))


def _stream(trial: Trial, y: NDArray[np.intp]) -> TrialRows:
    first, step = trial.n_init + trial.n_val, trial.n_batch
    needed = first + (UPDATES + 1) * step
    further = f"rows of each of {UPDATES + 1} windows that follow"
    _check_enough(trial, needed, len(y), "the stream", further)
    if trial.n_val >= step:
        raise InvalidInputError(
            f"a stream must have fewer validation rows than rows of an update, got {trial.n_val} "
            f"and {step}; lower --n-val or raise --n-batch"
        )
    for draw in range(DRAWS):
        rng = np.random.default_rng([trial.run, draw])
        start = int(rng.integers(len(y) - needed + 1))
        windows = [_window(rng, start, start + first, first, step, trial.n_val)]
        if len(np.unique(y[windows[0].train])) > 1:
            ends = [start + first + update * step for update in range(1, UPDATES + 1)]
            windows += [
                _window(rng, end - first - step, end, step, step, trial.n_val) for end in ends
            ]
            return TrialRows(windows[0], tuple(windows[1:]))
    raise _one_class(trial, f"in each of {DRAWS} windows")


def _window(
    rng: np.random.Generator, start: int, end: int, newest: int, n_test: int, n_val: int
) -> ModelRows:
    """Return the rows from `start` to `end`, and the next ones as tests.

    `n_val` of the `newest` rows validate, the others are trained on.
    """
    held_out = np.sort(rng.choice(np.arange(end - newest, end), n_val, replace=False))
    kept = np.setdiff1d(np.arange(start, end), held_out, assume_unique=True)
    return ModelRows(kept, held_out, np.arange(end, end + n_test))


def _check_classes(trial: Trial, y: NDArray[np.intp]) -> None:
    n_classes = int(y.max()) + 1
    if 2 * n_classes > trial.n_init:
        raise InvalidInputError(
            f"{trial.dataset} must have at least two initial rows for each of its {n_classes} "
            f"classes, got {trial.n_init}; ask for more with --n-init, or name a column of classes "
            "and not of numbers with --target"
        )


def _check_enough(trial: Trial, needed: int, n: int, what: str, further: str) -> None:
    if n < needed:
        raise InvalidInputError(
            f"{what} of {trial.dataset} must have {needed:,} rows for {trial.n_init:,} initial, "
            f"{trial.n_val:,} validation and {trial.n_batch:,} {further}, got {n:,}; ask for "
            "fewer with --n-init, --n-val and --n-batch"
        )


def _one_class(trial: Trial, where: str) -> InvalidInputError:
    return InvalidInputError(
        f"the initial rows of {trial} must have two classes or more, got one {where}; ask for more "
        "rows with --n-init"
    )
