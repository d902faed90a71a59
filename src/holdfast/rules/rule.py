"""`Rule`, what every rule can do, and `BoundRule`, a rule for known classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.arrays import check_labels, check_proba, check_same_length
from holdfast.common.classes import check_classes, class_index, union_classes
from holdfast.common.plain import plain
from holdfast.exceptions import InvalidInputError
from holdfast.rules.utility import UtilitySpec, expected_gain, utility_matrix

__all__ = ["BoundRule", "Rule", "class_array"]


@dataclass(frozen=True, eq=False)
class BoundRule(ABC):
    """A rule that was checked against the classes of a model.

    Its methods take checked probabilities, with one column for each of `classes`.

    Attributes
    ----------
    rule : Rule
        The rule itself.
    classes : ndarray of shape (K,)
        The class of each column.
    answers : ndarray of shape (A,)
        The possible answers. Rules that answer with classes have `classes` here, in that order.
    utility : ndarray of shape (A, K) or None
        What an answer is worth given the truth, as the rule optimises it. None for rules that do
        not define it.
    """

    rule: Rule
    classes: NDArray[Any]
    answers: NDArray[Any]
    utility: NDArray[np.float64] | None

    @abstractmethod
    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the position in `answers` of the answer to each row (n,)."""

    @abstractmethod
    def distance(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return how far the probabilities of each row are from another answer (n,).

        It is measured in units of probability and is at least 0. Rounding may change the answer
        only where it is about 0.
        """


class Rule(ABC):
    """What turns probabilities into answers.

    The rules are `Argmax`, `Threshold`, `TopShare`, `Bands` and `Costs`. They are equal if their
    parameters are.
    """

    name: ClassVar[str]

    @abstractmethod
    def bind(self, classes: ArrayLike) -> BoundRule:
        """Check the rule against the classes of a model.

        Parameters
        ----------
        classes : array-like of shape (K,)
            The class of each column of probabilities, as in `classes_` of scikit-learn.

        Returns
        -------
        BoundRule

        Raises
        ------
        InvalidInputError
            When the rule does not fit the classes.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return what the rule does in a few words, which continue "the rule …"."""

    def decide(self, proba: ArrayLike, *, classes: ArrayLike | None = None) -> NDArray[Any]:
        """Return the answer to each row.

        Parameters
        ----------
        proba : array-like of shape (n, K)
            Probabilities of the classes.
        classes : array-like of shape (K,), optional
            Class of each column; 0 … K-1 by default.

        Returns
        -------
        ndarray of shape (n,)
            The answers, by value.

        Raises
        ------
        InvalidInputError
            When rows are not distributions, or the rule does not fit the classes.
        """
        checked = check_proba("proba", proba)
        bound = self.bind(check_classes("classes", classes, checked.shape[1]))
        return bound.answers[bound.decide(checked)]

    def expected_gain(
        self,
        proba: ArrayLike,
        given: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        utility: UtilitySpec = None,
    ) -> NDArray[np.float64]:
        """Return how much more the rule's answer is worth than a given one, by expectation.

        Parameters
        ----------
        proba : array-like of shape (n, K)
            Probabilities of the classes.
        given : array-like of shape (n,)
            An answer to each row, such as that of the base model.
        classes : array-like of shape (K,), optional
            Class of each column; 0 … K-1 by default.
        utility : str, mapping, Costs or array-like of shape (A, K), optional
            What an answer is worth given the truth (see `utility_matrix`); what the rule optimises
            by default. The shares of the classes are the means of their probabilities.

        Returns
        -------
        ndarray of shape (n,)
            The gain. It is infinite where the given answer is no longer one of the rule's.

        Raises
        ------
        InvalidInputError
            When rows are not distributions, answers are of another type or number, or the rule
            defines no utility and none is given.
        """
        checked = check_proba("proba", proba)
        bound = self.bind(check_classes("classes", classes, checked.shape[1]))
        answered = check_labels("given", given)
        check_same_length(given=answered, proba=checked)
        union_classes(given=answered, answers=bound.answers)  # raises for different types
        matrix = utility_matrix(utility, bound, checked.mean(axis=0, dtype=np.float64))
        positions = class_index(answered, bound.answers)
        return expected_gain(checked, bound.decide(checked), positions, matrix)

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values for JSON or TOML, which `rule_from_dict` reads.

        Returns
        -------
        dict
            The name of the rule, and the parameters that are not None.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        given = {key: plain(value) for key, value in values.items() if value is not None}
        return {"rule": self.name, **given}


def class_array(classes: ArrayLike) -> NDArray[Any]:
    """Return the classes that a rule is bound to, checked.

    Raises
    ------
    InvalidInputError
        When there are fewer than two, or one stands there twice.
    """
    checked = check_labels("classes", classes)
    if len(checked) < 2:
        raise InvalidInputError(
            f"classes must be at least two, got {checked.tolist()}; give the classes of the model"
        )
    return check_classes("classes", checked, len(checked))
