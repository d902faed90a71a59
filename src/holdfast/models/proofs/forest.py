"""Children and features of trees, as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.models.proofs.claims import claim

__all__ = ["prove_features", "prove_later_children", "prove_reachable"]


def prove_later_children(children: NDArray[Any], parents: NDArray[Any], n: int) -> None:
    """Raise unless each child is a node that stands behind its parent, so that no path is a circle.

    Parameters
    ----------
    children, parents : ndarray of shape (m,)
        The nodes at both ends of each branch.
    n : int
        The number of nodes.
    """
    claim((children < n).all(), f"a tree has a child outside its {n} nodes")
    claim((children > parents).all(), "a tree has a child that does not stand behind its parent")


def prove_reachable(left: NDArray[Any], right: NDArray[Any], is_leaf: NDArray[Any]) -> NDArray[Any]:
    """Return which nodes can be reached from the first; raise if a path leads out or in a circle.

    The nodes may stand in any order. Each level is one step, so that large trees take no time.
    """
    n = len(is_leaf)
    reached = np.zeros(n, dtype=bool)
    level = np.zeros(1, dtype=np.int64)
    while len(level):
        claim(not reached[level].any(), "a tree has branches that meet, or a circle")
        reached[level] = True
        inner = level[~is_leaf[level]]
        level = np.concatenate([left[inner], right[inner]])
        claim(((level >= 0) & (level < n)).all(), f"a tree has a child outside its {n} nodes")
        claim(len(np.unique(level)) == len(level), "a tree has two branches to one node")
    return reached


def prove_features(features: NDArray[Any], n_features: int) -> None:
    """Raise unless every split is on one of the features."""
    inside = (features >= 0) & (features < n_features)
    claim(inside.all(), f"a tree splits on a feature outside its {n_features}")
