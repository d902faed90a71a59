"""Reads boosters from files that hold only numbers, with the library that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.common.parameters import first_line, require
from holdfast.exceptions import HoldfastError, InvalidInputError

__all__ = ["read_numbers", "reader_of"]


def reader_of(flavor: str, path: Path, settings: dict[str, Any]) -> Callable[[Path], Any] | None:
    """Return the function that reads such a file, or None if the file may hold code."""
    suffix = path.suffix.lower()
    if flavor == "lightgbm" and suffix in (".lgb", ".txt"):
        return _read_lightgbm
    if flavor == "xgboost" and suffix in (".json", ".ubj"):
        is_classifier = str(settings.get("model_class")).endswith(".XGBClassifier")
        return _read_xgboost_classifier if is_classifier else _read_xgboost
    if flavor == "catboost" and settings.get("save_format", "cbm") == "cbm":
        return _read_catboost
    return None


def read_numbers(reader: Callable[[Path], Any], path: Path, address: str) -> Any:
    """Read such a file; raise InvalidInputError if it is damaged."""
    try:
        return reader(path)
    except HoldfastError:
        raise
    except Exception as error:  # a damaged file can fail in any way
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


def _read_catboost(path: Path) -> Any:
    catboost = require("catboost", extra="catboost", purpose="this model")
    return catboost.CatBoostClassifier().load_model(str(path), format="cbm")
