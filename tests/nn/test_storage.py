import json
import struct
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast import LowChurnClassifier
from holdfast.exceptions import InvalidInputError
from holdfast.models.files import save_model
from holdfast.models.loading import load_model

pytest.importorskip("torch")

import torch
from safetensors.torch import load_file, save_file

from holdfast.nn import ConvNet, FullyConnected, NetworkClassifier, ResNet, Transformer

pytestmark = pytest.mark.slow

X, Y = make_classification(200, 6, random_state=0)
SMALL = partial(FullyConnected, 6, 2, width=5)


def untrained(module, classes):
    """Return a classifier as if it had been fitted, with fresh parameters."""
    torch.manual_seed(0)
    network = NetworkClassifier(module)
    network.classes_, network.state_ = np.asarray(classes), dict(module().state_dict())
    return network


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "network.safetensors"
    save_model(untrained(SMALL, ["no", "yes"]), path, card={"rows": 200})
    return path


def images(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("module", "rows"),
    [
        (SMALL, X),
        (partial(ConvNet, 3, image_shape=(2, 16, 14), scale=2), images(4, 2, 16, 14)),
        (
            partial(Transformer, 4, vocabulary=50, length=9, dropout=0.25),
            np.random.default_rng(0).integers(50, size=(5, 7)),
        ),
        (partial(ResNet, 50, 3, image_shape=(3, 8, 8)), images(2, 3, 8, 8)),
    ],
    ids=["FullyConnected", "ConvNet", "Transformer", "ResNet"],
)
def test_each_architecture_round_trips(tmp_path, module, rows):
    if module.func is ResNet:
        pytest.importorskip("transformers")
    path = tmp_path / "network.safetensors"
    n_classes = len(module().state_dict()["output.bias"]) if module.func is not ResNet else 3
    network = untrained(module, np.arange(n_classes) + 5)
    save_model(network, path, card={"rows": 3})
    loaded = load_model(path)
    assert loaded.card == {"rows": 3}
    np.testing.assert_array_equal(loaded.model.classes_, network.classes_)
    np.testing.assert_array_equal(loaded.model.predict_proba(rows), network.predict_proba(rows))


def test_a_fitted_network_is_a_base_model_that_others_start_from(tmp_path):
    settings = {"max_epochs": 3, "random_state": 0, "n_jobs": 1}
    base = NetworkClassifier(SMALL, **settings).fit(X[:60], Y[:60])
    path = tmp_path / "base.safetensors"
    save_model(base, path)
    direct, named = (
        LowChurnClassifier(
            NetworkClassifier(SMALL, **settings), given, method="warm_distill", random_state=0
        ).fit(X, Y)
        for given in (base, str(path))
    )
    np.testing.assert_array_equal(named.predict_proba(X), direct.predict_proba(X))


def test_text_and_boolean_classes(saved, tmp_path):
    assert load_model(saved).model.predict(X[:3]).dtype.kind == "U"
    save_model(untrained(SMALL, [False, True]), tmp_path / "b.safetensors")
    assert load_model(tmp_path / "b.safetensors").model.classes_.dtype == bool


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (LogisticRegression().fit(X, Y), "must be a NetworkClassifier .* got LogisticRegression"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
            r"got Pipeline; write it to a \.skops file",
        ),
        (untrained(lambda: SMALL(), [0, 1]), "module must be one of ConvNet, FullyConnected"),
        (untrained(partial(torch.nn.Linear, 6, 2), [0, 1]), "module must be one of ConvNet"),
    ],
)
def test_other_models_are_not_written(tmp_path, model, match):
    with pytest.raises(InvalidInputError, match=match):
        save_model(model, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_somebody_else_s_file(tmp_path):
    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(InvalidInputError, match=r"holdfast did not write; load it into the module"):
        load_model(tmp_path / "other.safetensors")


def rewrite(path, change):
    """Write the file with another description, its tensors as they are."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["holdfast"])
    change(description)
    header["__metadata__"]["holdfast"] = json.dumps(description)
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])


def argument(**values):
    return lambda description: description["arguments"].update(values)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.update(architecture="torch.nn.Linear"), "an unknown architecture"),
        (lambda d: d.update(architecture=["ConvNet"]), "an unknown architecture"),
        (lambda d: d.update(architecture="ConvNet"), "missing|unexpected"),
        (lambda d: d.pop("arguments"), "an unknown architecture"),
        (argument(other=3), "unexpected keyword argument 'other'"),
        (argument(width="5"), "the argument width is not a number"),
        (argument(width=True), "the argument width is not a number"),
        (argument(width=2**40), "the argument width is out of range"),
        (argument(width=-1), "the argument width is out of range"),
        (argument(width=0), "width must be an integer of at least 1"),
        (argument(width=2.5), "width must be an integer of at least 1"),
        (argument(width=6), "the tensor .* has a shape other than in the network"),
        (argument(width=2**31, n_features=2**31), "damaged"),
        (argument(n_classes=3), "a number of classes other than the network"),
        (lambda d: d.update(classes=["a"]), "a number of classes other than the network"),
        (lambda d: d.update(classes=["a", "a"]), "classes must be 2 distinct names"),
        (lambda d: d.update(classes=["a", 2.5]), "classes of several types"),
        (lambda d: d.update(classes={"a": 1}), "an unknown architecture"),
        (lambda d: d.update(sha256="0" * 64), "tensors with a hash other than the recorded one"),
        (lambda d: d.pop("sha256"), "tensors with a hash other than the recorded one"),
        (lambda d: d.update(format_version=2), "must have format version 1, got 2"),
        (lambda d: d.update(card=[1]), "a card that is not an object"),
        (lambda d: d.update(card={"features": 3}), "must have a card that is a dictionary"),
    ],
)
def test_descriptions_that_are_wrong(saved, change, match):
    rewrite(saved, lambda description: None)
    assert load_model(saved).card == {"rows": 200}
    rewrite(saved, change)
    with pytest.raises(InvalidInputError, match=match):
        load_model(saved)


def test_a_huge_network_is_refused_before_it_takes_memory(saved):
    import resource

    rewrite(saved, argument(width=2**30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidInputError, match="a shape other than in the network"):
        load_model(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # 64 MB, in kB


def test_other_tensors_than_the_network_has(saved):
    tensors = load_file(saved)
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]
    save_file({**tensors, "more": torch.zeros(1)}, saved, metadata=metadata)
    with pytest.raises(InvalidInputError, match="tensors other than the network"):
        load_model(saved)


@pytest.mark.parametrize("metadata", ["", "[]", "3", "[" * 100_000, '{"format_version": 1}'])
def test_descriptions_that_are_no_description(tmp_path, metadata):
    path = tmp_path / "m.safetensors"
    save_file({"weight": torch.zeros(1)}, path, metadata={"holdfast": metadata})
    with pytest.raises(InvalidInputError, match="cut short or damaged"):
        load_model(path)


@pytest.mark.parametrize("at", [0, 7, 30, -1])
def test_damage_anywhere_is_noticed(saved, at):
    content = bytearray(saved.read_bytes())
    content[at] ^= 4
    saved.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"cut short or damaged|must"):
        load_model(saved)


def test_a_header_whose_length_looks_like_a_pickle(tmp_path):
    path, network = tmp_path / "m.safetensors", untrained(SMALL, [0, 1])
    for extra in range(0, 400, 8):
        save_model(network, path, card={"text": "x" * extra})
        assert load_model(path).card == {"text": "x" * extra}
        if path.read_bytes().startswith(b"\x80\x02"):
            return
    pytest.fail("no header had that length")
