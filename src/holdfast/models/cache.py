"""Keeps the predictions of model files on disk, under a hash of everything that they depend on.

The cache never raises an error. An entry that cannot be read is computed again, and one that cannot
be written is not kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.files import replace_file
from holdfast.exceptions import InvalidInputError

__all__ = ["CACHE_VARIABLE", "COMPUTING_PACKAGES", "cache_folder", "remembered"]

CACHE_VARIABLE = "HOLDFAST_CACHE"
SUFFIX = ".predictions"
MAX_BYTES = 2**30
STORABLE = "fiubU"  # kinds of arrays that are stored without a pickle
# Another release of these packages may compute other digits from the same file.
COMPUTING_PACKAGES = (
    "holdfast",
    "numpy",
    "scipy",
    "scikit-learn",
    "onnxruntime",
    "torch",
    "lightgbm",
    "xgboost",
    "catboost",
)


def remembered(
    model: str | None, X: Any, compute: Callable[[], Any], *, what: str = "probabilities"
) -> Any:
    """Return the predictions of a model file for X, from the cache if it has them.

    Parameters
    ----------
    model : str or None
        The hash of the file. With None, the cache is not used.
    X : array-like, sparse matrix or data frame
    compute : callable
        A function that returns the predictions, with one row for each row of X.
    what : str
        The kind of the predictions: probabilities or answers.

    Examples
    --------
    >>> X = np.zeros((2, 1))
    >>> remembered("a" * 64, X, lambda: np.array([0.25, 0.75]))
    array([0.25, 0.75])
    >>> remembered("a" * 64, X, lambda: 1 / 0)  # not called again
    array([0.25, 0.75])
    """
    rows = None if model is None else rows_hash(X)
    if rows is None:
        return compute()
    key = hashlib.sha256(f"{model} {what} {rows} {_versions()}".encode()).hexdigest()
    path = cache_folder() / f"{key}{SUFFIX}"
    known = _read(path)
    if known is not None:
        return known
    computed = compute()
    if isinstance(computed, np.ndarray) and computed.dtype.kind in STORABLE:
        _write(path, computed)
    return computed


def cache_folder() -> Path:
    """Return the folder that HOLDFAST_CACHE names, or `holdfast` in the platform's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Caches"
    else:
        place = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(place) / "holdfast"


def rows_hash(X: Any) -> str | None:
    """Return a hash of values, types, shape and column names, or None if X cannot be hashed."""
    import joblib

    try:
        if hasattr(X, "columns"):
            import narwhals as nw

            frame = nw.from_native(X, eager_only=True)
            parts = [(c.name, str(c.dtype), c.to_numpy()) for c in frame.iter_columns()]
            content: Any = ("frame", type(X).__module__, len(frame), parts)
        elif hasattr(X, "tocsr"):
            rows = X.tocsr()
            content = ("sparse", rows.shape, rows.data, rows.indices, rows.indptr)
        else:
            content = ("array", np.ascontiguousarray(X))
        return joblib.hash(content, hash_name="sha1")
    except Exception:  # values may be of any kind, and their hashing may fail in any way
        return None


@cache
def _versions() -> str:
    found = {}
    for name in COMPUTING_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return json.dumps(found)


def _read(path: Path) -> NDArray[Any] | None:
    """Return an entry, or None if it is missing or damaged."""
    try:
        content = path.read_bytes()
        digest, body = content[:32], content[32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        return np.load(io.BytesIO(body), allow_pickle=False)
    except (OSError, ValueError):
        return None


def _write(path: Path, values: NDArray[Any]) -> None:
    body = io.BytesIO()
    np.save(body, values, allow_pickle=False)
    content = body.getvalue()
    if len(content) > MAX_BYTES:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replace_file(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
        _make_room(path.parent)
    except (OSError, InvalidInputError):
        return


def _make_room(folder: Path) -> None:
    """Delete the oldest files, also those that killed processes left, until the rest fits."""
    entries = []
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            facts = path.stat()
        except OSError:
            continue  # another process deleted it
        entries.append((facts.st_mtime, facts.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
