"""Hugging Face: the data sets that holdfast knows by name, their files and their rows.

Files are downloaded and read as data. Code that comes with a data set never runs.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.files import file_hash
from holdfast.common.parameters import require
from holdfast.datasets.folder import DATA_VARIABLE
from holdfast.datasets.images import PARTS, Images, read_idx_images
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CELEBA_ATTRIBUTES",
    "HUB",
    "HubSet",
    "celeba_name",
    "fetch_files",
    "files_hash",
    "read_hub_images",
    "read_hub_texts",
]

TIMEOUT = 10  # seconds
IDX_KINDS = ("images-idx3", "labels-idx1")
CELEBA_ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)


@dataclass(frozen=True)
class HubSet:
    """A data set of the Hugging Face Hub.

    Attributes
    ----------
    repository : str
        Owner and name of the repository.
    files : str
        Pattern of the files' names, in which ``{part}`` is the part. If the data set has `text` or
        `image`, the files are Parquet, and ``{shard}`` and ``{shards}`` are the number of a file
        and how many there are. Otherwise they are gzipped files in the format of MNIST, and
        ``{kind}`` distinguishes images from labels.
    rows : tuple of int
        Numbers of rows of the training part and the test part.
    revision : str
        Revision of the repository. It is a commit, which can never change, where one is known.
    shards : tuple of int
        Numbers of files of the training part and the test part.
    label : str
        Column of the label in Parquet files.
    text : str
        Column of the text in Parquet files; empty for images.
    image : str
        Column of the image in Parquet files; empty for texts and for files in the format of MNIST.
    target : str
        Name of the label in the `Dataset`.
    shape : tuple of int
        Channels, height and width of the images.
    cropped : bool
        Whether images of another size are cropped to the centre and resized.
    classes : tuple of int
        New class for each class of the files; if empty, classes stay as they are.
    """

    repository: str
    files: str
    rows: tuple[int, int]
    revision: str = "main"
    shards: tuple[int, int] = (1, 1)
    label: str = "label"
    text: str = ""
    image: str = ""
    target: str = "target"
    shape: tuple[int, int, int] = (1, 28, 28)
    cropped: bool = False
    classes: tuple[int, ...] = ()


def celeba_name(attribute: str) -> str:
    """Return the name of the data set whose labels are one attribute of CelebA."""
    return f"celeba_{attribute.lower()}"


# Small letters that look like their capitals are merged with them. Digits and capitals come first.
OWN_CLASS = "abdefghnqrt"
BY_MERGE = (
    *range(36),
    *(
        36 + OWN_CLASS.index(letter) if letter in OWN_CLASS else 10 + i
        for i, letter in enumerate(ascii_lowercase)
    ),
)
BY_CLASS = HubSet(
    "Royc30ne/emnist-byclass", "emnist-byclass-{part}-{kind}-ubyte.gz", (697_932, 116_323)
)
CELEBA = HubSet(
    "flwrlabs/celeba",
    "img_align+identity+attr/{part}-{shard:05d}-of-{shards:05d}.parquet",
    (162_770, 19_962),
    revision="2d738f56e0e7f925ea36ae7c808ea925264aacec",
    shards=(19, 3),
    image="image",
    shape=(3, 64, 64),
    cropped=True,
)
HUB = {
    "ag_news": HubSet(
        "fancyzhx/ag_news",
        "data/{part}-00000-of-00001.parquet",
        (120_000, 7_600),
        revision="eb185aade064a813bc0b7f42de02595523103ca4",
        text="text",
    ),
    # Each attribute makes a data set of its own, with the same faces and other labels.
    **{
        celeba_name(attribute): replace(CELEBA, label=attribute, target=attribute)
        for attribute in CELEBA_ATTRIBUTES
    },
    "cifar100": HubSet(
        "uoft-cs/cifar100",
        "cifar100/{part}-00000-of-00001.parquet",
        (50_000, 10_000),
        revision="aadb3af77e9048adbea6b47c21a81e47dd092ae5",
        label="fine_label",
        image="img",
        shape=(3, 32, 32),
    ),
    "emnist_balanced": HubSet(
        "Royc30ne/emnist-balanced", "emnist-balanced-{part}-{kind}-ubyte.gz", (112_800, 18_800)
    ),
    "emnist_byclass": BY_CLASS,
    "emnist_bymerge": replace(BY_CLASS, classes=BY_MERGE),
    "emnist_digits": HubSet(
        "Royc30ne/emnist-digits", "emnist-digits-{part}-{kind}-ubyte.gz", (240_000, 40_000)
    ),
    "emnist_letters": HubSet(
        "tanganke/emnist_letters",
        "raw/emnist-letters-{part}-{kind}-ubyte.gz",
        (124_800, 20_800),
        revision="50aa98fed27a6b8fad395e833fcb8b13da806cd7",
    ),
    "emnist_mnist": HubSet(
        "tanganke/emnist_mnist",
        "raw/emnist-mnist-{part}-{kind}-ubyte.gz",
        (60_000, 10_000),
        revision="16a3ccbfb26e87deb315c9ddd57f9669de2375df",
    ),
    "imdb": HubSet(
        "stanfordnlp/imdb",
        "plain_text/{part}-00000-of-00001.parquet",
        (25_000, 25_000),
        revision="e6281661ce1c48d982bc483cf8a173c1bbeb5d31",
        text="text",
    ),
    "svhn": HubSet(
        "ufldl-stanford/svhn",
        "cropped_digits/{part}-00000-of-00001.parquet",
        (73_257, 26_032),
        image="image",
        shape=(3, 32, 32),
    ),
    "trec": HubSet(
        "CogComp/trec",
        "default/{part}/0000.parquet",
        (5_452, 500),
        revision="65752bf53af25bc935a0dce92fb5b6c930728450",
        label="coarse_label",
        text="text",
    ),
}


# --- files ---------------------------------------------------------------------------------------


def fetch_files(name: str, home: str | Path) -> dict[str, list[Path]]:
    """Return the files of each part, from the cache if they are there.

    Parameters
    ----------
    name : str
        A key of `HUB`.
    home : path-like
        Folder of the cache.

    Raises
    ------
    MissingExtraError
        When a library that downloads or reads the files is not installed.
    InvalidInputError
        When a file is not in the cache and cannot be downloaded.
    """
    entry = HUB[name]
    hub = _require("huggingface_hub", name)
    if entry.text or entry.image:  # check before a download, which may take long
        _require("datasets", name)
    if entry.image:
        _require("PIL", name)
    cache = Path(home) / "hugging_face"
    try:
        return _files(hub.try_to_load_from_cache, entry, cache) or _download(hub, entry, cache)
    except Exception as error:  # the errors of its HTTP client differ from release to release
        raise InvalidInputError(
            f"data set {name!r} must come from Hugging Face ({entry.repository}, revision "
            f"{entry.revision}), got {_in_one_line(error)}; connect to the network, set "
            f"{DATA_VARIABLE} to a folder that has it, or load a file by path"
        ) from error


def _download(hub: Any, entry: HubSet, cache: Path) -> dict[str, list[Path]]:
    # Without a network this fails at once, whereas a download tries again for half a minute.
    hub.HfApi().repo_info(
        entry.repository, repo_type="dataset", revision=entry.revision, timeout=TIMEOUT
    )
    return _files(hub.hf_hub_download, entry, cache)


def _files(get: Callable[..., Any], entry: HubSet, cache: Path) -> dict[str, list[Path]]:
    """Return the files that `get` finds for each part, or none unless it finds all of them."""
    paths_of = {
        part: [
            get(
                entry.repository,
                file,
                repo_type="dataset",
                revision=entry.revision,
                cache_dir=cache,
            )
            for file in _file_names(entry, part)
        ]
        for part in PARTS
    }
    if not all(isinstance(path, str) for paths in paths_of.values() for path in paths):
        return {}
    return {part: [Path(path) for path in paths] for part, paths in paths_of.items()}


def _require(module: str, name: str) -> Any:
    return require(module, extra="hub", purpose=f"data set {name!r}")


def _file_names(entry: HubSet, part: str) -> list[str]:
    if not (entry.text or entry.image):
        return [entry.files.format(part=part, kind=kind) for kind in IDX_KINDS]
    shards = entry.shards[PARTS.index(part)]
    return [entry.files.format(part=part, shard=i, shards=shards) for i in range(shards)]


def files_hash(files: Mapping[str, Sequence[Path]]) -> str:
    """Return a SHA-256 of the hashes of all files."""
    hashes = [file_hash(path) for part in PARTS for path in files[part]]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


# --- rows ----------------------------------------------------------------------------------------


def read_hub_texts(name: str, files: Mapping[str, Sequence[Path]]) -> pd.DataFrame:
    """Return a table with the columns `text`, `target` (the name of the class) and `split`.

    Parameters
    ----------
    name : str
        A key of `HUB`.
    files : mapping of str to sequence of Path
        The files of each part.

    Raises
    ------
    InvalidInputError
        When a file does not fit the description of the data set.
    """
    import pandas as pd

    labelled = []
    try:
        for part, n_rows in zip(PARTS, HUB[name].rows, strict=True):
            labelled += _labelled_texts(name, files[part], n_rows, part)
    except Exception as error:  # a damaged file can fail in any way
        raise _unexpected(name, error) from error
    return pd.DataFrame(labelled, columns=["text", "target", "split"])


def _labelled_texts(
    name: str, paths: Sequence[Path], n_rows: int, part: str
) -> list[tuple[str, str, str]]:
    entry = HUB[name]
    rows = _rows(name, paths)
    columns = _columns(rows, entry.text, entry.label)
    class_name = columns[entry.label].int2str
    return [(row[entry.text], class_name(row[entry.label]), part) for row in _counted(rows, n_rows)]


def read_hub_images(name: str, files: Mapping[str, Sequence[Path]]) -> Images:
    """Return the images with their labels, the training part first.

    Parameters
    ----------
    name : str
        A key of `HUB`.
    files : mapping of str to sequence of Path
        The files of each part.

    Raises
    ------
    InvalidInputError
        When a file does not fit the description of the data set.
    """
    entry = HUB[name]
    if entry.image:
        return _parquet_images(name, files)
    images = read_idx_images([(files[part][0], files[part][1]) for part in PARTS])
    sizes = tuple(int((images.split == part).sum()) for part in PARTS)
    if (images.X.shape[1:], sizes) != (entry.shape, entry.rows):
        raise InvalidInputError(
            f"data set {name!r} must have {entry.rows} images of shape {entry.shape}, got {sizes} "
            f"of {images.X.shape[1:]}; clear the cache and load it again"
        )
    return replace(images, y=np.take(entry.classes, images.y)) if entry.classes else images


def _parquet_images(name: str, files: Mapping[str, Sequence[Path]]) -> Images:
    entry = HUB[name]
    # Reading all rows at once would need several times the memory.
    X = np.empty((sum(entry.rows), *entry.shape), dtype=np.uint8)
    y = np.empty(len(X), dtype=np.int64)
    start = 0
    try:
        for part, n_rows in zip(PARTS, entry.rows, strict=True):
            rows = _rows(name, files[part])
            _columns(rows, entry.image, entry.label)
            for i, row in enumerate(_counted(rows, n_rows), start=start):
                X[i] = _pixels(row[entry.image], entry)
                y[i] = operator.index(row[entry.label])
            start += n_rows
        if y.min() < 0:
            raise ValueError("images without a label")
    except Exception as error:  # a damaged file can fail in any way
        raise _unexpected(name, error) from error
    return Images(X, y, np.repeat(PARTS, entry.rows))


def _rows(name: str, paths: Sequence[Path]) -> Any:
    """Return an iterable of the rows of Parquet files, which reads them one after the other."""
    return _require("datasets", name).load_dataset(
        "parquet",
        data_files={"part": [str(path) for path in paths]},
        split="part",
        streaming=True,
    )


def _columns(rows: Any, *names: str) -> Any:
    """Return the types of all columns, after a check that the named ones are there."""
    for name in names:
        if name not in rows.features:
            raise ValueError(f"no column {name} among {', '.join(rows.features)}")
    return rows.features


def _counted(rows: Any, n_rows: int) -> Iterator[dict[str, Any]]:
    read = 0
    for read, row in enumerate(rows, start=1):
        if read > n_rows:
            break
        yield row
    if read != n_rows:
        raise ValueError(f"{'more' if read > n_rows else 'fewer'} than {n_rows} rows")


def _pixels(image: Any, entry: HubSet) -> NDArray[np.uint8]:
    """Return the pixels of a Pillow image, channels first."""
    from PIL import ImageOps

    n_channels, height, width = entry.shape
    image = image.convert("L" if n_channels == 1 else "RGB")
    if entry.cropped:
        image = ImageOps.fit(image, (width, height))
    if image.size != (width, height):
        raise ValueError(f"an image of {image.height} × {image.width} pixels")
    return np.asarray(image).reshape(height, width, n_channels).transpose(2, 0, 1)


def _unexpected(name: str, error: Exception) -> InvalidInputError:
    entry = HUB[name]
    shape = f", images of shape {entry.shape}" if entry.image else ""
    return InvalidInputError(
        f"data set {name!r} must have the columns {entry.text or entry.image} and {entry.label}"
        f"{shape} and {entry.rows} rows in {entry.repository}, got {_in_one_line(error)}; "
        "clear the cache and load it again"
    )


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
