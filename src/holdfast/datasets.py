"""Real data by name or by path.

Names are looked up, in this order, among the sets that scikit-learn carries, in the folder that the
environment variable `HOLDFAST_DATA` names, and on OpenML.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast._files import write_text
from holdfast._validation import check_choice, check_labels, check_share
from holdfast.exceptions import InvalidInputError
from holdfast.tables import TABLE_SUFFIXES, ordinary_columns, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "TrainTest", "content_hash", "load"]

DATA_VARIABLE = "HOLDFAST_DATA"
BUNDLED = ("breast_cancer", "digits", "iris", "wine")
ALIASES = {
    "bank": "bank_marketing",
    "eeg": "eeg_eye_state",
    "magic": "magic04",
    "phishing": "phishing_websites",
    "weather": "weather_noaa",
}
USUAL_TARGETS = ("target", "label", "class")


@dataclass(frozen=True)
class _OpenML:
    """A data set of OpenML.

    `target` None means the one that OpenML declares; `drop` names columns that identify rows;
    `sha256` is the `content_hash` that the frame must have, where one is known.
    """

    data_id: int
    target: str | None = None
    drop: tuple[str, ...] = ()
    sha256: str | None = None


REGISTRY = {
    "adult": _OpenML(1590),
    "bank_marketing": _OpenML(1461),
    "churn": _OpenML(40701, drop=("phone_number",)),
    "compas": _OpenML(42192),
    "eeg_eye_state": _OpenML(1471),
    "electricity": _OpenML(151),
    "elevators": _OpenML(846),
    "letter": _OpenML(6),
    "magic04": _OpenML(1120),
    "phishing_websites": _OpenML(4534),
    "phoneme": _OpenML(1489),
    "pollen": _OpenML(871),
    "wilt": _OpenML(40983),
}


@dataclass(frozen=True)
class TrainTest:
    """Row numbers of a training and a test part.

    Attributes
    ----------
    train, test : ndarray of int
        Ascending, disjoint, together all rows.
    """

    train: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True)
class Dataset:
    """A table for classification.

    Attributes
    ----------
    name : str
    X : pandas.DataFrame of shape (n, d)
        The features; values may be missing.
    y : ndarray of shape (n,)
        The labels, of two classes or more, without missing values.
    target : str
        The name of the label's column.
    numeric, categorical : tuple of str
        The columns of X, in two kinds.
    split : ndarray of shape (n,) or None
        "train" or "test" for each row, where a standard split exists.
    source : str
        Where the rows came from.
    sha256 : str
        Of the file where there is one, else the `content_hash` of the table.
    """

    name: str
    X: pd.DataFrame
    y: NDArray[Any]
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    split: NDArray[Any] | None
    source: str
    sha256: str

    def train_test(self, *, test_size: float = 1 / 3, random_state: int = 0) -> TrainTest:
        """Return the standard split, or where there is none a random one.

        Parameters
        ----------
        test_size : float
            Share of test rows, in (0, 1), of a random split.
        random_state : int
            Seed of a random split; the same seed gives the same split.

        Raises
        ------
        InvalidInputError
            When `test_size` is outside (0, 1) or leaves one part without rows.

        Examples
        --------
        >>> parts = load("iris").train_test()
        >>> len(parts.train), len(parts.test)
        (100, 50)
        """
        check_share("test_size", test_size, open_ends=True)
        if self.split is not None:
            return TrainTest(
                np.flatnonzero(self.split != "test"), np.flatnonzero(self.split == "test")
            )
        n_test = round(len(self.y) * test_size)
        if not 0 < n_test < len(self.y):
            raise InvalidInputError(
                f"test_size must leave rows in both parts, got {test_size:g} of "
                f"{len(self.y)} rows; choose another share"
            )
        order = np.random.default_rng(random_state).permutation(len(self.y))
        return TrainTest(np.sort(order[n_test:]), np.sort(order[:n_test]))


def load(
    name_or_path: str | os.PathLike[str],
    *,
    target: str | None = None,
    data_home: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load a data set by name, or a table from a file.

    Parameters
    ----------
    name_or_path : str or path-like
        A name (the error for an unknown one lists them), or a file as for `tables.read_table`.
    target : str, optional
        The label's column. By default the one that belongs to the name; for a file `target`,
        `label` or `class`, whichever is there.
    data_home : path-like, optional
        Folder for downloads; by default scikit-learn's.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        For an unknown name, no network, a file that cannot be read or is not the one its manifest
        describes, a target that is missing, has missing values or a single class.

    Notes
    -----
    What is checked: a file of `HOLDFAST_DATA` against the SHA-256 of the folder's `MANIFEST.json`.
    A table of OpenML against the hash recorded beside the cache when it was first loaded here (and
    against a hash in this module where one is known): that shows that the data are the same as
    then, not that they were right then; a first download is as good as OpenML's own checksum.

    Examples
    --------
    >>> wine = load("wine")
    >>> wine.X.shape, wine.target, len(wine.numeric)
    ((178, 13), 'target', 13)
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, os.PathLike) or path.is_file() or _looks_like_a_file(path):
        return _from_file(path, target)
    name = str(name_or_path).lower().replace("-", "_")
    name = ALIASES.get(name, name)
    manifest = _manifest()
    check_choice("name_or_path", name, sorted({*BUNDLED, *REGISTRY, *manifest}))
    if name in BUNDLED:
        return _bundled(name, target)
    if name in manifest:
        return _from_folder(manifest[name], target)
    return _from_openml(name, target, data_home)


def _looks_like_a_file(path: Path) -> bool:
    return path.name.lower().endswith(TABLE_SUFFIXES) or path != Path(path.name)


def _from_file(path: Path, target: str | None) -> Dataset:
    frame = read_table(path)
    if target is None:
        target = next((column for column in USUAL_TARGETS if column in frame.columns), None)
    if target is None:
        raise InvalidInputError(
            f"{path} must have a column target, label or class, got "
            f"{', '.join(map(repr, frame.columns))}; name the label's column with target="
        )
    name = path.name.partition(".")[0]
    return _dataset(name, frame, target, source=str(path), sha256=_file_hash(path))


def _bundled(name: str, target: str | None) -> Dataset:
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    source, sha256 = f"scikit-learn load_{name}", content_hash(frame)
    return _dataset(name, frame, target or "target", source=source, sha256=sha256)


def _dataset(
    name: str,
    frame: pd.DataFrame,
    target: str,
    *,
    source: str,
    sha256: str,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    split: NDArray[Any] | None = None,
) -> Dataset:
    check_choice("target", target, [str(column) for column in frame.columns])
    y = _target(name, frame[target])
    dropped = {_bare(column) for column in drop} - {_bare(target)}
    X = frame[[c for c in frame.columns if c != target and _bare(c) not in dropped]]
    if not X.shape[1]:
        raise InvalidInputError(f"{name} must have features, got only {target!r}; add columns")
    numeric = [c for c in X.columns if _is_number(X[c]) and c not in categorical]
    return Dataset(
        name=name,
        X=X,
        y=y,
        target=target,
        numeric=tuple(numeric),
        categorical=tuple(c for c in X.columns if c not in numeric),
        split=split,
        source=source,
        sha256=sha256,
    )


def _bare(column: str) -> str:
    """Return the name without case, spaces and signs, in which sources of one set differ."""
    return re.sub(r"[\W_]", "", column.casefold())


def _target(name: str, column: pd.Series) -> NDArray[Any]:
    y = check_labels(f"target of {name}", column)
    y = y.astype(str) if y.dtype.kind == "O" else y
    classes = np.unique(y)
    if len(classes) < 2:
        raise InvalidInputError(
            f"target of {name} must have two classes or more, got only {classes.tolist()[0]!r}; "
            "choose another column with target="
        )
    return y


def _is_number(column: pd.Series) -> bool:
    from pandas.api import types

    return types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)


# --- a folder of files ---------------------------------------------------------------------------


def _manifest() -> dict[str, dict[str, Any]]:
    """Return the entries of HOLDFAST_DATA's manifest by name, with the folder added."""
    if not os.environ.get(DATA_VARIABLE):
        return {}
    folder = Path(os.environ[DATA_VARIABLE])
    try:
        content = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
        entries = [entry for entry in content["datasets"] if entry["file"].endswith(".parquet")]
        found = {entry["name"]: {**entry, "folder": folder} for entry in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{DATA_VARIABLE} must name a folder with a MANIFEST.json that lists its data sets, "
            f"got {folder} ({type(error).__name__}: {error}); correct or unset the variable, "
            "or load a file by its path"
        ) from error
    return {name: entry for name, entry in found.items() if (folder / entry["file"]).is_file()}


def _from_folder(entry: dict[str, Any], target: str | None) -> Dataset:
    path, name = entry["folder"] / entry["file"], entry["name"]
    sha256 = _file_hash(path)
    if sha256 != entry["sha256"]:
        raise InvalidInputError(
            f"{path} must have the SHA-256 of its manifest, {entry['sha256']}, got {sha256}; "
            "copy the file again"
        )
    frame = read_table(path)
    split = frame["split"].to_numpy(dtype=str) if entry.get("split_counts") else None
    drop = [*(entry.get("non_feature_columns") or ()), *(["split"] if split is not None else ())]
    return _dataset(
        name,
        frame,
        target or entry.get("target") or "target",
        source=str(path),
        sha256=sha256,
        drop=[*drop, *(REGISTRY[name].drop if name in REGISTRY else ())],
        categorical=entry.get("categorical_features") or (),
        split=split,
    )


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- OpenML --------------------------------------------------------------------------------------


def _from_openml(
    name: str, target: str | None, data_home: str | os.PathLike[str] | None
) -> Dataset:
    from sklearn.datasets import fetch_openml, get_data_home

    known = REGISTRY[name]
    home = get_data_home(data_home)
    try:
        with warnings.catch_warnings():
            # Retries are announced by warnings; what counts is whether one succeeds.
            warnings.filterwarnings("ignore", message="A network error occurred")
            # This parser keeps categories that look like numbers text under any release of pandas.
            bunch = fetch_openml(
                data_id=known.data_id,
                as_frame=True,
                data_home=home,
                delay=0.5,
                parser="liac-arff",
            )
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"data set {name!r} must come from OpenML (id {known.data_id}), got: {error}; connect "
            f"to the network, set {DATA_VARIABLE} to a folder that has it, or load a file by path"
        ) from error
    frame = ordinary_columns(bunch.frame)
    sha256 = content_hash(frame)
    record = Path(home) / "holdfast" / f"{name}-{known.data_id}.sha256"
    _check_hash(name, sha256, record, known.sha256)
    return _dataset(
        name,
        frame,
        target or known.target or bunch.target_names[0],
        source=bunch.url,
        sha256=sha256,
        drop=known.drop,
    )


def _check_hash(name: str, sha256: str, record: Path, pinned: str | None) -> None:
    """Compare with the known and the recorded hash; record it where none is yet."""
    recorded = record.read_text(encoding="utf-8").strip() if record.is_file() else None
    for expected, what in ((pinned, "known"), (recorded, "recorded")):
        if expected is not None and sha256 != expected:
            raise InvalidInputError(
                f"data set {name!r} must have the {what} content hash {expected}, got {sha256}; "
                f"the data changed: clear the cache, or accept them by deleting {record}"
            )
    if recorded is None:
        record.parent.mkdir(parents=True, exist_ok=True)
        write_text(record, sha256 + "\n")


def content_hash(frame: pd.DataFrame) -> str:
    """Return a SHA-256 of a table's names and values, whatever types hold them.

    Parameters
    ----------
    frame : pandas.DataFrame
        Numbers count as 64-bit real numbers, all else as text; missing values are all alike.

    Returns
    -------
    str
        64 hexadecimal digits. Equal for the same rows and columns in the same order.

    Examples
    --------
    >>> import pandas as pd
    >>> first = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    >>> second = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Categorical(["x", None])})
    >>> content_hash(first) == content_hash(second)
    True
    """
    names = [str(column) for column in frame.columns]
    digest = hashlib.sha256(json.dumps([len(frame), *names]).encode())
    for column in frame.columns:
        values = frame[column]
        if _is_number(values):
            numbers = values.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # -0.0 becomes 0.0
            digest.update(b"numbers")
            digest.update(np.where(np.isnan(numbers), np.nan, numbers).tobytes())
        else:
            digest.update(b"text" + _text_digest(values))
    return digest.hexdigest()


def _text_digest(values: pd.Series) -> bytes:
    """Return the bytes of a column as its sorted distinct texts and their numbers."""
    import pandas as pd

    texts = values.astype(object).map(str, na_action="ignore")
    codes, distinct = pd.factorize(texts, sort=True)  # -1 where missing
    return json.dumps(list(distinct)).encode() + codes.astype("<i8").tobytes()
