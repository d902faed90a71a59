"""Which files a path of a table names."""

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
    """Return the files of a path, and the folder below which `key=value` folders are columns."""
    if path.is_file():
        return [path], None
    if path.is_dir():
        found, root = [p for p in path.rglob("*") if p.is_file() and not _hidden(p, path)], path
        files = sorted(file for file in found if _known(file))
    elif any(character in str(path) for character in "*?["):
        root = Path(*takewhile(lambda part: not re.search(r"[*?[]", part), path.parts))
        pattern = str(path.relative_to(root))
        found = files = sorted(file for file in root.glob(pattern) if file.is_file())
    else:
        suffix_of(path)  # a kind that cannot be read is the first thing to say
        raise InvalidInputError(f"path must be a table, got no file at {path}; check the path")
    if not files:
        kinds = sorted({file.suffix for file in found})
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
    """Whether a file or a folder above it is no data by convention, such as _SUCCESS."""
    return any(part.startswith((".", "_")) for part in file.relative_to(root).parts)


def _known(path: Path) -> bool:
    return path.name.lower().endswith(TABLE_SUFFIXES)


def suffix_of(path: Path) -> str:
    for suffix in sorted(TABLE_SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    raise InvalidInputError(
        f"path must end in one of {', '.join(TABLE_SUFFIXES)}, got {path.name!r}; "
        "convert or rename the file"
    )
