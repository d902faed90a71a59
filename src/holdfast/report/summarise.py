"""Objects -> the plain dict that `render` shows: nothing here knows about HTML."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast._validation import as_array, check_labels, check_proba, check_same_length
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from holdfast.comparison import Comparison

__all__ = ["flip_matrix", "largest_moves", "provenance", "summarise_comparison"]

PACKAGES = ("holdfast", "numpy", "scikit-learn")


class _HasDict(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


def summarise_comparison(
    comparison: Comparison,
    *,
    decision: _HasDict | None = None,
    base: ArrayLike | None = None,
    new: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    y: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    title: str = "Comparison of two models",
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Gather what a report on two models shows.

    Parameters
    ----------
    comparison : Comparison
    decision : Decision, optional
        The verdict of a policy; without it the report leads with the numbers.
    base, new : array-like of shape (n, K), optional
        Probabilities of both models. With both, the report lists the rows that moved most; labels
        (n,) are allowed and list nothing.
    classes : array-like of shape (K,), optional
        Class of each probability column; 0 … K-1 when left out.
    y, ids : array-like of shape (n,), optional
        Truth and name of each row, shown beside the moves.
    title : str
    facts : mapping, optional
        What else `provenance` shall hold: rows, seeds, commands.

    Returns
    -------
    dict
        Ready for `holdfast.report.render.render_page`, and for JSON.

    Examples
    --------
    >>> from holdfast.comparison import compare
    >>> summary = summarise_comparison(compare([0, 0, 1], [0, 1, 1], [0, 1, 1]))
    >>> summary["matrix"]["counts"]
    [[1, 1], [0, 1]]
    """
    return {
        "title": title,
        "decision": None if decision is None else decision.to_dict(),
        "comparison": comparison.to_dict(),
        "matrix": flip_matrix(comparison),
        "moves": _moves(base, new, classes, ids=ids, y=y),
        "provenance": provenance(**(facts or {})),
    }


def _moves(
    base: ArrayLike | None,
    new: ArrayLike | None,
    classes: ArrayLike | None,
    *,
    ids: ArrayLike | None,
    y: ArrayLike | None,
) -> list[dict[str, Any]] | None:
    if base is None or new is None:
        return None
    base_proba, new_proba = as_array("base", base), as_array("new", new)
    if base_proba.ndim != 2 or new_proba.ndim != 2:
        return None
    known = np.arange(base_proba.shape[1]) if classes is None else classes
    return largest_moves(base_proba, new_proba, known, ids=ids, y=y)


def flip_matrix(comparison: Comparison, max_classes: int = 20) -> dict[str, Any]:
    """Return the rows by base class (down) and new class (across).

    Parameters
    ----------
    comparison : Comparison
    max_classes : int
        Where there are more classes, the ones with most flips (into or out of them) are kept, in
        the order of the classes.

    Returns
    -------
    dict
        ``classes`` : list of length K; ``counts`` : K × K list of rows (or weight) that went from
        the row's class to the column's, the diagonal holding those that kept their answer;
        ``negative`` : the same for flips from right to wrong, or None without labels;
        ``other_classes`` : number of classes left out.

    Examples
    --------
    >>> from holdfast.comparison import compare
    >>> flip_matrix(compare(["a", "a", "b"], ["a", "b", "b"], ["a", "a", "b"]))["negative"]
    [[0, 1], [0, 0]]
    """
    if max_classes < 1:
        raise InvalidInputError(
            f"max_classes must be at least 1, got {max_classes}; give the number of classes to show"
        )
    pairs, weight = comparison.counts.pairs, comparison.counts.pair_cells.sum(axis=1)
    n_classes = len(comparison.classes)
    moved = weight * (pairs[:, 0] != pairs[:, 1])
    flips = sum(np.bincount(pairs[:, side], moved, n_classes) for side in (0, 1))
    shown = np.sort(np.argsort(-np.asarray(flips), kind="stable")[:max_classes])
    negative = comparison.negative_transitions
    return {
        "classes": [_plain(comparison.classes[i]) for i in shown],
        "counts": _dense(comparison.transitions, shown),
        "negative": None if negative is None else _dense(negative, shown),
        "other_classes": n_classes - len(shown),
    }


def _dense(matrix: Any, shown: NDArray[np.intp]) -> list[list[Any]]:
    dense = matrix[shown][:, shown].toarray()
    whole = dense.astype(np.int64)
    return whole.tolist() if (whole == dense).all() else dense.tolist()


def largest_moves(
    base_proba: ArrayLike,
    new_proba: ArrayLike,
    classes: ArrayLike,
    *,
    ids: ArrayLike | None = None,
    y: ArrayLike | None = None,
    limit: int = 20,
) -> list[dict[str, Any]]:
    """Return the rows whose probabilities moved most, base -> new.

    Parameters
    ----------
    base_proba, new_proba : array-like of shape (n, K)
        A row of NaN in `base_proba` has no base prediction and is passed over.
    classes : array-like of shape (K,)
        Class of each column.
    ids, y : array-like of shape (n,), optional
        Name and truth of each row. Without `ids` rows are numbered from 0.
    limit : int
        Most rows to return.

    Returns
    -------
    list of dict
        Largest move first, ties in the order of the rows; rows that did not move are left out.
        ``move`` is the total variation distance ½ Σ|g − h|, in [0, 1]; ``base`` and ``new`` are the
        predicted classes; ``base_proba`` and ``new_proba`` the probability that each model gave to
        its own predicted class.

    Raises
    ------
    InvalidInputError
        For unequal shapes, or values that are not probabilities.

    Examples
    --------
    >>> moves = largest_moves([[0.9, 0.1], [0.5, 0.5]], [[0.2, 0.8], [0.5, 0.5]], ["no", "yes"])
    >>> [(move["row"], move["base"], move["new"], round(move["move"], 2)) for move in moves]
    [(0, 'no', 'yes', 0.7)]
    """
    g = check_proba("base_proba", base_proba, allow_missing=True)
    h = check_proba("new_proba", new_proba)
    known = check_labels("classes", classes)
    if g.shape != h.shape or len(known) != g.shape[1]:
        raise InvalidInputError(
            "base_proba, new_proba and classes must have shapes (n, K), (n, K) and (K,), got "
            f"{g.shape}, {h.shape} and {known.shape}; match rows and classes"
        )
    truth = None if y is None else as_array("y", y)
    names = np.arange(len(g)) if ids is None else as_array("ids", ids)
    check_same_length(base_proba=g, y=truth, ids=names)
    move = np.nan_to_num(np.abs(g - h).sum(axis=1, dtype=np.float64) / 2)
    rows = _largest(move, limit)
    base, new = g[rows].argmax(axis=1), h[rows].argmax(axis=1)
    return [
        {
            "row": _plain(names[row]),
            "label": None if truth is None else _plain(truth[row]),
            "base": _plain(known[b]),
            "new": _plain(known[n]),
            "base_proba": float(g[row, b]),
            "new_proba": float(h[row, n]),
            "move": float(move[row]),
        }
        for row, b, n in zip(rows, base, new, strict=True)
    ]


def _largest(values: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Return positions of the largest positive values, ties in order."""
    limit = min(limit, len(values))
    if limit < 1:
        return np.empty(0, dtype=np.intp)
    # A partition finds the bar in linear time; which of the ties it puts first is arbitrary, so the
    # rows are taken by the bar and not by their place in the partition.
    bar = np.partition(values, len(values) - limit)[len(values) - limit]
    above = np.flatnonzero((values >= bar) & (values > 0))
    return above[np.argsort(-values[above], kind="stable")][:limit]


def provenance(**facts: Any) -> dict[str, Any]:
    """Return facts about how a result was made, with the versions of what made it.

    Parameters
    ----------
    **facts
        Rows, seeds, commands and the like; values may be nested mappings. A mapping ``versions``
        is added to.

    Returns
    -------
    dict
        Plain Python values; no clock is read, so that the same work gives the same facts.

    Examples
    --------
    >>> sorted(provenance(seed=0))
    ['seed', 'versions']
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # e.g. run from a source tree
            continue
    given = facts.get("versions") or {}
    return _plain({**facts, "versions": {**versions, **given}})


def _plain(value: Any) -> Any:
    """Return the nearest value that JSON knows."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)  # their own conversion gives a bare count of nanoseconds
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
