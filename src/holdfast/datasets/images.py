"""Images of a data set as one array, read from the files or the table that hold them."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError

__all__ = ["PARTS", "Images", "images_hash", "images_of_table", "read_idx_images", "read_images"]

PARTS = ("train", "test")


@dataclass(frozen=True, eq=False)
class Images:
    """Images with labels.

    Attributes
    ----------
    X : ndarray of uint8, shape (n, channels, height, width)
        The images.
    y : ndarray of int, shape (n,)
        Their labels.
    split : ndarray of str, shape (n,)
        "train" or "test" for each image; the training part comes first.
    """

    X: NDArray[np.uint8]
    y: NDArray[np.int64]
    split: NDArray[np.str_]


def read_images(paths: Sequence[Path]) -> Images:
    """Read `x_train`, `y_train`, `x_test` and `y_test` from NumPy archives.

    Parameters
    ----------
    paths : sequence of Path
        The archives, which together hold the four arrays. Images are uint8 of shape
        (n, height, width) or (n, height, width, channels).

    Raises
    ------
    InvalidInputError
        When an archive cannot be read, an array is missing or the arrays do not fit together.
    """
    try:
        # Unpacking releases the interpreter's lock, so threads can read files at the same time.
        with ThreadPoolExecutor() as pool:
            read = list(pool.map(_read_arrays, paths))
        arrays = {name: values for part in read for name, values in part.items()}
        return _joined(arrays)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        listed = ", ".join(str(path) for path in paths)
        raise InvalidInputError(
            f"{listed} must hold x_train, y_train, x_test and y_test, images of uint8 (n, height, "
            f"width) or (n, height, width, channels) with one label each, got "
            f"{type(error).__name__}: {error}; copy the files again"
        ) from error


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    # If NumPy opened the file itself, it would leave it open after an error.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _joined(arrays: dict[str, NDArray[Any]]) -> Images:
    """Return both parts in one array; each is copied only once."""
    parts = [_channels_first(arrays[f"x_{part}"]) for part in PARTS]
    labels = [arrays[f"y_{part}"] for part in PARTS]
    sizes = [len(part) for part in parts]
    if sizes != [len(part) for part in labels]:
        raise ValueError(f"{sizes} images and {[len(part) for part in labels]} labels")
    # `concatenate` would keep the channels last in memory.
    X = np.empty((sum(sizes), *parts[0].shape[1:]), dtype=np.uint8)
    X[: sizes[0]], X[sizes[0] :] = parts
    return Images(X, np.concatenate(labels).astype(np.int64), np.repeat(PARTS, sizes))


def _channels_first(images: NDArray[Any]) -> NDArray[np.uint8]:
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(f"images of {images.dtype} and shape {images.shape}")
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)


def read_idx_images(parts: Sequence[tuple[Path, Path]]) -> Images:
    """Read images and labels from gzipped files in the format of MNIST.

    Parameters
    ----------
    parts : sequence of (Path, Path)
        Two files for the training part and two for the test part: images of shape
        (n, height, width) and labels of shape (n,), both uint8.

    Raises
    ------
    InvalidInputError
        When a file cannot be read or the arrays do not fit together.
    """
    try:
        arrays: dict[str, NDArray[np.uint8]] = {}
        for part, (images, labels) in zip(PARTS, parts, strict=True):
            arrays |= {f"x_{part}": _read_idx(images), f"y_{part}": _read_idx(labels)}
        return _joined(arrays)
    except (OSError, ValueError, TypeError, IndexError, EOFError, zlib.error) as error:
        listed = ", ".join(str(path) for pair in parts for path in pair)
        raise InvalidInputError(
            f"{listed} must hold gzipped images of uint8 (n, height, width) with one label each in "
            f"the format of MNIST, got {type(error).__name__}: {error}; clear the cache and load "
            "them again"
        ) from error


def _read_idx(path: Path) -> NDArray[np.uint8]:
    with gzip.open(path) as file:
        content = file.read()
    # The file holds two zeros, 8 for uint8, the number of dimensions, the size of each of them in
    # four bytes, and the values.
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} that starts with {content[:3]!r}")
    n_dimensions = content[3]
    shape = np.frombuffer(content, ">u4", n_dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dimensions).reshape(shape)


def images_of_table(
    name: str,
    pixels: NDArray[Any],
    labels: NDArray[Any],
    *,
    shape: tuple[int, int, int],
    n_train: int,
) -> Images:
    """Return images from a table that has one row for each image.

    Parameters
    ----------
    name : str
        Name of the data set in messages.
    pixels : ndarray of shape (n, channels · height · width)
        Whole numbers from 0 to 255, channel by channel and row by row.
    labels : ndarray of shape (n,)
        Whole numbers, as text or as numbers.
    shape : tuple of int
        Channels, height and width.
    n_train : int
        How many rows, counted from the first, are the training part.

    Raises
    ------
    InvalidInputError
        When the table does not fit `shape` and `n_train`, or its pixels are not whole numbers from
        0 to 255.
    """
    expected = int(np.prod(shape))
    if pixels.ndim != 2 or pixels.shape[1] != expected or len(pixels) <= n_train:
        raise InvalidInputError(
            f"data set {name!r} must have {expected} pixels a row and more than {n_train} rows, "
            f"got shape {pixels.shape}; clear the cache and load it again"
        )
    whole = pixels.astype(np.uint8)
    if not np.array_equal(whole, pixels):
        raise InvalidInputError(
            f"data set {name!r} must have whole pixels from 0 to 255, got values from "
            f"{pixels.min():g} to {pixels.max():g}; clear the cache and load it again"
        )
    split = np.repeat(PARTS, [n_train, len(pixels) - n_train])
    return Images(whole.reshape(-1, *shape), labels.astype(np.float64).astype(np.int64), split)


def images_hash(images: Images) -> str:
    """Return a SHA-256 of shape, pixels and labels.

    Returns
    -------
    str
        64 hexadecimal digits, which are equal for the same images in the same order.
    """
    digest = hashlib.sha256(repr(images.X.shape).encode())
    digest.update(np.ascontiguousarray(images.X).data)
    digest.update(images.y.astype("<i8").data)
    return digest.hexdigest()
