"""Losses, networks and their files that cannot be used, and what the message must hold."""

import json
import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from tests.helpers.cases import Lazily, new_folder

from holdfast import load_model, save_model

torch, nn = Lazily("torch"), Lazily("holdfast.nn")
losses, networks, optimizers = (
    Lazily(f"holdfast.nn.{name}") for name in ("losses", "networks", "optimizers")
)
classifier, storage = Lazily("holdfast.nn.classifier"), Lazily("holdfast.nn.storage")
safetensors = Lazily("safetensors.torch", "safetensors")

X = np.random.default_rng(0).normal(size=(12, 2))
Y = np.arange(12) % 2


def tensor(values, kind="float32"):
    return torch.tensor(values, dtype=getattr(torch, kind))


def labels(*values):
    return tensor(values or (0, 1), "int64")


def loss(y=None, base=None, mask=None, kind="proba", n_classes=2):
    """Ask for the loss of some rows with equal logits."""
    y = labels() if y is None else y
    logits = torch.zeros(len(y), n_classes)
    return losses.DistillationLoss(0.5, base=kind)(logits, y, base, mask)


def rows(*values):
    return tensor(values or ((0.5, 0.5), (0.2, 0.8)))


def packed(kind):
    """Ask for the loss with packed targets of 257 classes."""
    base = torch.full((1, 257), 1 / 257)
    return loss(losses.pack_targets([256], base).to(getattr(torch, kind)), n_classes=257)


def network(module=None, X=X, y=Y, **options):
    module = partial(nn.FullyConnected, 2, 2, width=2) if module is None else module
    return nn.NetworkClassifier(module, max_epochs=1, n_jobs=1, **options).fit(X, y)


def too_fast(train):
    """Train with a learning rate at which the loss is no longer finite."""
    module = partial(nn.FullyConnected, 2, 2, width=2)
    fast = nn.NetworkClassifier(module, max_epochs=1, n_jobs=1, optimizer=nn.SGD(lr=1e300))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(fast, X * 1e30)


def stored(description=None, name="holdfast"):
    """Read a safetensors file with a description of its network."""
    kept = {} if description is None else {name: json.dumps(description)}
    path = new_folder() / "m.safetensors"
    safetensors.save_file({"a": torch.zeros(1)}, path, metadata=kept)
    return load_model(path)


def long_description():
    stored("x" * storage.MAX_DESCRIPTION)


def write(model):
    save_model(model, new_folder() / "m.safetensors")


def linear():
    return partial(torch.nn.Linear, 2, 2)


def scaled():
    """Return a module with parameters of its own kind."""

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = torch.nn.Parameter(torch.ones(1))

    return Scaled()


CASES = {
    "nn/classifier.py NetworkClassifier.fit #1": (
        lambda: too_fast(lambda fast, X: fast.fit(X, Y)),
        "the network must end with a finite loss, got status 'diverged'; scale X",
        network,
    ),
    "nn/classifier.py NetworkClassifier.split #1": (
        lambda: network(X=X[:2], y=Y[:2], validation_fraction=0.9),
        "train on beside the 2 to validate on, got 2; give more rows, or patience=None",
        lambda: network(X=X[:2], y=Y[:2], validation_fraction=0.9, patience=None),
    ),
    "nn/classifier.py _Architecture.build #1": (
        lambda: classifier._Architecture(dict, [], {}).build(),
        "a class of torch.nn.Module, got <class 'dict'>; write the file with holdfast.save_model",
    ),
    "nn/losses.py _as_tensor #1": (
        lambda: losses.pack_targets(["a"], [[0.5, 0.5]]),
        "y must be numbers, got dtype <U1; give class positions as y",
    ),
    "nn/losses.py _check_base #1": (
        lambda: loss(base=tensor([[0, 1], [1, 0]], "int64")),
        "base must be floats, got int64; give the base model's probabilities or logits, not",
    ),
    "nn/losses.py _check_logits #1": (
        lambda: losses.soft_cross_entropy(tensor([[1, 2]], "int64"), rows((0.5, 0.5))),
        "logits must be a tensor of floats of shape (n, K) with K >= 2, got shape (1, 2) and "
        "int64; give real numbers, two columns for two classes",
        lambda: losses.soft_cross_entropy(tensor([[1, 2]]), rows((0.5, 0.5))),
    ),
    "nn/losses.py _check_positions #1": (
        lambda: loss(labels(0, 2), rows()),
        "y must be class positions in [0, 2), got 2 (1 such rows)",
    ),
    "nn/losses.py _check_shape #1": (
        lambda: loss(base=rows((0.5, 0.5))),
        "base must be a tensor of shape (2, 2), got shape (1, 2) and float32; give the base "
        "model's value for each row and class",
    ),
    "nn/losses.py _known_rows #1": (
        lambda: loss(base=rows(), mask=labels(0, 1)),
        "mask must be booleans, got int64; give e.g. mask.bool()",
        lambda: loss(base=rows(), mask=labels(0, 1).bool()),
    ),
    "nn/losses.py _raise_fault #1": (
        lambda: loss(base=rows((np.nan, 1.0), (0.5, 0.5))),
        "got 1 such rows; make the whole row NaN",
        lambda: loss(base=rows((np.nan, np.nan), (0.5, 0.5))),
    ),
    "nn/losses.py _raise_fault #2": (
        lambda: loss(base=rows((np.inf, 1.0), (0.5, 0.5)), kind="logits"),
        "got values from 0.5 to inf; correct those rows or leave them out with `mask`",
        lambda: loss(base=rows((np.inf, 1.0), (0.5, 0.5)), kind="logits", mask=labels(0, 1).bool()),
    ),
    "nn/losses.py _raise_fault #3": (
        lambda: loss(base=rows((-3.0, 2.0), (0.5, 0.5))),
        'got values from -3 to 2; if these are logits, say so with DistillationLoss(..., base="log',
        lambda: loss(base=rows((-3.0, 2.0), (0.5, 0.5)), kind="logits"),
    ),
    "nn/losses.py _raise_fault #4": (
        lambda: loss(base=rows((0.9, 0.8), (0.5, 0.5))),
        "got a row that sums to 1.7; normalise it, or for logits say",
        lambda: loss(base=rows((0.9 / 1.7, 0.8 / 1.7), (0.5, 0.5))),
    ),
    "nn/losses.py _read_labels #1": (
        lambda: loss(tensor([0, 1]), rows()),
        "y must be integers, got float32; give the position of each row's class among the "
        "columns, e.g. y.long()",
        lambda: loss(tensor([0, 1]).long(), rows()),
    ),
    "nn/losses.py _unpack #1": (
        loss,
        "floats of shape (2, 3), got y of shape (2,) and int64 and no base; give both, or pack_",
        lambda: loss(losses.pack_targets(labels(), rows())),
    ),
    "nn/losses.py _unpack #2": (
        lambda: packed("bfloat16"),
        "of 257 classes exactly, got packed targets of bfloat16; leave them in float32",
        lambda: packed("float32"),
    ),
    "nn/networks.py ResNet.__init__ #1": (
        lambda: nn.ResNet(19, 2),
        "depth must be one of 50, 101, 152, got 19",
    ),
    "nn/networks.py Transformer._check #1": (
        lambda: nn.Transformer(2, vocabulary=9, length=3)(torch.zeros(1, 5, dtype=torch.int64)),
        "x must have shape (b, L) with L up to 3, got (1, 5); cut or pad the texts",
    ),
    "nn/networks.py Transformer._check #2": (
        lambda: nn.Transformer(2, vocabulary=9, length=3)(torch.zeros(1, 3)),
        "x must be integer token numbers, got torch.float32",
    ),
    "nn/networks.py _check_image_shape #1": (
        lambda: nn.ConvNet(2, image_shape=(28, 28)),
        "(channels, height, width), got (28, 28); give e.g. (1, 28, 28)",
        lambda: nn.ConvNet(2, image_shape=(1, 28, 28)),
    ),
    "nn/networks.py _check_images #1": (
        lambda: nn.ConvNet(2, image_shape=(1, 28, 28))(
            torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
        ),
        "x must be real numbers, got torch.uint8; scale the images first",
    ),
    "nn/networks.py _check_shape #1": (
        lambda: nn.ConvNet(2, image_shape=(1, 28, 28))(torch.zeros(1, 28, 28)),
        "x must have shape (b, 1, 28, 28), got (1, 28, 28); give rows of the shape",
    ),
    "nn/networks.py glorot_ #1": (
        lambda: networks.glorot_(scaled()),
        "got some in a Scaled; draw those yourself",
    ),
    "nn/optimizers.py _check_number #1": (
        lambda: optimizers.check_optimizer(nn.Adam(lr=-1)),
        "Adam.lr must be a number of at least 0 and below inf, got -1; give e.g. 0.001",
        lambda: optimizers.check_optimizer(nn.Adam(lr=0.001)),
    ),
    "nn/optimizers.py check_optimizer #1": (
        lambda: network(optimizer="adam"),
        "optimizer must be holdfast.nn.Adam or SGD, got 'adam'; give e.g. Adam(lr=1e-3)",
    ),
    "nn/optimizers.py check_optimizer #2": (
        lambda: optimizers.check_optimizer(nn.SGD(momentum=0.0, nesterov=True)),
        "SGD.momentum must be above 0 with nesterov=True, got 0; give e.g. 0.9",
        lambda: optimizers.check_optimizer(nn.SGD(momentum=0.9, nesterov=True)),
    ),
    "nn/storage.py _described #1": (
        lambda: write(network(linear()())),
        "got Linear(in_features=2, out_features=2, bias=True); give a class of your own with its "
        "arguments too, and write it to a .skops file",
        lambda: save_model(network(linear()), new_folder() / "m.skops"),
    ),
    "nn/storage.py _description #1": (
        stored,
        "got a safetensors file that holdfast did not write; load it into the module",
    ),
    "nn/storage.py _description #2": (
        long_description,
        "a description of at most 16 MB, got a longer one; write it again",
    ),
    "nn/storage.py _description #3": (
        lambda: stored({"format_version": 9, "holdfast": "9.0"}),
        "got 9, written by holdfast 9.0; install that release",
    ),
    "nn/storage.py write_network #1": (
        lambda: pytest.importorskip("safetensors") and write(DummyClassifier()),
        "a NetworkClassifier for a .safetensors file, got DummyClassifier; write it to a .skops",
        lambda: save_model(DummyClassifier().fit(X, Y), new_folder() / "m.skops"),
    ),
}
