"""Talking to an MLflow server or store: for how long, and what is said when it fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from holdfast.common.parameters import first_line, require
from holdfast.exceptions import HoldfastError, InvalidInputError, RegistryError

__all__ = ["asking", "client", "mlflow_module", "session"]

# A gate that waits for a dead server for MLflow's default of many minutes blocks a pipeline.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # which is for the JSON
}


@contextmanager
def session(tracking_uri: str | None = None) -> Iterator[None]:
    """Talk to one tracking server or file for a while, and give up on a silent one soon.

    Parameters
    ----------
    tracking_uri : str, optional
        E.g. ``http://localhost:5000`` or ``sqlite:///mlflow.db``; by default MLflow's own setting.

    Raises
    ------
    InvalidInputError
        When the setting names a local store that does not exist: MLflow would make an empty one.
    MissingExtraError
        When MLflow is not installed.

    Notes
    -----
    A request is tried three times, for 20 seconds at most each, unless
    ``MLFLOW_HTTP_REQUEST_MAX_RETRIES`` and its like say otherwise.
    """
    mlflow = mlflow_module()
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    own = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(own)
    try:
        if tracking_uri is not None:
            mlflow.set_tracking_uri(tracking_uri)
        _check_exists(mlflow.get_tracking_uri())
        yield
    finally:
        if tracking_uri is not None:
            mlflow.set_tracking_uri(before)
        for name in own:
            os.environ.pop(name, None)


def mlflow_module() -> Any:
    """Return MLflow, or raise an error that names the extra."""
    return require("mlflow", extra="mlflow", purpose="a model registry")


def client() -> Any:
    """Return a client of the registry and tracking server of the moment."""
    return mlflow_module().MlflowClient()


def _check_exists(uri: str) -> None:
    parsed = urlparse(uri)
    if parsed.scheme == "sqlite":
        path = Path(unquote(parsed.path[1:]))  # sqlite:///relative, sqlite:////absolute
    elif parsed.scheme in ("", "file"):
        path = Path(unquote(parsed.path))
    else:
        return
    if not path.exists():
        raise InvalidInputError(
            f"the tracking store must exist, got {uri}, where there is nothing; give "
            "--tracking-uri, or set MLFLOW_TRACKING_URI"
        )


@contextmanager
def asking(task: str, left: str) -> Iterator[None]:
    """Turn whatever goes wrong with the registry into one message that ends in what is left."""
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:  # MLflow's own, and those of HTTP, SQL and file stores below it
        raise RegistryError(f"{task} failed, got: {first_line(error)[:500]}; {left}") from error
