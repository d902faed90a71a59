import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets

from holdfast import datasets
from holdfast.datasets import REGISTRY, content_hash, load
from holdfast.exceptions import InvalidInputError
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
        "sha256": datasets._file_hash(tmp_path / "shop.parquet"),
        "target": "target",
        "non_feature_columns": ["split", "day"],
        "categorical_features": ["colour", "old", "zip"],
        "split_counts": {"train": 2, "test": 2},
    }
    adult = {
        "name": "adult",
        "file": "adult.parquet",
        "sha256": datasets._file_hash(tmp_path / "adult.parquet"),
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


@pytest.fixture
def openml(monkeypatch, no_folder):
    """Serve one data set in OpenML's formats from this machine."""
    names = {"number": "numeric", "phone number": "numeric", "state": "nominal", "class": "nominal"}
    features = [
        {
            "index": str(i),
            "name": name,
            "data_type": kind,
            "is_target": str(name == "class").lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        | ({"nominal_value": ["0", "1"] if name == "class" else ["x", "y"]} if i > 1 else {})
        for i, (name, kind) in enumerate(names.items())
    ]
    state = SimpleNamespace(arff=ARFF, requests=0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            import hashlib

            state.requests += 1
            description = {
                "id": "40701",
                "name": "churn",
                "version": "1",
                "status": "active",
                "format": "ARFF",
                "description": "",
                "url": f"{url}/download/churn.arff",
                "md5_checksum": hashlib.md5(state.arff.encode()).hexdigest(),
            }
            answers = {
                "info": {"data_set_description": description},
                "features": {"data_features": {"feature": features}},
                "qualities": {
                    "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": "3"}]}
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
        monkeypatch.setitem(REGISTRY, "churn", datasets._OpenML(40701, sha256=known))
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
    known = {*datasets.BUNDLED, *REGISTRY}
    assert not known & set(datasets.ALIASES)
    assert len({entry.data_id for entry in REGISTRY.values()}) == len(REGISTRY)
