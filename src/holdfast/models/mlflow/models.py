"""Loads models from an MLflow registry without running their code, and logs model files to it.

MLflow's own settings choose the server or store: ``MLFLOW_TRACKING_URI``,
``mlflow.set_tracking_uri``, or `session` for a while. An *address* names a model in the way of
MLflow: ``models:/fraud@champion``, ``models:/fraud/3``, ``runs:/<run>/model`` or
``models:/m-<id>``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.common.files import temporary_folder
from holdfast.common.parameters import require
from holdfast.exceptions import InvalidInputError
from holdfast.models.card import LoadedModel
from holdfast.models.files import read_model
from holdfast.models.mlflow.address import ModelAddress, resolve
from holdfast.models.mlflow.code import addressed
from holdfast.models.mlflow.folder import FLAVOR, PLAIN_SUFFIXES, load_folder
from holdfast.models.mlflow.session import asking, mlflow_module
from holdfast.models.trust import Trust, TrustedFiles

__all__ = ["load_registered", "log_model"]

UNCHANGED = "nothing was changed"


def load_registered(
    address: str | ModelAddress,
    *,
    trusted_types: Sequence[str] = (),
    trusted_files: TrustedFiles | None = None,
    trusted: Any = None,
) -> LoadedModel:
    """Load a model from the registry, without running code from its files.

    Parameters
    ----------
    address : str or ModelAddress
    trusted_types : sequence of str
        The types inside a skops file that may be built, as in `load_model`.
    trusted_files : mapping of str to str, optional
        The files that may run code when they are loaded: the path of each in the model's folder,
        such as ``model.pkl``, and the SHA-256 hash of its content, or several hashes.
    trusted : None
        The parameter of former releases, which raises an error.

    Returns
    -------
    LoadedModel
        The model, with its card if holdfast wrote the file.

    Raises
    ------
    UntrustedModelError
        When loading could run code that is not trusted. The message says what to pass.
    InvalidInputError
        When the address names no model, or the model is not a whole MLflow model.
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
    trust = Trust.of(trusted_types, trusted_files, trusted)
    at = resolve(address) if isinstance(address, str) else address
    with temporary_folder() as folder:
        with addressed(Path(folder), at.address), asking(f"downloading {at.address}", UNCHANGED):
            files = mlflow_module().artifacts.download_artifacts(at.uri, dst_path=folder)
        return load_folder(Path(files), address=at.address, trust=trust)


def log_model(
    path: str | os.PathLike[str], *, name: str = "model", register_as: str | None = None
) -> str:
    """Log a model file, e.g. one of ``holdfast train``, to MLflow's current experiment and run.

    Parameters
    ----------
    path : path-like
        A file that `load_model` reads without running code: ``.skops``, ``.onnx`` or
        ``.safetensors``. It is stored unchanged.
    name : str
        The name of the model in its run.
    register_as : str, optional
        The registered model that gets a new version. It is created if it does not exist.

    Returns
    -------
    str
        The address of the version, or ``models:/m-<id>`` if the model is not registered.

    Raises
    ------
    InvalidInputError
        When the file is missing or of another kind.
    RegistryError
        When the registry does not answer, or refuses the model.

    Notes
    -----
    ``mlflow.pyfunc.load_model`` can load the model too. The types inside the file that it shall
    trust are named in ``model_config={"trusted_types": [...]}``. MLflow hands no such names on for
    models that release 0.1.0 logged; `load_model` does.

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
    with asking(f"logging {source.name}", "the model may not be registered completely"):
        logged = models.Model.log(
            None, _Flavor, name=name, registered_model_name=register_as, file=source
        )
    version = logged.registered_model_version
    return logged.model_uri if version is None else f"models:/{register_as}/{version}"


class _Flavor:
    """Writes a model folder, in the form that MLflow calls."""

    @staticmethod
    def save_model(path: str, mlflow_model: Any, file: Path) -> None:
        import mlflow.pyfunc

        from holdfast.common.version import __version__

        Path(path).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, Path(path) / file.name)
        mlflow_model.add_flavor(FLAVOR, data=file.name, holdfast_version=__version__)
        mlflow.pyfunc.add_to_model(
            mlflow_model,
            loader_module="holdfast.registry",
            data=file.name,
            model_config={"trusted_types": []},
        )
        mlflow_model.save(str(Path(path) / "MLmodel"))


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> Any:
    """Load a model of `log_model`; ``mlflow.pyfunc`` calls the function of this name."""
    config = model_config or {}
    trust = Trust.of(config.get("trusted_types", ()), former=config.get("trusted") or None)
    return read_model(Path(path), trust).model
