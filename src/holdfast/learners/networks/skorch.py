"""A skorch classifier's settings, as those of a `NetworkClassifier`."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.nn import SGD, Adam, NetworkClassifier
from holdfast.nn.optimizers import Optimizer

__all__ = ["LogOfProba", "is_skorch", "network_of_skorch"]

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
LEAST_PROBA = 1e-15


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
    share of validation rows and the device carry over; rows are always shuffled, which skorch
    leaves to ``iterator_train__shuffle``.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier

    Raises
    ------
    UnsupportedEstimatorError
        For a setting without a counterpart.
    """
    _check_class(net)
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


def _refuse(name: str, value: Any, remedy: str) -> None:
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
    if net.get_params_for("criterion") or not isinstance(net.criterion, type):
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
    for entry in net.callbacks or ():
        callback = entry[1] if isinstance(entry, tuple) else entry
        kind = callback if isinstance(callback, type) else type(callback)
        if kind is EarlyStopping and not isinstance(callback, type):
            if callback.monitor != "valid_loss" or not callback.lower_is_better:
                _refuse("EarlyStopping", callback.monitor, "monitor 'valid_loss'")
            found = callback
        elif kind.__name__ not in ONLY_LOOKING:
            _refuse("callbacks", kind.__name__, "leave out callbacks that change training")
    return found


def _validation_fraction(net: Any) -> float | None:
    """Return the share of rows held out; None where all rows train."""
    from skorch.dataset import ValidSplit

    split = net.train_split
    if split is None:
        return None
    if not isinstance(split, ValidSplit):
        _refuse("train_split", split, "use skorch.dataset.ValidSplit or None")
    return 1 / split.cv if isinstance(split.cv, int) else float(split.cv)
