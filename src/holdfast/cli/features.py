"""The features that a model takes from a table, in the types that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.output import say
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.models.columns import CheckedRows, Unseen

__all__ = ["checked_features", "features_of", "warn_of_unseen"]


def checked_features(
    model: Any,
    card: Mapping[str, Any],
    table: pd.DataFrame,
    source: Path,
    named: Sequence[str] | None = None,
    *,
    name: str = "the model",
) -> CheckedRows:
    """Return the features of a model in the types that it was trained on, as far as they are known.

    Parameters
    ----------
    model : object
    card : mapping
        The card of the model.
    table : DataFrame
        The rows, as `read_table` read them.
    source : Path
        Their file, from which columns that the model takes as text are read again.
    named : sequence of str
        The features that the user names, in place of those in the card; None for a command that
        has no option for them.
    name : str
        The name of the model, for messages.
    """
    from holdfast.models.columns import KEY, checked_rows

    X = features_of(model, card, table, named)
    return checked_rows(X, card.get(KEY, {}), model=name, as_text=_reader(source))


def _reader(source: Path) -> Any:
    from holdfast.tables.reading import read_as_text

    return lambda columns: read_as_text(source, columns)


def features_of(
    model: Any,
    card: Mapping[str, Any],
    table: pd.DataFrame,
    named: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the columns that the user names, or else those that the model was trained on."""
    features = list(named or ()) or card.get("features")
    if features is None:
        features = list(getattr(model, "feature_names_in_", []))
    if not features:
        remedy = "train it on a data frame, or log it with a signature"
        if named is not None:
            remedy = "name them with --feature in their order, or train it on a data frame"
        raise InvalidInputError(
            f"the model must know the names of its features, got a {type(model).__name__} without "
            f"names; {remedy}"
        )
    missing = [name for name in features if name not in table.columns]
    if missing:
        raise InvalidInputError(
            "the data must have the columns that the model was trained on, got a table without "
            f"{', '.join(map(repr, missing[:10]))}; it has {', '.join(table.columns[:20])}"
        )
    return table[list(features)]


def warn_of_unseen(unseen: Mapping[str, Unseen], name: str = "the model") -> None:
    """Say on standard error which values a model was not trained on."""
    from holdfast.models.columns import sentences

    for sentence in sentences(unseen, name):
        say(f"warning: {sentence}", err=True)
