"""ONNX files that several tests use, built in a moment."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def graph_file(nodes, *, row=(4,), output=(3,), rows=None, initializers=(), more=(), **options):
    """Return the bytes of a model with one input `x`, one output `p` and perhaps more outputs."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, *shape])
        for name, shape in (("x", row), ("p", output))
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], [*ends[1:], *more], list(initializers))
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


def threshold_file(classes=(3, 8), *, by="Gather", name="label", column=False, rows=None):
    """Return a file that answers with the second of two classes from a probability of 0.1 on.

    The input is the score of the second class. An operator looks the labels up in the classes;
    without one, the labels are positions.
    """
    words = by is not None and isinstance(classes[0], str)
    constants = {"limit": np.float32([0.1]), "one": np.float32(1), "flat": np.int64([-1])}
    constants |= {"shape": np.int64([-1, 1] if column else [-1])}
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["q"]),
        helper.make_node("Sub", ["one", "q"], ["r"]),
        helper.make_node("Concat", ["r", "q"], ["p"], axis=1),
        helper.make_node("Greater", ["q", "limit"], ["over"]),
        helper.make_node("Cast", ["over"], ["wide"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["wide", "flat"], ["index"]),
    ]
    if by is not None:
        constants["classes"] = np.array(classes, object if words else np.int64)
        domain = "ai.onnx.ml" if by == "ArrayFeatureExtractor" else ""
        nodes.append(helper.make_node(by, ["classes", "index"], ["found"], domain=domain))
    nodes.append(helper.make_node("Reshape", ["found" if by else "index", "shape"], [name]))
    kind = TensorProto.STRING if words else TensorProto.INT64
    label = helper.make_tensor_value_info(name, kind, [rows, 1] if column else [rows])
    return graph_file(
        nodes,
        row=(1,),
        output=(2,),
        rows=rows,
        initializers=[numpy_helper.from_array(v, n) for n, v in constants.items()],
        more=[label],
        opsets=[helper.make_opsetid("ai.onnx.ml", 3)],
    )
