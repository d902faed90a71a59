"""What the cases of errors need: files that are thrown away at the end, and optional modules."""

import tempfile
from importlib import import_module
from pathlib import Path

import pytest

_KEPT = []


def new_folder():
    """Return an empty folder, which is there until the tests end."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    _KEPT.append(folder)
    return Path(folder.name)


def new_file(content="", name="file.txt"):
    """Return a new file of this text or these bytes, which is there until the tests end."""
    path = new_folder() / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class Lazily:
    """A module that is imported on first use, where the test is skipped without `needs`."""

    def __init__(self, name, needs="torch"):
        self._name, self._needs = name, needs

    def __getattr__(self, attribute):
        pytest.importorskip(self._needs)
        return getattr(import_module(self._name), attribute)
