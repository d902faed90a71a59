"""A skorch classifier's settings, as those of a `NetworkClassifier`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from holdfast.common.parameters import first_line
from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.nn import SGD, Adam, NetworkClassifier
from holdfast.nn.many.fresh import new_module
from holdfast.nn.many.runs import as_rows
from holdfast.nn.optimizers import Optimizer

__all__ = ["LogOfProba", "check_outputs", "is_skorch", "network_of_skorch", "split_of_skorch"]

Split = Callable[[NDArray[np.intp]], tuple[NDArray[np.intp], NDArray[np.intp] | None]]

# Methods that a subclass may not redefine, since `fit_many` runs in their place.
TRAINING = ("fit_loop", "run_single_epoch", "train_step", "train_step_single", "get_loss", "infer")
# Callbacks that observe training and do not change it.
ONLY_LOOKING = (
    "EpochTimer",
    "PrintLog",
    "PassthroughScoring",
    "EpochScoring",
    "BatchScoring",
    "ProgressBar",
)
# Callbacks that skorch adds by itself; all of them only look.
BY_DEFAULT = ("epoch_timer", "train_loss", "valid_loss", "valid_acc", "print_log")
LOADING_ALONE = ("num_workers", "pin_memory", "persistent_workers", "prefetch_factor", "timeout")
LEAST_PROBA = 1e-15
PROBED_ROWS = 50
SUM_TOLERANCE = 1e-3


class LogOfProba(nn.Module):
    """Turns a module that returns probabilities into one that returns their logarithms.

    Parameters
    ----------
    module : callable
        Builds the module of probabilities.
    """

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.module = module()

    def forward(self, x: Tensor) -> Tensor:
        """Return log-probabilities (b, K), which are logits too."""
        return self.module(x).clamp(min=LEAST_PROBA).log()


def is_skorch(estimator: Any) -> bool:
    """Whether an object is a skorch classifier."""
    try:
        from skorch import NeuralNetClassifier
    except ImportError:
        return False
    return isinstance(estimator, NeuralNetClassifier)


def network_of_skorch(net: Any) -> NetworkClassifier:
    """Return a NetworkClassifier that trains as the settings of a skorch classifier say.

    Module, optimizer (Adam, AdamW, SGD), learning rate, batch size, epochs, early stopping, the
    validation rows (see `split_of_skorch`) and the device carry over. Rows are always shuffled,
    which skorch leaves to ``iterator_train__shuffle``. Early stopping counts every improvement,
    while skorch asks for one of 0.01 %.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier

    Raises
    ------
    UnsupportedEstimatorError
        For a setting without a counterpart.
    """
    _check_class(net)
    _check_rows(net)
    _check_left_alone(net)
    stopping = _early_stopping(net)
    fraction = _validation_fraction(net)
    if stopping is not None and fraction is None:
        _refuse("train_split", None, "EarlyStopping needs validation rows; give ValidSplit(5)")
    settings: dict[str, Any] = {} if fraction is None else {"validation_fraction": fraction}
    return NetworkClassifier(
        _module(net),
        batch_size=_batch_size(net),
        max_epochs=net.max_epochs,
        patience=None if stopping is None else stopping.patience,
        restore_best=stopping is not None and bool(stopping.load_best),
        optimizer=_optimizer(net),
        device=net.device,
        verbose=net.verbose or None,
        **settings,
    )


def split_of_skorch(net: Any) -> Split:
    """Return the function from labels to the rows that a skorch classifier trains and validates on.

    As in skorch, rows that `train_split` holds out do not train, whether training stops early or
    not.
    """
    if net.train_split is None:
        return lambda y: (np.arange(len(y)), None)

    def split(y: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        try:
            kept, held_out = net.train_split(np.arange(len(y)), y)
        except ValueError as error:
            raise InvalidInputError(
                f"train_split of the skorch classifier must suit the rows, got {len(y)} rows and: "
                f"{first_line(error)}; give other rows, or train_split=None"
            ) from error
        return np.sort(kept.indices), np.sort(held_out.indices)

    return split


def check_outputs(network: NetworkClassifier, X: Any) -> None:
    """Raise where a module gives anything but probabilities to skorch's `NLLLoss`."""
    build = network.module
    if not (isinstance(build, partial) and build.func is LogOfProba):
        return
    module = new_module(build.args[0]).eval()
    with torch.no_grad():
        rows = as_rows(X, module)[:PROBED_ROWS]
        outputs = module(rows)
    sums = outputs.sum(dim=-1)
    if (outputs < -SUM_TOLERANCE).any() or ((sums - 1).abs() > SUM_TOLERANCE).any():
        _refuse(
            "criterion",
            "NLLLoss with a module whose outputs are no probabilities",
            "end the module with a softmax, or use CrossEntropyLoss, which takes logits",
        )


def _refuse(name: str, value: Any, remedy: str) -> NoReturn:
    raise UnsupportedEstimatorError(
        f"{name} of the skorch classifier must be one that fit_many can follow, got {value!r}; "
        f"{remedy}, or use holdfast.nn.NetworkClassifier"
    )


def _check_class(net: Any) -> None:
    """Refuse a subclass that trains in its own way."""
    from skorch import NeuralNetClassifier

    for name in TRAINING:
        if getattr(type(net), name) is not getattr(NeuralNetClassifier, name):
            _refuse(name, type(net).__name__, "leave skorch's own method in place")


def _check_rows(net: Any) -> None:
    """Refuse data sets and iterators that hand out rows in another way."""
    from skorch.dataset import Dataset
    from torch.utils.data import DataLoader

    for name, usual in (
        ("dataset", Dataset),
        ("iterator_train", DataLoader),
        ("iterator_valid", DataLoader),
    ):
        if getattr(net, name) is not usual:
            _refuse(name, getattr(net, name), f"use {usual.__name__}")
        for option, value in net.get_params_for(name).items():
            shuffled = (name, option) == ("iterator_train", "shuffle") and value
            if not shuffled and option not in LOADING_ALONE:
                remedy = (
                    "rows are always shuffled; give True" if option == "shuffle" else "leave it out"
                )
                _refuse(f"{name}__{option}", value, remedy)


def _check_left_alone(net: Any) -> None:
    """Refuse settings that change answers and that a `NetworkClassifier` does not have."""
    if net.predict_nonlinearity != "auto":
        _refuse("predict_nonlinearity", net.predict_nonlinearity, "leave it at 'auto'")
    if net.classes is not None:
        _refuse("classes", net.classes, "leave it out, since classes are those of y")
    for name in vars(net):
        prefix, _, rest = name.partition("__")
        if prefix == "callbacks" and rest and rest.partition("__")[0] not in BY_DEFAULT:
            _refuse(name, getattr(net, name), "give the callback with its settings in `callbacks`")


def _module(net: Any) -> Any:
    """Return the module or what builds it, such that it gives logits."""
    parameters = net.get_params_for("module")
    if isinstance(net.module, nn.Module):
        if parameters:
            _refuse("module", "an instance with module__ parameters", "give its class")
        build: Any = net.module
    else:
        build = partial(net.module, **parameters)
    criterion = net.criterion if isinstance(net.criterion, type) else type(net.criterion)
    for name, value in net.get_params_for("criterion").items():
        _refuse(f"criterion__{name}", value, "give the criterion without parameters")
    if not isinstance(net.criterion, type):
        _refuse("criterion", net.criterion, "give the class without parameters")
    if criterion is nn.CrossEntropyLoss:
        return build
    if criterion is not nn.NLLLoss:
        _refuse("criterion", criterion.__name__, "use CrossEntropyLoss or NLLLoss")
    if isinstance(build, nn.Module):
        _refuse("module", "an instance with NLLLoss", "give its class, or use CrossEntropyLoss")
    return partial(LogOfProba, build)


def _batch_size(net: Any) -> int:
    if net.batch_size < 1:
        _refuse("batch_size", net.batch_size, "give a positive number")
    return int(net.batch_size)


def _optimizer(net: Any) -> Optimizer:
    parameters = {"lr": net.lr, **net.get_params_for("optimizer")}
    kinds: dict[Any, tuple[type[Optimizer], dict[str, Any]]] = {
        torch.optim.Adam: (Adam, {}),
        torch.optim.AdamW: (Adam, {"decoupled": True, "weight_decay": 1e-2}),
        torch.optim.SGD: (SGD, {}),
    }
    if net.optimizer not in kinds:
        _refuse("optimizer", net.optimizer, "use torch.optim.Adam, AdamW or SGD")
    kind, extra = kinds[net.optimizer]
    known = set(kind.__dataclass_fields__) - {"decoupled"}
    unknown = sorted(set(parameters) - known)
    if unknown:
        _refuse(f"optimizer__{unknown[0]}", parameters[unknown[0]], "leave it out")
    return kind(**{**extra, **parameters})


def _early_stopping(net: Any) -> Any:
    """Return the callback of early stopping; None without one."""
    from skorch.callbacks import EarlyStopping

    found = None
    for entry in () if net.callbacks == "disable" else net.callbacks or ():
        callback = entry[1] if isinstance(entry, tuple) else entry
        kind = callback if isinstance(callback, type) else type(callback)
        if kind is EarlyStopping:
            found = EarlyStopping() if isinstance(callback, type) else callback
            if found.monitor != "valid_loss" or not found.lower_is_better:
                _refuse("EarlyStopping", found.monitor, "monitor 'valid_loss'")
            usual = EarlyStopping()
            if (found.threshold, found.threshold_mode) != (usual.threshold, usual.threshold_mode):
                what = f"{found.threshold!r} ({found.threshold_mode})"
                _refuse("threshold of EarlyStopping", what, "leave it out")
        elif kind.__name__ not in ONLY_LOOKING:
            _refuse("callbacks", kind.__name__, "leave out callbacks that change training")
    return found


def _validation_fraction(net: Any) -> float | None:
    """Return the share of rows held out, as far as a number gives it; None where all rows train."""
    from skorch.dataset import ValidSplit

    split = net.train_split
    if split is None:
        return None
    if not isinstance(split, ValidSplit):
        _refuse("train_split", split, "use skorch.dataset.ValidSplit or None")
    if isinstance(split.cv, float):
        return split.cv
    folds = split.cv if isinstance(split.cv, int) else getattr(split.cv, "n_splits", 5)
    return 1 / folds
