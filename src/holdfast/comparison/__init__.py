"""Comparison of two models on the same rows, from counts to a verdict.

The files in reading order:

- `counts`: the counts of two models' answers, which add up over parts of the rows
- `tallies`: tables in which blocks of rows are added up
- `counting`: counts the rows in one pass
- `intervals`: confidence intervals of shares and of paired differences
- `paired`: intervals of the change between two models, under weights too
- `shares`: turns counts into shares with intervals, and judges groups
- `labeled`: shares of rows of which only some have a label
- `ratios`: recall, precision and other measures of single classes
- `measures`: measures of classes and mean costs, with intervals of the change
- `cautions`: sentences that warn of what the headline figures can hide
- `texts`: the text of a comparison
- `result`: `Comparison`, which holds all statistics of two models
- `compare`: checks the predictions of two models and compares them
- `policy`: the limits of a promotion, and the verdict on a comparison
"""

from __future__ import annotations

from holdfast.comparison.compare import compare
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.measures import MeasureChange
from holdfast.comparison.policy import Check, Decision, Policy, Verdict
from holdfast.comparison.result import Comparison, GroupResult

__all__ = [
    "Check",
    "Comparison",
    "Decision",
    "GroupResult",
    "MeasureChange",
    "PairedCounts",
    "Policy",
    "Verdict",
    "compare",
]
