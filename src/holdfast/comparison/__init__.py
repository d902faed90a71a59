"""Two models on the same rows: counts, measures with intervals, verdicts."""

from __future__ import annotations

from holdfast.comparison.compare import compare
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.policy import Check, Decision, Policy, Verdict
from holdfast.comparison.result import Comparison, GroupResult

__all__ = [
    "Check",
    "Comparison",
    "Decision",
    "GroupResult",
    "PairedCounts",
    "Policy",
    "Verdict",
    "compare",
]
