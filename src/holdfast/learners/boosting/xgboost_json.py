"""XGBoost's JSON format: models are scaled and joined in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from holdfast.exceptions import UnsupportedEstimatorError

__all__ = ["ModelJson", "first_rounds"]


def first_rounds(booster: xgb.Booster, n: int) -> xgb.Booster:
    """Return the first n rounds of a booster, with its table of categories.

    The library's own slice loses the table, and then reads the codes of categories as they come.
    """
    first, whole = _content(booster[:n]), _content(booster)
    trees, known = (_trees(content)["model"] for content in (first, whole))
    if "cats" in known:
        trees["cats"] = known["cats"]
    return xgb.Booster(model_file=bytearray(json.dumps(first).encode()))


def _content(booster: xgb.Booster) -> dict[str, Any]:
    """Return a booster as its JSON file holds it."""
    content: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
    return content


def _trees(content: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a file that holds the trees; that of dart holds it in turn."""
    trees: dict[str, Any] = content["learner"]["gradient_booster"]
    return trees.get("gbtree", trees)


class ModelJson:
    """A model as XGBoost saves it in JSON, ready to be changed and joined with others.

    Parameters
    ----------
    model : XGBClassifier
        Fitted.
    """

    def __init__(self, model: Any) -> None:
        booster = model.get_booster()
        best = booster.attr("best_iteration")
        if best is not None:
            booster = first_rounds(booster, int(best) + 1)
        self.content = _content(booster)
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
        """Names of the features; their numbers where they have no names."""
        names: list[str] = self.learner["feature_names"]
        return names or [str(i) for i in range(int(self._params["num_feature"]))]

    @property
    def categories(self) -> dict[str, Any]:
        """Categories of each feature, in the order of their codes; None for a numeric one."""
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
        if base.size == 1:  # a slice has one number for all classes
            base = np.full(max(int(self._params["num_class"]), 1), base.item())
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
        """Multiply what each tree and the constant add to the scores."""
        for tree in self.trees["trees"]:
            _scale(tree, weight)
        self.intercept = weight * self.intercept

    def match(self, other: ModelJson) -> None:
        """Number the features as another model does; raise where the two cannot be joined."""
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
                f"{self.learner['objective']['name']} and {other.learner['objective']['name']}; "
                "use a method that does not start from the base model's trees"
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

    def take_trees_of(self, parts: Sequence[ModelJson]) -> None:
        """Take over the trees and constants of all parts, of which this model is one."""
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
    """Multiply the values of a tree's leaves.

    Leaves of one value stand among the thresholds of the splits; leaves of several stand apart.
    """
    tree["base_weights"] = (weight * np.array(tree["base_weights"])).tolist()
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        if "leaf_weights" in tree:
            tree["leaf_weights"] = (weight * np.array(tree["leaf_weights"])).tolist()
        return
    leaf = np.array(tree["left_children"]) == -1
    values = np.array(tree["split_conditions"], dtype=np.float64)
    tree["split_conditions"] = np.where(leaf, weight * values, values).tolist()
