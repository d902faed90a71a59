"""CatBoost: soft targets by its cross-entropy, models summed by the library itself.

For more than two classes the library has no loss that takes soft targets, and calls an objective of
one's own once for every row and tree. Its trees are therefore grown one by one (see
`catboost_trees`). Where that is not possible (categorical features, infinite values, settings that
span trees), rows are repeated once for each class that has a part in their target, with that part
as weight.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import catboost as cb
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from holdfast.common.parameters import first_line
from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.boosting.catboost_trees import (
    DEFAULT_L2,
    DEFAULT_TREES,
    L2,
    LOSS,
    PRINTING,
    RATE,
    TREES,
    Features,
    described,
    grow,
    knows,
)
from holdfast.learners.boosting.library import (
    SoftTarget,
    balanced_weights,
    is_hard,
    refuse,
    refuse_set,
)
from holdfast.learners.interface import TrainingRows

__all__ = ["CatBoost"]

LOG_LOSS = ("Logloss", "MultiClass", "CrossEntropy")
STOPPING = ("early_stopping_rounds", "od_wait", "od_pval")
IN_WEIGHTS = ("class_weights", "auto_class_weights", "scale_pos_weight")
STOPPING_MEASURES = (None, *LOG_LOSS)
NOT_FOLLOWED = {
    "target_border": (None, "leave it out, and give y as two classes"),
    "eval_fraction": (None, "leave it out; `early_stopping_rounds` holds rows out"),
    "save_snapshot": (False, "leave it out: several models are trained, and would go on from it"),
    "callback": (None, "leave it out; `early_stopping_rounds` works"),
}
SHRINKING = ("model_shrink_rate", "langevin", "posterior_sampling")
OF_POOL = ("cat_features", "text_features", "embedding_features")
# The library sums models only where their class parameters stand in this order.
CLASS_PARAMS = ("classes_count", "class_names", "class_to_label", "class_label_type")
NEGLIGIBLE = 1e-4  # share of a row's target below which a class is left out of it


@dataclass(frozen=True, eq=False)
class _Binned:
    """Rows, and what is known of them before any target is.

    Attributes
    ----------
    rows : TrainingRows
    held_out : TrainingRows or None
    by_labels : CatBoost or None
        The library's model of the labels, stopped after one tree.
    features : Features or None
        The columns, where trees are grown one by one.
    """

    rows: TrainingRows
    held_out: TrainingRows | None
    by_labels: Any
    features: Features | None


class CatBoost:
    """CatBoost, as the learner of boosters needs it."""

    def check(self, estimator: Any) -> None:
        """Refuse an objective other than log loss, and settings that soft targets cannot follow."""
        objective = _loss(estimator)
        if objective is not None and objective not in LOG_LOSS:
            what = repr(objective) if isinstance(objective, str) else "one of your own"
            raise UnsupportedEstimatorError(
                "estimator must have the objective of log loss to learn soft targets, got "
                f"{what}; leave `loss_function` out"
            )
        params = estimator.get_params()
        refuse_set(params, NOT_FOLLOWED)
        if self.stops_early(estimator) and params.get("eval_metric") not in STOPPING_MEASURES:
            refuse(
                "eval_metric",
                params["eval_metric"],
                "log loss with early stopping",
                "leave one of the two out: training stops by the cross-entropy to soft targets",
            )

    def class_weight(self, estimator: Any, rows: TrainingRows) -> NDArray[np.float64] | None:
        """Return the weights that class_weights, auto_class_weights, scale_pos_weight ask for."""
        params = estimator.get_params()
        given, weights = params.get("class_weights"), np.ones(len(rows.classes))
        order = _order_of_classes(params, rows.classes)
        if isinstance(given, dict):
            weights = np.array([given.get(label, 1.0) for label in rows.classes.tolist()], float)
        elif given is not None:
            weights[order] = np.asarray(given, dtype=np.float64)
        elif params.get("auto_class_weights") in ("Balanced", "SqrtBalanced"):
            weights = balanced_weights(rows)
            weights /= weights.min()
            if params["auto_class_weights"] == "SqrtBalanced":
                weights = np.sqrt(weights)
        if params.get("scale_pos_weight") is not None:
            if len(weights) > 2:
                remedy = "use `class_weights`"
                refuse("scale_pos_weight", params["scale_pos_weight"], "left out here", remedy)
            weights[order[1]] *= params["scale_pos_weight"]
        return None if (weights == 1).all() else weights

    def stops_early(self, estimator: Any) -> bool:
        """Whether a patience is set."""
        params = estimator.get_params()
        return any(params.get(name) is not None for name in STOPPING)

    def binned(self, estimator: Any, rows: TrainingRows, held_out: TrainingRows | None) -> _Binned:
        """Find the learning rate that labels would get; soft targets get the same."""
        params, features, by_labels = estimator.get_params(), None, None
        one_by_one = knows(_without(params, IN_WEIGHTS)) and not issparse(rows.X)
        if one_by_one and len(rows.classes) > 2:
            features = Features.of(rows.X, params)
        if features is not None or not _has_rate(params):
            by_labels = _first_tree(estimator, rows, held_out)
        return _Binned(rows, held_out, by_labels, features)

    def fit(
        self,
        estimator: Any,
        binned: _Binned,
        target: SoftTarget,
        held_out: SoftTarget | None,
        n_rounds: int | None = None,
    ) -> Any:
        """Train, and name the classes."""
        params, n_classes = estimator.get_params(), target.proba.shape[1]
        params = _without(params, (*IN_WEIGHTS, "class_names"))
        n_rounds = n_rounds or self.rounds(estimator)[1]
        if not _has_rate(params):
            params["learning_rate"] = float(binned.by_labels.learning_rate_)
        if n_classes > 2:
            params["class_names"] = list(range(n_classes))  # some class may have no rows
        if is_hard(target) or binned.features is None:
            trained = self._fit_repeated(estimator, params, binned, target, held_out, n_rounds)
        else:
            aside = None
            if binned.held_out is not None and held_out is not None:
                aside = cb.Pool(binned.held_out.X), held_out
            params = _without(params, TREES) | {TREES[0]: n_rounds}
            trained = grow(params, binned.by_labels, binned.features, target, aside)
        return _named(estimator, trained, binned.rows.classes)

    def _fit_repeated(
        self,
        estimator: Any,
        params: dict[str, Any],
        binned: _Binned,
        target: SoftTarget,
        held_out: SoftTarget | None,
        n_rounds: int,
    ) -> Any:
        """Train by the library itself; rows are repeated for soft targets of several classes."""
        if not is_hard(target):
            params = _without(params, LOSS) | {"loss_function": "MultiClass"}
            if target.proba.shape[1] == 2:
                params["loss_function"] = "CrossEntropy"
            else:
                params |= _as_for_rows_not_repeated(params, target)
        if target.start is not None:
            params = _without(params, ("boost_from_average",))  # which the library refuses
        options = _options(estimator)
        pool = _pool(binned.rows, target, options)
        validation: dict[str, Any] = {}
        if binned.held_out is not None and held_out is not None:
            validation = {"eval_set": _pool(binned.held_out, held_out, options)}
        if n_rounds < self.rounds(estimator)[1]:  # a lower setting would change other settings
            validation["callbacks"] = [_StopAt(n_rounds)]
        return type(estimator)(**params).fit(pool, **validation)

    def rounds(self, estimator: Any) -> tuple[str, int]:
        """Return name and value of the setting for the number of rounds."""
        params = estimator.get_params()
        name = next((name for name in TREES if params.get(name) is not None), TREES[0])
        return name, int(params.get(name) or DEFAULT_TREES)

    def only_adds(self, estimator: Any) -> bool:
        """Whether rounds stay as they were, and those after can be cut off.

        They do not stay where the model shrinks, and the library cuts symmetric trees only.
        """
        params = estimator.get_params()
        cuts = params.get("grow_policy") in (None, "SymmetricTree")
        return cuts and not any(params.get(name) for name in SHRINKING)

    def first_rounds(self, model: Any, n: int) -> Any:
        """Return a copy with the first n rounds of a model whose rounds only add."""
        first = _named(model, model, np.asarray(model.classes_))
        first.shrink(min(n, first.tree_count_))
        return first

    def deployed(self, model: Any, classes: NDArray[Any]) -> Any | None:
        """Return a fitted model of log loss over the same classes, as a classifier."""
        if not isinstance(model, cb.CatBoost) or not model.is_fitted():
            return None
        if not isinstance(model, cb.CatBoostClassifier):
            if _learned_loss(model) not in LOG_LOSS:
                return None
            model = cb.CatBoostClassifier().load_model(blob=model._serialize_model())
        known = getattr(model, "classes_", None)
        if known is None or not np.array_equal(known, classes):
            return None
        metadata = json.loads(model.get_metadata().get("class_params", "{}"))
        with_rows = metadata.get("class_to_label", known)  # it has no trees for other classes
        return model if len(with_rows) == len(classes) else None

    def log_odds(self, model: Any, X: Any, n_rounds: int | None = None) -> NDArray[np.float64]:
        """Return raw values, (n, K)."""
        last = n_rounds or 0  # 0 stands for all
        raw = np.asarray(model.predict(X, prediction_type="RawFormulaVal", ntree_end=last))
        if raw.ndim == 1:
            return np.column_stack([np.zeros(len(raw)), raw])
        return raw

    def join(self, models: Sequence[Any], weights: Sequence[float]) -> Any:
        """Return one classifier with the trees of all, leaves scaled."""
        features = [list(model.feature_names_) for model in models]
        if any(names != features[-1] for names in features):
            difference = sorted(set(features[0]) ^ set(features[-1]))
            raise UnsupportedEstimatorError(
                "base_model must have been trained on the same features in the same order to be "
                f"joined with a CatBoost model, got a difference in {difference[:10] or 'order'}; "
                "train on the same columns, or use a method that does not start from its trees"
            )
        classes = np.asarray(models[-1].classes_)
        alike = [_named(model, model, classes) for model in models]  # class names agree exactly
        try:
            total = cb.sum_models(alike, weights=[float(w) for w in weights])
        except cb.CatBoostError as error:
            raise UnsupportedEstimatorError(
                f"models must be of one kind for CatBoost to sum them, got: {first_line(error)}; "
                "use a method that does not start from the base model's trees"
            ) from error
        return _named(models[-1], described(total, alike[-1].get_metadata()), classes)


def _order_of_classes(params: dict[str, Any], classes: NDArray[Any]) -> list[int]:
    """Return the positions of the classes in the order of the settings, which `class_names` is."""
    names = params.get("class_names")
    if names is None:
        return list(range(len(classes)))
    sorted_names, known = [str(label) for label in classes.tolist()], [str(name) for name in names]
    if sorted(known) != sorted(sorted_names):
        refuse("class_names", names, "the classes of y", "leave it out, or name each of them once")
    return [sorted_names.index(name) for name in known]


def _loss(estimator: Any) -> Any:
    params = estimator.get_params()
    return params.get("loss_function", params.get("objective"))


def _learned_loss(model: cb.CatBoost) -> Any:
    """Return the loss of a fitted model; a sum of models has it in another place."""
    metadata = model.get_metadata()
    if "params" in metadata:
        return json.loads(metadata["params"])["loss_function"]["type"]
    return json.loads(metadata.get("loss_function", "{}")).get("type")


def _options(estimator: Any) -> dict[str, Any]:
    """Return the settings that belong to the rows, not to the training."""
    params = estimator.get_params()
    return {name: params[name] for name in OF_POOL if params.get(name) is not None}


def _pool(rows: TrainingRows, target: SoftTarget, options: dict[str, Any]) -> cb.Pool:
    """Return rows with their targets; they are repeated for soft targets of several classes."""
    X, n_classes, start = rows.X, target.proba.shape[1], target.start
    weight = np.ones(len(rows.y)) if target.weight is None else target.weight
    if n_classes == 2:
        label: NDArray[Any] = target.proba[:, 1]
        if is_hard(target):
            label = label.astype(int)
        baseline = None if start is None else start[:, 1] - start[:, 0]
    else:
        row, label = _repeated(target)
        weight = weight[row] * target.proba[row, label]
        baseline = None if start is None else start[row]
        if len(row) != len(rows.y) or (row != np.arange(len(row))).any():
            X = _safe_indexing(X, row)
    uniform = target.weight is None and (n_classes == 2 or is_hard(target))
    return cb.Pool(X, label=label, weight=None if uniform else weight, baseline=baseline, **options)


def _repeated(target: SoftTarget) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of rows and classes to repeat: those with a part in the target.

    They stand class by class, which trains faster.
    """
    if is_hard(target):
        return np.arange(len(target.proba)), target.proba.argmax(axis=1)
    label, row = np.nonzero(target.proba.T > NEGLIGIBLE)
    return row, label


def _as_for_rows_not_repeated(params: dict[str, Any], target: SoftTarget) -> dict[str, Any]:
    """Return the settings that the library scales by the number of rows, for repeated rows."""
    name = next((name for name in L2 if params.get(name) is not None), L2[0])
    repeated = np.count_nonzero(target.proba > NEGLIGIBLE) / len(target.proba)
    changed = {name: params.get(name, DEFAULT_L2) * repeated}
    for counting in ("min_data_in_leaf", "min_child_samples"):
        if (params.get(counting) or 1) > 1:
            changed[counting] = round(params[counting] * repeated)
    return changed


class _StopAt:
    """Ends a training after n rounds."""

    def __init__(self, n: int) -> None:
        self.n = n

    def after_iteration(self, info: Any) -> bool:
        """Whether to go on; the library asks after each round."""
        return int(info.iteration) < self.n


def _first_tree(estimator: Any, rows: TrainingRows, held_out: TrainingRows | None) -> Any:
    """Return the library's model of labels, stopped after one tree.

    Held-out rows take part, since the library's learning rate depends on whether there are any.
    """
    options, validation = _options(estimator), {}
    pool = cb.Pool(rows.X, label=rows.y, weight=rows.sample_weight, **options)
    if held_out is not None:
        validation["eval_set"] = cb.Pool(held_out.X, label=held_out.y, **options)
    unused = [*STOPPING, "class_names", *PRINTING]
    if held_out is None:
        unused.append("use_best_model")
    params = _without(estimator.get_params(), unused)
    params["logging_level"] = "Silent"
    if len(rows.classes) > 2:
        several = {"loss_function": "MultiClass", "class_names": list(range(len(rows.classes)))}
        params = _without(params, (*LOSS, *IN_WEIGHTS)) | several
    return type(estimator)(**params).fit(pool, callbacks=[_StopAt(1)], **validation)


def _has_rate(params: dict[str, Any]) -> bool:
    return any(params.get(name) is not None for name in RATE)


def _without(params: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in names}


def _named(estimator: Any, model: Any, classes: NDArray[Any]) -> Any:
    """Return the estimator with the trees of a model, which names its classes as the user does."""
    kinds = {"i": "Integer", "u": "Integer", "f": "Float", "U": "String", "O": "String"}
    kind = kinds.get(classes.dtype.kind, "String")
    names = classes.tolist() if kind != "String" else [str(label) for label in classes]
    trees = cb.CatBoost()
    trees.load_model(blob=model._serialize_model())
    metadata = json.loads(trees.get_metadata()["class_params"])
    metadata |= {"class_label_type": kind, "class_names": names, "classes_count": 0}
    metadata = {name: metadata.pop(name) for name in CLASS_PARAMS if name in metadata} | metadata
    text = json.dumps(metadata, separators=(",", ":"), ensure_ascii=False)
    trees.get_metadata()["class_params"] = text
    whole = copy(estimator)
    whole._object = cb.core._CatBoost()
    whole.load_model(blob=trees._serialize_model())
    return whole
