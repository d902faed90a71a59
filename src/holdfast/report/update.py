"""The card and the report of an update, shared by `holdfast train` and `holdfast demo`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.provenance import provenance
from holdfast.comparison.policy import Decision, Policy
from holdfast.comparison.result import Comparison
from holdfast.report.answers import AnswerFacts, costs_of
from holdfast.report.frontier import frontier
from holdfast.report.ladder import ladder
from holdfast.report.summarise import summarise_comparison
from holdfast.rules import Costs, Rule
from holdfast.rules.pairs import positive_of

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.datasets.dataset import Dataset

__all__ = [
    "MeasuredRows",
    "answers_of_update",
    "budget_decision",
    "card_of",
    "summarise_update",
]


@dataclass(frozen=True, eq=False)
class MeasuredRows:
    """Held-out rows, and how the update compares with its base model there.

    Attributes
    ----------
    X : DataFrame of n rows
    y : ndarray of shape (n,)
    base_answers : ndarray of shape (n,)
        The classes that the base model serves.
    base_proba : ndarray of shape (n, K)
        The base model's probabilities of the update's classes.
    comparison : Comparison
    """

    X: pd.DataFrame
    y: NDArray[Any]
    base_answers: NDArray[Any]
    base_proba: NDArray[Any]
    comparison: Comparison


def card_of(
    model: Any,
    data: Dataset,
    *,
    features: Sequence[str],
    learner: str,
    seed: int,
    n_train: int,
    n_test: int,
) -> dict[str, Any]:
    """Return the card of a trained model: where it comes from, and what it was trained for.

    Parameters
    ----------
    model : LowChurnClassifier
        The fitted model.
    data : Dataset
        The data that it was trained on.
    features : sequence of str
        The columns that it takes.
    learner : str
        The name of the learner.
    seed : int
    n_train, n_test : int
        Numbers of training rows and of test rows.

    Returns
    -------
    dict
        Plain Python values, ready for `save_model` and for JSON.
    """
    selection, certificate = model.selection_, model.certificate_
    return provenance(
        data=data.name,
        data_sha256=data.sha256,
        target=data.target,
        features=list(features),
        classes=model.classes_,
        learner=learner,
        method=model.method,
        mixture=model.mixture,
        max_churn=model.max_churn,
        rule=None if model.rule_ is None else model.rule_.to_dict(),
        utility=_plain_utility(model.utility),
        override_threshold=getattr(model, "override_threshold_", None),
        max_negative_flips=model.max_negative_flips,
        certificate=None if certificate is None else certificate.to_dict(),
        lam=model.lambda_,
        serving=model.serving_,
        seed=seed,
        rows={
            "train": n_train,
            "selection": 0 if selection is None else selection.n,
            "certificate": 0 if certificate is None else certificate.n,
            "test": n_test,
        },
    )


def _plain_utility(utility: Any) -> Any:
    """Return a utility as plain values: a name, a dictionary or a list of rows."""
    if isinstance(utility, Rule):
        return utility.to_dict()
    if isinstance(utility, Mapping):
        return {str(label): float(weight) for label, weight in utility.items()}
    if utility is None or isinstance(utility, str):
        return utility
    return np.asarray(utility, dtype=np.float64).tolist()


def budget_decision(model: Any, comparison: Comparison) -> Decision | None:
    """Return whether a comparison keeps the budget that the model was trained for.

    Parameters
    ----------
    model : LowChurnClassifier
        The fitted model.
    comparison : Comparison

    Returns
    -------
    Decision or None
        None for a model without a budget on all rows.
    """
    limit = model.max_churn
    if limit is None:
        return None
    overall = limit.get("overall") if isinstance(limit, Mapping) else limit
    flips = model.max_negative_flips
    if overall is None and flips is None:
        return None
    return Policy(max_churn=overall, max_negative_flips=flips).decide(comparison)


def answers_of_update(
    model: Any, comparison: Comparison, base_rule: Rule | None = None
) -> AnswerFacts:
    """Return how a fitted model and its base model answer, and what their answers are worth.

    Parameters
    ----------
    model : LowChurnClassifier
        The fitted model.
    comparison : Comparison
        The comparison of both on some rows.
    base_rule : Rule, optional
        The rule of the base model, where it is known.
    """
    rule, costs = model.rule_, model.utility if isinstance(model.utility, Costs) else None
    if costs is None and rule is not None:
        costs = costs_of(rule.bind(model.classes_), comparison.counts.labels.tolist())
    return AnswerFacts((base_rule, rule), positive_of((rule,)), costs)


def summarise_update(
    model: Any,
    test_rows: MeasuredRows | None,
    *,
    title: str,
    facts: Mapping[str, Any],
    floor: float | None = None,
    base_rule: Rule | None = None,
) -> dict[str, Any]:
    """Gather what the report on an update shows.

    Parameters
    ----------
    model : LowChurnClassifier
        The fitted model.
    test_rows : MeasuredRows or None
        None where nothing was measured: for a first release, and without test rows. The report
        then holds only what is served and the facts.
    title : str
    facts : mapping
        Rows, seeds, data and the like, for `provenance`.
    floor : float, optional
        `ChurnFloor.churn_rate`, which the chart draws as a line.
    base_rule : Rule, optional
        The rule by which the base model answers, where it is known.

    Returns
    -------
    dict
        The summary, ready for `holdfast.render.page.render_page` and for JSON.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from holdfast import LowChurnClassifier
    >>> first = LowChurnClassifier(LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
    >>> summarise_update(first, None, title="Release 1", facts={"seed": 0})["serving"]
    'one model'
    """
    if test_rows is None:
        return {"title": title, "serving": model.serving_, "provenance": provenance(**facts)}
    X, comparison = test_rows.X, test_rows.comparison
    summary = summarise_comparison(
        comparison,
        decision=budget_decision(model, comparison),
        base=test_rows.base_proba,
        new=model.predict_proba(X),
        classes=model.classes_,
        answers=(test_rows.base_answers, model.predict(X)),
        y=test_rows.y,
        ids=X.index.to_numpy(),
        title=title,
        facts=facts,
        answering=answers_of_update(model, comparison, base_rule),
    )
    certificate = model.certificate_
    return summary | {
        "serving": model.serving_,
        "certificate": None if certificate is None else str(certificate).splitlines(),
        "frontier": frontier(model, floor=floor),
        "ladder": ladder(model),
    }
