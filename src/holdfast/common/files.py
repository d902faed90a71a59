"""Writes files whole or not at all, and computes their hashes.

A file is written under a temporary name in the folder of the target, and then renamed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.exceptions import InvalidInputError

__all__ = ["file_hash", "replace_file", "write_text"]

# Errors of a full disk or quota; they do not name the file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file, which replaces `path` on success and is deleted otherwise.

    Parameters
    ----------
    path : path-like
        The file to write. Its folder must exist.

    Yields
    ------
    Path
        The temporary file, in the folder of `path`.

    Raises
    ------
    InvalidInputError
        When `path` is a folder or a device, its folder does not exist or cannot be written to, or
        the disk is full.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replace_file(target) as temporary:
    ...     _ = temporary.write_text("whole or not at all")
    >>> target.read_text()
    'whole or not at all'
    """
    target = Path(path).resolve()  # a link stays, and the file that it points to is replaced
    if target.exists() and not target.is_file():
        raise InvalidInputError(
            f"{target} must be an ordinary file, got a folder or a device; name a file"
        )
    if not target.parent.is_dir():
        raise InvalidInputError(
            f"the folder of {target} must exist, got none; create {target.parent} first"
        )
    try:
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
        )
    except OSError as error:
        raise InvalidInputError(
            f"{target} must be writable, got: {error.strerror}; choose another place"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # else a power failure could leave an empty file
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files, but outputs are shared
        temporary.replace(target)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InvalidInputError(
            f"{target} must be writable, got: {error.strerror}; make room or choose another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_hash(path: Path) -> str:
    """Return the SHA-256 hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
