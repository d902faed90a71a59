"""Models of MLflow: read without running code, found by address, in a store without a server."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.kernel_approximation import AdditiveChi2Sampler
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from holdfast import LowChurnClassifier, save_model
from holdfast.cli import app
from holdfast.common.files import file_hash
from holdfast.exceptions import InvalidInputError, RegistryError, UntrustedModelError
from holdfast.gate.predict import with_known_classes
from holdfast.gate.promotion import check_promotable, log_run, promote
from holdfast.models.mlflow.folder import load_folder
from holdfast.models.trust import Trust
from holdfast.registry import load_registered, log_model, resolve, session
from holdfast.tables import write_table

mlflow = pytest.importorskip("mlflow")
yaml = pytest.importorskip("yaml")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(400, 3)), columns=["a", "b", "c"])
y = np.digitize(X["a"] + 0.5 * rng.normal(size=400), [-0.5, 0.5])
binary = np.where(X["a"] > 0, "yes", "no")


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Where code that runs leaves a mark."""
    return tmp_path / "code-ran"


def saved(flavor: str, model: Any, path: Path, **options: Any) -> Path:
    """Save with MLflow's own function; the requirements, which take long to find, are left out."""
    import_module(f"mlflow.{flavor}").save_model(model, path=path, pip_requirements=[], **options)
    return path


def described(path: Path, **flavors: Any) -> Path:
    path.mkdir(exist_ok=True)
    (path / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors}))
    return path


def lightgbm_booster(labels: np.ndarray) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    codes = np.unique(labels, return_inverse=True)[1]
    return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, codes).booster_


def xgboost_classifier() -> Any:
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=5).fit(X, y)


def catboost_classifier(labels: np.ndarray) -> Any:
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(n_estimators=5, verbose=0, allow_writing_files=False)
    return model.fit(X, labels)


def trusting(path: Path, *names: str) -> Trust:
    """Trust files of a folder as they are, by default all of them."""
    found = names or [str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()]
    return Trust.of((), {name: file_hash(path / name) for name in found})


class TestPlainFiles:
    """Each flavor's own file gives the predictions of the model that was saved."""

    @pytest.mark.parametrize(
        ("flavor", "make", "labels", "options"),
        [
            ("sklearn", lambda: LogisticRegression().fit(X, binary), binary, {}),
            ("lightgbm", lambda: lightgbm_booster(y), y, {}),
            ("lightgbm", lambda: lightgbm_booster(binary), binary, {}),
            ("xgboost", xgboost_classifier, y, {}),
            ("xgboost", lambda: xgboost_classifier().get_booster(), y, {}),
            ("xgboost", xgboost_classifier, y, {"model_format": "json"}),
            ("catboost", lambda: catboost_classifier(y), y, {}),
            ("catboost", lambda: catboost_classifier(binary), binary, {}),
        ],
    )
    def test_predicts_the_same(
        self,
        tmp_path: Path,
        flavor: str,
        make: Callable[[], Any],
        labels: np.ndarray,
        options: dict[str, Any],
    ) -> None:
        model = make()
        path = saved(flavor, model, tmp_path / "m", **options)
        trust = trusting(path) if flavor == "catboost" else Trust()
        loaded = load_folder(path, address="m", trust=trust)
        classifier = with_known_classes(loaded.model, None, labels)
        own = model if hasattr(model, "predict_proba") else with_known_classes(model, None, labels)
        assert (np.ravel(classifier.predict(X)) == np.ravel(own.predict(X))).all()
        np.testing.assert_allclose(classifier.predict_proba(X), own.predict_proba(X), rtol=1e-6)
        names = loaded.card.get("features", list(getattr(classifier, "feature_names_in_", [])))
        assert names == ["a", "b", "c"]

    def test_a_lightgbm_classifier_is_a_skops_file_whose_trees_are_proved(
        self, tmp_path: Path
    ) -> None:
        lightgbm = pytest.importorskip("lightgbm")
        model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, y)
        path = saved("lightgbm", model, tmp_path / "m")
        loaded = load_folder(path, address="m")
        assert (loaded.model.predict(X) == model.predict(X)).all()

    def test_a_booster_s_raw_outputs_are_its_probabilities(self, tmp_path: Path) -> None:
        booster = lightgbm_booster(binary)
        loaded = load_folder(saved("lightgbm", booster, tmp_path / "m"), address="m")
        classifier = with_known_classes(loaded.model, None, binary)
        np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], booster.predict(X))
        assert classifier.classes_.tolist() == ["no", "yes"]

    def test_a_booster_of_other_outputs(self) -> None:
        with pytest.raises(InvalidInputError, match=r"the champion must be a booster of log loss"):
            with_known_classes(lightgbm_booster(y), None, binary, name="the champion")

    def test_the_other_model_s_classes_go_first(self) -> None:
        """Rows of two classes can still be predicted by a booster of three."""
        other = LogisticRegression().fit(X, y)
        classifier = with_known_classes(lightgbm_booster(y), other, y[y < 2])
        assert classifier.classes_.tolist() == [0, 1, 2]

    def test_the_signature_names_features(self, tmp_path: Path) -> None:
        model = LogisticRegression().fit(X.to_numpy(), y)
        signature = mlflow.models.infer_signature(X, y)
        path = saved("sklearn", model, tmp_path / "m", signature=signature)
        assert load_folder(path, address="m").card == {"features": ["a", "b", "c"]}
        tensor = mlflow.models.infer_signature(X.to_numpy(), y)
        path = saved("sklearn", model, tmp_path / "n", signature=tensor)
        assert load_folder(path, address="m").card == {}


class TestCode:
    def test_a_pickle_runs_only_when_trusted(self, tmp_path: Path, mark: Path) -> None:
        path = saved(
            "sklearn", LogisticRegression(), tmp_path / "m", serialization_format="cloudpickle"
        )
        (path / "model.pkl").write_bytes(pickle.dumps(Bomb(mark)))
        sha256 = file_hash(path / "model.pkl")
        match = rf"models:/m/1/model\.pkl must .*--trust-file model\.pkl={sha256}\)"
        others = {
            "other.pkl": sha256,
            "m/model.pkl": sha256,
            "model.pkl": file_hash(path / "MLmodel"),
        }
        types = ["model.pkl", "models:/m/1", sha256]
        with pytest.raises(UntrustedModelError, match=match):
            load_folder(path, address="models:/m/1", trust=Trust.of(types, others))
        assert not mark.exists()
        with pytest.raises((InvalidInputError, AttributeError)):  # a folder's name is no model
            load_folder(path, address="models:/m/1", trust=trusting(path, "model.pkl"))
        assert mark.exists()

    def test_a_trusted_pickle_predicts(self, tmp_path: Path) -> None:
        model = LogisticRegression().fit(X, binary)
        path = saved("sklearn", model, tmp_path / "m", serialization_format="cloudpickle")
        loaded = load_folder(path, address="models:/m/1", trust=trusting(path, "model.pkl"))
        assert (loaded.model.predict_proba(X) == model.predict_proba(X)).all()

    def test_a_pickle_under_another_name(self, tmp_path: Path, mark: Path) -> None:
        """A suffix does not make a pickle harmless."""
        path = described(
            tmp_path / "m", sklearn={"pickled_model": "m.skops", "serialization_format": "skops"}
        )
        (path / "m.skops").write_bytes(pickle.dumps(Bomb(mark)))
        with pytest.raises(
            UntrustedModelError, match=r"^m/m\.skops must be trusted by its content"
        ):
            load_folder(path, address="m")
        assert not mark.exists()

    def test_code_beside_the_model_runs_only_when_trusted(self, tmp_path: Path, mark: Path) -> None:
        path = described(
            tmp_path / "m", python_function={"loader_module": "evil_loader", "code": "code"}
        )
        (path / "code").mkdir()
        (path / "code" / "evil_loader.py").write_text(
            "import os, numpy\n"
            f"os.mkdir({str(mark)!r})\n"
            "class Model:\n"
            "    def predict(self, X):\n"
            "        return numpy.eye(3)[[2] * len(X)]\n"
            "def _load_pyfunc(path):\n    return Model()\n"
        )
        with pytest.raises(UntrustedModelError, match=r"got MLmodel, code/evil_loader\.py, which"):
            load_folder(path, address="m")
        assert not mark.exists()
        loaded = load_folder(path, address="m", trust=trusting(path))
        assert mark.exists()
        assert loaded.model.predict(X).tolist() == [2] * len(X)  # the largest of three columns

    def test_plain_files_are_read_without_the_code_beside_them(
        self, tmp_path: Path, mark: Path
    ) -> None:
        code = tmp_path / "lightgbm_extra.py"
        code.write_text(f"import os; os.mkdir({str(mark)!r})")
        path = saved("lightgbm", lightgbm_booster(y), tmp_path / "m", code_paths=[str(code)])
        content = yaml.safe_load((path / "MLmodel").read_text())
        content["flavors"]["python_function"]["loader_module"] = "lightgbm_extra"
        content["flavors"]["lightgbm"]["model_class"] = "lightgbm_extra.Booster"
        (path / "MLmodel").write_text(yaml.safe_dump(content))
        assert load_folder(path, address="m").model.num_trees() == 15
        assert not mark.exists()

    def test_a_loader_of_an_installed_module_is_code_too(self, tmp_path: Path) -> None:
        path = described(tmp_path / "m", python_function={"loader_module": "antigravity"})
        with pytest.raises(
            UntrustedModelError, match=r"got MLmodel, which .*--trust-file MLmodel=\w+\)"
        ):
            load_folder(path, address="m")

    def test_python_functions_give_classes(self, tmp_path: Path) -> None:
        class Sign(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
            def predict(self, context: Any, model_input: pd.DataFrame) -> Any:
                return np.where(model_input["a"] > 0, "yes", "no")

        mlflow.pyfunc.save_model(tmp_path / "m", python_model=Sign(), pip_requirements=[])
        with pytest.raises(UntrustedModelError, match=r"--trust-file python_model\.pkl="):
            load_folder(tmp_path / "m", address="m")
        trust = trusting(tmp_path / "m", "MLmodel", "python_model.pkl")
        loaded = load_folder(tmp_path / "m", address="m", trust=trust)
        assert (loaded.model.predict(X) == binary).all()

    @pytest.mark.parametrize("name", ["prediction", "predict", "label"])
    def test_an_answer_beside_scores_is_the_answer(self, name: str, tmp_path: Path) -> None:
        class Wary(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
            def predict(self, context: Any, model_input: pd.DataFrame) -> Any:
                p = expit(model_input["a"].to_numpy())
                return pd.DataFrame({name: np.where(p > 0.1, "yes", "no"), "p0": 1 - p, "p1": p})

        mlflow.pyfunc.save_model(tmp_path / "m", python_model=Wary(), pip_requirements=[])
        model = load_folder(tmp_path / "m", address="m", trust=trusting(tmp_path / "m")).model
        assert (model.predict(X) == np.where(expit(X["a"]) > 0.1, "yes", "no")).all()

    def test_columns_that_are_neither_answers_nor_scores(self, tmp_path: Path) -> None:
        class Odd(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
            def predict(self, context: Any, model_input: pd.DataFrame) -> Any:
                return pd.DataFrame({"a": ["x"] * len(model_input), "b": 0.5})

        mlflow.pyfunc.save_model(tmp_path / "m", python_model=Odd(), pip_requirements=[])
        model = load_folder(tmp_path / "m", address="m", trust=trusting(tmp_path / "m")).model
        with pytest.raises(
            InvalidInputError, match=r"a number for each class, got .* \['a', 'b'\]"
        ):
            model.predict(X)

    def test_networks_are_pickles(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        net = torch.nn.Linear(3, 2)
        path = saved("pytorch", net, tmp_path / "m", serialization_format="pickle")
        with pytest.raises(UntrustedModelError, match=r"model\.pth.*--trust-file data/model\.pth="):
            load_folder(path, address="m")
        loaded = load_folder(path, address="m", trust=trusting(path))
        expected = net(torch.tensor(X.to_numpy(np.float32))).argmax(dim=1).numpy()
        assert (loaded.model.predict(X.astype(np.float32)) == expected).all()


class TestBrokenFolders:
    def test_without_description(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"m must be an MLflow model, got .*MLmodel"):
            load_folder(tmp_path, address="m")

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("flavors: [", "YAML"),
            ("flavors: !!python/object/apply:os.getcwd []", "YAML"),
            ("- 1", "with flavors, got none"),
            ("flavors: 3", "with flavors, got none"),
            ("flavors: {lightgbm: {data: model.lgb}}", "'model.lgb', which is not there"),
            ("flavors: {lightgbm: {}}", "None, which is not there"),
            ("flavors: {lightgbm: {data: .}}", "'.', which is not there"),
        ],
    )
    def test_description_of_nothing(self, tmp_path: Path, text: str, match: str) -> None:
        (tmp_path / "MLmodel").write_text(text)
        with pytest.raises(InvalidInputError, match=match):
            load_folder(tmp_path, address="m")

    @pytest.mark.parametrize("linked", [True, False])
    def test_files_outside_are_not_read(self, tmp_path: Path, linked: bool) -> None:
        outside = tmp_path / "model.lgb"
        lightgbm_booster(y).save_model(outside)
        name = "inner.lgb" if linked else "../model.lgb"
        path = described(tmp_path / "m", lightgbm={"data": name})
        if linked:
            (path / name).symlink_to(outside)
        with pytest.raises(InvalidInputError, match="which is not there"):
            load_folder(path, address="m")

    def test_a_file_of_catboost_must_be_trusted(self, tmp_path: Path) -> None:
        path = described(tmp_path / "m", catboost={"data": "m.cb", "save_format": "cbm"})
        (path / "m.cb").write_bytes(b"CBM1")
        with pytest.raises(UntrustedModelError, match=r"--trust-file m\.cb="):
            load_folder(path, address="m")

    @pytest.mark.parametrize(
        ("flavor", "file"),
        [
            ("lightgbm", "m.lgb"),
            ("xgboost", "m.ubj"),
            ("holdfast", "m.skops"),
        ],
    )
    def test_damaged_files(self, tmp_path: Path, flavor: str, file: str) -> None:
        if flavor != "holdfast":
            pytest.importorskip(flavor)
        path = described(tmp_path / "m", **{flavor: {"data": file}})
        (path / file).write_bytes(b"PK nothing of the kind")
        with pytest.raises(InvalidInputError, match=r"must (hold|be) a whole model"):
            load_folder(path, address="m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[str]:
    """A store without a server, and one experiment for all models."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("trials", artifact_location=(folder / "files").as_uri())
    mlflow.set_experiment("trials")
    yield uri
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    path = folder / "v1.skops"
    save_model(LogisticRegression().fit(X, y), path, card={"target": "y"})
    return path


def network_of(suffix: str) -> Any:
    pytest.importorskip("torch")
    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("skl2onnx")
        return LogisticRegression().fit(X.to_numpy(np.float32), y)
    from holdfast.nn import FullyConnected, NetworkClassifier

    network = NetworkClassifier(partial(FullyConnected, 3, 3, width=8), max_epochs=3, n_jobs=1)
    return network.fit(X.to_numpy(np.float32), y)


def write_onnx(model: Any, path: Path) -> None:
    from skl2onnx import to_onnx

    rows = X.to_numpy(np.float32)[:1]
    made = to_onnx(model, rows, options={id(model): {"zipmap": False}})
    path.write_bytes(made.SerializeToString())


class TestStore:
    def test_a_model_file_comes_back(self, store: str, file: Path) -> None:
        model = LogisticRegression().fit(X, y)
        address = log_model(file, register_as="round")
        assert address == "models:/round/1"
        loaded = load_registered(address)
        assert loaded.card == {"target": "y"}
        assert (loaded.model.predict_proba(X) == model.predict_proba(X)).all()
        theirs = mlflow.pyfunc.load_model(address)
        assert (theirs.predict(X) == model.predict(X)).all()

    def test_an_address_is_a_base_model(
        self, store: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = log_model(file, register_as="base")
        settings = {"max_churn": 0.05, "mixture": "override", "random_state": 0}
        base = load_registered(address).model
        by_address, by_object = (
            LowChurnClassifier(HistGradientBoostingClassifier(max_iter=5), model, **settings)
            for model in (address, base)
        )
        for model in (by_address, by_object):
            model.fit(X, y)
        assert (by_address.predict(X) == by_object.predict(X)).all()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
        write_table(X.assign(y=y), tmp_path / "rows.parquet")
        out = str(tmp_path / "new.skops")
        command = ["train", str(tmp_path / "rows.parquet"), "--target", "y", "--base", address]
        done = CliRunner().invoke(app, [*command, "--max-churn", "0.1", "--out", out])
        assert done.exit_code in (0, 1, 3), done.output
        assert "churn" in done.output

    @pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
    def test_networks_come_back(self, store: str, folder: Path, suffix: str) -> None:
        network, path = network_of(suffix), folder / f"network{suffix}"
        expected = network.predict_proba(X.to_numpy(np.float32))
        if suffix == ".onnx":
            write_onnx(network, path)
        else:
            save_model(network, path)
        loaded = load_registered(log_model(path, register_as=f"network{suffix[1:]}"))
        found = loaded.model.predict_proba(X.to_numpy(np.float32))
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_four_forms_name_one_model(self, store: str, file: Path) -> None:
        with mlflow.start_run() as run:
            logged = log_model(file)
        made = mlflow.register_model(logged, "forms")
        mlflow.MlflowClient().set_registered_model_alias("forms", "champion", made.version)
        forms = [logged, f"runs:/{run.info.run_id}/model", "models:/forms/1"]
        found = [resolve(form) for form in [*forms, "models:/forms@champion"]]
        assert {each.source for each in found} == {logged}
        assert {each.run_id for each in found} == {run.info.run_id}
        assert len({each.experiment_id for each in found}) == 1
        assert [each.version for each in found] == [None, None, "1", "1"]
        assert (found[3].name, found[3].alias, found[3].uri) == ("forms", "champion", forms[2])

    def test_models_among_the_files_of_a_run(self, store: str, file: Path) -> None:
        """As MLflow 2 logged them."""
        model = LogisticRegression().fit(X, y)
        path = saved("sklearn", model, file.parent / "old")
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(path), "old")
        address = f"runs:/{run.info.run_id}/old"
        assert (load_registered(address).model.predict(X) == model.predict(X)).all()
        made = mlflow.register_model(address, "files")
        assert resolve(f"models:/files/{made.version}").source == resolve(address).source

    def test_two_models_of_one_name(self, store: str, file: Path) -> None:
        with mlflow.start_run() as run:
            first, second = sorted([log_model(file), log_model(file)])
        with pytest.raises(InvalidInputError, match=f"logged 2 .* one of {first}, {second}"):
            resolve(f"runs:/{run.info.run_id}/model")

    def test_types_are_trusted_by_name(self, store: str, file: Path) -> None:
        model = make_pipeline(AdditiveChi2Sampler(), GaussianNB()).fit(abs(X), y)
        path = file.with_name("types.skops")
        save_model(model, path)
        address = log_model(path, register_as="types")
        with pytest.raises(UntrustedModelError, match="--trust-type sklearn") as refused:
            load_registered(address)
        names = [name for name in str(refused.value).split() if name.startswith("sklearn.")]
        trusted = sorted({name.strip(",)") for name in names})
        ours = load_registered(address, trusted_types=trusted).model
        assert (ours.predict(abs(X)) == model.predict(abs(X))).all()
        theirs = mlflow.pyfunc.load_model(address, model_config={"trusted_types": trusted})
        assert (theirs.predict(abs(X)) == model.predict(abs(X))).all()
        with pytest.raises(UntrustedModelError, match="--trust-type sklearn"):
            mlflow.pyfunc.load_model(address)

    @pytest.mark.parametrize(
        "address",
        ["models:/round@nobody", "models:/nothing@champion", "models:/round/99", "models:/m-12ab"],
    )
    def test_addresses_of_nothing(self, store: str, address: str) -> None:
        with pytest.raises(InvalidInputError, match=f"{address} must name a model in sqlite:"):
            resolve(address)

    def test_a_run_that_is_not_there(self, store: str) -> None:
        with pytest.raises(InvalidInputError, match=r"runs:/.* must name a model"):
            resolve(f"runs:/{'0' * 32}/model")

    @pytest.mark.parametrize(
        "address",
        ["fraud", "models:/fraud", "models:/fraud/x", "models:/a/b/1", "runs:/1", "m.skops", ""],
    )
    def test_other_addresses(self, address: str) -> None:
        with pytest.raises(InvalidInputError, match="a model's address must be models:/NAME@ALIAS"):
            resolve(address)

    def test_a_run_without_that_model(self, store: str) -> None:
        with mlflow.start_run() as run:
            pass
        with pytest.raises((InvalidInputError, RegistryError), match=r"MLmodel|downloading"):
            load_registered(f"runs:/{run.info.run_id}/model")

    @pytest.mark.parametrize("name", ["m.pkl", "missing.skops"])
    def test_files_that_are_not_logged(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "m.pkl").write_bytes(b"")
        with pytest.raises(InvalidInputError, match=rf"path must be a file .* got {name}"):
            log_model(tmp_path / name)


class TestPromotion:
    @pytest.fixture
    def name(self, store: str, file: Path, request: pytest.FixtureRequest) -> str:
        """A registered model of its own, whose first version is the champion."""
        name = str(request.node.name)
        log_model(file, register_as=name)
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", 1)
        return name

    @staticmethod
    def champion(name: str) -> str:
        found = mlflow.MlflowClient().get_model_version_by_alias(name, "champion")
        return str(found.version)

    def test_a_model_is_registered_once(self, name: str, file: Path) -> None:
        old = resolve(f"models:/{name}@champion")
        with mlflow.start_run() as run:
            log_model(file)
        new = resolve(f"runs:/{run.info.run_id}/model")
        assert promote(old, new) == "2" == self.champion(name)
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", 1)
        assert promote(old, new) == "2" == self.champion(name)
        assert len(mlflow.MlflowClient().search_model_versions(f"name='{name}'")) == 2

    def test_a_version_is_taken_as_it_is(self, name: str, file: Path) -> None:
        log_model(file, register_as=name)
        log_model(file, register_as=name)
        old = resolve(f"models:/{name}@champion")
        assert promote(old, resolve(f"models:/{name}/3")) == "3" == self.champion(name)

    def test_a_champion_that_changed_stays(self, name: str, file: Path) -> None:
        old = resolve(f"models:/{name}@champion")
        log_model(file, register_as=name)
        mlflow.MlflowClient().set_registered_model_alias(name, "champion", 2)
        with mlflow.start_run() as run:
            log_model(file)
        match = r"must still point to version 1, which was compared, got version 2"
        with pytest.raises(RegistryError, match=match):
            promote(old, resolve(f"runs:/{run.info.run_id}/model"))
        assert self.champion(name) == "2"
        assert len(mlflow.MlflowClient().search_model_versions(f"name='{name}'")) == 2

    def test_an_alias_that_is_gone_is_not_made_again(self, name: str, file: Path) -> None:
        old = resolve(f"models:/{name}@champion")
        log_model(file, register_as=name)
        mlflow.MlflowClient().delete_registered_model_alias(name, "champion")
        with pytest.raises(RegistryError, match=r"alias champion .* was not moved"):
            promote(old, resolve(f"models:/{name}/2"))
        assert mlflow.MlflowClient().get_registered_model(name).aliases == {}

    def test_what_cannot_be_promoted(self, name: str, file: Path) -> None:
        other = resolve(log_model(file, register_as=f"{name}-other"))
        old = resolve(f"models:/{name}@champion")
        with pytest.raises(InvalidInputError, match=f"--candidate must be a version of {name}"):
            check_promotable(old, other)
        with pytest.raises(InvalidInputError, match="--champion must name an alias"):
            check_promotable(resolve(f"models:/{name}/1"), other)

    def test_a_run_that_cannot_be_finished_is_marked(self, name: str, file: Path) -> None:
        new = resolve(f"models:/{name}@champion")
        with pytest.raises(RegistryError, match=r"comparison failed.*no alias was moved"):
            log_run(new, name="bad", metrics={"not a \n name": 1.0}, params={}, tags={}, files={})
        client = mlflow.MlflowClient()
        (run,) = client.search_runs([new.experiment_id], "attributes.run_name = 'bad'")
        assert run.info.status == "FAILED"


class TestSession:
    def test_settings_go_back(self, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
        monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
        with session("http://127.0.0.1:9"):
            assert mlflow.get_tracking_uri() == "http://127.0.0.1:9"
            assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
            assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"
            with pytest.raises(RegistryError, match=r"looking up models:/a/1 failed.*127\.0\.0\.1"):
                resolve("models:/a/1")
        assert mlflow.get_tracking_uri() == store
        assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ

    def test_no_store_is_made(self, tmp_path: Path) -> None:
        uri = f"sqlite:///{tmp_path / 'none.db'}"
        with pytest.raises(InvalidInputError, match="the tracking store must exist"), session(uri):
            pass
        assert list(tmp_path.iterdir()) == []
