"""Model files of release 0.1.0 are read, and predict what they predicted then.

`data/models` has one file of each kind with what it answered to 60 rows; `kinds.json` says what
each serves, and which types in it must be named trusted.
"""

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

from holdfast import load_model
from holdfast.models.moved import HOMES

FOLDER = Path(__file__).parents[1] / "data" / "models"
KINDS = json.loads((FOLDER / "kinds.json").read_text(encoding="utf-8"))
NEEDS = {
    "joined_trees.skops": "lightgbm",
    "linear.onnx": "onnxruntime",
    "network.safetensors": "torch",
    "networks.skops": "torch",
    "override_onnx.skops": "onnxruntime",
}
# scikit-learn may be another release than the one that wrote the files.
pytestmark = pytest.mark.filterwarnings(
    f"ignore::{InconsistentVersionWarning.__module__}.{InconsistentVersionWarning.__name__}"
)


@pytest.fixture(scope="module")
def expected():
    with np.load(FOLDER / "expected.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_file_predicts_what_it_predicted(name, expected):
    if find_spec(NEEDS.get(name, "numpy")) is None:
        pytest.skip(f"needs {NEEDS[name]}")
    model = load_model(FOLDER / name, trusted_types=KINDS[name]["trusted"]).model
    answers, before = model.predict(expected["X"]), expected[f"{name}:pred"]
    if np.asarray(answers).dtype.kind == "f":  # a regressor
        np.testing.assert_allclose(answers, before.astype(float), rtol=1e-6)
    else:
        assert np.asarray(answers).tolist() == before.tolist()
    if f"{name}:proba" in expected:
        proba = np.asarray(model.predict_proba(expected["X"]), dtype=float)
        np.testing.assert_allclose(proba, expected[f"{name}:proba"], rtol=0, atol=1e-6)


def test_a_folder_of_mlflow_is_loaded_by_mlflow(expected):
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    model = pyfunc.load_model(str(FOLDER / "mlflow_model"))
    answers = np.asarray(model.predict(expected["X"])).astype(str)
    assert answers.tolist() == expected["mlflow_model:pred"].tolist()


def test_a_whole_update_of_an_earlier_release_predicts_but_selects_no_more():
    model = load_model(FOLDER / "low_churn_classifier.skops").model
    assert model.comparison_.churn_rate <= 0.05
    with pytest.raises(ValueError, match=r"needs the selection rows .* a model read from a file"):
        model.with_budget(max_churn=0.1)


@pytest.mark.parametrize(("module", "name"), sorted(HOMES), ids=str)
def test_moved_classes_are_where_they_are_said_to_be(module, name):
    found = getattr(import_module(HOMES[module, name]), name)
    assert found.__module__ == HOMES[module, name]
    assert find_spec(module) is None
