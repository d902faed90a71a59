"""Repositories of the real formats, served from this machine to the real libraries."""

import gzip
import hashlib
import io
import json
import shutil
import string
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from holdfast.datasets import load
from holdfast.datasets.hugging_face import CELEBA_ATTRIBUTES, HUB
from holdfast.exceptions import InvalidInputError, MissingExtraError
from holdfast.tables import write_table

hugging_face = pytest.importorskip("datasets")
Image = pytest.importorskip("PIL.Image")
constants = pytest.importorskip("huggingface_hub.constants")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(monkeypatch):
    """Serve files as the Hub does; `change` fits an entry of the table of known sets to them."""
    monkeypatch.delenv("HOLDFAST_DATA", raising=False)
    state = SimpleNamespace(files={}, requests=[])

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status=200, content=b"", **headers):
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_GET(self):
            path = unquote(self.path.partition("?")[0])
            state.requests.append(path)
            kind, _, rest = path.removeprefix("/").partition("datasets/")
            repository, revision, file = split_path(rest, "revision" if kind else "resolve")
            if not any(repository == known for known, _ in state.files):
                self.answer(401, X_Error_Code="RepoNotFound")
            elif revision not in ("main", COMMIT):
                self.answer(404, X_Error_Code="RevisionNotFound")
            elif kind:
                self.answer(content=json.dumps({"id": repository, "sha": COMMIT}).encode())
            elif (repository, file) not in state.files:
                self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
            else:
                content = state.files[repository, file]
                etag = f'"{hashlib.sha256(content).hexdigest()}"'
                self.answer(content=content, ETag=etag, X_Repo_Commit=COMMIT)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    use_endpoint(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def change(name, **changes):
        monkeypatch.setitem(HUB, name, replace(HUB[name], **{"revision": "main"} | changes))

    state.change = change
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def split_path(rest, separator):
    """Return repository, revision and file of what an address says."""
    repository, _, rest = rest.partition(f"/{separator}/")
    revision, _, file = rest.partition("/")
    return repository, revision, file


def use_endpoint(monkeypatch, url):
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix(constants.ENDPOINT)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)


def parquet(columns, **features):
    """Return the bytes of a Parquet file as the library itself writes it."""
    rows = hugging_face.Dataset.from_dict(columns, features=hugging_face.Features(features))
    file = io.BytesIO()
    rows.to_parquet(file)
    return file.getvalue()


def class_label(*names):
    return hugging_face.ClassLabel(names=list(names))


def idx_gz(array):
    head = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.tobytes())


# --- images --------------------------------------------------------------------------------------


@pytest.fixture
def colours():
    rng = np.random.default_rng(0)
    return {
        "train": rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8),
        "test": rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8),
    }


LABELS = {"train": [1, 0, 2, 1], "test": [2, 0]}


def serve_images(hub, name, images, *, labels=LABELS, shards=(1, 1), label_type=None, **changes):
    """Serve images under the repository, files and columns that the table names."""
    hub.change(name, rows=tuple(len(part) for part in images.values()), shards=shards, **changes)
    known = HUB[name]
    features = {
        known.image: hugging_face.Image(),
        known.label: label_type or class_label("a", "b", "c"),
    }
    for (part, arrays), n in zip(images.items(), shards, strict=True):
        for shard, rows in enumerate(np.array_split(np.arange(len(arrays)), n)):
            columns = {
                known.image: [Image.fromarray(arrays[i]) for i in rows],
                known.label: [labels[part][i] for i in rows],
            }
            file = known.files.format(part=part, shard=shard, shards=n)
            hub.files[known.repository, file] = parquet(columns, **features)


@pytest.mark.parametrize("name", ["svhn", "cifar100"])
@pytest.mark.parametrize("grey", [False, True])
def test_images(hub, tmp_path, colours, name, grey):
    if grey:
        colours = {part: images[..., 0] for part, images in colours.items()}
    serve_images(hub, name, colours, shape=(1 if grey else 3, 32, 32))
    data = load(name, data_home=tmp_path)
    assert (data.X.shape, data.X.dtype) == ((6, 1 if grey else 3, 32, 32), np.uint8)
    assert data.X.flags.c_contiguous
    for image, expected in zip(data.X, [*colours["train"], *colours["test"]], strict=True):
        np.testing.assert_array_equal(
            image, expected[None] if grey else expected.transpose(2, 0, 1)
        )
    assert data.y.tolist() == [1, 0, 2, 1, 2, 0]
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 2
    assert (data.name, data.target, data.text) == (name, "target", ())
    assert HUB[name].repository in data.source
    record = tmp_path / "holdfast" / f"{name}-main.sha256"
    assert data.sha256 == record.read_text().strip()


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_the_cache_serves(hub, tmp_path, colours, monkeypatch, revision):
    serve_images(hub, "svhn", colours, revision=revision)
    first = load("svhn", data_home=tmp_path)
    n_requests = len(hub.requests)
    use_endpoint(monkeypatch, "http://127.0.0.1:9")
    again = load("svhn", data_home=tmp_path)
    assert len(hub.requests) == n_requests
    np.testing.assert_array_equal(again.X, first.X)
    assert again.sha256 == first.sha256


def test_only_the_files_of_the_table_are_asked_for(hub, tmp_path, colours):
    serve_images(hub, "svhn", colours)
    repository = HUB["svhn"].repository
    files = {file for _, file in hub.files}
    hub.files |= {(repository, name): b"raise SystemExit" for name in ("svhn.py", "README.md")}
    load("svhn", data_home=tmp_path)
    asked = {split_path(path, "resolve")[2] for path in hub.requests if "/resolve/" in path}
    assert asked == files


def test_changed_files(hub, tmp_path, colours):
    serve_images(hub, "svhn", colours)
    load("svhn", data_home=tmp_path)
    shutil.rmtree(tmp_path / "hugging_face")
    serve_images(hub, "svhn", {part: 255 - images for part, images in colours.items()})
    with pytest.raises(InvalidInputError, match="'svhn' must have the recorded content hash"):
        load("svhn", data_home=tmp_path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rows": (5, 2)}, r"image and label, .* got ValueError: fewer than 5 rows; clear"),
        ({"rows": (3, 2)}, "more than 3 rows"),
        ({"label": "digit"}, "no column digit among image, label"),
        ({"image": "img"}, "no column img among image, label"),
        ({"image": "label"}, "got AttributeError"),
        ({"label": "image"}, "got TypeError"),
        ({"shape": (3, 32, 31)}, "an image of 32 × 32 pixels"),
    ],
)
def test_unexpected_images(hub, tmp_path, colours, change, match):
    serve_images(hub, "svhn", colours)
    hub.change("svhn", **change)
    with pytest.raises(InvalidInputError, match=match):
        load("svhn", data_home=tmp_path)
    assert not (tmp_path / "holdfast").exists()


def test_images_without_a_label(hub, tmp_path, colours):
    serve_images(hub, "svhn", colours, labels=LABELS | {"test": [0, -1]})
    with pytest.raises(InvalidInputError, match="images without a label"):
        load("svhn", data_home=tmp_path)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_damaged_parquet(hub, tmp_path, colours, damage):
    serve_images(hub, "svhn", colours)
    key = next(key for key in hub.files if "test" in key[1])
    damaged = {"cut": hub.files[key][:-50], "text": b"no images", "empty": b""}
    hub.files[key] = damaged[damage]
    with pytest.raises(
        InvalidInputError, match=r"'svhn' must have the columns .*; clear the cache"
    ):
        load("svhn", data_home=tmp_path)


# --- CelebA --------------------------------------------------------------------------------------


@pytest.fixture
def faces():
    """The central square of each is of one colour, what is above and below is not."""
    faces = np.zeros((7, 218, 178, 3), dtype=np.uint8)
    faces[:, 20:198] = np.arange(10, 80, 10)[:, None, None, None]
    return {"train": faces[:5], "test": faces[5:]}


@pytest.mark.parametrize(
    ("name", "target", "attribute"),
    [
        ("celeba", None, "Smiling"),
        ("CelebA", "Male", "Male"),
        ("celeba_male", None, "Male"),
        ("celeba-5_o_Clock_Shadow", None, "5_o_Clock_Shadow"),
        ("celeba_young", "Young", "Young"),
    ],
)
def test_celeba(hub, tmp_path, faces, name, target, attribute):
    labels = {"train": [True, False, True, True, False], "test": [False, True]}
    bare = f"celeba_{attribute.lower()}"
    boolean = hugging_face.Value("bool")
    serve_images(hub, bare, faces, labels=labels, shards=(2, 1), label_type=boolean)
    data = load(name, target=target, data_home=tmp_path)
    assert (data.name, data.target) == (bare, attribute)
    assert data.X.shape == (7, 3, 64, 64)
    for image, colour in zip(data.X, range(10, 80, 10), strict=True):
        np.testing.assert_array_equal(image[:, 2:-2], colour)  # edges blend with what is cut off
    assert data.y.tolist() == [1, 0, 1, 1, 0, 0, 1]
    assert data.train_test().test.tolist() == [5, 6]


def test_attributes_of_celeba(hub):
    assert len(set(CELEBA_ATTRIBUTES)) == 40
    with pytest.raises(
        InvalidInputError, match=r"target must be .*did you mean 'Smiling'"
    ) as error:
        load("celeba", target="Smile")
    assert all(repr(attribute) in str(error.value) for attribute in CELEBA_ATTRIBUTES)
    with pytest.raises(InvalidInputError, match=r"name_or_path must .*did you mean 'celeba_bangs'"):
        load("celeba_bang")
    with pytest.raises(InvalidInputError, match="target must be one of 'Male', got 'Young'"):
        load("celeba_male", target="Young")
    with pytest.raises(InvalidInputError, match="text must be left out for images"):
        load("celeba", text="a")
    with pytest.raises(InvalidInputError, match="name_or_path must be one of") as error:
        load("nothing")
    assert str(error.value).count("celeba") == 1
    assert hub.requests == []


def test_a_folder_comes_first(hub, tmp_path, monkeypatch):
    frame = pd.DataFrame({"size": [1, 2], "target": ["a", "b"], "old": ["c", "d"]})
    write_table(frame, tmp_path / "faces.parquet")
    sha256 = hashlib.sha256((tmp_path / "faces.parquet").read_bytes()).hexdigest()
    entry = {"name": "celeba", "file": "faces.parquet", "sha256": sha256}
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"datasets": [entry]}))
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path))
    assert load("celeba", target="old").y.tolist() == ["c", "d"]


# --- EMNIST --------------------------------------------------------------------------------------


def serve_idx(hub, name, labels, **changes):
    rng = np.random.default_rng(1)
    images = {
        part: rng.integers(0, 256, (len(values), 28, 28), dtype=np.uint8)
        for part, values in labels.items()
    }
    hub.change(name, **{"rows": tuple(len(values) for values in labels.values())} | changes)
    known = HUB[name]
    for part, values in labels.items():
        for kind, array in (
            ("images-idx3", images[part]),
            ("labels-idx1", np.array(values, dtype=np.uint8)),
        ):
            file = known.files.format(part=part, kind=kind)
            hub.files[known.repository, file] = idx_gz(array)
    return images


@pytest.mark.parametrize("split", ["balanced", "byclass", "digits", "letters", "mnist"])
def test_emnist(hub, tmp_path, split):
    images = serve_idx(hub, f"emnist_{split}", LABELS)
    data = load(f"emnist-{split}", data_home=tmp_path)
    assert (data.X.shape, data.X.dtype) == ((6, 1, 28, 28), np.uint8)
    np.testing.assert_array_equal(data.X[:, 0], np.concatenate([images["train"], images["test"]]))
    assert (data.y.tolist(), data.y.dtype) == ([1, 0, 2, 1, 2, 0], np.int64)
    assert data.split.tolist() == ["train"] * 4 + ["test"] * 2


def test_merged_classes(hub, tmp_path):
    classes = {"train": list(range(60)), "test": [60, 61]}
    serve_idx(hub, "emnist_bymerge", classes)
    serve_idx(hub, "emnist_byclass", classes)
    by_class = load("emnist_byclass", data_home=tmp_path)
    by_merge = load("emnist_bymerge", data_home=tmp_path)
    np.testing.assert_array_equal(by_merge.X, by_class.X)
    characters = string.digits + string.ascii_uppercase + string.ascii_lowercase
    merged = string.digits + string.ascii_uppercase + "abdefghnqrt"
    for of_class, of_merge in zip(by_class.y, by_merge.y, strict=True):
        character = characters[of_class]
        assert merged[of_merge] == (character if character in merged else character.upper())


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda content: content[:-30], "format of MNIST, got EOFError"),
        (lambda _: b"no images", "got BadGzipFile"),
        (lambda _: gzip.compress(b""), "that starts with b''"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "cannot reshape"),
        (lambda _: idx_gz(np.zeros((3, 28, 28), np.uint8)), r"\[3, 2\] images and \[4, 2\] labels"),
        (lambda _: idx_gz(np.zeros((4, 784), np.uint8)), r"images of uint8 and shape \(4, 784\)"),
        (lambda _: idx_gz(np.zeros((4, 7, 7), np.uint8)), "could not broadcast"),
    ],
)
def test_damaged_emnist(hub, tmp_path, damage, match):
    serve_idx(hub, "emnist_digits", LABELS)
    key = next(key for key in hub.files if "train-images" in key[1])
    hub.files[key] = damage(hub.files[key])
    with pytest.raises(InvalidInputError, match=match):
        load("emnist_digits", data_home=tmp_path)
    assert not (tmp_path / "holdfast").exists()


@pytest.mark.parametrize("change", [{"rows": (4, 3)}, {"shape": (1, 28, 27)}])
def test_unexpected_emnist(hub, tmp_path, change):
    serve_idx(hub, "emnist_digits", LABELS, **change)
    with pytest.raises(
        InvalidInputError, match=r"must have \(4, .*, got \(4, 2\) of \(1, 28, 28\)"
    ):
        load("emnist_digits", data_home=tmp_path)


# --- texts ---------------------------------------------------------------------------------------

TEXTS = {"train": ["so good", "bad", "fine"], "test": ["naïve", "ok"]}
CLASSES = {"train": [1, 0, 1], "test": [0, 1]}


def serve_texts(hub, name, *, label_type=None, classes=CLASSES):
    hub.change(name, rows=(3, 2))
    known = HUB[name]
    features = {
        known.text: hugging_face.Value("string"),
        known.label: label_type or class_label("neg", "pos"),
    }
    for part, texts in TEXTS.items():
        content = parquet({known.text: texts, known.label: classes[part]}, **features)
        hub.files[known.repository, known.files.format(part=part)] = content


@pytest.mark.parametrize("name", ["ag_news", "imdb", "trec"])
def test_texts(hub, tmp_path, name):
    serve_texts(hub, name)
    data = load(name, data_home=tmp_path)
    assert list(data.X.columns) == ["text"]
    assert data.X["text"].tolist() == ["so good", "bad", "fine", "naïve", "ok"]
    assert (data.text, data.categorical, data.numeric) == (("text",), (), ())
    assert data.y.tolist() == ["pos", "neg", "pos", "neg", "pos"]
    assert (data.name, data.target) == (name, "target")
    assert data.train_test().test.tolist() == [3, 4]


def test_texts_whose_label_is_no_class(hub, tmp_path):
    serve_texts(hub, "imdb", label_type=hugging_face.Value("int64"))
    with pytest.raises(InvalidInputError, match=r"columns text and label and .*got AttributeError"):
        load("imdb", data_home=tmp_path)
    shutil.rmtree(tmp_path / "hugging_face")
    serve_texts(hub, "imdb", classes=CLASSES | {"test": [0, -1]})
    with pytest.raises(InvalidInputError, match="got ValueError: Invalid integer class label -1"):
        load("imdb", data_home=tmp_path)


# --- what is not to be had -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["imdb", "emnist_digits", "celeba"])
def test_no_network(hub, tmp_path, monkeypatch, name):
    use_endpoint(monkeypatch, "http://127.0.0.1:9")
    start = time.monotonic()
    match = rf"'{name}\w*' must come from Hugging Face .*connect to the network, set HOLDFAST_DATA"
    with pytest.raises(InvalidInputError, match=match):
        load(name, data_home=tmp_path)
    assert time.monotonic() - start < 10
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_unknown_repository_revision_or_file(hub, tmp_path, colours):
    serve_images(hub, "svhn", colours)
    with pytest.raises(InvalidInputError, match=r"\(stanfordnlp/imdb, .*got RepositoryNotFound"):
        load("imdb", data_home=tmp_path)
    hub.change("svhn", revision=COMMIT[::-1])
    with pytest.raises(InvalidInputError, match=f"revision {COMMIT[::-1]}.*got RevisionNotFound"):
        load("svhn", data_home=tmp_path)
    hub.change("svhn", files="digits/{part}.parquet")
    with pytest.raises(InvalidInputError, match=r"got (Remote)?EntryNotFound.*digits/train\.parq"):
        load("svhn", data_home=tmp_path)


@pytest.mark.parametrize(
    ("name", "module"), [("imdb", "datasets"), ("svhn", "datasets"), ("svhn", "PIL")]
)
def test_readers_are_asked_for_before_the_download(hub, tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"'{name}' needs {module}, .*'holdfast\[hub\]'"):
        load(name, data_home=tmp_path)
    assert hub.requests == []
