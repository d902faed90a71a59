"""Comparison of two models on the same rows, from counts to a verdict.

The files in reading order:

- `counts`: the counts of two models' answers, which add up over parts of the rows
- `counting`: counts the rows in one pass
- `intervals`: confidence intervals of shares and of paired differences
- `shares`: turns counts into shares with intervals, and judges groups
- `result`: `Comparison`, which holds all statistics of two models
- `compare`: checks the predictions of two models and compares them
- `policy`: the limits of a promotion, and the verdict on a comparison
"""

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
