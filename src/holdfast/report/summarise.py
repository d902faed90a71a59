"""Gathers what a report on a comparison shows, in a plain dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import ArrayLike

from holdfast.common.provenance import provenance
from holdfast.comparison.result import TITLE, Comparison
from holdfast.report.answers import AnswerFacts
from holdfast.report.rows import sampled_rows

__all__ = ["summarise_comparison"]


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
    title: str = TITLE,
    facts: Mapping[str, Any] | None = None,
    answering: AnswerFacts | None = None,
) -> dict[str, Any]:
    """Gather what a report on two models shows.

    Parameters
    ----------
    comparison : Comparison
    decision : Decision, optional
        The verdict of a policy. Without it, the report begins with the numbers.
    base, new : array-like of shape (n,) or (n, K), optional
        Labels or probabilities of both models. If both are given, the report shows rows: a sample
        of each change and of each group and, with probabilities, the rows that moved most.
    classes, answers, y, ids, groups : optional
        More about these rows, as in `holdfast.report.rows.sampled_rows`.
    title : str
    facts : mapping, optional
        Facts for `provenance`, such as rows, seeds and commands.
    answering : AnswerFacts, optional
        The rules of the models, the positive class, the costs and the scores.

    Returns
    -------
    dict
        The summary, ready for `holdfast.render.page.render_page` and for JSON.

    Examples
    --------
    >>> from holdfast.comparison import compare
    >>> summary = summarise_comparison(compare([0, 0, 1], [0, 1, 1], [0, 1, 1]))
    >>> summary["matrix"]["counts"]
    [[1, 1], [0, 1]]
    """
    matrix, rows = comparison.matrix(), None
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
        "answers": None if answering is None else answering.to_dict(comparison),
        "matrix": matrix,
        "rows": rows,
        "provenance": provenance(**(facts or {})),
    }
