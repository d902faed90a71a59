"""The rows of one update, parted into those that train, select and certify."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from holdfast.common.arrays import check_same_length
from holdfast.common.classes import class_index
from holdfast.exceptions import InvalidInputError
from holdfast.models.base_predictions import BasePredictions
from holdfast.selection.limits import BASE_ANSWER, GroupColumns

__all__ = ["BaseReport", "UpdateRows", "halves", "held_out_rows", "lone_rows"]


@dataclass(frozen=True)
class BaseReport:
    """Counts of rows that the base model could not answer, over all rows given to ``fit``.

    Attributes
    ----------
    n : int
        Number of rows.
    n_missing : int
        Number of rows without a base prediction (NaN); they have λ = 0.
    n_unknown_label : int
        Number of rows whose label the base model never knew; they have λ = 0.
    n_without_mass : int
        Number of rows whose whole base probability was on classes that are gone; they have λ = 0.
    unknown_classes : tuple
        New classes that the base model never knew.
    removed_classes : tuple
        Classes of the base model that are gone.
    """

    n: int
    n_missing: int
    n_unknown_label: int
    n_without_mass: int
    unknown_classes: tuple[Any, ...]
    removed_classes: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class UpdateRows:
    """Rows with everything that runs along them.

    Attributes
    ----------
    X : array-like of shape (n, d)
    y : ndarray of shape (n,)
        Positions of the labels in `classes`.
    classes : ndarray of shape (K,)
    weight : ndarray of shape (n,) or None
    base : BasePredictions
    groups : dict of str to ndarray of shape (n,)
        Columns that name the groups of a budget.
    possible : ndarray of shape (A,) or None
        The answers that the new model can give, by value; None for its classes.
    """

    X: Any
    y: NDArray[np.intp]
    classes: NDArray[Any]
    weight: NDArray[np.float64] | None
    base: BasePredictions
    groups: GroupColumns = field(default_factory=dict)
    possible: NDArray[Any] | None = None

    @property
    def answers(self) -> NDArray[Any]:
        """The answers that the new model can give, by value, shape (A,)."""
        return self.classes if self.possible is None else self.possible

    @property
    def servable_groups(self) -> GroupColumns:
        """The columns that are known again when the model is served."""
        features = getattr(self.X, "columns", ())
        return {
            name: column
            for name, column in self.groups.items()
            if name == BASE_ANSWER or name in features
        }

    @property
    def answered_weight(self) -> NDArray[np.float64]:
        """Weights of the rows that the base model answered, all where it answered none."""
        weight = np.ones(len(self.y)) if self.weight is None else self.weight
        answered = np.where(self.base.answered, weight, 0.0)
        return answered if answered.any() else weight  # the selection itself refuses no answers

    @property
    def unknown_label(self) -> NDArray[np.bool_]:
        """Rows whose label the base model never knew, shape (n,)."""
        unknown = np.array(self.base.matched.unknown_classes)
        return np.isin(self.y, class_index(unknown, self.classes)) if len(unknown) else self.y < 0

    @property
    def teacher_proba(self) -> NDArray[np.float64]:
        """Base probabilities to learn from, shape (n, K): NaN where λ must be 0."""
        return np.where(self.unknown_label[:, None], np.nan, self.base.matched.proba)

    @property
    def base_report(self) -> BaseReport:
        """Counts of rows that the base model could not answer."""
        matched = self.base.matched
        return BaseReport(
            n=len(self.y),
            n_missing=matched.n_missing,
            n_unknown_label=int(self.unknown_label.sum()),
            n_without_mass=matched.n_without_mass,
            unknown_classes=matched.unknown_classes,
            removed_classes=matched.removed_classes,
        )

    def take(self, index: NDArray[np.intp]) -> UpdateRows:
        """Return some of the rows."""
        weight = None if self.weight is None else self.weight[index]
        groups = {name: column[index] for name, column in self.groups.items()}
        X = _safe_indexing(self.X, index)
        base = self.base.take(index)
        return UpdateRows(X, self.y[index], self.classes, weight, base, groups, self.possible)

    def split(
        self, fraction: float, random_state: int | None, seen_by_base: Any
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the positions of training and of held-out rows, stratified by class."""
        kept, held_out = held_out_rows(
            len(self.y), fraction, random_state, seen_by_base, stratify=self.y
        )
        if len(np.unique(self.y[kept])) < len(self.classes):
            raise InvalidInputError(
                "y must have every class among the training rows after the split, got a class of "
                f"{np.bincount(self.y).min()} rows; give more rows of it, or `validation`"
            )
        return kept, held_out


def lone_rows(
    y: NDArray[np.intp], seen_by_base: Any, n_certifying: int, random_state: int | None
) -> NDArray[np.intp]:
    """Return positions of rows that train although they could have been drawn to certify.

    The only row of a class always trains, so that no certification row is like it. To have them
    represented, as large a share of them is drawn as of the rows that can be held out.

    Examples
    --------
    >>> lone_rows(np.array([0, 0, 0, 1, 2, 3, 3, 3]), None, 3, 0).tolist()
    [4]
    """
    fresh = np.ones(len(y), dtype=np.bool_)
    if seen_by_base is not None:
        fresh = ~_check_seen(seen_by_base, len(y))
    alone = np.bincount(y)[y] == 1
    lone = np.flatnonzero(fresh & alone)
    share = n_certifying / max(int(np.count_nonzero(fresh & ~alone)), 1)
    size = min(int(np.ceil(share * len(lone))), len(lone))
    return np.sort(np.random.default_rng(random_state).choice(lone, size, replace=False))


def halves(
    y: NDArray[np.intp], random_state: int | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which held-out rows select and which certify, given their classes (n,)."""
    if len(y) < 2:
        raise InvalidInputError(
            f"confidence needs at least two held-out rows, got {len(y)}; raise "
            "validation_fraction or give X_unlabeled"
        )
    counts = np.bincount(y)
    # Rows that are alone in their classes are one stratum, or join the largest, so that each may
    # certify.
    alone = counts[y] == 1
    joined = int(counts.argmax()) if np.count_nonzero(alone) == 1 else len(counts)
    strata = np.where(alone, joined, y)
    return held_out_rows(len(y), 0.5, random_state, None, stratify=strata)


def held_out_rows(
    n: int,
    fraction: float,
    random_state: int | None,
    seen_by_base: Any,
    stratify: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of training and of held-out rows, each ascending.

    Parameters
    ----------
    n : int
    fraction : float
        Share of the n rows to hold out.
    random_state : int or None
    seen_by_base : array-like of bool of shape (n,) or None
        Rows that the base model was trained on, of which none is held out; at most half of the
        others are.
    stratify : ndarray of shape (n,), optional
        Classes to hold out in proportion, where each has two rows.
    """
    fresh = np.arange(n)
    size = fraction * n
    if seen_by_base is not None:
        fresh = np.flatnonzero(~_check_seen(seen_by_base, n))
        size = min(size, 0.5 * len(fresh))
    if stratify is not None:
        fresh = fresh[np.bincount(stratify)[stratify[fresh]] > 1]  # a class's only row trains
    if len(fresh) < 2:
        raise InvalidInputError(
            f"X must have at least two rows that can be held out, got {len(fresh)}; give more rows "
            "of each class, or `validation`"
        )
    n_out = min(max(int(np.ceil(size)), 1), len(fresh) - 1)
    strata = None if stratify is None else _strata(stratify[fresh], n_out)
    _, held_out = train_test_split(
        fresh, test_size=n_out, random_state=random_state, stratify=strata
    )
    kept = np.ones(n, dtype=bool)
    kept[held_out] = False
    return np.flatnonzero(kept), np.sort(held_out)


def _strata(classes: NDArray[np.intp], n_out: int) -> NDArray[np.intp] | None:
    """Return classes to split in proportion to, None where no such split exists.

    Numbered as they appear, so that the names of the classes do not decide which rows are drawn.
    """
    _, first, position, counts = np.unique(
        classes, return_index=True, return_inverse=True, return_counts=True
    )
    fits = len(counts) <= min(n_out, len(classes) - n_out)
    return first[position] if fits and counts.min() > 1 else None


def _check_seen(seen_by_base: Any, n: int) -> NDArray[np.bool_]:
    seen = np.asarray(seen_by_base)
    check_same_length(seen_by_base=seen, X=range(n))
    if seen.dtype.kind != "b" or seen.ndim != 1 or n - np.count_nonzero(seen) < 2:
        raise InvalidInputError(
            "seen_by_base must be booleans of shape (n,) with at least two rows that are False, "
            f"got dtype {seen.dtype} and {n - np.count_nonzero(seen)} such rows; mark the rows "
            "that the base model was trained on, or give `validation`"
        )
    return seen
