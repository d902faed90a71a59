"""Checks an ONNX file before anything in it runs, and reads its classes from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import check_classes
from holdfast.common.parameters import first_line, require
from holdfast.exceptions import InvalidInputError

__all__ = ["OnnxGraph", "read_graph"]

# The domains of ONNX Runtime's own operators. Those of other domains are other people's code.
KNOWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
MAX_BYTES = 2**31 - 1  # the most that fits a protobuf message
# Operators that pass values on to the output without deciding them.
PASSING = ("Cast", "Flatten", "Identity", "Normalizer", "Reshape", "Squeeze", "Unsqueeze")
LABEL_ATTRIBUTES = (
    "classlabels_strings",
    "classlabels_int64s",
    "classlabels_ints",
)
TREE_OPERATORS = ("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor")


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """The graph of an ONNX file that was checked.

    Parameters
    ----------
    model : onnx.ModelProto
    """

    model: Any

    def classes(self, proba: str) -> NDArray[Any] | None:
        """Return the classes of the columns of an output of probabilities.

        They are the keys of a ZipMap, or else the values from which the label output is taken. If
        there is no other output, they are the labels of the classifier that computes `proba`.

        Parameters
        ----------
        proba : str
            The name of the output.

        Returns
        -------
        ndarray of shape (K,) or None
            None if the file does not name its classes.
        """
        zipmap = self._maker(proba)
        if zipmap is not None and zipmap.op_type == "ZipMap":
            return _labels_of(zipmap)
        other_outputs = [output.name for output in self.model.graph.output if output.name != proba]
        for name in other_outputs or [proba]:
            classes = self._classes_behind(name)
            if classes is not None:
                return classes
        return None

    def is_sigmoid(self, output: str) -> bool:
        """Return whether an output is the direct result of a sigmoid."""
        node = self._origin(output)
        return node is not None and node.op_type == "Sigmoid"

    def _maker(self, name: str) -> Any | None:
        return next((node for node in self.model.graph.node if name in node.output), None)

    def _origin(self, name: str) -> Any | None:
        """Return the node that decides the values of an output."""
        for _ in range(len(self.model.graph.node)):
            node = self._maker(name)
            if node is None or node.op_type not in PASSING or not node.input:
                return node
            name = node.input[0]
        return None

    def _classes_behind(self, name: str) -> NDArray[Any] | None:
        node = self._origin(name)
        if node is None:
            return None
        if node.op_type in ("ArrayFeatureExtractor", "Gather"):
            return self._constant(node.input[0])
        return _labels_of(node)

    def _constant(self, name: str) -> NDArray[Any] | None:
        from onnx import numpy_helper

        for tensor in self.model.graph.initializer:
            if tensor.name == name:
                return _as_classes(numpy_helper.to_array(tensor).ravel().tolist())
        return None


def read_graph(content: bytes) -> OnnxGraph:
    """Parse an ONNX file, and refuse one that could read other files or run other code.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    OnnxGraph

    Raises
    ------
    InvalidInputError
        When the bytes are not an ONNX model, its data are in other files, ONNX Runtime does not
        have its operators, or the branches of a tree lead nowhere or in a circle.
    MissingExtraError
        When onnx is not installed; the extra is `onnx`.
    """
    onnx = require("onnx", extra="onnx", purpose="an ONNX model")
    if len(content) > MAX_BYTES:
        raise InvalidInputError(
            f"an ONNX file must be smaller than 2 GB, got {len(content)} bytes; export a smaller "
            "model, or give base_proba"
        )
    try:
        model = onnx.ModelProto.FromString(content)
    except Exception as error:  # each implementation of protobuf has its own exception
        raise damaged(error) from error
    if not model.graph.node:
        raise damaged("a model without operators")
    domains = {*KNOWN_DOMAINS, *(function.domain for function in model.functions)}
    for message in _messages(model):
        kind = message.DESCRIPTOR.name
        if kind == "TensorProto" and (message.external_data or message.data_location):
            raise InvalidInputError(
                "an ONNX model must hold all its data, got a model whose data are in other files, "
                "which could be any file of this machine; export it as one file (PyTorch: "
                "torch.onnx.export(..., external_data=False))"
            )
        if kind == "NodeProto" and message.domain not in domains:
            raise InvalidInputError(
                "an ONNX model must use operators of ONNX and ONNX Runtime, got "
                f"{message.op_type!r} of the domain {message.domain!r}, which is code of its own; "
                "export without custom operators, or give base_proba"
            )
        if kind == "NodeProto" and message.op_type in TREE_OPERATORS:
            _check_trees(message)
    return OnnxGraph(model)


def damaged(reason: object) -> InvalidInputError:
    """Return the error for a file that is not a whole ONNX model."""
    return InvalidInputError(
        "an ONNX file must be a whole model that ONNX Runtime can run, got: "
        f"{first_line(reason)[:300]}; copy or export it again"
    )


def _messages(root: Any) -> Iterator[Any]:
    """Yield a protobuf message and all that it holds: every graph, function and tensor."""
    waiting = [root]
    while waiting:
        message = waiting.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if hasattr(value, "ListFields") else value)


def _labels_of(node: Any) -> NDArray[Any] | None:
    for attribute in node.attribute:
        if attribute.name in LABEL_ATTRIBUTES:
            values = list(attribute.strings) or list(attribute.ints)
            if values:
                return _as_classes(values)
    return None


def _as_classes(values: list[Any]) -> NDArray[Any]:
    try:
        labels = [v.decode("utf-8") if isinstance(v, bytes) else v for v in values]
        return check_classes("the classes of an ONNX model", np.asarray(labels), len(labels))
    except (UnicodeDecodeError, InvalidInputError) as error:
        raise damaged(error) from error


def _check_trees(node: Any) -> None:
    """Raise if a tree's branches lead in a circle, which ONNX Runtime would follow forever."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    values = {a.name: np.array(a.ints, dtype=np.int64) for a in node.attribute}
    if node.op_type == "TreeEnsemble":
        parents, children = _edges_by_position(values)
    else:
        modes = [list(a.strings) for a in node.attribute if a.name == "nodes_modes"]
        parents, children = _edges_by_id(values, modes[0] if modes else [])
    if not len(parents):
        return
    n = int(max(parents.max(), children.max())) + 1
    graph = coo_array((np.ones(len(parents)), (parents, children)), shape=(n, n)).tocsr()
    n_parts, _ = connected_components(graph, connection="strong")
    if n_parts < n or (parents == children).any():
        raise damaged("a tree whose branches lead in a circle")


def _edges_by_id(
    values: dict[str, NDArray[Any]], modes: list[bytes]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the branches of trees, each of which numbers its own nodes."""
    import pandas as pd

    empty = np.zeros(0, dtype=np.int64)
    trees, ids, if_true, if_false = (
        values.get(f"nodes_{name}", empty)
        for name in ("treeids", "nodeids", "truenodeids", "falsenodeids")
    )
    if not len(trees) == len(ids) == len(if_true) == len(if_false) == len(modes):
        raise damaged("a tree with attributes of unequal length")
    nodes = pd.MultiIndex.from_arrays([trees, ids])
    if not nodes.is_unique:
        raise damaged("a tree with two nodes of one number")
    branches = np.flatnonzero(np.asarray(modes) != b"LEAF")
    positions = [
        nodes.get_indexer(pd.MultiIndex.from_arrays([trees[branches], side[branches]]))
        for side in (if_true, if_false)
    ]
    parents, children = np.concatenate([branches, branches]), np.concatenate(positions)
    if (children < 0).any():
        raise damaged("a tree whose branches lead nowhere")
    return parents, children


def _edges_by_position(values: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the branches of trees in the newer form, which numbers the nodes of all trees."""
    empty = np.zeros(0, dtype=np.int64)
    parents, children = [empty], [empty]
    for side in ("true", "false"):
        ids, leaves = values.get(f"nodes_{side}nodeids", empty), values.get(f"nodes_{side}leafs")
        if leaves is None or len(leaves) != len(ids):
            raise damaged("a tree with attributes of unequal length")
        branches = np.flatnonzero(leaves == 0)
        parents.append(branches)
        children.append(ids[branches])
    below = np.concatenate(children)
    if ((below < 0) | (below >= len(values.get("nodes_truenodeids", empty)))).any():
        raise damaged("a tree whose branches lead nowhere")
    return np.concatenate(parents), below
