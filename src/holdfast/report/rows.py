"""Chooses the rows that a report shows: the largest moves, and samples of changes and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import as_array, check_labels, check_proba, check_same_length
from holdfast.common.classes import class_index
from holdfast.common.plain import plain
from holdfast.exceptions import InvalidInputError
from holdfast.render.order import worst_first

if TYPE_CHECKING:
    from holdfast.comparison.result import Comparison
    from holdfast.comparison.shares import GroupResult

__all__ = ["MOST_OF_ONE", "sampled_rows", "worst_groups"]

MOST_OF_ONE = 20  # the most rows of one change or group
MOST_OF_ALL = 600  # the most rows of all changes, and of all groups
LEAST_OF_GROUP = 3  # the fewest rows to which the sample of a group is cut


def worst_groups(comparison: Comparison) -> list[GroupResult]:
    """Return the groups whose rows a report may show, the worst first."""
    order = worst_first([vars(group) for group in comparison.groups])
    return [comparison.groups[i] for i in order[: MOST_OF_ALL // LEAST_OF_GROUP]]


def sampled_rows(
    comparison: Comparison,
    base: ArrayLike,
    new: ArrayLike,
    *,
    classes: ArrayLike | None = None,
    answers: tuple[ArrayLike, ArrayLike] | None = None,
    y: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    first: Sequence[Any] = (),
) -> dict[str, Any]:
    """Return the rows that a report shows.

    They are up to 20 changed rows of every change (base class, new class) and of the worst groups.
    The rows whose new answer has the largest probability come first; without probabilities of the
    new model, rows keep their order. All changes together have at most 600 rows, and so have all
    groups.

    Parameters
    ----------
    comparison : Comparison
        The comparison on these rows, or on more rows of which these are a sample.
    base, new : array-like of shape (n,) or (n, K)
        Labels or probabilities. A row of NaN in `base` has no base prediction and no change.
    classes : array-like of shape (K,), optional
        Class of each probability column; 0 … K-1 when left out.
    answers : pair of array-like of shape (n,), optional
        The classes that each model served, if they are not those of the largest probability.
    y : array-like of shape (n,), optional
        The truth.
    ids : array-like of shape (n,), optional
        The name of each row. Without it, rows are numbered from 0.
    groups : mapping of str to array-like of shape (n,), optional
        The columns of the comparison's groups.
    first : sequence
        Classes whose changes among each other come before all others.

    Returns
    -------
    dict
        - ``rows`` : list of dict with ``row`` (its name), ``label``, ``base`` and ``new`` (the
          answers), ``base_proba`` and ``new_proba`` (the probabilities of these answers), ``move``
          (the total variation distance ½ Σ|g − h|) and ``groups`` (a value for each column). A
          value that is not known is None.
        - ``columns`` : names of the group columns
        - ``shown`` : positions of the 20 rows to show at first
        - ``moves`` : whether these are the rows whose probabilities moved most; otherwise they are
          the first rows whose answer changed
        - ``changes`` : list of dict with ``base``, ``new``, ``n`` and ``rows``
        - ``groups`` : list of dict with ``column``, ``value``, ``n`` and ``rows``
        - ``ranked`` : whether the most confident changes come first

        In changes and groups, ``n`` is the number of changed rows in the comparison, and ``rows``
        are the positions of its rows in the sample. Under weights the comparison counts no rows,
        so ``n`` then counts the given rows.

    Raises
    ------
    InvalidInputError
        When arrays do not fit together, or values are not probabilities.

    Examples
    --------
    >>> from holdfast.comparison import compare
    >>> base, new = [[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]], [[0.3, 0.7], [0.1, 0.9], [0.7, 0.3]]
    >>> sampled = sampled_rows(compare(base, new), base, new)
    >>> sampled["changes"]
    [{'base': 0, 'new': 1, 'n': 2, 'rows': [1, 0]}]
    >>> [(row["row"], row["new_proba"]) for row in sampled["rows"][:2]]
    [(0, 0.7), (1, 0.9)]
    """
    models = _Models.of(base, new, classes, answers)
    truth = None if y is None else as_array("y", y)
    names = np.arange(models.n) if ids is None else as_array("ids", ids)
    columns = {column: as_array(column, values) for column, values in (groups or {}).items()}
    check_same_length(base=models.answers[0], y=truth, ids=names, **columns)
    sample = _Sample()
    order = models.changed()
    moves = models.moves()
    shown = sample.add(order[:MOST_OF_ONE] if moves is None else _largest(moves, MOST_OF_ONE))
    changes = _changes(comparison, models, order, first, sample)
    group_samples = _groups(comparison, columns, order, sample)
    chosen = list(sample.positions)
    return {
        "rows": [
            fact
            | {
                "row": plain(names[i]),
                "label": None if truth is None else plain(truth[i]),
                "groups": [plain(values[i]) for values in columns.values()],
            }
            for i, fact in zip(chosen, models.facts(np.array(chosen, np.intp), moves), strict=True)
        ],
        "columns": list(columns),
        "shown": shown,
        "moves": moves is not None,
        "changes": changes,
        "groups": group_samples,
        "ranked": models.proba[1] is not None,
    }


@dataclass(frozen=True, eq=False)
class _Models:
    """The answers of the base and the new model, and their probabilities where they are known."""

    answers: tuple[NDArray[Any], NDArray[Any]]
    proba: tuple[NDArray[Any] | None, NDArray[Any] | None]
    classes: NDArray[Any]
    answered: NDArray[np.bool_]

    @classmethod
    def of(
        cls, base: ArrayLike, new: ArrayLike, classes: ArrayLike | None, answers: Any
    ) -> _Models:
        arrays = {"base": as_array("base", base), "new": as_array("new", new)}
        widths = {array.shape[1] for array in arrays.values() if array.ndim == 2}
        known = np.arange(max(widths, default=0))
        if classes is not None and widths:
            known = check_labels("classes", classes)
        if widths - {len(known)}:
            raise InvalidInputError(
                "base, new and classes must have shapes (n, K), (n, K) and (K,), got "
                f"{arrays['base'].shape}, {arrays['new'].shape} and {known.shape}; match classes"
            )
        proba, labels = [], []
        for position, (name, array) in enumerate(arrays.items()):
            if array.ndim == 2:
                array = check_proba(name, array, allow_missing=name == "base")
                labels.append(known[array.argmax(axis=1)])
            else:
                labels.append(check_labels(name, array))
            proba.append(array if array.ndim == 2 else None)
            if answers is not None:
                labels[position] = check_labels(f"answers[{position}]", answers[position])
        check_same_length(**arrays, **{f"answers[{i}]": label for i, label in enumerate(labels)})
        answered = np.ones(len(labels[0]), dtype=bool)
        if answers is None and proba[0] is not None:
            answered = ~np.isnan(proba[0][:, 0])
        return cls((labels[0], labels[1]), (proba[0], proba[1]), known, answered)

    @property
    def n(self) -> int:
        return len(self.answers[0])

    def changed(self) -> NDArray[np.intp]:
        """Return the rows whose answer changed, the most confident changes first."""
        rows = np.flatnonzero((self.answers[0] != self.answers[1]) & self.answered)
        confidence = self._answer_proba(1, rows)
        return rows if confidence is None else rows[np.argsort(-confidence, kind="stable")]

    def moves(self) -> NDArray[np.float64] | None:
        """Return the total variation distance of each row; None without both probabilities."""
        g, h = self.proba
        if g is None or h is None:
            return None
        distance: NDArray[np.float64] = np.abs(g - h).sum(axis=1, dtype=np.float64) / 2
        return np.nan_to_num(distance)

    def facts(
        self, rows: NDArray[np.intp], moves: NDArray[np.float64] | None
    ) -> list[dict[str, Any]]:
        """Return the answers of some rows, their probabilities and the move between them."""
        unknown = np.full(len(rows), np.nan)
        base_proba, new_proba = (self._answer_proba(side, rows) for side in (0, 1))
        known = self.answered[rows]
        base = self.answers[0][rows].astype(object)
        base[~known] = None
        columns: dict[str, Any] = {
            "base": base,
            "new": self.answers[1][rows],
            "base_proba": unknown if base_proba is None else base_proba,
            "new_proba": unknown if new_proba is None else new_proba,
            "move": unknown if moves is None else np.where(known, moves[rows], np.nan),
        }
        return [
            {name: plain(values[i]) for name, values in columns.items()} for i in range(len(rows))
        ]

    def _answer_proba(self, side: int, rows: NDArray[np.intp]) -> NDArray[np.float64] | None:
        """Return the probabilities that a model gave its answers, NaN for an unknown class."""
        proba = self.proba[side]
        if proba is None:
            return None
        column = class_index(self.answers[side][rows], self.classes)
        return np.where(column < 0, np.nan, proba[rows, column]).astype(np.float64)


@dataclass
class _Sample:
    """The rows that are shown. Each is stored once, however many lists it is in."""

    positions: dict[int, int] = field(default_factory=dict)

    def add(self, rows: NDArray[np.intp]) -> list[int]:
        """Add the rows that are not in the sample yet, and return the positions of all."""
        return [self.positions.setdefault(i, len(self.positions)) for i in rows.tolist()]


def _changes(
    comparison: Comparison,
    models: _Models,
    order: NDArray[np.intp],
    first: Sequence[Any],
    sample: _Sample,
) -> list[dict[str, Any]]:
    """Return the changes and their rows in the sample; `order` lists the changed rows."""
    known = np.array(comparison.classes)
    base, new = (class_index(labels[order], known) for labels in models.answers)
    code = np.where((base < 0) | (new < 0), -1, base * len(known) + new)  # −1: no weight
    pairs, n = np.unique(code[code >= 0], return_counts=True)
    if not comparison.weighted:
        counted = comparison.counts.pairs @ [len(known), 1]
        weight = dict(zip(counted.tolist(), comparison.counts.pair_cells.sum(axis=1), strict=True))
        n = np.array([weight[pair] for pair in pairs.tolist()], dtype=np.intp)
    among = np.isin(np.arange(len(known)), class_index(np.array(first), known) if first else [])
    later = ~(among[pairs // len(known)] & among[pairs % len(known)])
    ranked = np.lexsort((-n, later))
    most = int(np.clip(MOST_OF_ALL // max(len(pairs), 1), 1, MOST_OF_ONE))
    rows = _first_of_each(order, code, most)
    return [
        {
            "base": plain(known[pairs[i] // len(known)]),
            "new": plain(known[pairs[i] % len(known)]),
            "n": int(n[i]),
            "rows": sample.add(rows[int(pairs[i])]),
        }
        for i in ranked[: MOST_OF_ALL // most].tolist()
    ]


def _groups(
    comparison: Comparison,
    columns: Mapping[str, NDArray[Any]],
    order: NDArray[np.intp],
    sample: _Sample,
) -> list[dict[str, Any]]:
    """Return the worst groups and their rows in the sample; `order` lists the changed rows."""
    most = MOST_OF_ALL // max(len(comparison.groups), 1)
    most = int(np.clip(most, LEAST_OF_GROUP, MOST_OF_ONE))
    facts = [vars(group) for group in comparison.groups]
    own = [i for i in worst_first(facts) if not facts[i]["pooled"]]
    chosen = [i for i in own if facts[i]["column"] in columns]
    chosen = [i for i in chosen if facts[i]["churn_rate"] > 0][: MOST_OF_ALL // most]
    rows: dict[int, NDArray[np.intp]] = {}
    counts: dict[int, int] = {}
    for column, values in columns.items():
        wanted = {facts[i]["value"]: i for i in chosen if facts[i]["column"] == column}
        code = _codes(values[order], wanted)
        rows |= _first_of_each(order, code, most)
        numbers, n = np.unique(code, return_counts=True)
        counts |= dict(zip(numbers.tolist(), n.tolist(), strict=True))
    if not comparison.weighted:
        counts = {i: round(facts[i]["churn_rate"] * facts[i]["n"]) for i in chosen}
    return [
        {
            "column": facts[i]["column"],
            "value": plain(facts[i]["value"]),
            "n": counts[i],
            "rows": sample.add(rows[i]),
        }
        for i in chosen
        if i in rows
    ]


def _codes(values: NDArray[Any], wanted: Mapping[Any, int]) -> NDArray[np.intp]:
    """Return the number of each value, or −1 if it is not wanted; None is the missing value."""
    import pandas as pd

    code, distinct = pd.factorize(values, use_na_sentinel=False)
    if distinct.dtype.kind in "mM":
        distinct = pd.Index(distinct).astype(object)
    missing = np.asarray(pd.isna(distinct))
    numbers = [
        wanted.get(None if is_missing else value, -1)
        for value, is_missing in zip(distinct.tolist(), missing, strict=True)
    ]
    return np.array(numbers, dtype=np.intp)[code]


def _first_of_each(
    rows: NDArray[np.intp], code: NDArray[np.intp], most: int
) -> dict[int, NDArray[np.intp]]:
    """Return the first rows of each code, in their order; rows of a negative code are left out."""
    import pandas as pd

    kept = (pd.Series(code).groupby(code).cumcount() < most).to_numpy() & (code >= 0)
    ordered = np.argsort(code[kept], kind="stable")
    numbers, starts = np.unique(code[kept][ordered], return_index=True)
    parts = np.split(rows[kept][ordered], starts)[1:]
    return dict(zip(numbers.tolist(), parts, strict=True))


def _largest(values: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Return the positions of the largest positive values; equal values keep their order."""
    limit = min(limit, len(values))
    if limit < 1:
        return np.empty(0, dtype=np.intp)
    # A partition finds the bar in linear time. It puts equal values in an arbitrary order, so the
    # rows are compared with the bar and not taken from the partition.
    bar = np.partition(values, len(values) - limit)[len(values) - limit]
    above = np.flatnonzero((values >= bar) & (values > 0))
    return above[np.argsort(-values[above], kind="stable")][:limit]
