"""XGBoost: soft targets by its own logistic loss or a softmax, models joined in their JSON form."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError
from holdfast.learners.boosting.library import SoftTarget, is_hard, softmax
from holdfast.learners.interface import TrainingRows
from holdfast.metrics import clip

__all__ = ["XGBoost"]

LOG_LOSS = ("binary:logistic", "multi:softprob", "multi:softmax")
SKETCHING = (None, "auto", "hist", "gpu_hist")  # tree methods that bin the rows beforehand
LEAST_HESSIAN = 1e-16  # as in the library


@dataclass(frozen=True, eq=False)
class _Binned:
    data: xgb.DMatrix
    held_out: xgb.DMatrix | None


class XGBoost:
    """What is particular to XGBoost."""

    def check(self, estimator: Any) -> None:
        """Refuse an objective other than log loss, and models that are no sums of trees."""
        objective = estimator.objective
        if objective is not None and objective not in LOG_LOSS:
            what = "one of your own" if callable(objective) else repr(objective)
            raise UnsupportedEstimatorError(
                "estimator must have the objective of log loss to learn soft targets, got "
                f"{what}; leave `objective` out"
            )
        if estimator.booster == "gblinear":
            raise UnsupportedEstimatorError(
                "estimator must be made of trees, got booster='gblinear'; leave `booster` out, or "
                "use scikit-learn's LogisticRegression"
            )

    def class_weight(self, estimator: Any, rows: TrainingRows) -> NDArray[np.float64] | None:
        """Return the weights that scale_pos_weight asks for."""
        scale = estimator.scale_pos_weight
        if scale in (None, 1) or len(rows.classes) != 2:
            return None
        return np.array([1.0, float(scale)])

    def stops_early(self, estimator: Any) -> bool:
        """Whether early_stopping_rounds is set."""
        return bool(estimator.early_stopping_rounds)

    def binned(self, estimator: Any, rows: TrainingRows, held_out: TrainingRows | None) -> _Binned:
        """Bin the rows once; targets, weights and starts are set for each model."""
        if not np.array_equal(rows.classes, np.arange(len(rows.classes))):
            raise InvalidInputError(
                f"y must be 0 … {len(rows.classes) - 1} for {type(estimator).__name__}, which "
                f"takes no other labels, got {rows.classes[:10].tolist()}; encode them, e.g. with "
                "sklearn.preprocessing.LabelEncoder"
            )
        options = {
            "missing": estimator.missing,
            "enable_categorical": estimator.enable_categorical,
            "feature_types": estimator.feature_types,
            "nthread": estimator.n_jobs,
        }
        if estimator.tree_method not in SKETCHING:
            data = xgb.DMatrix(rows.X, label=rows.y, weight=rows.sample_weight, **options)
        else:
            data = xgb.QuantileDMatrix(
                rows.X,
                label=rows.y,
                weight=rows.sample_weight,
                max_bin=estimator.max_bin,
                **options,
            )
        if held_out is None:
            return _Binned(data, None)
        return _Binned(data, xgb.DMatrix(held_out.X, label=held_out.y, **options))

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
        params: dict[str, Any] = estimator.get_xgb_params()
        params = {k: v for k, v in params.items() if v is not None}
        params.pop("scale_pos_weight", None)  # is in the weights
        options: dict[str, Any] = {}
        if n_classes == 2:
            params["objective"] = "binary:logistic"
        else:
            params |= {"objective": "multi:softprob", "num_class": n_classes}
        if target.start is not None:
            params["base_score"] = 0.5 if n_classes == 2 else [0.0] * n_classes
        if not is_hard(target) and n_classes == 2:
            params["eval_metric"] = "logloss"
        elif not is_hard(target):
            params = _intercept(target) | params | {"disable_default_eval_metric": 1}
            params.pop("eval_metric", None)
            options = {"obj": _softmax_objective(target)}
            if held_out is not None:
                options["custom_metric"] = _softmax_measure(held_out)
        _set(binned.data, target)
        if binned.held_out is not None and held_out is not None:
            _set(binned.held_out, held_out)
            options |= {
                "evals": [(binned.held_out, "held_out")],
                "early_stopping_rounds": estimator.early_stopping_rounds,
            }
        rounds = n_rounds or self.rounds(estimator)[1]
        trained = xgb.train(params, binned.data, rounds, verbose_eval=False, **options)
        return _classifier(estimator, trained, n_classes)

    def rounds(self, estimator: Any) -> tuple[str, int]:
        """Return name and value of the setting that says how many rounds there are."""
        return "n_estimators", int(estimator.get_num_boosting_rounds())

    def only_adds(self, estimator: Any) -> bool:
        """Whether rounds leave those before them as they were, unlike in dart."""
        return estimator.booster != "dart"

    def first_rounds(self, model: Any, n: int) -> Any:
        """Return a copy with the first n rounds of a model whose rounds only add."""
        return _classifier(model, model.get_booster()[:n], model.n_classes_)

    def deployed(self, model: Any, classes: NDArray[Any]) -> Any | None:
        """Return a classifier, or a booster of log loss as one, over the same classes."""
        if isinstance(model, xgb.Booster):
            learner = json.loads(model.save_config())["learner"]
            n_classes = max(int(learner["learner_model_param"]["num_class"]), 2)
            if learner["objective"]["name"] not in LOG_LOSS or n_classes != len(classes):
                return None
            model = _classifier(xgb.XGBClassifier(), model, n_classes)
        if not isinstance(model, xgb.XGBClassifier) or not model.__sklearn_is_fitted__():
            return None
        trees = json.loads(model.get_booster().save_config())["learner"]["gradient_booster"]
        known = np.array_equal(model.classes_, classes) and trees["name"] != "gblinear"
        return model if known else None

    def log_odds(self, model: Any, X: Any) -> NDArray[np.float64]:
        """Return margins, (n, K)."""
        raw = np.asarray(model.predict(X, output_margin=True), dtype=np.float64)
        return raw if raw.ndim == 2 else np.column_stack([np.zeros(len(raw)), raw])

    def join(self, models: Sequence[Any], weights: Sequence[float]) -> Any:
        """Return one classifier with the trees of all, leaves scaled."""
        parts = [_Model(model) for model in models]
        whole = parts[-1]
        for part, weight in zip(parts, weights, strict=True):
            part.match(whole)
            part.scale(weight)
        whole.take_trees_of(parts)
        booster = xgb.Booster(model_file=bytearray(json.dumps(whole.content).encode()))
        return _classifier(models[-1], booster, models[-1].n_classes_)


def _set(data: xgb.DMatrix, target: SoftTarget) -> None:
    """Set what a model learns from."""
    n, n_classes = target.proba.shape
    binary, start = n_classes == 2, target.start
    data.set_label(target.proba[:, 1] if binary else target.proba.argmax(axis=1))
    data.set_weight(np.ones(n) if target.weight is None else target.weight)
    if start is not None:
        data.set_base_margin(start[:, 1] - start[:, 0] if binary else start)
    else:
        data.set_info(base_margin=np.empty(0))


def _intercept(target: SoftTarget) -> dict[str, Any]:
    """Return the constant that the library would start from, which it tells from labels only."""
    prior = np.log(np.average(target.proba, axis=0, weights=target.weight).clip(LEAST_HESSIAN))
    return {"base_score": (prior - prior.mean()).tolist()}


def _softmax_objective(target: SoftTarget) -> Callable[..., Any]:
    """Return softmax cross-entropy against (n, K) targets, with the library's Hessian bound."""
    wanted, weight = target.proba, target.weight

    def objective(scores: NDArray[Any], data: xgb.DMatrix) -> tuple[NDArray[Any], NDArray[Any]]:
        proba = softmax(scores.reshape(wanted.shape))
        gradient = proba - wanted
        hessian = np.maximum(2 * proba * (1 - proba), LEAST_HESSIAN)
        if weight is not None:
            gradient *= weight[:, None]
            hessian *= weight[:, None]
        return gradient, hessian

    return objective


def _softmax_measure(held_out: SoftTarget) -> Callable[..., tuple[str, float]]:
    """Return the mean cross-entropy to the held-out targets."""

    def measure(scores: NDArray[Any], data: xgb.DMatrix) -> tuple[str, float]:
        proba = softmax(scores.reshape(held_out.proba.shape))
        losses = -(held_out.proba * np.log(clip(proba))).sum(axis=1)
        return "cross_entropy", float(np.average(losses, weights=held_out.weight))

    return measure


def _classifier(estimator: Any, booster: xgb.Booster, n_classes: int) -> Any:
    """Return the estimator as `fit` leaves it, with these trees in it."""
    fitted = copy(estimator)
    fitted.__dict__.pop("_Booster", None)  # which loading would change, for the other too
    fitted.load_model(bytearray(booster.save_raw("ubj")))
    for name, value in estimator.get_params().items():
        setattr(fitted, name, value)  # loading puts what was found in their place
    fitted.n_classes_ = n_classes
    fitted.objective = "binary:logistic" if n_classes == 2 else "multi:softprob"
    return fitted


class _Model:
    """A model in the library's JSON form, ready to be joined with others."""

    def __init__(self, model: Any) -> None:
        booster = model.get_booster()
        best = booster.attr("best_iteration")
        if best is not None:
            booster = booster[: int(best) + 1]
        self.content = json.loads(bytes(booster.save_raw("json")))
        self.learner = self.content["learner"]
        self.learner["attributes"] = {}
        trees = self.learner["gradient_booster"]
        if trees["name"] == "dart":
            dropped = [float(w) for w in trees.pop("weight_drop")]
            trees = self.learner["gradient_booster"] = trees["gbtree"]
            for tree, weight in zip(trees["model"]["trees"], dropped, strict=True):
                _scale(tree, weight)
        self.trees = trees["model"]

    @property
    def features(self) -> list[str]:
        """Names of the features, where they are known."""
        names: list[str] = self.learner["feature_names"]
        return names or [str(i) for i in range(int(self._params["num_feature"]))]

    @property
    def categories(self) -> dict[str, Any]:
        """Categories of each feature, in the order of their codes; none of a number."""
        known = (self.trees.get("cats") or {}).get("enc") or [{}] * len(self.features)
        encoded = (enc if enc.get("values") else None for enc in known)
        return dict(zip(self.features, encoded, strict=True))

    @property
    def _params(self) -> dict[str, str]:
        return self.learner["learner_model_param"]

    @property
    def intercept(self) -> NDArray[np.float64]:
        """The constant part of the scores."""
        base = np.array(json.loads(self._params["base_score"].replace("E", "e")), dtype=np.float64)
        base = np.atleast_1d(base)
        if self.learner["objective"]["name"] == "binary:logistic":
            return np.log(base / (1 - base))
        return base

    @intercept.setter
    def intercept(self, value: NDArray[np.float64]) -> None:
        if self.learner["objective"]["name"] == "binary:logistic":
            value = 1 / (1 + np.exp(-value))
        self._params["base_score"] = "[" + ",".join(f"{v:.9E}" for v in value.tolist()) + "]"
        self._params["boost_from_average"] = "0"

    def scale(self, weight: float) -> None:
        """Multiply what every tree, and the constant, adds to the scores."""
        for tree in self.trees["trees"]:
            _scale(tree, weight)
        self.intercept = weight * self.intercept

    def match(self, other: _Model) -> None:
        """Number the features as another model does, or raise where that is another kind."""
        missing = [name for name in self.features if name not in other.features]
        if missing:
            raise UnsupportedEstimatorError(
                "base_model must have been trained on features that the new rows have, got "
                f"{', '.join(missing[:10])} in the base model alone; keep them, or use a method "
                "that does not start from the base model's trees"
            )
        if self.learner["objective"]["name"] != other.learner["objective"]["name"]:
            raise UnsupportedEstimatorError(
                "models must have one objective to be joined, got "
                f"{self.learner['objective']['name']} and {other.learner['objective']['name']}"
            )
        theirs = other.categories
        if any(theirs[name] != own for name, own in self.categories.items()):
            raise UnsupportedEstimatorError(
                "base_model must have been trained on the same categories of every categorical "
                "column to be joined, got others; give both tables the same categories"
            )
        place = [other.features.index(name) for name in self.features]
        for tree in self.trees["trees"]:
            tree["split_indices"] = [place[i] for i in tree["split_indices"]]
            tree["tree_param"]["num_feature"] = other._params["num_feature"]

    def take_trees_of(self, parts: Sequence[_Model]) -> None:
        """Take the trees and constants of all parts, this one among them."""
        trees = [tree for part in parts for tree in part.trees["trees"]]
        info = [k for part in parts for k in part.trees["tree_info"]]
        ends = np.cumsum([len(part.trees["trees"]) for part in parts])
        starts = ends - ends[0] if len(parts) == 1 else np.append(0, ends[:-1])
        rounds = [0]
        for part, start in zip(parts, starts.tolist(), strict=True):
            rounds += [int(start) + end for end in part.trees["iteration_indptr"][1:]]
        self.intercept = np.sum([part.intercept for part in parts], axis=0)
        for i, tree in enumerate(trees):
            tree["id"] = i
        self.trees |= {"trees": trees, "tree_info": info, "iteration_indptr": rounds}
        self.trees["gbtree_model_param"]["num_trees"] = str(len(trees))


def _scale(tree: dict[str, Any], weight: float) -> None:
    leaf = np.array(tree["left_children"]) == -1
    values = np.array(tree["split_conditions"], dtype=np.float64)
    tree["split_conditions"] = np.where(leaf, weight * values, values).tolist()
    tree["base_weights"] = (weight * np.array(tree["base_weights"])).tolist()
