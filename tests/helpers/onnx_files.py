"""ONNX files that several tests use, built in a moment."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def graph_file(nodes, *, row=(4,), output=(3,), rows=None, initializers=(), **options):
    """Return the bytes of a model with one input `x` and one output `p`."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, *shape])
        for name, shape in (("x", row), ("p", output))
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], list(initializers))
    opsets = [helper.make_opsetid("", 17), *options.pop("opsets", [])]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=9, **options
    ).SerializeToString()


def network_file(*, last="Softmax", output=3, rows=None, seed=0):
    """Return a network of one hidden layer, and the same as a function of NumPy arrays."""
    rng = np.random.default_rng(seed)
    shapes = {"w1": (4, 8), "b1": (8,), "w2": (8, output), "b2": (output,)}
    values = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["a"]),
        helper.make_node("Relu", ["a"], ["h"]),
        helper.make_node("Gemm", ["h", "w2", "b2"], ["z"]),
        helper.make_node(last, ["z"], ["p"]),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()]
    return graph_file(nodes, output=(output,), rows=rows, initializers=tensors), values


def network_scores(values, X):
    """Return what the network gives before its last operator."""
    hidden = np.maximum(X @ values["w1"] + values["b1"], 0)
    return hidden @ values["w2"] + values["b2"]


def tree_file(yes=(1, 0, 0), no=(2, 0, 0)):
    """Return a tree of one branch, whose children are the positions `yes` and `no`."""
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "p"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_truenodeids=list(yes),
        nodes_falsenodeids=list(no),
        class_treeids=[0, 0, 0],
        class_nodeids=[1, 2, 2],
        class_ids=[0, 1, 2],
        class_weights=[1.0, 0.5, 0.5],
        classlabels_int64s=[3, 5, 8],
    )
    return graph_file([node], opsets=[helper.make_opsetid("ai.onnx.ml", 3)])
