"""Proofs for XGBoost's models in JSON and UBJSON.

XGBoost checks the lengths of a tree's arrays, but follows what is in them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.models.proofs.claims import UnprovenError, claim, whole, written
from holdfast.models.proofs.forest import prove_features, prove_reachable
from holdfast.models.proofs.ubjson import read_ubjson
from holdfast.models.proofs.xgboost_tables import Shape, numbers, prove_encoder, prove_settings

__all__ = ["prove_content", "prove_estimator", "prove_state"]

LEAF = -1
NO_PARENT = (-1, 2**31 - 1)
PER_NODE = (
    *("left_children", "right_children", "parents", "split_indices", "split_type"),
    *("split_conditions", "default_left", "base_weights", "loss_changes", "sum_hessian"),
)
MAX_CATEGORY = 2**24


def prove_state(state: Any) -> None:
    """Raise unless the state of a `Booster` holds a model that can be followed."""
    claim(isinstance(state, dict), "a booster has no state")
    handle = state.get("handle")
    if handle is not None:
        claim(isinstance(handle, bytearray), "a booster holds no bytes")
        prove_content(bytes(handle))


def prove_estimator(model: Any) -> None:
    """Raise unless an estimator holds a booster of XGBoost, and asks for few threads."""
    from xgboost import Booster

    booster = vars(model).get("_Booster")
    claim(booster is None or type(booster) is Booster, "the booster is of another type")


def prove_content(content: bytes) -> None:
    """Raise unless every tree of a model leads from its root to its leaves.

    Parameters
    ----------
    content : bytes
        A model as XGBoost stores it, in JSON or UBJSON, alone or with its settings.

    Raises
    ------
    DisprovedError
        When an index, a count or a length leads outside.
    UnprovenError
        For leaves that hold several values.
    """
    claim(content[:1] == b"{", "a model of XGBoost is neither JSON nor UBJSON")
    is_json = content[1:2].isspace() or content[1:2] in (b'"', b"}")
    whole_model = json.loads(content, object_pairs_hook=_once) if is_json else read_ubjson(content)
    if "Config" in whole_model:
        prove_settings(whole_model["Config"])
        whole_model = whole_model["Model"]
    learner = whole_model["learner"]
    shape = Shape.of(learner)
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        weights = numbers(booster["model"]["weights"], "weights", "f")
        claim(len(weights) == (shape.n_features + 1) * shape.n_outputs, "too few weights")
        return
    claim(booster["name"] in ("gbtree", "dart"), "a booster is of an unknown kind")
    trees = booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]
    if booster["name"] == "dart":
        dropped = numbers(booster["weight_drop"], "weight_drop", "f")
        claim(len(dropped) == len(trees["trees"]), "weight_drop has another length")
    _prove_forest(trees, shape)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; raise DisprovedError if a name is there twice."""
    values = dict(pairs)
    claim(len(values) == len(pairs), "a name is there twice")
    return values


def _prove_forest(model: dict[str, Any], shape: Shape) -> None:
    trees, settings = model["trees"], model["gbtree_model_param"]
    n = written(settings["num_trees"], "num_trees")
    claim(n == len(trees), f"num_trees is {n}, but {len(trees)} trees are stored")
    whole(written(settings["num_parallel_tree"], "num_parallel_tree"), "num_parallel_tree", 1)
    groups = numbers(model["tree_info"], "tree_info", "i", n)
    claim(((groups >= 0) & (groups < shape.n_outputs)).all(), "a tree is of an unknown class")
    if "iteration_indptr" in model:
        starts = numbers(model["iteration_indptr"], "iteration_indptr", "i")
        claim(len(starts) and starts[0] == 0 and starts[-1] == n, "iteration_indptr is not whole")
        claim((np.diff(starts) >= 0).all(), "iteration_indptr is not in order")
    places = numbers([tree["id"] for tree in trees], "the trees' id", "i", n)
    claim(np.array_equal(np.sort(places), np.arange(n)), "two trees have one id")
    prove_encoder(model.get("cats"), shape.n_features)
    for tree in trees:
        _prove_tree(tree, shape)


def _prove_tree(tree: dict[str, Any], shape: Shape) -> None:
    settings = {name: written(value, name) for name, value in tree["tree_param"].items()}
    if settings.get("size_leaf_vector", 1) > 1:
        raise UnprovenError("a model of XGBoost whose leaves hold several values")
    claim(settings.get("size_leaf_vector", 1) >= 0, "size_leaf_vector is negative")
    n = whole(settings["num_nodes"], "num_nodes", 1)
    claim(settings["num_feature"] == shape.n_features, "a tree has other features")
    whole(settings.get("num_deleted", 0), "num_deleted", 0, n - 1)
    kinds = dict.fromkeys(("split_conditions", "base_weights", "loss_changes", "sum_hessian"), "f")
    nodes = {name: numbers(tree[name], name, kinds.get(name, "i"), n) for name in PER_NODE}
    left, right = nodes["left_children"], nodes["right_children"]
    is_leaf = left == LEAF
    claim((is_leaf == (right == LEAF)).all(), "a node has one child only")
    reached = prove_reachable(left, right, is_leaf)
    _prove_parents(nodes["parents"], left, right, np.flatnonzero(reached & ~is_leaf))
    prove_features(nodes["split_indices"][reached & ~is_leaf], shape.n_features)
    by_category = np.flatnonzero(reached & ~is_leaf & (nodes["split_type"] == 1))
    claim(np.isin(nodes["split_type"], (0, 1)).all(), "a split is of an unknown type")
    _prove_categories(tree, by_category, n)


def _prove_parents(
    parents: NDArray[Any], left: NDArray[Any], right: NDArray[Any], inner: NDArray[Any]
) -> None:
    """Raise unless each child names its parent, and all other nodes a node or none."""
    inside = (parents >= 0) & (parents < len(parents))
    claim((inside | np.isin(parents, NO_PARENT)).all(), "a parent is outside the tree")
    claim(parents[0] in NO_PARENT, "a root has a parent")
    for children in (left[inner], right[inner]):
        claim(np.array_equal(parents[children], inner), "a node names another parent")


def _prove_categories(tree: dict[str, Any], by_category: NDArray[Any], n: int) -> None:
    """Raise unless each split by categories has its own, all of which are numbers of bits."""
    names = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    values, nodes, starts, sizes = (numbers(tree.get(name, []), name, "i") for name in names)
    claim(len(nodes) == len(starts) == len(sizes), "categories have unequal lengths")
    claim(((nodes >= 0) & (nodes < n)).all(), "categories are of a node outside")
    claim((np.diff(nodes) > 0).all(), "categories are not in the order of the nodes")
    claim(np.isin(by_category, nodes).all(), "a split has no categories")
    claim(((starts >= 0) & (sizes > 0)).all(), "categories are empty")
    claim((starts + sizes <= len(values)).all(), "categories end outside")
    claim(((values >= 0) & (values < MAX_CATEGORY)).all(), "a category is out of range")
