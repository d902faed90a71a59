"""`NetworkClassifier`: one network with the interface of a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import load, save
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from holdfast.common.arrays import check_labels, check_same_length
from holdfast.common.parameters import check_share
from holdfast.exceptions import InvalidInputError
from holdfast.nn.many.fit import FittedNetwork, Run, fit_many, predict_many
from holdfast.nn.optimizers import Optimizer

__all__ = ["NetworkClassifier"]


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A PyTorch network as a scikit-learn classifier, trained by `fit_many`.

    `LowChurnClassifier` takes it like any classifier. Soft targets then need no detour through
    weighted rows, methods such as ``"warm_distill"`` start from the base model's parameters, and
    all candidates are trained in one call of `fit_many`.

    Parameters
    ----------
    module : callable or nn.Module
        A function that builds the network, such as
        ``functools.partial(FullyConnected, 14, 2, width=100)``. The network maps a batch of rows to
        logits (b, K). A module works too, but `holdfast.save_model` stores a class with its
        arguments only.
    batch_size : int
        Rows of one training step.
    max_epochs : int
        Largest number of epochs.
    patience : int or None
        Number of epochs without a better validation loss after which training stops. None trains on
        all rows for `max_epochs`.
    restore_best : bool
        Whether the network goes back to its epoch of lowest validation loss.
    optimizer : Adam or SGD, optional
        ``Adam()`` by default.
    loss : {"cross_entropy", "brier"}
        Loss in training and validation.
    stacking : {"auto", "always", "never"}
        Whether networks are trained as one stack, as for `fit_many`.
    device : str
        Device of training and prediction.
    precision : {"float32", "bfloat16"}
        Precision of the forward passes in training, as for `fit_many`.
    validation_fraction : float
        Share of the rows, in (0, 1), that is held out for the validation loss. It is not used
        without `patience`.
    n_jobs : int, optional
        Number of processes, as for `fit_many`.
    random_state : int, optional
        Seed of the split, the parameters, the row order and dropout; 0 by default.
    verbose : int, optional
        Whether to show progress, as for `fit_many`.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The classes, in the order of the columns of probabilities.
    state_ : dict of str to Tensor
        Parameters and buffers.
    losses_ : tuple of float
        Training loss of each epoch.
    validation_losses_ : tuple of float
        Validation loss of each epoch; empty without `patience`.

    Raises
    ------
    InvalidInputError
        When `fit` gets input that `fit_many` refuses, or ends with a loss that is not finite.

    Examples
    --------
    >>> from functools import partial
    >>> from sklearn.datasets import make_classification
    >>> from holdfast.nn import FullyConnected
    >>> X, y = make_classification(300, 6, random_state=0)
    >>> network = NetworkClassifier(partial(FullyConnected, 6, 2, width=20), random_state=0)
    >>> network.fit(X, y).predict_proba(X).shape
    (300, 2)
    """

    def __init__(
        self,
        module: Any,
        *,
        batch_size: int = 32,
        max_epochs: int = 200,
        patience: int | None = 5,
        restore_best: bool = True,
        optimizer: Optimizer | None = None,
        loss: str = "cross_entropy",
        stacking: str = "auto",
        device: str = "cpu",
        precision: str = "float32",
        validation_fraction: float = 0.1,
        n_jobs: int | None = None,
        random_state: int | None = None,
        verbose: int | None = None,
    ) -> None:
        self.module = module
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.restore_best = restore_best
        self.optimizer = optimizer
        self.loss = loss
        self.stacking = stacking
        self.device = device
        self.precision = precision
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: ArrayLike | Tensor, y: ArrayLike, *, sample_weight: ArrayLike | None = None
    ) -> NetworkClassifier:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, …)
            The training rows.
        y : array-like of shape (n,)
            Their labels.
        sample_weight : array-like of shape (n,), optional
            Their weights; only proportions matter.

        Returns
        -------
        self
            The fitted classifier.
        """
        labels = check_labels("y", y)
        check_same_length(X=X, y=labels)
        classes, positions = np.unique(labels, return_inverse=True)
        rows, held_out = self.split(positions)
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        run = Run(rows, held_out, seed=self.random_state or 0, sample_weight=weight)
        (network,) = self.train([run], X, positions, n_jobs=1)
        if network.state is None:
            raise InvalidInputError(
                f"the network must end with a finite loss, got status {network.status!r}; scale X, "
                "look for infinite values, or lower the learning rate"
            )
        return self.adopt(network, classes)

    def predict_proba(self, X: ArrayLike | Tensor) -> NDArray[np.float64]:
        """Return the probabilities of the classes for each row, shape (n, K)."""
        check_is_fitted(self, "state_")
        return predict_many(self.module, [self.state_], X, device=self.device)[0]

    def predict(self, X: ArrayLike | Tensor) -> NDArray[Any]:
        """Return the most probable class of each row, shape (n,)."""
        check_is_fitted(self, "state_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    # --- for learners -----------------------------------------------------------------------------

    def split(self, y: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
        """Return the positions of the training rows, and of the validation rows if there are any.

        There are none, and the second value is None, without `patience`.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Class position of each row. The split keeps the proportions of the classes where each
            of them has enough rows for both parts.
        """
        everything = np.arange(len(y))
        if self.patience is None:
            return everything, None
        fraction = check_share("validation_fraction", self.validation_fraction, open_ends=True)
        n_out = max(1, round(fraction * len(y)))
        counts = np.bincount(y)
        fits = counts[counts > 0].min() > 1 and np.count_nonzero(counts) <= min(
            n_out, len(y) - n_out
        )
        if n_out >= len(y):
            raise InvalidInputError(
                f"X must have rows to train on beside the {n_out} to validate on, got {len(y)}; "
                "give more rows, or patience=None to validate on none"
            )
        rows, held_out = train_test_split(
            everything,
            test_size=n_out,
            random_state=self.random_state or 0,
            stratify=y if fits else None,
        )
        return np.sort(rows), np.sort(held_out)

    def train(
        self,
        runs: list[Run],
        X: ArrayLike | Tensor,
        y: NDArray[np.intp],
        *,
        n_jobs: int | None = None,
        verbose: int | None = None,
    ) -> list[FittedNetwork]:
        """Train several networks with the settings of this classifier.

        Parameters
        ----------
        runs : list of Run
            The networks to train.
        X : array-like of shape (n, …)
            All rows that the runs use.
        y : ndarray of shape (n,)
            Class position of each row.
        n_jobs : int, optional
            Number of processes where the classifier's own setting is None.
        verbose : int, optional
            Whether to show progress where the classifier's own setting is None.
        """
        return fit_many(
            self.module,
            runs,
            X,
            y,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
            restore_best=self.restore_best,
            optimizer=self.optimizer,
            loss=self.loss,
            stacking=self.stacking,
            device=self.device,
            precision=self.precision,
            n_jobs=self.n_jobs if self.n_jobs is not None else n_jobs,
            verbose=self.verbose if self.verbose is not None else verbose,
        )

    def adopt(self, network: FittedNetwork, classes: NDArray[Any]) -> NetworkClassifier:
        """Take over a network that `train` returned.

        Parameters
        ----------
        network : FittedNetwork
            A network that has parameters.
        classes : ndarray of shape (K,)
            The class of each column.
        """
        assert network.state is not None  # the caller has checked it
        self.classes_ = classes
        self.state_: Mapping[str, Tensor] = network.state
        self.losses_ = network.losses
        self.validation_losses_ = network.validation_losses
        return self

    # --- storage ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "module": _Architecture.describe(self.module)}
        if "state_" in state:
            contiguous = {name: value.contiguous() for name, value in self.state_.items()}
            state["state_"] = save(contiguous)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if isinstance(state["module"], _Architecture):
            state["module"] = state["module"].build()
        if "state_" in state:
            state["state_"] = load(bytes(state["state_"]))
        super().__setstate__(state)


@dataclass
class _Architecture:
    """A class of modules and its arguments.

    It is stored in place of a `functools.partial`, which could call any function when loaded.
    """

    kind: Any
    args: list[Any]
    kwargs: dict[str, Any]

    @classmethod
    def describe(cls, module: Any) -> Any:
        """Return the description of a class with arguments, and anything else as it is."""
        if isinstance(module, type):
            return cls(module, [], {})
        if not isinstance(module, partial) or not isinstance(module.func, type):
            return module
        args = [
            cls.describe(value) if isinstance(value, partial) else value for value in module.args
        ]
        return cls(module.func, args, dict(module.keywords))

    def build(self) -> Any:
        """Return the `functools.partial` again, after a check that it can build only modules."""
        if not (isinstance(self.kind, type) and issubclass(self.kind, nn.Module)):
            raise InvalidInputError(
                f"module must be a class of torch.nn.Module, got {self.kind!r}; write the file "
                "with holdfast.save_model"
            )
        args = [value.build() if isinstance(value, _Architecture) else value for value in self.args]
        return partial(self.kind, *args, **self.kwargs)
