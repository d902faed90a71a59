"""Models in an MLflow model registry: found by address, loaded without running code, logged.

Which server or file is talked to is MLflow's own setting: ``MLFLOW_TRACKING_URI``,
``mlflow.set_tracking_uri``, or `session` for a while. An *address* is how MLflow names a model:
``models:/fraud@champion``, ``models:/fraud/3``, ``runs:/<run>/model``, ``models:/m-<id>``.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.common.arrays import require
from holdfast.exceptions import InvalidInputError
from holdfast.models.files import LoadedModel, load_model
from holdfast.models.mlflow.folder import FLAVOR, PLAIN_SUFFIXES, load_folder
from holdfast.models.mlflow.session import asking, client, mlflow_module, session

__all__ = ["ModelAddress", "load_registered", "log_model", "resolve", "session"]

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


def load_registered(address: str | ModelAddress, *, trusted: Sequence[str] = ()) -> LoadedModel:
    """Load a model from the registry, without running code that came with it.

    Parameters
    ----------
    address : str or ModelAddress
    trusted : sequence of str
        Files that may run code when they are loaded, such as ``model.pkl``; or the address, for all
        of its files; or types inside a skops file, as for `load_model`.

    Returns
    -------
    LoadedModel
        The model, and the card of a file that holdfast wrote.

    Raises
    ------
    UntrustedModelError
        When loading could run code that is not named as trusted; says what to name.
    InvalidInputError
        When the address names nothing, or no whole MLflow model.
    RegistryError
        When the registry does not answer.

    Examples
    --------
    >>> load_registered("models:/fraud@champion")  # doctest: +SKIP
    LoadedModel(model=LogisticRegression(), card={})
    >>> load_registered("fraud")
    Traceback (most recent call last):
        ...
    holdfast.exceptions.InvalidInputError: a model's address must be models:/NAME@ALIAS,
    models:/NAME/VERSION, models:/m-ID or runs:/RUN/PATH, got 'fraud'; correct it
    """
    at = resolve(address) if isinstance(address, str) else address
    folder = tempfile.TemporaryDirectory(prefix="holdfast-")
    try:
        with asking(f"downloading {at.address}", "nothing was changed"):
            files = mlflow_module().artifacts.download_artifacts(at.uri, dst_path=folder.name)
        loaded = load_folder(Path(files), address=at.address, trusted=trusted)
    except BaseException:
        folder.cleanup()
        raise
    weakref.finalize(loaded.model, folder.cleanup)  # some models read their files when they predict
    return loaded


def log_model(
    path: str | os.PathLike[str], *, name: str = "model", register_as: str | None = None
) -> str:
    """Log a model file, such as ``holdfast train`` writes, to the experiment and run of the moment.

    Parameters
    ----------
    path : path-like
        A file that `load_model` reads without running code: ``.skops``, ``.onnx`` or
        ``.safetensors``. It is stored as it is.
    name : str
        Of the model in its run.
    register_as : str, optional
        The registered model to make a new version of; it is made where there is none.

    Returns
    -------
    str
        The address of the version, or ``models:/m-<id>`` where it is not registered.

    Raises
    ------
    InvalidInputError
        When the file is missing or of another kind.
    RegistryError
        When the registry does not answer, or refuses.

    Notes
    -----
    ``mlflow.pyfunc.load_model`` reads it too; types inside the file that are to be trusted are
    named in ``model_config={"trusted": [...]}``.

    Examples
    --------
    >>> log_model("v2.skops", register_as="fraud")  # doctest: +SKIP
    'models:/fraud/2'
    >>> log_model("v2.pkl")
    Traceback (most recent call last):
        ...
    holdfast.exceptions.InvalidInputError: path must be a file that ends in .skops, .onnx or
    .safetensors, got v2.pkl; write it with holdfast.save_model
    """
    source = Path(path)
    if source.suffix.lower() not in PLAIN_SUFFIXES or not source.is_file():
        raise InvalidInputError(
            "path must be a file that ends in .skops, .onnx or .safetensors, got "
            f"{source.name}; write it with holdfast.save_model"
        )
    models = require("mlflow.models", extra="mlflow", purpose="a model registry")
    with asking(f"logging {source.name}", "the model is not registered, or not wholly"):
        logged = models.Model.log(
            None, _Flavor, name=name, registered_model_name=register_as, file=source
        )
    version = logged.registered_model_version
    return logged.model_uri if version is None else f"models:/{register_as}/{version}"


class _Flavor:
    """What MLflow asks to write a model folder."""

    @staticmethod
    def save_model(path: str, mlflow_model: Any, file: Path) -> None:
        import mlflow.pyfunc

        from holdfast import __version__

        Path(path).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, Path(path) / file.name)
        mlflow_model.add_flavor(FLAVOR, data=file.name, holdfast_version=__version__)
        mlflow.pyfunc.add_to_model(
            mlflow_model,
            loader_module="holdfast.registry",
            data=file.name,
            model_config={"trusted": []},
        )
        mlflow_model.save(str(Path(path) / "MLmodel"))


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> Any:
    """Load what `log_model` logged for ``mlflow.pyfunc``, which calls a function of this name."""
    return load_model(path, trusted=tuple((model_config or {}).get("trusted", ()))).model
