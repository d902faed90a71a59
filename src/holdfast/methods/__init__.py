"""Methods of retraining: what each changes relative to plain retraining on the labels.

The files, in reading order:

- `method`: the base class `Method` with all that a method may declare.
- `training`: methods that change the target, the start or the rows of one training.
- `combining`: methods that combine or cut the models that another method trains.
- `grid`: method names and values of λ, turned into the list of methods to fit.
"""

from __future__ import annotations

from holdfast.methods.combining import Average, Ensemble, FirstTrees, Interpolate, Override
from holdfast.methods.grid import resolve_methods, searched_methods
from holdfast.methods.method import METHODS, Method
from holdfast.methods.training import (
    Anchor,
    CoDistillation,
    Cold,
    Constrained,
    Distill,
    LabelSmoothing,
    Mixup,
    ShrinkPerturb,
    Warm,
    WarmDistill,
)

__all__ = [
    "METHODS",
    "Anchor",
    "Average",
    "CoDistillation",
    "Cold",
    "Constrained",
    "Distill",
    "Ensemble",
    "FirstTrees",
    "Interpolate",
    "LabelSmoothing",
    "Method",
    "Mixup",
    "Override",
    "ShrinkPerturb",
    "Warm",
    "WarmDistill",
    "resolve_methods",
    "searched_methods",
]
