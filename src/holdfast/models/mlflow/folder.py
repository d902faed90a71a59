"""Reads a downloaded MLflow model folder, without running code from it unless it is trusted.

The file ``MLmodel`` of the folder names the files that hold the model, in one or more *flavors*. A
file that holds only numbers is read by the library that wrote it. A pickle runs the code that it
holds, and any other flavor names Python code to import; they are refused unless the caller trusts
the content of each file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.exceptions import InvalidInputError
from holdfast.models.card import LoadedModel
from holdfast.models.files import read_model, read_pickle
from holdfast.models.mlflow.boosters import is_proved, read_numbers, reader_of
from holdfast.models.mlflow.code import addressed, run_flavor
from holdfast.models.mlflow.description import inside, read_description, signature_features
from holdfast.models.mlflow.function import PythonFunction
from holdfast.models.trust import NOTHING, Trust

__all__ = ["FLAVOR", "PLAIN_SUFFIXES", "load_folder"]

FLAVOR = "holdfast"

# The setting of each flavor that names the file of the model. The first flavor found is used.
FILES = {
    FLAVOR: "data",
    "sklearn": "pickled_model",
    "lightgbm": "data",
    "xgboost": "data",
    "catboost": "data",
    "onnx": "data",
}
# The flavors whose other files are pickles.
PICKLED = ("sklearn", "lightgbm")
# The files that `load_model` reads without running code.
PLAIN_SUFFIXES = (".skops", ".onnx", ".safetensors")


def load_folder(folder: Path, *, address: str, trust: Trust = NOTHING) -> LoadedModel:
    """Read the model of an MLflow model folder.

    Parameters
    ----------
    folder : Path
        The folder with the file ``MLmodel``.
    address : str
        The address of the model, which messages name.
    trust : Trust
        The files of the folder that may run code, and the types inside a skops file that may be
        built.

    Returns
    -------
    LoadedModel
        The model. Its card has the names of the features, if the model or its signature has them.

    Raises
    ------
    UntrustedModelError
        When loading could run code that is not trusted.
    InvalidInputError
        When the folder does not hold a whole MLflow model.
    """
    with addressed(folder, address):
        described = read_description(folder, address)
        loaded = _loaded(folder, described["flavors"], address, trust)
    if not callable(getattr(loaded.model, "predict", None)):
        raise InvalidInputError(
            f"{address} must be a fitted model with predict, got {type(loaded.model).__name__}; "
            "log the classifier itself"
        )
    return _with_features(loaded, described)


def _loaded(folder: Path, flavors: dict[str, Any], address: str, trust: Trust) -> LoadedModel:
    for flavor, key in FILES.items():
        settings = flavors.get(flavor)
        if not isinstance(settings, dict):
            continue
        path = inside(folder, settings.get(key), address)
        names = (path.relative_to(folder.resolve()).as_posix(),)
        if flavor == FLAVOR or path.suffix.lower() in PLAIN_SUFFIXES:
            return read_model(path, trust, names=names)
        reader = reader_of(flavor, path, settings)
        if reader is not None and is_proved(flavor, path, address):
            return LoadedModel(read_numbers(reader, path, address))
        if flavor in PICKLED and not settings.get("code"):
            return LoadedModel(read_pickle(path, trust, names))
        return LoadedModel(run_flavor(f"mlflow.{flavor}", folder, flavors, address, trust))
    function = run_flavor("mlflow.pyfunc", folder, flavors, address, trust)
    return LoadedModel(PythonFunction(function))


# --- names of features ----------------------------------------------------------------------------


def _with_features(loaded: LoadedModel, described: dict[str, Any]) -> LoadedModel:
    """Add the features that the signature or the library's model names, if none are known."""
    model = loaded.model
    if "features" in loaded.card or len(getattr(model, "feature_names_in_", ())):
        return loaded
    names = signature_features(described) or _booster_features(model)
    return LoadedModel(model, loaded.card | {"features": names}) if names else loaded


def _booster_features(model: Any) -> list[str]:
    names = getattr(model, "feature_names_", None) or getattr(model, "feature_names", None)
    if names is None and callable(getattr(model, "feature_name", None)):
        names = model.feature_name()
    return [str(name) for name in names or ()]
