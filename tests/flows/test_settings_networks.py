"""Every setting of a skorch classifier acts as in skorch, or is refused by name.

One batch holds all rows, so that their order does not matter, and every network starts from the
same parameters. Training is then the same in both libraries.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
skorch = pytest.importorskip("skorch")

from skorch.callbacks import EarlyStopping  # noqa: E402
from skorch.dataset import Dataset, ValidSplit  # noqa: E402
from tests.helpers.settings_walk import (  # noqa: E402
    LABELS,
    N,
    Walk,
    X,
    acts,
    lines,
    names_of,
    refused,
)
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from holdfast import LowChurnClassifier  # noqa: E402
from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError  # noqa: E402


class Net(nn.Module):
    """A network with the same parameters each time that it is built."""

    def __init__(self, width=5, proba=False):
        super().__init__()
        torch.manual_seed(7)
        self.first, self.last, self.proba = nn.Linear(6, width), nn.Linear(width, 2), proba

    def forward(self, x):
        logits = self.last(torch.tanh(self.first(x)))
        return torch.softmax(logits, dim=1) if self.proba else logits


class OwnLoader(DataLoader):
    pass


class OwnDataset(Dataset):
    pass


def classifier(**params):
    settings = {"criterion": nn.CrossEntropyLoss, "lr": 0.5, "max_epochs": 6, "verbose": 0}
    return skorch.NeuralNetClassifier(**{"module": Net} | settings | {"batch_size": N} | params)


SETTINGS = lines(
    module=acts(Net),
    module__width=9,
    criterion=acts(nn.NLLLoss, module__proba=True),
    logits_as_probabilities=refused(nn.NLLLoss, "criterion"),
    other_criterion=refused(nn.MultiMarginLoss, "criterion"),
    criterion__weight=refused(torch.tensor([1.0, 3.0])),
    optimizer=acts(torch.optim.Adam, lr=0.02),
    adamw=acts(torch.optim.AdamW, "optimizer", lr=0.02),
    other_optimizer=refused(torch.optim.Rprop, "optimizer"),
    optimizer__momentum=acts(0.9),
    optimizer__nesterov=acts(True, optimizer__momentum=0.9),
    optimizer__weight_decay=0.1,
    optimizer__maximize=refused(True),
    lr=0.1,
    max_epochs=3,
    batch_size=refused(-1),
    iterator_train=refused(OwnLoader),
    iterator_train__drop_last=refused(True),
    iterator_train__shuffle=True,
    in_order=refused(False, "iterator_train__shuffle"),
    iterator_valid=refused(OwnLoader),
    iterator_valid__drop_last=refused(True),
    dataset=refused(OwnDataset),
    dataset__length=refused(100),
    train_split=None,
    three_folds=acts(ValidSplit(3), "train_split"),
    share=acts(ValidSplit(0.3, stratified=True, random_state=3), "train_split"),
    own_split=refused(lambda dataset, y=None: (dataset, dataset), "train_split"),
    callbacks=acts([EarlyStopping(patience=1)], lr=9.0),
    callback_class=acts([EarlyStopping], "callbacks"),
    best=acts([EarlyStopping(patience=2, load_best=True)], "callbacks", lr=9.0),
    no_callbacks=acts("disable", "callbacks"),
    other_callback=refused([skorch.callbacks.LRScheduler()], "callbacks"),
    callbacks__mine__patience=refused(1, callbacks=[("mine", EarlyStopping())]),
    callbacks__print_log=None,
    predict_nonlinearity=refused(None),
    warm_start=True,
    verbose=0,
    device="cpu",
    compile=False,
    use_caching=False,
    torch_load_kwargs=acts({"weights_only": True}),
    classes=refused([0, 1]),
)


@pytest.fixture(scope="module")
def walk():
    return Walk(classifier, tolerance=1e-4)


@pytest.mark.parametrize(("name", "line"), SETTINGS)
def test_settings(walk, name, line):
    walk.check(name, line)


def test_no_setting_is_left_out():
    known = set(classifier().get_params(deep=False)) - {"_params_to_validate"}
    assert known <= names_of(SETTINGS)


def test_binary_classifiers_are_refused_with_what_to_do():
    net = skorch.NeuralNetBinaryClassifier(Net, verbose=0)
    match = "estimator must be .* got NeuralNetBinaryClassifier; .* one logit for each class"
    with pytest.raises(UnsupportedEstimatorError, match=match):
        LowChurnClassifier(net).fit(X, LABELS[2])


def test_a_threshold_of_early_stopping_is_refused():
    net = classifier(callbacks=[EarlyStopping(threshold=0.5)])
    with pytest.raises(UnsupportedEstimatorError, match="threshold of EarlyStopping of the skorch"):
        LowChurnClassifier(net).fit(X, LABELS[2])


def test_a_split_that_does_not_suit_the_rows_is_named():
    net = classifier(train_split=ValidSplit(5, stratified=True))
    y = np.zeros(N, dtype=np.int64)
    y[0] = 1
    few = np.arange(3)
    with pytest.raises(InvalidInputError, match="train_split of the skorch classifier must suit"):
        LowChurnClassifier(net).fit(X[few], y[few])
