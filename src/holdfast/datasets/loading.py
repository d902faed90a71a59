"""`load`, which returns a data set by its name or from a file.

A name is looked up among the data sets that scikit-learn contains, then in the folder that the
environment variable `HOLDFAST_DATA` names, and then on OpenML or Hugging Face. Most data sets are
tables. Others are images (such as `mnist`, `kmnist`, `emnist_letters`, `svhn`, `cifar10` and
`celeba_smiling`) or texts (`ag_news`, `imdb`, `trec`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from holdfast.common.files import file_hash
from holdfast.common.parameters import check_choice
from holdfast.datasets.dataset import Dataset, image_dataset, image_target, table_dataset
from holdfast.datasets.folder import FolderEntry, checked_hash, read_manifest
from holdfast.datasets.hashes import content_hash
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
from holdfast.tables.paths import TABLE_SUFFIXES
from holdfast.tables.reading import ordinary_columns, read_table

__all__ = ["load"]

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
        A name, or a file as for `tables.read_table`. The error for an unknown name lists all names.
    target : str, optional
        Name of the label's column. By default it is the usual one of a named data set, and the
        column `target`, `label` or `class` of a file. Images have one label only, except for
        `celeba`, which has forty: choose one by `target="Male"` or by the name `celeba_male`. The
        default there is `Smiling`.
    text : str or sequence of str
        Columns that hold free text rather than categories. It may be left out for data sets that
        are known to be texts.
    data_home : path-like, optional
        Folder for downloads; by default scikit-learn's.

    Returns
    -------
    Dataset
        The data set.

    Raises
    ------
    InvalidInputError
        When the name is unknown, the network is missing, a file cannot be read or is not the one
        that its manifest describes, a public copy is not as expected, a text column is missing, or
        the target is missing, has missing values or has only one class.
    MissingExtraError
        When a data set of Hugging Face needs libraries that are not installed (the extra `hub`).

    Notes
    -----
    A file of `HOLDFAST_DATA` must have the SHA-256 that the folder's `MANIFEST.json` states. A
    table of OpenML must have the hash that was recorded beside the cache when it was first loaded,
    and the hash in this package if one is known. This shows that the data have not changed since,
    not that they were right at first: a first download is as good as OpenML's own checksum.

    Files of Hugging Face are compared with a recorded hash in the same way. Most of them belong to
    a commit, which cannot change. They are read as data only, and none of their code runs.

    OpenML has images as tables without a split. Their rows are taken to be in the order of the
    original files: the first 60,000 (MNIST, Fashion-MNIST, Kuzushiji-MNIST), 50,000 (CIFAR-10) or
    232,365 (Kuzushiji-49) are for training and the rest for testing. Every load reads text, which
    takes a minute or two (four times as long for Kuzushiji-49) and eight bytes of memory a pixel.

    Hugging Face has the following images.

    - CIFAR-100 comes with its hundred fine labels.
    - SVHN comes as the cropped digits, without the extra ones.
    - EMNIST comes as six data sets, whose images lie on their side as in the original files.
      `emnist_bymerge` is `emnist_byclass` with some classes merged.
    - CelebA's faces are cropped to the central square and resized to 64 × 64, since the originals
      would fill 20 GB. The label is 1 if a face has the attribute. The validation part is left out.
      Every load reads the files again, which takes minutes.

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
    """Return the names to choose from; the forty of CelebA only if `name` looks like one."""
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
    return table_dataset(name, frame, target, source=str(path), sha256=file_hash(path), text=text)


def _bundled(name: str, target: str | None, text: Sequence[str]) -> Dataset:
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    source, sha256 = f"scikit-learn load_{name}", content_hash(frame)
    return table_dataset(name, frame, target or "target", source=source, sha256=sha256, text=text)


# --- a folder of files ---------------------------------------------------------------------------


def _from_folder(entry: FolderEntry, target: str | None, text: Sequence[str]) -> Dataset:
    name, paths = entry.facts["name"], sorted(entry.files)
    source, sha256 = ", ".join(map(str, paths)), checked_hash(entry)
    if paths[0].suffix == ".npz":
        images = read_images(paths)
        return image_dataset(name, images, target, text, source=source, sha256=sha256)
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
    return table_dataset(
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

    entry = REGISTRY[name]
    home = get_data_home(data_home)
    record = Path(home) / "holdfast" / f"{name}-{entry.data_id}.sha256"
    if entry.image_shape is not None:
        bunch = fetch(name, home, as_frame=False)
        images = images_of_table(
            name, bunch.data, bunch.target, shape=entry.image_shape, n_train=entry.n_train
        )
        sha256 = images_hash(images)
        check_recorded_hash(name, sha256, record, entry.sha256)
        return image_dataset(name, images, target, text, source=bunch.url, sha256=sha256)
    bunch = fetch(name, home, as_frame=True)
    frame = ordinary_columns(bunch.frame)
    sha256 = content_hash(frame)
    check_recorded_hash(name, sha256, record, entry.sha256)
    return table_dataset(
        name,
        frame,
        target or entry.target or bunch.target_names[0],
        source=bunch.url,
        sha256=sha256,
        drop=entry.drop,
        text=text,
    )


# --- Hugging Face --------------------------------------------------------------------------------


def _from_hugging_face(
    name: str,
    target: str | None,
    text: Sequence[str],
    data_home: str | os.PathLike[str] | None,
) -> Dataset:
    from sklearn.datasets import get_data_home

    entry, home = HUB[name], get_data_home(data_home)
    if not entry.text:
        image_target(target, text, entry.target)  # check before a download, which may take long
    files = fetch_files(name, home)
    content = read_hub_texts(name, files) if entry.text else read_hub_images(name, files)
    source, sha256 = f"Hugging Face {entry.repository}@{entry.revision}", files_hash(files)
    record = Path(home) / "holdfast" / f"{name}-{entry.revision}.sha256"
    check_recorded_hash(name, sha256, record, pinned=None)
    if isinstance(content, Images):
        return image_dataset(
            name, content, target, text, source=source, sha256=sha256, label=entry.target
        )
    return table_dataset(
        name,
        content,
        target or entry.target,
        source=source,
        sha256=sha256,
        drop=["split"],
        text=text or ("text",),
        split=content["split"].to_numpy(dtype=str),
    )
