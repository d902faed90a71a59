"""`NetworkClassifier`: one network with the face of a scikit-learn classifier."""

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

    Give it to `LowChurnClassifier`: soft targets go in directly, methods such as ``"warm_distill"``
    start from the base model's parameters, and the whole path is trained in one call.

    Parameters
    ----------
    module : callable or nn.Module
        What builds the network, which maps a batch of rows to logits (b, K):
        ``functools.partial(FullyConnected, 14, 2, width=100)``. A module works too, but only what
        is built by a class and its arguments can be stored by `holdfast.save_model`.
    batch_size, max_epochs, patience, restore_best, optimizer, loss, stacking, device, precision
        As for `fit_many`.
    validation_fraction : float
        Share of the training rows by whose loss it stops, in (0, 1); not used without `patience`.
    n_jobs : int, optional
        As for `fit_many`.
    random_state : int, optional
        Of the split, the parameters, the row order and dropout; 0 when left out.
    verbose : int, optional
        As for `fit_many`.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    state_ : dict of str to Tensor
        Parameters and buffers.
    losses_, validation_losses_ : tuple of float
        Of each epoch.

    Raises
    ------
    InvalidInputError
        From ``fit``: as `fit_many`, and when the loss is not finite.

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
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional

        Returns
        -------
        self
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
        """Return probabilities of shape (n, K)."""
        check_is_fitted(self, "state_")
        return predict_many(self.module, [self.state_], X, device=self.device)[0]

    def predict(self, X: ArrayLike | Tensor) -> NDArray[Any]:
        """Return the most probable class of each row, shape (n,)."""
        check_is_fitted(self, "state_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    # --- for learners -----------------------------------------------------------------------------

    def split(self, y: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
        """Return the positions of training and validation rows; None without `patience`.

        Parameters
        ----------
        y : ndarray of shape (n,)
            Positions of the classes, in proportion to which rows are held out where each has two.
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
                f"X must have rows to train and to validate on, got {len(y)} row; give more rows"
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
        """Train several networks with these settings.

        Parameters
        ----------
        runs : list of Run
        X : array-like of shape (n, …)
        y : ndarray of shape (n,)
            Positions of the classes.
        n_jobs, verbose : int, optional
            In place of its own.
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
        """Take what `train` gave one run."""
        assert network.state is not None  # checked by whoever trained it
        self.classes_ = classes
        self.state_: Mapping[str, Tensor] = network.state
        self.losses_ = network.losses
        self.validation_losses_ = network.validation_losses
        return self

    # --- storage ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "module": _Architecture.of(self.module)}
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
    """A class of modules and its arguments, in place of a partial, which could call anything."""

    kind: Any
    args: list[Any]
    kwargs: dict[str, Any]

    @classmethod
    def of(cls, module: Any) -> Any:
        """Describe what builds a module; what is not a class with arguments stays as it is."""
        if isinstance(module, type):
            return cls(module, [], {})
        if not isinstance(module, partial) or not isinstance(module.func, type):
            return module
        args = [cls.of(value) if isinstance(value, partial) else value for value in module.args]
        return cls(module.func, args, dict(module.keywords))

    def build(self) -> Any:
        """Return the partial, which makes modules and nothing else."""
        if not (isinstance(self.kind, type) and issubclass(self.kind, nn.Module)):
            raise InvalidInputError(
                f"module must be a class of torch.nn.Module, got {self.kind!r}; write the file "
                "with holdfast.save_model"
            )
        args = [value.build() if isinstance(value, _Architecture) else value for value in self.args]
        return partial(self.kind, *args, **self.kwargs)
