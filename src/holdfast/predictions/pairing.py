"""Pairs the rows of two prediction tables in one lazy frame, whose columns have fixed names.

Names and types of the columns alone decide what they mean. Faults that only rows can show, such as
missing ids or labels that differ, become checks that are counted along with the rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import union_classes
from holdfast.common.parameters import check_choice
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.frames import Answers, PairFrame, failing

if TYPE_CHECKING:
    import duckdb

__all__ = ["ROLES", "ColumnNames", "Pairing", "Side", "present", "sides_of"]

ROLES = ("base", "new")
NUMBERS = ("integers", "real numbers")
_INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
_BOOLEANS = {"false": False, "0": False, "true": True, "1": True}


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
    """

    id: str | None
    label: str | None
    prediction: tuple[str, str]
    prefix: tuple[str, str]
    groups: tuple[str, ...]
    weight: str | None

    @property
    def same_columns(self) -> bool:
        """Whether both tables have the same names of output columns."""
        return len({*self.prediction}) == 1 and len({*self.prefix}) == 1


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
    outputs : list of str
        The column of classes, or the columns of probabilities.
    prefix : str
        The start of the names of probability columns.
    answer : str or None
        The column of classes beside probabilities: the answers, which count.
    """

    role: str
    name: str
    frame: nw.LazyFrame[Any]
    schema: dict[str, Any]
    outputs: list[str]
    prefix: str
    answer: str | None = None

    @property
    def has_proba(self) -> bool:
        """Whether the outputs are probabilities rather than classes."""
        return len(self.outputs) > 1

    @property
    def output_name(self) -> str:
        """The name of the output columns in messages."""
        columns = f"columns {self.prefix}*" if self.has_proba else f"column {self.outputs[0]!r}"
        return f"{columns} of {self.name}"


# --- columns -------------------------------------------------------------------------------------


def sides_of(
    lazy: Sequence[nw.LazyFrame[Any]], table_names: Sequence[str], names: ColumnNames
) -> list[Side]:
    """Return both tables with the meaning of their columns."""
    schemas = [dict(frame.collect_schema()) for frame in lazy]
    own = list(names.prediction)
    if lazy[0] is lazy[1] and own[0] == own[1]:
        own[1] = ""  # in one table the column is that of the base model
    sides = []
    for i, role in enumerate(ROLES):
        outputs = _output_columns(table_names[i], schemas[i], own[i], names.prefix[i])
        beside = own[i] if len(outputs) > 1 and own[i] in schemas[i] else None
        side = Side(role, table_names[i], lazy[i], schemas[i], outputs, names.prefix[i], beside)
        sides.append(side)
    return sides


def _output_columns(table: str, schema: dict[str, Any], prediction: str, prefix: str) -> list[str]:
    proba = [c for c in schema if c.startswith(prefix) and len(c) > len(prefix)]
    if len(proba) == 1:
        raise InvalidInputError(
            f"{table} must have one column {prefix}<class> per class, got only {proba[0]!r}; "
            "write the probabilities of all classes"
        )
    if not proba and prediction not in schema:
        raise InvalidInputError(
            f"{table} must have a column {prediction!r} or columns {prefix}<class>, got "
            f"{', '.join(map(repr, schema))}; name them with prediction= or proba_prefix="
        )
    return proba or [prediction]


def _kind(dtype: Any) -> str:
    if dtype.is_integer():
        return "integers"
    if dtype.is_numeric():
        return "real numbers"
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return "text"
    return {nw.Boolean: "booleans"}.get(type(dtype), str(dtype).lower())


def _class_values(name: str, texts: list[str], kind: str) -> NDArray[Any]:
    """Return the classes that `texts` name, as values of the labels' kind if all can be."""
    values: NDArray[Any] = np.array(texts, dtype=object)
    if kind in ("integers", "real numbers") and all(_INTEGER.fullmatch(text) for text in texts):
        values = np.array([int(text.partition(".")[0]) for text in texts], dtype=np.int64)
    elif kind == "booleans" and all(text.lower() in _BOOLEANS for text in texts):
        values = np.array([_BOOLEANS[text.lower()] for text in texts])
    if len(np.unique(values)) < len(values):
        raise InvalidInputError(
            f"{name} must name each class once, got {', '.join(texts)}, of which some are equal "
            "as values; rename or drop the extra columns"
        )
    return values


class Pairing:
    """Builds the frame of pairs from two tables.

    Parameters
    ----------
    sides : list of Side
        The base table and the new one; they may be the same table.
    names : ColumnNames
    """

    def __init__(self, sides: list[Side], names: ColumnNames) -> None:
        self.sides, self.names = sides, names
        columns = dict.fromkeys([*sides[0].schema, *sides[1].schema])
        self.label = names.label
        if self.label is None and "label" in columns:
            self.label = "label"
        wanted = {"label": self.label, "weight": names.weight}
        wanted |= {f"groups[{group!r}]": group for group in names.groups}
        for parameter, column in wanted.items():
            if column is not None:
                check_choice(parameter, column, columns)
        named = {"truth": self.label, "weight": names.weight}
        named |= {f"group_{i}": group for i, group in enumerate(names.groups)}
        self.shared = {name: column for name, column in named.items() if column is not None}
        self.faults: dict[str, nw.Expr] = {}
        self._classes()

    def _classes(self) -> None:
        """Find the classes of probability columns, and the type in which classes are compared."""
        class_columns = {}
        for side in self.sides:
            if not side.has_proba:
                class_columns[side.output_name] = side.schema[side.outputs[0]]
            elif side.answer is not None:
                name = f"column {side.answer!r} of {side.name}"
                class_columns[name] = side.schema[side.answer]
        for side in self.sides:
            if self.label is not None and self.label in side.schema:
                name = f"column {self.label!r} of {side.name}"
                class_columns[name] = side.schema[self.label]
        kinds = {name: _kind(dtype) for name, dtype in class_columns.items()}
        for name, kind in kinds.items():
            if kind not in (*NUMBERS, "booleans", "text"):
                raise InvalidInputError(
                    f"{name} must be integers, strings or booleans, all of one type, got {kind}; "
                    "convert the classes"
                )
        examples: dict[str, NDArray[Any]] = {
            name: {"text": np.array(["a"], dtype=object), "booleans": np.array([True])}.get(
                kind, np.array([0])
            )
            for name, kind in kinds.items()
        }
        # The kind of the truth comes first; it decides what the names of probability columns mean.
        kind = next(iter([*reversed(kinds.values())]), "text")
        classes = {}
        for side in self.sides:
            if side.has_proba:
                wrong = {_kind(side.schema[c]) for c in side.outputs} - set(NUMBERS)
                if wrong:
                    raise InvalidInputError(
                        f"{side.output_name} must be numbers, got {', '.join(sorted(wrong))}; "
                        "write probabilities in them, or name other columns with proba_prefix="
                    )
                texts = [column[len(side.prefix) :] for column in side.outputs]
                values = _class_values(side.output_name, texts, kind)
                classes[side.role] = values
                examples[side.output_name] = values
        union = union_classes(**examples)
        self.as_integers = union.dtype.kind in "iu"
        self.union: tuple[Any, ...] = ()
        if classes:
            known = np.concatenate([values.astype(union.dtype) for values in classes.values()])
            self.union = tuple(union_classes(known=known).tolist())
        self.own_classes = {
            role: tuple(v.astype(union.dtype).tolist()) for role, v in classes.items()
        }

    # --- one side ---------------------------------------------------------------------------------

    def _canonical(self, side: Side) -> nw.LazyFrame[Any]:
        columns = self._answer_columns(side)
        if self.names.id is not None and self.names.id in side.schema:
            columns[f"id_{side.role}"] = present(nw.col(self.names.id), side.schema[self.names.id])
        for name, column in self.shared.items():
            if column in side.schema:
                columns[f"{name}_{side.role}"] = self._shared_column(side, name)
        if self._may_be_fractional(side):
            columns[f"fraction_{side.role}"] = self._fractional(side)
        return side.frame.select(**columns)

    def _answer_columns(self, side: Side) -> dict[str, nw.Expr]:
        if not side.has_proba:
            return {side.role: self._label(side, side.outputs[0])}
        place = dict(zip(self.own_classes[side.role], side.outputs, strict=True))
        answer = {}
        if side.answer is not None:
            answer = {side.role: self._label(side, side.answer)}
        return answer | {
            f"{side.role}_{i}": nw.col(place[v]).cast(nw.Float64) if v in place else nw.lit(0.0)
            for i, v in enumerate(self.union)
        }

    def _shared_column(self, side: Side, name: str) -> nw.Expr:
        column = self.shared[name]
        if name == "truth":
            return self._label(side, column)
        return present(nw.col(column), side.schema[column])

    def _may_be_fractional(self, side: Side) -> bool:
        return self.label in side.schema and _kind(side.schema[self.label]) == "real numbers"

    def _fractional(self, side: Side) -> nw.Expr:
        """Return 1 for a true class that is not a whole number; a missing one is no fault."""
        truth, dtype = nw.col(str(self.label)), side.schema[str(self.label)]
        missing = truth.is_null() | truth.is_nan() if dtype.is_float() else truth.is_null()
        return failing(missing | _is_whole(truth, dtype))

    def _label(self, side: Side, column: str) -> nw.Expr:
        dtype, value = side.schema[column], nw.col(column)
        kind = _kind(dtype)
        if kind == "real numbers":
            # A value that is not a whole number becomes a missing one, and is reported as that.
            return nw.when(_is_whole(value, dtype)).then(value).cast(nw.Int64)
        if kind == "booleans" and self.as_integers:
            return value.cast(nw.Int64)
        return value.cast(nw.String) if kind == "text" and dtype != nw.String else value

    # --- both sides -------------------------------------------------------------------------------

    def single(self) -> PairFrame:
        """Return the pairs in one table that has the columns of both models."""
        base, new = self.sides
        columns = self._answer_columns(base) | self._answer_columns(new)
        columns |= {name: self._shared_column(base, name) for name in self.shared}
        if self.names.id is not None:
            check_choice("id", self.names.id, base.schema)
            columns["id"] = nw.col(self.names.id)
        if self._may_be_fractional(base):
            columns["fraction"] = self._fractional(base)
            self.faults["truth"] = nw.col("fraction")
        return self._pairs(base.frame.select(**columns))

    def joined(self) -> PairFrame:
        """Return the pairs of two tables, joined by id."""
        assert self.names.id is not None
        for side in self.sides:
            check_choice(f"id (a column of {side.name})", self.names.id, side.schema)
        self._check_same_kind(self.names.id)
        base, new = (self._canonical(side) for side in self.sides)
        # Ids are unique and the same in both tables if a full join leaves no row over on either
        # side and has as many pairs as each table has rows. A row that is left over has no answer
        # on the other side, so the check for missing answers finds it.
        both = base.join(new, left_on="id_base", right_on="id_new", how="full")
        return self._pairs(self._merged(both, id=nw.col("id_base")))

    def in_order(self, connection: duckdb.DuckDBPyConnection) -> PairFrame:
        """Return the pairs of two files whose rows are in the same order."""
        for side in self.sides:
            nw.to_native(self._canonical(side)).to_view(f"{side.role}_side")
        if all("id" in side.schema for side in self.sides):
            self._check_same_ids(connection)
        both = connection.sql("SELECT * FROM base_side POSITIONAL JOIN new_side")
        return self._pairs(self._merged(nw.from_native(both)))

    def _check_same_ids(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._check_same_kind("id")
        sql = (
            "SELECT count(*), count(CASE WHEN base.id IS DISTINCT FROM new.id THEN 1 END) "
            "FROM base POSITIONAL JOIN new"
        )
        ((n, differ),) = connection.execute(sql).fetchall()
        if differ:
            raise InvalidInputError(
                f"rows of base and new must be in the same order, got {differ} of {n} rows whose "
                "column 'id' differs; pass id='id' to join by it"
            )

    def _check_same_kind(self, column: str, *, numbers_are_one: bool = False) -> None:
        base, new = self.sides
        kinds = [_kind(side.schema[column]) for side in self.sides]
        if kinds[0] != kinds[1] and not (numbers_are_one and {*kinds} <= {*NUMBERS}):
            raise InvalidInputError(
                f"column {column!r} must have one type in both tables, got {kinds[0]} in "
                f"{base.name} and {kinds[1]} in {new.name}; write it the same way in both"
            )

    def _merged(self, both: nw.LazyFrame[Any], **columns: nw.Expr) -> nw.LazyFrame[Any]:
        """Take shared columns from either side; a column of both sides must be equal in them."""
        for side in self.sides:
            answers = self._answers(side)
            columns |= {name: nw.col(name) for name in answers.columns}
        for name, column in self.shared.items():
            mine = [f"{name}_{s.role}" for s in self.sides if column in s.schema]
            columns[name] = nw.col(mine[0])
            if len(mine) == 2:
                if name.startswith("group_"):
                    self._check_same_kind(column, numbers_are_one=True)
                base, new = map(nw.col, mine)
                unknown = base.is_null() | new.is_null()
                equal = (~unknown & (base == new)) | (base.is_null() & new.is_null())
                columns[f"differs_{name}"] = failing(equal)
                self.faults[f"differs_{name}"] = nw.col(f"differs_{name}")
        for side in filter(self._may_be_fractional, self.sides):
            columns["fraction"] = nw.col(f"fraction_{side.role}")
            self.faults["truth"] = nw.col("fraction")
        return both.select(**columns)

    def _answers(self, side: Side) -> Answers:
        if not side.has_proba:
            return Answers(side.role)
        return Answers(side.role, self.union, answered=side.answer is not None)

    def _pairs(self, frame: nw.LazyFrame[Any]) -> PairFrame:
        base, new = map(self._answers, self.sides)
        return PairFrame(
            frame,
            base,
            new,
            has_truth="truth" in self.shared,
            weighted="weight" in self.shared,
            groups=self.names.groups,
            faults=self.faults,
        )


def _is_whole(value: nw.Expr, dtype: Any) -> nw.Expr:
    """Return whether a number is whole and an integer of 64 bits."""
    whole = (value.round(0) == value) & (value.abs() < 2.0**63)
    return whole & value.is_finite() if dtype.is_float() else whole


def present(value: nw.Expr, dtype: Any) -> nw.Expr:
    """Return a column with NaN as missing values, -0.0 as 0.0 and categories as text."""
    if dtype.is_float():
        return nw.when(~value.is_nan()).then(value + 0.0)
    return value.cast(nw.String) if dtype in (nw.Categorical, nw.Enum) else value
