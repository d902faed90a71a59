"""OpenML: the data sets that holdfast knows by name, their download and the check of their hash."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.common.files import write_text
from holdfast.datasets.folder import DATA_VARIABLE
from holdfast.exceptions import InvalidInputError

__all__ = ["REGISTRY", "OpenML", "check_recorded_hash", "fetch"]


@dataclass(frozen=True)
class OpenML:
    """A data set of OpenML.

    Attributes
    ----------
    data_id : int
        OpenML's number of the data set.
    target : str or None
        Name of the label's column; None stands for the one that OpenML declares.
    drop : tuple of str
        Columns that identify rows.
    sha256 : str or None
        The `content_hash` that the table must have if it is known.
    image_shape : tuple of int, or None
        Channels, height and width of images; None for tables.
    n_train : int
        How many rows of images, counted from the first, are the training part.
    """

    data_id: int
    target: str | None = None
    drop: tuple[str, ...] = ()
    sha256: str | None = None
    image_shape: tuple[int, int, int] | None = None
    n_train: int = 0


REGISTRY = {
    "adult": OpenML(1590),
    "bank_marketing": OpenML(1461),
    "churn": OpenML(40701, drop=("phone_number",)),
    "cifar10": OpenML(40927, image_shape=(3, 32, 32), n_train=50_000),
    "compas": OpenML(42192),
    "eeg_eye_state": OpenML(1471),
    "electricity": OpenML(151),
    "elevators": OpenML(846),
    "fashion_mnist": OpenML(40996, image_shape=(1, 28, 28), n_train=60_000),
    "kmnist": OpenML(41982, image_shape=(1, 28, 28), n_train=60_000),
    "kuzushiji_49": OpenML(41991, image_shape=(1, 28, 28), n_train=232_365),
    "letter": OpenML(6),
    "magic04": OpenML(1120),
    "mnist": OpenML(554, image_shape=(1, 28, 28), n_train=60_000),
    "phishing_websites": OpenML(4534),
    "phoneme": OpenML(1489),
    "pollen": OpenML(871),
    "wilt": OpenML(40983),
}


def fetch(name: str, home: str, *, as_frame: bool) -> Any:
    """Return a data set of OpenML, from the cache if it is there.

    Parameters
    ----------
    name : str
        A key of `REGISTRY`.
    home : str
        Folder of the cache.
    as_frame : bool
        Whether the result holds a data frame rather than arrays.
    """
    from sklearn.datasets import fetch_openml

    data_id = REGISTRY[name].data_id
    try:
        with warnings.catch_warnings():
            # Each retry is announced by a warning, but it only matters whether one succeeds.
            warnings.filterwarnings("ignore", message="A network error occurred")
            # With some releases of pandas the other parser fails, or turns categories that look
            # like numbers into numbers.
            return fetch_openml(
                data_id=data_id, as_frame=as_frame, data_home=home, delay=0.5, parser="liac-arff"
            )
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"data set {name!r} must come from OpenML (id {data_id}), got: {error}; connect "
            f"to the network, set {DATA_VARIABLE} to a folder that has it, or load a file by path"
        ) from error


def check_recorded_hash(name: str, sha256: str, record: Path, pinned: str | None) -> None:
    """Compare a hash with the known and the recorded one, and record it if none is recorded.

    Parameters
    ----------
    name : str
        Name of the data set.
    sha256 : str
        Hash of the data that were loaded.
    record : Path
        File of the recorded hash.
    pinned : str or None
        The known hash.

    Raises
    ------
    InvalidInputError
        When the hash is another one.
    """
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
