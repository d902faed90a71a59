"""ONNX files and rows that do not fit, and what the message must hold."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from holdfast.models.base import BaseModel
from holdfast.models.onnx.labels import as_labels, label_output
from holdfast.models.onnx.rows import OnnxInput, feeds_of
from holdfast.models.served import AveragedClassifier, OverrideClassifier
from holdfast.selection.surcharges import Surcharge

X = np.zeros((2, 4), np.float32)
TWO = np.array([0, 1])


class Output:
    """An output of a file, as ONNX Runtime describes it."""

    def __init__(self, name, kind="tensor(int64)"):
        self.name, self.type, self.shape = name, kind, (None,)


def model(content):
    pytest.importorskip("onnxruntime")
    from holdfast.models.onnx.model import OnnxModel

    return OnnxModel(np.frombuffer(content, np.uint8))


def network(rows=X, ask="predict_proba", **options):
    """Ask a network of one hidden layer for its predictions."""
    pytest.importorskip("onnx")
    from tests.helpers.onnx_files import network_file

    getattr(model(network_file(**options)[0]), ask)(rows)


def graph(operator, **options):
    pytest.importorskip("onnx")
    from onnx import helper
    from tests.helpers.onnx_files import graph_file

    node = helper.make_node(operator, ["x"], ["p"], domain="their.own")
    model(graph_file([node], opsets=[helper.make_opsetid("their.own", 1)]))


def elsewhere():
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper
    from tests.helpers.onnx_files import graph_file

    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "c")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    model(graph_file([helper.make_node("Add", ["x", "c"], ["p"])], initializers=[tensor]))


def too_large():
    pytest.importorskip("onnx")
    from holdfast.models.onnx import graph

    with patch.object(graph, "MAX_BYTES", 3):
        graph.read_graph(b"long")


def program(output, *, classes=TWO, is_sigmoid=False):
    """Read an output of ONNX Runtime as probabilities of two rows."""
    from holdfast.models.onnx.model import _Program

    found = _Program(lambda *_: [output], [], [], "p", classes, is_sigmoid)
    found.outputs(["p"], {}, 2)


def several_outputs():
    from holdfast.models.onnx.model import _output

    _output([Output("a", "tensor(float)"), Output("b", "tensor(float)")])


def no_bytes():
    from holdfast.models.onnx.model import OnnxModel

    OnnxModel("m.onnx")


def column(name, kind="tensor(float)", rows=None):
    return OnnxInput.of(name, kind, [rows, 1])


def feed(inputs, rows):
    list(feeds_of(inputs, rows))


def one(kind, values):
    """Feed a column of these values to an input of this type."""
    feed([column("a", kind)], pd.DataFrame({"a": values}))


def without_column():
    base = BaseModel.of(LogisticRegression().fit(X[:, :1] + [[0], [1]], [0, 1]), None, TWO)
    surcharges = (Surcharge(0.1, "country", "DE"),)
    OverrideClassifier(base.model, base, 0.0, TWO, surcharges=surcharges).predict(X[:, :1])


def served_alone():
    proba = np.array([[0.5, 0.5], [np.nan, np.nan]])
    base = BaseModel.of(lambda rows: proba, TWO, TWO)
    AveragedClassifier([], [], TWO, "probability", base, 1.0).predict_proba(X)


def failing():
    """Run a file on values that it does not know."""
    pytest.importorskip("onnxruntime")
    from holdfast.models.onnx.model import _Program

    def run(*_):
        raise RuntimeError("no such category")

    _Program(run, [], [], "p", TWO, is_sigmoid=False).outputs(["p"], {}, 2)


def lazy_frame():
    return pytest.importorskip("polars").LazyFrame({"a": [1.0]})


CASES = {
    "models/onnx/model.py _Program.outputs #1": (
        failing,
        "got: no such category; give the columns, shapes and values that it was trained on",
    ),
    "models/onnx/rows.py _as_frame #1": (
        lambda: network(lazy_frame()),
        "X must be an array or a data frame in memory, got LazyFrame; collect it",
        lambda: network(pd.DataFrame(X)),
    ),
    "models/onnx/graph.py read_graph #1": (too_large, "got 4 bytes; export a smaller model"),
    "models/onnx/graph.py read_graph #2": (elsewhere, "export it as one file (PyTorch:"),
    "models/onnx/graph.py read_graph #3": (
        lambda: graph("Spy"),
        "got 'Spy' of the domain 'their.own', which is code of its own",
    ),
    "models/onnx/labels.py label_output #1": (
        lambda: label_output([Output("a"), Output("b")], "p"),
        "got a tensor(int64), b tensor(int64); use predict_proba",
    ),
    "models/onnx/labels.py as_labels #1": (
        lambda: as_labels(np.zeros((2, 2)), 2, TWO),
        "got shape (2, 2) for 2 rows",
    ),
    "models/onnx/labels.py _matched #1": (
        lambda: as_labels(np.array([0, 7]), 2, TWO),
        "answer with its classes [0, 1], got the label 7",
    ),
    "models/onnx/model.py OnnxModel._outputs #1": (
        lambda: network(X[:0]),
        "X must have at least one row, got none",
    ),
    "models/onnx/model.py OnnxModel._most_probable #1": (
        lambda: network(ask="predict"),
        "use predict_proba, or export it with its class labels",
    ),
    "models/onnx/model.py OnnxModel._program #1": (
        no_bytes,
        "got str; give np.fromfile(path, np.uint8)",
    ),
    "models/onnx/model.py _Program._proba #1": (
        lambda: program(np.ones((1, 2)) / 2),
        "got shape (1, 2) for 2 rows",
    ),
    "models/onnx/model.py _Program._proba #2": (
        lambda: program(np.ones((2, 3)) / 3),
        "one column for each of its 2 classes, got 3",
    ),
    "models/onnx/model.py _Program._proba #3": (
        lambda: network(last="Relu"),
        "torch.nn.Softmax(dim=1)",
    ),
    "models/onnx/model.py _Program._columns #1": (
        lambda: program(np.ones((2, 1))),
        "a single column that does not come out of a sigmoid",
    ),
    "models/onnx/model.py _Program._from_maps #1": (
        lambda: program([{0: 0.5, 2: 0.5}]),
        "each of its classes [0, 1] to a probability, got other keys",
    ),
    "models/onnx/model.py _output #1": (
        several_outputs,
        "got a tensor(float), b tensor(float); export a classifier",
    ),
    "models/onnx/rows.py OnnxInput.of #1": (
        lambda: column("a", "seq(tensor(float))"),
        "got the input 'a' of type seq(tensor(float))",
    ),
    "models/onnx/rows.py _array #1": (
        lambda: network(X[:, :3]),
        "rows of shape (4) for this ONNX model, got (3,)",
    ),
    "models/onnx/rows.py _check_columns #1": (
        lambda: feed([column("a"), OnnxInput.of("b", "tensor(float)", [None, 3])], X),
        "got 2 inputs, of which 'b' takes several columns",
    ),
    "models/onnx/rows.py _check_columns #2": (
        lambda: feed([column("a"), column("b")], X),
        "with the inputs 'a', 'b', got an array; name the columns",
    ),
    "models/onnx/rows.py _check_columns #3": (
        lambda: feed([column("a"), column("b")], pd.DataFrame({"a": [1.0]})),
        "got a table without 'b'; keep or rename them",
    ),
    "models/onnx/rows.py _converted #1": (
        lambda: one("tensor(int64)", [0.5]),
        "column 'a' must fit int64 for this ONNX model, got fractions",
    ),
    "models/onnx/rows.py _numbers #1": (
        lambda: one("tensor(float)", ["x"]),
        "column 'a' must be numbers for this ONNX model, got text such as 'x'",
    ),
    "models/onnx/rows.py _text #1": (
        lambda: one("tensor(string)", [3]),
        "column 'a' must be text for this ONNX model, got 3",
    ),
    "models/onnx/rows.py feeds_of #1": (
        lambda: feed(
            [column("a", rows=2), column("b", rows=3)], pd.DataFrame({"a": [1.0], "b": [1.0]})
        ),
        "got ['2', '3']; export it with a free number of rows",
    ),
    "models/served.py AveragedClassifier._check_alone #1": (
        served_alone,
        "got 1 of 2 rows without one; leave those rows out",
    ),
    "models/served.py OverrideClassifier._groups #1": (
        without_column,
        "X must have the column 'country', which the budget limits groups by",
    ),
}
