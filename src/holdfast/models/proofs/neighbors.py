"""Proofs for neighbours of scikit-learn, and for the indexes that find them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from holdfast.models.proofs.claims import UnprovenError, claim, plain_array, whole

__all__ = ["prove_distance_state", "prove_index_state", "prove_neighbors"]

METRICS = frozenset(
    (
        *("minkowski", "euclidean", "l2", "sqeuclidean", "manhattan", "l1", "cityblock"),
        *("chebyshev", "infinity", "cosine", "nan_euclidean"),
    )
)
STATE_OF_INDEX = 13  # values that an index stores


def prove_distance_state(state: Any) -> None:
    """Raise unless a distance without settings, or Minkowski's, can be set to this state."""
    claim(isinstance(state, tuple) and len(state) == 3, "a distance has another state")
    claim(isinstance(state[0], float) and state[0] > 0, "a distance has an odd exponent")
    for value, n_sides in ((state[1], 1), (state[2], 2)):
        array = plain_array(value, "the settings of a distance", "f", (None,) * n_sides)
        claim(array.dtype == np.float64, "the settings of a distance have another type")


def prove_index_state(state: Any) -> None:
    """Raise unless each node of a `KDTree` or `BallTree` leads to its rows and its two children."""
    claim(isinstance(state, tuple) and len(state) == STATE_OF_INDEX, "an index has another state")
    data, order, nodes, bounds, leaf_size, n_levels, n_nodes = state[:7]
    rows = plain_array(data, "the rows of an index", "f", (None, None))
    claim(rows.dtype == np.float64, "the rows of an index have another type")
    n, width = rows.shape
    claim(n and width, "an index has no rows")
    plain_array(order, "the order of an index", "i", (n,))
    claim(((order >= 0) & (order < n)).all(), f"an index points outside its {n} rows")
    whole(leaf_size, "the leaf size of an index", 1)
    levels = whole(n_levels, "the number of an index's levels", 1, 40)
    count = whole(n_nodes, "the number of an index's nodes", 1)
    claim(count == 2**levels - 1, "an index has levels that are not full")
    plain_array(nodes, "the nodes of an index", "V", (count,))
    plain_array(bounds, "the bounds of an index", "f", (None, count, None))
    claim(bounds.shape in ((1, count, width), (2, count, width)), "an index has odd bounds")
    start, end = nodes["idx_start"], nodes["idx_end"]
    claim(((start >= 0) & (start <= end) & (end <= n)).all(), "a node of an index has odd rows")
    last = 2 * np.arange(count) + 1 >= count
    claim((nodes["is_leaf"][last] != 0).all(), "an index has children below its last level")
    for counter in state[7:11]:
        whole(counter, "a counter of an index", 0, 2**62)
    _prove_distance_of(state[11], width)
    if state[12] is not None:
        plain_array(state[12], "the weights of an index", "f", (n,))


def _prove_distance_of(metric: Any, width: int) -> None:
    from sklearn.metrics import DistanceMetric

    claim(isinstance(metric, DistanceMetric), "an index has no distance")
    if type(metric).__name__ == "MinkowskiDistance64":
        n_weights = len(metric.__getstate__()[1])
        claim(n_weights in (0, width), "a distance has too few weights")


def prove_neighbors(model: Any) -> None:
    """Raise unless the rows, their labels and their index are as many as the model says."""
    if "_fit_X" not in vars(model):
        return
    rows, width = model._fit_X, whole(model.n_features_in_, "n_features_in_", 1)
    if not issparse(rows):
        plain_array(rows, "the rows of neighbours", "fiub", (None, width))
    claim(rows.shape[1] == width, "the rows of neighbours have another width")
    count = whole(model.n_samples_fit_, "n_samples_fit_", 1)
    claim(count == rows.shape[0], f"n_samples_fit_ is {count}, but {rows.shape[0]} rows are stored")
    if model.n_neighbors is not None:
        whole(model.n_neighbors, "n_neighbors", 1, count)
    _prove_metric(model)
    _prove_index(model)
    if "_y" in vars(model) and "classes_" in vars(model) and not model.outputs_2d_:
        labels = plain_array(model._y, "the labels of neighbours", "iu", (count,))
        known = (labels >= 0) & (labels < len(model.classes_))
        claim(known.all(), "a neighbour has a label that is no class")


def _prove_metric(model: Any) -> None:
    names = (model.metric, model.effective_metric_)
    if not all(isinstance(name, str) and name in METRICS for name in names):
        raise UnprovenError(f"neighbours by the distance {model.metric!r}")
    settings = {**(model.metric_params or {}), **(model.effective_metric_params_ or {})}
    claim(settings.keys() <= {"p", "w"}, "a distance has unknown settings")
    if settings.get("w") is not None:
        claim(len(settings["w"]) == model.n_features_in_, "a distance has too few weights")


def _prove_index(model: Any) -> None:
    from sklearn.neighbors import BallTree, KDTree

    kinds = {"kd_tree": KDTree, "ball_tree": BallTree}
    claim(model._fit_method in (*kinds, "brute"), "neighbours are found in an unknown way")
    if model._fit_method in kinds:
        index = model._tree
        claim(type(index) is kinds[model._fit_method], "the index is of another type")
        claim(np.asarray(index.data).shape == model._fit_X.shape, "the index has other rows")
