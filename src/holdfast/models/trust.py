"""What a caller trusts: types inside model files, and files whose code may run.

The two never mix. A type is named, since holdfast builds it from values. A file is named together
with the SHA-256 hash of its content, since everything in it may run, and a name says nothing about
it. What was hashed is what is loaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from holdfast.exceptions import InvalidInputError

__all__ = ["NOTHING", "Trust", "TrustedFiles", "content_hash", "files_wanted", "types_wanted"]

TrustedFiles = Mapping[str, str | Collection[str]]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Trust:
    """What is trusted in one call.

    Attributes
    ----------
    types : tuple of str
        The names of types that may be built.
    files : frozenset of (str, str)
        The path and the SHA-256 hash of each file that may run code.
    """

    types: tuple[str, ...] = ()
    files: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(
        cls, types: str | Sequence[str] = (), files: TrustedFiles | None = None, former: Any = None
    ) -> Trust:
        """Check the parameters `trusted_types`, `trusted_files`, and `trusted` of former releases.

        Raises
        ------
        InvalidInputError
            When `trusted` is given, or one of the others has another form.
        """
        if former is not None:
            raise InvalidInputError(
                "trusted must be given as trusted_types=[TYPE, ...] for types inside a file, or as "
                "trusted_files={PATH: SHA256} for files that run code (on the command line: "
                f"--trust-type TYPE, --trust-file PATH=SHA256), got trusted={former!r}; name what "
                "the error without it asks for"
            )
        return cls(_types_of(types), _files_of({} if files is None else files))

    def covers(self, names: Iterable[str], sha256: str) -> bool:
        """Return whether a file with this content is trusted by one of its names."""
        return any((name, sha256) in self.files for name in names)

    def other_content(self, names: Iterable[str]) -> str:
        """Return what to add to the name of a file of which only another content is trusted."""
        known = {path for path, _ in self.files} & set(names)
        return " with another content than the trusted one" if known else ""


NOTHING = Trust()


def _types_of(types: Any) -> tuple[str, ...]:
    named = (types,) if isinstance(types, str) else types
    if isinstance(named, Mapping) or not all(isinstance(name, str) for name in named):
        raise InvalidInputError(
            f"trusted_types must be names of types, got {types!r}; give e.g. "
            "['sklearn.tree._tree.Tree'], and name files in trusted_files"
        )
    return tuple(named)


def _files_of(files: Any) -> frozenset[tuple[str, str]]:
    if not isinstance(files, Mapping):
        raise InvalidInputError(
            f"trusted_files must be a mapping of paths to SHA-256 hashes, got {files!r}; give e.g. "
            "{'model.pkl': '9f86…'}, as the error without it says"
        )
    found = set()
    for path, hashes in files.items():
        for sha256 in (hashes,) if isinstance(hashes, str) else hashes:
            if not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
                raise InvalidInputError(
                    f"trusted_files must name a SHA-256 hash of 64 hexadecimal digits for {path}, "
                    f"got {sha256!r}; copy it from the error without it, or from sha256sum"
                )
            found.add((PurePath(os.fspath(path)).as_posix(), sha256.lower()))
    return frozenset(found)


def content_hash(content: bytes) -> str:
    """Return the SHA-256 hash of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def files_wanted(hashes: Mapping[str, str]) -> str:
    """Return the argument and the options that trust files, given the hash of each path."""
    flags = " ".join(f"--trust-file {_quoted(f'{path}={sha}')}" for path, sha in hashes.items())
    return f"trusted_files={dict(hashes)!r} (on the command line: {flags})"


def types_wanted(names: Sequence[str]) -> str:
    """Return the argument and the options that trust types."""
    flags = " ".join(f"--trust-type {_quoted(name)}" for name in names)
    return f"trusted_types={list(names)!r} (on the command line: {flags})"


def _quoted(text: str) -> str:
    """Quote a word for a shell: strangers choose the names, and users copy the options."""
    return shlex.quote(text if text.isprintable() else ascii(text))
