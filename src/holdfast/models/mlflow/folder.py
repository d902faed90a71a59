"""Reads a downloaded MLflow model folder, without running code from it.

The file ``MLmodel`` of the folder names the files that hold the model, in one or more *flavors*. A
file that holds only numbers is read by the library that wrote it. All other models are pickles or
name Python code to import, so they can run any code when they are loaded. They are refused unless
the caller names them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from holdfast.common.parameters import first_line, require
from holdfast.exceptions import HoldfastError, InvalidInputError, UntrustedModelError
from holdfast.models.card import LoadedModel
from holdfast.models.files import read_model
from holdfast.models.proofs.claims import UnprovenError
from holdfast.models.proofs.lightgbm_text import prove_text
from holdfast.models.proofs.xgboost_model import prove_content

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FLAVOR", "PLAIN_SUFFIXES", "load_folder"]

FLAVOR = "holdfast"

# The setting of each flavor that names the file of the model. The first flavor found is used.
_FILES = {
    FLAVOR: "data",
    "sklearn": "pickled_model",
    "lightgbm": "data",
    "xgboost": "data",
    "catboost": "data",
    "onnx": "data",
}
# The files that `load_model` reads without running code.
PLAIN_SUFFIXES = (".skops", ".onnx", ".safetensors")
# Files that only describe the model, and so need no trust.
_DESCRIPTIONS = (
    "MLmodel",
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "input_example.json",
    "serving_input_example.json",
    "registered_model_meta",
)
# The columns in which models answer beside their scores: H2O, Transformers, PyCaret and others.
_ANSWERS = ("prediction", "predict", "label", "prediction_label")
_SHOWN = 3  # the most files that an error lists


def load_folder(folder: Path, *, address: str, trusted: Sequence[str] = ()) -> LoadedModel:
    """Read the model of an MLflow model folder.

    Parameters
    ----------
    folder : Path
        The folder with the file ``MLmodel``.
    address : str
        The address of the model, which messages name. If it is in `trusted`, all files of the
        folder are trusted.
    trusted : sequence of str
        The files of the folder that may run code when they are loaded, and the types inside a skops
        file that may be built.

    Returns
    -------
    LoadedModel
        The model. Its card has the names of the features, if the model or its signature has them.

    Raises
    ------
    UntrustedModelError
        When loading could run code that is not named as trusted.
    InvalidInputError
        When the folder does not hold a whole MLflow model.
    """
    described = _described(folder, address)
    loaded = _loaded(folder, described["flavors"], address, tuple(trusted))
    if not callable(getattr(loaded.model, "predict", None)):
        raise InvalidInputError(
            f"{address} must be a fitted model with predict, got {type(loaded.model).__name__}; "
            "log the classifier itself"
        )
    return _with_features(loaded, described)


def _loaded(
    folder: Path, flavors: dict[str, Any], address: str, trusted: tuple[str, ...]
) -> LoadedModel:
    for flavor, key in _FILES.items():
        settings = flavors.get(flavor)
        if not isinstance(settings, dict):
            continue
        path = _inside(folder, settings.get(key), address)
        if path.suffix.lower() in PLAIN_SUFFIXES:
            return read_model(path, trusted)
        reader = _reader(flavor, path, settings)
        if reader is not None and _is_proved(flavor, path, address):
            return LoadedModel(_read(reader, path, address))
        _check_trusted(folder, address, trusted)
        return LoadedModel(_run(f"mlflow.{flavor}", folder, address))
    _check_trusted(folder, address, trusted)
    return LoadedModel(_PythonFunction(_run("mlflow.pyfunc", folder, address)))


def _described(folder: Path, address: str) -> dict[str, Any]:
    yaml = require("yaml", extra="mlflow", purpose="reading an MLflow model")
    try:
        described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(
            f"{address} must be an MLflow model, got files without an MLmodel; log it with "
            "holdfast.registry.log_model or MLflow's own log_model"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"{address} must have an MLmodel file that is YAML, got: {first_line(error)}; log the "
            "model again"
        ) from error
    if not isinstance(described, dict) or not isinstance(described.get("flavors"), dict):
        raise InvalidInputError(
            f"{address} must have an MLmodel file with flavors, got none; log the model again"
        )
    return described


def _inside(folder: Path, name: Any, address: str) -> Path:
    """Return a file that MLmodel names; after following links it must lie in the folder."""
    path = (folder / str(name)).resolve()
    if name is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise InvalidInputError(
            f"{address} must hold the file that its MLmodel names, got {name!r}, which is not "
            "there; log the model again"
        )
    return path


# --- files that hold numbers only -----------------------------------------------------------------


def _reader(flavor: str, path: Path, settings: dict[str, Any]) -> Callable[[Path], Any] | None:
    """Return the function that reads such a file, or None if the file may hold code."""
    suffix = path.suffix.lower()
    if flavor == "lightgbm" and suffix in (".lgb", ".txt"):
        return _read_lightgbm
    if flavor == "xgboost" and suffix in (".json", ".ubj"):
        is_classifier = str(settings.get("model_class")).endswith(".XGBClassifier")
        return _read_xgboost_classifier if is_classifier else _read_xgboost
    return None


def _is_proved(flavor: str, path: Path, address: str) -> bool:
    """Return whether a booster is proved to stay inside its arrays; raise if it does not."""
    try:
        if flavor == "lightgbm":
            prove_text(path.read_text(encoding="utf-8"))
        else:
            prove_content(path.read_bytes())
    except UnprovenError:
        return False
    except (ValueError, AttributeError, LookupError, OverflowError, TypeError) as error:
        raise _unreadable(path, address, error) from error
    return True


def _read(reader: Callable[[Path], Any], path: Path, address: str) -> Any:
    try:
        return reader(path)
    except HoldfastError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise _unreadable(path, address, error) from error


def _unreadable(path: Path, address: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"{address} must hold a whole model, got {path.name}, which cannot be read "
        f"({first_line(error)}); log the model again"
    )


def _read_lightgbm(path: Path) -> Any:
    lightgbm = require("lightgbm", extra="lightgbm", purpose="this model")
    return lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))


def _read_xgboost(path: Path) -> Any:
    xgboost = require("xgboost", extra="xgboost", purpose="this model")
    return xgboost.Booster(model_file=str(path))


def _read_xgboost_classifier(path: Path) -> Any:
    model = require("xgboost", extra="xgboost", purpose="this model").XGBClassifier()
    model.load_model(path)
    return model


# --- files that can run code ----------------------------------------------------------------------


def _check_trusted(folder: Path, address: str, trusted: Sequence[str]) -> None:
    """Raise unless the address, or every file that is more than a description, is trusted."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in files]
    risky = [name for name in names if name not in _DESCRIPTIONS]
    unnamed = [name for name in risky if not {name, name.rpartition("/")[2]} & set(trusted)]
    if address in trusted or (risky and not unnamed):
        return
    listed = ", ".join(unnamed[:_SHOWN]) or "a reference to code alone"
    more = f" and {len(unnamed) - _SHOWN} more files" if len(unnamed) > _SHOWN else ""
    named, flags = [address], f"--trusted {address}"
    if unnamed and not more:
        named = unnamed
        flags = f"{' '.join(f'--trusted {name}' for name in unnamed)}, or {flags} for all of it"
    raise UntrustedModelError(
        f"{address} must be a model without code, got {listed}{more}, which can run any code when "
        f"it is loaded; if you trust its source, pass trusted={named!r} (on the command line: "
        f"{flags}), or log it without a pickle, e.g. with holdfast.registry.log_model"
    )


def _run(module: str, folder: Path, address: str) -> Any:
    try:
        return import_module(module).load_model(str(folder))
    except Exception as error:  # other people's code can fail in any way
        raise InvalidInputError(
            f"{address} must be a whole model of this environment, got: {first_line(error)}; log "
            "it again, or install what it needs"
        ) from error


class _PythonFunction:
    """A model that only MLflow can call; it answers with a class, or a number for each class."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def predict(self, X: Any) -> NDArray[Any]:
        """Return a class for each row.

        If there are several columns, one of them may be named as the answer. Otherwise they are
        scores, and the class is the name of the column with the largest one.
        """
        import pandas as pd

        answer = pd.DataFrame(self.function.predict(X))
        named = [name for name in _ANSWERS if name in answer.columns]
        if answer.shape[1] == 1 or named:
            return answer[named[0] if named else answer.columns[0]].to_numpy()
        if not all(pd.api.types.is_numeric_dtype(kind) for kind in answer.dtypes):
            raise InvalidInputError(
                "a model of MLflow must answer with a class, a column named 'prediction', or a "
                f"number for each class, got the columns {list(answer.columns)[:10]}; wrap it in a "
                "model that answers with classes"
            )
        return np.asarray(answer.columns)[answer.to_numpy().argmax(axis=1)]


# --- names of features ----------------------------------------------------------------------------


def _with_features(loaded: LoadedModel, described: dict[str, Any]) -> LoadedModel:
    """Add the features that the signature or the library's model names, if none are known."""
    model = loaded.model
    if "features" in loaded.card or len(getattr(model, "feature_names_in_", ())):
        return loaded
    names = _signature_features(described) or _booster_features(model)
    return LoadedModel(model, loaded.card | {"features": names}) if names else loaded


def _signature_features(described: dict[str, Any]) -> list[str]:
    signature = described.get("signature")
    try:
        inputs = json.loads(signature["inputs"]) if isinstance(signature, dict) else []
        return [str(column["name"]) for column in inputs]
    except (TypeError, KeyError, ValueError):  # the input is one tensor without names
        return []


def _booster_features(model: Any) -> list[str]:
    names = getattr(model, "feature_names_", None) or getattr(model, "feature_names", None)
    if names is None and callable(getattr(model, "feature_name", None)):
        names = model.feature_name()
    return [str(name) for name in names or ()]
