"""Looks up the addresses of models in an MLflow registry."""

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

# The error codes of MLflow for a name that does not exist.
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class ModelAddress:
    """The model that an address named when it was looked up.

    Attributes
    ----------
    address : str
        The address, as it was given.
    uri : str
        An address that always names the same model, while an alias may move.
    source : str
        The place of the model's files. It is the same for two addresses of one model.
    run_id : str or None
        The run that logged the model.
    experiment_id : str or None
        The experiment to which the model belongs.
    name : str or None
        The name of the registered model.
    version : str or None
        The version of the registered model.
    alias : str or None
        The alias in the address.
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
    """Look up an address in the registry.

    Parameters
    ----------
    address : str

    Returns
    -------
    ModelAddress

    Raises
    ------
    InvalidInputError
        When the address has none of the known forms, or names no model.
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
    """Find a model among the models that a run logged, or among the files of the run."""
    server = client()
    details = server.get_run(run)
    outputs = [] if details.outputs is None else details.outputs.model_outputs
    logged = [server.get_logged_model(output.model_id) for output in outputs]
    same_name = [model for model in logged if model.name == path]
    if len(same_name) > 1:
        listed = ", ".join(sorted(f"models:/{model.model_id}" for model in same_name))
        raise InvalidInputError(
            f"{address} must name one model, got a run that logged {len(same_name)} models of that "
            f"name; give one of {listed}"
        )
    if same_name:
        return _of_logged_model(address, same_name[0])
    source = f"{details.info.artifact_uri.rstrip('/')}/{path}"
    return ModelAddress(address, f"runs:/{run}/{path}", source, run, details.info.experiment_id)
