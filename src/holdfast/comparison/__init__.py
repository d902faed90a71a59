"""Comparison of two models on the same rows, from counts to a verdict.

The files in reading order:

- `counts`: the counts of two models' answers, which add up over parts of the rows
- `tallies`: tables in which blocks of rows are added up
- `within`: the counts of the rows of each group
- `counting`: counts the rows in one pass
- `binomial`: exact binomial tails and bounds
- `gains`: the test of a paired gain, with the interval that inverts it
- `intervals`: Wilson's interval, and McNemar's test
- `paired`: intervals of the change between two models, under weights too
- `shares`: turns counts into shares with intervals, of all rows and of groups
- `judging`: holds groups against a limit, however many and small they are
- `labeled`: shares of rows of which only some have a label
- `change`: one measure of two models, and its change
- `ratios`: recall, precision and other measures of single classes
- `measures`: measures of classes and mean costs, with intervals of the change
- `cautions`: sentences that warn of what the headline figures can hide
- `texts`: the text of a comparison
- `result`: `Comparison`, which holds all statistics of two models
- `compare`: checks the predictions of two models and compares them
- `checks`: one limit held against one interval
- `measure_limits`: limits on any measure, and on its change
- `group_limits`: limits on measures within each group
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

from holdfast.comparison.change import MeasureChange
from holdfast.comparison.checks import Check
from holdfast.comparison.compare import compare
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.policy import Decision, Policy, Verdict
from holdfast.comparison.result import Comparison, GroupResult
from holdfast.comparison.score_counts import ScoreCounts
from holdfast.comparison.scores import ScoreComparison, compare_scores

__all__ = [
    "Check",
    "Comparison",
    "Decision",
    "GroupResult",
    "MeasureChange",
    "PairedCounts",
    "Policy",
    "ScoreComparison",
    "ScoreCounts",
    "Verdict",
    "compare",
    "compare_scores",
]
