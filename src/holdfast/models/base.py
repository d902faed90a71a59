"""`BaseModel`: the deployed model, which is asked for predictions and never trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_labels, check_same_length
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.learners.estimators import own_columns
from holdfast.learners.lookup import booster_as_classifier
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.models.cache import remembered

__all__ = ["BaseModel", "classes_of_columns"]


@dataclass(frozen=True, eq=False)
class BaseModel:
    """A deployed model of any kind, with one way to ask for its predictions.

    Parameters
    ----------
    model : fitted estimator, object with predict_proba, booster, or callable
        A callable takes X and returns probabilities (n, K_base).
    classes : ndarray of shape (K_base,)
        The classes of its probability columns.
    """

    model: Any
    classes: NDArray[Any]

    @classmethod
    def of(cls, model: Any, base_classes: Any, classes: NDArray[Any]) -> BaseModel:
        """Wrap the model that the user gave.

        Parameters
        ----------
        model : object
        base_classes : array-like of shape (K_base,) or None
            The classes of its columns. None takes them from the model. A model that does not know
            its classes is taken to have those of the labels, sorted, as in scikit-learn.
        classes : ndarray of shape (K,)
            The classes of the labels.
        """
        model = getattr(model, "served_", model)  # an update is deployed as what it serves
        known = classes if base_classes is None else check_labels("base_classes", base_classes)
        if not hasattr(model, "predict_proba") and not callable(model):
            booster = booster_as_classifier(model, known)
            if booster is not None:
                return cls(booster, known)
            raise InvalidInputError(
                "base_model must have predict_proba or be a callable X -> probabilities, got "
                f"{type(model).__name__}; give a fitted classifier, a booster of log loss over "
                f"these {len(known)} classes, or base_proba"
            )
        if base_classes is None and hasattr(model, "classes_"):
            known = check_labels("base_classes", model.classes_)
        return cls(model, known)

    def predict(
        self, X: Any, classes: NDArray[Any], *, sha256: str | None = None
    ) -> BasePredictions:
        """Return the model's predictions for X, matched to `classes`.

        Parameters
        ----------
        X : array-like of shape (n, …)
        classes : ndarray of shape (K,)
        sha256 : str, optional
            The hash of the model's file. With it, predictions are kept in a cache on disk.
        """
        call = getattr(self.model, "predict_proba", self.model)
        own = own_columns(self.model, X)
        try:
            proba = remembered(sha256, own, lambda: call(own))
        except HoldfastError:
            raise
        except Exception as error:
            raise InvalidInputError(
                "base_model must give probabilities for X, got "
                f"{type(error).__name__}: {error}; give X as in the training of the base model, "
                "load the model with the version of its library that saved it, or give base_proba"
            ) from error
        check_same_length(X=_Sized(X), base_model=proba)
        return base_predictions(proba, self.classes, classes, name="base_model's probabilities")


def classes_of_columns(
    base_proba: Any, base_classes: Any, model: BaseModel | None, classes: NDArray[Any]
) -> NDArray[Any]:
    """Return the classes of the columns of base probabilities that the user gave.

    They are the first of these that is known: the classes that the user names, the columns of a
    data frame, the classes of the base model, the classes of the labels.
    """
    if base_classes is not None:
        return check_labels("base_classes", base_classes)
    if hasattr(base_proba, "columns"):
        return np.asarray(list(base_proba.columns))
    if model is not None:
        return model.classes
    width = np.shape(base_proba)[1] if np.ndim(base_proba) == 2 else len(classes)
    if width != len(classes):
        raise InvalidInputError(
            f"base_proba must have one column per class of y ({len(classes)}) when its classes are "
            f"not named, got {width}; give base_classes in the order of the columns"
        )
    return classes


class _Sized:
    """Gives a length to anything with rows, also to sparse matrices."""

    def __init__(self, X: Any) -> None:
        self.n = X.shape[0] if hasattr(X, "shape") else len(X)

    def __len__(self) -> int:
        return int(self.n)
