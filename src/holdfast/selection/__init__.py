"""Weights over candidates, or a threshold, that meet a budget."""

from __future__ import annotations

from holdfast.selection.budget import FrontierPoint, Selection
from holdfast.selection.weights import CHURN_KINDS, select

__all__ = ["CHURN_KINDS", "FrontierPoint", "Selection", "select"]
