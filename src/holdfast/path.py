"""Method + learner -> candidates: the whole path of one update."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from holdfast._validation import class_index
from holdfast.learners._sklearn import SklearnLearner, TrainingRows
from holdfast.methods import Method

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Candidate", "Path", "fit_path", "proba_of"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One fitted model.

    Attributes
    ----------
    method : Method
        What it was trained with.
    estimator : estimator
    proba : ndarray of shape (n_selection, K) or None
        Its probabilities on the selection rows; None without such rows.
    fit_seconds : float
    """

    method: Method
    estimator: Any
    proba: NDArray[np.float64] | None
    fit_seconds: float


@dataclass(frozen=True, eq=False)
class Path:
    """The candidates of one update; the first is plain retraining.

    Attributes
    ----------
    candidates : tuple of Candidate
    classes : ndarray of shape (K,)
    """

    candidates: tuple[Candidate, ...]
    classes: NDArray[Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """Readable names of the candidates, in order."""
        return tuple(str(candidate.method) for candidate in self.candidates)

    @property
    def lambdas(self) -> NDArray[np.float64]:
        """Weight of the base model in each candidate's targets, shape (L,)."""
        return np.array([candidate.method.lam for candidate in self.candidates])

    @property
    def proba(self) -> NDArray[np.float64]:
        """Probabilities of all candidates on the selection rows, shape (L, n_selection, K)."""
        return np.stack([c.proba for c in self.candidates if c.proba is not None])

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each candidate: method, settings, time of the fit."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"method": c.method.name, **c.method.params(), "fit_seconds": c.fit_seconds}
                for c in self.candidates
            ]
        )


def fit_path(
    learner: SklearnLearner,
    methods: Sequence[Method],
    X: Any,
    y: NDArray[np.intp],
    *,
    classes: NDArray[Any],
    base_proba: NDArray[np.float64] | None = None,
    X_selection: Any = None,
    sample_weight: NDArray[np.float64] | None = None,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> Path:
    """Fit one candidate for each method, in parallel under joblib's back end.

    Parameters
    ----------
    learner : SklearnLearner
    methods : sequence of Method
    X : array-like of shape (n, d)
        Training rows.
    y : ndarray of shape (n,)
        Positions of the labels in `classes`.
    classes : ndarray of shape (K,)
    base_proba : ndarray of shape (n, K), optional
        NaN rows have no base prediction.
    X_selection : array-like of shape (n_selection, d), optional
        Rows to predict for the selection.
    sample_weight : ndarray of shape (n,), optional
    n_jobs : int, optional
    verbose : int

    Returns
    -------
    Path
    """
    rows = learner.prepare(X, y, classes, sample_weight)
    if base_proba is None:
        base_proba = np.full((len(y), len(classes)), np.nan)
    if X_selection is not None:
        X_selection = rows.transform(X_selection)
    fitted = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(_fit_one)(learner, method, rows, base_proba, X_selection) for method in methods
    )
    # Joined here, so that all candidates share one set of transformers whatever the back end.
    candidates = (replace(one, estimator=learner.join(rows, one.estimator)) for one in fitted)
    return Path(tuple(candidates), classes)


def _fit_one(
    learner: SklearnLearner,
    method: Method,
    rows: TrainingRows,
    base_proba: NDArray[np.float64],
    X_selection: Any,
) -> Candidate:
    """Fit the last step of one candidate."""
    start = time.perf_counter()
    target = None
    if method.name != "cold":
        target = method.target(rows.y, base_proba, np.arange(len(rows.classes)))
    final = learner.fit(rows, target)
    seconds = time.perf_counter() - start
    proba = None if X_selection is None else proba_of(final, X_selection, rows.classes)
    return Candidate(method, final, proba, seconds)


def proba_of(estimator: Any, X: Any, classes: NDArray[Any]) -> NDArray[np.float64]:
    """Return an estimator's probabilities with columns in the order of `classes`."""
    proba = np.asarray(estimator.predict_proba(X), dtype=np.float64)
    own = np.asarray(estimator.classes_)
    if len(own) == len(classes) and (own == classes).all():
        return proba
    column = class_index(own, classes)
    result = np.zeros((len(proba), len(classes)))
    result[:, column] = proba
    return result
