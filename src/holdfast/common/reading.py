"""Reads files whole that are small in any sensible use, and bounds how deep values are nested.

Devices and pipes have no end, and a crafted file may be of any size. Both are refused before they
fill the memory or block.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from holdfast.exceptions import InvalidInputError

__all__ = ["MEGABYTE", "check_ordinary", "is_deeper_than", "read_whole", "toml_values"]

MEGABYTE = 2**20
MAX_LEVELS = 50  # of lists and tables in each other
# The time for a key grows with the square of its parts. A dot in a number is no part.
MAX_PARTS = 100
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?:[eE][+-]?\d+)?(?![\w.])")


def read_whole(path: str | os.PathLike[str], name: str, *, limit: int) -> bytes:
    """Return the content of an ordinary file.

    Parameters
    ----------
    path : path-like
    name : str
        The parameter or the kind of file, for messages.
    limit : int
        The most bytes that such a file may have.

    Raises
    ------
    InvalidInputError
        When the file is missing, unreadable or longer, or is a folder, a device or a pipe.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "policy.toml"
    >>> _ = path.write_text("max_churn = 0.02")
    >>> read_whole(path, "policy", limit=MEGABYTE)
    b'max_churn = 0.02'
    """
    try:
        # A pipe without a writer would block otherwise.
        opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        if Path(path).is_dir():  # Windows does not open folders
            check_ordinary(stat.S_IFDIR, path, name)
        raise InvalidInputError(
            f"{name} must be a readable file, got {path} ({error.strerror}); check the path"
        ) from error
    try:
        facts = os.fstat(opened)
        check_ordinary(facts.st_mode, path, name)
        with os.fdopen(opened, "rb", closefd=False) as file:
            content = file.read(limit + 1 if facts.st_size <= limit else 0)
    finally:
        os.close(opened)
    if max(len(content), facts.st_size) > limit:  # some systems give the size of a file as 0
        raise InvalidInputError(
            f"{name} must be a file of at most {limit / MEGABYTE:g} MB, got {path}, which is "
            "longer; check the path"
        )
    return content


def check_ordinary(mode: int, path: str | os.PathLike[str], name: str) -> None:
    """Raise unless the mode of a file, as `os.stat` returns it, is that of an ordinary file."""
    if not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "device or a pipe"
        raise InvalidInputError(
            f"{name} must be a readable file, got {path}, which is a {kind}; name an ordinary file"
        )


def is_deeper_than(levels: int, value: Any) -> bool:
    """Return whether lists and dictionaries are nested in more levels.

    Examples
    --------
    >>> is_deeper_than(2, [[1]]), is_deeper_than(2, {"a": [{}]})
    (False, True)
    """
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (list, dict))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(outer, (list, dict)) for outer in layer)


def toml_values(text: str) -> dict[str, Any]:
    """Return the values of a TOML file.

    Raises
    ------
    ValueError
        When the text is no TOML, or is nested deeper than any sensible file.

    Examples
    --------
    >>> toml_values("max_churn = 0.02")
    {'max_churn': 0.02}
    """
    too_deep = f"more than {MAX_LEVELS} levels, or {MAX_PARTS} parts of a key"
    if any(NUMBER.sub("", line).count(".") > MAX_PARTS for line in text.splitlines()):
        raise ValueError(too_deep)
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(too_deep) from error
    if is_deeper_than(MAX_LEVELS, values):
        raise ValueError(too_deep)
    return values
