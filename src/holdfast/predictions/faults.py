"""What is wrong with two prediction tables, once their rows have been looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import narwhals as nw
import numpy as np

from holdfast.exceptions import InvalidInputError
from holdfast.predictions.frames import collected
from holdfast.predictions.pairing import ROLES, Pairing, present

__all__ = ["raise_faults", "raise_ids", "size_of"]


def raise_faults(pairing: Pairing, wrong: Mapping[str, int]) -> NoReturn:
    """Raise InvalidInputError for the first of some checks, with the rows that fail it."""
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
    if name.endswith("_proba"):
        side = base if name.startswith("base") else new
        raise InvalidInputError(
            f"{side.told_output} must be probabilities that sum to 1 in each row, got {n} rows "
            "that are missing or do not; normalise the probabilities, or apply a softmax to "
            "logits"
        )
    if name == "weight":
        raise InvalidInputError(
            f"column {pairing.names.weight!r} must hold finite weights of at least 0, got {n} rows "
            "that do not; correct or drop those rows"
        )
    told = f"column {pairing.label!r}"
    if name in ROLES:
        told = (base if name == "base" else new).told_output
    raise InvalidInputError(
        f"{told} must be whole class labels without missing values, got {n} rows that are not; "
        "drop or fill those rows"
    )


def raise_ids(pairing: Pairing) -> None:
    """Raise for ids that are missing, repeated, or in one table only, if there are any."""
    column, name = nw.col("key"), str(pairing.names.id)
    frames = [
        side.frame.select(key=present(nw.col(name), side.schema[name])) for side in pairing.sides
    ]
    for side, frame in zip(pairing.sides, frames, strict=True):
        missing = size_of(frame.filter(column.is_null()))
        if missing:
            raise InvalidInputError(
                f"ids of {side.told} must not be missing, got {missing} of {size_of(frame)} rows "
                "without one; fill them or drop the rows"
            )
        repeated = frame.group_by("key").agg(nw.len().alias("n")).filter(nw.col("n") > 1)
        n, example = _size_and_example(repeated)
        if n:
            raise InvalidInputError(
                f"ids of {side.told} must be unique, got {n} that repeat (e.g. {example!r}); "
                "keep one row per id"
            )
    only = [
        _size_and_example(one.join(other, on="key", how="anti"))
        for one, other in (frames, frames[::-1])
    ]
    if not (only[0][0] or only[1][0]):
        return
    example = only[0][1] if only[0][0] else only[1][1]
    raise InvalidInputError(
        f"ids must be in both tables, got {only[0][0]} only in {pairing.sides[0].told} and "
        f"{only[1][0]} only in {pairing.sides[1].told} (e.g. {example!r}); give both models the "
        "same rows"
    )


def size_of(frame: nw.LazyFrame[Any]) -> int:
    """Return the number of rows of a lazy frame."""
    return int(collected(frame.select(n=nw.len()))["n"].iloc[0])


def _size_and_example(frame: nw.LazyFrame[Any]) -> tuple[int, Any]:
    found = collected(frame.select(n=nw.len(), example=nw.col("key").min()))
    example = found["example"].iloc[0]
    return int(found["n"].iloc[0]), example.item() if isinstance(example, np.generic) else example
