"""Folders of strangers: whatever they name, and however, nothing of them runs untrusted."""

from __future__ import annotations

import os
import pickle
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

from holdfast.common.files import file_hash
from holdfast.exceptions import HoldfastError, InvalidInputError, UntrustedModelError
from holdfast.models import files
from holdfast.models.mlflow import code
from holdfast.models.mlflow.folder import FILES, load_folder
from holdfast.models.proofs.kinds import LOADERS
from holdfast.models.trust import Trust

pytest.importorskip("mlflow")
yaml = pytest.importorskip("yaml")

MODEL = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
ADDRESS = "models:/fraud@champion"
TREE = "sklearn.tree._tree.Tree"
FLAVORS = (*FILES, "python_function", "pytorch", "tensorflow", "keras", "spark", "langchain")
NAMES = (
    *("model.pkl", "model.joblib", "model.pth", "python_model.pkl", "model", TREE, "numpy.dtype"),
    *("conda.yaml", "python_env.yaml", "requirements.txt", "constraints.txt", "MLmodel"),
    *("input_example.json", "serving_input_example.json", "registered_model_meta"),
    *("model.skops", "model.onnx", "model.safetensors", "model.lgb", "model.txt", "model.ubj"),
    *("model.json", "model.cb", "model.h5", "evil.py", "code/evil.py", "code/evil.so"),
    *(".hidden", ".git/model.pkl", "sub/folder/model.pkl", "sub/conda.yaml", "code/conda.yaml"),
    *("../outside.pkl", "sub/../../outside.pkl", "{outside}", "link.pkl", "linked/outside.pkl"),
    *("é.pkl", "a\n.pkl", "a b;c.pkl", "a=b.pkl", "a\0b", "x" * 300, "", ".", "..", "/"),
)
SETTINGS = (
    *("data", "pickled_model", "model_path", "model_data", "python_model", "model_code_path"),
    *("code", "loader_module", "model_class", "save_format", "serialization_format", "config"),
    *("artifacts", "saved_input_example_info", "pickle_module", "extra_files", "env"),
)


class Canary:
    """Makes a folder where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def payload(rng: random.Random, mark: Path, folder: Path) -> bytes:
    """Return a content that makes the mark where it is unpickled, or imported."""
    kind = rng.randrange(4)
    if kind == 0:
        return f"import os\nos.mkdir({str(mark)!r})\ndef _load_pyfunc(path):\n    pass\n".encode()
    if kind == 1:
        joblib.dump(Canary(mark), folder / "joblib", compress=3)
        return (folder / "joblib").read_bytes()
    return pickle.dumps(Canary(mark), protocol=0 if kind == 2 else 4)


def place(path: Path, content: bytes) -> None:
    """Write a file where its name allows that."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except (OSError, ValueError):
        pass


def value(rng: random.Random, setting: str, name: str) -> Any:
    """Return the value of a setting: it names the file, or code, in the form of the setting."""
    if setting == "artifacts":
        return {"a": {"path": name, "uri": name}}
    if setting == "saved_input_example_info":
        return {"artifact_path": name, "type": "ndarray"}
    if setting == "loader_module":
        return rng.choice(["evil", "mlflow.sklearn", "mlflow.pyfunc.model", "joblib", name])
    if setting == "code":
        return rng.choice(["code", ".", name])
    if setting in ("save_format", "serialization_format"):
        return rng.choice(["pickle", "cloudpickle", "joblib", "skops", "cbm", name])
    return name


def strange_folder(rng: random.Random, home: Path, mark: Path) -> Path:
    """Make a model folder of chosen flavors, files and settings, all of which try to run."""
    folder = home / "model"
    folder.mkdir(parents=True)
    content = payload(rng, mark, home)
    outside = home / "outside.pkl"
    outside.write_bytes(content)
    (folder / "link.pkl").symlink_to(outside)
    (folder / "linked").symlink_to(home)
    chosen = [name.format(outside=outside) for name in rng.sample(NAMES, 3)]
    for number, name in enumerate(chosen):  # each content has a hash of its own
        place(folder / name, content + f"\n#{number}".encode())
    flavors = {}
    for flavor in rng.sample(FLAVORS, rng.randrange(1, 4)):
        settings = rng.sample(SETTINGS, rng.randrange(1, 6))
        given = {key: value(rng, key, rng.choice(chosen)) for key in settings}
        if flavor in FILES:
            given |= {FILES[flavor]: chosen[0]}
        flavors[flavor] = given
    described = {"flavors": flavors, "saved_input_example_info": {"artifact_path": chosen[0]}}
    (folder / "MLmodel").unlink(missing_ok=True)
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    return folder


def harmless(folder: Path) -> list[Trust]:
    """Trust nothing, types that are called like the files, and hashes of other files."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in found]
    types = [*LOADERS, TREE, ADDRESS, *names, *(path.name for path in found)]
    hashes = [file_hash(path) for path in found]
    swapped = dict(zip(names, ["0" * 64, *hashes][: len(names)], strict=True))
    elsewhere = {f"x/{name}": sha for name, sha in zip(names, hashes, strict=True)}
    return [
        Trust(),
        Trust.of(types),
        Trust.of(types, elsewhere),
        Trust.of(types, {**swapped, "MLmodel": "0" * 64}),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_of_a_strange_folder_runs(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    mark, before = tmp_path / "code-ran", list(sys.path)
    for number in range(25):
        folder = strange_folder(rng, tmp_path / str(number), mark)
        for trust in harmless(folder):
            refused = ""
            try:
                load_folder(folder, address=ADDRESS, trust=trust)
            except HoldfastError as error:
                refused = str(error)
            # The address stands in place of the folder; MLmodel may name a file beside it itself.
            assert str(folder) not in refused
            described = (folder / "MLmodel").read_text()
            assert not mark.exists(), (described, trust)
    assert sys.path == before
    assert "evil" not in sys.modules


@pytest.mark.parametrize("flavor", FLAVORS)
def test_no_name_is_exempt_in_any_flavor(tmp_path: Path, flavor: str) -> None:
    mark = tmp_path / "code-ran"
    for number, name in enumerate(NAMES):
        folder = tmp_path / str(number)
        folder.mkdir()
        place(folder / name, pickle.dumps(Canary(mark)))
        settings = dict.fromkeys((FILES.get(flavor, "data"), "model_path", "python_model"), name)
        (folder / "MLmodel").unlink(missing_ok=True)
        (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {flavor: settings}}))
        for trust in (Trust(), Trust.of([*LOADERS, TREE, ADDRESS, name, Path(name).name])):
            with pytest.raises(HoldfastError, match=f"{ADDRESS}|is not installed"):
                load_folder(folder, address=ADDRESS, trust=trust)
            assert not mark.exists(), name


@pytest.mark.parametrize("name", NAMES[:32])
def test_a_canary_sings_where_it_is_trusted(tmp_path: Path, name: str) -> None:
    """Each name can hold a pickle, which runs with its own hash alone."""
    folder, mark = tmp_path / "m", tmp_path / "code-ran"
    place(folder / name, pickle.dumps(Canary(mark)))
    flavors = {"sklearn": {"pickled_model": name, "serialization_format": "pickle"}}
    if name == "MLmodel":
        pytest.skip("the description itself cannot be a pickle")
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    sha256 = file_hash(folder / name)
    if not name.endswith((".safetensors", ".onnx")):
        with pytest.raises(UntrustedModelError, match=f"--trust-file {name}={sha256}"):
            load_folder(folder, address=ADDRESS, trust=Trust.of([name, TREE]))
        assert not mark.exists()
        with pytest.raises(HoldfastError, match="with predict"):
            load_folder(folder, address=ADDRESS, trust=Trust.of((), {name: sha256}))
        assert mark.exists()


def swapping(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, path: Path, content: bytes
) -> None:
    """Replace a file after it was hashed, right before a function is called."""
    function: Callable[..., Any] = getattr(module, name)

    def called(*arguments: Any, **options: Any) -> Any:
        path.write_bytes(content)
        return function(*arguments, **options)

    monkeypatch.setattr(module, name, called)


def test_the_bytes_that_were_hashed_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mark = tmp_path / "model.pkl", tmp_path / "code-ran"
    path.write_bytes(pickle.dumps(MODEL))
    trust = Trust.of((), {"model.pkl": file_hash(path)})
    swapping(monkeypatch, joblib, "load", path, pickle.dumps(Canary(mark)))
    assert files.read_model(path, trust).model.predict([[1.0]]) == [1]
    assert not mark.exists()


def test_mlflow_loads_the_copies_that_were_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mark = tmp_path / "m", tmp_path / "code-ran"
    (folder / "code").mkdir(parents=True)
    settings = {"pickled_model": "model.pkl", "serialization_format": "pickle", "code": "code"}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": settings}}))
    (folder / "code" / "helper_of_a_test.py").write_text("")
    (folder / "model.pkl").write_bytes(pickle.dumps(MODEL))
    names = ("MLmodel", "code/helper_of_a_test.py", "model.pkl")
    trust = Trust.of((), {name: file_hash(folder / name) for name in names})
    monkeypatch.setattr(sys, "path", list(sys.path))
    swapping(monkeypatch, code, "_run", folder / "model.pkl", pickle.dumps(Canary(mark)))
    assert load_folder(folder, address=ADDRESS, trust=trust).model.predict([[1.0]]) == [1]
    assert not mark.exists()
    with pytest.raises(UntrustedModelError, match=r"got model\.pkl with another content than"):
        load_folder(folder, address=ADDRESS, trust=trust)


def test_a_description_that_is_loaded_must_be_trusted_too(tmp_path: Path) -> None:
    settings = {"loader_module": "mlflow.pyfunc.model", "python_model": "./requirements.txt"}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": settings}}))
    (tmp_path / "requirements.txt").write_bytes(pickle.dumps(Canary(tmp_path / "code-ran")))
    with pytest.raises(UntrustedModelError, match=r"got MLmodel, requirements\.txt, which"):
        load_folder(tmp_path, address=ADDRESS)
    (tmp_path / "conda.yaml").write_text("")
    trust = Trust.of((), {"MLmodel": file_hash(tmp_path / "MLmodel")})
    with pytest.raises(UntrustedModelError, match=r"got requirements\.txt, which"):
        load_folder(tmp_path, address=ADDRESS, trust=trust)


@pytest.mark.parametrize("name", ["../beside.py", "{outside}/beside.py", "sub/../../beside.py"])
def test_trusted_files_name_none_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "beside.py").write_text("")
    folder = tmp_path / "m"
    folder.mkdir()
    settings = {"loader_module": "mlflow.pyfunc.model", "code": name.format(outside=tmp_path)}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": settings}}))
    trust = Trust.of((), {"MLmodel": file_hash(folder / "MLmodel")})
    with pytest.raises(InvalidInputError, match=r"beside\.py', which lies outside its folder"):
        load_folder(folder, address=ADDRESS, trust=trust)


def test_options_to_copy_are_quoted_for_a_shell(tmp_path: Path) -> None:
    name = "a b;touch x.pkl"
    (tmp_path / name).write_bytes(pickle.dumps(MODEL))
    settings = {"pickled_model": name}
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"flavors": {"sklearn": settings}}))
    with pytest.raises(UntrustedModelError, match=rf"--trust-file '{name}=\w{{64}}'\)"):
        load_folder(tmp_path, address=ADDRESS)
