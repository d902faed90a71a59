"""Objects -> the plain dict that `render` shows: nothing here knows about HTML."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.exceptions import InvalidInputError
from holdfast.render.texts import plain
from holdfast.report.rows import sampled_rows

if TYPE_CHECKING:
    from holdfast.comparison.result import Comparison

__all__ = ["flip_matrix", "provenance", "summarise_comparison"]

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
    answers: tuple[ArrayLike, ArrayLike] | None = None,
    y: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    title: str = "Comparison of two models",
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Gather what a report on two models shows.

    Parameters
    ----------
    comparison : Comparison
    decision : Decision, optional
        The verdict of a policy; without it the report leads with the numbers.
    base, new : array-like of shape (n,) or (n, K), optional
        Labels or probabilities of both models. With both, the report shows rows: a sample of each
        change and of each group and, with probabilities, those that moved most.
    classes, answers, y, ids, groups : optional
        As in `holdfast.report.rows.sampled_rows`.
    title : str
    facts : mapping, optional
        What else `provenance` shall hold: rows, seeds, commands.

    Returns
    -------
    dict
        Ready for `holdfast.render.page.render_page`, and for JSON.

    Examples
    --------
    >>> from holdfast.comparison import compare
    >>> summary = summarise_comparison(compare([0, 0, 1], [0, 1, 1], [0, 1, 1]))
    >>> summary["matrix"]["counts"]
    [[1, 1], [0, 1]]
    """
    matrix, rows = flip_matrix(comparison), None
    if base is not None and new is not None:
        rows = sampled_rows(
            comparison,
            base,
            new,
            classes=classes,
            answers=answers,
            y=y,
            ids=ids,
            groups=groups,
            first=matrix["classes"],
        )
    return {
        "title": title,
        "decision": None if decision is None else decision.to_dict(),
        "comparison": comparison.to_dict(),
        "matrix": matrix,
        "rows": rows,
        "provenance": provenance(**(facts or {})),
    }


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
        "classes": [plain(comparison.classes[i]) for i in shown],
        "counts": _dense(comparison.transitions, shown),
        "negative": None if negative is None else _dense(negative, shown),
        "other_classes": n_classes - len(shown),
    }


def _dense(matrix: Any, shown: NDArray[np.intp]) -> list[list[Any]]:
    dense = matrix[shown][:, shown].toarray()
    whole = dense.astype(np.int64)
    return whole.tolist() if (whole == dense).all() else dense.tolist()


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
    return plain({**facts, "versions": {**versions, **given}})
