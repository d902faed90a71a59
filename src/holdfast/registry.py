"""Models in an MLflow registry: addresses, loading and logging."""

from __future__ import annotations

from holdfast.models.mlflow.address import ModelAddress, resolve

# MLflow folders name this module as their loader, and MLflow calls this function of it.
from holdfast.models.mlflow.models import _load_pyfunc as _load_pyfunc
from holdfast.models.mlflow.models import load_registered, log_model
from holdfast.models.mlflow.session import session

__all__ = ["ModelAddress", "load_registered", "log_model", "resolve", "session"]
