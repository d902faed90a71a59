"""Weights over candidates, or a threshold, that meet a budget. Arrays only, never estimators.

- `limits`: limits on groups and on negative flips, and the rows that they count.
- `budget`: all limits of a selection, and how they are approached with caution.
- `answering`: how probabilities become answers, and what these are worth.
- `fitted_rules`: rules whose threshold is fitted to the selection rows.
- `problem`: what a search needs to know of mixtures.
- `mixtures`: mixtures of classifiers; `regression`: mixtures of regressors.
- `solver`: convex programs over the simplex.
- `outcome`: a selection, and the mixtures that were looked at.
- `search`: from a problem and a budget to a selection.
- `weights`: `select`, the public way in, which checks its arrays.
- `override`: the base model's class unless the new model is clearly surer.
- `multipliers`: which rows change where gains and costs differ and several limits hold.
- `surcharges`: what a change must gain where further limits count its row.
- `override_search`: what overrides, and at which threshold.
- `bounds`: exact and anytime-valid bounds on a mean.
- `certificate`: with which confidence a budget is kept, and how many rows that takes.
"""

from __future__ import annotations

from holdfast.selection.budget import CHURN_KINDS
from holdfast.selection.outcome import FrontierPoint, Selection
from holdfast.selection.weights import select

__all__ = ["CHURN_KINDS", "FrontierPoint", "Selection", "select"]
