from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import make_classification
from sklearn.svm import SVC

from holdfast.exceptions import InvalidInputError
from holdfast.models.onnx import rows as onnx_rows
from holdfast.models.onnx.labels import as_labels, label_output

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.helpers.onnx_files import network_file, threshold_file

from holdfast.models.onnx.model import OnnxModel

pytestmark = pytest.mark.slow

SCORES = np.linspace(-5, 5, 41, dtype=np.float32)[:, None]
OVER = (expit(SCORES[:, 0]) > 0.1).astype(int)


def onnx_model(content):
    return OnnxModel(np.frombuffer(content, np.uint8))


# --- files that decide by a threshold of their own ------------------------------------------------


@pytest.mark.parametrize("column", [False, True], ids=["flat", "column"])
@pytest.mark.parametrize("name", ["label", "output_label", "decision"])
@pytest.mark.parametrize("by", ["Gather", "ArrayFeatureExtractor"])
@pytest.mark.parametrize("classes", [(3, 8), ("stay", "leave")], ids=["numbers", "text"])
def test_the_labels_of_the_file_are_the_answers(classes, by, name, column):
    model = onnx_model(threshold_file(classes, by=by, name=name, column=column))
    assert model.classes_.tolist() == list(classes)
    answers = model.predict(SCORES)
    assert answers.dtype == model.classes_.dtype
    np.testing.assert_array_equal(answers, np.array(classes)[OVER])
    most_probable = model.classes_[model.predict_proba(SCORES).argmax(axis=1)]
    assert (answers != most_probable).any()


def test_batches_and_a_fixed_number_of_rows(monkeypatch):
    monkeypatch.setattr(onnx_rows, "BATCH_ROWS", 7)
    for rows in (None, 5):
        model = onnx_model(threshold_file(("stay", "leave"), rows=rows))
        np.testing.assert_array_equal(model.predict(SCORES), np.array(["stay", "leave"])[OVER])


def test_classes_without_names_are_answered_as_the_file_writes_them():
    model = onnx_model(threshold_file(by=None))
    assert not hasattr(model, "classes_")
    answers, proba = model.predict_with_proba(SCORES)
    np.testing.assert_array_equal(answers, OVER)
    np.testing.assert_array_equal(model.predict(SCORES), OVER)
    assert proba.shape == (41, 2)


@pytest.mark.parametrize("content", [threshold_file(), threshold_file(by=None)])
def test_labels_and_probabilities_come_from_one_run(content, monkeypatch):
    model, runs = onnx_model(content), []
    expected = model.predict(SCORES), model.predict_proba(SCORES)
    run = model._program.run

    def counted(names, feed):
        runs.append(names)
        return run(names, feed)

    monkeypatch.setitem(model._program.__dict__, "run", counted)
    for found, alone in zip(model.predict_with_proba(SCORES), expected, strict=True):
        np.testing.assert_array_equal(found, alone)
    assert len(runs) == 1


def test_a_file_without_labels_and_classes_cannot_answer():
    X = np.zeros((2, 4), np.float32)
    for predict in ("predict", "predict_with_proba"):
        with pytest.raises(InvalidInputError, match="must name its classes to predict them"):
            getattr(onnx_model(network_file()[0]), predict)(X)


def test_no_rows_are_refused():
    with pytest.raises(InvalidInputError, match="X must have at least one row"):
        onnx_model(threshold_file()).predict(SCORES[:0])


# --- exports of other libraries -------------------------------------------------------------------


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.filterwarnings("ignore")
def test_a_support_vector_machine_answers_by_its_margins(n_classes, text, zipmap):
    """Its probabilities are fitted apart from its margins, so the two may disagree."""
    skl2onnx = pytest.importorskip("skl2onnx")
    X, y = make_classification(
        300, 4, n_informative=3, n_redundant=0, n_classes=n_classes, n_clusters_per_class=1,
        class_sep=0.3, flip_y=0.3, weights=[0.6] + [0.4 / (n_classes - 1)] * (n_classes - 1),
        random_state=0,
    )  # fmt: skip
    X = X.astype(np.float32)
    labels = np.array(["red", "green", "blue"])[y] if text else y
    fitted = SVC(probability=True, random_state=0).fit(X, labels)
    options = {id(fitted): {"zipmap": zipmap}}
    file = skl2onnx.to_onnx(fitted, X[:1], options=options).SerializeToString()
    model, own = onnx_model(file), fitted.predict(X)
    most_probable = fitted.classes_[fitted.predict_proba(X).argmax(axis=1)]
    assert (own != most_probable).sum() > 3
    assert (model.predict(X) == own).mean() > 0.99
    assert model.predict(X).dtype == model.classes_.dtype


# --- the output of labels -------------------------------------------------------------------------


def outputs(**kinds):
    return [
        SimpleNamespace(name=name, type=f"tensor({kind})", shape=shape)
        for name, (kind, shape) in kinds.items()
    ]


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ({}, None),
        ({"a": ("int64", [None])}, "a"),
        ({"a": ("string", ["n", 1])}, "a"),
        ({"a": ("bool", [])}, "a"),
        ({"leaf": ("int64", [None, 20])}, None),
        ({"score": ("float", [None])}, None),
        ({"label": ("float", [None])}, "label"),
        ({"leaf": ("int64", [None, 1]), "label": ("int64", [None])}, "label"),
    ],
)
def test_the_output_of_labels(others, found):
    assert label_output(outputs(p=("float", [None, 3]), **others), "p") == found


def test_several_outputs_of_labels_are_refused():
    several = outputs(a=("int64", [None]), b=("string", [None]), p=("float", [None, 3]))
    with pytest.raises(
        InvalidInputError, match=r"one output of labels .* got a tensor\(int64\), b"
    ):
        label_output(several, "p")


@pytest.mark.parametrize(
    ("labels", "classes", "found"),
    [
        ([1, 0], ["red", "green"], ["green", "red"]),
        ([2, 1], ["1", "2"], ["2", "1"]),
        (["8", "3"], [3, 8], [8, 3]),
        ([8.0, 3.0], [3, 8], [8, 3]),
        ([True, False], [0, 1], [1, 0]),
        ([True, False], ["no", "yes"], ["yes", "no"]),
        (np.array(["b", "a"], object), None, ["b", "a"]),
    ],
)
def test_labels_become_values_of_the_classes(labels, classes, found):
    known = None if classes is None else np.array(classes)
    answers = as_labels(labels, 2, known)
    assert answers.tolist() == found
    assert answers.dtype.kind == np.array(found).dtype.kind


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([5], [3, 8]), (["blue"], ["red", "green"]), ([2], ["red", "green"]), ([-1], ["a", "b"])],
)
def test_labels_that_are_no_classes_are_refused(labels, classes):
    with pytest.raises(InvalidInputError, match=r"must answer with its classes .* got the label"):
        as_labels(labels, 1, np.array(classes))


@pytest.mark.parametrize("labels", [[[0, 1], [1, 0]], [0], 1])
def test_labels_of_another_shape_are_refused(labels):
    with pytest.raises(InvalidInputError, match="must give one label for each row"):
        as_labels(labels, 2, None)
