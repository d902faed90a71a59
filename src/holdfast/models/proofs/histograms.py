"""Proofs for histogram gradient boosting of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.models.proofs.claims import UnprovenError, claim, plain_array, whole
from holdfast.models.proofs.forest import prove_features, prove_later_children

__all__ = ["prove_histogram_boosting", "prove_predictor"]

WORDS = 8  # 32 bits each for the 256 bins of a feature


def prove_predictor(predictor: Any) -> None:
    """Raise unless the nodes of a `TreePredictor` lead to its other nodes and its bitsets."""
    nodes = plain_array(predictor.nodes, "the nodes of a tree", "V", (None,))
    claim(len(nodes), "a tree has no nodes")
    bitsets = [predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets]
    for bitset in bitsets:
        plain_array(bitset, "the categories of a tree", "u", (None, WORDS))
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    for side in ("left", "right"):
        prove_later_children(nodes[side][inner].astype(np.int64), inner, len(nodes))
    of_categories = nodes[inner][nodes["is_categorical"][inner] != 0]
    fewest = min(len(bitset) for bitset in bitsets)
    claim((of_categories["bitset_idx"] < fewest).all(), "a tree has too few sets of categories")


def prove_histogram_boosting(model: Any) -> None:
    """Raise unless all trees split on columns that the model has."""
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    rounds = getattr(model, "_predictors", None)
    if rounds is None:
        return
    width = whole(model.n_features_in_, "n_features_in_", 1)
    per_round = whole(model.n_trees_per_iteration_, "n_trees_per_iteration_", 1)
    categorical = plain_array(
        model._bin_mapper.is_categorical_, "is_categorical_", "bu", (width,)
    ).astype(bool)
    claim(not getattr(model, "_in_fit", False), "a model says that it is being trained")
    _prove_columns(model, width)
    _prove_categories(model._bin_mapper.bin_thresholds_, categorical)
    for trees in rounds:
        claim(len(trees) == per_round, "a round has another number of trees")
        for tree in trees:
            claim(type(tree) is TreePredictor, "a round holds another model than a tree")
            inner = tree.nodes[tree.nodes["is_leaf"] == 0]
            prove_features(inner["feature_idx"], width)
            of_categories = inner["feature_idx"][inner["is_categorical"] != 0]
            claim(categorical[of_categories].all(), "a tree has categories of a numeric column")


def _prove_categories(thresholds: Any, categorical: NDArray[Any]) -> None:
    """Raise unless the categories of each categorical column are numbers of bins."""
    claim(len(thresholds) == len(categorical), "a model has too few thresholds")
    for column in np.flatnonzero(categorical):
        values = plain_array(thresholds[column], "the categories of a column", "f", (None,))
        claim(((values >= 0) & (values < 32 * WORDS)).all(), "a category is outside its bins")


def _prove_columns(model: Any, width: int) -> None:
    """Raise unless the columns that the trees see are as many as those of a row."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

    head = model._preprocessor
    if head is None:
        return
    claim(type(head) is ColumnTransformer, "the columns are prepared by another model")
    claim(whole(head.n_features_in_, "n_features_in_") == width, "columns of unequal number")
    masks = []
    for _, step, columns in head.transformers_:
        if isinstance(step, str) and step == "drop":
            continue
        if type(step) not in (OrdinalEncoder, FunctionTransformer):
            raise UnprovenError("histogram boosting that prepares columns in a way of its own")
        masks.append(plain_array(columns, "the columns of a step", "b", (width,)))
    claim(masks and (np.sum(masks, axis=0) == 1).all(), "the trees see other columns than a row's")
