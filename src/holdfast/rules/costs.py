"""`Costs`: the answer of the least expected cost."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.common.parameters import first_line
from holdfast.common.reading import MEGABYTE, read_whole
from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError
from holdfast.render.texts import visible
from holdfast.rules.matrices import NamedMatrix
from holdfast.rules.rule import BoundRule, Rule, class_array

__all__ = ["Costs"]


@dataclass(frozen=True)
class Costs(Rule):
    """The answer of the least expected cost; of equally cheap ones the first.

    It optimises minus its costs. Answers need not be classes: "review" may be one.

    Parameters
    ----------
    matrix : array-like or data frame of shape (A, K)
        What each answer (row) costs if each class (column) is the truth. The index and the columns
        of a data frame name answers and classes, unless the index merely counts.
    answers : sequence of str, int or bool, optional
        The answer of each row. By default the answers are the classes. Where they are the classes
        in another order, they are put into the order of the classes.
    classes : sequence of class, optional
        The class of each column. By default the columns stand in the order of the model's classes.

    Raises
    ------
    InvalidInputError
        When costs are not finite numbers in a table, or names repeat or do not fit the shape.

    Warns
    -----
    UserWarning
        When the rule is used, if one answer is the cheapest whatever the truth.

    Examples
    --------
    >>> rule = Costs([[0, 10], [1, 1]], answers=["approve", "review"], classes=["ok", "fraud"])
    >>> rule.decide([[0.05, 0.95], [0.2, 0.8]], classes=["fraud", "ok"]).tolist()
    ['approve', 'review']
    """

    matrix: Any
    answers: Sequence[Any] | None = None
    classes: Sequence[Any] | None = None

    name = "costs"

    def __post_init__(self) -> None:
        named = NamedMatrix.of("costs", self.matrix, self.answers, self.classes)
        object.__setattr__(self, "matrix", tuple(map(tuple, named.values.tolist())))
        object.__setattr__(self, "answers", named.answers)
        object.__setattr__(self, "classes", named.classes)

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> Costs:
        """Read costs from a CSV file.

        The first line holds any word and then the classes, each further line an answer and its
        costs. Names that are all integers, or all True or False, are read as such.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        Costs

        Raises
        ------
        InvalidInputError
            When the file cannot be read, or holds no such table.
        """
        header, *rows = _read_lines(path)
        if not rows or len(header) < 2 or any(len(row) != len(header) for row in rows):
            raise InvalidInputError(
                f"costs must be a table with a line of classes and a line for each answer, got "
                f"lines of {[len(row) for row in (header, *rows)][:10]} cells in {path}; give "
                "each line as many cells"
            )
        return cls(
            [[_number(cell, row[0], path) for cell in row[1:]] for row in rows],
            answers=_values([row[0] for row in rows]),
            classes=_values(header[1:]),
        )

    def describe(self) -> str:
        """Return what the rule does in a few words.

        Examples
        --------
        >>> Costs([[0, 10], [1, 1]], answers=["approve", "review"]).describe()
        'answers approve or review, whichever is expected to cost least'
        """
        if self.answers is None:
            return "answers the class that is expected to cost least"
        *others, last = map(visible, self.answers)
        listed = f"{', '.join(others)} or {last}" if others else last
        return f"answers {listed}, whichever is expected to cost least"

    def as_utility(self) -> NamedMatrix:
        """Return minus the costs, with their names."""
        worth = 0 - np.array(self.matrix)
        return NamedMatrix.of("costs", worth, self.answers, self.classes)

    def bind(self, classes: ArrayLike) -> BoundRule:
        """Match names with the classes; see `Rule.bind`."""
        known = class_array(classes)
        answers = known if self._answers_are(known) else np.array(self.answers)
        utility = self.as_utility().matched(answers, known)
        _warn_of_constant(answers, utility)
        return BoundCosts(rule=self, classes=known, answers=answers, utility=utility)

    def _answers_are(self, classes: NDArray[Any]) -> bool:
        return self.answers is None or set(self.answers) == set(classes.tolist())


def _warn_of_constant(answers: NDArray[Any], utility: NDArray[np.float64]) -> None:
    best = (utility >= utility.max(axis=0)).all(axis=1)
    if best.any():
        always = answers.tolist()[int(best.argmax())]
        warn(
            f"costs make {always!r} the best answer whatever the truth, so that it is given to "
            "every row; give another answer lower costs for some class"
        )


def _read_lines(path: str | os.PathLike[str]) -> list[list[str]]:
    content = read_whole(path, "costs", limit=64 * MEGABYTE)
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        lines = [[cell.strip() for cell in line] for line in csv.reader(text) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(
            f"costs must be a CSV file, got {path}, which cannot be read ({first_line(error)}); "
            "check the path"
        ) from error
    return lines or [[]]


def _number(cell: str, answer: str, path: str | os.PathLike[str]) -> float:
    try:
        return float(cell)
    except ValueError:
        raise InvalidInputError(
            f"costs must be numbers, got {cell!r} for the answer {answer!r} in {path}; correct it"
        ) from None


def _values(names: list[str]) -> list[Any]:
    """Return names as integers or booleans where all of them are."""
    if set(names) <= {"True", "False"}:
        return [name == "True" for name in names]
    try:
        integers = [int(name) for name in names]
    except ValueError:
        return list(names)
    return integers if [str(number) for number in integers] == names else list(names)


@dataclass(frozen=True, eq=False)
class BoundCosts(BoundRule):
    """Costs of answers for known classes."""

    def decide(self, proba: NDArray[np.floating]) -> NDArray[np.intp]:
        """Return the first answer of the least expected cost."""
        return self._worth(proba).argmax(axis=1)

    def distance(self, proba: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the lead over another answer, as a share of how far their costs may be apart."""
        worth = self._worth(proba)
        rows, answer = np.arange(len(proba)), worth.argmax(axis=1)
        ahead = worth[rows, answer][:, None] - worth
        apart = self._most_apart()[answer]
        share = np.divide(ahead, apart, out=np.zeros_like(ahead), where=apart > 0)
        share[rows, answer] = np.inf
        return share.min(axis=1)

    def _worth(self, proba: NDArray[np.floating]) -> NDArray[np.float64]:
        # The order of the sum is fixed, so that a row's answer depends neither on other rows nor
        # on whether NumPy or a database adds up.
        worth = np.multiply.outer(proba[:, 0], self._utility()[:, 0])
        for k in range(1, proba.shape[1]):
            worth += np.multiply.outer(proba[:, k], self._utility()[:, k])
        return worth

    def _utility(self) -> NDArray[np.float64]:
        assert self.utility is not None
        return self.utility

    def _most_apart(self) -> NDArray[np.float64]:
        """Return the largest difference of the costs of every two answers, (A, A)."""
        utility = self._utility()
        return np.array([np.abs(utility - row).max(axis=1) for row in utility])
