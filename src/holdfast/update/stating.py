"""Measures of a served model, taken from the answers that its own `predict` gives.

A search works on the candidates' cached probabilities. They do not define what the served model
answers: a joined booster, or a classifier whose `predict` does not follow its probabilities, may
answer otherwise. Every figure that is stated is therefore measured anew, and a difference is
reported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import class_index
from holdfast.common.warning import warn
from holdfast.comparison.compare import compare
from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of
from holdfast.models.served import answers_of
from holdfast.selection.outcome import Selection
from holdfast.selection.override_search import OverrideSelection
from holdfast.update.choosing import Choice, Chooser
from holdfast.update.rows import UpdateRows

__all__ = ["ServedAnswers", "compare_answers", "measured_selection", "unmeasured_selection"]

TIE = 1e-6  # probabilities nearer than this may come in either order


@dataclass(frozen=True, eq=False)
class ServedAnswers:
    """The answers of a served model to some rows.

    Attributes
    ----------
    model : fitted classifier
    rows : UpdateRows
    columns : ndarray of shape (n,)
        Positions of its answers among those that it can give.
    """

    model: Any
    rows: UpdateRows
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, model: Any, rows: UpdateRows) -> ServedAnswers:
        """Ask a fitted model for its answers.

        Raises
        ------
        InvalidInputError
            When it answers something that is no class, of which nothing can be stated.
        """
        answers = answers_of(model, rows.X)
        columns = class_index(answers, rows.answers)
        if (columns < 0).any():
            raise InvalidInputError(
                "estimator must predict classes of y, got "
                f"{answers[columns < 0].tolist()[0]!r} from predict, which is none of "
                f"{rows.answers.tolist()[:10]}; correct its predict"
            )
        return cls(model, rows, columns)

    @cached_property
    def proba(self) -> NDArray[np.float64]:
        """Its probabilities, shape (n, K)."""
        return proba_of(self.model, self.rows.X, self.rows.classes)


def compare_answers(columns: NDArray[np.intp], rows: UpdateRows) -> Comparison:
    """Compare answers with those of the base model, on the rows that it answered."""
    known = rows.base.answered
    return compare(
        rows.base.served[known],
        rows.answers[columns][known],
        rows.classes[rows.y][known],
        sample_weight=None if rows.weight is None else rows.weight[known],
    )


def measured_selection(
    choice: Choice,
    answers: ServedAnswers,
    chooser: Chooser,
    candidate_proba: NDArray[np.float64],
) -> Selection | OverrideSelection:
    """Return the selection with the measures of the served model.

    Parameters
    ----------
    choice : Choice
    answers : ServedAnswers
        The served model's, on the selection rows.
    chooser : Chooser
    candidate_proba : ndarray of shape (L, n, K)
        The candidates' cached probabilities, which the search went by.

    Warns
    -----
    UserWarning
        Where the served model answers otherwise than they say, beyond ties.
    """
    rows, weight = chooser.rows, chooser.rows.answered_weight
    answering = chooser.answering
    changed = answers.columns != rows.base.pred
    worse = answering.worse(answers.columns, rows.base.pred, rows.y)
    churn = float(np.average(changed, weights=weight))
    _report_difference(choice, answers, chooser, candidate_proba, churn)
    bound = chooser.settings.budget.bound(rows.groups, weight, weight)
    more: dict[str, Any]
    if isinstance(choice.selection, OverrideSelection):  # all of its limits count answers
        divergences, more = np.empty(0), {"threshold": choice.threshold}
    else:
        point = chooser.search_rows.point(np.nan, answers.proba)
        divergences = point.divergences
        more = {
            "weights": choice.weights,
            "base_weight": choice.base_weight,
            "risk": point.risk,
            "soft_churn": point.churn,
        }
    return replace(
        choice.selection,
        accuracy=float(np.average(answering.right(answers.columns, rows.y), weights=rows.weight)),
        utility=float(
            np.average(answering.utilities(answers.columns, rows.y), weights=rows.weight)
        ),
        churn_rate=churn,
        others={
            one.name: (one.limit, one.measure(changed, divergences, worse)) for one in bound.others
        },
        **more,
    )


def unmeasured_selection(
    selection: Selection | OverrideSelection,
) -> Selection | OverrideSelection:
    """Return the selection of a model that was trained again: its measures are NaN."""
    nothing: dict[str, Any] = {
        "accuracy": np.nan,
        "utility": np.nan,
        "churn_rate": np.nan,
        "others": {name: (limit, np.nan) for name, (limit, _) in selection.others.items()},
    }
    if isinstance(selection, OverrideSelection):
        return replace(selection, **nothing)
    return replace(selection, risk=np.nan, soft_churn=np.nan, **nothing)


def _report_difference(
    choice: Choice,
    answers: ServedAnswers,
    chooser: Chooser,
    candidate_proba: NDArray[np.float64],
    churn: float,
) -> None:
    """Warn where the served model does not answer what the search went by."""
    rows = chooser.rows
    expected = chooser.answers_of(choice, candidate_proba)
    apart = np.flatnonzero(answers.columns != expected)
    apart = apart[~_are_ties(apart, answers.columns, expected, choice, chooser, candidate_proba)]
    if not len(apart):
        return
    expected_churn = np.average(expected != rows.base.pred, weights=rows.answered_weight)
    warn(
        f"the served model answers {len(apart):,} of {len(rows.y):,} selection rows otherwise than "
        f"its candidates' probabilities say: churn is {churn:.2%} there, where the search expected "
        f"{expected_churn:.2%}. What is stated is what the served model answers; the budget may be "
        "broken. Compare predict with predict_proba of the estimator and of the base model; "
        "rule=Argmax() makes the probabilities decide"
    )


def _are_ties(
    apart: NDArray[np.intp],
    columns: NDArray[np.intp],
    expected: NDArray[np.intp],
    choice: Choice,
    chooser: Chooser,
    candidate_proba: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which of the rows differ by rounding alone."""
    if not choice.served:
        return np.zeros(len(apart), dtype=bool)
    assert choice.rule is not None
    new = chooser.proba_of(choice, candidate_proba)[apart]
    near = choice.rule.distance(new) <= TIE
    if choice.threshold is not None:
        own, base = choice.rule.decide(new), chooser.rows.base.pred[apart]
        groups = {name: column[apart] for name, column in chooser.rows.groups.items()}
        gain = chooser.answering.net_gains(new, own, base, choice.surcharges, groups, choice.rule)
        near |= np.abs(gain - choice.threshold) <= TIE
    return near
