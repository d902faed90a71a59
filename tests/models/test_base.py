import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from holdfast import LowChurnClassifier
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import own_columns
from holdfast.models.base import BaseModel, classes_of_columns
from holdfast.models.base_predictions import base_predictions
from holdfast.update.base import clone_but_base_model

X = np.random.default_rng(0).normal(size=(30, 2))
Y = np.array(["a", "b", "c"])[(X @ [1, 2] > 0).astype(int) + (X[:, 0] > 1)]
MODEL = LogisticRegression().fit(X, Y)


def test_columns_are_matched_by_value():
    wanted = np.array(["c", "a", "b"])
    found = BaseModel.of(MODEL, None, wanted).predict(X, wanted)
    np.testing.assert_allclose(found.matched.proba, MODEL.predict_proba(X)[:, [2, 0, 1]])
    np.testing.assert_array_equal(wanted[found.pred], MODEL.predict(X))
    np.testing.assert_array_equal(found.served, MODEL.predict(X))
    assert found.answered.all()


@pytest.mark.parametrize(
    "model", [MODEL, FrozenEstimator(MODEL), MODEL.predict_proba, lambda X: MODEL.predict_proba(X)]
)
def test_what_a_base_model_may_be(model):
    found = BaseModel.of(model, None, MODEL.classes_).predict(X, MODEL.classes_)
    np.testing.assert_allclose(found.matched.proba, MODEL.predict_proba(X))


def test_named_classes_come_before_those_of_the_model():
    base = BaseModel.of(MODEL, ["x", "y", "z"], np.array(["x", "y", "z"]))
    assert base.classes.tolist() == ["x", "y", "z"]
    assert BaseModel.of(MODEL.predict_proba, None, np.array([5, 6])).classes.tolist() == [5, 6]


def test_no_model_at_all():
    with pytest.raises(InvalidInputError, match="base_model must have predict_proba or predict"):
        BaseModel.of("model.pkl", None, MODEL.classes_)


def test_another_number_of_rows():
    base = BaseModel.of(lambda X: np.full((3, 2), 0.5), None, np.array([0, 1]))
    with pytest.raises(InvalidInputError, match="X and base_model must have the same number"):
        base.predict(X, np.array([0, 1]))


def test_rows_of_sparse_matrices_are_counted():
    base = BaseModel.of(MODEL, None, MODEL.classes_)
    assert base.predict(sp.csr_matrix(X), MODEL.classes_).pred.shape == (30,)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (lambda X: X, "look like logits"),
        (lambda X: np.full((len(X), 2), 0.7), "must sum to 1 in each row"),
        (lambda X: np.full((len(X), 3), 1 / 3), "one column per base class"),
        (lambda X: np.full(len(X), 0.5), "must be probabilities of shape"),
    ],
)
def test_wrong_answers_of_the_model(answer, match):
    base = BaseModel.of(answer, [0, 1], np.array([0, 1]))
    with pytest.raises(InvalidInputError, match=match):
        base.predict(X, np.array([0, 1]))


def test_labels_of_another_type():
    with pytest.raises(InvalidInputError, match="labels of one type"):
        base_predictions([[0.5, 0.5]], np.array(["0", "1"]), np.array([0, 1]))


def test_a_tie_is_served_as_the_first_class_of_the_base():
    found = base_predictions([[0.5, 0.5]], np.array(["b", "a"]), np.array(["a", "b"]))
    assert found.served.tolist() == ["b"]
    assert found.pred.tolist() == [1]


def test_the_base_gets_the_columns_that_it_was_trained_on():
    frame = pd.DataFrame(X, columns=["u", "v"])
    model = LogisticRegression().fit(frame, Y)
    wide = frame.assign(w=1.0)[["w", "v", "u"]]
    found = BaseModel.of(model, None, model.classes_).predict(wide, model.classes_)
    np.testing.assert_allclose(found.matched.proba, model.predict_proba(frame))
    assert own_columns(model, frame) is frame
    assert own_columns(model, X) is X
    with pytest.raises(InvalidInputError, match=r"columns that the base model was trained on.*'v'"):
        own_columns(model, frame[["u"]])


def test_classes_of_given_columns():
    classes = np.array(["a", "b", "c"])
    proba = np.full((2, 3), 1 / 3)
    model = BaseModel.of(MODEL, ["c", "b", "a"], classes)
    frame = pd.DataFrame(proba, columns=["b", "c", "a"])
    assert classes_of_columns(proba, None, None, classes).tolist() == ["a", "b", "c"]
    assert classes_of_columns(proba, None, model, classes).tolist() == ["c", "b", "a"]
    assert classes_of_columns(frame, None, model, classes).tolist() == ["b", "c", "a"]
    named = classes_of_columns(proba, ["c", "a", "b"], model, classes)
    assert named.tolist() == ["c", "a", "b"]
    with pytest.raises(InvalidInputError, match="named after base_classes"):
        classes_of_columns(frame, ["c", "a", "b"], model, classes)
    with pytest.raises(InvalidInputError, match="one column per class of y"):
        classes_of_columns(proba[:, :2], None, None, classes)


def test_clone_keeps_the_very_same_base():
    outer = LowChurnClassifier(GaussianNB(), MODEL, lambdas=[0.5], max_churn=0.1)
    for copied in (clone(outer), clone_but_base_model(outer)):
        assert copied.base_model is MODEL
        assert copied.estimator is not outer.estimator
        assert copied.lambdas == [0.5]
        assert copied.lambdas is not outer.lambdas
        assert copied.max_churn == 0.1


def test_a_file_of_probabilities_alone_answers_with_the_named_classes():
    """An ONNX file without labels and names of classes, as PyTorch exports it."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from holdfast.models.onnx.model import OnnxModel

    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, real, [None, 2]) for name in "xp"]
    node = helper.make_node("Softmax", ["x"], ["p"])
    graph = helper.make_graph([node], "softmax", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    model = OnnxModel(np.frombuffer(content, np.uint8))
    rows, classes = np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32), np.array(["a", "b"])
    found = BaseModel.of(model, None, classes).predict(rows, classes)
    assert found.served.tolist() == ["a", "b"]
    assert BaseModel.of(model, None, classes).answers(rows, classes, classes).pred.tolist() == [
        0,
        1,
    ]


# --- asked twice ----------------------------------------------------------------------------------


class Wavering:
    """Gives other answers, or other probabilities, each time that it is asked."""

    classes_ = MODEL.classes_

    def __init__(self, part, size=0.2):
        self.part, self.size, self.rng = part, size, np.random.default_rng(0)

    def predict(self, X):
        if self.part == "answers":
            return self.rng.choice(self.classes_, len(X))
        return MODEL.predict(X)

    def predict_proba(self, X):
        proba = MODEL.predict_proba(X)
        if self.part == "probabilities":
            proba = proba + self.rng.uniform(0, self.size, proba.shape)
        return proba / proba.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("part", ["answers", "probabilities"])
def test_a_model_that_wavers_is_noticed(part):
    base = BaseModel.of(Wavering(part), None, MODEL.classes_)
    with pytest.warns(UserWarning, match=rf"got other {part} for \d+ of 30 rows when it was asked"):
        base.predict(X, MODEL.classes_, twice=True)
    base.predict(X, MODEL.classes_)  # what is served asks once


@pytest.mark.filterwarnings("ignore:the base model's answers to")
def test_an_update_from_a_model_that_wavers_says_so():
    model = LowChurnClassifier(LogisticRegression(), Wavering("probabilities"), max_churn=0.9)
    with pytest.warns(UserWarning, match="base_model must say the same of a row each time"):
        model.fit(np.tile(X, (5, 1)), np.tile(Y, 5))


@pytest.mark.parametrize(
    "model",
    [
        MODEL,
        MODEL.predict_proba,
        Wavering("probabilities", size=1e-6),  # as rounding in another batch
        lambda X: MODEL.predict_proba(X) if len(X) == 60 else np.full((1, 3), 1 / 3),
    ],
)
def test_a_model_that_is_firm_is_asked_for_few_rows(model):
    asked = []

    class Counting:
        classes_ = MODEL.classes_

        def predict_proba(self, X):
            asked.append(len(X))
            return model(X) if callable(model) else model.predict_proba(X)

    rows = np.tile(X, (2, 1))
    BaseModel.of(Counting(), None, MODEL.classes_).predict(rows, MODEL.classes_, twice=True)
    assert asked == [60, 50]
