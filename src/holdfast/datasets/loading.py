"""Real data by name or by path.

Names are looked up, in this order, among the sets that scikit-learn carries, in the folder that the
environment variable `HOLDFAST_DATA` names, and on OpenML or Hugging Face. Most are tables; others
are images (`mnist`, `kmnist`, `emnist_letters`, `svhn`, `cifar10`, `celeba_smiling` and the like)
or texts (`ag_news`, `imdb`, `trec`).
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
        return image_dataset(name, images, target, text, source=bunch.url, sha256=sha256)
    bunch = fetch(name, home, as_frame=True)
    frame = ordinary_columns(bunch.frame)
    sha256 = content_hash(frame)
    check_recorded_hash(name, sha256, record, known.sha256)
    return table_dataset(
        name,
        frame,
        target or known.target or bunch.target_names[0],
        source=bunch.url,
        sha256=sha256,
        drop=known.drop,
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

    known, home = HUB[name], get_data_home(data_home)
    if not known.text:
        image_target(target, text, known.target)  # before a download that may be long
    files = fetch_files(name, home)
    content = read_hub_texts(name, files) if known.text else read_hub_images(name, files)
    source, sha256 = f"Hugging Face {known.repository}@{known.revision}", files_hash(files)
    record = Path(home) / "holdfast" / f"{name}-{known.revision}.sha256"
    check_recorded_hash(name, sha256, record, pinned=None)
    if isinstance(content, Images):
        return image_dataset(
            name, content, target, text, source=source, sha256=sha256, label=known.target
        )
    return table_dataset(
        name,
        content,
        target or known.target,
        source=source,
        sha256=sha256,
        drop=["split"],
        text=text or ("text",),
        split=content["split"].to_numpy(dtype=str),
    )
