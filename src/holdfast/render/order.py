"""The order in which groups are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["STATUS_ORDER", "worst_first"]

STATUS_ORDER = {"fail": 0, "underpowered": 1, "pass": 2, "small": 3}


def worst_first(groups: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the positions of the groups, sorted by status and then by churn, highest first.

    Groups that break their limit come first, then underpowered ones, then those that keep it, then
    those that are judged together with others.

    Examples
    --------
    >>> worst_first([{"churn_rate": 0.1}, {"churn_rate": 0.3}, {"churn_rate": 0.2}])
    [1, 2, 0]
    """

    def badness(i: int) -> tuple[int, float]:
        status = STATUS_ORDER.get(groups[i].get("status") or "", 4)
        return status, -(groups[i].get("churn_rate") or 0.0)

    return sorted(range(len(groups)), key=badness)
