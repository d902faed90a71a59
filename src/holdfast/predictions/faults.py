"""Raises the errors for prediction tables whose rows cannot be paired or counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import narwhals as nw
import numpy as np

from holdfast.common.arrays import check_weight_range
from holdfast.common.coding import as_objects
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.frames import collected
from holdfast.predictions.pairing import Pairing, present

__all__ = ["check_weight_column", "raise_faults", "raise_ids", "size_of"]


def raise_faults(pairing: Pairing, wrong: Mapping[str, int]) -> NoReturn:
    """Raise InvalidInputError for the first failed check; `wrong` counts the rows of each."""
    if pairing.names.id is not None and len({id(side.frame) for side in pairing.sides}) > 1:
        raise_ids(pairing)
    name, n = next(iter(wrong.items()))
    base, new = pairing.sides
    if name.startswith("differs_"):
        column = pairing.shared[name.removeprefix("differs_")]
        raise InvalidInputError(
            f"column {column!r} must be equal in both tables, got {n} rows that differ; "
            "correct it, or keep it in one table"
        )
    if name.startswith("contradicts_"):
        side = base if name.endswith("base") else new
        raise InvalidInputError(
            f"rule must give the answers in column {side.answer!r} of {side.name}, got {n} rows "
            "whose answer is another; correct the rule, leave it out, or drop the column"
        )
    if name == "scores":
        columns = dict.fromkeys(f"{side.score!r} of {side.name}" for side in pairing.sides)
        raise InvalidInputError(
            f"columns {' and '.join(columns)} must be probabilities in [0, 1], got {n} rows "
            "where one is missing or is not; drop or fill those rows in both tables, and turn "
            "margins into probabilities, e.g. by 1 / (1 + exp(-margin))"
        )
    if name.endswith("_proba"):
        side = base if name.startswith("base") else new
        raise InvalidInputError(
            f"{side.output_name} must be probabilities that sum to 1 in each row, got {n} rows "
            "that are missing or do not; drop rows without them, apply a softmax to logits, and "
            "divide by the sum where just one class is true"
        )
    if name == "weight":
        check_weight_column(pairing)
    if name == "truth":
        raise InvalidInputError(
            f"column {pairing.label!r} must be whole class labels, got {n} rows that are not; "
            "correct them, or leave them empty where the truth is unknown"
        )
    column = (base if name == "base" else new).output_name
    raise InvalidInputError(
        f"{column} must be whole class labels without missing values, got {n} rows that are not; "
        "drop those rows"
    )


def raise_ids(pairing: Pairing) -> None:
    """Raise if some ids are missing, repeated, or in one table only."""
    column, name = nw.col("key"), str(pairing.names.id)
    frames = [
        side.frame.select(key=present(nw.col(name), side.schema[name])) for side in pairing.sides
    ]
    for side, frame in zip(pairing.sides, frames, strict=True):
        missing = size_of(frame.filter(column.is_null()))
        if missing:
            raise InvalidInputError(
                f"ids of {side.name} must not be missing, got {missing} of {size_of(frame)} rows "
                "without one; fill them or drop the rows"
            )
        repeated = frame.group_by("key").agg(nw.len().alias("n")).filter(nw.col("n") > 1)
        n, example = _size_and_example(repeated)
        if n:
            raise InvalidInputError(
                f"ids of {side.name} must be unique, got {n} that repeat (e.g. {example!r}); "
                "keep one row per id"
            )
    base, new = frames
    n_base, base_example = _size_and_example(base.join(new, on="key", how="anti"))
    n_new, new_example = _size_and_example(new.join(base, on="key", how="anti"))
    if not (n_base or n_new):
        return
    base_name, new_name = (side.name for side in pairing.sides)
    example = base_example if n_base else new_example
    raise InvalidInputError(
        f"ids must be in both tables, got {n_base} only in {base_name} and {n_new} only in "
        f"{new_name} (e.g. {example!r}); give both models the same rows"
    )


def check_weight_column(pairing: Pairing) -> None:
    """Raise unless the weights of the tables are what `check_weights` takes as an array."""
    column = str(pairing.names.weight)
    weight = nw.col(column).cast(nw.Float64)
    missing = (weight.is_null() | weight.is_nan()).cast(nw.Int64)
    for side in pairing.sides:
        if column not in side.schema:
            continue
        found = collected(
            side.frame.select(low=weight.min(), high=weight.max(), missing=missing.sum())
        )
        low, high = (np.nan if found["missing"][0] else found[end][0] for end in ("low", "high"))
        check_weight_range(f"column {column!r}", float(low), float(high))


def size_of(frame: nw.LazyFrame[Any]) -> int:
    """Return the number of rows of a lazy frame."""
    return int(collected(frame.select(n=nw.len()))["n"][0])


def _size_and_example(frame: nw.LazyFrame[Any]) -> tuple[int, Any]:
    found = collected(frame.select(n=nw.len(), example=nw.col("key").min()))
    return int(found["n"][0]), as_objects(found["example"])[0]
