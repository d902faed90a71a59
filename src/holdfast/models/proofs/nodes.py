"""A parsed skops file, before any object in it is built.

Some compiled types follow their state while it is set, and boosters parse theirs. So the state is
built from plain values first, and proved, and only then given to the type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from holdfast.models.proofs.claims import DisprovedError, UnprovenError, claim
from holdfast.models.proofs.kinds import ESTIMATOR_PACKAGES, loaders_of, public_name
from holdfast.models.proofs.neighbors import prove_distance_state, prove_index_state
from holdfast.models.proofs.trees import prove_tree_state
from holdfast.models.proofs.walk import parts_first

__all__ = ["prove_states", "types_to_trust"]


def _prove_tree(node: Any) -> None:
    claim(type(node).__name__ == "TreeNode", "a tree is stored in a way of its own")
    prove_tree_state(node.args.construct(), node.attrs.construct())


def _of_attributes(prove: Callable[[Any], None]) -> Callable[[Any], None]:
    def prove_node(node: Any) -> None:
        claim(type(node).__name__ == "ObjectNode", "an object is stored in a way of its own")
        claim(node.attrs is not None, "an object has no state")
        prove(node.attrs.construct())

    return prove_node


def _prove_lightgbm(state: Any) -> None:
    from holdfast.models.proofs.lightgbm_text import prove_state

    prove_state(state)


def _prove_xgboost(state: Any) -> None:
    from holdfast.models.proofs.xgboost_model import prove_state

    prove_state(state)


CHECK = "sklearn.utils.validation.check_array"
PROOFS: dict[str, Callable[[Any], None]] = {
    "sklearn.tree.Tree": _prove_tree,
    "sklearn.neighbors.KDTree": _of_attributes(prove_index_state),
    "sklearn.neighbors.BallTree": _of_attributes(prove_index_state),
    "lightgbm.basic.Booster": _of_attributes(_prove_lightgbm),
    "xgboost.core.Booster": _of_attributes(_prove_xgboost),
    **{
        f"sklearn.metrics.{kind}Distance64": _of_attributes(prove_distance_state)
        for kind in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
    },
}


def types_to_trust(tree: Any) -> set[str]:
    """Return the names of the types in a skops file that its reader must trust.

    Parameters
    ----------
    tree : skops.io._audit.Node
        The nodes of the file.
    """
    named = {node: _name(node) for node in _nodes(tree)}
    unknown = set(tree.get_unsafe_set())
    for node, name in named.items():
        is_estimator = name.partition(".")[0] in ESTIMATOR_PACKAGES
        if is_estimator and type(node).__name__ == "ObjectNode" and not loaders_of(name):
            unknown.add(name)
    odd = {name for node, name in named.items() if not _is_listed(node, name)}
    return {name for name in unknown if name in odd or not loaders_of(name)}


def _is_listed(node: Any, name: str) -> bool:
    """Return whether a type may be built in this way without trust."""
    kind = type(node).__name__
    if kind == "PartialNode":  # how histogram boosting prepares its columns
        return type(node.func).__name__ == "FunctionNode" and _name(node.func) == CHECK
    return kind in loaders_of(name)


def prove_states(tree: Any, trusted: tuple[str, ...] = ()) -> set[str]:
    """Raise DisprovedError if a state that compiled code reads leads outside its arrays.

    Parameters
    ----------
    tree : skops.io._audit.Node
    trusted : sequence of str
        The full names of types that are built even if no proof covers their state.

    Returns
    -------
    set of str
        The full names of the types whose state no proof covers.
    """
    unproven = set()
    for node in _nodes(tree):
        prove = PROOFS.get(public_name(_name(node)))
        if prove is not None and not _covered(prove, node) and _name(node) not in trusted:
            unproven.add(_name(node))
    return unproven


def _covered(prove: Callable[[Any], None], node: Any) -> bool:
    """Return whether the proof covers the state of a node."""
    try:
        prove(node)
    except UnprovenError:
        return False
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise DisprovedError(f"a {node.class_name} of an unknown form: {error}") from error
    return True


def _name(node: Any) -> str:
    return f"{node.module_name}.{node.class_name}"


def _nodes(tree: Any) -> Iterator[Any]:
    """Yield each node once, after all nodes that it needs."""
    return parts_first(tree, _children)


def _children(node: Any) -> list[Any]:
    from skops.io._audit import CachedNode, Node

    children: list[Any] = [node.cached] if isinstance(node, CachedNode) else []
    for name, child in node.children.items():
        if name == "constructor":  # the type of the node itself
            continue
        several = child if isinstance(child, list) else [child]
        children += list(child.values()) if isinstance(child, dict) else several
    return [child for child in children if isinstance(child, Node)]
