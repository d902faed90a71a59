"""Writes files whole or not at all, removes what killed processes left, and computes hashes.

A file is written under a temporary name in the folder of the target, and then renamed. Temporary
names hold the machine and the process, so that a later run knows which of them nobody needs.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.exceptions import InvalidInputError

__all__ = ["file_hash", "replace_file", "temporary_folder", "write_text"]

# Errors of a full disk or quota, or of a disk that fails; they do not name the file.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


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
    kind = f".holdfast-{hashlib.sha256(target.name.encode('utf-8', 'replace')).hexdigest()[:12]}"
    try:
        remove_abandoned(target.parent, kind)
        handle, name = tempfile.mkstemp(
            dir=target.parent, prefix=f"{kind}-{_owner()}-", suffix=target.suffix
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


def temporary_folder(
    parent: str | os.PathLike[str] | None = None,
) -> tempfile.TemporaryDirectory[str]:
    """Return a new temporary folder; those that killed processes left beside it are removed.

    Parameters
    ----------
    parent : path-like, optional
        Where it is made; by default in the system's folder for temporary files.
    """
    remove_abandoned(Path(tempfile.gettempdir() if parent is None else parent), "holdfast")
    return tempfile.TemporaryDirectory(
        prefix=f"holdfast-{_owner()}-", dir=parent, ignore_cleanup_errors=True
    )


def remove_abandoned(folder: Path, kind: str) -> None:
    """Remove temporary files and folders of one kind whose process ended without doing so.

    What belongs to another user or machine stays, and so does that of a process that still runs.
    """
    if os.name != "posix":  # elsewhere a process cannot be asked whether it runs
        return
    name = re.compile(rf"{re.escape(kind)}-{_machine()}-(\d+)-\w+(\.[^/]*)?")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            match = name.fullmatch(entry.name)
            if match is not None and not _is_running(int(match[1])):
                with suppress(OSError):
                    _remove_own(entry)


def _remove_own(entry: os.DirEntry[str]) -> None:
    if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
        return
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        os.unlink(entry.path)


def _owner() -> str:
    """Return the machine and the process, as parts of a name."""
    return f"{_machine()}-{os.getpid()}"


def _machine() -> str:
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # it belongs to another user
    return True


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
