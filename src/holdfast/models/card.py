"""A model that was read, with its card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.exceptions import InvalidInputError

__all__ = ["LoadedModel"]


@dataclass(frozen=True)
class LoadedModel:
    """A model read from a file.

    Attributes
    ----------
    model : object
        Has `predict`.
    card : dict
        What `save_model` was given; empty for files that holdfast did not write.
    sha256 : str or None
        Of the file, under which its predictions for training rows are kept; None where the file
        alone does not decide what the model answers, as a pickle does not.
    """

    model: Any
    card: dict[str, Any] = field(default_factory=dict)
    sha256: str | None = None


def checked_card(source: Path, card: Any) -> dict[str, Any]:
    if not _is_card(card):
        raise InvalidInputError(
            f"{source} must have a card that is a dictionary, with `features` a list of text and "
            "`target` and `learner` text where they are given, got another; write the file with "
            "holdfast.save_model"
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
    )
