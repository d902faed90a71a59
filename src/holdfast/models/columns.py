"""The types and categories of a model's feature columns: kept in its card, and checked in new rows.

A column of another type than in training is converted where that loses nothing, and refused
otherwise. Values that the model was not trained on are counted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.common.plain import plain, plain_scalar
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KEY",
    "CheckedRows",
    "Unseen",
    "are_columns",
    "checked_rows",
    "columns_of",
    "readable",
    "refuse_dates",
    "sentences",
]

KEY = "feature_types"  # of a model's card
NUMBERS = ("integers", "real numbers")
CATEGORIES = ("booleans", "text", "nothing")  # types whose values are kept
MOST_LISTED, LONGEST = 50, 64  # the values of a column that a card lists
DIGEST_BYTES = 6  # of the hash of a value where there are too many to list
MOST_NAMED = 10  # unseen values that are named

_WORDS = {
    "boolean": "booleans",
    "date": "dates",
    "datetime": "dates",
    "datetime64": "dates",
    "empty": "nothing",
    "floating": "real numbers",
    "integer": "integers",
    "mixed-integer-float": "real numbers",
    "string": "text",
}
_DATE = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
_NUMBER = r"[+-]?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"
_ADVICE = {
    "numbers": "write numbers in it, and leave it empty where the number is unknown",
    "booleans": "write true and false in it",
    "text": "store the column as text",
}

# Reads some columns of the rows' file again, as they are written there.
AsText = Callable[[list[str]], "pd.DataFrame"]


@dataclass(frozen=True)
class Unseen:
    """The values of one column that the model was not trained on.

    Attributes
    ----------
    rows : int
        Number of rows that have such a value.
    n_values : int
        Number of such values. A missing value is one of them where no value was missing in
        training.
    values : tuple
        The most frequent of them, at most ten; None is a missing value.
    """

    rows: int
    n_values: int
    values: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """Rows whose columns have the types that a model was trained on.

    Attributes
    ----------
    X : DataFrame
    unseen : dict of str to Unseen
        The columns that hold values which the model was not trained on.
    """

    X: pd.DataFrame
    unseen: dict[str, Unseen] = field(default_factory=dict)


# --- the card ------------------------------------------------------------------------------------


def columns_of(X: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the type of each column, and its values where these are categories.

    Parameters
    ----------
    X : DataFrame
        The rows that a model is trained on.

    Returns
    -------
    dict
        For each column its `type`: integers, real numbers, booleans or text, or nothing where all
        values are missing. For the last three also `n_values` and whether values are `missing`, and
        `values` where there are at most 50 of at most 64 characters each. Otherwise `hashes` has
        the first six bytes of each value's BLAKE2b hash, sorted, in base64. Columns of other types
        are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> columns_of(pd.DataFrame({"size": [1, 2], "colour": ["red", "blue"]}))["size"]
    {'type': 'integers'}
    """
    kinds = {str(name): _kind(X[name]) for name in X.columns}
    known = {name: kind for name, kind in kinds.items() if kind in (*NUMBERS, *CATEGORIES)}
    return {name: {"type": kind} | _categories(X[name], kind) for name, kind in known.items()}


def readable(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card as it is shown to people, without the hashes of values."""
    columns = {
        name: {key: value for key, value in column.items() if key != "hashes"}
        for name, column in card.get(KEY, {}).items()
    }
    return dict(card) | ({KEY: columns} if KEY in card else {})


def are_columns(columns: Any) -> bool:
    """Return whether a value from a model file has the form of `columns_of`."""
    return isinstance(columns, dict) and all(map(_is_column, columns.values()))


def _is_column(column: Any) -> bool:
    if not isinstance(column, dict) or column.get("type") not in (*NUMBERS, *CATEGORIES):
        return False
    values, hashes = column.get("values", []), column.get("hashes", "")
    listed = isinstance(values, list) and all(isinstance(value, (str, bool)) for value in values)
    return listed and isinstance(hashes, str) and _are_hashes(hashes)


def _are_hashes(text: str) -> bool:
    try:
        return len(base64.b64decode(text.encode(), validate=True)) % DIGEST_BYTES == 0
    except (binascii.Error, UnicodeEncodeError):
        return False


def _categories(column: pd.Series, kind: str) -> dict[str, Any]:
    if kind in NUMBERS:
        return {}
    values = sorted(column.dropna().unique().tolist())
    facts = {"n_values": len(values), "missing": bool(column.isna().any())}
    short = kind != "text" or all(len(value) <= LONGEST for value in values)
    if short and len(values) <= MOST_LISTED:
        return facts | {"values": values}
    digests = b"".join(sorted(map(_digest, values)))
    return facts | {"hashes": base64.b64encode(digests).decode("ascii")}


def _digest(value: str) -> bytes:
    content = value.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


def _kind(column: pd.Series) -> str:
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        column = column.astype(object)
    return _WORDS.get(types.infer_dtype(column, skipna=True), "other values")


# --- new rows ------------------------------------------------------------------------------------


def checked_rows(
    X: pd.DataFrame,
    columns: Mapping[str, Mapping[str, Any]],
    *,
    model: str = "the model",
    as_text: AsText | None = None,
) -> CheckedRows:
    """Return rows in the types that a model was trained on, and what it was not trained on.

    Parameters
    ----------
    X : DataFrame
        The rows.
    columns : mapping
        The columns in the model's card, as `columns_of` returns them. Others are not checked.
    model : str
        The name of the model, for messages.
    as_text : callable, optional
        Reads columns of these rows from their file again, as they are written there.

    Returns
    -------
    CheckedRows

    Raises
    ------
    InvalidInputError
        When a column has another type and cannot be converted without loss.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = columns_of(pd.DataFrame({"size": [1, 2], "colour": ["red", "blue"]}))
    >>> rows = pd.DataFrame({"size": ["3", "4"], "colour": ["red", "green"]})
    >>> checked = checked_rows(rows, columns)
    >>> checked.X["size"].tolist(), checked.unseen["colour"].values
    ([3, 4], ('green',))
    """
    known = {name: columns[name] for name in X.columns if name in columns}
    X = _reread(X, known, as_text)
    unseen = {}
    for name, column in known.items():
        given = X[name]
        converted = _converted(given, column, model)
        if converted is not given:
            X = X.assign(**{name: converted})
        found = _unseen(converted, column)
        if found is not None:
            unseen[name] = found
    return CheckedRows(X, unseen)


def _reread(
    X: pd.DataFrame, columns: Mapping[str, Mapping[str, Any]], as_text: AsText | None
) -> pd.DataFrame:
    """Return rows in which columns for text that look like other values are as written."""
    names = [
        name
        for name, column in columns.items()
        if column["type"] == "text" and _kind(X[name]) not in ("text", "nothing")
    ]
    if not names or as_text is None:
        return X
    texts = as_text(names)
    return X.assign(**{name: texts[name].set_axis(X.index) for name in texts.columns})


def _converted(column: pd.Series, trained: Mapping[str, Any], model: str) -> pd.Series:
    """Return the column in the type of the training; raise where that is not possible."""
    kind, wanted = _kind(column), trained["type"]
    if kind == wanted:
        return column
    if wanted == "nothing":
        return column.astype(object)
    to = "numbers" if wanted in NUMBERS else wanted
    if kind == "nothing":
        return _missing(column, to)
    values = {"numbers": _numbers, "booleans": _booleans, "text": _texts}[to](column, kind)
    wrong = column[column.notna() & values.isna()]
    if len(wrong):
        rows = f"{len(wrong):,} of {len(column):,} row{'s' if len(column) > 1 else ''}"
        raise InvalidInputError(
            f"column {str(column.name)!r} must hold {_trained_on(trained)}, as in the training of "
            f"{model}, got {kind} in {rows} (e.g. {_shown(wrong.iloc[0])}); {_ADVICE[to]}"
        )
    return values


def _trained_on(trained: Mapping[str, Any]) -> str:
    if trained["type"] in NUMBERS:
        return "numbers"
    examples = ", ".join(map(_shown, trained.get("values", [])[:3]))
    more = trained["type"] == "text" and examples
    return f"{trained['type']} such as {examples}" if more else str(trained["type"])


def _shown(value: Any) -> str:
    """Return a value for a message."""
    value = plain_scalar(value)
    return f"{value!r:.64}" if isinstance(value, str) else f"{value!s:.64}"


def _missing(column: pd.Series, to: str) -> pd.Series:
    """Return missing values, as a table has them in a column of some type."""
    import pandas as pd

    if to == "numbers":
        return column.astype(float)
    if to == "booleans":
        return column.astype(object)
    # Which value stands for missing text depends on the release of pandas.
    return pd.Series(["", *([None] * len(column))])[1:].set_axis(column.index)


def _numbers(column: pd.Series, kind: str) -> pd.Series:
    """Return numbers, NaN where a value is none."""
    import pandas as pd

    if kind in NUMBERS:
        return column
    if kind == "booleans":
        return column.astype(float)
    if kind != "text":
        return _none(column)
    return pd.to_numeric(column.where(column.str.fullmatch(_NUMBER).eq(True)))


def _booleans(column: pd.Series, kind: str) -> pd.Series:
    """Return booleans, None where a value is none."""
    if kind in NUMBERS:
        values = column.map({0: False, 1: True})
    elif kind == "text":
        values = column.str.lower().map({"false": False, "true": True})
    else:
        return _none(column)
    present = values.notna()
    return values.astype(bool) if present.all() else values.astype(object).where(present, None)


def _texts(column: pd.Series, kind: str) -> pd.Series:
    """Return whole numbers as text, None for all other values, whose text is not unique."""
    return column.map(str, na_action="ignore") if kind == "integers" else _none(column)


def _none(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.Series([None] * len(column), index=column.index, dtype=object)


def _unseen(column: pd.Series, trained: Mapping[str, Any]) -> Unseen | None:
    """Return the values that did not occur in training; None where there are none."""
    if trained["type"] in NUMBERS or not {"values", "hashes"} & set(trained):
        return None
    counts = column.value_counts(dropna=False)
    missing = np.asarray(counts.index.isna())
    known = _known(counts.index[~missing].tolist(), trained)
    new = missing.copy()
    new[~missing] = [not one for one in known]
    new[missing] = not trained.get("missing", False)
    found = counts[new]
    if not len(found):
        return None
    named = found.index[:MOST_NAMED]
    values = [
        None if absent else plain(value) for value, absent in zip(named, named.isna(), strict=True)
    ]
    return Unseen(int(found.sum()), len(found), tuple(values))


def _known(values: list[Any], trained: Mapping[str, Any]) -> list[bool]:
    if "values" in trained:
        listed = set(trained["values"])
        return [value in listed for value in values]
    joined = base64.b64decode(trained["hashes"])
    starts = range(0, len(joined), DIGEST_BYTES)
    digests = {joined[start : start + DIGEST_BYTES] for start in starts}
    return [_digest(str(value)) in digests for value in values]


# --- dates ---------------------------------------------------------------------------------------


def refuse_dates(X: pd.DataFrame, advice: str = "leave the column out with --drop") -> None:
    """Raise if a column holds dates, also where they are written as text.

    A file of text does not say which columns are dates, and a model that took them as categories
    would know no date to come. Text is a date where all values have the form of ISO 8601, such as
    2024-01-31 or 2024-01-31 10:00.

    Parameters
    ----------
    X : DataFrame
        The features.
    advice : str
        What to do other than turning the dates into numbers.
    """
    for name in X.columns:
        column = X[name].dropna()
        kind = _kind(column)
        if kind == "dates" or (kind == "text" and _are_dates(column)):
            raise InvalidInputError(
                f"column {str(name)!r} must hold numbers or categories, got dates (e.g. "
                f"{column.iloc[0]!s:.64}); turn them into numbers, such as an age in days, or "
                f"{advice} {name}"
            )


def _are_dates(column: pd.Series) -> bool:
    if not re.fullmatch(_DATE, column.iloc[0]):
        return False  # a quick look at the first value
    return bool(column.str.fullmatch(_DATE).all())


def sentences(unseen: Mapping[str, Unseen], model: str = "the model") -> Sequence[str]:
    """Return one sentence for each column with values that a model was not trained on."""
    return [_sentence(name, found, model) for name, found in unseen.items()]


def _sentence(name: str, found: Unseen, model: str) -> str:
    named = ["no value" if value is None else _shown(value) for value in found.values[:3]]
    more = found.n_values - len(named)
    listed = ", ".join(named) + (f" and {more:,} more" if more else "")
    rows = "1 row" if found.rows == 1 else f"{found.rows:,} rows"
    return f"column {name!r} has values that {model} was not trained on: {listed} ({rows})"
