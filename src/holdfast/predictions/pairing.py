"""Pairs the rows of two prediction tables in one lazy frame, whose columns have fixed names.

Names and types of the columns alone decide what they mean. Faults that only rows can show, such as
missing ids or labels that differ, become checks that are counted along with the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import missing_values
from holdfast.common.classes import union_classes
from holdfast.common.coding import as_objects
from holdfast.common.parameters import check_choice
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.deciding import Deciding, TwoClasses, cuts_of, decided
from holdfast.predictions.frames import (
    Answers,
    PairFrame,
    collected,
    failing,
    has_few_values,
)
from holdfast.predictions.score_cells import Scores
from holdfast.predictions.sides import (
    NUMBERS,
    ColumnNames,
    Side,
    check_same_kind,
    is_single,
    kind_of,
)
from holdfast.rules import BoundRule

if TYPE_CHECKING:
    import duckdb

__all__ = ["Pairing", "present"]

MOST_VALUES = 1000  # the most distinct classes among which a positive one is looked for
_INTEGER = re.compile(r"[+-]?\d+(\.0+)?")
_BOOLEANS = {"false": False, "0": False, "true": True, "1": True}


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
        class_columns = {
            f"column {column!r} of {side.name}": side.schema[column]
            for side, column in self._class_columns()
        }
        kinds = {name: kind_of(dtype) for name, dtype in class_columns.items()}
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
                wrong = {kind_of(side.schema[c]) for c in side.proba} - set(NUMBERS)
                if wrong:
                    raise InvalidInputError(
                        f"{side.output_name} must be numbers, got {', '.join(sorted(wrong))}; "
                        "write probabilities in them, or name other columns with proba_prefix="
                    )
                texts = [column[len(side.prefix) :] for column in side.proba]
                values = _class_values(side.output_name, texts, kind)
                classes[side.role] = values
                examples[side.output_name] = values
        self.union: tuple[Any, ...] = ()
        self.as_integers = False
        self.own_classes: dict[str, tuple[Any, ...]] = {}
        if examples:
            union = union_classes(**examples)
            self.as_integers = union.dtype.kind in "iu"
            self.own_classes = {
                role: tuple(v.astype(union.dtype).tolist()) for role, v in classes.items()
            }
        if classes:
            known = np.concatenate([values.astype(union.dtype) for values in classes.values()])
            self.union = tuple(union_classes(known=known).tolist())
        self._decide()

    def _class_columns(self) -> Iterator[tuple[Side, str]]:
        """Yield the columns that hold classes: answers, then the truth."""
        yield from ((side, side.answer) for side in self.sides if side.answer is not None)
        for side in self.sides:
            if self.label is not None and self.label in side.schema:
                yield side, self.label

    # --- rules and scores -------------------------------------------------------------------------

    def _decide(self) -> None:
        """Bind the rules to the classes, and find the positive class of the scores."""
        self.deciding, self.bound = Deciding(), dict[str, BoundRule]()
        self.two: TwoClasses | None = None
        self.one_against_rest = False
        scored = any(side.score is not None for side in self.sides)
        if self.names.decide is None and not scored:
            return
        known = list(self.union)
        if scored or not known:
            known = self._values()
        if self.names.decide is not None:
            self.deciding = self.names.decide(known)
            named = (getattr(rule, "classes", None) or () for rule in self.deciding.rules)
            known = known or list(dict.fromkeys(value for classes in named for value in classes))
        if scored:
            if any(side.score is None for side in self.sides):
                raise InvalidInputError(
                    "score must be given with new_score, got None; name the base model's column too"
                )
            self.two = TwoClasses.of(known, self.deciding.positive)
        self._bind(known)

    @property
    def positive(self) -> Any:
        """The positive class as answers name it; None where none is known."""
        if self.two is None:
            return self.deciding.positive
        return self.two.names[1] if self.one_against_rest else self.two.positive

    def _bind(self, known: list[Any]) -> None:
        for side, rule in zip(self.sides, self.deciding.rules, strict=True):
            if rule is None:
                if not side.has_proba and side.answer is None:
                    raise InvalidInputError(
                        f"{side.name} must say how its scores become answers, got column "
                        f"{side.score!r} alone; give a rule, such as a threshold, or name the "
                        "column of answers with prediction="
                    )
            elif side.has_proba:
                self.bound[side.role] = rule.bind(np.array(self.union))
            elif self.two is not None:
                self.bound[side.role] = rule.bind(self.two.classes)
        rules = [rule for rule in self.deciding.rules if rule is not None]
        if rules and not self.bound:
            raise InvalidInputError(
                f"rule must be given with probabilities or scores, got {rules[0]!r} for tables of "
                "answers; name the column with score=, or leave the rule out"
            )
        # Answers by a threshold on a score are one of two classes, so all other classes are one.
        self.one_against_rest = self.two is not None and any(
            not side.has_proba
            and side.role in self.bound
            and np.array_equal(self.bound[side.role].answers, self.two.classes)
            for side in self.sides
        )

    def _values(self) -> list[Any]:
        """Return the classes that the answers and labels of both tables hold."""
        values: dict[Any, None] = dict.fromkeys(self.union)
        seen: set[tuple[int, str]] = set()
        for side, column in self._class_columns():
            if (id(side.frame), column) in seen:
                continue
            seen.add((id(side.frame), column))
            values_of_side = side.frame.select(value=self._as_class(side, column))
            own = values_of_side.group_by("value").agg(nw.len().alias("n")).head(MOST_VALUES)
            objects = as_objects(collected(own)["value"])
            values |= dict.fromkeys(objects[~missing_values(objects)].tolist())
        return sorted(values)

    # --- one side ---------------------------------------------------------------------------------

    def _canonical(self, side: Side) -> nw.LazyFrame[Any]:
        columns = self._output_columns(side)
        if self.names.id is not None and self.names.id in side.schema:
            columns[f"id_{side.role}"] = present(nw.col(self.names.id), side.schema[self.names.id])
        for name, column in self.shared.items():
            if column in side.schema:
                columns[f"{name}_{side.role}"] = self._shared_column(side, name)
        if self._may_be_fractional(side):
            columns[f"fraction_{side.role}"] = self._fractional(side)
        return side.frame.select(**columns)

    def _output_columns(self, side: Side) -> dict[str, nw.Expr]:
        role, columns = side.role, dict[str, nw.Expr]()
        bound = self.bound.get(role)
        if bound is not None:
            columns[role] = self._decided(side, bound)
        if side.answer is not None:
            label = self._label(side, side.answer)
            if bound is None:
                columns[role] = label
            else:
                columns[f"contradicts_{role}"] = failing(columns[role] == label)
        if side.has_proba:
            columns |= {f"{role}_{i}": p for i, p in enumerate(self._probabilities(side))}
        if side.score is not None:
            columns[f"score_{role}"] = nw.col(side.score).cast(nw.Float64)
        return columns

    def _probabilities(self, side: Side) -> list[nw.Expr]:
        """Return the probability of each class of the union."""
        place = dict(zip(self.own_classes[side.role], side.proba, strict=True))
        return [
            nw.col(place[v]).cast(nw.Float64) if v in place else nw.lit(0.0) for v in self.union
        ]

    def _decided(self, side: Side, bound: BoundRule) -> nw.Expr:
        if side.has_proba:
            return decided(bound, self._probabilities(side), single=is_single(side))
        assert side.score is not None and self.two is not None  # noqa: PT018
        score = nw.col(side.score).cast(nw.Float64)
        proba = [1 - score, score] if self.two.column else [score, 1 - score]
        return decided(bound, proba, single=is_single(side))

    def _shared_column(self, side: Side, name: str) -> nw.Expr:
        column = self.shared[name]
        if name == "truth":
            return self._label(side, column)
        return present(nw.col(column), side.schema[column])

    def _may_be_fractional(self, side: Side) -> bool:
        return self.label in side.schema and kind_of(side.schema[self.label]) == "real numbers"

    def _fractional(self, side: Side) -> nw.Expr:
        """Return 1 for a true class that is not a whole number; a missing one is no fault."""
        truth, dtype = nw.col(str(self.label)), side.schema[str(self.label)]
        missing = truth.is_null() | truth.is_nan() if dtype.is_float() else truth.is_null()
        return failing(missing | _is_whole(truth, dtype))

    def _label(self, side: Side, column: str) -> nw.Expr:
        value = self._as_class(side, column)
        if not self.one_against_rest or self.two is None:
            return value
        positive, other = nw.lit(self.two.names[1]), nw.lit(self.two.names[0])
        named = nw.when(value == self.two.positive).then(positive).otherwise(other)
        return nw.when(~value.is_null()).then(named)

    def _as_class(self, side: Side, column: str) -> nw.Expr:
        dtype, value = side.schema[column], nw.col(column)
        kind = kind_of(dtype)
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
        columns = self._output_columns(base) | self._output_columns(new)
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
        check_same_kind(self.sides, self.names.id)
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
        both = connection.sql("SELECT * FROM base_side POSITIONAL JOIN new_side")
        return self._pairs(self._merged(nw.from_native(both)))

    def _merged(self, both: nw.LazyFrame[Any], **columns: nw.Expr) -> nw.LazyFrame[Any]:
        """Take shared columns from either side; a column of both sides must be equal in them."""
        for side in self.sides:
            columns |= {name: nw.col(name) for name in self._output_columns(side)}
        for name, column in self.shared.items():
            mine = [f"{name}_{s.role}" for s in self.sides if column in s.schema]
            columns[name] = nw.col(mine[0])
            if len(mine) == 2:
                if name.startswith("group_"):
                    check_same_kind(self.sides, column, numbers_are_one=True)
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
        answered = side.answer is not None or side.role in self.bound
        return Answers(side.role, self.union if side.has_proba else (), answered=answered)

    def _pairs(self, frame: nw.LazyFrame[Any]) -> PairFrame:
        base, new = map(self._answers, self.sides)
        for side in self.sides:
            if side.answer is not None and side.role in self.bound:
                self.faults[f"contradicts_{side.role}"] = nw.col(f"contradicts_{side.role}")
        return PairFrame(
            frame,
            base,
            new,
            has_truth="truth" in self.shared,
            weighted="weight" in self.shared,
            groups=self.names.groups,
            faults=self.faults,
            scores=None if self.two is None else self._scores(),
            group_measures=self.names.group_measures,
        )

    def _scores(self) -> Scores:
        assert self.two is not None
        cuts = [cuts_of(self.bound.get(side.role), single=is_single(side)) for side in self.sides]
        exact = all(has_few_values(side.frame, str(side.score)) for side in self.sides)
        return Scores(self.positive, (cuts[0], cuts[1]), exact=exact)


def _is_whole(value: nw.Expr, dtype: Any) -> nw.Expr:
    """Return whether a number is whole and an integer of 64 bits."""
    whole = (value.round(0) == value) & (value.abs() < 2.0**63)
    return whole & value.is_finite() if dtype.is_float() else whole


def present(value: nw.Expr, dtype: Any) -> nw.Expr:
    """Return a column with NaN as missing values, -0.0 as 0.0 and categories as text."""
    if dtype.is_float():
        return nw.when(~value.is_nan()).then(value + 0.0)
    return value.cast(nw.String) if dtype in (nw.Categorical, nw.Enum) else value
