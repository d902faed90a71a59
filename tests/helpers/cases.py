"""What the cases of errors need: files and folders that are thrown away at the end."""

import tempfile
from pathlib import Path

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
