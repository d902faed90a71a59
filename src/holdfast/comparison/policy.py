"""`Policy`: limits that turn a comparison into a verdict, with reasons."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from functools import cached_property
from typing import Any

from holdfast.common.parameters import check_share
from holdfast.common.reading import MEGABYTE, read_whole, toml_values
from holdfast.comparison.checks import Check, check, not_promoting
from holdfast.comparison.group_limits import group_measure_checks
from holdfast.comparison.labeled import is_selective
from holdfast.comparison.measure_limits import (
    SELECTIVE,
    MeasureLimit,
    measure_checks,
    read_limits,
)
from holdfast.comparison.result import Comparison
from holdfast.comparison.scores import ScoreComparison
from holdfast.exceptions import InvalidInputError
from holdfast.rules import Costs

__all__ = ["Decision", "Policy", "Verdict"]

MAX_BYTES = 4 * MEGABYTE  # of a file with a policy, which may hold a table of costs
SHARES = ("max_churn", "max_negative_flips", "min_gain", "per_group")


class Verdict(StrEnum):
    """What to do with the new model: replace the base model, keep it out, or bring more rows."""

    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    HOLD = "HOLD"


@dataclass(frozen=True)
class Decision:
    """A verdict and what led to it.

    Attributes
    ----------
    verdict : Verdict
    reasons : tuple of str
        The reasons of the checks that decided: those that failed for REJECT, those that are
        underpowered for HOLD, and all of them for PROMOTE.
    checks : tuple of Check
        Every limit that was checked.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        checks = [asdict(check) | {"interval": list(check.interval)} for check in self.checks]
        return {"verdict": str(self.verdict), "reasons": list(self.reasons), "checks": checks}

    def __str__(self) -> str:
        return "\n".join([str(self.verdict), *(f"  - {reason}" for reason in self.reasons)])


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Limits under which a new model may replace the base model.

    A limit is kept when the whole confidence interval lies within it, and broken when the whole
    interval lies beyond it. It is undecided when the interval straddles it. The verdict is PROMOTE
    when every limit is kept, and REJECT when one is broken. Otherwise it is HOLD: these rows are
    too few to decide, and more are needed.

    The interval of a check inverts the test that decides it: exact binomial tails for shares, and
    calibrated tails for the gain. Each check promotes wrongly with at most half of the error. A
    promotion needs no correction for the number of limits, since all of them must be kept. Groups
    break their limit by tests that are corrected for their number, and small groups are judged
    together (see `compare`).

    Parameters
    ----------
    max_churn : float, optional
        Largest share of rows whose answer may change.
    max_negative_flips : float, optional
        Largest share of rows that may go from right to wrong. It needs labels.
    min_gain : float, optional
        Least accuracy gain, in [-1, 1]; -0.005 means "at most half a point worse". It needs labels.
    per_group : float, optional
        Largest churn within each group.
    limits : mapping of str to mapping, optional
        Limits on other measures: ``{"recall": {"min_change": -0.02}, "cost": {"max": 0.4}}``. The
        kinds are ``min`` and ``max`` of the new model's measure, ``min_change`` and ``max_change``.
        The measures are those of `Comparison.measures`, ``accuracy``, the rates of churn and of
        flips and, where scores are compared, those of `ScoreComparison.measures`. A name without a
        class, such as ``recall``, is of the positive class.
    group_limits : mapping of str to mapping, optional
        The same for each group, such as ``{"recall": {"min_change": -0.05}}``. It needs measures
        within groups (``compare(…, group_measures=True)``).
    positive : object, optional
        The positive class.
    costs : Costs, mapping or array-like, optional
        The cost of each answer for each true class, for limits on ``cost``; see
        `Comparison.measures`. In a TOML file it is a table with the parameters of `Costs`.
    confidence : float
        Confidence level of the two-sided intervals.

    Notes
    -----
    Below ten rows of the true class, nothing that needs them can promote. The interval of the
    calibration error only describes, so that no limit on it can promote either. Where labels are
    missing otherwise for answers that changed than for others, nothing that needs the truth can
    promote.

    Examples
    --------
    >>> import numpy as np
    >>> from holdfast import compare
    >>> base = np.zeros(2000, dtype=int)
    >>> new = base.copy()
    >>> new[:20] = 1
    >>> Policy(max_churn=0.02).decide(compare(base, new)).verdict
    <Verdict.PROMOTE: 'PROMOTE'>
    >>> Policy(max_churn=0.01).decide(compare(base, new)).verdict
    <Verdict.HOLD: 'HOLD'>
    """

    max_churn: float | None = None
    max_negative_flips: float | None = None
    min_gain: float | None = None
    per_group: float | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    group_limits: Mapping[str, Any] = field(default_factory=dict)
    positive: Any = None
    costs: Any = None
    confidence: float = 0.95

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Policy:
        """Read a policy from a TOML file, whose keys are the names of the parameters.

        The keys stand at the top level or in a table ``[policy]``.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        Policy

        Raises
        ------
        InvalidInputError
            When the file is missing, is not TOML, or holds an unknown key or a wrong value.
        """
        return policy_of(policy_content(path), path)

    @cached_property
    def _measure_limits(self) -> dict[str, MeasureLimit]:
        return read_limits(self.limits)

    @cached_property
    def _group_limits(self) -> dict[str, MeasureLimit]:
        return read_limits(self.group_limits, "group_limits")

    def check(self) -> None:
        """Raise InvalidInputError when a limit is out of range or none is given."""
        check_share("confidence", self.confidence, open_ends=True)
        given = {name: getattr(self, name) for name in SHARES if getattr(self, name) is not None}
        if not given and not self._measure_limits and not self._group_limits:
            raise InvalidInputError(
                "Policy must have at least one limit, got none; give one of "
                f"{', '.join(SHARES)}, limits, group_limits"
            )
        for name, limit in given.items():
            check_share(name, limit, low=-1.0 if name == "min_gain" else 0.0)

    def decide(self, comparison: Comparison, scores: ScoreComparison | None = None) -> Decision:
        """Hold the comparison against the limits.

        Parameters
        ----------
        comparison : Comparison
            The comparison to judge. Only its counts are used, whatever its own confidence is.
        scores : ScoreComparison, optional
            The comparison of the same rows' scores, for limits on ``auc`` and the like.

        Returns
        -------
        Decision

        Raises
        ------
        InvalidInputError
            When a limit is out of range, or needs labels or groups that the comparison lacks.
        """
        self.check()
        self._check_has_what_it_needs(comparison)
        measured = comparison.at(self.confidence, max_group_churn=self.per_group)
        checks = (
            *self._overall_checks(measured),
            *measure_checks(
                self._measure_limits,
                measured,
                self.positive,
                self.costs,
                None if scores is None else scores.at(self.confidence),
            ),
            *self._group_checks(measured),
            *group_measure_checks(self._group_limits, measured, self.positive, self.costs),
        )
        statuses = {check.status for check in checks}
        verdict, decisive = Verdict.PROMOTE, "pass"
        if "fail" in statuses:
            verdict, decisive = Verdict.REJECT, "fail"
        elif "underpowered" in statuses:
            verdict, decisive = Verdict.HOLD, "underpowered"
        reasons = tuple(check.reason for check in checks if check.status == decisive)
        return Decision(verdict=verdict, reasons=reasons, checks=checks)

    def _check_has_what_it_needs(self, comparison: Comparison) -> None:
        needs_labels = self.max_negative_flips is not None or self.min_gain is not None
        if needs_labels and comparison.accuracy_gain is None:
            raise InvalidInputError(
                "max_negative_flips and min_gain need labels, got a comparison without labels; "
                "give y to compare"
            )
        if self.per_group is not None and not comparison.groups:
            raise InvalidInputError(
                "per_group needs groups, got a comparison without groups; give groups to compare"
            )

    def _overall_checks(self, measured: Comparison) -> list[Check]:
        limits = (
            ("churn_rate", "churn", self.max_churn, False),
            ("negative_flip_rate", "negative flips", self.max_negative_flips, False),
            ("accuracy_gain", "accuracy gain", self.min_gain, True),
        )
        found = [
            check(
                name,
                words,
                limit,
                getattr(measured, name),
                getattr(measured, f"{name}_interval"),
                at_least=at_least,
            )
            for name, words, limit, at_least in limits
            if limit is not None
        ]
        if not is_selective(measured.labels_selective):
            return found
        return [one if one.name == "churn_rate" else not_promoting(one, SELECTIVE) for one in found]

    def _group_checks(self, measured: Comparison) -> list[Check]:
        if self.per_group is None:
            return []
        return [
            check(
                f"churn_rate[{group.name}]",
                f"churn of {group.name}",
                self.per_group,
                group.churn_rate,
                group.churn_rate_interval,
                status=group.status,
            )
            for group in measured.groups
        ]


def policy_content(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file with a policy; raise InvalidInputError if it cannot be one."""
    return read_whole(path, "policy", limit=MAX_BYTES)


def policy_of(content: bytes, path: str | os.PathLike[str]) -> Policy:
    """Return the policy that a file holds, given its content; see `Policy.from_toml`."""
    try:
        values = toml_values(content.decode("utf-8"))
    except ValueError as error:
        raise InvalidInputError(
            f"policy must be a TOML file, got {path}: {error}; write e.g. max_churn = 0.02"
        ) from error
    table = _policy_table(values, path)
    if isinstance(table.get("costs"), dict):
        table["costs"] = _costs_of(table["costs"], path)
    policy = Policy(**table)
    policy.check()
    return policy


def _policy_table(content: dict[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the limits of a TOML file: its table ``[policy]`` if there is one, else all keys."""
    known = [field.name for field in fields(Policy)]
    table = content.get("policy", content)
    if not isinstance(table, dict):
        raise InvalidInputError(
            f"policy must be a table [policy], got {table!r} in {path}; write the limits below it"
        )
    unknown = sorted(set(table) - set(known))
    if table is not content:  # other tables are allowed, but a limit beside [policy] is lost
        unknown += sorted(set(content) & set(known))
    if unknown:
        raise InvalidInputError(
            f"policy may hold {', '.join(known)}, in one place, got {', '.join(unknown)} in "
            f"{path}; correct the names, or move them into the table"
        )
    return dict(table)


def _costs_of(table: dict[str, Any], path: str | os.PathLike[str]) -> Costs:
    try:
        return Costs(**table)
    except TypeError as error:
        raise InvalidInputError(
            f"costs must have matrix, answers and classes, got {', '.join(table)} in {path}; "
            "correct the names"
        ) from error
