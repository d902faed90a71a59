"""Proofs for decision trees of scikit-learn, and for the ensembles that hold them."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.models.proofs.claims import UnprovenError, claim, plain_array, whole
from holdfast.models.proofs.forest import prove_features, prove_later_children

__all__ = [
    "prove_boosted_trees",
    "prove_forest",
    "prove_isolation_forest",
    "prove_tree",
    "prove_tree_state",
]

LEAF = -1
PROBED_ROWS = 3


def prove_tree_state(args: Any, state: Any) -> None:
    """Raise unless the arguments and the state of a `Tree` can be set, and be followed.

    Parameters
    ----------
    args : (int, ndarray of int, int)
        The number of features, the number of classes of each output, and the number of outputs.
    state : dict
        The nodes, their number and their values.
    """
    claim(isinstance(args, tuple) and len(args) == 3, "a tree has other arguments")
    n_outputs = whole(args[2], "the number of a tree's outputs", 1)
    n_features = whole(args[0], "the number of a tree's features", 1)
    n_classes = plain_array(args[1], "the number of a tree's classes", "iu", (n_outputs,))
    claim((n_classes >= 1).all(), "a tree has an output without a class")
    claim(isinstance(state, dict), "a tree has no nodes")
    nodes = plain_array(state.get("nodes"), "the nodes of a tree", "V", (None,))
    count = whole(state.get("node_count"), "the number of a tree's nodes", 1)
    claim(count == len(nodes), f"a tree has {len(nodes)} nodes but counts {count}")
    whole(state.get("max_depth"), "the depth of a tree", 0, count)
    shape = (count, n_outputs, int(n_classes.max()))
    plain_array(state.get("values"), "the values of a tree", "f", shape)
    left, right = (nodes[f"{side}_child"] for side in ("left", "right"))
    inner = np.flatnonzero(left != LEAF)
    for children in (left[inner], right[inner]):
        prove_later_children(children, inner, count)
    prove_features(nodes["feature"][inner], n_features)


def prove_tree(estimator: Any) -> None:
    """Raise unless an estimator takes as many features as its tree; `tree_` itself is proved."""
    from sklearn.tree._tree import Tree

    tree = getattr(estimator, "tree_", None)
    if tree is None:
        return
    claim(type(tree) is Tree, "tree_ is not a tree")
    width = whole(estimator.n_features_in_, "n_features_in_", 1)
    claim(tree.n_features == width, f"a tree of {tree.n_features} features is given {width}")


def prove_forest(forest: Any) -> None:
    """Raise unless all trees of a forest take its features; it asks the first tree only."""
    trees = getattr(forest, "estimators_", None)
    if trees is None:
        return
    claim(isinstance(trees, list), "the trees of a forest are not in a list")
    _prove_same_features(forest, trees)


def prove_isolation_forest(forest: Any) -> None:
    """Raise unless each tree of an isolation forest takes the features that it is given."""
    trees = getattr(forest, "estimators_", None)
    if trees is None:
        return
    width = whole(forest.n_features_in_, "n_features_in_", 1)
    drawn = whole(forest._max_features, "_max_features", 1, width)
    claim(len(trees) == len(forest.estimators_features_), "a forest has too few lists of features")
    for tree, features in zip(trees, forest.estimators_features_, strict=True):
        plain_array(features, "the features of a tree", "iu", (drawn,))
        _prove_owns_tree(tree, drawn)


def prove_boosted_trees(model: Any) -> None:
    """Raise unless the trees of gradient boosting fit the scores that they are added to."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    trees = getattr(model, "estimators_", None)
    if trees is None:
        return
    plain_array(trees, "the trees of a model", "O", (None, None))
    claim(trees.size, "a model has no trees")
    _prove_same_features(model, trees.ravel().tolist())
    for tree in trees.flat:
        one_value = tree.tree_.n_outputs == 1 and tree.tree_.max_n_classes == 1
        claim(one_value, "a tree of gradient boosting has more than one value in a leaf")
    if not (model.init_ == "zero" or type(model.init_) in (DummyClassifier, DummyRegressor)):
        raise UnprovenError("gradient boosting that starts from another model")
    rows = np.zeros((PROBED_ROWS, model.n_features_in_), dtype=np.float32)
    start = model._raw_predict_init(rows)
    plain_array(start, "the scores that a model starts from", "f", (PROBED_ROWS, trees.shape[1]))


def _prove_same_features(ensemble: Any, trees: list[Any]) -> None:
    width = whole(ensemble.n_features_in_, "n_features_in_", 1)
    claim(trees, "a model has no trees")
    for tree in trees:
        _prove_owns_tree(tree, width)


def _prove_owns_tree(estimator: Any, width: int) -> None:
    """Raise unless an estimator is a decision tree that takes `width` features."""
    from sklearn.tree import BaseDecisionTree

    claim(isinstance(estimator, BaseDecisionTree), "an ensemble of trees holds another model")
    claim("tree_" in vars(estimator), "an ensemble holds a tree that is not fitted")
    claim(whole(estimator.n_features_in_, "n_features_in_") == width, "trees of unequal width")
    prove_tree(estimator)
