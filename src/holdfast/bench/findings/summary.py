"""Summary of a benchmark: churn at cold accuracy and related measures, for each group and method.

A *group* is one data set, network, order and sizes; its runs are paired across settings. Each
method is measured on the runs that cold start and all of the method's settings have. In a store
that is still filling, these runs may differ between methods. Then each method's numbers are right,
only less certain, and a method counts as significantly better only if it is so on the runs that two
methods share. The counts of a stream's updates are summed first.

The measures:

- *Strict* is the lowest mean churn among a method's settings whose mean accuracy over runs is at
  least cold start's. It flatters a method that has many settings, since the setting is chosen and
  measured on the same runs.
- *Honest* chooses the setting in this way on one half of the runs and measures it on the other.
  Both ways are averaged.
- *Non-inferior* is the lowest mean churn among the settings whose accuracy is shown to be no more
  than a small margin below cold start's.
- *Gain kept* is the share of cold start's accuracy gain that is left at half of its churn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from holdfast.bench.findings.measures import (
    TIE,
    choose,
    choose_non_inferior,
    gain_kept,
    mean,
    not_dominated,
    paired_p_value,
    standard_error,
)
from holdfast.bench.findings.panels import COLD, Group, MethodRuns, Panel, panels
from holdfast.bench.findings.results import (
    Best,
    Choice,
    GainKept,
    GroupResult,
    Honest,
    MethodResult,
    Point,
    Summary,
    in_order,
)
from holdfast.common.parameters import check_choice, check_share
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CONFIDENCE",
    "MARGIN",
    "MEASURES",
    "Best",
    "Choice",
    "GainKept",
    "Group",
    "GroupResult",
    "Honest",
    "MethodResult",
    "Point",
    "Summary",
    "in_order",
    "select",
    "summarise",
]

CONFIDENCE = 0.95
MARGIN = 0.002
DECIMALS = 12  # decimals of the results
MEASURES = ("strict", "honest", "non_inferior")

Floats = NDArray[np.float64]


# --- frame -> summary ----------------------------------------------------------------------------


def select(results: pd.DataFrame, **wanted: Iterable[str] | None) -> pd.DataFrame:
    """Return the rows of some data sets, networks, methods or orders, and those of cold start.

    Parameters
    ----------
    results : DataFrame
    **wanted : iterable of str or None
        Values to keep of the columns ``dataset``, ``network``, ``method`` and ``order``. A column
        that is not given, or empty, keeps all.

    Raises
    ------
    InvalidInputError
        For a value that no row has, and if no row is left.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"method": ["cold", "warm", "distill"]})
    >>> select(frame, method=["distill"])["method"].tolist()
    ['cold', 'distill']
    """
    if len(results) == 0:
        raise InvalidInputError(
            "the store must hold results, got none; run holdfast bench run first"
        )
    whole = results
    for column, values in wanted.items():
        names = list(values or ())
        if not names:
            continue
        known = sorted(map(str, whole[column].unique()))
        for name in names:
            check_choice(f"--{column}", name, known)
        kept = results[column].isin([*names, *([COLD] if column == "method" else [])])
        results = results[kept]
        if len(results) == 0:
            raise InvalidInputError(
                f"--{column} must leave results, got none with the other filters; drop one of them"
            )
    return results


def summarise(
    results: pd.DataFrame, *, confidence: float = CONFIDENCE, margin: float = MARGIN
) -> Summary:
    """Measure every method of every group.

    Parameters
    ----------
    results : DataFrame
        One row for each trial, update, method and setting, as `holdfast.bench.store.read_store`
        returns it; the order of the rows does not matter.
    confidence : float
        Confidence level of the tests and of the bound behind *non-inferior*.
    margin : float
        A setting is not inferior to cold start if the one-sided lower confidence bound of its mean
        paired accuracy difference over runs, by Student's t, lies above -`margin`. This assumes at
        least two runs, which are independent and whose differences are close to normal. It does
        not correct for the number of settings of a method, of which some may pass by chance.

    Returns
    -------
    Summary

    Raises
    ------
    InvalidInputError
        If there are no rows, no group has a run of cold start, or rows contradict one another.

    Notes
    -----
    The method of lowest churn is tested against every other method that has a number, by a
    two-sided t-test of the paired difference over the runs that both have. The largest p-value
    decides. Tests of the best against each other one at the unadjusted level allow for the fact
    that it was found by looking; since the measurements correlate here, the least significant
    difference must decide (see the references, which assume normal means). The strict test ignores
    that each method's *setting* was chosen on the same runs, which flatters methods with many
    settings. The honest test keeps the two apart: each run's churn is that of the setting chosen on
    the other half of the runs, and each half is centred by itself. Nothing corrects for the number
    of groups: of twenty groups without a difference, one may be bold.

    The halves are alternate runs of cold start, the same for every method.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022, arXiv 2106.02654 (the strict
    measure).
    Hung and Fithian, "Rank verification for exponential families", arXiv 1610.03944.
    "Powerful rank verification for multivariate Gaussian data with any covariance structure",
    arXiv 2503.01065.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({
    ...     "dataset": "adult", "network": "fcn-10", "order": "random", "n_init": 1000,
    ...     "n_val": 100, "n_batch": 1000, "data": "3f2a", "run": [0, 0, 1, 1], "update": 1,
    ...     "method": ["cold", "distill"] * 2, "setting": ["cold", "distill(lam=0.5)"] * 2,
    ...     "cost": 1, "served": 1, "n": 100, "correct": [84, 85, 84, 84], "base_correct": 80,
    ...     "changed": [12, 7, 14, 6], "negative": [3, 1, 4, 1]})
    >>> distill = summarise(rows).groups[0].method("distill")
    >>> distill.strict.churn_rate, distill.strict.accuracy_difference, distill.gain_kept.value
    (0.065, 0.005, 1.125)
    """
    check_share("confidence", confidence, open_ends=True)
    check_share("margin", margin)
    if len(results) == 0:
        raise InvalidInputError(
            "the store must hold results, got none; run holdfast bench run first"
        )
    found = panels(results)
    with_cold = [panel for panel in found if panel.cold_runs.any()]
    if not with_cold:
        raise InvalidInputError(
            "some group must have a finished run of cold start, which all methods are measured "
            f"by, got none in {len(found)} groups; run holdfast bench run with the method 'cold'"
        )
    return Summary(
        groups=tuple(_group_result(panel, confidence, margin) for panel in with_cold),
        without_cold=tuple(panel.group for panel in found if not panel.cold_runs.any()),
        confidence=confidence,
        margin=margin,
    )


def _group_result(panel: Panel, confidence: float, margin: float) -> GroupResult:
    by_name = {runs.method: runs for runs in panel.each_method()}
    methods = [by_name[name] for name in in_order(by_name)]
    overall = _efficient_overall(methods)
    results = tuple(
        _method_result(runs, overall[runs.method], confidence, margin) for runs in methods
    )
    cold, floor = by_name[COLD], panel.floor[panel.cold_runs]
    return GroupResult(
        group=panel.group,
        n_runs=len(cold.runs),
        n_cold_diverged=panel.n_cold_diverged,
        base_accuracy=_mean(cold.cold["base_accuracy"]),
        cold_accuracy=_mean(cold.cold["accuracy"]),
        cold_churn_rate=_mean(cold.cold["churn_rate"]),
        churn_floor=None if np.isnan(floor).all() else _mean(floor[~np.isnan(floor)]),
        methods=results,
        best={m: _best(m, results, methods, confidence) for m in MEASURES},
    )


def _method_result(
    runs: MethodRuns, overall: NDArray[np.bool_], confidence: float, margin: float
) -> MethodResult:
    strict = _chosen(runs)
    careful = choose_non_inferior(
        runs.rates["accuracy"],
        runs.rates["churn_rate"],
        runs.cold["accuracy"],
        margin=margin,
        confidence=confidence,
    )
    halves = [_chosen(runs.half(1 - which)) for which in (0, 1)]  # to be measured on `which`
    return MethodResult(
        method=runs.method,
        cost=runs.cost,
        served=runs.served,
        n_runs=len(runs.runs),
        n_settings=len(runs.settings),
        n_diverged=runs.n_diverged,
        strict=None if strict is None else _choice(runs, strict),
        honest=_honest(runs, halves),
        honest_halves=(_half_churn(runs, halves, 0), _half_churn(runs, halves, 1)),
        non_inferior=None if careful is None else _choice(runs, careful),
        gain_kept=_gain_kept(runs),
        points=_points(runs, overall),
    )


# --- one method ----------------------------------------------------------------------------------


def _chosen(runs: MethodRuns) -> int | None:
    if len(runs.runs) == 0:
        return None
    return choose(runs.rates["accuracy"], runs.rates["churn_rate"], runs.cold["accuracy"])


def _choice(runs: MethodRuns, i: int) -> Choice:
    one = {name: rate[i] for name, rate in runs.rates.items()}
    difference = {name: one[name] - runs.cold[name] for name in ("accuracy", "churn_rate")}
    return Choice(
        setting=runs.settings[i],
        accuracy=_mean(one["accuracy"]),
        accuracy_standard_error=_error(one["accuracy"]),
        accuracy_difference=_mean(difference["accuracy"]),
        accuracy_difference_standard_error=_error(difference["accuracy"]),
        churn_rate=_mean(one["churn_rate"]),
        churn_rate_standard_error=_error(one["churn_rate"]),
        churn_difference=_mean(difference["churn_rate"]),
        churn_difference_standard_error=_error(difference["churn_rate"]),
        negative_flip_rate=_mean(one["negative_flip_rate"]),
        positive_flip_rate=_mean(one["positive_flip_rate"]),
        lateral_flip_rate=_mean(one["lateral_flip_rate"]),
    )


def _mean(values: Floats) -> float:
    return round(float(mean(values)), DECIMALS)


def _error(values: Floats) -> float | None:
    return float(standard_error(values)) if values.shape[-1] > 1 else None


def _honest(runs: MethodRuns, halves: list[int | None]) -> Honest | None:
    if halves[0] is None or halves[1] is None:
        return None
    parts = [runs.half(which) for which in (0, 1)]

    def measured(name: str) -> list[Floats]:
        return [part.rates[name][i] for part, i in zip(parts, halves, strict=True)]

    cold = [part.cold["accuracy"] for part in parts]
    difference = [a - c for a, c in zip(measured("accuracy"), cold, strict=True)]
    return Honest(
        # The setting measured on the second half is the one chosen on the first.
        settings=(runs.settings[halves[1]], runs.settings[halves[0]]),
        accuracy=_average(measured("accuracy")),
        cold_accuracy=_average(cold),
        accuracy_difference=_average(difference),
        accuracy_difference_standard_error=_average_error(difference),
        churn_rate=_average(measured("churn_rate")),
        churn_rate_standard_error=_average_error(measured("churn_rate")),
        negative_flip_rate=_average(measured("negative_flip_rate")),
    )


def _average(halves: list[Floats]) -> float:
    return round(float(np.mean([mean(half) for half in halves])), DECIMALS)


def _average_error(halves: list[Floats]) -> float | None:
    if min(len(half) for half in halves) < 2:
        return None
    return float(np.hypot(*(standard_error(half) for half in halves)) / 2)


def _half_churn(runs: MethodRuns, halves: list[int | None], which: int) -> float | None:
    i, part = halves[which], runs.half(which)
    if i is None or len(part.runs) == 0:
        return None
    return _mean(part.rates["churn_rate"][i])


def _gain_kept(runs: MethodRuns) -> GainKept:
    gains = runs.cold["accuracy"] - runs.cold["base_accuracy"]
    if len(gains) == 0:
        return GainKept(None, None, None, None, None, False, "no runs in common with cold start")
    gain, error = _mean(gains), _error(gains)
    setting, value, jackknife = gain_kept(
        runs.rates["accuracy"],
        runs.rates["churn_rate"],
        (runs.cold["accuracy"], runs.cold["churn_rate"]),
        runs.cold["base_accuracy"],
    )
    note = None
    if error is not None and gain < error:
        note = "cold start's gain is below its standard error"
    if setting is None:
        note = "no setting has at most half of cold start's churn"
    if gain < TIE:
        note = "cold start gains nothing"
    known = not np.isnan(value)
    return GainKept(
        value=round(value, DECIMALS) if known else None,
        standard_error=None if np.isnan(jackknife) else jackknife,
        setting=None if setting is None else runs.settings[setting],
        cold_gain=gain,
        cold_gain_standard_error=error,
        reliable=known and error is not None and gain >= error,
        note=note,
    )


# --- frontier ------------------------------------------------------------------------------------


def _efficient_overall(methods: list[MethodRuns]) -> dict[str, NDArray[np.bool_]]:
    some = [runs for runs in methods if len(runs.runs)]
    churn = np.concatenate([mean(runs.rates["churn_rate"]) for runs in some])
    accuracy = np.concatenate([mean(runs.rates["accuracy"]) for runs in some])
    kept = not_dominated(churn, accuracy)
    cuts = np.cumsum([len(runs.settings) for runs in some])[:-1]
    none = dict.fromkeys((runs.method for runs in methods), np.zeros(0, dtype=bool))
    return none | dict(zip((r.method for r in some), np.split(kept, cuts), strict=True))


def _points(runs: MethodRuns, overall: NDArray[np.bool_]) -> tuple[Point, ...]:
    if len(runs.runs) == 0:
        return ()
    churn, accuracy = runs.rates["churn_rate"], runs.rates["accuracy"]
    efficient = not_dominated(mean(churn), mean(accuracy))
    return tuple(
        Point(
            setting=setting,
            churn_rate=_mean(churn[i]),
            churn_rate_standard_error=_error(churn[i]),
            accuracy=_mean(accuracy[i]),
            accuracy_standard_error=_error(accuracy[i]),
            efficient=bool(efficient[i]),
            efficient_overall=bool(overall[i]),
        )
        for i, setting in enumerate(runs.settings)
    )


# --- the best ------------------------------------------------------------------------------------


def _best(
    measure: str, results: tuple[MethodResult, ...], methods: list[MethodRuns], confidence: float
) -> Best | None:
    churn = {r.method: value for r in results if (value := r.churn(measure)) is not None}
    if not churn:
        return None
    lowest = tuple(name for name, value in churn.items() if value <= min(churn.values()) + TIE)
    tracks = {
        result.method: (runs, _churn_by_run(measure, runs, result))
        for runs, result in zip(methods, results, strict=True)
        if result.method in churn
    }
    first = tracks.pop(lowest[0])
    found = [_p_value(measure, *first, *other) for other in tracks.values()]
    known = [p for p in found if p is not None]
    p_value = max(known) if known and len(known) == len(found) else None
    significant = len(lowest) == 1 and p_value is not None and p_value < 1 - confidence
    return Best(methods=lowest, p_value=p_value, significant=significant)


def _churn_by_run(measure: str, runs: MethodRuns, result: MethodResult) -> Floats:
    """Return the churn (R,) in each run of the setting that the measure uses for it."""
    churn = runs.rates["churn_rate"]
    if measure == "honest" and result.honest is not None:
        first, second = (runs.settings.index(name) for name in result.honest.settings)
        return np.where(runs.halves == 0, churn[second], churn[first])
    return churn[runs.settings.index(getattr(result, measure).setting)]


def _p_value(
    measure: str, one: MethodRuns, churn: Floats, other: MethodRuns, other_churn: Floats
) -> float | None:
    """Test the difference of two methods' churn on the runs that both have.

    The result is 1 if `one` has more churn there. It has less over its own runs, but in a store
    that is still filling that may be due to these runs.
    """
    _, i, j = np.intersect1d(one.runs, other.runs, return_indices=True)
    difference = churn[i] - other_churn[j]
    if len(difference) and mean(difference) > 0:
        return 1.0
    return paired_p_value(difference, one.halves[i] if measure == "honest" else None)
