"""Model files: written with skops or safetensors, read without running the file's code.

A model file holds the fitted model and its *card*, a dictionary of plain values that says where the
model comes from. Reading it builds only types that are known to be harmless or that the caller
names; a pickle, which can run any code when it is read, is refused unless its file is named. ONNX
files of other libraries, and addresses of a model registry, are read too.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from holdfast.common.arrays import first_line, require
from holdfast.common.files import file_hash, replace_file
from holdfast.exceptions import InvalidInputError, UntrustedModelError

__all__ = ["LoadedModel", "as_loaded", "load_model", "save_model"]

FORMAT = "holdfast-model"
FORMAT_VERSION = 1
ADDRESSES = ("models:/", "runs:/")
PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib")
# Protocol 2 and later: one opcode, then the protocol's number.
PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))

# Fitted parts of scikit-learn that skops does not list although they only hold values: objects
# whose attributes are arrays, numbers or estimators, which are checked in their turn.
# Trees and neighbour indexes are left out on purpose: their arrays are followed in compiled code
# without bounds checks, so a crafted file could crash the process or read foreign memory. Whoever
# trusts the source of such a file names them.
HARMLESS_TYPES = (
    "numpy.dtype",  # ColumnTransformer with SimpleImputer
    *(  # LowChurnClassifier with the name of a file as its base model
        f"{module}.{kind}"
        for module in ("pathlib", "pathlib._local")
        for kind in ("PosixPath", "WindowsPath")
    ),
    "sklearn.calibration._CalibratedClassifier",  # CalibratedClassifierCV
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer._RemainderColsList",  # ColumnTransformer, older releases
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",  # MLPClassifier
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._bunch.Bunch",  # VotingClassifier, StackingClassifier, metadata routing
)
# A zip file can claim to unpack to a thousand times its size. Weights do not: only very many zeros
# shrink to less than a hundredth, and `save_model` does not compress a model that would.
MAX_UNPACKED = 2**30
MAX_RATIO = 100
# Libraries whose releases are part of what predictions are kept under; types of other libraries may
# answer otherwise tomorrow, though the file is the same.
REPEATABLE_LIBRARIES = (
    "catboost",
    "holdfast",
    "lightgbm",
    "numpy",
    "pathlib",
    "scipy",
    "sklearn",
    "xgboost",
)
UNCHECKED_INDEXES = (
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)


@dataclass(frozen=True)
class LoadedModel:
    """A model read from a file.

    Attributes
    ----------
    model : object
        Has `predict`.
    card : dict
        What `save_model` was given; empty for files that holdfast did not write.
    sha256 : str or None
        Of the file, under which its predictions for training rows are kept; None where the file
        alone does not decide what the model answers, as a pickle does not.
    """

    model: Any
    card: dict[str, Any] = field(default_factory=dict)
    sha256: str | None = None


def save_model(
    model: Any, path: str | os.PathLike[str], *, card: Mapping[str, Any] | None = None
) -> None:
    """Write a fitted model to a `.skops` or `.safetensors` file, whole or not at all.

    Parameters
    ----------
    model : object
        A fitted estimator with `predict`; for `.safetensors` a `NetworkClassifier` of one of
        `holdfast.nn`'s architectures. That file holds what predicting needs, not how the network
        was trained.
    path : path-like
        The file, which ends in `.skops` or `.safetensors`; an existing one is replaced.
    card : mapping, optional
        Plain values (what JSON can hold) that describe the model: data, date, measures.

    Raises
    ------
    InvalidInputError
        When `model` has no `predict` or cannot be stored, `card` has other values, or `path` has
        another extension or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.dummy import DummyClassifier
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.skops"
    >>> save_model(DummyClassifier().fit([[0], [1]], [0, 0]), path, card={"rows": 2})
    >>> load_model(path).card
    {'rows': 2}
    """
    target = Path(path)
    if target.suffix.lower() not in (".skops", ".safetensors"):
        raise InvalidInputError(
            f"path must end in .skops or .safetensors, got {target.name!r}; name the file "
            f"{target.with_suffix('.skops').name!r}"
        )
    _check_model(model, "model")
    write = _write_network if target.suffix.lower() == ".safetensors" else _write_skops
    with replace_file(target) as temporary:
        write(model, temporary, _plain(card))


def _write_network(model: Any, path: Path, card: dict[str, Any]) -> None:
    require("safetensors", extra="torch", purpose="a .safetensors file")
    from holdfast.nn.storage import write_network

    write_network(model, path, card)


def _write_skops(model: Any, path: Path, card: dict[str, Any]) -> None:
    import skops.io

    from holdfast import __version__

    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "holdfast": __version__,
        "model": model,
        "card": card,
    }
    try:
        skops.io.dump(content, path, compression=zipfile.ZIP_DEFLATED)
        if _is_bomb(path):
            skops.io.dump(content, path, compression=zipfile.ZIP_STORED)
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InvalidInputError(
            f"model must be storable without pickle, got a {type(model).__name__} that is "
            f"not: {first_line(error)}; replace the part that skops cannot write"
        ) from error


def load_model(path: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> LoadedModel:
    """Read a model file; types that are not known to be harmless must be named.

    Parameters
    ----------
    path : path-like
        A file of `save_model`, another skops file that holds an estimator, an ONNX file (`.onnx`,
        see `holdfast.models.onnx.model.OnnxModel`), or a pickle. Or an address in an MLflow
        registry:
        ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``, ``runs:/ID/PATH``.
    trusted : sequence of str
        Names of further types that may be built (the error lists those that are needed), and of
        pickle files (path or file name) that may be loaded. Loading a pickle runs whatever its
        author put there; name only files from a source that you trust.

    Returns
    -------
    LoadedModel

    Raises
    ------
    UntrustedModelError
        When the file needs types that are not trusted, or is a pickle that is not named.
    InvalidInputError
        When the file is missing, cut short, of another kind, or holds no model.
    MissingExtraError
        Without the library that reads such a file.

    Notes
    -----
    Classes that holdfast defines are trusted, functions are not. scikit-learn warns
    (`InconsistentVersionWarning`) when an estimator was stored by another of its releases.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.skops"
    >>> save_model(DecisionTreeClassifier().fit([[0], [1]], ["a", "b"]), path)
    >>> load_model(path, trusted=["sklearn.tree._tree.Tree"]).model.predict([[1]])
    array(['b'], dtype='<U1')
    """
    names = (trusted,) if isinstance(trusted, str) else tuple(trusted)
    if str(path).startswith(ADDRESSES):
        # The registry reads what it has fetched with this function, and so is below this module.
        return import_module("holdfast.registry").load_registered(str(path), trusted=names)
    source = Path(path)
    start = _first_bytes(source)
    suffix = source.suffix.lower()
    if suffix == ".onnx":
        loaded = _load_onnx(source)
    elif suffix == ".safetensors":  # begins with a number, which may look like a pickle's start
        loaded = _load_network(source)
    elif suffix in PICKLE_SUFFIXES or start.startswith(PICKLE_STARTS):
        loaded = LoadedModel(_load_pickle(source, names))
    elif start.startswith(b"PK"):
        loaded = _load_skops(source, names)
    else:
        raise InvalidInputError(
            f"{source} must be a model file, got a file that is neither skops, .onnx, .safetensors "
            "nor a pickle; write it with holdfast.save_model"
        )
    _check_model(loaded.model, str(source))
    return loaded


def as_loaded(model: Any) -> LoadedModel:
    """Return a model with what is known of its file, which is read where one is named.

    Parameters
    ----------
    model : str, path-like, LoadedModel or object
        A file or address as for `load_model`, what that returned, or a model as it is.
    """
    if isinstance(model, LoadedModel):
        return model
    if isinstance(model, (str, os.PathLike)):
        return load_model(model)
    return LoadedModel(model)


def _load_onnx(source: Path) -> LoadedModel:
    import numpy as np

    from holdfast.models.onnx.model import OnnxModel

    content = np.fromfile(source, dtype=np.uint8)
    try:
        return LoadedModel(OnnxModel(content), sha256=hashlib.sha256(content.data).hexdigest())
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from error


def _load_network(source: Path) -> LoadedModel:
    require("safetensors", extra="torch", purpose="a .safetensors file")
    from holdfast.nn.storage import read_network

    network, card = read_network(source)
    return LoadedModel(network, _checked_card(source, card), file_hash(source))


def _check_model(model: Any, name: str) -> None:
    if not callable(getattr(model, "predict", None)) or isinstance(model, type):
        raise InvalidInputError(
            f"{name} must be a fitted model with predict, got {type(model).__name__}; "
            "give the estimator itself"
        )


def _plain(card: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(card or {})))
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"card must hold plain values, got: {first_line(error)}; convert arrays with tolist() "
            "and dates with isoformat()"
        ) from error


def _first_bytes(source: Path) -> bytes:
    if source.is_dir():
        raise InvalidInputError(f"path must be a model file, got the folder {source}; name a file")
    try:
        with source.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise InvalidInputError(
            f"path must be a readable model file, got {source}: {error.strerror}; check the path"
        ) from error


def _load_pickle(source: Path, trusted: tuple[str, ...]) -> Any:
    if source.name not in trusted and str(source) not in trusted:
        raise UntrustedModelError(
            f"{source} is a pickle, which can run any code when it is loaded; if you trust its "
            f"source, pass trusted=[{source.name!r}] (on the command line: --trusted "
            f"{source.name}), then store it with holdfast.save_model"
        )
    import joblib

    try:
        return joblib.load(source)
    except Exception as error:  # a damaged pickle can fail in any way
        raise InvalidInputError(
            f"{source} must be a whole pickle of this environment, got: {first_line(error)}; "
            "write it again, or install what it needs"
        ) from error


def _load_skops(source: Path, trusted: tuple[str, ...]) -> LoadedModel:
    import skops.io

    try:
        with zipfile.ZipFile(source) as archive:
            if "schema.json" not in archive.namelist():
                raise InvalidInputError(
                    f"{source} must be a model file, got a zip file of something else; "
                    "write it with holdfast.save_model"
                )
        if _is_bomb(source):
            raise InvalidInputError(
                f"{source} must unpack to at most {MAX_UNPACKED >> 20} MB or {MAX_RATIO} times its "
                "size, got a file that unpacks to more, as zip bombs do; if you trust its source, "
                "have it written again with holdfast.save_model"
            )
        needed = skops.io.get_untrusted_types(file=source)
        allowed = [name for name in needed if _is_trusted(name, trusted)]
        _refuse(source, sorted(set(needed) - set(allowed)))
        content = skops.io.load(source, trusted=allowed)
    except (InvalidInputError, UntrustedModelError):
        raise
    except ImportError as error:
        raise InvalidInputError(
            f"{source} must hold a model of installed libraries, got: {first_line(error)}; "
            "install the library and release that the model was trained with"
        ) from error
    except Exception as error:  # a damaged or crafted file can fail in any way
        raise InvalidInputError(
            f"{source} must be a whole model file, got one that is cut short or damaged "
            f"({first_line(error)}); copy or write it again"
        ) from error
    repeatable = all(name.partition(".")[0] in REPEATABLE_LIBRARIES for name in needed)
    return _unpack(source, content, file_hash(source) if repeatable else None)


def _is_bomb(source: Path) -> bool:
    """Whether a zip file unpacks to absurdly more than its size."""
    with zipfile.ZipFile(source) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    return unpacked > max(MAX_UNPACKED, MAX_RATIO * source.stat().st_size)


def _is_trusted(name: str, trusted: tuple[str, ...]) -> bool:
    return name in trusted or name in HARMLESS_TYPES or _is_own_class(name)


def _is_own_class(name: str) -> bool:
    """Whether `name` is a class that holdfast defines; what it merely imports does not count."""
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] != "holdfast":
        return False
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__.partition(".")[0] == "holdfast"


def _refuse(source: Path, names: list[str]) -> None:
    if not names:
        return
    flags = " ".join(f"--trusted {name}" for name in names)
    reason = (
        " (a crafted tree can crash the process when it predicts)"
        if set(names) & set(UNCHECKED_INDEXES)
        else ""
    )
    raise UntrustedModelError(
        f"{source} must hold trusted types only, got {', '.join(names)}{reason}; if you trust the "
        f"source of the file, pass trusted={names!r} (on the command line: {flags})"
    )


def _unpack(source: Path, content: Any, sha256: str | None) -> LoadedModel:
    if not isinstance(content, dict) or not _equals(content.get("format"), FORMAT):
        return LoadedModel(content, sha256=sha256)
    if not _equals(content.get("format_version"), FORMAT_VERSION):
        raise InvalidInputError(
            f"{source} must have format version {FORMAT_VERSION}, got "
            f"{content.get('format_version')!r}, written by holdfast {content.get('holdfast')}; "
            "install that release"
        )
    card = _checked_card(source, content.get("card", {}))
    return LoadedModel(content.get("model"), card, sha256)


def _checked_card(source: Path, card: Any) -> dict[str, Any]:
    if not _is_card(card):
        raise InvalidInputError(
            f"{source} must have a card that is a dictionary, with `features` a list of text and "
            "`target` and `learner` text where they are given, got another; write the file with "
            "holdfast.save_model"
        )
    return card


def _equals(value: Any, expected: str | int) -> bool:
    return type(value) is type(expected) and bool(value == expected)


def _is_card(card: Any) -> bool:
    if not isinstance(card, dict):
        return False
    features = card.get("features", [])
    return (
        isinstance(features, list)
        and all(isinstance(feature, str) for feature in features)
        and all(isinstance(card.get(key), (str, type(None))) for key in ("target", "learner"))
    )
