"""`BaseModel`: the deployed model, which is asked for predictions and never trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, indexable

from holdfast.common.arrays import check_labels, check_same_length
from holdfast.common.classes import in_class_order, label_kind, named_columns, some_of
from holdfast.common.parameters import on_one_line
from holdfast.common.warning import warn
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.learners.estimators import own_columns, without_changing
from holdfast.learners.lookup import booster_as_classifier
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.models.cache import remembered

__all__ = ["BaseModel", "classes_of_columns"]

ASKED_AGAIN = 50  # rows that a base model is asked twice for
WAVERING = 1e-3  # difference between probabilities of one row that is more than rounding


@dataclass(frozen=True, eq=False)
class BaseModel:
    """A deployed model of any kind, with one way to ask for its predictions.

    Parameters
    ----------
    model : fitted estimator, object with predict_proba or predict, booster, or callable
        A callable takes X and returns probabilities (n, K_base), or answers (n,).
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
        model = getattr(model, "served_", model)  # an update is deployed as its served model
        known = classes if base_classes is None else check_labels("base_classes", base_classes)
        if not hasattr(model, "predict_proba") and not callable(model):
            booster = booster_as_classifier(model, known)
            if booster is not None:
                return cls(booster, known)
            if _library_booster(model) or not callable(getattr(model, "predict", None)):
                raise InvalidInputError(
                    "base_model must have predict_proba or predict, or be a callable X -> "
                    f"probabilities or answers, got {type(model).__name__}; give a fitted "
                    f"classifier, a booster of log loss over these {len(known)} classes, or "
                    "base_proba or base_pred"
                )
        if base_classes is None and isinstance(getattr(model, "classes_", None), list):
            raise InvalidInputError(
                "base_model must give one answer per row, got a "
                f"{type(model).__name__} of {len(model.classes_)} outputs; update one model for "
                "each output"
            )
        if base_classes is None and hasattr(model, "classes_"):
            known = check_labels("base_classes", model.classes_)
        return cls(model, known)

    @property
    def gives_proba(self) -> bool:
        """Whether the model has probabilities, as far as can be known without asking it."""
        return hasattr(self.model, "predict_proba") or callable(self.model)

    def predict(
        self,
        X: Any,
        classes: NDArray[Any],
        *,
        answers: Any = None,
        possible: NDArray[Any] | None = None,
        sha256: str | None = None,
        twice: bool = False,
    ) -> BasePredictions:
        """Return the model's answers and probabilities for X, matched to `classes`.

        Parameters
        ----------
        X : array-like of shape (n, …)
        classes : ndarray of shape (K,)
        answers : array-like of shape (n,), optional
            The model's answers as they were logged; it is then not asked for them.
        possible : ndarray of shape (A,), optional
            The answers that the new model can give. Left out, these are its classes.
        sha256 : str, optional
            The hash of the model's file. With it, predictions are kept in a cache on disk.
        twice : bool
            Whether to ask the model again for a few rows, and to warn where it says something else.
        """
        proba, own, logged = None, answers, answers is not None
        if self.gives_proba:
            proba = self._asked("probabilities", X, sha256, twice)
            if not hasattr(self.model, "predict_proba") and _are_labels(proba):
                proba, own = None, answers if logged else proba  # a callable that answers
        if own is None and self._answers_itself:
            own = self._asked("answers", X, sha256, twice)
        return self._matched(proba, own, classes, possible, logged=logged)

    def answers(self, X: Any, classes: NDArray[Any], possible: NDArray[Any]) -> BasePredictions:
        """Return the model's answers alone, where its probabilities are not needed."""
        if not self._answers_itself:
            return self.predict(X, classes, possible=possible)
        return self._matched(None, self._asked("answers", X), classes, possible)

    def proba(self, X: Any, classes: NDArray[Any]) -> BasePredictions:
        """Return the model's probabilities, where its own answers are not needed.

        The answers that come with them are the most probable classes.
        """
        return self._matched(self._asked("probabilities", X), None, classes, None)

    @property
    def _answers_itself(self) -> bool:
        if not getattr(self.model, "answers_itself", True):
            return False  # an ONNX file of probabilities alone, without the names of its classes
        answers = callable(getattr(self.model, "predict", None))
        return answers and (hasattr(self.model, "predict_proba") or not callable(self.model))

    def _matched(
        self,
        proba: Any,
        answers: Any,
        classes: NDArray[Any],
        possible: NDArray[Any] | None,
        *,
        logged: bool = False,
    ) -> BasePredictions:
        return base_predictions(
            proba,
            self.classes,
            classes,
            answers=answers,
            possible=possible,
            names=("base_model's probabilities", "base_pred" if logged else "base_model's answers"),
        )

    def _proba_in_order(self, X: Any) -> Any:
        predicted = getattr(self.model, "predict_proba", self.model)(X)
        return in_class_order("base_model's probabilities", predicted, self.classes)

    def _asked(self, what: str, X: Any, sha256: str | None = None, twice: bool = False) -> Any:
        """Return the model's probabilities or answers for X."""
        call = self.model.predict if what == "answers" else self._proba_in_order
        own, asked = own_columns(self.model, X), partial(without_changing, call)
        try:
            predicted = remembered(
                sha256,
                own,
                lambda: _asked_twice(asked, own, what) if twice else asked(own),
                what=what,
            )
        except HoldfastError:
            raise
        except Exception as error:
            raise InvalidInputError(
                f"base_model must give {what} for X, got "
                f"{type(error).__name__}: {on_one_line(error)}; give X as in the training of the "
                "base model, "
                "load the model with the version of its library that saved it, or give "
                f"{'base_pred' if what == 'answers' else 'base_proba'}"
            ) from error
        check_same_length(X=_Sized(X), base_model=predicted)
        return predicted


def classes_of_columns(
    base_proba: Any, base_classes: Any, model: BaseModel | None, classes: NDArray[Any]
) -> NDArray[Any]:
    """Return the classes of the columns of base probabilities that the user gave.

    They are the first of these that is known: the classes that the user names, the named columns of
    a data frame, the classes of the base model, the classes of the labels. A frame with the default
    columns 0, 1, … names nothing. Names that contradict what else is known are an error.
    """
    named = named_columns(base_proba)
    if base_classes is not None:
        known = check_labels("base_classes", base_classes)
        if named is not None and named != known.tolist() and {*named} & {*known.tolist()}:
            _raise_names(named, known.tolist(), "base_classes")
        return known
    if named is not None:
        _check_names(named, model, classes)
        return np.asarray(named)
    if model is not None:
        return model.classes
    width = np.shape(base_proba)[1] if np.ndim(base_proba) == 2 else len(classes)
    if width != len(classes):
        raise InvalidInputError(
            f"base_proba must have one column per class of y ({len(classes)}) when its classes are "
            f"not named, got {width}; give base_classes in the order of the columns"
        )
    return classes


def _check_names(named: list[Any], model: BaseModel | None, classes: NDArray[Any]) -> None:
    """Raise unless the columns of a frame are named after classes that are known.

    Names of another type than the classes are refused where both are matched.
    """
    own = None if model is None else getattr(model.model, "classes_", None)
    if own is not None and {*named} != {*np.asarray(own).tolist()}:
        _raise_names(named, np.asarray(own).tolist(), "the classes of base_model")
    one_kind = label_kind(np.asarray(named)) == label_kind(classes)
    if own is None and one_kind and not {*named} & {*classes.tolist()}:
        _raise_names(named, classes.tolist(), "classes of y")


def _raise_names(named: list[Any], known: list[Any], what: str) -> NoReturn:
    raise InvalidInputError(
        f"base_proba must have columns that are named after {what} ({some_of(known)}), got the "
        f"columns {some_of(named)}; rename them, or give an array and base_classes in its order"
    )


def _asked_twice(call: Any, X: Any, what: str) -> Any:
    """Return what a model says of X, and warn where a few rows asked again get another answer."""
    predicted, n = call(X), _Sized(X).n
    if n == 0 or len(predicted) != n:
        return predicted
    rows = np.unique(np.linspace(0, n - 1, ASKED_AGAIN).astype(np.intp))
    try:
        again = np.asarray(call(_safe_indexing(indexable(X)[0], rows)))
    except Exception:  # e.g. a model of a fixed number of rows
        return predicted
    n_different = _n_different(np.asarray(predicted)[rows], again)
    if n_different:
        warn(
            f"base_model must say the same of a row each time, got other {what} for {n_different} "
            f"of {len(rows)} rows when it was asked again; its own changes count as churn: set its "
            "seed, or switch dropout off (eval mode), or give the answers that were served as "
            "base_pred"
        )
    return predicted


def _n_different(before: NDArray[Any], again: NDArray[Any]) -> int:
    """Return the number of rows that differ by more than rounding.

    The other rows of a batch may change the last digits of probabilities.
    """
    if again.shape != before.shape:
        return 0
    if again.dtype.kind == "f" and before.dtype.kind == "f":
        differs = ~np.isclose(again, before, rtol=0, atol=WAVERING, equal_nan=True)
    else:
        differs = again != before
    return int(np.any(differs.reshape(len(before), -1), axis=1).sum())


def _library_booster(model: Any) -> bool:
    """Whether a model is a library's own booster, whose `predict` gives scores."""
    return type(model).__module__.partition(".")[0] in ("catboost", "lightgbm", "xgboost")


def _are_labels(predicted: Any) -> bool:
    """Whether a callable has given answers; real numbers are meant as probabilities."""
    values = np.asarray(predicted)
    return values.ndim == 1 and values.dtype.kind != "f"


class _Sized:
    """Gives a length to anything with rows, also to sparse matrices."""

    def __init__(self, X: Any) -> None:
        self.n = X.shape[0] if hasattr(X, "shape") else len(X)

    def __len__(self) -> int:
        return int(self.n)
