"""Models and their files that cannot be used, and what the message must hold."""

import io
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from tests.helpers.cases import new_file, new_folder

from holdfast.common.files import file_hash
from holdfast.models import skops as files
from holdfast.models.base import classes_of_columns
from holdfast.models.columns import checked_rows, columns_of, refuse_dates
from holdfast.models.files import save_model
from holdfast.models.loading import load_model
from holdfast.models.mlflow.boosters import read_numbers
from holdfast.models.served import AveragedClassifier
from holdfast.models.trust import Trust, content_hash

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
    with patch(
        "holdfast.models.skops.prove_states", side_effect=ImportError("no module named 'other'")
    ):
        load_model(saved())


def logged(flavors, **others):
    """Read an MLflow model folder with these flavors and files."""
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.folder import load_folder

    folder = new_file(flavors, "MLmodel").parent
    for name, content in others.items():
        (folder / f"{name}.pkl").write_bytes(content)
    hashes = {path.name: file_hash(path) for path in folder.iterdir()}
    load_folder(folder, address="models:/a/1", trust=Trust.of((), hashes))


def without_mlmodel():
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow.folder import load_folder

    load_folder(new_folder(), address="models:/a/1")


def outside():
    """Read a folder whose MLmodel names a file beside it."""
    (new_folder().parent / "beside.pkl").write_bytes(b"")
    logged("flavors: {python_function: {loader_module: a, python_model: ../beside.pkl}}")


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
    from holdfast.models.mlflow.function import PythonFunction

    class Function:
        def predict(self, X):
            return pd.DataFrame({"a": ["x"], "b": ["y"]})

    PythonFunction(Function()).predict(X[:1])


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


def of_one_name():
    """Look up a model that a run logged twice."""
    pytest.importorskip("mlflow")
    from holdfast.models.mlflow import address

    outputs = [SimpleNamespace(model_id=name) for name in ("m-1", "m-2")]
    run = SimpleNamespace(outputs=SimpleNamespace(model_outputs=outputs))
    server = SimpleNamespace(
        get_run=lambda _: run,
        get_logged_model=lambda name: SimpleNamespace(model_id=name, name="model"),
    )
    with patch.object(address, "client", return_value=server):
        address.resolve("runs:/r/model")


CASES = {
    "models/base.py _raise_names #1": (
        lambda: classes_of_columns(
            pd.DataFrame([[0.5, 0.5]], columns=pd.Index([3, 4])), None, None, np.array([1, 2])
        ),
        "named after classes of y (1, 2), got the columns 3, 4; rename them",
    ),
    "models/mlflow/address.py _by_run #1": (
        of_one_name,
        "runs:/r/model must name one model, got a run that logged 2 models of that name; give one "
        "of models:/m-1, models:/m-2",
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
    "models/files.py read_pickle #1": (
        lambda: load_model(pickled()),
        f"(on the command line: --trust-file m.pkl={content_hash(pickle.dumps(MODEL))})",
    ),
    "models/files.py read_pickle #2": (
        lambda: load_model(
            pickled(b"\x80\x04none"), trusted_files={"m.pkl": content_hash(b"\x80\x04none")}
        ),
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
    "models/mlflow/function.py PythonFunction.predict #1": (
        words_from_mlflow,
        "or a number for each class, got the columns ['a', 'b']",
    ),
    "models/mlflow/boosters.py _raise_unreadable #1": (
        lambda: read_numbers(Path.stat, Path("none.lgb"), "models:/a/1"),
        "models:/a/1 must hold a whole model, got none.lgb, which cannot be read",
    ),
    "models/mlflow/code.py _check_inside #1": (outside, "got '../beside.pkl', which lies outside"),
    "models/mlflow/code.py _check_trusted #1": (
        untrusted,
        f" --trust-file model.pkl={content_hash(b'')}), or log it without a pickle",
    ),
    "models/mlflow/code.py _files #1": (
        lambda: logged("flavors: {python_function: {loader_module: a}}", **{"a\n": b""}),
        "got 'a\\n.pkl'; log the model again",
    ),
    "models/mlflow/description.py read_description #1": (
        without_mlmodel,
        "got files without an MLmodel",
    ),
    "models/mlflow/description.py read_description #2": (
        lambda: logged("a: ["),
        "file that is YAML, got",
    ),
    "models/mlflow/description.py read_description #3": (
        lambda: logged("a: 1"),
        "with flavors, got none",
    ),
    "models/mlflow/description.py inside #1": (
        lambda: logged("flavors: {sklearn: {pickled_model: ../a.pkl}}"),
        "got '../a.pkl', which is not there; log the model again",
    ),
    "models/mlflow/code.py _run #1": (
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
    "models/trust.py Trust.of #1": (
        lambda: load_model("m.skops", trusted=["m"]),
        "--trust-type TYPE, --trust-file PATH=SHA256), got trusted=['m']",
    ),
    "models/trust.py _types_of #1": (
        lambda: load_model("m.skops", trusted_types={"m.pkl": "a"}),
        "name files in trusted_files",
    ),
    "models/trust.py _files_of #1": (
        lambda: load_model("m.skops", trusted_files=["m.pkl"]),
        "must be a mapping of paths to SHA-256 hashes, got ['m.pkl']",
    ),
    "models/trust.py _files_of #2": (
        lambda: load_model("m.skops", trusted_files={"m.pkl": "abc"}),
        "64 hexadecimal digits for m.pkl, got 'abc'",
    ),
    "models/skops.py _refuse #1": (
        lambda: load_model(saved(FunctionTransformer(np.clip).fit(X))),
        "(on the command line: --trust-type numpy.clip)",
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
