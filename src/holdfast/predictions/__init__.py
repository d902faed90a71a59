"""Prediction tables: the predictions of two models for the same rows, as files or data frames.

Rows are counted where they are: in files by DuckDB, in data frames by their own library.

The files in reading order:

- `tables`: `count_tables` and `compare_tables`, which open two tables
- `sides`: the two tables, with the meaning of their columns
- `pairing`: pairs the rows of both tables in one frame
- `deciding`: decision rules as expressions of a frame
- `score_cells`: counts scores along with the answers
- `exact`: types whose values a join or a count does not change
- `order`: checks that the rows of two files without ids belong together
- `frames`: counts the rows of that frame in one expression
- `pairs`: the opened pairs, which return counts and a sample of changed rows
- `faults`: the errors for rows that cannot be paired or counted
"""

from __future__ import annotations

from holdfast.predictions.pairs import Pairs, PredictionPair
from holdfast.predictions.tables import (
    compare_score_tables,
    compare_tables,
    count_tables,
    open_pairs,
)

__all__ = [
    "Pairs",
    "PredictionPair",
    "compare_score_tables",
    "compare_tables",
    "count_tables",
    "open_pairs",
]
