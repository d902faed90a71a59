"""Crafted model files: each number of each kind of file is made wrong in each way.

A file may be refused, or it may load and answer. It must never end the process or keep it busy.
Files are read by child processes, each of which reads many; one that dies is replaced.

    python benchmarks/crafted_models.py            # writes docs/results/crafted_models.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import pickle
import random
import resource
import select
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from crafted_ways import crafted

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "crafted_models.json"
TIMEOUT = 10.0  # seconds for a file
MEMORY = 8 << 30  # bytes
OUTCOMES = ("refused", "loaded", "escaped", "crashed", "hung")
Source = tuple[str, Callable[[], Any], Any]  # a name, what fits the model, and rows


# --- files to start from --------------------------------------------------------------------------


def _data() -> tuple[Any, Any, Any]:
    import pandas as pd

    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    frame = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(rng.choice(list("uvwxyz"), 60))})
    return X, y, frame


def scikit_models() -> Iterator[Source]:
    """Yield the name of each kind of model, a function that fits it, and rows."""
    from sklearn import cluster, ensemble, linear_model, neighbors, neural_network, svm, tree
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

    X, y, frame = _data()
    texts = [" ".join("uvwxyz"[i] * 2 for i in row) for row in (abs(X) * 2).astype(int).clip(0, 5)]
    linear = linear_model.LogisticRegression
    models = (
        (tree.DecisionTreeClassifier(max_depth=3), X),
        (ensemble.RandomForestClassifier(3, max_depth=3, random_state=0), X),
        (ensemble.IsolationForest(n_estimators=3, random_state=0), X),
        (ensemble.GradientBoostingClassifier(n_estimators=2, max_depth=2), X),
        (ensemble.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5), X),
        (ensemble.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5), frame),
        (svm.SVC(), X),
        (svm.NuSVC(nu=0.1, kernel="poly"), X),
        (svm.SVR(kernel="linear"), X),
        (svm.OneClassSVM(), X),
        (neighbors.KNeighborsClassifier(3, algorithm="kd_tree", leaf_size=8), X),
        (neighbors.KNeighborsClassifier(3, algorithm="ball_tree", leaf_size=8, p=3), X),
        (neighbors.KNeighborsClassifier(3, algorithm="brute"), X),
        (neighbors.LocalOutlierFactor(3, novelty=True), X),
        (make_pipeline(OneHotEncoder(handle_unknown="ignore"), linear()), frame),
        (make_pipeline(OneHotEncoder(max_categories=3, drop="first"), linear()), frame[["b"]]),
        (make_pipeline(CountVectorizer(), linear()), texts),
        (make_pipeline(TfidfVectorizer(), linear()), texts),
        (make_pipeline(PolynomialFeatures(), StandardScaler(), linear()), X),
        (cluster.KMeans(3, n_init=1, random_state=0), X),
        (neural_network.MLPClassifier((3,), max_iter=2), X),
    )
    for number, (model, rows) in enumerate(models):
        yield f"{type(_first(model)).__name__} {number}", partial(model.fit, rows, y), rows
    yield "sparse coefficients", lambda: linear().fit(X, y).sparsify(), X


def _first(model: Any) -> Any:
    return model.steps[0][1] if hasattr(model, "steps") else model


def booster_models() -> Iterator[Source]:
    """Yield boosters of the libraries that are installed."""
    X, y, frame = _data()
    try:
        import lightgbm
    except ImportError:
        pass
    else:
        settings = {"n_estimators": 2, "num_leaves": 4, "min_child_samples": 2, "verbose": -1}
        model = lightgbm.LGBMClassifier(**settings, min_data_per_group=2, cat_smooth=1)
        yield "LightGBM", partial(model.fit, frame, y), frame
        model = lightgbm.LGBMClassifier(**settings, linear_tree=True)
        yield "LightGBM linear", partial(model.fit, X, y), X
    try:
        import xgboost
    except ImportError:
        return
    for name, rows in (("XGBoost", X), ("XGBoost categories", frame)):
        settings = {"n_estimators": 2, "max_depth": 2, "enable_categorical": True}
        model = xgboost.XGBClassifier(**settings, max_cat_to_onehot=1)
        yield name, partial(model.fit, rows, y), rows


def write_sources(folder: Path, kinds: tuple[str, ...] = ("",)) -> list[str]:
    """Write a whole file of each kind whose name begins so, and rows for it; return the names."""
    from holdfast import save_model

    names = []
    warnings.simplefilter("ignore")  # few iterations are enough
    for name, fit, rows in itertools.chain(
        scikit_models(), booster_models(), onnx_models(), networks()
    ):
        if not name.startswith(kinds):
            continue
        model = fit()
        (folder / f"{name}.rows").write_bytes(pickle.dumps(rows))
        versions: dict[str, bytes] = {}
        if name.startswith("ONNX"):
            versions["onnx"] = model
        else:
            form = "safetensors" if name.startswith("Network") else "skops"
            save_model(model, folder / f"{name}.{form}")
            names.append(f"{name}.{form}")
        if name.startswith("LightGBM"):
            versions["lgb"] = model.booster_.model_to_string().encode()
        if name.startswith("XGBoost"):
            versions |= {form: model.get_booster().save_raw(form) for form in ("json", "ubj")}
        for form, content in versions.items():
            (folder / f"{name}.{form}").write_bytes(content)
            names.append(f"{name}.{form}")
    return names


def networks() -> Iterator[Source]:
    """Yield kinds of networks, if PyTorch and safetensors are installed."""
    from importlib.util import find_spec

    if not all(find_spec(name) for name in ("torch", "safetensors")):
        return
    from holdfast.nn import FullyConnected, NetworkClassifier, Transformer

    X, y, _ = _data()
    texts = np.abs(X * 4).astype(np.int64) % 9
    for module, rows in (
        (partial(FullyConnected, 4, 3, width=5), X.astype(np.float32)),
        (partial(Transformer, 3, vocabulary=9, length=4), texts),
    ):
        model = NetworkClassifier(module, max_epochs=1, random_state=0)
        yield f"Network {module.func.__name__}", partial(model.fit, rows, y), rows


def onnx_models() -> Iterator[Source]:
    """Yield kinds of ONNX files, if what writes and reads them is installed."""
    from importlib.util import find_spec

    from sklearn import ensemble, linear_model, svm

    if not all(find_spec(name) for name in ("skl2onnx", "onnxruntime")):
        return
    X, y, _ = _data()
    rows = X.astype(np.float32)

    def written(model: Any) -> bytes:
        from skl2onnx import to_onnx

        onnx = to_onnx(model.fit(rows, y), rows[:1], options={"zipmap": False})
        content: bytes = onnx.SerializeToString()
        return content

    for model in (
        ensemble.RandomForestClassifier(2, max_depth=2, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=2, max_depth=2),
        svm.SVC(),
        linear_model.LogisticRegression(),
    ):
        yield f"ONNX {type(model).__name__}", partial(written, model), rows


# --- reading them ---------------------------------------------------------------------------------


def outcome(path: Path, rows: Any) -> str:
    """Read a file, and let the model answer to rows."""
    from holdfast.exceptions import HoldfastError

    try:
        model = _load(path)
    except HoldfastError:
        return "refused"
    except Exception as error:
        print(repr(error), file=sys.stderr)
        return "escaped"
    for name in ("predict", "predict_proba", "decision_function"):
        try:
            getattr(model, name)(rows)
        except Exception:  # an error is an answer
            continue
    return "loaded"


def _load(path: Path) -> Any:
    from holdfast import load_model

    if path.suffix in (".skops", ".onnx", ".safetensors"):
        return load_model(path).model
    from holdfast.models.mlflow.folder import load_folder

    flavor = "lightgbm" if path.suffix == ".lgb" else "xgboost"
    settings = {"data": path.name, "model_class": "xgboost.sklearn.XGBClassifier"}
    (path.parent / "MLmodel").write_text(json.dumps({"flavors": {flavor: settings}}))
    booster = load_folder(path.parent, address="m").model
    return _OfRows(booster) if flavor == "lightgbm" else booster


class _OfRows:
    """A booster of LightGBM, which knows the categories of its rows."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, rows: Any) -> Any:
        return self.booster.predict(rows)


def _serve() -> None:
    """Read the files that the parent names, one a line, and write what came of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        path, rows = json.loads(line)
        print(outcome(Path(path), pickle.loads(Path(rows).read_bytes())), file=answers, flush=True)


class Reader:
    """Child processes that read crafted files, one at a time."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None

    def read(self, path: Path, rows: Path, timeout: float = TIMEOUT) -> str:
        """Return what came of a file; one that ends the child is `crashed`."""
        is_new = self.child is None
        child = self.child = self.child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps([str(path), str(rows)]).encode() + b"\n")
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], timeout + 60 * is_new)
        answer = child.stdout.readline().decode().strip() if ready else "hung"
        if answer in ("", "hung"):
            self.close()
        return answer or "crashed"

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "ignore", __file__, "--serve"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        """End the child."""
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
        self.child = None


def read_all(folder: Path, names: list[str], most: int, seed: int = 0) -> dict[str, Counter[str]]:
    """Read at most so many crafted files of each kind; return what came of them, by kind."""
    reader, counts, draw = Reader(), {}, random.Random(seed)
    inside = folder / "crafted"
    inside.mkdir()
    for name in names:
        path = inside / f"m{(folder / name).suffix}"
        files = crafted(folder / name)
        numbers = sorted(draw.sample(range(len(files)), min(most, len(files))))
        counts[name] = Counter(dict.fromkeys(OUTCOMES, 0))
        for number in numbers:
            path.write_bytes(files[number][1])
            answer = reader.read(path, (folder / name).with_suffix(".rows"))
            if answer == "hung":  # or the machine was busy, which it is not twice
                answer = reader.read(path, (folder / name).with_suffix(".rows"))
            counts[name][answer] += 1
            if answer not in ("refused", "loaded"):
                print(f"{name} #{number}, {files[number][0]}: {answer}", flush=True)
    reader.close()
    return counts


def main() -> None:
    """Read all crafted files, and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="be a child")
    parser.add_argument("--most", type=int, default=10**6, help="files of each kind")
    parser.add_argument("--only", default="", help="only kinds whose name begins so")
    arguments = parser.parse_args()
    if arguments.serve:
        _serve()
        return
    with tempfile.TemporaryDirectory() as folder:
        names = write_sources(Path(folder), (arguments.only,))
        counts = read_all(Path(folder), names, arguments.most)
    found = {name: {"files": sum(each.values()), **each} for name, each in counts.items()}
    if arguments.only and RESULTS.exists():
        found = {**json.loads(RESULTS.read_text())["kinds"], **found}
    total: Counter[str] = sum(map(Counter, found.values()), Counter())
    whole = {name: total[name] for name in ("files", *OUTCOMES)}
    print(whole)
    RESULTS.write_text(json.dumps({"all": whole, "kinds": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
