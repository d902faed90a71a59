"""Real data by name or by path.

Names are looked up, in this order, among the sets that scikit-learn carries, in the folder that the
environment variable `HOLDFAST_DATA` names, and on OpenML or Hugging Face. Most are tables; others
are images (`mnist`, `kmnist`, `emnist_letters`, `svhn`, `cifar10`, `celeba_smiling` and the like)
or texts (`ag_news`, `imdb`, `trec`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import check_choice, check_labels, check_share
from holdfast.common.files import file_hash
from holdfast.datasets.folder import FolderEntry, checked_hash, read_manifest
from holdfast.datasets.hugging_face import (
    CELEBA_ATTRIBUTES,
    HUB,
    celeba_name,
    fetch_files,
    files_hash,
    read_hub_images,
    read_hub_texts,
)
from holdfast.datasets.images import Images, images_hash, images_of_table, read_images
from holdfast.datasets.openml import REGISTRY, check_recorded_hash, fetch
from holdfast.exceptions import InvalidInputError
from holdfast.tables.reading import TABLE_SUFFIXES, ordinary_columns, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CELEBA_ATTRIBUTES", "Dataset", "TrainTest", "content_hash", "load"]

BUNDLED = ("breast_cancer", "digits", "iris", "wine")
ALIASES = {
    "agnews": "ag_news",
    "bank": "bank_marketing",
    "cifar_10": "cifar10",
    "cifar_100": "cifar100",
    "eeg": "eeg_eye_state",
    "k49": "kuzushiji_49",
    "kuzushiji_mnist": "kmnist",
    "magic": "magic04",
    "phishing": "phishing_websites",
    "weather": "weather_noaa",
}
USUAL_TARGETS = ("target", "label", "class")


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
    """Rows for classification: a table, or images.

    Attributes
    ----------
    name : str
    X : pandas.DataFrame of shape (n, d), or ndarray of uint8, shape (n, channels, height, width)
        The features; values of a table may be missing. Images have their channels first, as PyTorch
        takes them; `preprocessing.ScaledImages` makes them real numbers.
    y : ndarray of shape (n,)
        The labels, of two classes or more, without missing values.
    target : str
        The name of the label's column.
    numeric, categorical : tuple of str
        Columns of X, by kind.
    split : ndarray of shape (n,) or None
        "train" or "test" for each row, where a standard split exists.
    source : str
        Where the rows came from.
    sha256 : str
        Of the file where there is one (of the hashes where there are several), else the
        `content_hash` of the table or that of the pixels and labels.
    text : tuple of str
        The columns of X that hold free text; `preprocessing.TokenIds` takes one. With `numeric` and
        `categorical` they are all columns of a table; images have none.
    """

    name: str
    X: Any  # which of the two, each user of a data set knows
    y: NDArray[Any]
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    split: NDArray[Any] | None
    source: str
    sha256: str
    text: tuple[str, ...] = ()

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
    text: str | Sequence[str] = (),
    data_home: str | os.PathLike[str] | None = None,
) -> Dataset:
    """Load a data set by name, or a table from a file.

    Parameters
    ----------
    name_or_path : str or path-like
        A name (the error for an unknown one lists them), or a file as for `tables.read_table`.
    target : str, optional
        The label's column. By default the one that belongs to the name; for a file `target`,
        `label` or `class`, whichever is there. Images have only theirs, but `celeba` has forty:
        `target="Male"` or the name `celeba_male`, by default `Smiling`.
    text : str or sequence of str
        Columns of free text, which are no categories; sets known as text need none named.
    data_home : path-like, optional
        Folder for downloads; by default scikit-learn's.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        For an unknown name, no network, a file that cannot be read or is not the one its manifest
        describes, a public copy that is not as expected, a column of text that is not there, a
        target that is missing, has missing values or a single class.
    MissingExtraError
        For a set of Hugging Face without the libraries that read it (the extra `hub`).

    Notes
    -----
    What is checked: a file of `HOLDFAST_DATA` against the SHA-256 of the folder's `MANIFEST.json`.
    A table of OpenML against the hash recorded beside the cache when it was first loaded here (and
    against a hash in this module where one is known): that shows that the data are the same as
    then, not that they were right then; a first download is as good as OpenML's own checksum.

    The files of Hugging Face are compared with the hash recorded likewise; most are of one commit,
    which cannot change. They are only ever read as data, no code of theirs runs.

    OpenML has images as tables without a split. Their rows are taken to be in the order of the
    original files: 60,000 (MNIST, Fashion-MNIST, Kuzushiji-MNIST), 50,000 (CIFAR-10) or 232,365
    (Kuzushiji-49) for training, the rest for testing. Each load reads text: a minute or two (four
    times that for Kuzushiji-49), and eight bytes a pixel.

    Hugging Face has CIFAR-100 (with the hundred fine labels), SVHN (the cropped digits, without the
    extra ones), EMNIST (each of its six sets; the images lie on their side, as in the original
    files; `emnist_bymerge` is `emnist_byclass` with its classes merged) and CelebA. CelebA's faces
    are cropped to the central square and resized to 64 × 64, since the originals would fill 20 GB;
    y is 1 where the attribute is there; its validation part is left out; each load reads the files
    again, for minutes.

    Examples
    --------
    >>> wine = load("wine")
    >>> wine.X.shape, wine.target, len(wine.numeric)
    ((178, 13), 'target', 13)
    """
    path = Path(name_or_path)
    text = (text,) if isinstance(text, str) else tuple(text)
    if isinstance(name_or_path, os.PathLike) or path.is_file() or _looks_like_a_file(path):
        return _from_file(path, target, text)
    name = str(name_or_path).lower().replace("-", "_")
    name = ALIASES.get(name, name)
    manifest = read_manifest()
    if name == "celeba" and name not in manifest:
        name = celeba_name(check_choice("target", target or "Smiling", CELEBA_ATTRIBUTES))
    check_choice("name_or_path", name, _known_names(name, manifest))
    if name in BUNDLED:
        return _bundled(name, target, text)
    if name in manifest:
        return _from_folder(manifest[name], target, text)
    if name in REGISTRY:
        return _from_openml(name, target, text, data_home)
    return _from_hugging_face(name, target, text, data_home)


def _known_names(name: str, manifest: Iterable[str]) -> list[str]:
    """Return the names to choose from; CelebA's forty only where `name` is meant as one."""
    names = {*BUNDLED, *REGISTRY, *HUB, "celeba"}
    if not name.startswith("celeba_"):
        names -= {celeba_name(attribute) for attribute in CELEBA_ATTRIBUTES}
    return sorted({*names, *manifest})


def _looks_like_a_file(path: Path) -> bool:
    return path.name.lower().endswith(TABLE_SUFFIXES) or path != Path(path.name)


def _from_file(path: Path, target: str | None, text: Sequence[str]) -> Dataset:
    frame = read_table(path)
    if target is None:
        target = next((column for column in USUAL_TARGETS if column in frame.columns), None)
    if target is None:
        raise InvalidInputError(
            f"{path} must have a column target, label or class, got "
            f"{', '.join(map(repr, frame.columns))}; name the label's column with target="
        )
    name = path.name.partition(".")[0]
    return _dataset(name, frame, target, source=str(path), sha256=file_hash(path), text=text)


def _bundled(name: str, target: str | None, text: Sequence[str]) -> Dataset:
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    source, sha256 = f"scikit-learn load_{name}", content_hash(frame)
    return _dataset(name, frame, target or "target", source=source, sha256=sha256, text=text)


def _dataset(
    name: str,
    frame: pd.DataFrame,
    target: str,
    *,
    source: str,
    sha256: str,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    text: Sequence[str] = (),
    split: NDArray[Any] | None = None,
) -> Dataset:
    check_choice("target", target, [str(column) for column in frame.columns])
    y = _target(name, frame[target])
    dropped = {_bare(column) for column in drop} - {_bare(target)}
    X = frame[[c for c in frame.columns if c != target and _bare(c) not in dropped]]
    if not X.shape[1]:
        raise InvalidInputError(f"{name} must have features, got only {target!r}; add columns")
    for column in text:
        check_choice("text", column, [str(c) for c in X.columns])
    numeric = [c for c in X.columns if _is_number(X[c]) and c not in {*categorical, *text}]
    return Dataset(
        name=name,
        X=X,
        y=y,
        target=target,
        numeric=tuple(numeric),
        categorical=tuple(c for c in X.columns if c not in {*numeric, *text}),
        split=split,
        source=source,
        sha256=sha256,
        text=tuple(c for c in X.columns if c in text),
    )


def _image_dataset(
    name: str,
    images: Images,
    target: str | None,
    text: Sequence[str],
    *,
    source: str,
    sha256: str,
    label: str = "target",
) -> Dataset:
    return Dataset(
        name=name,
        X=images.X,
        y=_target(name, images.y),
        target=_image_target(target, text, label),
        numeric=(),
        categorical=(),
        split=images.split,
        source=source,
        sha256=sha256,
    )


def _image_target(target: str | None, text: Sequence[str], label: str = "target") -> str:
    """Return the target of images, which have no other and no text."""
    if text:
        got = ", ".join(map(repr, text))
        raise InvalidInputError(f"text must be left out for images, got {got}; drop it")
    return check_choice("target", target or label, [label])


def _bare(column: str) -> str:
    """Return the name without case, spaces and signs, in which sources of one set differ."""
    return re.sub(r"[\W_]", "", column.casefold())


def _target(name: str, column: pd.Series | NDArray[Any]) -> NDArray[Any]:
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


def _from_folder(entry: FolderEntry, target: str | None, text: Sequence[str]) -> Dataset:
    name, paths = entry.facts["name"], sorted(entry.files)
    source, sha256 = ", ".join(map(str, paths)), checked_hash(entry)
    if paths[0].suffix == ".npz":
        images = read_images(paths)
        return _image_dataset(name, images, target, text, source=source, sha256=sha256)
    return _table_of_folder(entry.facts, paths[0], target, text, sha256=sha256)


def _table_of_folder(
    facts: dict[str, Any],
    path: Path,
    target: str | None,
    text: Sequence[str],
    *,
    sha256: str,
) -> Dataset:
    frame, name = read_table(path), facts["name"]
    split = frame["split"].to_numpy(dtype=str) if facts.get("split_counts") else None
    drop = [*(facts.get("non_feature_columns") or ()), *(["split"] if split is not None else ())]
    known_text = ("text",) if facts.get("kind") == "text" else ()
    return _dataset(
        name,
        frame,
        target or facts.get("target") or "target",
        source=str(path),
        sha256=sha256,
        drop=[*drop, *(REGISTRY[name].drop if name in REGISTRY else ())],
        categorical=facts.get("categorical_features") or (),
        text=text or known_text,
        split=split,
    )


# --- OpenML --------------------------------------------------------------------------------------


def _from_openml(
    name: str,
    target: str | None,
    text: Sequence[str],
    data_home: str | os.PathLike[str] | None,
) -> Dataset:
    from sklearn.datasets import get_data_home

    known = REGISTRY[name]
    home = get_data_home(data_home)
    record = Path(home) / "holdfast" / f"{name}-{known.data_id}.sha256"
    if known.image_shape is not None:
        bunch = fetch(name, home, as_frame=False)
        images = images_of_table(
            name, bunch.data, bunch.target, shape=known.image_shape, n_train=known.n_train
        )
        sha256 = images_hash(images)
        check_recorded_hash(name, sha256, record, known.sha256)
        return _image_dataset(name, images, target, text, source=bunch.url, sha256=sha256)
    bunch = fetch(name, home, as_frame=True)
    frame = ordinary_columns(bunch.frame)
    sha256 = content_hash(frame)
    check_recorded_hash(name, sha256, record, known.sha256)
    return _dataset(
        name,
        frame,
        target or known.target or bunch.target_names[0],
        source=bunch.url,
        sha256=sha256,
        drop=known.drop,
        text=text,
    )


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


# --- Hugging Face --------------------------------------------------------------------------------


def _from_hugging_face(
    name: str,
    target: str | None,
    text: Sequence[str],
    data_home: str | os.PathLike[str] | None,
) -> Dataset:
    from sklearn.datasets import get_data_home

    known, home = HUB[name], get_data_home(data_home)
    if not known.text:
        _image_target(target, text, known.target)  # before a download that may be long
    files = fetch_files(name, home)
    content = read_hub_texts(name, files) if known.text else read_hub_images(name, files)
    source, sha256 = f"Hugging Face {known.repository}@{known.revision}", files_hash(files)
    record = Path(home) / "holdfast" / f"{name}-{known.revision}.sha256"
    check_recorded_hash(name, sha256, record, pinned=None)
    if isinstance(content, Images):
        return _image_dataset(
            name, content, target, text, source=source, sha256=sha256, label=known.target
        )
    return _dataset(
        name,
        content,
        target or known.target,
        source=source,
        sha256=sha256,
        drop=["split"],
        text=text or ("text",),
        split=content["split"].to_numpy(dtype=str),
    )
