"""Wins: the share of groups in which each method has the lowest churn at cold accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from holdfast.bench.findings.measures import TIE
from holdfast.bench.findings.results import Summary
from holdfast.bench.findings.summary import MEASURES
from holdfast.common.parameters import check_choice

__all__ = ["Wins", "wins"]

Churns = Mapping[str, float | None]


@dataclass(frozen=True)
class Wins:
    """Shares of groups won.

    Attributes
    ----------
    measure : str
    methods : tuple of str
    groups : mapping of str to int
        Number of groups that each method takes part in.
    n_groups, n_halves : int
        Number of groups, and of pairs of a group and one half of its runs, in which some method has
        a number.
    shares, half_shares : mapping of str to float or None
        Share of these groups, and of these pairs, that each method wins. Ties are shared, so that
        the shares sum to 1. On a half of the runs a method's setting is the one chosen on the other
        half. None if there is no group.
    matrix : mapping of str to mapping of str to float or None
        ``matrix[a][b]`` is the share of the groups with both methods in which a has less churn than
        b. A dash loses to any number; equal churn and two dashes count half. None if no group has
        both.
    """

    measure: str
    methods: tuple[str, ...]
    groups: dict[str, int]
    n_groups: int
    n_halves: int
    shares: dict[str, float | None]
    half_shares: dict[str, float | None]
    matrix: dict[str, dict[str, float | None]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return asdict(self)


def wins(summary: Summary, measure: str = "strict") -> Wins:
    """Count how often each method has the lowest churn at cold accuracy.

    Parameters
    ----------
    summary : Summary
    measure : {"strict", "honest", "non_inferior"}

    Returns
    -------
    Wins

    Examples
    --------
    >>> wins(Summary((), (), 0.95, 0.002)).n_groups
    0
    """
    check_choice("measure", measure, MEASURES)
    methods = summary.methods
    churns = [{r.method: r.churn(measure) for r in group.methods} for group in summary.groups]
    halves = [
        {r.method: r.honest_halves[which] for r in group.methods}
        for group in summary.groups
        for which in (0, 1)
    ]
    shares, n_groups = _shares(methods, churns)
    half_shares, n_halves = _shares(methods, halves)
    return Wins(
        measure=measure,
        methods=methods,
        groups={name: sum(name in churn for churn in churns) for name in methods},
        n_groups=n_groups,
        n_halves=n_halves,
        shares=shares,
        half_shares=half_shares,
        matrix={a: {b: _duel(a, b, churns) for b in methods if b != a} for a in methods},
    )


def _shares(
    methods: Iterable[str], churns: Sequence[Churns]
) -> tuple[dict[str, float | None], int]:
    won = dict.fromkeys(methods, 0.0)
    n = 0
    for churn in churns:
        known = {name: value for name, value in churn.items() if value is not None}
        if known:
            n += 1
            least = min(known.values()) + TIE
            winners = [name for name, value in known.items() if value <= least]
            for name in winners:
                won[name] += 1 / len(winners)
    return {name: count / n if n else None for name, count in won.items()}, n


def _duel(a: str, b: str, churns: Sequence[Churns]) -> float | None:
    points = [_point(churn[a], churn[b]) for churn in churns if a in churn and b in churn]
    return sum(points) / len(points) if points else None


def _point(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.5 if one is other else float(other is None)
    return 0.5 if abs(one - other) <= TIE else float(one < other)
