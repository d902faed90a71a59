"""What a training run changes relative to plain retraining."""

from __future__ import annotations

from holdfast.methods.method import METHODS, Method
from holdfast.methods.training import (
    Anchor,
    Average,
    CoDistillation,
    Cold,
    Constrained,
    Distill,
    Ensemble,
    FirstTrees,
    Interpolate,
    LabelSmoothing,
    Mixup,
    Override,
    ShrinkPerturb,
    Warm,
    WarmDistill,
    resolve_methods,
    searched_methods,
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
