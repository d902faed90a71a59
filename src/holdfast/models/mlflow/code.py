"""Runs the code of a model folder with MLflow's own loader, where each file of it is trusted.

MLflow loads from a private copy that holds the trusted files alone, as they were hashed. A file
that is not trusted is not in the copy, so that nothing in ``MLmodel`` or in code can reach it.
"""

from __future__ import annotations

import hashlib
import os
import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from holdfast.common.files import temporary_folder
from holdfast.common.parameters import first_line
from holdfast.exceptions import HoldfastError, InvalidInputError, UntrustedModelError
from holdfast.models.trust import Trust, files_wanted

__all__ = ["addressed", "run_flavor"]

# Files that only describe the model. They are left out of the copy, unless MLmodel names them as
# something to load.
DESCRIPTIONS = (
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "constraints.txt",
    "input_example.json",
    "serving_input_example.json",
    "registered_model_meta",
)
# Settings that name no file to load: environments, origins, and values for the model's own code.
# Of `model_code_path`, MLflow takes the name of the file alone.
NOT_LOADED = ("env", "uri", "config", "model_code_path")
BLOCK = 2**20  # bytes that are copied at once
SHOWN = 3  # the most files that the sentence of an error lists


def run_flavor(
    module: str, folder: Path, flavors: dict[str, Any], address: str, trust: Trust
) -> Any:
    """Load a model with a module of MLflow, from copies of trusted files.

    Parameters
    ----------
    module : str
        The module of MLflow whose `load_model` is called.
    folder : Path
    flavors : dict
        The flavors in the file ``MLmodel``.
    address : str
        The address of the model, which messages name.
    trust : Trust
        All files of the folder but those that only describe it must be trusted, ``MLmodel`` too,
        since it can name any code that is installed.

    Raises
    ------
    UntrustedModelError
        When a file is not trusted with this content.
    InvalidInputError
        When the model cannot be loaded, or names files outside its folder.
    """
    named = set(_settings(flavors))
    _check_inside(folder, named, address)
    copy = temporary_folder()
    try:
        with addressed(Path(copy.name), address):
            hashes = dict(_copied(_files(folder, named, address), Path(copy.name)))
            _check_trusted(hashes, address, trust)
            model = _run(module, Path(copy.name), address)
    except BaseException:
        copy.cleanup()
        raise
    with suppress(TypeError):  # what cannot be referred to weakly is no model
        weakref.finalize(model, copy.cleanup)  # some models read files when they predict
    return model


@contextmanager
def addressed(folder: Path, address: str) -> Iterator[None]:
    """Name a temporary folder by the model's address in the errors of holdfast."""
    try:
        yield
    except HoldfastError as error:
        text = str(error)
        for place in (folder.resolve(), folder.absolute()):
            text = re.sub(rf"{re.escape(str(place))}(?![\w.-])", lambda _: address, text)
        error.args = (text,)
        raise


def _settings(value: Any) -> Iterator[str]:
    """Yield every text in the flavors that may name a file to load."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in NOT_LOADED:
                yield from _settings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _settings(inner)
    elif isinstance(value, str):
        yield os.path.normpath(value)


def _check_inside(folder: Path, named: set[str], address: str) -> None:
    for name in sorted(named):
        place = os.path.normpath(folder.absolute() / name)
        if not Path(place).is_relative_to(folder.absolute()) and os.path.exists(place):
            raise InvalidInputError(
                f"{address} must hold every file that its MLmodel names, got {name!r}, which lies "
                "outside its folder; log the model again"
            )


def _files(folder: Path, named: set[str], address: str) -> dict[str, Path]:
    """Return the files that loading may reach, by their path in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or (name in DESCRIPTIONS and name not in named):
            continue
        if not name.isprintable() or not path.resolve().is_relative_to(folder.resolve()):
            raise InvalidInputError(
                f"{address} must hold files with printable names that lie in its folder, got "
                f"{name!r}; log the model again"
            )
        found[name] = path
    return found


def _copied(files: Mapping[str, Path], target: Path) -> Iterator[tuple[str, str]]:
    """Copy files, and yield the path and the SHA-256 hash of each copy."""
    for name, path in files.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("rb") as read, copy.open("xb") as written:
            while block := read.read(BLOCK):
                digest.update(block)
                written.write(block)
        yield name, digest.hexdigest()


def _check_trusted(hashes: Mapping[str, str], address: str, trust: Trust) -> None:
    missing = {name: sha for name, sha in hashes.items() if not trust.covers([name], sha)}
    if not missing:
        return
    listed = ", ".join(name + trust.other_content([name]) for name in list(missing)[:SHOWN])
    more = f" and {len(missing) - SHOWN} more files" if len(missing) > SHOWN else ""
    raise UntrustedModelError(
        f"{address} must be a model without code, got {listed}{more}, which can run any code when "
        f"it is loaded; if you trust its source, pass {files_wanted(missing)}, or log it without a "
        "pickle, e.g. with holdfast.registry.log_model"
    )


def _run(module: str, folder: Path, address: str) -> Any:
    try:
        return import_module(module).load_model(str(folder))
    except Exception as error:  # other people's code can fail in any way
        raise InvalidInputError(
            f"{address} must be a whole model of this environment, got: {first_line(error)}; log "
            "it again, or install what it needs"
        ) from error
