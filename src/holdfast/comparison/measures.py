"""Measures of classes and mean costs of two models, with intervals of the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.classes import class_index
from holdfast.common.plain import plain_scalar
from holdfast.comparison.change import MeasureChange
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.means import mean_interval
from holdfast.comparison.paired import Part, combined_interval, part_of
from holdfast.comparison.ratios import Estimate, class_tables, estimate
from holdfast.comparison.shares import Interval
from holdfast.exceptions import InvalidInputError
from holdfast.rules import Costs

__all__ = ["measures_of", "most_frequent", "positives_of", "recall_changes"]

Floats = NDArray[np.float64]

ENOUGH_POSITIVES = 10
BINS = 8  # cost differences within a factor of 2 are one kind of change, down to the 8th such kind
OF_CLASSES = ("recall", "precision", "f1", "specificity")


def measures_of(
    counts: PairedCounts,
    confidence: float,
    *,
    positive: Any = None,
    costs: Any = None,
    labels: Sequence[Any] | None = None,
) -> dict[str, MeasureChange]:
    """Return the measures by name; for parameters and errors see `Comparison.measures`."""
    chosen = _chosen(counts, positive, labels)
    changes = _rates(counts, chosen, confidence)
    if counts.comparable:
        changes += _class_measures(counts, chosen, confidence)
        changes.append(balanced_accuracy(counts, confidence))
    if costs is not None:
        changes.append(mean_cost(counts, costs, confidence))
    return {change.name: change for change in changes}


def _chosen(counts: PairedCounts, positive: Any, labels: Sequence[Any] | None) -> NDArray[np.intp]:
    """Return the positions of the classes that are asked for, among all answers and labels."""
    if positive is None and labels is None:
        return np.arange(len(counts.labels))
    if positive is not None and labels is not None:
        raise InvalidInputError(
            "positive and labels must not both be given, got both; name the class among the labels"
        )
    asked = [positive] if labels is None else list(labels)
    position = class_index(np.asarray(asked), counts.labels)
    for value, place in zip(asked, position.tolist(), strict=True):
        if place < 0:
            known = ", ".join(repr(plain_scalar(label)) for label in counts.labels[:20])
            raise InvalidInputError(
                f"{'positive' if labels is None else 'labels'} must be among the answers and "
                f"labels, got {value!r}; choose from {known}"
            )
    return position


def true_classes(counts: PairedCounts) -> NDArray[np.intp]:
    """Return the classes that occur as truth, as positions in `counts.labels`."""
    return np.unique(counts.triples[counts.labeled, 2])


def positives_of(counts: PairedCounts) -> NDArray[np.int64]:
    """Return the number of rows of each true class, for each of `counts.labels`."""
    known = counts.labeled
    rows = np.bincount(counts.triples[known, 2], counts.rows[known], len(counts.labels))
    return rows.astype(np.int64)


def most_frequent(counts: PairedCounts, most: int) -> list[Any]:
    """Return the classes with most rows: true classes, and answers where no truth is known."""
    rows = positives_of(counts).astype(np.float64)
    answered = np.bincount(counts.triples[:, 1], counts.rows, len(rows))
    order = np.lexsort((np.arange(len(rows)), -answered, -rows))[:most]
    labels: list[Any] = counts.labels[np.sort(order)].tolist()
    return labels


# --- single classes -------------------------------------------------------------------------------


def _tables(counts: PairedCounts, cells: NDArray[np.bool_], *, truth: bool) -> list[Floats]:
    """Return the eight sums of each class: rows, weights and squared weights."""
    triples = counts.triples[cells]
    if not truth:
        triples = np.column_stack([triples[:, :2], np.full(len(triples), -1)])
    values = (counts.rows, counts.weights, counts.squares)
    return [
        class_tables(triples, value[cells].astype(np.float64), len(counts.labels))
        for value in values
    ]


def _rates(
    counts: PairedCounts, chosen: NDArray[np.intp], confidence: float
) -> list[MeasureChange]:
    """Return the share of rows that get each answer, over all rows."""
    answers = np.unique(counts.triples[:, :2])
    own = chosen[np.isin(chosen, answers)]
    every = np.ones(len(counts.rows), dtype=np.bool_)
    _, weights, squares = (table[own] for table in _tables(counts, every, truth=False))
    found = estimate("rate", weights, squares, confidence)
    n = int(counts.rows.sum())
    names = [f"rate[{_text(counts, place)}]" for place in own]
    return [_change(name, found, i, n, None) for i, name in enumerate(names)]


def _class_measures(
    counts: PairedCounts, chosen: NDArray[np.intp], confidence: float
) -> list[MeasureChange]:
    rows, weights, squares = (t[chosen] for t in _tables(counts, counts.labeled, truth=True))
    positives = positives_of(counts)[chosen].tolist()
    about = {
        "recall": rows[:, 1::2].sum(axis=1),
        "precision": rows[:, 2:].sum(axis=1),
        "f1": rows[:, 1:].sum(axis=1),
        "specificity": rows[:, ::2].sum(axis=1),
    }
    found = {name: estimate(name, weights, squares, confidence) for name in OF_CLASSES}
    return [
        _change(f"{name}[{_text(counts, place)}]", found[name], i, int(about[name][i]), own)
        for i, (place, own) in enumerate(zip(chosen, positives, strict=True))
        for name in OF_CLASSES
    ]


def _text(counts: PairedCounts, place: Any) -> str:
    return str(plain_scalar(counts.labels[place]))


def _change(name: str, found: Estimate, i: int, n: int, positives: int | None) -> MeasureChange:
    intervals = (found.interval, found.base_interval, found.new_interval)
    own, base, new = (
        None if np.isnan(low[i] + high[i]) else (float(low[i]), float(high[i]))
        for low, high in intervals
    )
    values = (found.base[i], found.new[i], found.change[i])
    known = [None if np.isnan(value) else float(value) for value in values]
    reliable = positives is None or positives >= ENOUGH_POSITIVES
    return MeasureChange(name, known[0], known[1], known[2], own, base, new, n, positives, reliable)


# --- all classes ----------------------------------------------------------------------------------


def recall_changes(counts: PairedCounts, classes: NDArray[np.intp], confidence: float) -> Estimate:
    """Return the recall of some classes, given as positions in `counts.labels`."""
    _, weights, squares = (t[classes] for t in _tables(counts, counts.labeled, truth=True))
    return estimate("recall", weights, squares, confidence)


def balanced_accuracy(counts: PairedCounts, confidence: float) -> MeasureChange:
    """Return the mean recall over the true classes."""
    classes = true_classes(counts)
    _, weights, squares = (t[classes] for t in _tables(counts, counts.labeled, truth=True))
    recall = estimate("recall", weights, squares, confidence)
    change = recall.change.mean(keepdims=True)
    factor = np.full(1, 1 / len(classes))
    parts = [Part(factor, *(x[i : i + 1] for x in recall.part[1:])) for i in range(len(classes))]
    variance = recall.part.variance.sum() * factor**2
    low, high = combined_interval(change, parts, variance, confidence)
    found = Estimate(
        recall.base.mean(keepdims=True),
        recall.new.mean(keepdims=True),
        change,
        (np.maximum(low, -1), np.minimum(high, 1)),
        _mean_recall_interval(weights, squares, BASE_RIGHT_CELLS, confidence),
        _mean_recall_interval(weights, squares, NEW_RIGHT_CELLS, confidence),
        recall.part,
    )
    positives = positives_of(counts)[classes]
    return _change("balanced_accuracy", found, 0, int(positives.sum()), int(positives.min()))


# Of the eight cells of a class, those with its rows, and those that a model gets right.
TRUE_CELLS, BASE_RIGHT_CELLS, NEW_RIGHT_CELLS = [1, 3, 5, 7], [5, 7], [3, 7]


def _mean_recall_interval(
    weights: Floats, squares: Floats, right: list[int], confidence: float
) -> tuple[Floats, Floats]:
    """Return the interval of one model's mean recall, in which each class weighs the same."""
    share = 1 / (len(weights) * weights[:, TRUE_CELLS].sum(axis=1, keepdims=True))
    values = np.isin(np.arange(weights.shape[1]), right).astype(float)
    own, own2 = ((share * weights)[:, TRUE_CELLS], (share**2 * squares)[:, TRUE_CELLS])
    some = own > 0
    values = np.broadcast_to(values[TRUE_CELLS], own.shape)[some]
    low, high = mean_interval(values, own[some], own2[some], (0.0, 1.0), confidence)
    return np.atleast_1d(low), np.atleast_1d(high)


# --- costs ----------------------------------------------------------------------------------------


def mean_cost(counts: PairedCounts, costs: Any, confidence: float) -> MeasureChange:
    """Return the mean cost of a labelled row."""
    if not counts.has_truth:
        raise InvalidInputError(
            "costs need labels, got a comparison without labels; give y to compare"
        )
    answers, classes = np.unique(counts.triples[:, :2]), true_classes(counts)
    cost = _cost_matrix(costs, counts.labels[answers], counts.labels[classes])
    known = counts.labeled
    base, new, truth = counts.triples[known].T
    column = np.searchsorted(classes, truth)
    old, now = (cost[np.searchsorted(answers, side), column] for side in (base, new))
    weights, squares = counts.weights[known], counts.squares[known]
    worst = cost.max(axis=0) - cost.min(axis=0)
    change, interval = cost_change(now - old, weights, squares, worst, confidence)
    positives = positives_of(counts)[classes]
    ends = float(cost.min()), float(cost.max())
    own = [mean_interval(values, weights, squares, ends, confidence) for values in (old, now)]
    return MeasureChange(
        "cost",
        float(weights @ old / weights.sum()),
        float(weights @ now / weights.sum()),
        change,
        interval,
        own[0],
        own[1],
        int(counts.rows[known].sum()),
        int(positives.min()),
        bool(positives.min() >= ENOUGH_POSITIVES),
    )


def cost_change(
    differences: Floats, weights: Floats, squares: Floats, worst: Floats, confidence: float
) -> tuple[float, Interval]:
    """Return the mean of cost differences with its interval.

    Rows whose cost rises or falls by about the same amount are one part of the change. A part that
    is possible, and of which no row was seen, widens the interval too.

    Parameters
    ----------
    differences, weights, squares : ndarray of shape (m,)
        New minus base cost of the rows of each cell, and the sums of their weights.
    worst : ndarray of shape (K,)
        The largest possible difference for each true class.
    confidence : float
        Confidence level of the interval.
    """
    size = np.abs(differences)
    largest = max(size.max(initial=0.0), worst.max(initial=0.0))
    total, total2 = weights.sum(), squares.sum()
    change = float(weights @ differences / total)
    if largest == 0:
        return 0.0, (0.0, 0.0)
    seen, possible = _bins(size, largest), _bins(worst, largest)
    parts = []
    for code in np.unique(np.concatenate([seen, possible])):
        if code == BINS:  # no difference
            continue
        inside = seen == code
        step = float(worst[possible == code].max(initial=0.0))
        if inside.any():
            step = float(np.average(size[inside], weights=weights[inside]))
        up, down = inside & (differences > 0), inside & (differences < 0)
        sums, own_squares = (
            (np.asarray(x[up].sum()), np.asarray(x[down].sum()), np.asarray(whole))
            for x, whole in ((weights, total), (squares, total2))
        )
        parts.append(part_of(np.asarray(step), sums, own_squares, confidence))
    variance = squares @ (differences - change) ** 2 / total**2
    low, high = combined_interval(np.asarray(change), parts, variance, confidence)
    return change, (float(low), float(high))


def _bins(size: Floats, largest: float) -> NDArray[np.intp]:
    """Return the kind of each size of a difference; `BINS` stands for no difference."""
    with np.errstate(divide="ignore"):
        halvings = np.floor(-np.log2(size / largest) + 1e-9)
    return np.where(size > 0, np.minimum(halvings, BINS - 1), BINS).astype(np.intp)


def _cost_matrix(costs: Any, answers: NDArray[Any], classes: NDArray[Any]) -> Floats:
    """Return the cost of each answer (down) for each true class (across)."""
    if isinstance(costs, Costs):
        return -costs.as_utility().matched(answers, classes)
    if isinstance(costs, Mapping):
        return _cost_table(costs, answers, classes)
    matrix = _as_costs(costs)
    shape = (len(answers), len(classes))
    if matrix.shape != shape:
        raise InvalidInputError(
            f"costs must have shape {shape}, one row for each answer {answers.tolist()} and one "
            f"column for each true class {classes.tolist()}, got {matrix.shape}; a mapping "
            "{answer: {class: cost}} needs no order"
        )
    return matrix


def _cost_table(costs: Mapping[Any, Any], answers: NDArray[Any], classes: NDArray[Any]) -> Floats:
    table = []
    for answer in answers.tolist():
        row = costs.get(answer)
        row = row if isinstance(row, Mapping) else {}
        absent = [c for c in classes.tolist() if c not in row]
        if absent:
            raise InvalidInputError(
                f"costs must name a cost of each answer for each true class, got none of answer "
                f"{answer!r} for class {absent[0]!r}; add it"
            )
        table.append([row[c] for c in classes.tolist()])
    return _as_costs(table)


def _as_costs(costs: ArrayLike) -> Floats:
    try:
        matrix = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        matrix = np.full((1, 1), np.nan)
    if not np.isfinite(matrix).all():
        raise InvalidInputError(
            f"costs must be finite numbers, got {costs!r}; give one for each answer and class"
        )
    return matrix
