"""The data classes that hold the findings of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from holdfast.bench.findings.panels import Group
from holdfast.bench.trials.contenders import CONTENDERS
from holdfast.common.plain import plain

__all__ = [
    "Best",
    "Choice",
    "GainKept",
    "GroupResult",
    "Honest",
    "MethodResult",
    "Point",
    "Summary",
    "in_order",
]


@dataclass(frozen=True)
class Choice:
    """One setting, measured on the runs that it was chosen on.

    Attributes
    ----------
    setting : str
    accuracy, churn_rate, negative_flip_rate, positive_flip_rate, lateral_flip_rate : float
        Means over runs. Flips read from the base to the new model.
    accuracy_difference, churn_difference : float
        This setting minus cold start.
    *_standard_error : float or None
        Standard errors over runs, which are paired for differences. None for fewer than two runs.
    """

    setting: str
    accuracy: float
    accuracy_standard_error: float | None
    accuracy_difference: float
    accuracy_difference_standard_error: float | None
    churn_rate: float
    churn_rate_standard_error: float | None
    churn_difference: float
    churn_difference_standard_error: float | None
    negative_flip_rate: float
    positive_flip_rate: float
    lateral_flip_rate: float


@dataclass(frozen=True)
class Honest:
    """Settings chosen on one half of the runs and measured on the other, both ways, averaged.

    Attributes
    ----------
    settings : (str, str)
        The setting chosen on the first half, and the one chosen on the second half.
    accuracy, cold_accuracy, churn_rate, negative_flip_rate : float
        Means of the two halves' means. `cold_accuracy` is cold start's on the same halves.
    accuracy_difference : float
        `accuracy` - `cold_accuracy`, which shows whether the accuracy held on runs that did not
        choose.
    *_standard_error : float or None
        Standard errors for these settings. They do not include that another draw might choose
        other settings.
    """

    settings: tuple[str, str]
    accuracy: float
    cold_accuracy: float
    accuracy_difference: float
    accuracy_difference_standard_error: float | None
    churn_rate: float
    churn_rate_standard_error: float | None
    negative_flip_rate: float


@dataclass(frozen=True)
class GainKept:
    """Share of cold start's accuracy gain that the best setting with half of its churn keeps.

    Attributes
    ----------
    value, standard_error : float or None
        (accuracy of the setting - base) / (accuracy of cold start - base), from means over runs,
        and its jackknife standard error over runs. In a stream the base is cold start's own
        previous model.
    setting : str or None
        The most accurate setting with at most half of cold start's churn; None if there is none.
    cold_gain, cold_gain_standard_error : float or None
        Cold start's mean accuracy gain over the base model.
    reliable : bool
        False if cold start's gain is below its standard error; the ratio then means little.
    note : str or None
        The reason why there is no value, or why it is not reliable.
    """

    value: float | None
    standard_error: float | None
    setting: str | None
    cold_gain: float | None
    cold_gain_standard_error: float | None
    reliable: bool
    note: str | None


@dataclass(frozen=True)
class Point:
    """Mean churn and accuracy of one setting.

    Attributes
    ----------
    setting : str
    churn_rate, accuracy : float
    churn_rate_standard_error, accuracy_standard_error : float or None
    efficient : bool
        Whether no other setting of the method is better in churn or accuracy and as good in the
        other.
    efficient_overall : bool
        Whether the same holds for the settings of all methods.
    """

    setting: str
    churn_rate: float
    churn_rate_standard_error: float | None
    accuracy: float
    accuracy_standard_error: float | None
    efficient: bool
    efficient_overall: bool


@dataclass(frozen=True)
class MethodResult:
    """One method in one group.

    Attributes
    ----------
    method : str
    cost, served : int
        Largest number of networks that one of its settings trains, and serves.
    n_runs : int
        Number of runs that cold start and every setting have.
    n_settings, n_diverged : int
        Number of settings compared, and of those left out because a training diverged.
    strict, non_inferior : Choice or None
        The setting that each measure chooses; None if no setting qualifies.
    honest : Honest or None
        None if one half of the runs has no setting as accurate as cold start.
    honest_halves : (float or None, float or None)
        Churn on the first and on the second half, each for the setting chosen on the other half.
    gain_kept : GainKept
    points : tuple of Point
        Churn and accuracy of every setting.
    """

    method: str
    cost: int
    served: int
    n_runs: int
    n_settings: int
    n_diverged: int
    strict: Choice | None
    honest: Honest | None
    honest_halves: tuple[float | None, float | None]
    non_inferior: Choice | None
    gain_kept: GainKept
    points: tuple[Point, ...]

    def churn(self, measure: str) -> float | None:
        """Return the churn by one of `MEASURES`, or None if no setting qualifies."""
        found = getattr(self, measure)
        return None if found is None else found.churn_rate


@dataclass(frozen=True)
class Best:
    """The method of lowest churn by one measure.

    Attributes
    ----------
    methods : tuple of str
        The method, or several that tie.
    p_value : float or None
        Largest p-value of the two-sided paired t-tests against every other method that has a
        number. None if there is no other method, or if a test has too few runs or no spread.
    significant : bool
        Whether the method is alone and `p_value` is below 1 - confidence.
    """

    methods: tuple[str, ...]
    p_value: float | None
    significant: bool


@dataclass(frozen=True)
class GroupResult:
    """All methods in one group.

    Attributes
    ----------
    group : Group
    n_runs, n_cold_diverged : int
        Number of runs that cold start finished, and of those lost because it diverged.
    base_accuracy, cold_accuracy, cold_churn_rate : float
        Means over runs.
    churn_floor : float or None
        Mean churn between two cold starts that differ in the seed alone. They are the members of
        ensembles; None if no ensemble was run.
    methods : tuple of MethodResult
    best : mapping of str to Best or None
        The best method by each measure; None if no method has a number.
    """

    group: Group
    n_runs: int
    n_cold_diverged: int
    base_accuracy: float
    cold_accuracy: float
    cold_churn_rate: float
    churn_floor: float | None
    methods: tuple[MethodResult, ...]
    best: dict[str, Best | None]

    def method(self, name: str) -> MethodResult | None:
        """Return a method's result, or None if the group has no rows of it."""
        return next((result for result in self.methods if result.method == name), None)


@dataclass(frozen=True)
class Summary:
    """The findings of a benchmark.

    Attributes
    ----------
    groups : tuple of GroupResult
    without_cold : tuple of Group
        Groups that cannot be judged, because they have no run of cold start.
    confidence : float
        Confidence level of the tests.
    margin : float
        Largest loss of accuracy against cold start that counts as not inferior.
    """

    groups: tuple[GroupResult, ...]
    without_cold: tuple[Group, ...]
    confidence: float
    margin: float

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of all groups, in the order of the tables."""
        return in_order({result.method for group in self.groups for result in group.methods})

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return plain(self)


def in_order(methods: Iterable[str]) -> tuple[str, ...]:
    """Return methods in the order of the tables: the benchmark's own order, then by name.

    Examples
    --------
    >>> in_order({"my_method", "distill", "cold"})
    ('cold', 'distill', 'my_method')
    """
    known = list(CONTENDERS)
    place = {name: i for i, name in enumerate(known)}
    return tuple(sorted(methods, key=lambda name: (place.get(name, len(known)), name)))
