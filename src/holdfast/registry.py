"""Models in an MLflow registry: finding, loading and logging them."""

from __future__ import annotations

from holdfast.models.mlflow.address import ModelAddress, resolve

# Logged models name this module as their loader, in which MLflow calls `_load_pyfunc`.
from holdfast.models.mlflow.models import _load_pyfunc as _load_pyfunc
from holdfast.models.mlflow.models import load_registered, log_model
from holdfast.models.mlflow.session import session

__all__ = ["ModelAddress", "load_registered", "log_model", "resolve", "session"]
