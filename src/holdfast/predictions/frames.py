"""Counts the pairs in a data frame of any library, without moving its rows.

The counting is one narwhals expression. Polars, DuckDB, Spark or pandas runs it and returns one row
for each cell that occurs. A missing answer or label is a cell of its own, and the other checks of
the rows are sums over the same cells, so no row is read twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import (
    LEAST_WEIGHT,
    ROUNDING,
    SUM_TOLERANCE,
    check_labels,
    missing_values,
)
from holdfast.common.classes import whole_labels
from holdfast.common.coding import as_objects
from holdfast.comparison.counting import CellRows, counts_of_cells, triples_of
from holdfast.comparison.counts import BASE_RIGHT, NEW_RIGHT, UNLABELED, PairedCounts
from holdfast.comparison.score_counts import MOST_DISTINCT, UNKNOWN, ScoreCounts
from holdfast.comparison.within import counts_within
from holdfast.metrics import SMALLEST
from holdfast.predictions.deciding import most_probable
from holdfast.predictions.score_cells import (
    KEYS,
    Scores,
    is_score,
    loss_sums,
    score_counts,
    score_sums,
    with_keys,
    with_losses,
    with_scores,
)

__all__ = [
    "Answers",
    "Columns",
    "Counted",
    "PairFrame",
    "collected",
    "count_frame",
    "failing",
    "has_few_values",
    "with_classes",
]

Expr = nw.Expr
Columns = dict[str, NDArray[Any]]
BASE, NEW, TRUTH, WEIGHT, SQUARES = "base", "new", "truth", "weight", "weight_squares"
LARGEST = "largest_weight"
SAMPLE = 100_000  # rows that are looked at first, to see many distinct scores at little cost
EXACT_DIGITS = 15  # decimal digits that every real number keeps
COUNTED = "counted"  # the number of rows of positive weight


@dataclass(frozen=True)
class Answers:
    """One model's answers in a frame of pairs: a column of classes, of probabilities, or both.

    Attributes
    ----------
    role : {"base", "new"}
        The name of the column of classes. Columns of probabilities are named `{role}_0`,
        `{role}_1` and so on.
    proba_classes : tuple
        The classes of the probability columns; empty where there are none.
    answered : bool
        Whether there is a column of classes, whose values are the answers.
    """

    role: str
    proba_classes: tuple[Any, ...] = ()
    answered: bool = True

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return [*([self.role] if self.answered else []), *self.proba_columns]

    @property
    def proba_columns(self) -> list[str]:
        """The names of the probability columns, in the order of `proba_classes`."""
        return [f"{self.role}_{i}" for i in range(len(self.proba_classes))]

    @property
    def distribution(self) -> dict[Any, Expr]:
        """The probability of each class, as an expression."""
        return dict(zip(self.proba_classes, map(nw.col, self.proba_columns), strict=True))


@dataclass(frozen=True)
class PairFrame:
    """The answers of two models for the same rows, in one frame whose columns have fixed names.

    Attributes
    ----------
    frame : narwhals.LazyFrame
        It has the columns of both answers, `group_0`, `group_1` and so on for the groups, and
        `truth`, `weight` and `id` where they are known.
    base, new : Answers
        The columns of each model's answers.
    has_truth : bool
        Whether there is a column `truth`.
    weighted : bool
        Whether there is a column `weight`.
    groups : tuple of str
        The user's names of the group columns.
    faults : mapping of str to Expr
        Further checks by name. Each is 1 for a row that fails it, else 0.
    scores : Scores or None
        How the columns `score_base` and `score_new` are counted; None without scores.
    group_measures : bool
        Whether the rows of each group are counted by class.
    """

    frame: nw.LazyFrame[Any]
    base: Answers
    new: Answers
    has_truth: bool
    weighted: bool
    groups: tuple[str, ...]
    faults: Mapping[str, Expr]
    scores: Scores | None = None
    group_measures: bool = False


def failing(good: Expr) -> Expr:
    """Return an expression that is 1 where a condition is false or unknown, else 0."""
    return nw.when(good).then(nw.lit(0)).otherwise(nw.lit(1))


@dataclass(frozen=True)
class Counted:
    """What was counted in a frame of pairs.

    Attributes
    ----------
    pairs : PairedCounts
        The counts of answers.
    scores : ScoreCounts or None
        The counts of scores; None without scores.
    """

    pairs: PairedCounts
    scores: ScoreCounts | None = None


def count_frame(pairs: PairFrame) -> tuple[Counted | None, dict[str, int]]:
    """Count all rows, and the rows that fail each check.

    Parameters
    ----------
    pairs : PairFrame

    Returns
    -------
    counted : Counted or None
        None where a row fails a check.
    failed : dict of str to int
        The number of rows that fail each check.
    """
    frame, measures, faults = _with_answers(pairs)
    keys = [BASE, NEW, *([TRUTH] if pairs.has_truth else [])]
    # The first group column is counted along with the answers, except beside scores, whose cells
    # are many.
    first = ["group_0"] if pairs.groups and pairs.scores is None else []
    if pairs.scores is None:
        cells = _aggregated(frame, [*keys, *first], measures, faults)
    else:
        scored = with_scores(frame)
        sums = score_sums(pairs.scores, weighted=pairs.weighted)
        keyed = with_keys(scored, pairs.scores)
        fine = _aggregated(keyed, [*keys, *KEYS], measures, faults, sums)
        cells, place = _merged(fine, keys)
    rows = cells["rows"]
    failed = {key: int(rows[missing_values(cells[key])].sum()) for key in (BASE, NEW)}
    failed |= {name: int(cells[f"fault_{name}"].sum()) for name in faults}
    if any(failed.values()) or not len(rows):
        return None, failed
    base, new = (whole_labels(check_labels(key, cells[key])) for key in (BASE, NEW))
    truth, labeled = _truth(cells)
    own = _cell_rows(cells, base != new, _outcomes(base, new, truth, labeled))
    groups = {}
    within: dict[str, dict[Any, PairedCounts]] = {}
    for i, name in enumerate(pairs.groups):
        if pairs.group_measures:
            by_class = cells
            if i or not first:
                by_class = _aggregated(frame, [*keys, f"group_{i}"], {}, {})
            within[name] = _within(name, by_class, by_class[f"group_{i}"])
        if i == 0 and first:
            groups[name] = own.of_groups(name, cells["group_0"])
            continue
        counted = _aggregated(_with_outcomes(pairs, frame), [f"group_{i}", *OUTCOME], {}, {})
        changed, outcome = (counted[key] for key in OUTCOME)
        own_of_group = _cell_rows(counted, changed.astype(np.bool_), outcome.astype(np.intp))
        groups[name] = own_of_group.of_groups(name, counted[f"group_{i}"])
    counts = counts_of_cells(
        base,
        new,
        truth,
        labeled,
        own,
        weighted=pairs.weighted,
        sums={name: float(cells[f"sum_{name}"].sum()) for name in measures},
        groups=groups,
        within=within,
    )
    if pairs.scores is None:
        return Counted(counts), failed
    positive = _is_positive(cells, pairs.scores)[place]
    losses = None
    if pairs.has_truth:  # there are many cells and few classes, so losses are summed on their own
        lossy = with_losses(scored, pairs.scores)
        losses = _aggregated(lossy, [TRUTH], {}, {}, loss_sums(weighted=pairs.weighted))
    return Counted(counts, score_counts(fine, losses, pairs.scores, positive)), failed


def _within(name: str, cells: Columns, values: NDArray[Any]) -> dict[Any, PairedCounts]:
    """Return the counts of each group, of cells by answers and truth."""
    base, new = (whole_labels(check_labels(key, cells[key])) for key in (BASE, NEW))
    triples, classes = triples_of(base, new, *_truth(cells))
    weighted = WEIGHT in cells
    own = _cell_rows(cells, base != new, np.zeros(len(base), dtype=np.intp))
    return counts_within(
        name,
        values,
        triples,
        classes,
        np.stack([own.rows, own.counted, own.weight, own.weight_squares, own.largest]),
        weighted=weighted,
        has_truth=TRUTH in cells,
    )


def _merged(cells: Columns, keys: Sequence[str]) -> tuple[Columns, NDArray[np.intp]]:
    """Return cells with one row for each combination of the keys, and the place of each cell.

    All columns but the keys are added up, except for the largest weights.
    """
    # There are few answers and many cells, so one dictionary is the quickest.
    known: dict[Any, int] = {}
    rows = zip(*(as_objects(cells[key]).tolist() for key in keys), strict=True)
    place = np.fromiter((known.setdefault(row, len(known)) for row in rows), dtype=np.intp)
    first = np.full(len(known), len(place))
    np.minimum.at(first, place, np.arange(len(place)))
    summed: Columns = {
        name: np.bincount(place, values.astype(np.float64), len(first))
        for name, values in cells.items()
        if name not in (*keys, *KEYS, LARGEST)
    }
    if LARGEST in cells:
        summed[LARGEST] = np.zeros(len(first))
        np.maximum.at(summed[LARGEST], place, cells[LARGEST].astype(np.float64))
    return {key: cells[key][first] for key in keys} | summed, place


def _is_positive(cells: Columns, scores: Scores) -> NDArray[np.int8]:
    """Return 1 for cells of the positive class, 0 for other classes, -1 without the truth."""
    truth = np.full(len(cells["rows"]), UNKNOWN, dtype=np.int8)
    if TRUTH in cells:
        known = ~missing_values(cells[TRUTH])
        truth[known] = cells[TRUTH][known] == scores.positive
    return truth


OUTCOME = ("changed", "outcome")


def _truth(cells: Columns) -> tuple[NDArray[Any] | None, NDArray[np.bool_]]:
    """Return the truth of the cells where it is known, and which these are."""
    if TRUTH not in cells:
        return None, np.zeros(len(cells["rows"]), dtype=np.bool_)
    labeled = ~missing_values(cells[TRUTH])
    truth = cells[TRUTH][labeled]
    return whole_labels(check_labels(TRUTH, truth)) if len(truth) else truth, labeled


def _outcomes(
    base: NDArray[Any], new: NDArray[Any], truth: NDArray[Any] | None, labeled: NDArray[np.bool_]
) -> NDArray[np.intp]:
    outcome = np.full(len(base), UNLABELED)
    if truth is not None and len(truth):
        right = base[labeled] == truth, new[labeled] == truth
        outcome[labeled] = right[0] * BASE_RIGHT + right[1] * NEW_RIGHT
    return outcome


def _with_outcomes(pairs: PairFrame, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    outcome: Expr = nw.lit(UNLABELED)
    if pairs.has_truth:
        truth = nw.col(TRUTH)
        right = (nw.col(BASE) == truth).cast(nw.Int64), (nw.col(NEW) == truth).cast(nw.Int64)
        known = right[0] * BASE_RIGHT + right[1] * NEW_RIGHT
        outcome = nw.when(~truth.is_null()).then(known).otherwise(nw.lit(UNLABELED))
    return frame.with_columns(changed=nw.col(BASE) != nw.col(NEW), outcome=outcome)


def _cell_rows(cells: Columns, changed: NDArray[np.bool_], outcome: NDArray[np.intp]) -> CellRows:
    return CellRows(
        changed=changed,
        outcome=outcome,
        rows=cells["rows"].astype(np.int64),
        counted=cells[COUNTED if WEIGHT in cells else "rows"].astype(np.int64),
        weight=cells[WEIGHT if WEIGHT in cells else "rows"].astype(np.float64),
        weight_squares=cells[SQUARES if WEIGHT in cells else "rows"].astype(np.float64),
        largest=cells.get(LARGEST, np.ones(len(changed))).astype(np.float64),
    )


def _aggregated(
    frame: nw.LazyFrame[Any],
    keys: Sequence[str],
    measures: Mapping[str, Expr],
    faults: Mapping[str, Expr],
    sums: Mapping[str, Expr] | None = None,
) -> Columns:
    """Return one row for each combination of the keys, with the sums of all else over its rows.

    The result holds the largest weight, too.

    Measures are weighted; faults and further `sums` are added up as they are.
    """
    columns = {f"fault_{name}": value for name, value in faults.items()} | dict(sums or {})
    weight = nw.col(WEIGHT)
    weighted = WEIGHT in frame.collect_schema().names()
    columns |= {f"sum_{n}": weight * v if weighted else v for n, v in measures.items()}
    if weighted:
        counted = (weight > 0).cast(nw.Int64)
        columns |= {WEIGHT: weight, SQUARES: weight * weight, COUNTED: counted}
    if weighted:
        frame = frame.with_columns(**{LARGEST: weight})
    summed = frame.with_columns(**columns) if columns else frame
    whole = {COUNTED, *(f"fault_{name}" for name in faults)}
    largest = [nw.col(LARGEST).max()] if weighted else []
    cells = summed.group_by(*keys).agg(
        nw.len().alias("rows"), *(nw.col(name).sum() for name in columns), *largest
    )
    return collected(
        cells.with_columns(nw.col(name).cast(nw.Int64) for name in columns if name in whole)
    )


def _with_answers(
    pairs: PairFrame,
) -> tuple[nw.LazyFrame[Any], dict[str, Expr], dict[str, Expr]]:
    """Return the frame with classes, the measures of each row, and its checks."""
    faults = dict(pairs.faults)
    for model in (pairs.base, pairs.new):
        if model.proba_classes:
            faults[f"{model.role}_proba"] = failing(_is_distribution(model))
    if pairs.scores is not None:
        good = is_score(nw.col("score_base")) & is_score(nw.col("score_new"))
        faults["scores"] = failing(good)
    frame = with_classes(pairs)
    if pairs.weighted:
        weight = nw.col(WEIGHT).cast(nw.Float64)
        frame = frame.with_columns(**{WEIGHT: weight})
        faults[WEIGHT] = failing((weight >= 0) & (weight < 1 / LEAST_WEIGHT))
    return frame, _measures(pairs), faults


def with_classes(pairs: PairFrame) -> nw.LazyFrame[Any]:
    """Return the frame with columns `base` and `new`, the class that each model answers."""
    models = [model for model in (pairs.base, pairs.new) if not model.answered]
    columns = {model.role: most_probable(model.distribution) for model in models}
    return pairs.frame.with_columns(**columns) if columns else pairs.frame


def _is_distribution(model: Answers) -> Expr:
    total = nw.sum_horizontal(*model.proba_columns)
    sums_to_one = (total >= 1 - SUM_TOLERANCE) & (total <= 1 + SUM_TOLERANCE)
    inside = nw.all_horizontal(
        *(
            ~p.is_null() & (p >= -ROUNDING) & (p <= 1 + SUM_TOLERANCE)
            for p in map(nw.col, model.proba_columns)
        ),
        ignore_nulls=False,
    )
    return sums_to_one & inside


def _measures(pairs: PairFrame) -> dict[str, Expr]:
    """Return the losses and divergences of each row, as `holdfast.metrics` defines them."""
    found: dict[str, Expr] = {}
    models = [model for model in (pairs.base, pairs.new) if model.proba_classes]
    for model in models:
        if model.answered:
            otherwise = most_probable(model.distribution) != nw.col(model.role)
            found[f"otherwise_{model.role}"] = otherwise.cast(nw.Float64)
        if not pairs.has_truth:
            continue
        # A label that the model does not know has the probability 0.
        of_truth = nw.coalesce(
            *(nw.when(nw.col(TRUTH) == nw.lit(c)).then(p) for c, p in model.distribution.items()),
            nw.lit(0.0),
        )
        squares = nw.sum_horizontal(*(p * p for p in model.distribution.values()))
        brier = squares - 2 * of_truth + 1
        losses = {
            "log_loss": -of_truth.clip(SMALLEST, 1.0).log(),
            "brier": nw.when(brier > 0).then(brier).otherwise(nw.lit(0.0)),
        }
        labeled = ~nw.col(TRUTH).is_null()
        for name, loss in losses.items():
            found[f"{name}_{model.role}"] = nw.when(labeled).then(loss).otherwise(nw.lit(0.0))
    if len(models) == 2:
        both = list(zip(*(model.distribution.values() for model in models), strict=True))
        kl = nw.sum_horizontal(
            *(p * (p.clip(SMALLEST).log() - q.clip(SMALLEST).log()) for p, q in both)
        )
        found["divergence_kl"] = nw.when(kl > 0).then(kl).otherwise(nw.lit(0.0))
        found["divergence_brier"] = nw.sum_horizontal(*((p - q) * (p - q) for p, q in both))
    return found


def has_few_values(frame: nw.LazyFrame[Any], column: str) -> bool:
    """Return whether a column has so few distinct scores that each can be counted apart."""
    found = nw.col(column).n_unique()
    sample = collected(frame.select(column).head(SAMPLE).select(rows=nw.len(), n=found))
    few = bool(sample["n"][0] <= MOST_DISTINCT)
    if sample["rows"][0] < SAMPLE or not few:
        return few
    return bool(collected(frame.select(n=found))["n"][0] <= MOST_DISTINCT)


def collected(frame: nw.LazyFrame[Any]) -> Columns:
    """Collect a small lazy frame into memory; missing values are None, NaN, NaT or NA."""
    native: Any = nw.to_native(frame)
    if hasattr(native, "fetchnumpy"):  # a DuckDB relation
        return _of_duckdb(native)
    import pandas as pd

    if frame.implementation.is_spark_like():
        # Rows are taken one by one, since Spark's `toPandas` works with few versions of pandas.
        table = pd.DataFrame([tuple(row) for row in native.collect()], columns=native.columns)
        return {name: _of_pandas(table[name]) for name in table.columns}
    eager = frame.collect()
    # This way integers stay integers when one of them is missing.
    columns = {name: pd.Series(eager[name].to_list(), dtype=object) for name in eager.columns}
    return {name: _of_pandas(_inferred(column)) for name, column in columns.items()}


def _inferred(column: Any) -> Any:
    """Return a series of objects in the type that they have, but no integers as real numbers."""
    inferred = column.infer_objects()
    return column if inferred.dtype.kind == "f" and column.isna().any() else inferred


def _of_duckdb(relation: Any) -> Columns:
    wide = _wide_numbers(relation)
    if wide:  # NumPy would make real numbers of them
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in relation.columns}
        listed = [f"CAST({q} AS VARCHAR) AS {q}" if n in wide else q for n, q in quoted.items()]
        columns = _of_duckdb(relation.project(", ".join(listed)))
        for name, number in wide.items():
            values = [number(text) if isinstance(text, str) else None for text in columns[name]]
            columns[name] = np.array([*values, None], dtype=object)[:-1]
        return columns
    if any("TIME ZONE" in str(dtype) for dtype in relation.types):  # NumPy has no time zones
        table = relation.df()
        return {name: _of_pandas(table[name]) for name in table.columns}
    return {name: _unmasked(values) for name, values in relation.fetchnumpy().items()}


def _wide_numbers(relation: Any) -> dict[str, Any]:
    """Return the columns whose numbers have more than 64 bits, and the Python type of each."""
    kinds = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    wide: dict[str, Any] = {n: int for n, kind in kinds.items() if kind.endswith("HUGEINT")}
    for name, kind in kinds.items():
        width = re.match(r"DECIMAL\((\d+)", kind)
        if width is not None and int(width[1]) > EXACT_DIGITS:
            wide[name] = Decimal
    return wide


def _unmasked(values: NDArray[Any]) -> NDArray[Any]:
    if type(values) is np.ndarray:
        return values
    fill: dict[str, Any] = {"f": np.nan, "m": np.timedelta64("NaT"), "M": np.datetime64("NaT")}
    if values.dtype.kind in fill:
        return np.ma.filled(values, fill[values.dtype.kind])
    objects = np.ma.getdata(values).astype(object)
    objects[np.ma.getmaskarray(values)] = None
    return objects


def _of_pandas(column: Any) -> NDArray[Any]:
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return column.astype(object).to_numpy()
