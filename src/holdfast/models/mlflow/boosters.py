"""Reads boosters from files that hold only numbers, with the library that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from holdfast.common.parameters import first_line, require
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.models.proofs.claims import UnprovenError
from holdfast.models.proofs.lightgbm_text import prove_text
from holdfast.models.proofs.xgboost_model import prove_content

__all__ = ["is_proved", "read_numbers", "reader_of"]


def reader_of(flavor: str, path: Path, settings: dict[str, Any]) -> Callable[[Path], Any] | None:
    """Return the function that reads such a file, or None if the file may hold code."""
    suffix = path.suffix.lower()
    if flavor == "lightgbm" and suffix in (".lgb", ".txt"):
        return _read_lightgbm
    if flavor == "xgboost" and suffix in (".json", ".ubj"):
        is_classifier = str(settings.get("model_class")).endswith(".XGBClassifier")
        return _read_xgboost_classifier if is_classifier else _read_xgboost
    return None


def is_proved(flavor: str, path: Path, address: str) -> bool:
    """Return whether a booster is proved to stay inside its arrays; raise if it does not."""
    try:
        if flavor == "lightgbm":
            prove_text(path.read_text(encoding="utf-8"))
        else:
            prove_content(path.read_bytes())
    except UnprovenError:
        return False
    except (ValueError, AttributeError, LookupError, OverflowError, TypeError) as error:
        _raise_unreadable(path, address, error)
    return True


def read_numbers(reader: Callable[[Path], Any], path: Path, address: str) -> Any:
    """Read such a file; raise InvalidInputError if it is damaged."""
    try:
        return reader(path)
    except HoldfastError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        _raise_unreadable(path, address, error)


def _raise_unreadable(path: Path, address: str, error: Exception) -> NoReturn:
    raise InvalidInputError(
        f"{address} must hold a whole model, got {path.name}, which cannot be read "
        f"({first_line(error)}); log the model again"
    ) from error


def _read_lightgbm(path: Path) -> Any:
    lightgbm = require("lightgbm", extra="lightgbm", purpose="this model")
    return lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))


def _read_xgboost(path: Path) -> Any:
    xgboost = require("xgboost", extra="xgboost", purpose="this model")
    return xgboost.Booster(model_file=str(path))


def _read_xgboost_classifier(path: Path) -> Any:
    model = require("xgboost", extra="xgboost", purpose="this model").XGBClassifier()
    model.load_model(path)
    return model
