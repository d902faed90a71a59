"""The files that belong to the path of a table: a file, a folder or a pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import Path

from holdfast.exceptions import InvalidInputError

__all__ = ["TABLE_SUFFIXES", "all_files", "files_of", "would_hold"]

CSV_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
TABLE_SUFFIXES = (".parquet", *CSV_SUFFIXES, *ARROW_SUFFIXES)


def files_of(path: Path) -> tuple[list[Path], Path | None]:
    """Return the files of a path, and the folder below which `key=value` folders are columns.

    Files whose name, or that of a folder below `path`, begins with a dot or an underscore are not
    data by convention, such as _SUCCESS and what a killed writer left. Folders and patterns leave
    them out; one that is named alone is read.

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
    root, pattern = _split(path)
    if not pattern:
        suffix_of(path)  # raises for a kind of file that cannot be read, the more helpful error
        raise InvalidInputError(f"path must be a table, got no file at {path}; check the path")
    found = _files_below(root, pattern)
    inside = [file for file in found if not _hidden(file, root)]
    files = sorted(file for file in inside if _known(file) or not path.is_dir())
    if not files:
        kinds = sorted({file.suffix for file in inside})
        others = "only hidden files, whose names begin with . or _" if found else "no files"
        raise InvalidInputError(
            f"{path} must hold table files, got {', '.join(kinds) if kinds else others}; "
            f"give files that end in one of {', '.join(TABLE_SUFFIXES)}"
        )
    suffixes = sorted({suffix_of(file) for file in files})
    if len(suffixes) > 1 or suffixes[0] in ARROW_SUFFIXES:
        raise InvalidInputError(
            f"{path} must hold files of one kind, Parquet or CSV, got {', '.join(suffixes)}; "
            "name them by a pattern such as '*.parquet', or convert them"
        )
    return files, root


def all_files(path: Path) -> list[Path]:
    """Return every file of a path, hidden or not and of any kind; `path` itself if it is neither.

    Parameters
    ----------
    path : Path
        A file, a folder, a pattern, or a name that is none of them.
    """
    root, pattern = _split(path)
    return _files_below(root, pattern) if pattern else [path]


def would_hold(path: Path, file: Path) -> bool:
    """Return whether a folder or a pattern reads a file as a table, once it is there.

    Parameters
    ----------
    path : Path
        A folder or a pattern; anything else holds no other file.
    file : Path
        The file, which need not exist.
    """
    root, pattern = _split(path)
    place, above = file.resolve(), root.resolve()
    if not pattern or not place.is_relative_to(above) or _hidden(place, above):
        return False
    return _matches(place.relative_to(above).parts, pattern) and _known(file)


def _split(path: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the folder above all files of a path, and the pattern below it, in parts."""
    if path.is_file():
        return path, ()
    if path.is_dir():
        return path, ("**", "*")
    plain = [*takewhile(lambda part: not re.search(r"[*?[]", part), path.parts)]
    return Path(*plain), path.parts[len(plain) :]


def _files_below(root: Path, pattern: Sequence[str]) -> list[Path]:
    return [file for file in root.glob("/".join(pattern)) if file.is_file()]


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the parts of a path match those of a pattern, as in `Path.glob`."""
    if not pattern:
        return not parts
    first, *rest = pattern
    if first == "**":
        return any(_matches(parts[i:], rest) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], first) and _matches(parts[1:], rest)


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
