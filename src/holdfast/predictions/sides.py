"""The two tables of a comparison, with the meaning of their columns.

Names and types of the columns alone decide what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from holdfast.common.parameters import check_choice
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.deciding import Known

__all__ = [
    "NUMBERS",
    "ROLES",
    "ColumnNames",
    "Side",
    "check_same_kind",
    "is_single",
    "kind_of",
    "sides_of",
]

ROLES = ("base", "new")
NUMBERS = ("integers", "real numbers")


@dataclass(frozen=True)
class ColumnNames:
    """The user's names of the columns.

    Attributes
    ----------
    id : str or None
        The column to join by.
    label : str or None
        The column with the truth.
    prediction : pair of str
        The columns with the predicted class, in the base table and in the new one.
    prefix : pair of str
        The starts of the names of probability columns, in the base table and in the new one.
    groups : tuple of str
        The group columns.
    weight : str or None
        The column with row weights.
    score : pair of (str or None)
        The columns with the probability of the positive class, in the base table and in the new
        one.
    decide : callable or None
        What gives the rules and the positive class, once the classes are known.
    group_measures : bool
        Whether the rows of each group are counted by class.
    """

    id: str | None
    label: str | None
    prediction: tuple[str, str]
    prefix: tuple[str, str]
    groups: tuple[str, ...]
    weight: str | None
    score: tuple[str | None, str | None] = (None, None)
    decide: Known | None = None
    group_measures: bool = False

    @property
    def same_columns(self) -> bool:
        """Whether both tables have the same names of output columns."""
        return all(len({*pair}) == 1 for pair in (self.prediction, self.prefix, self.score))


@dataclass(frozen=True)
class Side:
    """One table, with the meaning of its columns.

    Attributes
    ----------
    role : {"base", "new"}
        The model whose predictions the table holds.
    name : str
        The name of the table in messages.
    frame : narwhals.LazyFrame
        The rows.
    schema : mapping of str to narwhals dtype
        The types of the columns.
    answer : str or None
        The column of classes: the answers, which count beside anything else.
    proba : list of str
        The columns of probabilities; empty where there are none.
    prefix : str
        The start of the names of probability columns.
    score : str or None
        The column with the probability of the positive class.
    """

    role: str
    name: str
    frame: nw.LazyFrame[Any]
    schema: dict[str, Any]
    answer: str | None
    proba: list[str]
    prefix: str
    score: str | None = None

    @property
    def has_proba(self) -> bool:
        """Whether there are probabilities of all classes."""
        return bool(self.proba)

    @property
    def output_name(self) -> str:
        """The name of the columns that say most, in messages."""
        column = f"column {self.answer or self.score!r}"
        return f"{f'columns {self.prefix}*' if self.has_proba else column} of {self.name}"


# --- columns -------------------------------------------------------------------------------------


def sides_of(
    lazy: Sequence[nw.LazyFrame[Any]], table_names: Sequence[str], names: ColumnNames
) -> list[Side]:
    """Return both tables with the meaning of their columns."""
    schemas = [dict(frame.collect_schema()) for frame in lazy]
    own = list(names.prediction)
    if lazy[0] is lazy[1] and own[0] == own[1]:
        own[1] = ""  # in one table the column is that of the base model
    return [
        _side(role, table_names[i], lazy[i], schemas[i], own[i], names.prefix[i], names.score[i])
        for i, role in enumerate(ROLES)
    ]


def _side(
    role: str,
    table: str,
    lazy: nw.LazyFrame[Any],
    schema: dict[str, Any],
    prediction: str,
    prefix: str,
    score: str | None,
) -> Side:
    proba = [c for c in schema if c.startswith(prefix) and len(c) > len(prefix)]
    if len(proba) == 1 and score is None:
        raise InvalidInputError(
            f"{table} must have one column {prefix}<class> per class, got only {proba[0]!r}; "
            f"write the probabilities of all classes, or name it as a score: score={proba[0]!r}"
        )
    if len(proba) == 1:
        proba = []
    answer = prediction if prediction in schema else None
    if not proba and answer is None and score is None:
        raise InvalidInputError(
            f"{table} must have a column {prediction!r} or columns {prefix}<class>, got "
            f"{', '.join(map(repr, schema))}; name them with prediction= or proba_prefix=, or name "
            "the probability of the positive class with score="
        )
    if score is not None:
        check_choice(f"score (a column of {table})", score, schema)
        if kind_of(schema[score]) not in NUMBERS:
            raise InvalidInputError(
                f"column {score!r} of {table} must be numbers, got {kind_of(schema[score])}; name "
                "the column with the probability of the positive class"
            )
    return Side(role, table, lazy, schema, answer, proba, prefix, score)


def is_single(side: Side) -> bool:
    """Return whether what a rule decides was stored in single precision."""
    columns = side.proba or [str(side.score)]
    return all(side.schema[column] == nw.Float32 for column in columns)


def kind_of(dtype: Any) -> str:
    """Return what a column of this type holds, in words: integers, text, booleans and so on."""
    if dtype.is_integer():
        return "integers"
    if dtype.is_numeric():
        return "real numbers"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return "text"
    return {nw.Boolean: "booleans"}.get(type(dtype), str(dtype).lower())


def check_same_kind(
    sides: Sequence[Side], column: str, advice: str = "", *, numbers_are_one: bool = False
) -> None:
    """Raise if a column of both tables has two kinds of values."""
    base, new = sides
    kinds = [kind_of(side.schema[column]) for side in sides]
    if kinds[0] != kinds[1] and not (numbers_are_one and {*kinds} <= {*NUMBERS}):
        raise InvalidInputError(
            f"column {column!r} must have one type in both tables, got {kinds[0]} in "
            f"{base.name} and {kinds[1]} in {new.name}; write it the same way in both{advice}"
        )
