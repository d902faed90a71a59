"""LightGBM: soft targets by its cross-entropy or a softmax, models joined in its text format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.boosting.library import (
    LARGEST_STEP,
    SoftTarget,
    balanced_weights,
    is_hard,
    refuse,
    refuse_set,
)
from holdfast.learners.boosting.lightgbm_text import ModelText
from holdfast.learners.boosting.objective import cross_entropy, softmax_objective
from holdfast.learners.estimators import temporary_parameters
from holdfast.learners.interface import TrainingRows
from holdfast.metrics import clip

__all__ = ["LightGBM"]

OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")
BOOSTING = ("boosting_type", "boosting", "boost")
STOPPING = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")
ROUNDS = (
    "num_iterations",
    "num_iteration",
    "n_iter",
    "num_tree",
    "num_trees",
    "num_round",
    "num_rounds",
    "nrounds",
    "num_boost_round",
    "max_iter",
)
STEP = ("max_delta_step", "max_tree_output", "max_leaf_output")
LOG_LOSS = ("binary", "multiclass", "softmax", "cross_entropy", "xentropy")
METRIC = ("metric", "metrics", "metric_types")
STOPPING_MEASURES = (*LOG_LOSS, "binary_logloss", "multi_logloss", "multiclassova")
BALANCING = ("is_unbalance", "unbalance", "unbalanced_sets", "scale_pos_weight")
BY_LABEL = "it draws rows by their labels; leave it out, or use `subsample` and `subsample_freq`"
NOT_FOLLOWED = {
    "sigmoid": (1.0, "probabilities are those of log loss, whose steepness is 1"),
    "num_class": (None, "leave it out: classes are those of y"),
    "num_classes": (None, "leave it out: classes are those of y"),
    **{
        f"{side}_{name}": (1.0, BY_LABEL)
        for side in ("pos", "neg")
        for name in ("bagging_fraction", "sub_row", "subsample", "bagging")
    },
}
NOT_OF_TRAINING = ("class_weight", "importance_type", "n_estimators")


@dataclass(frozen=True, eq=False)
class _Binned:
    """Rows as the library stores them, beside the original ones."""

    rows: TrainingRows
    data: lgb.Dataset
    held_out: lgb.Dataset | None


class LightGBM:
    """LightGBM, as the learner of boosters needs it."""

    def check(self, estimator: Any) -> None:
        """Refuse an objective other than log loss, and settings that soft targets cannot follow."""
        params = estimator.get_params()
        for objective in map(params.get, OBJECTIVE):
            if objective is not None and objective not in LOG_LOSS:
                what = "one of your own" if callable(objective) else repr(objective)
                raise UnsupportedEstimatorError(
                    f"estimator must have the objective of log loss to learn soft targets, got "
                    f"{what}; leave `objective` out"
                )
        refuse_set(params, NOT_FOLLOWED)
        if self.stops_early(estimator):
            _check_measures(params)
        if _is_forest(estimator):
            remedy = "use `class_weight`, or 'gbdt'"
            defaults = {name: (1.0 if "scale" in name else False, remedy) for name in BALANCING}
            refuse_set(params, defaults)

    def class_weight(self, estimator: Any, rows: TrainingRows) -> NDArray[np.float64] | None:
        """Return the weights that class_weight, is_unbalance or scale_pos_weight ask for."""
        params = estimator.get_params()
        given, weights = params["class_weight"], np.ones(len(rows.classes))
        if isinstance(given, dict):
            weights = np.array([given.get(label, 1.0) for label in rows.classes.tolist()], float)
        elif given is not None:
            weights = balanced_weights(rows)
        if len(weights) == 2:
            weights *= _balance(params, rows.y)
        return None if (weights == 1).all() else weights

    def stops_early(self, estimator: Any) -> bool:
        """Whether a patience is set, by any of LightGBM's names for it."""
        params = estimator.get_params()
        return any((params.get(name) or 0) > 0 for name in STOPPING)

    def binned(self, estimator: Any, rows: TrainingRows, held_out: TrainingRows | None) -> _Binned:
        """Bin the rows once; targets, weights and starts are set for each model."""
        params = _parameters(estimator)
        data = lgb.Dataset(_array(rows.X), label=rows.y, weight=rows.sample_weight, params=params)
        data.construct()
        if held_out is None:
            return _Binned(rows, data, None)
        other = lgb.Dataset(_array(held_out.X), label=held_out.y, reference=data, params=params)
        return _Binned(rows, data, other.construct())

    def fit(
        self,
        estimator: Any,
        binned: _Binned,
        target: SoftTarget,
        held_out: SoftTarget | None,
        n_rounds: int | None = None,
    ) -> Any:
        """Train on the binned rows, and put the trees into a fitted classifier."""
        n_classes = target.proba.shape[1]
        _check_forest(estimator, target)
        params = _parameters(estimator)
        if target.start is not None and not any(params.get(name) for name in STEP):
            params["max_delta_step"] = LARGEST_STEP
        bias, measure = None, None
        if n_classes > 2:
            params["num_class"] = n_classes
        if is_hard(target):
            params["objective"] = "binary" if n_classes == 2 else "multiclass"
        elif n_classes == 2:
            params = {name: value for name, value in params.items() if name not in METRIC}
            params |= {"objective": "cross_entropy", "metric": "cross_entropy"}
        else:
            factor = n_classes / (n_classes - 1)  # as in the library's own loss
            params |= {"objective": softmax_objective(target, factor=factor), "metric": "None"}
            measure = None if held_out is None else _measure(held_out)
            if target.start is None and params.get("boost_from_average", True):
                bias = np.log(np.average(target.proba, axis=0, weights=target.weight).clip(1e-15))
        if n_classes == 2 and target.start is None and params.get("boost_from_average", True):
            bias = _start_before_balance(estimator, binned.rows, target)
        _set(binned.data, target, bias)
        validation: dict[str, Any] = {}
        if binned.held_out is not None and held_out is not None:
            _set(binned.held_out, held_out, bias)
            validation = {"valid_sets": [binned.held_out], "feval": measure}
        rounds = n_rounds or self.rounds(estimator)[1]
        booster = lgb.train(params, binned.data, rounds, **validation)
        model = ModelText(booster.model_to_string())
        model.set_objective(_objective_line(n_classes))
        if bias is not None:
            model.add(bias)
        return _classifier(estimator, binned.rows, model)

    def rounds(self, estimator: Any) -> tuple[str, int]:
        """Return name and value of the setting for the number of rounds."""
        params = estimator.get_params()
        name = next((name for name in ROUNDS if params.get(name) is not None), "n_estimators")
        return name, int(params[name])

    def only_adds(self, estimator: Any) -> bool:
        """Whether a round leaves those before it as they were, unlike in forests and dart."""
        return not _is_forest(estimator) and "dart" not in _boosting(estimator)

    def first_rounds(self, model: Any, n: int) -> Any:
        """Return a copy with the first n rounds of a model whose rounds only add."""
        first = copy(model)
        first._Booster = lgb.Booster(model_str=model.booster_.model_to_string(num_iteration=n))
        first._best_iteration = -1
        first._other_params = dict(model._other_params)  # set_params changes it in place
        return first

    def deployed(self, model: Any, classes: NDArray[Any]) -> Any | None:
        """Return a classifier, or a booster of log loss as one, over the same classes."""
        if isinstance(model, lgb.Booster):
            return _classifier_of_booster(model, classes)
        if not isinstance(model, lgb.LGBMClassifier) or not hasattr(model, "fitted_"):
            return None
        if not np.array_equal(model.classes_, classes):
            return None
        text = ModelText(model.booster_.model_to_string())
        return model if text.sigmoid == 1 else _with_trees(model, _in_log_odds(text))

    def log_odds(self, model: Any, X: Any, n_rounds: int | None = None) -> NDArray[np.float64]:
        """Return raw scores, (n, K)."""
        first = {} if n_rounds is None else {"num_iteration": n_rounds}
        if _is_forest(model):  # its raw scores are sums, not averages
            return np.log(clip(model.predict_proba(X, **first)))
        raw = np.asarray(model.predict_proba(X, raw_score=True, **first))
        return raw if raw.ndim == 2 else np.column_stack([np.zeros(len(raw)), raw])

    def join(self, models: Sequence[Any], weights: Sequence[float]) -> Any:
        """Return one classifier with the trees of all, leaves scaled."""
        texts = [ModelText(model.booster_.model_to_string()) for model in models]
        whole = texts[-1]
        trees: list[str] = []
        for text, weight in zip(texts, weights, strict=True):
            text.match(whole)
            text.scale(weight)
            trees += text.trees
        whole.trees = trees
        return _with_trees(models[-1], whole)


def _boosting(estimator: Any) -> list[str]:
    """Return the kinds of boosting that the settings name, as LightGBM reads them."""
    given = map(estimator.get_params().get, BOOSTING)
    return [str(kind).lower() for kind in given if kind is not None]


def _is_forest(estimator: Any) -> bool:
    return not {"rf", "random_forest"}.isdisjoint(_boosting(estimator))


def _check_forest(estimator: Any, target: SoftTarget) -> None:
    """Refuse a start, and soft targets of several classes, for a random forest."""
    n_classes = target.proba.shape[1]
    soft = n_classes > 2 and not is_hard(target)
    if _is_forest(estimator) and (target.start is not None or soft):
        raise UnsupportedEstimatorError(
            "boosting must be 'gbdt' or 'dart' to start from the base model, or to learn soft "
            f"targets of {n_classes} classes, got a random forest; change it, or give "
            "method='cold'"
        )


def _check_measures(params: dict[str, Any]) -> None:
    """Refuse measures other than log loss to stop by."""
    for name in METRIC:
        value = params.get(name)
        measures = value if isinstance(value, (list, tuple)) else str(value or "").split(",")
        if not set(measures) <= {"", *STOPPING_MEASURES}:
            refuse(
                name,
                value,
                "log loss with early stopping",
                "leave one of the two out: training stops by the cross-entropy to soft targets",
            )


def _balance(params: dict[str, Any], y: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the weights of two classes that the settings of binary log loss ask for."""
    weights = np.ones(2)
    if any(params.get(name) for name in BALANCING[:-1]):
        # The rarer class gets the higher weight, as in the library.
        counts = np.bincount(y, minlength=2).clip(min=1)
        weights[counts.argmin()] *= counts.max() / counts.min()
    weights[1] *= params.get("scale_pos_weight", 1.0)
    return weights


def _start_before_balance(
    estimator: Any, rows: TrainingRows, target: SoftTarget
) -> NDArray[np.float64] | None:
    """Return the log-odds that the library starts from where its settings balance two classes.

    It averages before it balances, and the weights of the target are balanced already. None is
    returned where nothing is balanced, since the library then finds its start itself.
    """
    balance = _balance(estimator.get_params(), rows.y)
    if (balance == 1).all():
        return None
    weight = np.ones(len(target.proba)) if target.weight is None else target.weight
    negative, positive = (weight @ target.proba / balance).clip(1e-15)
    return np.array([np.log(positive / negative)])


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return the estimator's settings as `lightgbm.train` takes them."""
    params = {k: v for k, v in estimator.get_params().items() if v is not None}
    for name in (*NOT_OF_TRAINING, *OBJECTIVE, *ROUNDS, *BALANCING):
        params.pop(name, None)
    seed = params.get("random_state")
    if isinstance(seed, np.random.RandomState):
        params["random_state"] = int(copy(seed).randint(np.iinfo(np.int32).max))
    elif isinstance(seed, np.random.Generator):
        params["random_state"] = int(copy(seed).integers(np.iinfo(np.int32).max))
    threads = params.pop("n_jobs", None)
    if not {"num_threads", "num_thread", "nthread", "nthreads"} & set(params):
        params["num_threads"] = estimator._process_n_jobs(threads)
    return params


def _measure(held_out: SoftTarget) -> Callable[..., tuple[str, float, bool]]:
    """Return the cross-entropy to the held-out targets as LightGBM takes it; lower is better."""
    return lambda scores, data: ("cross_entropy", cross_entropy(scores, held_out), False)


def _set(data: lgb.Dataset, target: SoftTarget, bias: NDArray[np.float64] | None) -> None:
    """Set what a model learns from.

    Rows without a start of their own begin at `bias`, the same log-odds for all.
    """
    start = target.start
    data.set_weight(target.weight)
    if target.proba.shape[1] == 2:
        data.set_label(target.proba[:, 1])
        alike = None if bias is None else np.full(len(target.proba), bias[0])
        data.set_init_score(alike if start is None else start[:, 1] - start[:, 0])
    else:
        data.set_label(target.proba.argmax(axis=1))
        whole = None if bias is None else np.tile(bias, (len(target.proba), 1))
        data.set_init_score(whole if start is None else start)


def _array(X: Any) -> Any:
    """Return a list of rows as an array; anything with a shape as it is."""
    return X if hasattr(X, "shape") else np.asarray(X)


def _in_log_odds(text: ModelText) -> ModelText:
    """Return a model whose scores are log-odds; a setting of the sigmoid can make them others."""
    if text.sigmoid != 1:
        text.scale(text.sigmoid)
        text.set_objective(_objective_line(2))
    return text


def _with_trees(model: Any, text: ModelText) -> Any:
    """Return a copy of a fitted classifier with other trees."""
    other = copy(model)
    other._Booster = text.booster()
    other._best_iteration = -1
    other._other_params = dict(model._other_params)  # set_params changes it in place
    return other


def _objective_line(n_classes: int) -> str:
    """Return the text by which a model file names log loss."""
    return "binary sigmoid:1" if n_classes == 2 else f"multiclass num_class:{n_classes}"


def _classifier(estimator: Any, rows: TrainingRows, model: ModelText) -> Any:
    """Return the estimator as `fit` leaves it, with these trees in it."""
    # Fitting one tree to a few rows with any labels sets all attributes beside the trees. The
    # library warns of a regression where a class has few rows, so each class gets three or more.
    few = np.resize(np.arange(min(len(rows.y), 50)), max(50, 3 * len(rows.classes)))
    labels = np.resize(rows.classes, len(few))
    params = estimator.get_params()
    changed = {name: 0 for name in STOPPING if params.get(name)}
    changed |= {"n_estimators": 1} | {name: 1 for name in ROUNDS if name in params}
    with temporary_parameters(estimator, changed):
        estimator.fit(_safe_indexing(rows.X, few), labels)
    estimator._Booster = model.booster()
    estimator._best_iteration = -1
    return estimator


def _classifier_of_booster(booster: lgb.Booster, classes: NDArray[Any]) -> Any | None:
    """Return a classifier with the trees of a booster; None for another loss or other classes.

    A softmax of two classes is also None: it has two trees a round, and the classifier takes one.
    """
    text = ModelText(booster.model_to_string())
    kind = (text.header.get("objective") or "").split(" ")[0]
    n_classes = 2 if text.n_per_round == 1 else text.n_per_round
    if kind not in LOG_LOSS or n_classes != len(classes) or text.n_per_round == 2:
        return None
    text.scale(text.sigmoid)
    text.set_objective(_objective_line(len(classes)))
    X: Any = np.zeros((len(classes), len(text.features)))
    if text.features != [f"Column_{i}" for i in range(len(text.features))]:
        X = pd.DataFrame(X, columns=text.features)
    rows = TrainingRows(None, X, np.arange(len(classes)), classes, None)
    return _classifier(lgb.LGBMClassifier(verbosity=-1), rows, text)
