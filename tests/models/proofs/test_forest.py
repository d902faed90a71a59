import numpy as np
import pytest

from holdfast.models.proofs.claims import DisprovedError
from holdfast.models.proofs.forest import prove_reachable


def followed(left, right):
    """Return the nodes that are reached, node by node; None if a path leads out or in a circle."""
    seen, waiting = set(), [0]
    while waiting:
        node = waiting.pop()
        if node in seen or not 0 <= node < len(left):
            return None
        seen.add(node)
        if left[node] != -1:
            waiting += [left[node], right[node]]
    return seen


def test_reachable_nodes_are_those_of_a_walk():
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(400):
        n = int(rng.integers(1, 8))
        left, right = (rng.integers(-1, n + 1, n) for _ in range(2))
        is_leaf = (left == -1) | (rng.random(n) < 0.5)
        left[is_leaf], right[is_leaf] = -1, -1
        expected = followed(left, right)
        outcomes.append(expected is None)
        if expected is None:
            with pytest.raises(DisprovedError, match="a tree has"):
                prove_reachable(left, right, is_leaf)
        else:
            assert set(np.flatnonzero(prove_reachable(left, right, is_leaf))) == expected
    assert 0.1 < np.mean(outcomes) < 0.9
