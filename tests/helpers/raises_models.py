"""Models and their files that cannot be used, and what the message must hold."""

import io
import pickle
import zipfile
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from tests.helpers.cases import new_file, new_folder

from holdfast.models import skops as files
from holdfast.models.base import classes_of_columns
from holdfast.models.columns import checked_rows, columns_of, refuse_dates
from holdfast.models.files import save_model
from holdfast.models.loading import load_model
from holdfast.models.served import AveragedClassifier

X = np.array([[0.0], [1.0], [2.0], [3.0]])
MODEL = LogisticRegression().fit(X, [0, 0, 1, 1])


def saved(model=MODEL, **changes):
    """Return the content of a model file with changed entries, in a file."""
    path = new_folder() / "model.skops"
    content = {"format": files.FORMAT, "format_version": 1, "model": model, "card": {}} | changes
    skops.io.dump(content, path)
    return path


def pickled(content=None):
    return new_file(pickle.dumps(MODEL) if content is None else content, "m.pkl")


def zipped(**entries):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return new_file(made.getvalue(), "model.skops")


def bomb():
    with patch.object(files, "_is_bomb", return_value=True):
        load_model(saved())


def of_another_library():
    with patch("skops.io.load", side_effect=ImportError("no module named 'other'")):
        load_model(saved())


def logged(flavors, **others):
    """Read an MLflow model folder with these flavors and files."""
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.folder import load_folder

    folder = new_file(flavors, "MLmodel").parent
    for name, content in others.items():
        (folder / f"{name}.pkl").write_bytes(content)
    load_folder(folder, address="models:/a/1", trusted=["models:/a/1"])


def without_mlmodel():
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.folder import load_folder

    load_folder(new_folder(), address="models:/a/1")


def untrusted():
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.folder import load_folder

    path = new_file("flavors: {python_function: {loader_module: a}}", "MLmodel")
    (path.parent / "model.pkl").write_bytes(b"")
    load_folder(path.parent, address="models:/a/1")


def mlflow(function, *arguments):
    """Call a function of a module that needs MLflow, in an empty registry."""
    module = pytest.importorskip("mlflow")
    from importlib import import_module

    name, _, attribute = function.rpartition(".")
    uri = f"sqlite:///{new_folder() / 'a.db'}"
    with patch.object(module, "get_registry_uri", return_value=uri):
        getattr(import_module(f"holdfast.models.mlflow.{name}"), attribute)(*arguments)


def no_such_model():
    exceptions = pytest.importorskip("mlflow").exceptions
    from holdfast.models.mlflow import address

    gone = exceptions.MlflowException("no model a", error_code=exceptions.RESOURCE_DOES_NOT_EXIST)
    with patch.object(address, "client", side_effect=gone):
        address.resolve("models:/a/1")


def words_from_mlflow():
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.folder import _PythonFunction

    class Function:
        def predict(self, X):
            return pd.DataFrame({"a": ["x"], "b": ["y"]})

    _PythonFunction(Function()).predict(X[:1])


def registry_down():
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.session import asking

    with asking("looking up a", "check the tracking URI"):
        raise OSError("no answer")


class Local:
    """Predicts, and holds what skops cannot write."""

    def __init__(self):
        self.opened = io.StringIO()

    def predict(self, X):
        return np.zeros(len(X))


TRAINED = columns_of(pd.DataFrame({"a": [1.5, 2.5]}))

CASES = {
    "models/base.py _raise_names #1": (
        lambda: classes_of_columns(
            pd.DataFrame([[0.5, 0.5]], columns=pd.Index([3, 4])), None, None, np.array([1, 2])
        ),
        "named after classes of y (1, 2), got the columns 3, 4; rename them",
    ),
    "models/base.py classes_of_columns #1": (
        lambda: classes_of_columns(np.ones((1, 3)) / 3, None, None, np.arange(2)),
        "one column per class of y (2) when its classes are not named, got 3",
    ),
    "models/card.py checked_card #1": (
        lambda: load_model(saved(card={"features": "a"})),
        "must have a card that is a dictionary, in which `features` is a list of text",
    ),
    "models/columns.py refuse_dates #1": (
        lambda: refuse_dates(pd.DataFrame({"d": ["2024-01-31"]})),
        "an age in days, or leave the column out with --drop d",
    ),
    "models/columns.py _converted #1": (
        lambda: checked_rows(pd.DataFrame({"a": ["x"]}), TRAINED),
        "got text in 1 of 1 row (e.g.",
    ),
    "models/files.py save_model #1": (
        lambda: save_model(MODEL, new_folder() / "m.pkl"),
        "got 'm.pkl'; name the file 'm.skops'",
    ),
    "models/files.py read_model #1": (
        lambda: load_model(new_file("text", "m.skops")),
        "got a file that is neither skops, .onnx, .safetensors nor a pickle",
    ),
    "models/files.py _check_model #1": (
        lambda: save_model(3, new_folder() / "m.skops"),
        "model must be a fitted model with predict, got int",
    ),
    "models/files.py _checked_values #1": (
        lambda: save_model(MODEL, new_folder() / "m.skops", card={"a": X}),
        "convert arrays with tolist()",
    ),
    "models/files.py _first_bytes #1": (lambda: load_model(new_folder()), "name a file"),
    "models/files.py _first_bytes #2": (
        lambda: load_model(new_folder() / "none.skops"),
        "none.skops: No such file or directory; check the path",
    ),
    "models/files.py _read_onnx #1": (
        lambda: (
            pytest.importorskip("onnxruntime")
            and pytest.importorskip("onnx")
            and load_model(new_file(b"none", "m.onnx"))
        ),
        "m.onnx: ",
    ),
    "models/files.py _read_pickle #1": (
        lambda: load_model(pickled()),
        "pass trusted=['m.pkl'] (on the command line: --trusted m.pkl)",
    ),
    "models/files.py _read_pickle #2": (
        lambda: load_model(pickled(b"\x80\x04none"), trusted=["m.pkl"]),
        "write it again, or install what it needs",
    ),
    "models/fitted.py FittedClassifier.fit #1": (
        lambda: AveragedClassifier([MODEL], [1.0], [0, 1]).fit(X),
        "fit a LowChurnClassifier",
    ),
    "models/mlflow/address.py resolve #1": (
        no_such_model,
        "check the name",
    ),
    "models/mlflow/address.py resolve #2": (
        lambda: mlflow("address.resolve", "fraud"),
        "got 'fraud'; correct it",
    ),
    "models/mlflow/folder.py _PythonFunction.predict #1": (
        words_from_mlflow,
        "or a number for each class, got the columns ['a', 'b']",
    ),
    "models/mlflow/folder.py _check_trusted #1": (
        untrusted,
        "pass trusted=['model.pkl'] (on the command line: --trusted model.pkl, or --trusted "
        "models:/a/1 for all of it)",
    ),
    "models/mlflow/folder.py _described #1": (without_mlmodel, "got files without an MLmodel"),
    "models/mlflow/folder.py _described #2": (lambda: logged("a: ["), "file that is YAML, got"),
    "models/mlflow/folder.py _described #3": (lambda: logged("a: 1"), "with flavors, got none"),
    "models/mlflow/folder.py _inside #1": (
        lambda: logged("flavors: {sklearn: {pickled_model: ../a.pkl}}"),
        "got '../a.pkl', which is not there; log the model again",
    ),
    "models/mlflow/folder.py _run #1": (
        lambda: logged("flavors: {python_function: {loader_module: mlflow.none}}", m=b""),
        "log it again, or install what it needs",
    ),
    "models/mlflow/folder.py load_folder #1": (
        lambda: logged("flavors: {sklearn: {pickled_model: m.pkl}}", m=pickle.dumps([1])),
        "got list; log the classifier itself",
    ),
    "models/mlflow/models.py log_model #1": (
        lambda: mlflow("models.log_model", "v2.pkl"),
        "got v2.pkl; write it with holdfast.save_model",
    ),
    "models/mlflow/session.py _check_exists #1": (
        lambda: mlflow("session._check_exists", "sqlite:///none.db"),
        "got sqlite:///none.db, where there is none; give --tracking-uri",
    ),
    "models/mlflow/session.py asking #1": (registry_down, "got: no answer; check the tracking URI"),
    "models/skops.py _refuse #1": (
        lambda: load_model(saved(DecisionTreeClassifier().fit(X, [0, 0, 1, 1]))),
        "(on the command line: --trusted sklearn.tree._tree.Tree)",
    ),
    "models/skops.py _unpack #1": (
        lambda: load_model(saved(format_version=9, holdfast="9.0")),
        "got 9, written by holdfast 9.0; install that release",
    ),
    "models/skops.py read_skops #1": (
        lambda: load_model(zipped(a="text")),
        "got a zip file of something else",
    ),
    "models/skops.py read_skops #2": (bomb, "have it written again with holdfast.save_model"),
    "models/skops.py read_skops #3": (
        of_another_library,
        "got: no module named 'other'; install the library",
    ),
    "models/skops.py read_skops #4": (
        lambda: load_model(new_file(saved().read_bytes()[:-9], "m.skops")),
        "copy or write it again",
    ),
    "models/skops.py write_skops #1": (
        lambda: save_model(Local(), new_folder() / "m.skops"),
        "replace the part that skops cannot write",
    ),
}
