"""What a training run changes relative to plain retraining."""

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
