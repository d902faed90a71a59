"""Reads and writes skops files, and decides which types in them are trusted."""

from __future__ import annotations

import io
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

from holdfast.common.files import file_hash
from holdfast.common.parameters import first_line
from holdfast.exceptions import InvalidInputError, UntrustedModelError
from holdfast.models.card import LoadedModel, checked_card
from holdfast.models.moved import with_present_names
from holdfast.models.proofs.graph import prove_objects
from holdfast.models.proofs.nodes import prove_states, types_to_trust
from holdfast.models.trust import types_wanted
from holdfast.rules import Argmax, BoundRule

FORMAT = "holdfast-model"
# Version 2 holds a model that answers by a rule, which releases that know version 1 would overlook.
WITHOUT_RULE, WITH_RULE = 1, 2

# A zip file can unpack to a thousand times its size. Weights do not; only very many zeros shrink to
# less than a hundredth, and `save_model` does not compress a model that would shrink so much.
MAX_UNPACKED = 2**30  # bytes
MAX_RATIO = 100

# Cached predictions are stored under the versions of these libraries. A model with types of other
# libraries may answer differently after an update of them, although its file is the same.
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


def write_skops(model: Any, path: Path, card: dict[str, Any]) -> None:
    """Write a model with its card as a skops file."""
    import skops.io

    from holdfast.common.version import __version__

    content = {
        "format": FORMAT,
        "format_version": WITH_RULE if _answers_by_rule(model) else WITHOUT_RULE,
        "holdfast": __version__,
        "model": _stored(model),
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


def _answers_by_rule(model: Any) -> bool:
    """Return whether a rule decides, and not the most probable class."""
    rule = getattr(getattr(model, "served_", model), "rule", None)
    return isinstance(rule, BoundRule) and not isinstance(rule.rule, Argmax)


def _stored(model: Any) -> Any:
    """Return a model without the rows of its fit; it still holds all that predicting needs."""
    without_rows = getattr(model, "without_rows", None)
    return model if without_rows is None else without_rows()


def read_skops(source: Path, trusted: tuple[str, ...]) -> LoadedModel:
    """Read a skops file; build only types that are proved harmless or named in `trusted`."""
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
        content, needed = _built(source, trusted)
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


def _built(source: Path, trusted: tuple[str, ...]) -> tuple[Any, set[str]]:
    """Return what a file holds, and its types beside plain values and those of scikit-learn."""
    from skops.io._audit import get_tree
    from skops.io._utils import read_schema

    renamed = with_present_names(source)
    with zipfile.ZipFile(source if renamed is None else io.BytesIO(renamed)) as archive:
        tree = get_tree(*read_schema(archive), trusted=None)
        unknown, needed = types_to_trust(tree), tree.get_unsafe_set()
    _refuse(source, sorted(name for name in unknown if not _is_trusted(name, trusted)))
    _refuse(source, sorted(prove_states(tree, trusted)))
    content = tree.construct()
    _refuse(source, sorted(prove_objects(content, trusted)))
    return content, needed


def _is_bomb(source: Path) -> bool:
    """Return whether a zip file unpacks to far more than its size."""
    with zipfile.ZipFile(source) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    return unpacked > max(MAX_UNPACKED, MAX_RATIO * source.stat().st_size)


def _is_trusted(name: str, trusted: tuple[str, ...]) -> bool:
    return name in trusted or _is_own_class(name)


def _is_own_class(name: str) -> bool:
    """Return whether `name` is a class that holdfast defines and does not merely import."""
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
    raise UntrustedModelError(
        f"{source} must hold trusted types only, got {', '.join(names)}; if you trust the "
        f"source of the file, pass {types_wanted(names)}"
    )


def _unpack(source: Path, content: Any, sha256: str | None) -> LoadedModel:
    if not isinstance(content, dict) or not _equals(content.get("format"), FORMAT):
        return LoadedModel(content, sha256=sha256)
    version = content.get("format_version")
    if not any(_equals(version, known) for known in (WITHOUT_RULE, WITH_RULE)):
        raise InvalidInputError(
            f"{source} must have format version {WITHOUT_RULE} or {WITH_RULE}, got "
            f"{version!r}, written by holdfast {content.get('holdfast')}; "
            "install that release"
        )
    card = checked_card(source, content.get("card", {}))
    return LoadedModel(content.get("model"), card, sha256)


def _equals(value: Any, expected: str | int) -> bool:
    return type(value) is type(expected) and bool(value == expected)
