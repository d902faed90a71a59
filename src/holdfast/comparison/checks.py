"""One limit held against one measured interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

from holdfast.comparison.shares import Interval, judge
from holdfast.render.texts import visible

__all__ = ["Check", "check", "not_promoting"]

_WORDS = {
    "pass": "keeps",
    "fail": "breaks",
    "underpowered": "may keep or break",
    "small": "is judged with other small groups by",
}


@dataclass(frozen=True)
class Check:
    """One limit held against one measured interval.

    Attributes
    ----------
    name : str
        The measure, e.g. ``churn_rate``, ``churn_rate[country=DE]`` or ``recall[fraud] change``.
    limit : float
        The limit on the measure.
    value : float
        The measured value.
    interval : (float, float)
        The confidence interval of the value.
    status : {"pass", "fail", "underpowered", "small"}
        Whether the interval keeps the limit, breaks it, or straddles it; "small" for a group that
        is judged together with other small groups.
    reason : str
        One readable sentence.
    bound : {"at most", "at least"}
        The side on which the measure must lie.
    unit : {"share", "gain", "number"}
        Whether the measure is a share of rows, a difference of shares, or another number.
    """

    name: str
    limit: float
    value: float
    interval: Interval
    status: str
    reason: str
    bound: str = "at most"
    unit: str = "share"


def check(
    name: str,
    words: str,
    limit: float,
    value: float,
    interval: Interval,
    *,
    at_least: bool = False,
    status: str | None = None,
    share: bool = True,
) -> Check:
    """Return the check of a limit; `share` says that the measure is a share of rows."""
    status = status or judge(interval, limit, at_least=at_least)
    bound = "at least" if at_least else "at most"
    shown = [f"{number:.2%}" if share else f"{number:.4g}" for number in (value, *interval, limit)]
    reason = (
        f"{visible(words)} {shown[0]} ({shown[1]} to {shown[2]}) {_WORDS[status]} "
        f"the limit of {bound} {shown[3]}"
    )
    unit = "number" if not share else "gain" if name.endswith(("_gain", " change")) else "share"
    return Check(name, float(limit), value, interval, status, reason, bound, unit)


def not_promoting(passed: Check, why: str) -> Check:
    """Return a check that is not allowed to pass, with the reason; others stay as they are."""
    if passed.status != "pass":
        return passed
    return replace(passed, status="underpowered", reason=f"{passed.reason}, but {why}")
