"""The rows of a store become one panel of settings × runs for each group.

Methods are compared within a group: one data set, network, order of the rows and sizes. Its runs
are paired: run 3 of every setting starts from the same draw and the same base model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLD", "GROUP", "RATES", "Group", "MethodRuns", "Panel", "check_results", "panels"]

COLD = "cold"
FLOOR = ("ensemble", "member_churn")  # its members are cold starts that differ in the seed
GROUP = ["dataset", "network", "order", "n_init", "n_val", "n_batch"]
CELL = [*GROUP, "method", "setting", "run"]
COUNTS = ["correct", "base_correct", "changed", "negative"]
RATES = (
    "accuracy",
    "base_accuracy",
    "churn_rate",
    "negative_flip_rate",
    "positive_flip_rate",
    "lateral_flip_rate",
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, order=True)
class Group:
    """The key that the trials of one group share.

    Attributes
    ----------
    dataset, network : str
    order : str
        "random" for draws, "time" for streams.
    n_init, n_val, n_batch : int
        Numbers of initial rows, of validation rows, and of further rows in each update.
    """

    dataset: str
    network: str
    order: str
    n_init: int
    n_val: int
    n_batch: int

    @property
    def name(self) -> str:
        """Data set, network, order and sizes in one line."""
        sizes = f"{self.n_init:,} / {self.n_val:,} / {self.n_batch:,}"
        return f"{self.dataset}, {self.network}, {self.order}, {sizes}"


@dataclass(frozen=True)
class MethodRuns:
    """The settings of one method on the runs that all of them and cold start have.

    Attributes
    ----------
    method : str
    settings : tuple of str
        Settings in sorted order, without those that diverged in one of the runs.
    runs : ndarray of shape (R,)
    halves : ndarray of shape (R,)
        0 or 1, the half that a run belongs to. It is the same for every method of the group.
    rates, cold : mapping of str to ndarray of shape (S, R) and (R,)
        Each of `RATES`, for the settings and for cold start.
    cost, served : int
        Largest number of networks that a setting trains, and serves.
    n_diverged : int
        Number of settings left out because a training diverged.
    """

    method: str
    settings: tuple[str, ...]
    runs: NDArray[np.int64]
    halves: NDArray[np.int64]
    rates: dict[str, Floats]
    cold: dict[str, Floats]
    cost: int
    served: int
    n_diverged: int

    def half(self, which: int) -> MethodRuns:
        """Return the same on the runs of one half."""
        return self.on(self.halves == which)

    def on(self, mask: NDArray[np.bool_]) -> MethodRuns:
        """Return the same on the runs that `mask` (R,) keeps."""
        return MethodRuns(
            method=self.method,
            settings=self.settings,
            runs=self.runs[mask],
            halves=self.halves[mask],
            rates={name: value[:, mask] for name, value in self.rates.items()},
            cold={name: value[mask] for name, value in self.cold.items()},
            cost=self.cost,
            served=self.served,
            n_diverged=self.n_diverged,
        )


@dataclass(frozen=True)
class Panel:
    """One group as settings × runs.

    Attributes
    ----------
    group : Group
    runs : ndarray of shape (R,)
        Numbers of the runs in sorted order.
    methods, settings : ndarray of shape (S,)
        Method and setting of each row, sorted by method, then setting.
    cost, served : ndarray of shape (S,)
        Number of networks that each setting trains, and serves.
    present, diverged : ndarray of bool and shape (S, R)
        Whether the store has a setting's run with all its updates, and whether it has no counts.
    rates : mapping of str to ndarray of shape (S, R)
        Each of `RATES`, NaN where a run is missing or diverged.
    floor : ndarray of shape (R,)
        Churn between cold starts of different seeds, NaN where it was not measured.
    """

    group: Group
    runs: NDArray[np.int64]
    methods: NDArray[Any]
    settings: NDArray[Any]
    cost: NDArray[np.int64]
    served: NDArray[np.int64]
    present: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    rates: dict[str, Floats]
    floor: Floats

    def of(self, method: str) -> NDArray[np.bool_]:
        """Return which settings (S,) belong to a method."""
        # Names are compared in Python, since NumPy drops a zero character at the end of one.
        return np.array([name == method for name in self.methods], dtype=bool)

    @property
    def cold_runs(self) -> NDArray[np.bool_]:
        """Which runs (R,) cold start finished."""
        cold = np.flatnonzero(self.of(COLD))
        if len(cold) == 0:
            return np.zeros(len(self.runs), dtype=bool)
        return self.present[cold[0]] & ~self.diverged[cold[0]]

    @property
    def n_cold_diverged(self) -> int:
        """Number of runs in which cold start diverged."""
        return int((self.present & self.diverged)[self.of(COLD)].sum())

    def each_method(self) -> Iterator[MethodRuns]:
        """Yield each method's settings on the runs that they and cold start all have."""
        usable = self.cold_runs
        # Runs alternate between the halves. A store that is still filling has the first runs of
        # every method, and this way both halves grow together.
        halves = (np.cumsum(usable) - 1) % 2
        cold = {name: rate[self.of(COLD)][0] for name, rate in self.rates.items()}
        for method in dict.fromkeys(self.methods.tolist()):
            of = self.of(method)
            runs = usable & self.present[of].all(axis=0)
            kept = ~self.diverged[of][:, runs].any(axis=1)
            yield MethodRuns(
                method=method,
                settings=tuple(self.settings[of][kept].tolist()),
                runs=self.runs[runs],
                halves=halves[runs],
                rates={name: rate[of][kept][:, runs] for name, rate in self.rates.items()},
                cold={name: rate[runs] for name, rate in cold.items()},
                cost=int(self.cost[of].max()),
                served=int(self.served[of].max()),
                n_diverged=int((~kept).sum()),
            )


def panels(results: pd.DataFrame) -> list[Panel]:
    """Return one panel for each group, in sorted order, whatever the order of the rows.

    Parameters
    ----------
    results : DataFrame
        One row for each trial, update, method and setting, as `holdfast.bench.store.read_store`
        returns it.

    Returns
    -------
    list of Panel
        The counts of a stream's updates are summed; a run that lacks updates counts as missing.

    Raises
    ------
    InvalidInputError
        If columns are missing, counts contradict one another, a row is there twice, a group has
        more than one data set, or cold start has several settings.
    """
    check_results(results)
    counts = results[CELL].copy()
    numbers = results[["n", *COUNTS]].apply(lambda c: c.astype("Float64").astype(np.float64))
    counts[numbers.columns] = numbers
    counts["diverged"] = numbers.isna().any(axis=1)
    counts["updates"] = 1
    counts["floor"] = results.get(FLOOR[1], np.nan)
    counts.loc[counts["method"] != FLOOR[0], "floor"] = np.nan
    counts[["cost", "served"]] = results[["cost", "served"]]
    how = dict.fromkeys(["n", *COUNTS, "updates"], "sum") | {
        "diverged": "any",
        "floor": "mean",
        "cost": "max",
        "served": "max",
    }
    cells = counts.groupby(CELL, sort=True, observed=True).agg(how).reset_index()
    grouped = cells.groupby(GROUP, sort=True, observed=True)
    found = [_panel(Group(*_plain_key(key)), rows) for key, rows in grouped]
    for panel in found:
        _check_cold(panel)
    return found


def _plain_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*(str(part) for part in key[:3]), *(int(part) for part in key[3:]))


def _panel(group: Group, cells: pd.DataFrame) -> Panel:
    pairs = cells.groupby(["method", "setting"], sort=True, observed=True)
    row = pairs.ngroup().to_numpy()
    runs, column = np.unique(cells["run"].to_numpy(), return_inverse=True)
    shape = (pairs.ngroups, len(runs))

    def spread(values: Any, fill: Any) -> NDArray[Any]:
        values = np.asarray(values)
        table = np.full(shape, fill, dtype=values.dtype)
        table[row, column] = values
        return table

    named = pairs[["cost", "served"]].max()
    whole = (cells["updates"] == cells["updates"].max()).to_numpy()
    present = spread(whole, False)
    diverged = spread(cells["diverged"].to_numpy(), False)
    gone = ~present | diverged
    rates = {name: spread(rate, np.nan) for name, rate in _rates(cells).items()}
    return Panel(
        group=group,
        runs=runs.astype(np.int64),
        methods=named.index.get_level_values("method").to_numpy(dtype=object),
        settings=named.index.get_level_values("setting").to_numpy(dtype=object),
        cost=named["cost"].to_numpy(dtype=np.int64),
        served=named["served"].to_numpy(dtype=np.int64),
        present=present,
        diverged=diverged,
        rates={name: np.where(gone, np.nan, rate) for name, rate in rates.items()},
        floor=cells.groupby("run")["floor"].mean().to_numpy(dtype=np.float64),
    )


def _rates(cells: pd.DataFrame) -> dict[str, Floats]:
    n, correct, base, changed, negative = (cells[c].to_numpy() for c in ("n", *COUNTS))
    positive = correct - base + negative
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": correct / n,
            "base_accuracy": base / n,
            "churn_rate": changed / n,
            "negative_flip_rate": negative / n,
            "positive_flip_rate": positive / n,
            "lateral_flip_rate": (changed - negative - positive) / n,
        }


# --- checks --------------------------------------------------------------------------------------


def check_results(results: pd.DataFrame) -> None:
    """Raise unless `results` has the columns of a store and no row contradicts another."""
    needed = [*CELL, "update", "data", "cost", "served", "n", *COUNTS]
    missing = [name for name in needed if name not in results.columns]
    if missing:
        raise InvalidInputError(
            f"the results must have the column {missing[0]!r}, got "
            f"{', '.join(map(str, results.columns[:20]))}; read them by holdfast bench"
        )
    empty = [name for name in needed[: -len(COUNTS)] if results[name].isna().any()]
    if empty:
        raise InvalidInputError(
            f"the results must have a value of {empty[0]!r} in every row, got missing ones; "
            "only counts of a training that diverged may be missing"
        )
    _check_counts(results)
    same = [name for name in ("data", "n_test") if name in results.columns]
    kinds = results[[*GROUP, *same]].drop_duplicates()
    mixed = kinds.duplicated(GROUP).to_numpy()
    if mixed.any():
        raise InvalidInputError(
            "the runs of one group must be on the same data and number of test rows, got several "
            f"of {_words(kinds.loc[mixed, GROUP].iloc[0])}; give their stores one at a time"
        )
    twice = results.duplicated([*CELL, "update"]).to_numpy()
    if twice.any():
        raise InvalidInputError(
            f"every trial, update and setting must be in the results once, got {twice.sum()} "
            f"again, first {_words(results.loc[twice, [*CELL, 'update']].iloc[0])}; give every "
            "store once"
        )


def _check_counts(results: pd.DataFrame) -> None:
    n, correct, base, changed, negative = (
        results[c].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        for c in ("n", *COUNTS)
    )
    positive = correct - base + negative
    with np.errstate(invalid="ignore"):
        wrong = (n <= 0) | (correct > n) | (base > n) | (changed > n) | (negative > base)
        wrong |= np.minimum.reduce([correct, base, negative, positive]) < 0
        wrong |= (positive > n - base) | (changed < negative + positive)
    if wrong.any():
        raise InvalidInputError(
            "the counts of each row must be possible, got others in "
            f"{_words(results.loc[wrong, [*CELL, 'update']].iloc[0])}; the store is damaged"
        )


def _check_cold(panel: Panel) -> None:
    settings = panel.settings[panel.of(COLD)]
    if len(settings) > 1:
        raise InvalidInputError(
            f"cold start must have one setting in each group, got {len(settings)} in "
            f"{panel.group.name}: {', '.join(settings[:5])}; give stores of one kind"
        )


def _words(row: pd.Series) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
