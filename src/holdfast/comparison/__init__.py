"""Comparison of two models on the same rows, from counts to a verdict.

The files in reading order:

- `counts`: the counts of two models' answers, which add up over parts of the rows
- `counting`: counts the rows in one pass
- `intervals`: confidence intervals of shares and of paired differences
- `shares`: turns counts into shares with intervals, and judges groups
- `result`: `Comparison`, which holds all statistics of two models
- `compare`: checks the predictions of two models and compares them
- `policy`: the limits of a promotion, and the verdict on a comparison

The scores of two models, for a class that is positive:

- `score_grid`: the bins in which scores are counted where there are too many distinct ones
- `score_counts`: the counts of two models' scores, which add up over parts of the rows
- `linearised`: intervals of a measure from its derivatives by the weights of the rows
- `ranking`: area under the ROC curve and average precision
- `calibration`: the expected calibration error
- `score_measures`: measures of both models with paired intervals of the change
- `movement`: how far scores move, whatever the truth
- `swaps`: rows whose decision or band changes
- `score_texts`: a comparison of scores as text
- `scores`: checks the scores of two models and compares them
"""

from __future__ import annotations

from holdfast.comparison.compare import compare
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.policy import Check, Decision, Policy, Verdict
from holdfast.comparison.result import Comparison, GroupResult
from holdfast.comparison.score_counts import ScoreCounts
from holdfast.comparison.scores import ScoreComparison, compare_scores

__all__ = [
    "Check",
    "Comparison",
    "Decision",
    "GroupResult",
    "PairedCounts",
    "Policy",
    "ScoreComparison",
    "ScoreCounts",
    "Verdict",
    "compare",
    "compare_scores",
]
