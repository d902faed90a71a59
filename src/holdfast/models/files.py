"""Writes model files, and reads them without running code from the file.

A model file holds a fitted model and its *card*, a dictionary of plain values that says where the
model comes from. Files are written with skops or safetensors. Reading builds only types that are
known to be harmless or that the caller names. A pickle can run any code when it is read, so it is
refused unless the caller trusts its content. ONNX files of other libraries are read too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.common.files import file_hash, replace_file
from holdfast.common.parameters import first_line, require
from holdfast.common.reading import check_ordinary
from holdfast.exceptions import InvalidInputError, UntrustedModelError
from holdfast.models.card import LoadedModel, checked_card
from holdfast.models.skops import read_skops, write_skops
from holdfast.models.trust import NOTHING, Trust, content_hash, files_wanted

__all__ = ["read_model", "read_pickle", "save_model"]

PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib")
# From protocol 2 on, a pickle begins with one opcode and the number of the protocol.
PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


def save_model(
    model: Any, path: str | os.PathLike[str], *, card: Mapping[str, Any] | None = None
) -> None:
    """Write a fitted model to a `.skops` or `.safetensors` file, whole or not at all.

    Parameters
    ----------
    model : object
        A fitted estimator with `predict`. For `.safetensors` it is a `NetworkClassifier` of one of
        the architectures of `holdfast.nn`; the file then holds all that predicting needs, but not
        how the network was trained.
    path : path-like
        A file that ends in `.skops` or `.safetensors`. An existing file is replaced.
    card : mapping, optional
        Values that JSON can hold and that describe the model, such as data, date and measures.

    Raises
    ------
    InvalidInputError
        When `model` has no `predict` or cannot be stored, `card` holds values that JSON cannot
        hold, or `path` has another extension or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from sklearn.dummy import DummyClassifier
    >>> from holdfast import load_model
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
    write = _write_network if target.suffix.lower() == ".safetensors" else write_skops
    with replace_file(target) as temporary:
        write(model, temporary, _checked_values(card))


def read_model(source: Path, trust: Trust = NOTHING, *, names: Sequence[str] = ()) -> LoadedModel:
    """Read a model file; for errors see `holdfast.load_model`.

    Parameters
    ----------
    source : Path
    trust : Trust
    names : sequence of str
        The names by which the file may be trusted, the one for messages first. By default they are
        the name of the file and its path.
    """
    names = names or (source.name, source.as_posix())
    start = _first_bytes(source)
    suffix = source.suffix.lower()
    if suffix == ".onnx":
        loaded = _read_onnx(source)
    elif suffix == ".safetensors":  # its first bytes may look like those of a pickle
        loaded = _read_network(source)
    elif suffix in PICKLE_SUFFIXES or start.startswith(PICKLE_STARTS):
        loaded = LoadedModel(read_pickle(source, trust, names))
    elif start.startswith(b"PK"):
        loaded = read_skops(source, trust.types)
    else:
        raise InvalidInputError(
            f"{source} must be a model file, got a file that is neither skops, .onnx, .safetensors "
            "nor a pickle; write it with holdfast.save_model"
        )
    _check_model(loaded.model, str(source))
    return loaded


def _write_network(model: Any, path: Path, card: dict[str, Any]) -> None:
    require("safetensors", extra="torch", purpose="a .safetensors file")
    from holdfast.nn.storage import write_network

    write_network(model, path, card)


def _read_onnx(source: Path) -> LoadedModel:
    import numpy as np

    from holdfast.models.onnx.model import OnnxModel

    content = np.fromfile(source, dtype=np.uint8)
    try:
        return LoadedModel(OnnxModel(content), sha256=hashlib.sha256(content.data).hexdigest())
    except InvalidInputError as error:
        raise InvalidInputError(f"{source}: {error}") from error


def _read_network(source: Path) -> LoadedModel:
    require("safetensors", extra="torch", purpose="a .safetensors file")
    from holdfast.nn.storage import read_network

    network, card = read_network(source)
    return LoadedModel(network, checked_card(source, card), file_hash(source))


def _check_model(model: Any, name: str) -> None:
    if not callable(getattr(model, "predict", None)) or isinstance(model, type):
        raise InvalidInputError(
            f"{name} must be a fitted model with predict, got {type(model).__name__}; "
            "give the estimator itself"
        )


def _checked_values(card: Mapping[str, Any] | None) -> dict[str, Any]:
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
        check_ordinary(source.stat().st_mode, source, "path")  # a pipe would block
        with source.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise InvalidInputError(
            f"path must be a readable model file, got {source}: {error.strerror}; check the path"
        ) from error


def read_pickle(source: Path, trust: Trust, names: Sequence[str]) -> Any:
    """Read a pickle whose content is trusted, from the very bytes that were hashed.

    Parameters
    ----------
    source : Path
    trust : Trust
    names : sequence of str
        The names by which the file may be trusted, the one for messages first.

    Raises
    ------
    UntrustedModelError
        When no file of that name and content is trusted.
    InvalidInputError
        When the file is damaged, or needs what is not installed.
    """
    content = source.read_bytes()
    sha256 = content_hash(content)
    if not trust.covers(names, sha256):
        raise UntrustedModelError(
            f"{source} must be trusted by its content, since it is a pickle"
            f"{trust.other_content(names)}, which can run any code when it is loaded; if you trust "
            f"its source, pass {files_wanted({names[0]: sha256})}, then store it with "
            "holdfast.save_model"
        )
    import joblib

    try:
        return joblib.load(io.BytesIO(content))
    except Exception as error:  # a damaged pickle can fail in any way
        raise InvalidInputError(
            f"{source} must be a whole pickle of this environment, got: {first_line(error)}; "
            "write it again, or install what it needs"
        ) from error
