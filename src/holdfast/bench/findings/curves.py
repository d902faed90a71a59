"""Curves of a benchmark: the cost of churn for each method, and its sum over a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.bench.findings.measures import TIE, mean, standard_error
from holdfast.bench.findings.panels import COLD, GROUP, Group, MethodRuns, Panel, panels
from holdfast.bench.findings.results import Summary, in_order

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WEIGHTS", "CostCurve", "StreamCurve", "cost_curves", "stream_curves"]

Floats = NDArray[np.float64]

WEIGHTS = np.linspace(0, 1, 51)


@dataclass(frozen=True, eq=False)
class CostCurve:
    """Least cost of one method at each weight of churn.

    Attributes
    ----------
    method : str
    weights : ndarray of shape (A,)
        Weights of churn against error, in [0, 1].
    cost, standard_error : ndarray of shape (A,)
        Least mean cost over the method's settings. The standard errors are NaN for a single run.
    difference, difference_standard_error : ndarray of shape (A,)
        This cost minus cold start's own at the same weight, over paired runs.
    settings : tuple of str
        The setting of least cost at each weight.
    """

    method: str
    weights: Floats
    cost: Floats
    standard_error: Floats
    difference: Floats
    difference_standard_error: Floats
    settings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class StreamCurve:
    """One method's setting over the updates of a stream.

    Attributes
    ----------
    method, setting : str
    updates : ndarray of shape (U,)
        Numbers of the updates.
    churn_rate, churn_rate_standard_error : ndarray of shape (U,)
        Sum of the churn of all updates so far: how often a row's answer has changed, on average.
    accuracy, accuracy_standard_error : ndarray of shape (U,)
        Accuracy after each update.
    accuracy_difference, accuracy_difference_standard_error : ndarray of shape (U,)
        Difference to cold start's accuracy after as many updates, over paired runs.
    """

    method: str
    setting: str
    updates: NDArray[np.int64]
    churn_rate: Floats
    churn_rate_standard_error: Floats
    accuracy: Floats
    accuracy_standard_error: Floats
    accuracy_difference: Floats
    accuracy_difference_standard_error: Floats


def cost_curves(
    results: pd.DataFrame, weights: Floats = WEIGHTS
) -> dict[Group, tuple[CostCurve, ...]]:
    """Return the least cost of each method, for each weight of churn.

    Parameters
    ----------
    results : DataFrame
        Rows of a store, as `holdfast.bench.findings.summary.summarise` takes them.
    weights : ndarray of shape (A,)
        Weights a in [0, 1].

    Returns
    -------
    dict of Group to tuple of CostCurve
        The curves of each group that has a run of cold start.

    Notes
    -----
    The cost of a setting at weight a is the mean over runs of

        (1 - a) · (cold start's accuracy - its accuracy) + a · its churn,

    and the curve is the least over the method's settings, at each weight anew. Divided by 1 - a
    this is error difference + t · churn with t = a / (1 - a): at a = 1/2 a changed answer weighs as
    much as a wrong one. The least is found on the runs that it is measured on, so that a method
    with more settings is flattered a little.

    References
    ----------
    The trade-offs of accuracy and churn are those of Jiang et al., "Churn Reduction via
    Distillation", ICLR 2022, arXiv 2106.02654.
    """
    return {panel.group: _costs(panel, weights) for panel in panels(results)}


def _costs(panel: Panel, weights: Floats) -> tuple[CostCurve, ...]:
    if not panel.cold_runs.any():
        return ()
    by_name = {runs.method: runs for runs in panel.each_method()}
    some = [by_name[name] for name in in_order(by_name)]
    return tuple(_cost(runs, weights) for runs in some if len(runs.runs) and runs.settings)


def _cost(runs: MethodRuns, weights: Floats) -> CostCurve:
    worse = runs.cold["accuracy"] - runs.rates["accuracy"]  # (S, R)
    churn, cold = runs.rates["churn_rate"], runs.cold["churn_rate"]
    a = weights[:, None]
    costs = (1 - a) * mean(worse) + a * mean(churn)  # (A, S)
    best = (costs <= costs.min(axis=1, keepdims=True) + TIE).argmax(axis=1)
    by_run = (1 - a) * worse[best] + a * churn[best]  # (A, R)
    difference = by_run - a * cold
    return CostCurve(
        method=runs.method,
        weights=weights,
        cost=mean(by_run),
        standard_error=standard_error(by_run),
        difference=mean(difference),
        difference_standard_error=standard_error(difference),
        settings=tuple(runs.settings[i] for i in best),
    )


def stream_curves(results: pd.DataFrame, summary: Summary) -> dict[Group, tuple[StreamCurve, ...]]:
    """Return churn and accuracy over the updates of each stream, for the strict choice of setting.

    Parameters
    ----------
    results : DataFrame
        The rows that `summary` was made from.
    summary : Summary

    Returns
    -------
    dict of Group to tuple of StreamCurve
        The curves of each group with more than one update. Methods without a setting at cold
        accuracy are left out. Means are over the runs that have the setting and all updates.
    """
    order = (results["update"] > 1).groupby([results[c] for c in GROUP]).any()
    streams = {Group(*key) for key in order.index[order.to_numpy()]}
    found = {}
    for group in summary.groups:
        if group.group in streams:
            cold = _shares(_rows(results, group.group, COLD))
            found[group.group] = tuple(
                _stream(_rows(results, group.group, result.method, result.strict.setting), cold)
                for result in group.methods
                if result.strict is not None
            )
    return found


def _rows(
    results: pd.DataFrame, group: Group, method: str, setting: str | None = None
) -> pd.DataFrame:
    wanted: dict[str, object] = vars(group) | {"method": method}
    if setting is not None:
        wanted["setting"] = setting
    return results[
        np.logical_and.reduce([results[name] == value for name, value in wanted.items()])
    ]


def _shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy and churn by update, in one row for each run that has all updates."""
    n, correct, changed = (
        rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("n", "correct", "changed")
    )
    shares = rows[["run", "update"]].assign(accuracy=correct / n, churn=changed / n)
    return shares.pivot_table(
        index="run", columns="update", values=["accuracy", "churn"], aggfunc="first"
    ).dropna()


def _stream(rows: pd.DataFrame, cold: pd.DataFrame) -> StreamCurve:
    shares = _shares(rows)
    accuracy = shares["accuracy"].to_numpy().T  # (U, R)
    churn = shares["churn"].to_numpy().T.cumsum(axis=0)
    difference = (shares["accuracy"] - cold["accuracy"]).dropna().to_numpy().T
    return StreamCurve(
        method=str(rows["method"].iloc[0]),
        setting=str(rows["setting"].iloc[0]),
        updates=shares["accuracy"].columns.to_numpy(dtype=np.int64),
        churn_rate=mean(churn),
        churn_rate_standard_error=standard_error(churn),
        accuracy=mean(accuracy),
        accuracy_standard_error=standard_error(accuracy),
        accuracy_difference=mean(difference),
        accuracy_difference_standard_error=standard_error(difference),
    )
