"""Limits on measures within each group, however many and however small the groups are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from holdfast.comparison.change import MeasureChange
from holdfast.comparison.checks import Check
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.measure_limits import (
    MeasureLimit,
    full_name,
    limit_checks,
    measure_named,
)
from holdfast.comparison.measures import measures_of
from holdfast.comparison.result import Comparison, comparison_of
from holdfast.comparison.shares import group_name
from holdfast.exceptions import InvalidInputError
from holdfast.rules import Costs

__all__ = ["group_measure_checks"]


@dataclass(frozen=True, eq=False)
class _Group:
    """The rows of one group, or of several small ones together."""

    name: str
    counts: PairedCounts

    def measure(self, name: str, costs: Any, confidence: float) -> MeasureChange | None:
        """Return a measure of these rows; None where it is not defined."""
        labeled = bool(self.counts.n_labeled)
        counts = self.counts if labeled else replace(self.counts, has_truth=False)
        found = measures_of(counts, confidence, costs=costs if labeled else None)
        if name in found:
            return found[name]
        return measure_named(name, comparison_of(counts, confidence, None), {})


def group_measure_checks(
    limits: Mapping[str, MeasureLimit], comparison: Comparison, positive: Any, costs: Any
) -> list[Check]:
    """Return the checks of limits on measures within each group.

    A group passes if its interval lies within the limit, since a promotion needs all groups to
    pass. It fails if the interval at the confidence 1 − (1 − c)/m lies beyond the limit, where m
    groups are judged (Bonferroni), so that chance seldom makes one of many fail. A group with fewer
    than ten positives is small: the small groups of a column are judged together, as one more.

    Parameters
    ----------
    limits : mapping of str to MeasureLimit
    comparison : Comparison
        It counts the rows within groups (``group_measures=True``).
    positive, costs : object
        As in `Policy`.

    Raises
    ------
    InvalidInputError
        When nothing was counted within groups, or a measure is not known.
    """
    if not limits:
        return []
    if not comparison.counts.within:
        raise InvalidInputError(
            "group_limits need measures within groups, got a comparison without them; give groups "
            "and group_measures=True to compare"
        )
    costs = _named_costs(costs, comparison.counts)
    found = []
    for name, limit in limits.items():
        found += _checks_of(full_name(name, positive), limit, comparison, costs)
    return found


def _named_costs(costs: Any, counts: PairedCounts) -> Any:
    """Return a matrix of costs by the names of its answers and classes, which groups may lack."""
    if costs is None or isinstance(costs, (Costs, Mapping)):
        return costs
    answers, classes = (
        counts.labels[np.unique(codes[codes >= 0])].tolist()
        for codes in (counts.triples[:, :2], counts.triples[:, 2])
    )
    rows = zip(answers, np.asarray(costs, dtype=np.float64).tolist(), strict=True)
    return {answer: dict(zip(classes, row, strict=True)) for answer, row in rows}


def _checks_of(name: str, limit: MeasureLimit, comparison: Comparison, costs: Any) -> list[Check]:
    judged: list[tuple[_Group, MeasureChange]] = []
    small: list[_Group] = []

    def sort(groups: Sequence[_Group]) -> list[_Group]:
        """Add the groups that can be judged to these, and return the others."""
        few = []
        for group in groups:
            measure = group.measure(name, costs, comparison.confidence)
            if measure is None or not measure.reliable or measure.new is None:
                few.append(group)
            else:
                judged.append((group, measure))
        return few

    for column, counts in comparison.counts.within.items():
        groups = [_Group(group_name(column, value), own) for value, own in counts.items()]
        few = sort([group for group in groups if group.counts.rows.any()])
        small += few
        if few:
            sort([_pooled(column, few)])
    if not judged:
        raise InvalidInputError(
            f"group_limits[{name!r}] needs a group with ten rows of the true class, got "
            f"{len(small)} groups without; leave the limit out, or bring more rows"
        )
    strict = 1 - (1 - comparison.confidence) / len(judged)
    found = []
    for group, measure in judged:
        checks = limit_checks(measure, limit, comparison)
        if any(one.status == "fail" for one in checks):
            corrected = group.measure(name, costs, strict)
            assert corrected is not None
            again = limit_checks(corrected, limit, comparison)
            checks = [_judged(one, wide) for one, wide in zip(checks, again, strict=True)]
        found += [_named(one, group) for one in checks]
    return found + [_small(name, limit, group) for group in small]


def _judged(own: Check, corrected: Check) -> Check:
    """Return the check, which fails only where the corrected interval does, too."""
    if own.status == "fail" and corrected.status != "fail":
        why = "not beyond what chance does among so many groups"
        return replace(own, status="underpowered", reason=f"{own.reason}, but {why}")
    return own


def _named(check: Check, group: _Group) -> Check:
    return replace(
        check, name=f"{check.name}[{group.name}]", reason=f"{group.name}: {check.reason}"
    )


def _pooled(column: str, groups: Sequence[_Group]) -> _Group:
    n, counts = len(groups), groups[0].counts
    for group in groups[1:]:
        counts += group.counts
    return _Group(group_name(column, None, n), counts)


def _small(name: str, limit: MeasureLimit, group: _Group) -> Check:
    """Return the check of a group that is judged together with others."""
    bound = next(value for value in vars(limit).values() if value is not None)
    return Check(
        f"{name}[{group.name}]",
        bound,
        0.0,
        (0.0, 0.0),
        "small",
        f"{group.name} has too few rows of the true class and is judged with other small groups",
    )
