"""Compares a booster that is made of others with the sum of its parts.

A joined, cut or continued booster is to score each row as the weighted sum of its parts does. The
libraries do not promise this: tables of categories may be merged or lost, and leaves may have a
form that cannot be scaled. Each such booster is therefore asked for the rows at hand, and for a
few of them as they may come later: with categories in another order, unseen categories and missing
values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from holdfast.common.warning import warn
from holdfast.learners.boosting.library import Library
from holdfast.learners.estimators import own_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TOLERANCE", "agree", "first_rounds", "joined", "report_apart"]

Scores = Callable[[Any], NDArray[np.float64]]

TOLERANCE = 1e-4  # absolute, and relative to a score: XGBoost adds in single precision
MOST_ROWS, FEW_ROWS = 20_000, 200
UNSEEN = "a category that no model has seen"


def joined(library: Library, models: Sequence[Any], weights: Sequence[float], X: Any) -> Any | None:
    """Return one booster in place of several; None where it scores X otherwise than their sum.

    Parameters
    ----------
    library : Library
    models : sequence of fitted classifiers
    weights : sequence of float
        Weights of their log-odds.
    X : array-like of shape (n, d) or None
        Rows to compare on, as the boosters see them; None compares nothing.

    Raises
    ------
    UnsupportedEstimatorError
        When the library has no such booster.
    """
    whole = library.join(models, weights)

    def of_parts(rows: Any) -> NDArray[np.float64]:
        pairs = zip(models, weights, strict=True)
        each = [w * library.log_odds(one, own_columns(one, rows)) for one, w in pairs]
        return np.sum(each, axis=0)

    return whole if agree(lambda rows: library.log_odds(whole, rows), of_parts, X) else None


def first_rounds(library: Library, model: Any, n: int, X: Any) -> Any | None:
    """Return the first n rounds of a booster; None where they score X otherwise than within it.

    Parameters
    ----------
    library : Library
    model : fitted classifier
        Its rounds only add.
    n : int
    X : array-like of shape (n, d)
        Rows to compare on, as the booster sees them.
    """
    first = library.first_rounds(model, n)
    alike = agree(
        lambda rows: library.log_odds(first, rows),
        lambda rows: library.log_odds(model, rows, n),
        X,
    )
    return first if alike else None


def agree(found: Scores, wanted: Scores, X: Any) -> bool:
    """Whether two functions of rows give the same scores, up to `TOLERANCE`.

    They are compared on the rows, and on a few of them as they may come later. Where `wanted` fails
    on such a form, nothing can be compared, and the form is passed over. Where `found` alone fails,
    the two differ.

    Parameters
    ----------
    found, wanted : callable
        Rows -> scores (n, K).
    X : array-like of shape (n, d) or None
    """
    if X is None:
        return True
    rows = _spread(X, MOST_ROWS)
    later = _as_they_may_come(_spread(rows, FEW_ROWS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows that nobody has given
        return _gives(found, wanted(rows), rows) and all(
            _gives(found, expected, few) for expected, few in _answered(wanted, later)
        )


def report_apart(what: str, instead: str) -> None:
    """Warn that a booster differs from its parts, which are served side by side."""
    warn(
        f"{what} would answer otherwise than its parts together: their scores differ by more than "
        f"{TOLERANCE:g} on the rows of this fit, or on these with other orders of categories, "
        f"unseen categories or missing values; {instead}"
    )


def _answered(wanted: Scores, forms: Iterator[Any]) -> Iterator[tuple[NDArray[np.float64], Any]]:
    """Yield the scores of each form of the rows that has any, and the form."""
    for rows in forms:
        try:
            yield wanted(rows), rows
        except Exception:  # whatever a library raises for rows that it does not take
            continue


def _gives(found: Scores, expected: NDArray[np.float64], rows: Any) -> bool:
    """Whether rows get the expected scores, beside the constant of each, which means nothing."""
    try:
        scores = found(rows)
    except Exception:
        return False
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (scores, expected))
    return np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)


# --- rows as they may come later ------------------------------------------------------------------


def _as_they_may_come(X: Any) -> Iterator[Any]:
    """Yield rows in other forms: orders of categories, unseen categories, missing values."""
    if type(X).__module__.partition(".")[0] == "pandas":
        yield _reordered(X)
        yield _with_unseen(X)
        yield _with_gaps(X)
    elif isinstance(X, np.ndarray) and X.dtype.kind == "f" and X.ndim == 2:
        yield np.where(np.add.outer(np.arange(len(X)), np.arange(X.shape[1])) % 3, X, np.nan)


def _spread(X: Any, most: int) -> Any:
    """Return rows spread evenly over all, `most` of them at most."""
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    if n <= most:
        return X
    return _safe_indexing(X, np.linspace(0, n - 1, most).astype(np.intp))


def _categorical(X: pd.DataFrame) -> list[Any]:
    return [name for name, kind in X.dtypes.items() if kind == "category"]


def _reordered(X: pd.DataFrame) -> pd.DataFrame:
    """Return the same values, with the categories of each column in reverse order."""
    changed = {
        name: X[name].cat.reorder_categories(X[name].cat.categories[::-1])
        for name in _categorical(X)
    }
    return X.assign(**changed)


def _with_unseen(X: pd.DataFrame) -> pd.DataFrame:
    """Return every third row with a category that no model has seen."""
    rows, changed = np.arange(len(X)) % 3 == 0, {}
    for name in X.columns:
        if name in _categorical(X):
            known = X[name].cat.categories
            new = known.max() + 1 if known.dtype.kind in "iuf" and len(known) else UNSEEN
            changed[name] = X[name].cat.add_categories([new]).mask(rows, new)
        elif X[name].dtype.kind not in "biufcmM":
            changed[name] = X[name].mask(rows, UNSEEN)
    return X.assign(**changed)


def _with_gaps(X: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with missing values in a third of the places; whole numbers stay."""
    changed = {}
    for i, name in enumerate(X.columns):
        if X[name].dtype.kind not in "biu":
            changed[name] = X[name].mask((np.arange(len(X)) + i) % 3 == 0)
    return X.assign(**changed)
