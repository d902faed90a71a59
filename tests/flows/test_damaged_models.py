"""Damaged model files end in a readable error or in a model that works, never in a crash.

Five hundred of them, always the same, are read by child processes of bounded memory and time.
"""

import re
import struct
import sys
import zipfile
from collections import Counter
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast import LowChurnClassifier
from holdfast.cli import main
from holdfast.models.files import save_model

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
pytest.importorskip("torch")

import onnx
import torch
from skl2onnx import to_onnx
from tests.helpers.damage import (
    MOST_MEMORY,
    START,
    cut,
    dropped,
    flipped_bits,
    huge_number,
    inserted,
    other_bytes,
    read_all,
)
from tests.helpers.onnx_files import network_file, tree_file

from holdfast.models.onnx.model import OnnxModel
from holdfast.nn import ConvNet, FullyConnected, NetworkClassifier

pytestmark = pytest.mark.slow

NUMBERS = {".onnx": 220, ".skops": 140, ".safetensors": 140}
ODD = (-(2**63), -(2**31), -1, 0, 1, 2, 7, 10**6, 2**31 - 1, 2**40, 2**63 - 1)

X, Y = make_classification(120, 4, n_informative=4, n_redundant=0, random_state=0)
X = X.astype(np.float32)


# --- whole files ----------------------------------------------------------------------------------


def linear_onnx(zipmap):
    fitted = LogisticRegression().fit(X, Y)
    model = to_onnx(fitted, X[:1], options={id(fitted): {"zipmap": zipmap}})
    model.graph.name = "linear"  # it was drawn by chance
    return model.SerializeToString()


def saved(folder, model, suffix):
    path = folder / f"whole{suffix}"
    save_model(model, path, card={"features": ["a", "b"], "target": "y"})
    return renumbered(path.read_bytes()) if suffix == ".skops" else path.read_bytes()


def renumbered(content):
    """Number the objects of a skops file, which names them by where they lay in memory."""
    numbers = {}

    def number(found):
        return str(numbers.setdefault(found[0], 10**9 + len(numbers)))

    with zipfile.ZipFile(BytesIO(content)) as archive:
        schema = re.sub(r"\d{9,}", number, archive.read("schema.json").decode())
        members = {re.sub(r"\d{9,}", number, n): archive.read(n) for n in archive.namelist()}
    return zipped(members | {"schema.json": schema.encode()})


def zipped(members):
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name), members[name])
    return target.getvalue()


def network(module, n_classes):
    torch.manual_seed(0)
    made = NetworkClassifier(module)
    made.classes_, made.state_ = np.arange(n_classes), dict(module().state_dict())
    return made


def whole_files(folder):
    update = LowChurnClassifier(
        LogisticRegression(),
        OnnxModel(np.frombuffer(linear_onnx(False), np.uint8)),
        max_churn=0.1,
        mixture="override",
        lambdas=[0.5],
        random_state=0,
    ).fit(X, Y)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    image_network = network(partial(ConvNet, 2, image_shape=(1, 12, 12)), 2)
    plain_network = network(partial(FullyConnected, 4, 2, width=5), 2)
    return {
        ".onnx": [linear_onnx(True), linear_onnx(False), tree_file(), network_file()[0]],
        ".skops": [saved(folder, model, ".skops") for model in (linear, update.served_)],
        ".safetensors": [
            saved(folder, model, ".safetensors") for model in (plain_network, image_network)
        ],
    }


# --- damage ---------------------------------------------------------------------------------------


def damaged(content, other, suffix, rng):
    """Return a damaged copy of a file; `other` lends its head."""
    kinds = [cut, flipped_bits, other_bytes, huge_number, head_of(other), inserted, dropped]
    inside = {".onnx": other_numbers, ".skops": other_members, ".safetensors": other_header}[suffix]
    # Half of them hold together as files, which gets past the first checks.
    change = inside if rng.random() < 0.5 else kinds[rng.integers(len(kinds))]
    return change(bytearray(content), rng)


def head_of(other):
    def swapped(data, rng):
        n = rng.integers(1, min(len(data), len(other), 300))
        data[:n] = other[:n]
        return data

    return swapped


def other_numbers(data, rng):
    """Change integers of an ONNX file's operators and the dimensions of its constants."""
    model = onnx.ModelProto.FromString(bytes(data))
    lists = [tensor.dims for tensor in model.graph.initializer]
    lists += [a.ints for node in model.graph.node for a in node.attribute]
    lists = [values for values in lists if values]
    for _ in range(rng.integers(1, 4)):
        values = lists[rng.integers(len(lists))]
        if len(values) and rng.random() < 0.7:
            values[rng.integers(len(values))] = ODD[rng.integers(len(ODD))]
        elif len(values) and rng.random() < 0.5:
            del values[-1]
        else:
            values.append(ODD[rng.integers(len(ODD))])
    return model.SerializeToString()


def other_members(data, rng):
    """Change the description in a skops file, or swap its arrays; its checksums stay right."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = [name for name in sorted(members) if name != "schema.json"]
    first, second = rng.choice(arrays, 2)
    kind = rng.integers(4)
    if kind == 0:
        members[first], members[second] = members[second], members[first]
    elif kind == 1:
        members[first] = bytes(flipped_bits(bytearray(members[first]), rng))
    elif kind == 2:
        del members[first]
    else:
        text = bytearray(members["schema.json"])
        digits = [at for at, byte in enumerate(text) if chr(byte).isdigit() or chr(byte) in '{["']
        text[digits[rng.integers(len(digits))]] = ord("7")
        members["schema.json"] = bytes(text)
    return zipped(members)


def other_header(data, rng):
    """Change a number or a name in the header of a safetensors file, whose length stays right."""
    (length,) = struct.unpack("<Q", data[:8])
    header = bytearray(data[8 : 8 + length])
    places = [at for at, byte in enumerate(header) if chr(byte).isalnum()]
    for at in rng.choice(places, rng.integers(1, 4)):
        header[at] = ord(rng.choice(list("0379x")))
    return struct.pack("<Q", len(header)) + bytes(header) + data[8 + length :]


# --- reading them ---------------------------------------------------------------------------------

READ = (
    START
    + """
import numpy as np
import onnxruntime, torch
from holdfast.models.base import BaseModel
from holdfast.models.loading import load_model

rng = np.random.default_rng(0)
tables, images = rng.normal(size=(5, 4)), rng.normal(size=(5, 1, 12, 12)).astype(np.float32)


def outcome(path):
    model = load_model(path).model
    image = type(getattr(getattr(model, "module", None), "func", None)) is type and (
        model.module.func.__name__ == "ConvNet"
    )
    rows = images if image else tables.astype(np.float32)
    base = BaseModel.of(model, None, np.arange(2))
    proba = base.predict(rows, base.classes).matched.proba
    valid = np.isfinite(proba).all() and np.allclose(proba.sum(axis=1), 1, atol=2e-3)
    return "predicts" if valid and (proba >= 0).all() else f"wrong: {proba[0]}"


each(outcome, arguments)
"""
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return whole_files(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def corpus(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    paths = []
    for suffix, contents in whole.items():
        for number in range(NUMBERS[suffix]):
            rng = np.random.default_rng([number, len(suffix)])
            content, other = rng.permutation(len(contents))[:2]
            path = folder / f"{number}{suffix}"
            path.write_bytes(damaged(contents[content], contents[other], suffix, rng))
            paths.append(path)
    return paths


def test_every_damaged_file_is_refused_or_works(corpus, tmp_path):
    assert len(corpus) == 500
    (tmp_path / "read.py").write_text(READ)
    results, peak = read_all(tmp_path / "read.py", corpus)
    counts = Counter(
        (path.rpartition(".")[2], result.partition(":")[0]) for path, result in results.items()
    )
    print(sorted(counts.items()), peak >> 20, "MB")
    bad = {p: r for p, r in results.items() if r.partition(":")[0] not in ("refused", "predicts")}
    assert not bad, bad
    for suffix in ("onnx", "skops", "safetensors"):
        assert counts[suffix, "refused"] > 50  # or the damage is none
    assert peak < MOST_MEMORY


@pytest.mark.parametrize("suffix", [".onnx", ".skops", ".safetensors"])
def test_the_command_line_ends_with_status_2(whole, suffix, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,b\n1,2\n")
    content = whole[suffix][0]
    Path(f"cut{suffix}").write_bytes(content[: len(content) // 2])
    command = ["holdfast", "predict", f"cut{suffix}", "rows.csv", "--out", "p.csv"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"holdfast: cut{suffix}")
    assert not Path("p.csv").exists()


def test_a_model_that_fails_when_it_predicts_is_bad_input_too(tmp_path, monkeypatch, capsys):
    """Fewer classes than the model's coefficients have: an IndexError inside scikit-learn."""
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    fitted = LogisticRegression().fit(frame, np.arange(120) % 3)
    fitted.classes_ = fitted.classes_[:1]
    save_model(fitted, "model.skops")
    Path("rows.csv").write_text("a,b\n-9,9\n9,-9\n9,9\n-9,-9\n")
    command = ["holdfast", "predict", "model.skops", "rows.csv", "--out", "p.csv"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "the data must suit the model for predicting" in capsys.readouterr().err
    assert not Path("p.csv").exists()
