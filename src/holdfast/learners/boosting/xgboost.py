"""XGBoost: soft targets by its logistic loss or a softmax, models joined in its JSON format."""

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
from holdfast.learners.boosting.library import (
    LARGEST_STEP,
    SoftTarget,
    is_hard,
    refuse,
    refuse_set,
)
from holdfast.learners.boosting.objective import cross_entropy, softmax_objective
from holdfast.learners.boosting.xgboost_json import ModelJson, first_rounds
from holdfast.learners.interface import TrainingRows

__all__ = ["XGBoost"]

LOG_LOSS = ("binary:logistic", "multi:softprob", "multi:softmax")
SKETCHING = (None, "auto", "hist", "gpu_hist")  # tree methods that bin the rows beforehand
LEAST_HESSIAN = 1e-16  # as in the library's own loss
# Part of the targets' weights, or of the rows, already.
NOT_OF_TRAINING = ("scale_pos_weight", "feature_weights")
STOPPING_MEASURES = (None, "logloss", "mlogloss")
NOT_FOLLOWED = {
    "callbacks": (None, "leave `callbacks` out; `early_stopping_rounds` works"),
}


@dataclass(frozen=True, eq=False)
class _Binned:
    """Rows as the library stores them."""

    data: xgb.DMatrix
    held_out: xgb.DMatrix | None


class XGBoost:
    """XGBoost, as the learner of boosters needs it."""

    def check(self, estimator: Any) -> None:
        """Refuse an objective other than log loss, and models that are not sums of trees."""
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
        refuse_set(estimator.get_params(), NOT_FOLLOWED)
        if self.stops_early(estimator) and estimator.eval_metric not in STOPPING_MEASURES:
            refuse(
                "eval_metric",
                estimator.eval_metric,
                "'logloss' or 'mlogloss' with early_stopping_rounds",
                "leave one of the two out: training stops by the cross-entropy to soft targets",
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
        labels = {
            "label": rows.y,
            "weight": rows.sample_weight,
            "feature_weights": estimator.feature_weights,
        }
        if estimator.tree_method not in SKETCHING:
            data = xgb.DMatrix(rows.X, **labels, **options)
        else:
            data = xgb.QuantileDMatrix(rows.X, **labels, max_bin=estimator.max_bin, **options)
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
        params = {k: v for k, v in params.items() if v is not None and k not in NOT_OF_TRAINING}
        if not self.stops_early(estimator):
            params.pop("eval_metric", None)  # it measures rows that are held out, and none are
        options: dict[str, Any] = {}
        if n_classes == 2:
            params["objective"] = "binary:logistic"
            params = _scaled_intercept(estimator, target) | params
        else:
            params |= {"objective": "multi:softprob", "num_class": n_classes}
        if target.start is not None:
            params["base_score"] = 0.5 if n_classes == 2 else [0.0] * n_classes
            params["max_delta_step"] = params.get("max_delta_step") or LARGEST_STEP
        if not is_hard(target) and n_classes == 2:
            params["eval_metric"] = "logloss"
        elif not is_hard(target):
            params = _intercept(target) | params | {"disable_default_eval_metric": 1}
            params.pop("eval_metric", None)
            options = {"obj": softmax_objective(target, factor=2, least_hessian=LEAST_HESSIAN)}
            if held_out is not None:
                options["custom_metric"] = _measure(held_out)
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
        """Return name and value of the setting for the number of rounds."""
        return "n_estimators", int(estimator.get_num_boosting_rounds())

    def only_adds(self, estimator: Any) -> bool:
        """Whether a round leaves those before it as they were, unlike in dart."""
        return estimator.booster != "dart"

    def first_rounds(self, model: Any, n: int) -> Any:
        """Return a copy with the first n rounds of a model whose rounds only add."""
        return _classifier(model, first_rounds(model.get_booster(), n), model.n_classes_)

    def deployed(self, model: Any, classes: NDArray[Any]) -> Any | None:
        """Return a classifier, or a booster of log loss as one, over the same classes."""
        if isinstance(model, xgb.Booster):
            model = _classifier_of_booster(model, classes)
        if not isinstance(model, xgb.XGBClassifier) or not model.__sklearn_is_fitted__():
            return None
        trees = json.loads(model.get_booster().save_config())["learner"]["gradient_booster"]
        known = np.array_equal(model.classes_, classes) and trees["name"] != "gblinear"
        return model if known else None

    def log_odds(self, model: Any, X: Any, n_rounds: int | None = None) -> NDArray[np.float64]:
        """Return margins, (n, K)."""
        first = None if n_rounds is None else (0, n_rounds)
        margins = model.predict(X, output_margin=True, iteration_range=first)
        raw = np.asarray(margins, dtype=np.float64)
        return raw if raw.ndim == 2 else np.column_stack([np.zeros(len(raw)), raw])

    def join(self, models: Sequence[Any], weights: Sequence[float]) -> Any:
        """Return one classifier with the trees of all, leaves scaled."""
        parts = [ModelJson(model) for model in models]
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
    """Return the constant that the library would start from; it works this out from labels only."""
    prior = np.log(np.average(target.proba, axis=0, weights=target.weight).clip(LEAST_HESSIAN))
    return {"base_score": (prior - prior.mean()).tolist()}


def _scaled_intercept(estimator: Any, target: SoftTarget) -> dict[str, Any]:
    """Return the constant that the library would start from under its scale_pos_weight.

    The weights of the target hold the scale already, but the library starts elsewhere where the
    setting scales them. It is asked itself, with the mass of each class as one row.
    """
    scale = estimator.scale_pos_weight
    if scale in (None, 1):
        return {}
    weight = np.ones(len(target.proba)) if target.weight is None else target.weight
    mass = weight @ target.proba / [1.0, scale]
    rows = xgb.DMatrix(np.zeros((2, 1)), label=[0, 1], weight=mass)
    settings = {"objective": "binary:logistic", "scale_pos_weight": scale, "max_depth": 1}
    learner = json.loads(xgb.train(settings, rows, 1).save_config())["learner"]
    return {"base_score": json.loads(learner["learner_model_param"]["base_score"])}


def _measure(held_out: SoftTarget) -> Callable[..., tuple[str, float]]:
    """Return the cross-entropy to the held-out targets as XGBoost takes it."""
    return lambda scores, data: ("cross_entropy", cross_entropy(scores, held_out))


def _classifier(estimator: Any, booster: xgb.Booster, n_classes: int) -> Any:
    """Return the estimator as `fit` leaves it, with these trees in it."""
    fitted = copy(estimator)
    fitted.__dict__.pop("_Booster", None)  # shared: loading would change the estimator's own
    fitted.load_model(bytearray(booster.save_raw("ubj")))
    for name, value in estimator.get_params().items():
        setattr(fitted, name, value)  # loading has overwritten it
    fitted.n_classes_ = n_classes
    fitted.objective = "binary:logistic" if n_classes == 2 else "multi:softprob"
    return fitted


def _classifier_of_booster(booster: xgb.Booster, classes: NDArray[Any]) -> Any | None:
    """Return a classifier with the trees of a booster; None for another loss or other classes.

    A softmax of two classes is also None: it has two columns, and the classifier takes one.
    """
    learner = json.loads(booster.save_config())["learner"]
    n_columns = int(learner["learner_model_param"]["num_class"])
    n_classes = n_columns or 2
    objective = learner["objective"]["name"]
    if objective not in LOG_LOSS or n_classes != len(classes) or n_columns == 2:
        return None
    if objective == "multi:softmax":  # the same trees, of which the booster gives classes alone
        booster = booster.copy()
        booster.set_param("objective", "multi:softprob")
    return _classifier(xgb.XGBClassifier(), booster, n_classes)
