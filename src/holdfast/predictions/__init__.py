"""Prediction tables: the predictions of two models for the same rows, counted where they live."""

from __future__ import annotations

from holdfast.predictions.pairs import Pairs, PredictionPair
from holdfast.predictions.tables import compare_tables, count_tables, open_pairs

__all__ = ["Pairs", "PredictionPair", "compare_tables", "count_tables", "open_pairs"]
