"""The churn floor: how many answers differ between two retrainings that differ by chance alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, indexable

from holdfast.common.arrays import check_labels, check_same_length, check_weights
from holdfast.common.parameters import check_choice, check_jobs, check_seed, check_share
from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.learners.estimators import final_of, fresh, seeds_of

__all__ = ["ChurnFloor", "churn_floor"]

KINDS = ("seed", "bootstrap")


@dataclass(frozen=True)
class ChurnFloor:
    """Churn between retrainings that differ only by chance.

    Attributes
    ----------
    churn_rate : float
        Mean over all pairs of retrainings.
    lowest : float
        Lowest churn of a pair.
    highest : float
        Highest churn of a pair.
    accuracy : float
        Mean accuracy of the retrainings on the same rows.
    vary : {"seed", "bootstrap"}
        Kind of chance that the retrainings differ by.
    n_models : int
        Number of retrainings.
    n : int
        Number of rows that they were compared on.
    """

    churn_rate: float
    lowest: float
    highest: float
    accuracy: float
    vary: str
    n_models: int
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        what = {"seed": "their seed", "bootstrap": "the rows drawn, and their seed"}[self.vary]
        return (
            f"churn floor {self.churn_rate:.2%} ({self.lowest:.2%} to {self.highest:.2%}): "
            f"{self.n_models} retrainings that differ in {what}, {self.n:,} rows, "
            f"accuracy {self.accuracy:.2%}"
        )


def churn_floor(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    *,
    test: tuple[Any, ArrayLike] | None = None,
    vary: str = "seed",
    n_models: int = 5,
    sample_weight: ArrayLike | None = None,
    test_fraction: float = 0.2,
    n_jobs: int | None = None,
    random_state: int = 0,
) -> ChurnFloor:
    """Measure the churn that is noise: between plain retrainings on the same data.

    An update whose churn is at this floor changes no more answers than training twice on the same
    data does. Churn above the floor comes with the new data.

    Parameters
    ----------
    estimator : classifier
        As for `LowChurnClassifier`; never changed.
    X : array-like of shape (n, …)
    y : array-like of shape (n,)
    test : tuple (X, y), optional
        Rows to compare the retrainings on; a share of X is held out when left out.
    vary : {"seed", "bootstrap"}
        "seed": the same rows with another seed. "bootstrap": rows drawn with replacement as well,
        as another sample of the same size would be.
    n_models : int
        Number of retrainings, at least 2.
    sample_weight : array-like of shape (n,), optional
        Weights of the training rows.
    test_fraction : float
    n_jobs : int, optional
        Number of fits at once, through joblib.
    random_state : int
        Random seed of the retrainings, the draws and the split.

    Raises
    ------
    UnsupportedEstimatorError
        For ``vary="seed"`` where the estimator has no seed: all retrainings would be the same.
    InvalidInputError
        For arrays of unequal length, fewer than two models, shares out of range.

    References
    ----------
    Milani Fard et al., "Launch and Iterate: Reducing Prediction Churn", NeurIPS 2016.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = make_classification(600, random_state=0)
    >>> tree = DecisionTreeClassifier(max_features=3, random_state=0)
    >>> floor = churn_floor(tree, X, y, n_models=4)
    >>> 0 < floor.lowest <= floor.churn_rate <= floor.highest < 0.5
    True
    """
    (X,) = indexable(X)  # not every sparse format can be indexed
    labels, weight = _checked(X, y, sample_weight, vary, n_models)
    check_seed(random_state)
    check_share("test_fraction", test_fraction, open_ends=True)
    if vary == "seed" and not seeds_of(estimator):
        raise UnsupportedEstimatorError(
            "estimator must have a random_state for vary='seed', got "
            f"{type(final_of(estimator)).__name__} without: all its retrainings are the same; give "
            "vary='bootstrap'"
        )
    rows = np.arange(len(labels))
    if test is None:
        rows, held_out = train_test_split(
            rows, test_size=test_fraction, random_state=random_state, stratify=_strata(labels)
        )
        X_test, truth = _safe_indexing(X, held_out), labels[held_out]
    else:
        X_test, truth = test[0], check_labels("test y", test[1])
    check_jobs(n_jobs)
    draws = np.random.SeedSequence(random_state).spawn(n_models)
    answers = Parallel(n_jobs=n_jobs)(
        delayed(_answers)(estimator, X, labels, weight, rows, X_test, vary, draw) for draw in draws
    )
    check_same_length(**{"test X": answers[0], "test y": truth})
    pairs = [float((a != b).mean()) for a, b in combinations(answers, 2)]
    return ChurnFloor(
        churn_rate=float(np.mean(pairs)),
        lowest=min(pairs),
        highest=max(pairs),
        accuracy=float(np.mean([(answer == truth).mean() for answer in answers])),
        vary=vary,
        n_models=n_models,
        n=len(truth),
    )


def _checked(
    X: Any, y: ArrayLike, sample_weight: ArrayLike | None, vary: str, n_models: int
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    check_choice("vary", vary, KINDS)
    if n_models < 2:
        raise InvalidInputError(f"n_models must be at least 2, got {n_models}; churn takes two")
    labels = check_labels("y", y)
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    check_same_length(X=range(n), y=labels)
    return labels, None if sample_weight is None else check_weights(
        "sample_weight", sample_weight, n
    )


def _strata(labels: NDArray[Any]) -> NDArray[Any] | None:
    _, counts = np.unique(labels, return_counts=True)
    return labels if counts.min() > 1 else None


def _answers(
    estimator: Any,
    X: Any,
    labels: NDArray[Any],
    weight: NDArray[np.float64] | None,
    rows: NDArray[np.intp],
    X_test: Any,
    vary: str,
    draw: np.random.SeedSequence,
) -> NDArray[Any]:
    """Train once more; return the answers on the test rows."""
    rng = np.random.default_rng(draw)
    model = fresh(estimator)
    model.set_params(**{name: int(rng.integers(2**31)) for name in seeds_of(estimator)})
    if vary == "bootstrap":
        rows = _resampled(labels, rows, rng)
    fit: dict[str, Any] = {}
    if weight is not None:
        piped = isinstance(model, Pipeline)
        fit[f"{model.steps[-1][0]}__sample_weight" if piped else "sample_weight"] = weight[rows]
    model.fit(_safe_indexing(X, rows), labels[rows], **fit)
    return np.ravel(model.predict(X_test))


def _resampled(
    labels: NDArray[Any], rows: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw as many rows with replacement; one row of each class stays, so that none is lost."""
    _, first = np.unique(labels[rows], return_index=True)
    drawn = rng.choice(rows, len(rows) - len(first))
    return np.sort(np.concatenate([rows[first], drawn]))
