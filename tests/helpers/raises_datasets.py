"""Data sets that cannot be read, and what the message must hold."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from tests.helpers.cases import new_file, new_folder

from holdfast.datasets import load
from holdfast.datasets.dataset import Dataset, image_target, table_dataset
from holdfast.datasets.folder import FolderEntry, checked_hash, read_manifest
from holdfast.datasets.images import images_of_table, read_idx_images, read_images
from holdfast.datasets.openml import check_recorded_hash, fetch


def table(text, **options):
    """Load a CSV file."""
    return load(str(new_file(text, "data.csv")), **options)


def one_row():
    only = pd.DataFrame({"a": [1.0, 2.0]})
    y = np.array(["no", "yes"])
    return Dataset("d", only, y, "y", ("a",), (), None, "", "").train_test(test_size=0.001)


def manifest(text):
    folder = new_file(text, "MANIFEST.json").parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_DATA", str(folder))
        read_manifest()


def idx_files(content):
    path = new_file(content, "images.gz")
    read_idx_images([(path, path), (path, path)])


def offline():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn.datasets.fetch_openml", _no_network)
        fetch("adult", str(new_folder()), as_frame=True)


def _no_network(**_):
    raise OSError("no network")


def no_hub():
    hub = pytest.importorskip("huggingface_hub")
    from holdfast.datasets.hugging_face import HUB, fetch_files

    name = next(name for name, entry in HUB.items() if not (entry.text or entry.image))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "hf_hub_download", _no_network_of_hub)
        fetch_files(name, new_folder())


def _no_network_of_hub(*_, **__):
    raise OSError("no network")


def small_idx(shape):
    """Return a gzipped file of zeros in the format of MNIST."""
    sides = b"".join(side.to_bytes(4, "big") for side in shape)
    return gzip.compress(bytes([0, 0, 8, len(shape)]) + sides + bytes(int(np.prod(shape))))


def hub_images():
    from holdfast.datasets.hugging_face import HUB, read_hub_images

    name = next(name for name, entry in HUB.items() if not (entry.text or entry.image))
    pair = [new_file(small_idx((2, 3, 3)), "x.gz"), new_file(small_idx((2,)), "y.gz")]
    read_hub_images(name, {"train": pair, "test": pair})


CASES = {
    "datasets/dataset.py Dataset.train_test #1": (one_row, "test_size"),
    "datasets/dataset.py _target #1": (
        lambda: table("a,y\n1,1\n2,1\n", target="y"),
        "got only 1; choose another column with target=",
    ),
    "datasets/dataset.py table_dataset #1": (
        lambda: table_dataset("d", pd.DataFrame({"y": [0, 1]}), "y", source="", sha256=""),
        "d must have features, got only 'y'; add columns",
    ),
    "datasets/dataset.py image_target #1": (
        lambda: image_target(None, ["a"]),
        "text must be left out for images, got 'a'",
    ),
    "datasets/folder.py read_manifest #1": (
        lambda: manifest(json.dumps({"sets": []})),
        "(KeyError: 'datasets'); correct or unset the variable",
    ),
    "datasets/folder.py checked_hash #1": (
        lambda: checked_hash(FolderEntry({}, {new_file("abc"): "0" * 64})),
        "0000, got ba7816bf",
    ),
    "datasets/hugging_face.py fetch_files #1": (
        no_hub,
        "connect to the network, set HOLDFAST_DATA",
    ),
    "datasets/hugging_face.py read_hub_images #1": (hub_images, "got (2, 2) of (1, 3, 3)"),
    "datasets/images.py images_of_table #1": (
        lambda: images_of_table("d", np.zeros((3, 5)), np.zeros(3), shape=(1, 2, 2), n_train=1),
        "must have 4 pixels a row and more than 1 rows, got shape (3, 5)",
    ),
    "datasets/images.py images_of_table #2": (
        lambda: images_of_table("d", np.full((3, 4), 0.5), np.zeros(3), shape=(1, 2, 2), n_train=1),
        "whole pixels from 0 to 255, got values from 0.5 to 0.5",
    ),
    "datasets/images.py read_idx_images #1": (
        lambda: idx_files(b"none"),
        "in the format of MNIST, got BadGzipFile",
    ),
    "datasets/images.py read_images #1": (
        lambda: read_images([new_file(b"none", "a.npz")]),
        "copy the files again",
    ),
    "datasets/loading.py _from_file #1": (
        lambda: table("a,b\n1,0\n2,1\n"),
        "got 'a', 'b'; name the label's column with target=",
    ),
    "datasets/openml.py fetch #1": (offline, "(id 1590), got: no network; connect to the network"),
    "datasets/openml.py check_recorded_hash #1": (
        lambda: check_recorded_hash("d", "b", new_file("a"), None),
        "the recorded content hash a, got b; the data changed",
    ),
}
