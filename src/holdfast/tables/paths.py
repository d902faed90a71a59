"""The files that belong to the path of a table: a file, a folder or a pattern."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from holdfast.exceptions import InvalidInputError

__all__ = ["TABLE_SUFFIXES", "files_of"]

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
TABLE_SUFFIXES = (".parquet", *CSV_SUFFIXES, *ARROW_SUFFIXES)


def files_of(path: Path) -> tuple[list[Path], Path | None]:
    """Return the files of a path, and the folder below which `key=value` folders are columns.

    Parameters
    ----------
    path : Path
        A file, a folder or a pattern.

    Returns
    -------
    tuple of (list of Path, Path or None)
        The files. Then the folder, or None if `path` is a single file.

    Raises
    ------
    InvalidInputError
        When there are no table files at `path`, or files of several kinds.
    """
    if path.is_file():
        return [path], None
    if path.is_dir():
        inside = [file for file in path.rglob("*") if file.is_file() and not _hidden(file, path)]
        files, root = sorted(file for file in inside if _known(file)), path
    elif any(character in str(path) for character in "*?["):
        root = Path(*takewhile(lambda part: not re.search(r"[*?[]", part), path.parts))
        pattern = str(path.relative_to(root))
        inside = files = sorted(file for file in root.glob(pattern) if file.is_file())
    else:
        suffix_of(path)  # raises for a kind of file that cannot be read, the more helpful error
        raise InvalidInputError(f"path must be a table, got no file at {path}; check the path")
    if not files:
        kinds = sorted({file.suffix for file in inside})
        raise InvalidInputError(
            f"{path} must hold table files, got {', '.join(kinds) if kinds else 'no files'}; "
            f"give files that end in one of {', '.join(TABLE_SUFFIXES)}"
        )
    suffixes = sorted({suffix_of(file) for file in files})
    if len(suffixes) > 1 or suffixes[0] in ARROW_SUFFIXES:
        raise InvalidInputError(
            f"{path} must hold files of one kind, Parquet or CSV, got {', '.join(suffixes)}; "
            "name them by a pattern such as '*.parquet', or convert them"
        )
    return files, root


def _hidden(file: Path, root: Path) -> bool:
    """Return whether a file or a folder above it is not data by convention, such as _SUCCESS."""
    return any(part.startswith((".", "_")) for part in file.relative_to(root).parts)


def _known(path: Path) -> bool:
    return path.name.lower().endswith(TABLE_SUFFIXES)


def suffix_of(path: Path) -> str:
    """Return the suffix that names the kind of a table file, such as ".csv.gz"."""
    for suffix in sorted(TABLE_SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    raise InvalidInputError(
        f"path must end in one of {', '.join(TABLE_SUFFIXES)}, got {path.name!r}; "
        "convert or rename the file"
    )
