"""`Pairs`: two opened prediction tables, which return counts and changed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import LEAST_WEIGHT, check_labels, missing_values
from holdfast.common.classes import whole_labels
from holdfast.common.coding import as_objects
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.score_counts import ScoreCounts
from holdfast.comparison.scores import TOLERANCE, ScoreComparison
from holdfast.comparison.shares import GroupResult
from holdfast.exceptions import InvalidInputError
from holdfast.predictions.faults import check_weight_column, raise_faults, raise_ids, size_of
from holdfast.predictions.frames import (
    Answers,
    Columns,
    Counted,
    PairFrame,
    collected,
    count_frame,
    with_classes,
)
from holdfast.predictions.pairing import Pairing
from holdfast.tables.reading import reading

if TYPE_CHECKING:
    import duckdb

__all__ = ["Pairs", "PredictionPair"]


@dataclass(frozen=True)
class PredictionPair:
    """The answers of two models for the same rows, in memory.

    Attributes
    ----------
    base, new : ndarray of shape (n,) or (n, K)
        Labels, or probabilities with one column for each of `classes`.
    classes : ndarray of shape (K,) or None
        The classes of the probability columns.
    y : ndarray of shape (n,) or None
        The truth.
    groups : dict of str to ndarray of shape (n,)
        The group columns.
    sample_weight : ndarray of shape (n,) or None
        The importance of each row.
    ids : ndarray of shape (n,) or None
        The name of each row.
    base_pred, new_pred : ndarray of shape (n,) or None
        The answers, where they are given beside probabilities; else the most probable classes are.
    """

    base: NDArray[Any]
    new: NDArray[Any]
    classes: NDArray[Any] | None = None
    y: NDArray[Any] | None = None
    groups: dict[str, NDArray[Any]] = field(default_factory=dict)
    sample_weight: NDArray[np.float64] | None = None
    ids: NDArray[Any] | None = None
    base_pred: NDArray[Any] | None = None
    new_pred: NDArray[Any] | None = None

    @property
    def answers(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The answers of both models, each of shape (n,)."""
        base = self._answers_of(self.base, self.base_pred)
        return base, self._answers_of(self.new, self.new_pred)

    def _answers_of(self, given: NDArray[Any], pred: NDArray[Any] | None) -> NDArray[Any]:
        if pred is not None or given.ndim == 1 or self.classes is None:
            return given if pred is None else pred
        return self.classes[given.argmax(axis=1)]


# --- counting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Two models' answers for the same rows, ready to be counted.

    Attributes
    ----------
    pairs : PairFrame
        The frame of pairs.
    pairing : Pairing
        The two tables from which the frame was built.
    paths : tuple of Path
        The files of the tables, for messages; empty for data frames.
    connection : duckdb.DuckDBPyConnection or None
        The connection that reads files and Arrow tables; None for other data frames.
    joined : bool
        Whether the tables were joined by id.
    """

    pairs: PairFrame
    pairing: Pairing
    paths: tuple[Path, ...] = ()
    connection: duckdb.DuckDBPyConnection | None = None
    joined: bool = False

    def counts(self) -> PairedCounts:
        """Count the answers of all rows; for errors see `counted`."""
        return self.counted().pairs

    def counted(self) -> Counted:
        """Count all rows; raise InvalidInputError for rows that cannot be paired or counted."""
        with reading(*self.paths, limits=True):
            counted, failed = count_frame(self._ready())
            wrong = {name: n for name, n in failed.items() if n}
            if wrong:
                raise_faults(self.pairing, wrong)
            if counted is None:
                raise InvalidInputError(
                    "tables must have at least one row, got none; give tables with rows"
                )
            sizes = {size_of(side.frame) for side in self.pairing.sides} if self.joined else set()
            if sizes - {counted.pairs.n}:
                raise_ids(self.pairing)
                raise InvalidInputError(
                    f"tables must not change while they are read, got {sorted(sizes)} rows of "
                    f"which {counted.pairs.n} were compared; compare them again"
                )
            weighted = self.pairing.names.weight is not None
            if weighted and not counted.pairs.weights.sum() > LEAST_WEIGHT * counted.pairs.n:
                check_weight_column(self.pairing)
        return counted

    def score_comparison(
        self, counts: ScoreCounts, *, tolerance: float = TOLERANCE, confidence: float, seed: int = 0
    ) -> ScoreComparison:
        """Return the comparison of the scores, at the thresholds or bounds of the rules."""
        base, new = counts.base_cuts, counts.new_cuts
        one_each = len(base) == len(new) == 1
        return ScoreComparison.from_counts(
            counts,
            threshold=(base[0], new[0]) if one_each else None,
            bands=(base, new) if len(base) > 1 and len(new) > 1 else None,
            tolerance=tolerance,
            confidence=confidence,
            seed=seed,
        )

    def _ready(self) -> PairFrame:
        """Store the pairs that DuckDB joined, if they will be read more than once."""
        readings = max(len(self.pairs.groups), 1) + (self.pairs.scores is not None)
        if readings < 2 or not self.joined or self.connection is None:
            return self.pairs
        native: Any = nw.to_native(self.pairs.frame)
        native.to_table("joined_pairs")
        return replace(self.pairs, frame=nw.from_native(self.connection.table("joined_pairs")))

    def changed(self, groups: Sequence[GroupResult], *, most_of_one: int) -> PredictionPair:
        """Return a sample of the rows whose answer changed, of every change and of some groups.

        The rows in which the new model is surest of its answer come first.

        Parameters
        ----------
        groups : sequence of GroupResult
            The groups whose rows are wanted.
        most_of_one : int
            The largest number of rows for each pair of classes, and for each group.
        """
        pairs = self.pairs
        frame = with_classes(pairs)
        frame = frame.filter(nw.col("base") != nw.col("new"))
        surest = nw.lit(1.0)  # labels say nothing about how sure the model is
        if pairs.new.proba_classes:
            surest = nw.max_horizontal(*pairs.new.proba_columns)
        order = ["unsure", *(["id"] if "id" in frame.collect_schema().names() else [])]
        frame = frame.with_columns(unsure=-surest, count=nw.lit(1))
        place = nw.col("count").cum_sum()
        wanted = place.over("base", "new", order_by=order) <= most_of_one
        for i, column in enumerate(pairs.groups):
            group = nw.col(f"group_{i}")
            values = [result.value for result in groups if result.column == column]
            among = group.is_in([value for value in values if value is not None])
            if None in values:
                among = among | group.is_null()
            own = place.over(f"group_{i}", order_by=order) <= most_of_one
            wanted = wanted | (among & own)
        frame = frame.with_columns(wanted=wanted).filter(nw.col("wanted"))
        with reading(*self.paths, limits=True):
            rows = collected(frame.sort(*order))
        classes = pairs.base.proba_classes or pairs.new.proba_classes
        return PredictionPair(
            base=self._answers(rows, pairs.base),
            new=self._answers(rows, pairs.new),
            classes=np.array(classes) if classes else None,
            y=_truth(rows["truth"]) if pairs.has_truth else None,
            groups={name: as_objects(rows[f"group_{i}"]) for i, name in enumerate(pairs.groups)},
            ids=as_objects(rows["id"]) if "id" in rows else None,
            base_pred=self._beside(rows, pairs.base),
            new_pred=self._beside(rows, pairs.new),
        )

    @staticmethod
    def _answers(rows: Columns, model: Answers) -> NDArray[Any]:
        if model.proba_classes:
            proba = [rows[name].astype(np.float64) for name in model.proba_columns]
            return np.column_stack(proba)
        return Pairs._labels(rows, model)

    @staticmethod
    def _beside(rows: Columns, model: Answers) -> NDArray[Any] | None:
        """Return the answers that come with probabilities, if any."""
        both = model.answered and model.proba_classes
        return Pairs._labels(rows, model) if both else None

    @staticmethod
    def _labels(rows: Columns, model: Answers) -> NDArray[Any]:
        labels = rows[model.role]
        return check_labels(model.role, labels) if len(labels) else np.empty(0)


def _truth(labels: NDArray[Any]) -> NDArray[Any]:
    """Return true classes as objects, None where they are unknown."""
    objects = as_objects(labels)
    known = ~missing_values(objects)
    if known.any():
        objects[known] = whole_labels(check_labels("truth", objects[known]))
    return objects
