"""Files that cases write; their folder is removed when Python ends."""

import atexit
import shutil
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

_numbers = count()


@cache
def _root():
    root = Path(tempfile.mkdtemp(prefix="holdfast-cases-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


def folder():
    """Return a new folder."""
    path = _root() / str(next(_numbers))
    path.mkdir()
    return path


def written(content, name="table.csv", within=None):
    """Write text or bytes to a file of a new folder, or of the folder `within`."""
    path = (within or folder()) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
