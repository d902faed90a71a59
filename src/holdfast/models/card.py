"""`LoadedModel`: a model read from a file, with its card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.exceptions import InvalidInputError
from holdfast.models.columns import KEY, are_columns

__all__ = ["LoadedModel"]


@dataclass(frozen=True)
class LoadedModel:
    """A model read from a file.

    Attributes
    ----------
    model : object
        The model, which has `predict`.
    card : dict
        The card that `save_model` was given. It is empty for files that holdfast did not write. Its
        `feature_types` are the types of the features, which `holdfast train` writes.
    sha256 : str or None
        The hash of the file, under which predictions for training rows are kept. It is None if the
        file alone does not determine the model's answers, which is so for a pickle.
    """

    model: Any
    card: dict[str, Any] = field(default_factory=dict)
    sha256: str | None = None


def checked_card(source: Path, card: Any) -> dict[str, Any]:
    """Return the card of a model file; raise InvalidInputError for anything but a card."""
    if not _is_card(card):
        raise InvalidInputError(
            f"{source} must have a card that is a dictionary, in which `features` is a list of "
            "text, `target` and `learner` are text and `feature_types` is what `holdfast train` "
            "writes, if given, got another card; write the file with holdfast.save_model"
        )
    return card


def _is_card(card: Any) -> bool:
    if not isinstance(card, dict):
        return False
    features = card.get("features", [])
    return (
        isinstance(features, list)
        and all(isinstance(feature, str) for feature in features)
        and all(isinstance(card.get(key), (str, type(None))) for key in ("target", "learner"))
        and are_columns(card.get(KEY, {}))
    )
