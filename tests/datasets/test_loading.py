import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from holdfast.common.files import file_hash
from holdfast.datasets import content_hash, load, loading
from holdfast.datasets.hugging_face import HUB
from holdfast.datasets.openml import REGISTRY, OpenML
from holdfast.exceptions import InvalidInputError, MissingExtraError
from holdfast.tables import write_table

needs_data = pytest.mark.skipif(
    "HOLDFAST_DATA" not in os.environ, reason="HOLDFAST_DATA does not name a folder of data sets"
)


@pytest.fixture
def no_folder(monkeypatch):
    monkeypatch.delenv("HOLDFAST_DATA", raising=False)


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "size": [1.0, np.nan, 3.0, 4.0],
            "colour": ["red", "blue", None, "red"],
            "old": [True, False, True, True],
            "target": ["no", "yes", "no", "yes"],
        }
    )


# --- by name -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine", "iris", "Breast-Cancer"])
def test_bundled_sets(no_folder, name):
    data = load(name)
    bare = name.lower().replace("-", "_")
    X, y = getattr(sklearn.datasets, f"load_{bare}")(return_X_y=True, as_frame=True)
    pd.testing.assert_frame_equal(data.X, X)
    np.testing.assert_array_equal(data.y, y)
    assert (data.name, data.target, data.split) == (bare, "target", None)
    assert data.numeric == tuple(X.columns)
    assert data.categorical == ()
    assert data.sha256 == load(name).sha256


def test_unknown_name(no_folder):
    with pytest.raises(InvalidInputError, match=r"must be one of 'adult', .*did you mean 'adult'"):
        load("adlut")


@pytest.mark.parametrize("test_size", [0.0, 1.0, 2])
def test_test_size_is_a_share(test_size):
    with pytest.raises(InvalidInputError, match="test_size must be in"):
        load("iris").train_test(test_size=test_size)


def test_random_split_is_fixed_disjoint_and_complete():
    data = load("iris")
    parts, again = data.train_test(), data.train_test()
    np.testing.assert_array_equal(parts.test, again.test)
    np.testing.assert_array_equal(np.sort(np.r_[parts.train, parts.test]), np.arange(150))
    assert len(data.train_test(test_size=0.1).test) == 15
    assert not np.array_equal(parts.test, data.train_test(random_state=1).test)
    with pytest.raises(InvalidInputError, match="test_size must leave rows in both parts"):
        data.train_test(test_size=1e-6)


# --- a folder ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch, table):
    frame = table.assign(split=["train", "train", "test", "test"], day=range(4), zip=[1, 2, 1, 2])
    write_table(frame, tmp_path / "shop.parquet")
    write_table(frame.drop(columns="split"), tmp_path / "adult.parquet")
    entry = {
        "name": "shop",
        "file": "shop.parquet",
        "sha256": file_hash(tmp_path / "shop.parquet"),
        "target": "target",
        "non_feature_columns": ["split", "day"],
        "categorical_features": ["colour", "old", "zip"],
        "split_counts": {"train": 2, "test": 2},
    }
    adult = {
        "name": "adult",
        "file": "adult.parquet",
        "sha256": file_hash(tmp_path / "adult.parquet"),
        "split_counts": None,
    }
    absent = {"name": "absent", "file": "absent.parquet", "sha256": ""}
    image = {"name": "image", "file": "image.npz", "sha256": ""}
    manifest = json.dumps({"datasets": [entry, adult, absent, image]})
    (tmp_path / "MANIFEST.json").write_text(manifest)
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
    return tmp_path


def test_folder_follows_its_manifest(folder, table):
    data = load("shop")
    assert list(data.X.columns) == ["size", "colour", "old", "zip"]
    assert data.numeric == ("size",)
    assert data.categorical == ("colour", "old", "zip")
    assert data.y.tolist() == table["target"].tolist()
    assert data.split.tolist() == ["train", "train", "test", "test"]
    parts = data.train_test(test_size=0.9, random_state=7)
    assert (parts.train.tolist(), parts.test.tolist()) == ([0, 1], [2, 3])
    assert data.source == str(folder / "shop.parquet")


def test_folder_comes_before_openml_and_split_only_where_it_is_standard(folder):
    data = load("adult")
    assert data.split is None
    assert data.source == str(folder / "adult.parquet")
    assert "zip" in data.numeric


def test_another_target_of_a_named_set(folder):
    data = load("shop", target="old")
    assert data.y.tolist() == [True, False, True, True]
    assert "target" in data.categorical
    with pytest.raises(InvalidInputError, match=r"target must be one of .*did you mean 'size'"):
        load("shop", target="sise")


def test_changed_file(folder, table):
    write_table(table, folder / "shop.parquet")
    with pytest.raises(InvalidInputError, match="must have the SHA-256 of its manifest"):
        load("shop")


def test_names_of_the_folder_are_offered_where_their_file_exists(folder):
    with pytest.raises(InvalidInputError, match="did you mean 'shop'") as caught:
        load("shopp")
    assert "absent" not in str(caught.value)
    assert "image" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"datasets": [{}]}'])
def test_bad_manifest(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / "MANIFEST.json").write_text(content)
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
    with pytest.raises(InvalidInputError, match=r"must name a folder with a MANIFEST\.json"):
        load("adult")


# --- images and texts ----------------------------------------------------------------------------


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (5, 3, 4, 2), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 1, 0], dtype=np.uint8),
        "x_test": rng.integers(0, 256, (3, 3, 4, 2), dtype=np.uint8),
        "y_test": np.array([2, 1, 0], dtype=np.uint8),
    }


@pytest.fixture
def write_images(tmp_path, monkeypatch):
    """Write archives and their manifest: each argument is one file's arrays."""

    def write(*parts, name="pictures"):
        entries = []
        for i, part in enumerate(parts):
            path = tmp_path / f"{name}_{i}.npz"
            np.savez(path, **part)
            facts = {"name": name, "file": path.name, "kind": "image", "sha256": file_hash(path)}
            entries.append(facts)
        (tmp_path / "MANIFEST.json").write_text(json.dumps({"datasets": entries}))
        monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
        return tmp_path

    return write


def part_of(arrays, part):
    return {name: values for name, values in arrays.items() if name.endswith(part)}


@pytest.mark.parametrize("n_files", [1, 2])
@pytest.mark.parametrize("grey", [False, True])
def test_images(arrays, write_images, n_files, grey):
    if grey:
        arrays |= {name: arrays[name][..., 0] for name in ("x_train", "x_test")}
    files = [arrays] if n_files == 1 else [part_of(arrays, "test"), part_of(arrays, "train")]
    folder = write_images(*files)
    data = load("pictures")
    n_channels = 1 if grey else 2
    assert (data.X.shape, data.X.dtype) == ((8, n_channels, 3, 4), np.uint8)
    assert data.X.flags.c_contiguous
    for i in range(8):  # pixel by pixel
        image = arrays["x_train"][i] if i < 5 else arrays["x_test"][i - 5]
        for channel in range(n_channels):
            expected = image if grey else image[..., channel]
            np.testing.assert_array_equal(data.X[i, channel], expected)
    assert data.y.tolist() == [0, 1, 2, 1, 0, 2, 1, 0]
    assert data.y.dtype == np.int64  # differences of bytes would wrap around
    parts = data.train_test()
    assert (parts.train.tolist(), parts.test.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7])
    assert (data.name, data.target) == ("pictures", "target")
    assert data.numeric == data.categorical == data.text == ()
    assert data.source.count(str(folder)) == n_files
    assert len(data.sha256) == 64
    assert data.sha256 == load("pictures").sha256


def test_images_of_two_files_need_both_unchanged(arrays, write_images):
    folder = write_images(part_of(arrays, "train"), part_of(arrays, "test"))
    np.savez(folder / "pictures_1.npz", **part_of(arrays, "train"))
    with pytest.raises(InvalidInputError, match=r"pictures_1\.npz must have the SHA-256"):
        load("pictures")
    (folder / "pictures_1.npz").unlink()
    with pytest.raises(InvalidInputError, match=r"name_or_path must be one of .* got 'pictures'"):
        load("pictures")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y_test": None}, "must hold x_train, .*, got KeyError: 'y_test'; copy the files again"),
        ({"y_test": np.arange(2)}, r"got ValueError: \[5, 3\] images and \[5, 2\] labels"),
        ({"x_test": np.zeros((3, 3, 4, 2))}, "images of float64"),
        ({"x_test": np.zeros((3, 24), np.uint8)}, r"images of uint8 and shape \(3, 24\)"),
        ({"x_test": np.zeros((3, 5, 5, 2), np.uint8)}, "must hold x_train, .* could not broadcast"),
        ({"x_test": np.array([None] * 3)}, "must hold x_train, .* allow_pickle=False"),
    ],
)
def test_bad_images(arrays, write_images, change, match):
    changed = {name: values for name, values in (arrays | change).items() if values is not None}
    write_images(changed)
    with pytest.raises(InvalidInputError, match=match):
        load("pictures")


@pytest.mark.parametrize("damage", ["cut", "array", "text"])
def test_files_that_are_no_archives(arrays, write_images, damage):
    folder = write_images(arrays)
    path = folder / "pictures_0.npz"
    if damage == "array":
        with path.open("wb") as file:
            np.save(file, arrays["x_train"])
    else:
        path.write_bytes(path.read_bytes()[:300] if damage == "cut" else b"no images")
    facts = {"name": "pictures", "file": path.name, "sha256": file_hash(path)}
    (folder / "MANIFEST.json").write_text(json.dumps({"datasets": [facts]}))
    with pytest.raises(InvalidInputError, match=r"must hold x_train, .*; copy the files again"):
        load("pictures")


def test_images_have_their_target_and_no_text(arrays, write_images):
    write_images(arrays)
    assert load("pictures", target="target").target == "target"
    with pytest.raises(InvalidInputError, match="target must be one of 'target', got 'y'"):
        load("pictures", target="y")
    with pytest.raises(InvalidInputError, match="text must be left out for images, got 'a'; drop"):
        load("pictures", text="a")


def test_texts_of_a_folder(tmp_path, monkeypatch):
    frame = pd.DataFrame(
        {
            "text": ["so good", "bad", "fine"],
            "target": list("pnp"),
            "split": ["train"] * 2 + ["test"],
        }
    )
    path = tmp_path / "trec.parquet"
    write_table(frame, path)
    facts = {
        "name": "trec",
        "file": path.name,
        "kind": "text",
        "sha256": file_hash(path),
        "split_counts": {"train": 2, "test": 1},
    }
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"datasets": [facts]}))
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
    data = load("trec")
    assert data.X["text"].tolist() == ["so good", "bad", "fine"]
    assert (data.text, data.categorical, data.numeric) == (("text",), (), ())
    assert data.train_test().test.tolist() == [2]
    assert load(path, text="text").text == ("text",)
    assert load(path).text == ()


@pytest.mark.parametrize("name", ["imdb", "TREC", "ag-news", "SVHN", "emnist-digits", "celeba"])
def test_some_sets_need_an_extra(no_folder, monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"needs huggingface_hub, .*'holdfast\[hub\]'"):
        load(name, data_home=tmp_path)


def test_importing_does_not_load_what_the_extra_brings():
    code = "import sys, holdfast.datasets; print({'datasets', 'huggingface_hub'} & {*sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_columns_of_text_are_a_kind_of_their_own(tmp_path, table):
    write_table(table.assign(note=["so", "it", "goes", "on"]), tmp_path / "notes.parquet")
    data = load(tmp_path / "notes.parquet", text=["note"])
    assert (data.numeric, data.categorical, data.text) == (("size",), ("colour", "old"), ("note",))
    with pytest.raises(InvalidInputError, match=r"text must be one of .*did you mean 'note'"):
        load(tmp_path / "notes.parquet", text="notes")


@needs_data
@pytest.mark.parametrize(
    ("name", "n_train", "n_classes"),
    [("trec", 5452, 6), ("ag_news", 8000, 4), ("imdb", 25_000, 2)],
)
def test_real_texts(name, n_train, n_classes):
    data = load(name)
    assert list(data.X.columns) == ["text"]
    assert (data.text, data.categorical) == (("text",), ())
    assert len(np.unique(data.y)) == n_classes
    assert len(data.train_test().train) == n_train


@needs_data
@pytest.mark.parametrize(("name", "first"), [("mnist", [5, 0, 4, 1]), ("fashion-mnist", [9, 0, 0])])
def test_real_images(name, first):
    data = load(name)
    assert (data.X.shape, data.X.dtype) == ((70_000, 1, 28, 28), np.uint8)
    assert data.y[: len(first)].tolist() == first
    assert len(data.train_test().train) == 60_000


# --- real tables ---------------------------------------------------------------------------------


@needs_data
@pytest.mark.parametrize(
    ("name", "shape", "n_categorical", "n_train"),
    [
        ("adult", (48842, 14), 8, 32561),
        ("bank", (45211, 16), 9, None),
        ("eeg", (14980, 14), 0, None),
        ("phishing", (11055, 30), 0, None),
        ("compas", (6172, 9), 4, None),
        ("wilt", (4839, 5), 0, 4339),
        ("churn", (5000, 19), 4, None),
    ],
)
def test_real_sets(name, shape, n_categorical, n_train):
    data = load(name)
    assert data.X.shape == shape
    assert len(data.categorical) == n_categorical
    assert set(data.numeric) | set(data.categorical) == set(data.X.columns)
    assert len(data.y) == shape[0]
    assert (data.split is None) == (n_train is None)
    assert len(data.train_test().train) == (n_train or round(shape[0] * 2 / 3))


# --- by path -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".csv.gz"])
@pytest.mark.parametrize("as_text", [False, True])
def test_file(tmp_path, table, suffix, as_text):
    path = tmp_path / f"mine{suffix}"
    write_table(table, path)
    data = load(str(path) if as_text else path)
    assert (data.name, data.target, data.source) == ("mine", "target", str(path))
    assert data.numeric == ("size",)
    assert data.categorical == ("colour", "old")
    assert data.y.tolist() == ["no", "yes", "no", "yes"]
    assert data.X["size"].isna().sum() == 1
    assert len(data.sha256) == 64


def test_usual_names_of_the_target(tmp_path, table):
    for name in ("label", "class"):
        write_table(table.rename(columns={"target": name}), tmp_path / "t.csv")
        assert load(tmp_path / "t.csv").target == name
    write_table(table.rename(columns={"target": "answer"}), tmp_path / "t.csv")
    assert load(tmp_path / "t.csv", target="answer").target == "answer"
    with pytest.raises(InvalidInputError, match=r"must have a column target, .*'size', .*'answer'"):
        load(tmp_path / "t.csv")
    with pytest.raises(InvalidInputError, match=r"target must be one of .*did you mean 'answer'"):
        load(tmp_path / "t.csv", target="anser")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (["a", None, "b", "a"], "target of bad must not have missing values, got 1 of 4"),
        (["a"] * 4, "target of bad must have two classes or more, got only 'a'"),
        ([0.5, 1.5, 2.0, 0.1], "target of bad must be class labels, got real numbers"),
    ],
)
def test_bad_targets(tmp_path, table, values, match):
    write_table(table.assign(target=values), tmp_path / "bad.parquet")
    with pytest.raises(InvalidInputError, match=match):
        load(tmp_path / "bad.parquet")


def test_bad_files(tmp_path):
    with pytest.raises(InvalidInputError, match="got no file at"):
        load("none.csv")
    with pytest.raises(InvalidInputError, match="must end in one of"):
        load(str(tmp_path / "none"))
    (tmp_path / "only.csv").write_text("target\na\nb\n")
    with pytest.raises(InvalidInputError, match="only must have features, got only 'target'"):
        load(tmp_path / "only.csv")


# --- OpenML --------------------------------------------------------------------------------------

ARFF = """@relation churn
@attribute number real
@attribute 'phone number' real
@attribute state {x,y}
@attribute class {0,1}
@data
1,11,x,0
?,12,y,1
3,13,?,1
"""


def feature_of(index, line):
    """What OpenML says of one column, from its line of the ARFF file."""
    name, kind = re.fullmatch(r"@attribute ('.*'|\S+) (.*)", line).groups()
    name = name.strip("'")
    described = {
        "index": str(index),
        "name": name,
        "data_type": "nominal" if kind.startswith("{") else "numeric",
        "is_target": str(name == "class").lower(),
        "is_ignore": "false",
        "is_row_identifier": "false",
        "number_of_missing_values": "0",
    }
    if kind.startswith("{"):
        described["nominal_value"] = kind.strip("{}").split(",")
    return described


@pytest.fixture
def openml(monkeypatch, no_folder):
    """Serve one data set in OpenML's formats from this machine."""
    state = SimpleNamespace(arff=ARFF, data_id=40701, name="churn", requests=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            import hashlib

            state.requests += 1
            description = {
                "id": str(state.data_id),
                "name": state.name,
                "version": "1",
                "status": "active",
                "format": "ARFF",
                "description": "",
                "url": f"{url}/download/{state.name}.arff",
                "md5_checksum": hashlib.md5(state.arff.encode()).hexdigest(),
            }
            lines = [line for line in state.arff.splitlines() if line.startswith("@attribute")]
            features = [feature_of(i, line) for i, line in enumerate(lines)]
            n_rows = str(len(state.arff.partition("@data")[2].split()))
            answers = {
                "info": {"data_set_description": description},
                "features": {"data_features": {"feature": features}},
                "qualities": {
                    "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": n_rows}]}
                },
            }
            kind = self.path.split("/")[1]
            text = json.dumps(answers[kind]) if kind in answers else state.arff
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for constant, kind in {
        "INFO": "info",
        "FEATURES": "features",
        "QUALITIES": "qualities",
    }.items():
        monkeypatch.setattr(f"sklearn.datasets._openml._DATA_{constant}", f"{url}/{kind}/{{}}")
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def test_openml(openml, tmp_path):
    data = load("churn", data_home=tmp_path)
    assert list(data.X.columns) == ["number", "state"]  # the phone number says nothing
    assert (data.numeric, data.categorical) == (("number",), ("state",))
    assert data.y.tolist() == ["0", "1", "1"]
    assert data.target == "class"
    assert "40701" in data.source
    requests = openml.requests
    again = load("churn", data_home=tmp_path)
    assert openml.requests == requests  # the cache serves
    assert again.sha256 == data.sha256
    assert data.sha256 == (tmp_path / "holdfast" / "churn-40701.sha256").read_text().strip()


def test_changed_openml_data(openml, tmp_path):
    load("churn", data_home=tmp_path)
    openml.arff = ARFF.replace("3,13", "4,13")
    cached = [path for path in (tmp_path / "openml").rglob("*") if path.is_file()]
    assert cached
    for path in cached:
        path.unlink()
    with pytest.raises(InvalidInputError, match="must have the recorded content hash"):
        load("churn", data_home=tmp_path)


def test_known_hash(openml, tmp_path, monkeypatch):
    sha256 = load("churn", data_home=tmp_path / "first").sha256
    for known, fits in ((sha256, True), ("0" * 64, False)):
        monkeypatch.setitem(REGISTRY, "churn", OpenML(40701, sha256=known))
        if fits:
            assert load("churn", data_home=tmp_path / "second").sha256 == sha256
        else:
            with pytest.raises(InvalidInputError, match="must have the known content hash 0000"):
                load("churn", data_home=tmp_path / "third")


def test_no_network(no_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn.datasets._openml._DATA_INFO", "http://127.0.0.1:9/{}")
    monkeypatch.setattr("sklearn.datasets._openml.time", SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(InvalidInputError, match="set HOLDFAST_DATA to a folder that has it, or"):
        load("churn", data_home=tmp_path)


PIXELS = [[0, 1, 2, 3, 250, 251], [9, 8, 7, 6, 5, 4], [255, 0, 255, 0, 255, 0], [1, 1, 1, 1, 1, 1]]


def image_arff(rows):
    names = [f"@attribute pixel{i} real" for i in range(6)]
    lines = [f"{','.join(map(str, row))},{label}" for row, label in zip(rows, "2010", strict=True)]
    head = ["@relation images", *names, "@attribute class {0,1,2}", "@data"]
    return "\n".join([*head, *lines]) + "\n"


@pytest.fixture
def openml_images(openml, monkeypatch):
    openml.arff, openml.data_id, openml.name = image_arff(PIXELS), 40927, "CIFAR_10"
    entry = OpenML(40927, image_shape=(3, 1, 2), n_train=3)
    monkeypatch.setitem(REGISTRY, "cifar10", entry)
    return openml


def test_images_of_openml(openml_images, tmp_path):
    data = load("CIFAR-10", data_home=tmp_path)
    assert data.X.dtype == np.uint8
    assert data.X.shape == (4, 3, 1, 2)
    assert data.X[0].tolist() == [[[0, 1]], [[2, 3]], [[250, 251]]]
    assert data.X.reshape(4, -1).tolist() == PIXELS
    assert (data.y.tolist(), data.y.dtype) == ([2, 0, 1, 0], np.int64)
    parts = data.train_test()
    assert (parts.train.tolist(), parts.test.tolist()) == ([0, 1, 2], [3])
    assert "40927" in data.source
    assert data.sha256 == (tmp_path / "holdfast" / "cifar10-40927.sha256").read_text().strip()


def test_changed_images_of_openml(openml_images, tmp_path):
    load("cifar10", data_home=tmp_path / "first")
    record = tmp_path / "first" / "holdfast"
    openml_images.arff = image_arff([[4, 3, 2, 1, 0, 0], *PIXELS[1:]])
    (tmp_path / "second").mkdir()
    record.rename(tmp_path / "second" / "holdfast")
    with pytest.raises(InvalidInputError, match="must have the recorded content hash"):
        load("cifar10", data_home=tmp_path / "second")


@pytest.mark.parametrize("pixel", [256, -1, 0.5])
def test_images_of_openml_are_bytes(openml_images, tmp_path, pixel):
    openml_images.arff = image_arff([*PIXELS[:3], [pixel, 1, 1, 1, 1, 1]])
    with pytest.raises(InvalidInputError, match="'cifar10' must have whole pixels from 0 to 255"):
        load("cifar10", data_home=tmp_path)


def test_images_of_openml_have_the_expected_size(openml_images, tmp_path, monkeypatch):
    monkeypatch.setitem(REGISTRY, "cifar10", OpenML(40927, image_shape=(1, 2, 2), n_train=3))
    with pytest.raises(InvalidInputError, match=r"'cifar10' must have 4 pixels a row .*\(4, 6\)"):
        load("cifar10", data_home=tmp_path)


def test_content_hash_sees_values_not_types(table):
    first = content_hash(table)
    other = table.astype({"colour": "category", "target": object, "size": "Float64"})
    assert content_hash(other) == first
    assert content_hash(pd.DataFrame({"a": [0, 1]})) == content_hash(pd.DataFrame({"a": [-0.0, 1]}))
    changes = [
        table.iloc[::-1],
        table[table.columns[::-1]],
        table.rename(columns={"size": "Size"}),
        table.assign(size=[1.0, np.nan, 3.0, 5.0]),
        table.assign(size=[1.0, 2.0, np.nan, 4.0]),
        table.assign(colour=["red", "blue", "red", None]),
        table.assign(colour=["red", "blue", "None", "red"]),
    ]
    hashes = [content_hash(changed) for changed in changes]
    assert len({first, *hashes}) == len(changes) + 1


def test_registry_names_are_aliases_of_nothing_else():
    known = {*loading.BUNDLED, *REGISTRY, *HUB}
    assert not known & set(loading.ALIASES)
    assert set(loading.ALIASES.values()) <= known | {"weather_noaa"}
    assert len(known) == len(loading.BUNDLED) + len(REGISTRY) + len(HUB)
    assert len({entry.data_id for entry in REGISTRY.values()}) == len(REGISTRY)
