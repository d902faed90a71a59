"""Asks an MLflow server or store, gives up soon, and reports failures in one form."""

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

# By default MLflow waits many minutes for a dead server, which would block a pipeline.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for JSON
}


@contextmanager
def session(tracking_uri: str | None = None) -> Iterator[None]:
    """Use one tracking server or store for a while, and give up soon if it does not answer.

    Parameters
    ----------
    tracking_uri : str, optional
        The server or store, e.g. ``http://localhost:5000`` or ``sqlite:///mlflow.db``. By default
        it is that of MLflow's own setting.

    Raises
    ------
    InvalidInputError
        When the setting names a local store that does not exist, since MLflow would create an empty
        one.
    MissingExtraError
        When MLflow is not installed.

    Notes
    -----
    A request is tried three times, for at most 20 seconds each, unless
    ``MLFLOW_HTTP_REQUEST_MAX_RETRIES`` and similar variables are set.
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
    """Return a client of the current registry and tracking server."""
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
            f"the tracking store must exist, got {uri}, where there is none; give "
            "--tracking-uri, or set MLFLOW_TRACKING_URI"
        )


@contextmanager
def asking(task: str, left: str) -> Iterator[None]:
    """Turn any failure of the registry into a RegistryError.

    Parameters
    ----------
    task : str
        The task that is tried, for the message.
    left : str
        The state in which a failure leaves the registry, and what to do. It ends the message.
    """
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:  # errors of MLflow, and of HTTP, SQL and file stores below it
        raise RegistryError(f"{task} failed, got: {first_line(error)[:500]}; {left}") from error
