"""Reads the file ``MLmodel`` of a model folder, which a stranger may have written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from holdfast.common.parameters import first_line, require
from holdfast.common.reading import MEGABYTE, read_whole
from holdfast.exceptions import InvalidInputError

__all__ = ["DESCRIPTION", "inside", "read_description", "signature_features"]

DESCRIPTION = "MLmodel"
# Bounds far beyond those of any model: aliases of YAML can stand for billions of values, and deep
# nesting overflows the stack of those who walk through it.
MAX_BYTES = 8 * MEGABYTE
MAX_VALUES = 100_000
MAX_LEVELS = 50


def read_description(folder: Path, address: str) -> dict[str, Any]:
    """Return the content of the file ``MLmodel``.

    Parameters
    ----------
    folder : Path
    address : str
        The address of the model, which messages name.

    Raises
    ------
    InvalidInputError
        When the file is missing, is no YAML, is too large once its aliases are written out, or
        names no flavors.
    """
    yaml = require("yaml", extra="mlflow", purpose="reading an MLflow model")
    if not os.path.lexists(folder / DESCRIPTION):
        raise InvalidInputError(
            f"{address} must be an MLflow model, got files without an MLmodel; log it with "
            "holdfast.registry.log_model or MLflow's own log_model"
        )
    path = inside(folder, DESCRIPTION, address)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = read_whole(path, f"the MLmodel of {address}", limit=MAX_BYTES).decode("utf-8")
        _check_size(yaml, yaml.parse(text, Loader=loader))
        described = yaml.load(text, Loader=loader)
    except InvalidInputError:
        raise
    except Exception as error:  # values such as dates can fail in other ways than YAML's own
        raise InvalidInputError(
            f"{address} must have an MLmodel file that is YAML, got: {first_line(error)}; log the "
            "model again"
        ) from error
    if not isinstance(described, dict) or not isinstance(described.get("flavors"), dict):
        raise InvalidInputError(
            f"{address} must have an MLmodel file with flavors, got none; log the model again"
        )
    return described


def _check_size(yaml: Any, events: Iterable[Any]) -> None:
    """Raise ValueError for more values or levels than any model has, before they are built."""
    sizes: dict[str, int] = {}  # of each anchor, with its aliases written out
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in events:
        if len(open_nodes) > MAX_LEVELS or open_nodes[-1][1] > MAX_VALUES:
            raise ValueError(f"more than {MAX_LEVELS} levels or {MAX_VALUES:,} values")
        anchor, size = getattr(event, "anchor", None), 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((anchor, 1))
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(str(anchor), 0)
            if size == 0:
                raise ValueError(f"the alias {anchor!r}, which stands for nothing or for itself")
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        if anchor is not None:
            sizes[anchor] = size
        outer, others = open_nodes.pop()
        open_nodes.append((outer, others + size))


def inside(folder: Path, name: Any, address: str) -> Path:
    """Return a file that MLmodel names; after following links it must lie in the folder."""
    try:
        path = (folder / str(name)).resolve()
        found = path.is_relative_to(folder.resolve()) and path.is_file()
        found = found and path.relative_to(folder.resolve()).as_posix().isprintable()
    except (OSError, ValueError, RuntimeError):  # too long, not a name, or links in a circle
        found = False
    if not isinstance(name, str) or not found:
        raise InvalidInputError(
            f"{address} must hold the file that its MLmodel names, got {name!r:.200}, which is not "
            "there; log the model again"
        )
    return path


def signature_features(described: dict[str, Any]) -> list[str]:
    """Return the names of the inputs in the signature; none where the input is one tensor."""
    signature = described.get("signature")
    try:
        inputs = json.loads(signature["inputs"]) if isinstance(signature, dict) else []
        return [str(column["name"]) for column in inputs]
    except (TypeError, KeyError, ValueError, RecursionError):
        return []
