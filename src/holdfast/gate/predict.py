"""Predicts the same rows with two models, and names the figures of their comparison."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import as_array, check_labels
from holdfast.common.classes import union_classes
from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of, without_changing
from holdfast.learners.lookup import booster_as_classifier
from holdfast.predictions.pairs import PredictionPair

__all__ = ["figures", "predict_both", "with_known_classes"]


def with_known_classes(
    model: Any, other: Any, y: ArrayLike | None = None, *, name: str = "model"
) -> Any:
    """Return a model that answers with classes, also for a library's own booster.

    A booster does not know the names of its classes, so they are taken from elsewhere.

    Parameters
    ----------
    model : object
        A booster, or a classifier, which is returned as it is.
    other : object
        The model that it is compared with. Its classes are tried first.
    y : array-like of shape (n,), optional
        Labels. Their distinct values, sorted as in scikit-learn, are tried next.
    name : str
        The name of the model, for messages.

    Raises
    ------
    InvalidInputError
        When the outputs of a booster fit neither the other model's classes nor the labels.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> model = LogisticRegression().fit([[0], [1]], ["no", "yes"])
    >>> with_known_classes(model, None) is model
    True
    """
    if hasattr(model, "predict_proba"):
        return model
    known: list[NDArray[Any]] = []
    if hasattr(other, "classes_"):
        known.append(np.asarray(other.classes_))
    if y is not None:
        known.append(union_classes(y=y))
    tried: Iterator[Any] = (booster_as_classifier(model, classes) for classes in known)
    classifier = next((candidate for candidate in tried if candidate is not None), None)
    if classifier is not None:
        return classifier
    if type(model).__name__ == "Booster":
        raise InvalidInputError(
            f"{name} must be a booster of log loss over the classes of the labels or of the other "
            "model, got a booster whose outputs do not fit them "
            f"({[len(classes) for classes in known]} classes were tried); log a classifier instead "
            "of its booster"
        )
    return model


def predict_both(
    base: Any, new: Any, base_X: Any, new_X: Any, y: ArrayLike | None = None
) -> PredictionPair:
    """Predict the same rows with two models.

    Parameters
    ----------
    base, new : object
        Models that have `predict`.
    base_X, new_X : data frame of n rows
        The features that each model takes.
    y : array-like of shape (n,), optional
        The truth.

    Returns
    -------
    PredictionPair
        The answers of `predict`, which are the ones that are served, beside probabilities if both
        models give them. Otherwise it holds labels.

    Raises
    ------
    InvalidInputError
        When a model does not predict one class for each row, or classes are of different types.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> base = LogisticRegression().fit(X, ["a", "a", "b"])
    >>> new = LogisticRegression().fit(X, ["a", "b", "c"])
    >>> predict_both(base, new, X, X).new.shape
    (3, 3)
    """
    truth = None if y is None else check_labels("labels", y)
    served = [_labels(name, model, X) for name, model, X in _named(base, new, base_X, new_X)]
    models, rows = (base, new), (base_X, new_X)
    known = [getattr(model, "classes_", None) for model in models]
    classes = union_classes(
        base=served[0], new=served[1], base_classes=known[0], new_classes=known[1], labels=truth
    )
    if all(hasattr(model, "predict_proba") and hasattr(model, "classes_") for model in models):
        proba = [proba_of(model, X, classes) for model, X in zip(models, rows, strict=True)]
        return PredictionPair(
            proba[0], proba[1], classes, truth, base_pred=served[0], new_pred=served[1]
        )
    return PredictionPair(served[0], served[1], None, truth)


def _named(base: Any, new: Any, base_X: Any, new_X: Any) -> Iterator[tuple[str, Any, Any]]:
    yield "the champion's predictions", base, base_X
    yield "the candidate's predictions", new, new_X


def _labels(name: str, model: Any, X: Any) -> NDArray[Any]:
    answer = as_array(name, without_changing(model.predict, X))
    if answer.ndim == 2 and answer.shape[1] == 1:  # CatBoost, for more than two classes
        answer = answer[:, 0]
    return check_labels(name, answer)


def figures(comparison: Comparison) -> dict[str, float]:
    """Return every number of a comparison by name; an interval gives two, ``_low`` and ``_high``.

    Examples
    --------
    >>> from holdfast.comparison import compare
    >>> measured = figures(compare([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0]))
    >>> measured["churn_rate"], round(measured["churn_rate_high"], 3)
    (0.25, 0.806)
    """
    numbers: dict[str, float] = {}
    for name, value in comparison.to_dict().items():
        if name.endswith("_interval") and value is not None:
            numbers[name.replace("_interval", "_low")] = float(value[0])
            numbers[name.replace("_interval", "_high")] = float(value[1])
        elif isinstance(value, Real) and not isinstance(value, bool):
            numbers[name] = float(value)
    return numbers
