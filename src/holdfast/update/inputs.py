"""The rows that one fit works on, checked once and parted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, validate_data

from holdfast.common.arrays import check_labels, check_same_length, check_weights
from holdfast.common.classes import class_index
from holdfast.exceptions import InvalidInputError
from holdfast.models.base import BaseModel, classes_of_columns
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.models.card import LoadedModel
from holdfast.models.columns import KEY, checked_rows
from holdfast.models.loading import as_loaded
from holdfast.selection.limits import BASE_ANSWER, group_columns
from holdfast.update.base import check_two_objects
from holdfast.update.repeated import distinct_rows
from holdfast.update.rows import UpdateRows, halves, lone_rows
from holdfast.update.ruling import Ruling
from holdfast.update.settings import Settings

__all__ = ["Inputs", "LabeledRows", "RowReader", "check_combinations", "check_rows"]


@dataclass(frozen=True, eq=False)
class LabeledRows:
    """Checked training rows.

    Attributes
    ----------
    X : array-like of shape (n, …)
    y : ndarray of shape (n,)
        Positions of the labels in `classes`.
    classes : ndarray of shape (K,)
    weight : ndarray of shape (n,) or None
    """

    X: Any
    y: NDArray[np.intp]
    classes: NDArray[Any]
    weight: NDArray[np.float64] | None


def check_rows(estimator: Any, X: Any, y: Any, sample_weight: Any) -> LabeledRows:
    """Check what ``fit`` was given; the estimator learns the number and names of the features."""
    if y is None:
        raise InvalidInputError(
            "y must be given, got None: this estimator requires y to be passed, but the target "
            "y is None; give one class per row"
        )
    (X,) = indexable(X)
    validate_data(estimator, X, skip_check_array=True)
    try:
        labels = column_or_1d(y, warn=True)
    except ValueError as error:
        if np.ndim(y) < 2:
            raise
        raise InvalidInputError(
            f"y must be one class per row, got shape {np.shape(y)}; where several labels may hold "
            "at once, update one model for each column"
        ) from error
    if labels.dtype.kind in "fc" and np.isfinite(labels).all():
        check_classification_targets(labels)
    check_same_length(X=_row_range(X), y=labels)
    labels = check_labels("y", labels)
    weight = None
    if sample_weight is not None:
        weight = check_weights("sample_weight", sample_weight, len(labels))
    classes, positions = np.unique(labels, return_inverse=True)
    return LabeledRows(X, positions, classes, weight)


@dataclass(frozen=True, eq=False)
class Inputs:
    """The rows and the base model of one update.

    Attributes
    ----------
    train : UpdateRows
        The rows that candidates are trained on.
    selecting : UpdateRows
        The rows that choose among the candidates.
    certifying : UpdateRows or None
        The rows that certify; None without `confidence`.
    everything : UpdateRows
        The rows that a refit trains on.
    base_model : BaseModel or None
        None where only its predictions were given.
    max_weight : float or None
        What no weight exceeds, if the user says so.
    n_lone : int
        Number of the first certification rows that are trained on, as the only ones of their
        classes. They count as changed.
    """

    train: UpdateRows
    selecting: UpdateRows
    certifying: UpdateRows | None
    everything: UpdateRows
    base_model: BaseModel | None
    max_weight: float | None = None
    n_lone: int = 0


@dataclass(frozen=True, eq=False)
class RowReader:
    """Makes `Inputs` of what ``fit`` was given.

    Attributes
    ----------
    classes : ndarray of shape (K,)
    settings : Settings
    loaded : LoadedModel
        The deployed model, with what is known of its file.
    base_model : BaseModel or None
        The same as a base model; None where only its predictions are given.
    base_classes : array-like of shape (K_base,) or None
    ruling : Ruling
        The rule by which the new model answers.
    """

    classes: NDArray[Any]
    settings: Settings
    loaded: LoadedModel
    base_model: BaseModel | None
    base_classes: Any
    ruling: Ruling

    @classmethod
    def of(
        cls, estimator: Any, classes: NDArray[Any], settings: Settings, base_classes: Any
    ) -> RowReader:
        """Read the base model of a `LowChurnClassifier`, from its file where one is named."""
        loaded, model = as_loaded(estimator.base_model), None
        if settings.has_base_model:
            check_two_objects(loaded.model, estimator.estimator)
            model = BaseModel.of(loaded.model, base_classes, classes)
        ruling = Ruling.of(settings, estimator.estimator, model, classes)
        return cls(classes, settings, loaded, model, base_classes, ruling)

    def read(
        self,
        estimator: Any,
        labeled: LabeledRows,
        *,
        base_proba: Any,
        base_pred: Any,
        seen_by_base: Any,
        groups: Any,
        X_unlabeled: Any,
        validation: Any,
        max_weight: float | None = None,
    ) -> Inputs:
        """Ask the base model for its predictions, and part the rows.

        The arguments are those of ``LowChurnClassifier.fit``; `estimator` knows the features.
        """
        settings = self.settings
        given = (base_proba, base_pred)
        everything = self.rows(labeled.X, labeled.y, given, groups, labeled.weight)
        self.ruling.check_copied(everything.base)
        if everything.base.only_answers:
            settings.check_only_answers()
        seed, certifies = settings.random_state, settings.confidence is not None
        certifying, n_lone = None, 0
        if X_unlabeled is not None:
            certifying = self._unlabeled(estimator, X_unlabeled)
            certifying = certifying.take(distinct_rows(labeled.X, certifying.X, "X_unlabeled"))
        if validation is not None:
            train, held_out = everything, self._validation(validation)
            if certifies and certifying is None:
                held_out = held_out.take(distinct_rows(labeled.X, held_out.X, "validation"))
                selecting, others = halves(held_out.y, seed)
                held_out, certifying = held_out.take(selecting), held_out.take(others)
        else:
            kept, out = everything.split(settings.validation_fraction, seed, seen_by_base)
            if certifies and certifying is None:
                selecting, others = halves(everything.y[out], seed)
                lone = lone_rows(everything.y, seen_by_base, len(others), seed)
                certifying = everything.take(np.concatenate([lone, out[others]]))
                out, n_lone = out[selecting], len(lone)
            train, held_out = everything.take(kept), everything.take(out)
        return Inputs(train, held_out, certifying, everything, self.base_model, max_weight, n_lone)

    def rows(
        self,
        X: Any,
        y: NDArray[np.intp],
        given: tuple[Any, Any],
        groups: Any = None,
        weight: NDArray[np.float64] | None = None,
        source: str = "X",
    ) -> UpdateRows:
        """Return rows with the base model's predictions and the columns that name groups.

        `given` holds the base model's probabilities and answers, or None for what it is to be asked
        for.
        """
        base = self._predictions(X, *given)
        names = [name for name in self.settings.budget.columns if name != BASE_ANSWER]
        columns = group_columns(groups, X, names, _num_samples(X), source=source)
        if BASE_ANSWER in self.settings.budget.columns:
            columns[BASE_ANSWER] = base.served
        return UpdateRows(X, y, self.classes, weight, base, columns, self.ruling.answers)

    def _predictions(self, X: Any, base_proba: Any, base_pred: Any) -> BasePredictions:
        possible = self.ruling.answers
        if self.base_model is not None and base_proba is None:
            self._check_types(X)
            return self.base_model.predict(
                X,
                self.classes,
                answers=base_pred,
                possible=possible,
                sha256=self.loaded.sha256,
                twice=True,
            )
        known = self.classes
        if base_proba is not None:
            known = classes_of_columns(base_proba, self.base_classes, self.base_model, self.classes)
        predictions = base_predictions(
            base_proba, known, self.classes, answers=base_pred, possible=possible
        )
        name = "base_pred" if base_proba is None else "base_proba"
        check_same_length(**{"X": _row_range(X), name: predictions.pred})
        return predictions

    def _check_types(self, X: Any) -> None:
        """Raise if columns hold what the base model was not trained on, as far as its card knows.

        Nothing is converted here, since the served model asks the base model for the rows as they
        are.
        """
        types = self.loaded.card.get(KEY, {})
        if types and hasattr(X, "iloc"):
            checked_rows(X, types, model="base_model")

    def _validation(self, validation: Any) -> UpdateRows:
        """Return the rows of ``fit(validation=…)``."""
        if not isinstance(validation, tuple) or len(validation) not in (2, 3, 4):
            raise InvalidInputError(
                "validation must be a tuple (X, y), (X, y, base_proba) or (X, y, base_proba, "
                f"base_pred), got {type(validation).__name__}; give rows that are not among the "
                "training rows"
            )
        X, y, *given = (*validation, None, None)[:4]
        labels = check_labels("validation y", y)
        check_same_length(**{"validation X": _row_range(X), "validation y": labels})
        if self.base_model is None and all(one is None for one in given):
            raise InvalidInputError(
                "validation must hold base_proba as its third entry, or base_pred as its fourth, "
                "when base_model is not given, got (X, y); give the base model's predictions for "
                "these rows"
            )
        index = class_index(labels, self.classes)
        if (index < 0).any():
            raise InvalidInputError(
                "validation y must hold classes of y only, got "
                f"{labels[index < 0].tolist()[0]!r}; drop those rows or train on that class"
            )
        return self.rows(X, index, (given[0], given[1]), source="validation X")

    def _unlabeled(self, estimator: Any, X_unlabeled: Any) -> UpdateRows:
        """Return the rows of ``fit(X_unlabeled=…)``; their labels are −1."""
        parts = X_unlabeled if isinstance(X_unlabeled, tuple) else (X_unlabeled,)
        X, *given = (*parts, None, None)[:3]
        if self.base_model is None and all(one is None for one in given):
            raise InvalidInputError(
                "X_unlabeled must be a tuple (X, base_proba) or (X, base_proba, base_pred) when "
                f"base_model is not given, got {type(X_unlabeled).__name__}; give the base model's "
                "predictions for these rows"
            )
        try:
            validate_data(estimator, X, skip_check_array=True, reset=False)
        except ValueError as error:
            raise InvalidInputError(
                f"X_unlabeled must have the columns of X, got other ones: {error} Give rows as the "
                "models see them"
            ) from error
        unknown = np.full(_num_samples(X), -1)
        return self.rows(X, unknown, (given[0], given[1]), source="X_unlabeled")


def check_combinations(
    labeled: LabeledRows,
    settings: Settings,
    seen_by_base: Any,
    validation: Any,
    X_unlabeled: Any,
    max_weight: Any = None,
) -> None:
    """Raise for arguments that do not go together, before anything is predicted or trained."""
    if X_unlabeled is not None and settings.confidence is None:
        raise InvalidInputError(
            "confidence must be given with X_unlabeled, which serves to certify, got None; "
            "give e.g. confidence=0.95, or leave X_unlabeled out"
        )
    if len(labeled.classes) < 2:
        raise InvalidInputError(
            "y must have at least two classes, got one class, "
            f"{labeled.classes.tolist()[0]!r}; give rows of every class"
        )
    if seen_by_base is not None and validation is not None:
        raise InvalidInputError(
            "only one of seen_by_base and validation may be given, got both; seen_by_base says "
            "which rows not to hold out, and with validation none are"
        )
    _check_max_weight(labeled.weight, max_weight)
    if settings.confidence is not None and X_unlabeled is None and validation is None:
        _check_weights_bounded(labeled.weight, max_weight)
    settings.check_base_use()


def _check_max_weight(weight: NDArray[np.float64] | None, max_weight: Any) -> None:
    if max_weight is None:
        return
    if weight is None:
        raise InvalidInputError(
            f"max_weight needs sample_weight, got max_weight={max_weight!r} alone; give the weight "
            "of each row, or leave it out"
        )
    number = isinstance(max_weight, (int, float, np.number)) and not isinstance(max_weight, bool)
    if not number or not weight.max() <= max_weight < np.inf:
        raise InvalidInputError(
            f"max_weight must be a number that no weight exceeds, got {max_weight!r} and weights "
            f"up to {weight.max():.6g}; raise it, or cap the weights"
        )


def _check_weights_bounded(weight: NDArray[np.float64] | None, max_weight: Any) -> None:
    if weight is None or max_weight is not None or (weight == weight[0]).all():
        return
    raise InvalidInputError(
        "max_weight must be given with sample_weight and confidence, got None and weights from "
        f"{weight.min():.6g} to {weight.max():.6g}: rows that were not seen may weigh more. Give "
        "what no weight of the population exceeds, or leave confidence out"
    )


def _row_range(X: Any) -> range:
    """Return something whose length is the number of rows, sparse matrices included."""
    return range(_num_samples(X))
