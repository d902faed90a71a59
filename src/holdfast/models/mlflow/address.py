"""Addresses of models in an MLflow registry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from holdfast.exceptions import InvalidInputError
from holdfast.models.mlflow.session import asking, client, mlflow_module

__all__ = ["ModelAddress", "resolve"]

_ALIAS = re.compile(r"models:/(?P<name>[^/:@]+)@(?P<alias>[^/:@]+)")


_VERSION = re.compile(r"models:/(?P<name>[^/:@]+)/(?P<version>\d+)")


_LOGGED = re.compile(r"models:/(?P<model>m-[^/:@]+)")


_RUN = re.compile(r"runs:/(?P<run>[^/:@]+)/(?P<path>.+?)/?")


_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-ID or runs:/RUN/PATH"


_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class ModelAddress:
    """What an address named when it was looked up.

    Attributes
    ----------
    address : str
        As it was given.
    uri : str
        Names the same model for good, where the address has an alias that may move.
    source : str
        Where the model's files are; equal for two addresses of one model.
    run_id, experiment_id : str or None
        Of the run that logged the model, and of the experiment that it belongs to.
    name, version, alias : str or None
        In the registry.
    """

    address: str
    uri: str
    source: str
    run_id: str | None = None
    experiment_id: str | None = None
    name: str | None = None
    version: str | None = None
    alias: str | None = None

    def __str__(self) -> str:
        return self.address if self.version is None else f"{self.name} version {self.version}"


def resolve(address: str) -> ModelAddress:
    """Look an address up in the registry.

    Parameters
    ----------
    address : str

    Returns
    -------
    ModelAddress

    Raises
    ------
    InvalidInputError
        When the address has another form, or names nothing.
    RegistryError
        When the registry does not answer.
    """
    finders = ((_ALIAS, _by_alias), (_VERSION, _by_version), (_LOGGED, _by_id), (_RUN, _by_run))
    for pattern, find in finders:
        match = pattern.fullmatch(address)
        if match is not None:
            with asking(f"looking up {address}", "check the tracking URI; nothing was changed"):
                try:
                    return find(address, **match.groupdict())
                except mlflow_module().exceptions.MlflowException as error:
                    if error.error_code not in _MISSING:
                        raise
                    raise InvalidInputError(
                        f"{address} must name a model in {mlflow_module().get_registry_uri()}, "
                        f"got: {error.message}; check the name"
                    ) from error
    raise InvalidInputError(f"a model's address must be {_FORMS}, got {address!r}; correct it")


def _by_alias(address: str, name: str, alias: str) -> ModelAddress:
    return _of_version(address, client().get_model_version_by_alias(name, alias), alias)


def _by_version(address: str, name: str, version: str) -> ModelAddress:
    return _of_version(address, client().get_model_version(name, version), None)


def _of_version(address: str, found: Any, alias: str | None) -> ModelAddress:
    run_id = found.run_id or None
    experiment_id = None
    logged = _LOGGED.fullmatch(found.source)
    if logged is not None:
        experiment_id = client().get_logged_model(logged["model"]).experiment_id
    elif run_id is not None:
        experiment_id = client().get_run(run_id).info.experiment_id
    return ModelAddress(
        address=address,
        uri=f"models:/{found.name}/{found.version}",
        source=found.source,
        run_id=run_id,
        experiment_id=experiment_id,
        name=found.name,
        version=str(found.version),
        alias=alias,
    )


def _by_id(address: str, model: str) -> ModelAddress:
    return _of_logged_model(address, client().get_logged_model(model))


def _of_logged_model(address: str, found: Any) -> ModelAddress:
    uri = f"models:/{found.model_id}"
    return ModelAddress(address, uri, uri, found.source_run_id, found.experiment_id)


def _by_run(address: str, run: str, path: str) -> ModelAddress:
    """Find a model among those that a run logged, or among its files."""
    asked = client()
    found = asked.get_run(run)
    outputs = [] if found.outputs is None else found.outputs.model_outputs
    logged = [asked.get_logged_model(output.model_id) for output in outputs]
    named = [model for model in logged if model.name == path]
    if len(named) > 1:
        listed = ", ".join(sorted(f"models:/{model.model_id}" for model in named))
        raise InvalidInputError(
            f"{address} must name one model, got a run that logged {len(named)} of that name; "
            f"give one of {listed}"
        )
    if named:
        return _of_logged_model(address, named[0])
    source = f"{found.info.artifact_uri.rstrip('/')}/{path}"
    return ModelAddress(address, f"runs:/{run}/{path}", source, run, found.info.experiment_id)
