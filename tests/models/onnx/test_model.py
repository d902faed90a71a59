import copy
import io
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_array
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from holdfast import LowChurnClassifier
from holdfast.cli import app
from holdfast.exceptions import InvalidInputError, MissingExtraError
from holdfast.models.files import save_model
from holdfast.models.loading import load_model
from holdfast.models.onnx import rows as onnx_rows

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper
from tests.helpers.onnx_files import (
    graph_file,
    network_file,
    network_scores,
    threshold_file,
    tree_file,
)

from holdfast.models.onnx.model import OnnxModel

pytestmark = pytest.mark.slow

X, CODES = make_classification(
    400, 4, n_informative=4, n_redundant=0, n_classes=3, n_clusters_per_class=1, random_state=0
)
X = X.astype(np.float32)
NAMES = np.array(["red", "green", "blue"])[CODES]


def onnx_model(content):
    if not isinstance(content, bytes):
        content = content.SerializeToString()
    return OnnxModel(np.frombuffer(content, np.uint8))


# --- models of other libraries --------------------------------------------------------------------


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [CODES, NAMES], ids=["numbers", "text"])
@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(), RandomForestClassifier(10, random_state=0), GaussianNB()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learn(estimator, labels, zipmap):
    skl2onnx = pytest.importorskip("skl2onnx")
    fitted = clone(estimator).fit(X, labels)
    options = {id(fitted): {"zipmap": zipmap}}
    model = onnx_model(skl2onnx.to_onnx(fitted, X[:1], options=options))
    np.testing.assert_array_equal(model.classes_, fitted.classes_)
    np.testing.assert_allclose(model.predict_proba(X), fitted.predict_proba(X), atol=1e-5)
    assert (model.predict(X) == fitted.predict(X)).mean() > 0.99


def frames():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(float)})
    return frame.assign(count=rng.integers(9, size=400), kind=rng.choice(["u", "v"], 400))


@pytest.fixture(scope="module")
def of_frames():
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common import data_types as types

    columns = [("n", StandardScaler(), ["a", "b", "count"]), ("c", OneHotEncoder(), ["kind"])]
    fitted = make_pipeline(ColumnTransformer(columns), LogisticRegression()).fit(frames(), NAMES)
    inputs = [
        ("a", types.FloatTensorType([None, 1])),
        ("b", types.FloatTensorType([None, 1])),
        ("count", types.Int64TensorType([None, 1])),
        ("kind", types.StringTensorType([None, 1])),
    ]
    return fitted, skl2onnx.convert_sklearn(fitted, initial_types=inputs)


@pytest.mark.parametrize(
    "brought",
    [
        lambda frame: frame[["kind", "count", "b", "a"]].assign(more=1),
        lambda frame: pl.from_pandas(frame),
        lambda frame: frame.astype({"kind": "category", "count": "Int64"}),
        lambda frame: frame.astype({"count": float}),
    ],
    ids=["other order", "polars", "other types", "whole numbers"],
)
def test_columns_are_matched_by_name(of_frames, brought):
    fitted, file = of_frames
    model = onnx_model(file)
    assert model.feature_names_in_.tolist() == ["a", "b", "count", "kind"]
    found = model.predict_proba(brought(frames()))
    np.testing.assert_allclose(found, fitted.predict_proba(frames()), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            lambda f: f.drop(columns="b"),
            "X must have the columns .* a table without 'b'",
        ),
        (lambda f: f.to_numpy(), "X must be a data frame for an ONNX model with the inputs 'a'"),
        (lambda f: f.assign(kind=3), "column 'kind' must be text .* got 3"),
        (lambda f: f.assign(kind=None), "column 'kind' must be text .* got None"),
        (lambda f: f.assign(a="1.5"), "column 'a' must be numbers .* got text such as '1.5'"),
        (lambda f: f.assign(count=0.5), "column 'count' must fit int64 .* got fractions"),
        (lambda f: f.assign(count=np.nan), "column 'count' must fit int64"),
        (lambda f: f.iloc[:0], "X must have at least one row"),
    ],
)
def test_columns_that_do_not_fit_are_refused(of_frames, change, match):
    with pytest.raises(InvalidInputError, match=match):
        onnx_model(of_frames[1]).predict_proba(change(frames()))


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", [CODES, NAMES, CODES > 0], ids=["numbers", "text", "two"])
def test_lightgbm(labels, zipmap):
    lightgbm = pytest.importorskip("lightgbm")
    onnxmltools = pytest.importorskip("onnxmltools")
    from onnxmltools.convert.common.data_types import FloatTensorType

    labels = labels.astype(int) if labels.dtype == bool else labels
    fitted = lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1).fit(X, labels)
    inputs = [("input", FloatTensorType([None, 4]))]
    file = onnxmltools.convert_lightgbm(fitted, initial_types=inputs, zipmap=zipmap)
    model = onnx_model(file)
    np.testing.assert_array_equal(model.classes_, fitted.classes_)
    np.testing.assert_allclose(model.predict_proba(X), fitted.predict_proba(X), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_pytorch():
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), torch.nn.Softmax(1)
    module = torch.nn.Sequential(*layers)
    rows = {0: torch.export.Dim("rows")}
    program = torch.onnx.export(
        module, (torch.zeros(2, 4),), dynamic_shapes=(rows,), external_data=False, verbose=False
    )
    file = io.BytesIO()
    program.save(file)
    model = onnx_model(file.getvalue())
    expected = module(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-6)
    assert not hasattr(model, "classes_")
    with pytest.raises(InvalidInputError, match="must name its classes to predict them"):
        model.predict(X)


# --- outputs --------------------------------------------------------------------------------------


def test_networks_and_batches(monkeypatch):
    content, values = network_file()
    expected = softmax(network_scores(values, X), axis=1)
    model = onnx_model(content)
    for brought in (X, X.tolist(), X.astype(np.float64), csr_array(X), pd.DataFrame(X)):
        np.testing.assert_allclose(model.predict_proba(brought), expected, atol=1e-5)
    monkeypatch.setattr(onnx_rows, "BATCH_ROWS", 7)
    sizes = [n for _, n in onnx_rows.feeds_of(model._program.inputs, X)]
    assert sizes == [7] * 57 + [1]
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-5)
    monkeypatch.setattr(onnx_rows, "BATCH_VALUES", 12)
    assert next(onnx_rows.feeds_of(model._program.inputs, X))[1] == 3


def test_a_file_that_fixes_its_rows_gets_them():
    content, values = network_file(rows=64)
    expected = softmax(network_scores(values, X), axis=1)
    np.testing.assert_allclose(onnx_model(content).predict_proba(X), expected, atol=1e-5)


def test_one_column_out_of_a_sigmoid_is_the_second_class():
    content, values = network_file(last="Sigmoid", output=1)
    p = expit(network_scores(values, X)[:, 0])
    found = onnx_model(content).predict_proba(X)
    np.testing.assert_allclose(found, np.column_stack([1 - p, p]), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"last": "Identity"}, "must be probabilities .* logits.*export .*Softmax"),
        ({"last": "Relu"}, "must be probabilities in .* must end in probabilities: export"),
        ({"last": "Sigmoid"}, "must sum to 1 in each row"),
        ({"last": "HardSigmoid", "output": 1}, "a single column that does not come out of a sig"),
    ],
)
def test_outputs_that_are_no_probabilities(options, match):
    with pytest.raises(InvalidInputError, match=match):
        onnx_model(network_file(**options)[0]).predict_proba(X)


def test_missing_values_in_the_output_are_refused():
    with pytest.raises(InvalidInputError, match="the output of the ONNX model must"):
        onnx_model(network_file()[0]).predict_proba(np.full((2, 4), np.nan))


def test_rows_of_another_shape():
    with pytest.raises(InvalidInputError, match=r"rows of shape \(4\) .* got \(3,\)"):
        onnx_model(network_file()[0]).predict_proba(X[:, :3])


def test_files_without_one_output_of_probabilities():
    skl2onnx = pytest.importorskip("skl2onnx")
    fitted = LogisticRegression().fit(X, CODES)
    columns = skl2onnx.to_onnx(fitted, X[:1], options={id(fitted): {"zipmap": "columns"}})
    with pytest.raises(InvalidInputError, match="must have one output of probabilities"):
        onnx_model(columns)


# --- what a file must not do ----------------------------------------------------------------------


def test_custom_operators_are_refused():
    nodes = [helper.make_node("Spy", ["x"], ["p"], domain="their.own")]
    with pytest.raises(InvalidInputError, match=r"got 'Spy' of the domain 'their\.own'"):
        onnx_model(graph_file(nodes, opsets=[helper.make_opsetid("their.own", 1)]))


@pytest.mark.parametrize("nested", [False, True])
def test_data_in_other_files_are_refused(nested, tmp_path):
    """Also inside a branch of an operator, where only a search of everything finds them."""
    (tmp_path / "secret").write_bytes(np.zeros(3, np.float32).tobytes())
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "c")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=str(tmp_path / "secret"))
    if nested:
        constant = helper.make_node("Constant", [], ["q"], value=tensor)
        out = [helper.make_tensor_value_info("q", TensorProto.FLOAT, None)]
        branch = helper.make_graph([constant], "branch", [], out)
        true = numpy_helper.from_array(np.array(True), "yes")
        nodes = [helper.make_node("If", ["yes"], ["p"], then_branch=branch, else_branch=branch)]
        content = graph_file(nodes, initializers=[true])
    else:
        content = graph_file([helper.make_node("Add", ["x", "c"], ["p"])], initializers=[tensor])
    with pytest.raises(InvalidInputError, match="must hold all its data, got a model whose data"):
        onnx_model(content)


def test_functions_that_the_file_itself_defines_are_allowed():
    function = helper.make_function(
        "own", "Normal", ["a"], ["b"], [helper.make_node("Softmax", ["a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    nodes = [helper.make_node("Normal", ["x"], ["p"], domain="own")]
    content = graph_file(
        nodes, row=(3,), opsets=[helper.make_opsetid("own", 1)], functions=[function]
    )
    np.testing.assert_allclose(onnx_model(content).predict_proba(np.zeros((1, 3))), 1 / 3)


def test_trees():
    model = onnx_model(tree_file())
    assert model.classes_.tolist() == [3, 5, 8]
    np.testing.assert_array_equal(
        model.predict_proba([[-1, 0, 0, 0], [1, 0, 0, 0]]), [[1, 0, 0], [0, 0.5, 0.5]]
    )


@pytest.mark.parametrize(
    ("branches", "match"),
    [
        ({"yes": (0, 0, 0)}, "branches lead in a circle"),
        ({"yes": (7, 0, 0)}, "branches lead nowhere"),
        ({"no": (2, 0)}, "attributes of unequal length"),
    ],
)
def test_trees_that_lead_astray(branches, match):
    with pytest.raises(InvalidInputError, match=match):
        onnx_model(tree_file(**branches))


def newer_tree_file(true=(1, 0), leaves=(0, 1)):
    """Return two branches in the form where children are positions: x0 > 0, else x1 > 0."""
    values = {"nodes_splits": [0.0, 0.0], "leaf_weights": [1.0, 2.0, 3.0]}
    tensors = {n: numpy_helper.from_array(np.float32(v), n) for n, v in values.items()}
    tree = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["z"],
        domain="ai.onnx.ml",
        n_targets=3,
        tree_roots=[0],
        nodes_featureids=[0, 1],
        nodes_modes=numpy_helper.from_array(np.zeros(2, np.uint8), "modes"),
        nodes_truenodeids=list(true),
        nodes_trueleafs=list(leaves),
        nodes_falsenodeids=[2, 1],
        nodes_falseleafs=[1, 1],
        leaf_targetids=[0, 1, 2],
        **tensors,
    )
    nodes = [tree, helper.make_node("Softmax", ["z"], ["p"])]
    return graph_file(nodes, opsets=[helper.make_opsetid("ai.onnx.ml", 5)])


def test_trees_of_the_newer_form():
    rows = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [-1, -1, 0, 0]], np.float32)
    scores = [[0, 0, 3], [0, 2, 0], [1, 0, 0]]
    found = onnx_model(newer_tree_file()).predict_proba(rows)
    np.testing.assert_allclose(found, softmax(scores, axis=1), atol=1e-6)
    for astray, match in (
        ({"true": (1, 0), "leaves": (0, 0)}, "lead in a circle"),
        ({"true": (5, 0)}, "lead nowhere"),
        ({"leaves": (0,)}, "unequal length"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            onnx_model(newer_tree_file(**astray))


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_library_that_is_not_installed(file, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=rf"needs {missing}, .*holdfast\[onnx\]"):
        load_model(file)


@pytest.mark.parametrize("content", [b"", b"no model", network_file()[0][:-40]])
def test_files_that_are_no_model(content):
    with pytest.raises(InvalidInputError, match="must be a whole model that ONNX Runtime can run"):
        onnx_model(content)


def test_content_that_is_no_array_of_bytes():
    with pytest.raises(InvalidInputError, match="must be a file's bytes as an array of uint8"):
        OnnxModel(network_file()[0])


# --- as a base model ------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "base.onnx"
    path.write_bytes(tree_file())
    return path


def labels():
    return np.array([3, 5, 8])[CODES]


@pytest.mark.parametrize("kind", [str, Path])
def test_an_update_by_the_name_of_the_file(file, kind):
    given = kind(file)
    settings = {"max_churn": 0.1, "lambdas": [0.5], "random_state": 0}
    model = LowChurnClassifier(LogisticRegression(), given, **settings)
    assert clone(model).get_params()["base_model"] is given
    model.fit(X, labels())
    assert model.get_params()["base_model"] is given
    direct = LowChurnClassifier(LogisticRegression(), load_model(file).model, **settings)
    expected = direct.fit(X, labels()).predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(clone(model).fit(X, labels()).predict_proba(X), expected)


@pytest.mark.parametrize("mixture", ["average", "override"])
@pytest.mark.parametrize("whole", [False, True])
def test_what_serves_it_is_stored_and_loaded(file, tmp_path, mixture, whole):
    settings = {"max_churn": 0.1, "lambdas": [0.5], "include_base": True, "random_state": 0}
    fitted = LowChurnClassifier(LogisticRegression(), file, mixture=mixture, **settings)
    fitted.fit(X, labels())
    assert "base model" in fitted.serving_
    expected = fitted.predict_proba(X)
    for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(copied.predict_proba(X), expected)
    save_model(fitted if whole else fitted.served_, tmp_path / "new.skops")
    file.unlink()
    loaded = load_model(tmp_path / "new.skops").model
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)


def test_the_command_line(of_frames, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.onnx").write_bytes(of_frames[1].SerializeToString())
    frames().assign(target=NAMES).to_csv("rows.csv", index=False)
    run = CliRunner().invoke
    train = "train rows.csv --base base.onnx --max-churn 0.1 --out new.skops --json"
    done = run(app, train.split(), catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert 0 <= told["churn_rate"] < 0.5
    done = run(app, ["predict", "base.onnx", "rows.csv", "--out", "p.csv"], catch_exceptions=False)
    assert done.exit_code == 0
    table = pd.read_csv("p.csv")
    expected = of_frames[0].predict_proba(frames())
    np.testing.assert_allclose(
        table[["proba_blue", "proba_green", "proba_red"]], expected, atol=1e-5
    )
    Path("base.onnx").write_bytes(of_frames[1].SerializeToString()[:-50])
    with pytest.raises(InvalidInputError, match=r"base\.onnx: an ONNX file must be a whole model"):
        run(app, train.split(), catch_exceptions=False)


def test_the_command_line_names_the_columns_of_a_single_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tree.onnx").write_bytes(tree_file())
    Path("network.onnx").write_bytes(network_file()[0])
    frame = pd.DataFrame(X, columns=list("wxyz")).assign(id=range(400))
    frame[["id", "z", "y", "x", "w"]].to_csv("rows.csv", index=False)
    predict = ["predict", "tree.onnx", "rows.csv", "--out", "p.csv"]
    named = [part for name in "wxyz" for part in ("--feature", name)]
    run = CliRunner().invoke
    with pytest.raises(InvalidInputError, match="name them with --feature in their order"):
        run(app, predict, catch_exceptions=False)
    assert run(app, [*predict, *named], catch_exceptions=False).exit_code == 0
    np.testing.assert_array_equal(pd.read_csv("p.csv")["prediction"], np.where(X[:, 0] <= 0, 3, 5))
    predict[1] = "network.onnx"
    with pytest.raises(InvalidInputError, match="must name its classes to predict them"):
        run(app, [*predict, *named], catch_exceptions=False)


@pytest.mark.parametrize("by", ["Gather", None], ids=["named classes", "positions"])
def test_the_command_line_writes_the_labels_of_the_file(by, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(threshold_file(("stay", "leave"), by=by))
    pd.DataFrame({"x": [-3.0, -2.0, 1.0]}).to_csv("rows.csv", index=False)
    predict = "predict model.onnx rows.csv --feature x --out p.csv"
    assert CliRunner().invoke(app, predict.split(), catch_exceptions=False).exit_code == 0
    table = pd.read_csv("p.csv")
    if by is None:  # the columns of the probabilities have no names
        assert table.to_dict("list") == {"prediction": [0, 1, 1]}
    else:
        assert table["prediction"].tolist() == ["stay", "leave", "leave"]
        assert table["proba_leave"].tolist() == pytest.approx(expit([-3, -2, 1]), abs=1e-6)
