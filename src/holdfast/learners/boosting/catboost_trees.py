"""CatBoost over several classes with soft targets, grown tree by tree.

CatBoost's `MultiClass` takes labels only. It finds splits by the first derivatives of its loss at
each row, label − p. With the residual t − p of a soft target t as its own target, `MultiRMSE` has
the derivatives t − p before anything is learned. Its first tree is therefore the tree that
`MultiClass` would grow if labels could be soft. The values of its leaves are then set to the step
that `MultiClass` takes,

    learning rate · (Σ w (diag p − p pᵀ) + l2 · mean w · I)⁻¹ Σ w (t − p)

over the rows of the leaf. With labels as targets this gives the library's own model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catboost as cb
import numpy as np
from numpy.typing import NDArray

from holdfast.common.files import temporary_folder
from holdfast.learners.boosting.library import SoftTarget
from holdfast.learners.boosting.objective import softmax
from holdfast.metrics import clip

__all__ = ["Features", "described", "grow", "knows"]

TREES = ("iterations", "n_estimators", "num_boost_round", "num_trees")
RATE = ("learning_rate", "eta")
L2 = ("l2_leaf_reg", "reg_lambda")
SEED = ("random_seed", "random_state")
QUANTIZING = ("border_count", "max_bin", "feature_border_type", "nan_mode", "ignored_features")
SPLITTING = (  # settings of a single tree
    *("depth", "max_depth", "grow_policy", "max_leaves", "num_leaves", "score_function"),
    *("min_data_in_leaf", "min_child_samples", "feature_weights", "rsm", "colsample_bylevel"),
    *("bootstrap_type", "bagging_temperature", "subsample", "sampling_frequency", "thread_count"),
)
PRINTING = ("verbose", "verbose_eval", "silent", "logging_level", "metric_period")
LOSS = ("loss_function", "objective", "eval_metric", "custom_metric", "custom_loss")
HANDLED = (  # settings that `grow` follows itself
    *("early_stopping_rounds", "use_best_model", "allow_writing_files", "train_dir"),
    *("random_strength", "class_names"),
)
ONLY = {  # settings that a single tree can follow with these values only
    "leaf_estimation_method": ("Newton", "Gradient"),
    "leaf_estimation_iterations": (1,),
    "bootstrap_type": ("Bayesian", "Bernoulli", "No"),
    "boosting_type": ("Plain",),
    "task_type": ("CPU",),
}
KNOWN = frozenset(
    (*TREES, *RATE, *L2, *SEED, *QUANTIZING, *SPLITTING, *PRINTING, *LOSS, *HANDLED, *ONLY)
)
BY_LOSS = ("bootstrap_type", "bagging_temperature", "subsample")  # defaults depend on the loss
DEFAULT_TREES, DEFAULT_L2 = 1000, 3.0
ONE_TREE = {
    "loss_function": "MultiRMSE",
    "iterations": 1,
    "boost_from_average": False,
    "leaf_estimation_method": "Gradient",
    "leaf_estimation_iterations": 1,
    "permutation_count": 1,
    "simple_ctr": ["Counter"],  # by default targets are sorted, even without categories
    "combinations_ctr": ["Counter"],
    "logging_level": "Silent",
    "allow_writing_files": False,
}


def knows(params: dict[str, Any]) -> bool:
    """Whether trees grown here are those that the library would grow under these settings."""
    given = {name: value for name, value in params.items() if value is not None}
    return given.keys() <= KNOWN and all(
        given[name] in values for name, values in ONLY.items() if name in given
    )


@dataclass(frozen=True, eq=False)
class Features:
    """Numeric columns as the library stores them, and the borders between their bins.

    Attributes
    ----------
    values : ndarray of shape (n, d)
    names : list of str
    borders : str
        The library's file of borders.
    """

    values: NDArray[np.float32]
    names: list[str]
    borders: str

    @classmethod
    def of(cls, X: Any, params: dict[str, Any]) -> Features | None:
        """Read a table of numbers; its borders follow the settings.

        None is returned where a border is infinite: the library writes such borders, but cannot
        read them.
        """
        pool = cb.Pool(X)
        values, names = np.asfortranarray(pool.get_features()), pool.get_feature_names()
        settings = {k: params[k] for k in QUANTIZING if params.get(k) is not None}
        # The seed matters for many rows, of which the library looks at some.
        pool.quantize(**settings, random_seed=int(_first(params, SEED, 0)))
        with temporary_folder() as folder:
            file = Path(folder, "borders.tsv")
            pool.save_quantization_borders(str(file))
            borders = file.read_text(encoding="utf-8")
        if "inf" in borders:
            return None
        cut = {int(line.split("\t")[0]) for line in borders.splitlines()}
        values[:, [k for k in range(len(names)) if k not in cut]] = 0.0  # never split; may hold NaN
        return cls(values, names, borders)

    def pool(self, label: NDArray[Any], weight: NDArray[Any]) -> cb.Pool:
        """Return the rows for the library; nothing is copied."""
        return cb.Pool(self.values, label=label, weight=weight, feature_names=self.names)


def grow(
    params: dict[str, Any],
    like: cb.CatBoost,
    features: Features,
    target: SoftTarget,
    held_out: tuple[cb.Pool, SoftTarget] | None,
) -> cb.CatBoost:
    """Return the model of soft targets.

    Parameters
    ----------
    params : dict
        Settings, for which `knows` is true.
    like : CatBoost
        A model of any number of trees that the library trained to labels with these settings. The
        new model takes its metadata from it.
    features : Features
    target : SoftTarget
    held_out : (Pool, SoftTarget) or None
        Rows that decide when to stop, and how many trees are kept.
    """
    trained, stop = _Fitted(target), _Stop(held_out)
    patience, period = params.get("early_stopping_rounds"), _period(params)
    trees: list[cb.CatBoost] = []
    for tree, value in _trees(params, like, features, trained):
        trees.append(tree)
        stop.add(tree, value)
        if period and (len(trees) - 1) % period == 0:
            print(f"{len(trees) - 1}:\tlearn: {trained.loss():.7f}{stop}", flush=True)
        if patience is not None and stop.waited >= patience:
            break
    if params.get("use_best_model") is not False:
        trees = trees[: len(trees) - stop.waited]
    model = described(cb.sum_models(trees), like.get_metadata())
    metadata = model.get_metadata()
    every = {"class_to_label": list(range(target.proba.shape[1]))}  # some may have no labels
    metadata["class_params"] = json.dumps(json.loads(metadata["class_params"]) | every)
    return model


class _Fitted:
    """The predictions so far for some rows, beside the targets of these."""

    def __init__(self, target: SoftTarget) -> None:
        start, shape = target.start, target.proba.shape
        self.target = target.proba
        self.weight = np.ones(shape[0]) if target.weight is None else target.weight
        self._log_odds = np.zeros(shape) if start is None else start.copy()
        self.proba = softmax(self._log_odds)

    def add(self, change: NDArray[np.float64]) -> None:
        """Add a change to the log-odds, (n, K)."""
        self._log_odds += change
        self.proba = softmax(self._log_odds)

    def loss(self) -> float:
        """Return the cross-entropy to the targets, in nats."""
        each = -np.einsum("nk,nk->n", self.target, np.log(clip(self.proba)))
        return float(np.average(each, weights=self.weight))


class _Stop:
    """Follows the loss on held-out rows; counts the trees since the best."""

    def __init__(self, held_out: tuple[cb.Pool, SoftTarget] | None) -> None:
        self.waited, self._loss, self._best = 0, np.inf, np.inf
        self._fitted: _Fitted | None = None
        if held_out is not None:
            self._pool, self._fitted = held_out[0], _Fitted(held_out[1])

    def add(self, tree: cb.CatBoost, value: NDArray[np.float64]) -> None:
        """Take one more tree into account."""
        if self._fitted is None:
            return
        self._fitted.add(value[_leaves(tree, self._pool)])
        self._loss = self._fitted.loss()
        self.waited = 0 if self._loss < self._best else self.waited + 1
        self._best = min(self._best, self._loss)

    def __str__(self) -> str:
        return "" if self._fitted is None else f"\ttest: {self._loss:.7f}\tbest: {self._best:.7f}"


def _trees(
    params: dict[str, Any], like: cb.CatBoost, features: Features, fitted: _Fitted
) -> Iterator[tuple[cb.CatBoost, NDArray[np.float64]]]:
    """Yield each tree and the values of its leaves; it learns what those before it left over."""
    one_tree, rate = _settings(params, like), float(_first(params, RATE, like.learning_rate_))
    l2 = _first(params, L2, DEFAULT_L2) * fitted.weight.mean()
    l2 = max(l2, np.finfo(float).tiny)  # where no row of a leaf weighs anything
    newton = params.get("leaf_estimation_method") != "Gradient"
    strength = _first(params, ("random_strength",), 1.0)
    seeds = np.random.default_rng(int(_first(params, SEED, 0)))
    with temporary_folder() as folder:
        borders = Path(folder, "borders.tsv")
        borders.write_text(features.borders, encoding="utf-8")
        for t in range(int(_first(params, TREES, DEFAULT_TREES))):
            left = len(fitted.target) * np.exp(-t * rate)  # the noise in scores decreases
            settings = {
                "random_strength": strength * left / (1 + left),
                "random_seed": int(seeds.integers(2**31)),
                "input_borders": str(borders),
            }
            residual = fitted.target - fitted.proba
            pool = features.pool(_as_labels(residual), fitted.weight)
            tree = cb.CatBoost(one_tree | settings).fit(pool)
            leaf = _leaves(tree, pool)
            count = int(tree.get_tree_leaf_counts()[0])
            value = rate * _steps(leaf, count, fitted, residual, l2, newton)
            tree.set_leaf_values(value.ravel())
            fitted.add(value[leaf])
            bare = cb.CatBoost()  # a trained model keeps its rows in memory
            yield described(bare.load_model(blob=tree._serialize_model()), {}), value


def _leaves(tree: cb.CatBoost, pool: cb.Pool) -> NDArray[Any]:
    """Return the leaf of each row, (n,)."""
    leaf: NDArray[Any] = tree.calc_leaf_indexes(pool)[:, 0]
    return leaf


def _as_labels(residual: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return residuals as targets; the library refuses constant columns, so there are none."""
    label = residual.astype(np.float32)
    constant = np.ptp(label, axis=0) == 0
    label[0, constant] = np.nextafter(label[0, constant], np.float32(2))
    return label


def _steps(
    leaf: NDArray[Any],
    count: int,
    fitted: _Fitted,
    residual: NDArray[np.float64],
    l2: float,
    newton: bool,
) -> NDArray[np.float64]:
    """Return the step of each leaf, (L, K): Newton's or the gradient's; 0 without rows."""
    order = np.argsort(leaf, kind="stable")
    filled, starts = np.unique(leaf[order], return_index=True)
    p, w = fitted.proba[order], fitted.weight[order, None]
    weighted, gradient = w * p, np.add.reduceat(w * residual[order], starts)
    steps = np.zeros((count, p.shape[1]))
    if newton:
        ends = [*starts[1:], len(order)]
        each = zip(starts, ends, strict=True)
        hessian = np.stack([-p[a:b].T @ weighted[a:b] for a, b in each])  # K x K each
        diagonal = np.einsum("lkk->lk", hessian)
        diagonal += np.add.reduceat(weighted, starts)
        least = diagonal.max(axis=1, keepdims=True) * np.finfo(np.float32).eps
        diagonal += np.maximum(l2, least)  # else singular, since p sums to 1
        steps[filled] = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    else:
        steps[filled] = gradient / (np.add.reduceat(w, starts) + l2)
    return steps


def described(model: cb.CatBoost, other: Mapping[str, str]) -> cb.CatBoost:
    """Return a model with another's metadata, but its own identifier and no losses of training."""
    metadata = model.get_metadata()
    for name in list(metadata.keys()):
        if name != "model_guid":
            del metadata[name]
    for name, text in other.items():
        if name not in ("training", "model_guid"):
            metadata[name] = text
    return model


def _settings(params: dict[str, Any], like: cb.CatBoost) -> dict[str, Any]:
    """Return the settings of one tree."""
    by_loss = {name: value for name, value in like.get_all_params().items() if name in BY_LOSS}
    own = {k: v for k, v in params.items() if k in (*SPLITTING, *QUANTIZING, *L2) and v is not None}
    return by_loss | own | ONE_TREE


def _first(params: dict[str, Any], names: tuple[str, ...], default: Any) -> Any:
    """Return the first setting that is given among synonyms."""
    return next((params[name] for name in names if params.get(name) is not None), default)


def _period(params: dict[str, Any]) -> int:
    """Return the number of trees between two printed lines; 0 where none are printed."""
    verbose = _first(params, ("verbose", "verbose_eval"), True)
    if params.get("silent") or params.get("logging_level") == "Silent" or not verbose:
        return 0
    return int(verbose) if int(verbose) > 1 else int(params.get("metric_period") or 1)
