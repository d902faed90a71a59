"""The base model as a parameter of an estimator."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sklearn.base import clone

from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import fresh

__all__ = ["check_two_objects", "clone_but_base_model"]


def check_two_objects(base_model: Any, estimator: Any) -> None:
    """Raise where the deployed model is also the estimator to train."""
    if base_model is not None and base_model is estimator:
        raise InvalidInputError(
            "base_model and estimator must be two objects, got the same object twice; give the "
            "fitted base model and an estimator to train, e.g. clone(base_model)"
        )


def _copied(value: Any) -> Any:
    is_estimator = hasattr(value, "get_params") and not isinstance(value, type)
    return fresh(value) if is_estimator else clone(value, safe=False)


def clone_but_base_model(estimator: Any) -> Any:
    """Clone everything but the base model, which stays the fitted object that it is."""
    params = estimator.get_params(deep=False)
    copies = {
        name: value if name == "base_model" else _copied(value) for name, value in params.items()
    }
    copied = type(estimator)(**copies)
    for name in ("_metadata_request", "_sklearn_output_config"):
        if hasattr(estimator, name):
            setattr(copied, name, deepcopy(getattr(estimator, name)))
    return copied
