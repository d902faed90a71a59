"""Data sets in the folder that the environment variable HOLDFAST_DATA names."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.common.files import file_hash
from holdfast.common.reading import MEGABYTE, read_whole
from holdfast.exceptions import InvalidInputError

__all__ = ["DATA_VARIABLE", "FolderEntry", "checked_hash", "read_manifest"]

DATA_VARIABLE = "HOLDFAST_DATA"


@dataclass(frozen=True)
class FolderEntry:
    """A data set of the folder.

    Attributes
    ----------
    facts : dict
        What the manifest says about the data set.
    files : dict of Path to str
        Its files with the SHA-256 that each must have.
    """

    facts: dict[str, Any]
    files: dict[Path, str]


def read_manifest() -> dict[str, FolderEntry]:
    """Return the data sets of HOLDFAST_DATA by name, if all their files are there.

    Raises
    ------
    InvalidInputError
        When the variable is set but does not name a folder with a readable manifest.
    """
    if not os.environ.get(DATA_VARIABLE):
        return {}
    folder = Path(os.environ[DATA_VARIABLE])
    entries: dict[str, FolderEntry] = {}
    try:
        content = json.loads(
            read_whole(folder / "MANIFEST.json", "the manifest", limit=64 * MEGABYTE)
        )
        for facts in content["datasets"]:
            if facts["file"].endswith((".parquet", ".npz")):
                entry = entries.setdefault(facts["name"], FolderEntry(facts, {}))
                entry.files[folder / facts["file"]] = facts["sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInputError(
            f"{DATA_VARIABLE} must name a folder with a MANIFEST.json that lists its data sets, "
            f"got {folder} ({type(error).__name__}: {error}); correct or unset the variable, "
            "or load a file by its path"
        ) from error
    return {name: e for name, e in entries.items() if all(path.is_file() for path in e.files)}


def checked_hash(entry: FolderEntry) -> str:
    """Check the files against the manifest and return their SHA-256.

    The hash of several files is that of their hashes.

    Raises
    ------
    InvalidInputError
        When a file is not the one that the manifest describes.
    """
    for path, expected in entry.files.items():
        sha256 = file_hash(path)
        if sha256 != expected:
            raise InvalidInputError(
                f"{path} must have the SHA-256 of its manifest, {expected}, got {sha256}; "
                "copy the file again"
            )
    hashes = [entry.files[path] for path in sorted(entry.files)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
