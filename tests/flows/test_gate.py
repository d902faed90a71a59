"""`holdfast gate` as a pipeline runs it: a real MLflow server, exit codes, what is logged."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from tests.helpers.registry_server import Server

from holdfast import compare, save_model
from holdfast.cli import main
from holdfast.exceptions import InvalidInputError
from holdfast.gate import promotion
from holdfast.gate.predict import figures, predict_both
from holdfast.models.columns import KEY, columns_of
from holdfast.models.mlflow.models import log_model
from holdfast.tables import write_table

mlflow = pytest.importorskip("mlflow")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

FEATURES = ["a", "b", "c"]


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


Cli = Callable[..., Run]


def rows(n: int = 3000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(n, 3)), columns=FEATURES)
    truth = table["a"] + 0.3 * table["b"] + 0.3 * rng.normal(size=n) > 0
    country, weight = rng.choice(["DE", "FR"], n), rng.integers(1, 4, n)
    return table.assign(label=np.where(truth, "bad", "good"), country=country, weight=weight)


TRAIN, TEST = rows(1000, seed=1), rows(2000, seed=2)
MODELS = {
    "old": LogisticRegression().fit(TRAIN[FEATURES][:300], TRAIN["label"][:300]),
    "better": LogisticRegression().fit(TRAIN[FEATURES], TRAIN["label"]),
    "worse": LogisticRegression().fit(TRAIN[["c"]], TRAIN["label"]),
}


class Canary:
    """Makes a folder where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of its own without a server."""
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("trials", artifact_location=(folder / "files").as_uri())
    mlflow.set_tracking_uri(None)
    return uri


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Run a command line in a folder with rows and policies, in this process."""
    monkeypatch.chdir(tmp_path)
    write_table(TEST, "rows.parquet")
    Path("policy.toml").write_text("max_churn = 0.05\nmin_gain = -0.02\n")
    Path("tight.toml").write_text("max_churn = 0.001\n")
    Path("groups.toml").write_text("per_group = 0.1\n")

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Run(int(stopped.value.code or 0), captured.out, captured.err)

    return run


@dataclass(frozen=True)
class Registered:
    """A registered model whose version 1 is the champion, and candidates in runs of their own."""

    name: str
    uri: str
    runs: dict[str, str]

    @property
    def client(self) -> Any:
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @property
    def champion(self) -> str:
        return str(self.client.get_model_version_by_alias(self.name, "champion").version)

    @property
    def n_versions(self) -> int:
        return len(self.client.search_model_versions(f"name='{self.name}'"))

    def gate_runs(self) -> list[Any]:
        (experiment,) = {self.client.get_run(run).info.experiment_id for run in self.runs.values()}
        found = self.client.search_runs([experiment])
        return [run for run in found if run.info.run_name.startswith(f"gate of {self.name} ")]

    def arguments(self, candidate: str, *more: object) -> list[object]:
        return [
            *("gate", "--champion", f"models:/{self.name}@champion", "--candidate"),
            *(candidate, "--data", "rows.parquet", "--tracking-uri", self.uri),
            *(more if "--policy" in more else ("--policy", "policy.toml", *more)),
        ]


def registered(uri: str, name: str, folder: Path) -> Registered:
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("trials")
    runs = {}
    for kind, model in MODELS.items():
        features = list(model.feature_names_in_)
        card = {"features": features, "target": "label", KEY: columns_of(TRAIN[features])}
        save_model(model, folder / f"{kind}.skops", card=card)
        with mlflow.start_run() as run:
            register_as = name if kind == "old" else None
            log_model(folder / f"{kind}.skops", register_as=register_as)
        runs[kind] = run.info.run_id
    made = Registered(name, uri, runs)
    made.client.set_registered_model_alias(name, "champion", "1")
    mlflow.set_tracking_uri(None)
    return made


@pytest.fixture
def models(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Registered:
    server.start()
    return registered(server.uri, request.node.name.partition("[")[0], tmp_path)


class TestVerdicts:
    def test_promote_registers_and_moves(self, cli: Cli, models: Registered) -> None:
        candidate = f"runs:/{models.runs['better']}/model"
        dry = cli(*models.arguments(candidate))
        assert (dry.code, models.champion, models.n_versions) == (0, "1", 1), dry.err
        result = cli(*models.arguments(candidate, "--promote"))
        assert (result.code, models.champion, models.n_versions) == (0, "2", 2), result.err
        assert "PROMOTE" in result.out
        assert result.out.endswith(f"{models.name}@champion: version 1 -> 2\n")
        again = cli(*models.arguments(candidate, "--promote"))
        assert again.code == 2
        assert "must be two models" in again.err

    def test_what_is_logged(self, cli: Cli, models: Registered, tmp_path: Path) -> None:
        candidate = f"runs:/{models.runs['better']}/model"
        result = cli(*models.arguments(candidate, "--promote", "--json", "--group", "country"))
        printed = json.loads(result.out)  # one object, and nothing of MLflow's beside it
        base, new = (MODELS[kind].predict(TEST[FEATURES]) for kind in ("old", "better"))
        expected = compare(base, new, TEST["label"].to_numpy())
        (run,) = models.gate_runs()
        assert printed["run_id"] == run.info.run_id
        assert (run.info.status, printed["promoted_version"]) == ("FINISHED", "2")
        assert run.data.tags["holdfast.verdict"] == printed["verdict"] == "PROMOTE"
        assert run.data.tags["holdfast.promoted_version"] == "2"
        assert run.data.params["champion_version"] == "1"
        assert run.data.params["max_churn"] == "0.05"
        for name in ("churn_rate", "negative_flip_rate", "accuracy_gain", "n"):
            assert run.data.metrics[name] == pytest.approx(getattr(expected, name))
            assert printed[name] == pytest.approx(getattr(expected, name))
        low, high = expected.churn_rate_interval
        assert run.data.metrics["churn_rate_low"] == pytest.approx(low)
        assert run.data.metrics["churn_rate_high"] == pytest.approx(high)
        assert run.data.metrics["log_loss_new"] > 0  # both models give probabilities
        files = {file.path for file in models.client.list_artifacts(run.info.run_id)}
        assert files == {"report.html", "comparison.json", "policy.toml"}
        folder = models.client.download_artifacts(run.info.run_id, "", str(tmp_path))
        assert (Path(folder) / "policy.toml").read_text() == Path("policy.toml").read_text()
        kept = json.loads((Path(folder) / "comparison.json").read_text())
        assert [group["value"] for group in kept["groups"]] == ["DE", "FR"]
        assert "PROMOTE" in (Path(folder) / "report.html").read_text()

    def test_reject_stays(self, cli: Cli, models: Registered) -> None:
        candidate = f"runs:/{models.runs['worse']}/model"
        result = cli(*models.arguments(candidate, "--promote", "--junit", "checks.xml"))
        assert (result.code, models.champion, models.n_versions) == (1, "1", 1), result.err
        assert "REJECT" in result.out
        assert result.out.endswith("stays at version 1\n")
        assert models.gate_runs()[0].data.tags["holdfast.verdict"] == "REJECT"
        assert len(ElementTree.parse("checks.xml").findall(".//failure")) == 2

    def test_hold_stays(self, cli: Cli, models: Registered) -> None:
        candidate = f"runs:/{models.runs['better']}/model"
        write_table(TEST[:60], "rows.parquet")
        result = cli(*models.arguments(candidate, "--promote", "--policy", "policy.toml"))
        assert (result.code, models.champion, models.n_versions) == (3, "1", 1), result.err
        assert "HOLD" in result.out
        assert models.gate_runs()[0].data.tags["holdfast.verdict"] == "HOLD"

    def test_a_version_of_the_same_model(self, cli: Cli, models: Registered) -> None:
        mlflow.set_tracking_uri(models.uri)
        mlflow.register_model(f"runs:/{models.runs['better']}/model", models.name)
        result = cli(*models.arguments(f"models:/{models.name}/2", "--promote"))
        assert (result.code, models.champion, models.n_versions) == (0, "2", 2), result.err

    def test_groups_and_an_experiment_of_its_own(self, cli: Cli, models: Registered) -> None:
        candidate = f"runs:/{models.runs['better']}/model"
        more = ("--group", "country", "--policy", "groups.toml", "--experiment", models.name)
        result = cli(*models.arguments(candidate, *more, "--report", "mine.html"))
        assert result.code == 0, result.err
        assert "country=DE" in result.out
        assert "country=FR" in Path("mine.html").read_text()
        experiment = models.client.get_experiment_by_name(models.name)
        assert len(models.client.search_runs([experiment.experiment_id])) == 1

    def test_weights_and_ids(self, cli: Cli, models: Registered) -> None:
        write_table(TEST.assign(key=[f"row-{i}" for i in TEST.index]), "rows.parquet")
        candidate = f"runs:/{models.runs['better']}/model"
        more = ("--weight", "weight", "--id", "key", "--json", "--report", "mine.html")
        result = cli(*models.arguments(candidate, *more))
        base, new = (MODELS[kind].predict(TEST[FEATURES]) for kind in ("old", "better"))
        expected = compare(
            base, new, TEST["label"].to_numpy(), sample_weight=TEST["weight"].to_numpy()
        )
        assert json.loads(result.out)["churn_rate"] == pytest.approx(expected.churn_rate)
        gaps = np.abs(
            np.subtract(*(MODELS[kind].predict_proba(TEST[FEATURES]) for kind in ("old", "better")))
        )
        assert f"row-{gaps.max(axis=1).argmax()}" in Path("mine.html").read_text()


class TestBadInput:
    """Nothing is logged and nothing moves: the message says why."""

    @pytest.fixture
    def held(self, store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Registered:
        return registered(store, request.node.name.partition("[")[0], tmp_path)

    @staticmethod
    def refused(cli: Cli, held: Registered, *arguments: object) -> str:
        result = cli(*arguments)
        assert (result.code, result.out) == (2, ""), result
        assert (held.champion, held.n_versions) == ("1", 1)
        assert held.gate_runs() == []
        assert "Traceback" not in result.err
        return result.err

    def test_without_a_server(self, cli: Cli, held: Registered) -> None:
        candidate = f"runs:/{held.runs['better']}/model"
        result = cli(*held.arguments(candidate, "--promote"))
        assert (result.code, held.champion, held.n_versions) == (0, "2", 2), result.err
        assert len(held.gate_runs()) == 1

    def test_the_environment_names_the_store(
        self, cli: Cli, held: Registered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", held.uri)
        arguments = held.arguments(f"runs:/{held.runs['better']}/model")
        at = arguments.index("--tracking-uri")
        result = cli(*arguments[:at], *arguments[at + 2 :])
        assert result.code == 0, result.err
        assert len(held.gate_runs()) == 1

    def test_columns_of_other_types(self, cli: Cli, held: Registered) -> None:
        rows = TEST.astype({"b": str})
        write_table(rows, "rows.parquet")
        arguments = held.arguments(f"runs:/{held.runs['better']}/model")
        result = cli(*arguments, "--json")  # numbers written as text lose nothing
        assert result.code == 0, result.err
        assert json.loads(result.out)["unseen"] == {"champion": {}, "candidate": {}}
        write_table(rows.assign(b=["none", *rows["b"][1:]]), "rows.parquet")
        result = cli(*arguments)
        assert (result.code, result.out) == (2, "")
        assert "column 'b' must hold numbers, as in the training of the champion" in result.err
        assert "got text in 1 of 2,000 rows (e.g. 'none')" in result.err

    def test_no_such_alias(self, cli: Cli, held: Registered) -> None:
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--promote")
        arguments[2] = f"models:/{held.name}@nobody"
        assert f"models:/{held.name}@nobody must name a model in" in self.refused(
            cli, held, *arguments
        )

    def test_no_such_run(self, cli: Cli, held: Registered) -> None:
        error = self.refused(cli, held, *held.arguments(f"runs:/{'0' * 32}/model", "--promote"))
        assert "must name a model" in error

    def test_no_such_store(self, cli: Cli, held: Registered, tmp_path: Path) -> None:
        arguments = held.arguments(f"runs:/{held.runs['better']}/model")
        arguments[arguments.index(held.uri)] = "sqlite:///none.db"
        assert "the tracking store must exist" in self.refused(cli, held, *arguments)
        assert not (tmp_path / "none.db").exists()

    def test_no_alias_to_move(self, cli: Cli, held: Registered) -> None:
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--promote")
        arguments[2] = f"models:/{held.name}/1"
        assert "--champion must name an alias" in self.refused(cli, held, *arguments)

    def test_rows_without_a_feature(self, cli: Cli, held: Registered) -> None:
        write_table(TEST.drop(columns="b"), "rows.parquet")
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--promote")
        assert "got a table without 'b'" in self.refused(cli, held, *arguments)

    def test_rows_without_labels(self, cli: Cli, held: Registered) -> None:
        write_table(TEST.drop(columns="label"), "rows.parquet")
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--promote")
        error = self.refused(cli, held, *arguments)
        assert (
            "min_gain need labels, got data without labels; name their column with --target"
            in error
        )
        named = self.refused(cli, held, *arguments, "--target", "label")
        assert "the data must have the column 'label'" in named

    def test_groups_that_are_not_named(self, cli: Cli, held: Registered) -> None:
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--policy", "groups.toml")
        assert "per_group needs groups, got no --group" in self.refused(cli, held, *arguments)

    def test_labels_that_are_missing(self, cli: Cli, held: Registered) -> None:
        write_table(TEST.assign(label=TEST["label"].where(TEST.index > 3)), "rows.parquet")
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--promote")
        assert "labels must" in self.refused(cli, held, *arguments)

    def test_labels_of_another_type(self, cli: Cli, held: Registered) -> None:
        write_table(TEST.assign(label=(TEST["label"] == "bad").astype(int)), "rows.parquet")
        arguments = held.arguments(f"runs:/{held.runs['better']}/model", "--promote")
        assert "must have labels of one type" in self.refused(cli, held, *arguments)

    def test_only_churn_needs_no_labels(self, cli: Cli, held: Registered) -> None:
        write_table(TEST.drop(columns="label"), "rows.parquet")
        candidate = f"runs:/{held.runs['better']}/model"
        result = cli(*held.arguments(candidate, "--policy", "tight.toml"))
        assert result.code in (1, 3), result.err
        assert "accuracy" not in result.out

    def test_a_pickle(self, cli: Cli, held: Registered) -> None:
        mlflow.set_tracking_uri(held.uri)
        with mlflow.start_run() as run:
            mlflow.sklearn.log_model(
                MODELS["better"],
                name="model",
                serialization_format="cloudpickle",
                pip_requirements=[],
            )
        arguments = held.arguments(f"runs:/{run.info.run_id}/model", "--promote")
        error = self.refused(cli, held, *arguments)
        place = f"runs:/{run.info.run_id}/model/model.pkl"
        assert f"{place} must be trusted by its content, since it is a pickle" in error
        flags = error[error.index("--trust-file model.pkl=") :].split(")")[0].split()
        result = cli(*arguments, *flags)
        assert (result.code, held.champion) == (0, "2"), result.err

    @staticmethod
    def logged(held: Registered, files: dict[str, bytes]) -> str:
        """Log a folder of a stranger whose model is the first file, and return its address."""
        mlflow.set_tracking_uri(held.uri)
        folder = Path("strange")
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        settings = {"pickled_model": next(iter(files)), "serialization_format": "pickle"}
        (folder / "MLmodel").write_text(json.dumps({"flavors": {"sklearn": settings}}))
        with mlflow.start_run() as run:
            mlflow.log_artifacts(str(folder), "model")
        return f"runs:/{run.info.run_id}/model"

    def test_names_of_types_and_descriptions_let_no_file_run(
        self, cli: Cli, held: Registered, tmp_path: Path
    ) -> None:
        """Both ways that ran a pickle with nothing but the type of trees trusted."""
        mark, tree = tmp_path / "code-ran", "sklearn.tree._tree.Tree"
        for number, names in enumerate([[tree], ["conda.yaml", tree]]):
            content = pickle.dumps(Canary(mark))
            candidate = self.logged(held, dict.fromkeys(names, content))
            Path("strange").rename(f"strange{number}")
            arguments = held.arguments(candidate, "--promote")
            error = self.refused(cli, held, *arguments, "--trust-type", tree)
            assert f"{candidate}/{names[0]} must be trusted by its content" in error
            assert not mark.exists()
        former = self.refused(cli, held, *arguments, "--trusted", tree)
        assert "--trust-type TYPE, --trust-file PATH=SHA256" in former
        flags = error[error.index("--trust-file") :].split(")")[0].split()
        assert "must be a fitted model" in self.refused(cli, held, *arguments, *flags)
        assert mark.exists()

    def test_a_trusted_file_of_each_model(self, cli: Cli, held: Registered, tmp_path: Path) -> None:
        """Both have a model.pkl, each with a hash of its own."""
        contents = [pickle.dumps(MODELS[name]) for name in ("old", "better")]
        addresses = []
        for number, content in enumerate(contents):
            addresses.append(self.logged(held, {"model.pkl": content}))
            Path("strange").rename(f"strange{number}")
        hashes = [hashlib.sha256(content).hexdigest() for content in contents]
        flags = [word for sha in hashes for word in ("--trust-file", f"model.pkl={sha}")]
        arguments = held.arguments(addresses[1], "--champion", addresses[0])
        assert f"{addresses[1]}/model.pkl" in self.refused(cli, held, *arguments, *flags[:2])
        assert cli(*arguments, *flags).code == 0

    def test_another_library(self, cli: Cli, held: Registered) -> None:
        """A booster knows neither the names of its classes nor a card."""
        lightgbm = pytest.importorskip("lightgbm")
        codes = (TRAIN["label"] == "good").astype(int)
        booster = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(TRAIN[FEATURES], codes)
        mlflow.set_tracking_uri(held.uri)
        with mlflow.start_run() as run:
            mlflow.lightgbm.log_model(booster.booster_, name="model", pip_requirements=[])
        arguments = held.arguments(f"runs:/{run.info.run_id}/model", "--json")
        result = cli(*arguments)
        assert result.code in (0, 1, 3), result.err
        names = np.array(["bad", "good"])
        expected = compare(
            MODELS["old"].predict(TEST[FEATURES]),
            names[booster.predict(TEST[FEATURES])],
            TEST["label"].to_numpy(),
        )
        assert json.loads(result.out)["churn_rate"] == pytest.approx(expected.churn_rate)
        assert json.loads(result.out)["accuracy_new"] == pytest.approx(expected.accuracy_new)


class TestInBetween:
    """What happens between the comparison and the promotion, for real."""

    @pytest.fixture
    def after_logging(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
        log_run = promotion.log_run

        def then(act: Callable[[], Any]) -> None:
            def logged(*given: Any, **options: Any) -> Any:
                run = log_run(*given, **options)
                act()
                return run

            monkeypatch.setattr(promotion, "log_run", logged)

        return then

    def test_the_champion_changes(
        self, cli: Cli, models: Registered, after_logging: Callable[..., None]
    ) -> None:
        mlflow.set_tracking_uri(models.uri)
        mlflow.register_model(f"runs:/{models.runs['worse']}/model", models.name)
        other = models.client  # another client, of the same server
        after_logging(lambda: other.set_registered_model_alias(models.name, "champion", "2"))
        candidate = f"runs:/{models.runs['better']}/model"
        result = cli(*models.arguments(candidate, "--promote"))
        assert result.code == 2
        assert "PROMOTE" in result.out
        assert "must still point to version 1, which was compared, got version 2" in result.err
        assert (models.champion, models.n_versions) == ("2", 2)
        (run,) = models.gate_runs()
        assert "holdfast.promoted_version" not in run.data.tags

    def test_the_server_dies_before_the_promotion(
        self, cli: Cli, server: Server, models: Registered, after_logging: Callable[..., None]
    ) -> None:
        after_logging(server.kill)
        candidate = f"runs:/{models.runs['better']}/model"
        result = cli(*models.arguments(candidate, "--promote"))
        assert result.code == 2
        assert "logged as run" in result.out
        assert "promoting the candidate failed" in result.err
        assert f"alias champion of {models.name} was not moved" in result.err
        server.start()
        assert (models.champion, models.n_versions) == ("1", 1)
        assert len(models.gate_runs()) == 1

    def test_the_server_dies_before_the_logging(
        self, cli: Cli, server: Server, models: Registered, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log_run = promotion.log_run

        def dead(*given: Any, **options: Any) -> Any:
            server.kill()
            return log_run(*given, **options)

        monkeypatch.setattr(promotion, "log_run", dead)
        candidate = f"runs:/{models.runs['better']}/model"
        result = cli(*models.arguments(candidate, "--promote", "--report", "mine.html"))
        assert result.code == 2
        assert "PROMOTE" in result.out
        assert "logging the comparison failed" in result.err
        assert result.err.endswith("its run may be incomplete; no alias was moved\n")
        assert Path("mine.html").exists()
        offline = Registered(models.name, server.store, models.runs)  # what the next start reads
        assert (offline.champion, offline.n_versions, offline.gate_runs()) == ("1", 1, [])


class TestPredictBoth:
    def test_what_is_served_counts_beside_probabilities(self) -> None:
        class Wary(LogisticRegression):
            """Says good only when sure."""

            def predict(self, X: Any) -> Any:
                return np.where(self.predict_proba(X)[:, 1] > 0.9, "good", "bad")

        X, y = TRAIN[FEATURES].to_numpy(), TRAIN["label"].to_numpy()
        base = LogisticRegression().fit(X[:300], y[:300])
        wary = Wary().fit(X, y)
        pair = predict_both(base, wary, X, X, y)
        assert (pair.base == base.predict_proba(X)).all()
        assert (pair.base_pred == base.predict(X)).all()
        assert (pair.new_pred == wary.predict(X)).all()
        assert (pair.answers[1] == wary.predict(X)).all()

    def test_a_champion_with_a_threshold_is_compared_by_its_answers(self) -> None:
        X, y = TRAIN[FEATURES], TRAIN["label"]
        inner = LogisticRegression().fit(X, y)
        champion = FixedThresholdClassifier(
            FrozenEstimator(inner), threshold=0.1, pos_label="good", response_method="predict_proba"
        ).fit(X, y)
        answers = champion.predict(X)
        assert (answers != inner.predict(X)).any()
        pair = predict_both(champion, inner, X, X, y)
        assert (pair.base_pred == answers).all()
        given = {"base_pred": pair.base_pred, "new_pred": pair.new_pred}
        found = compare(pair.base, pair.new, pair.y, classes=pair.classes, **given)
        assert found.churn_rate == (answers != inner.predict(X)).mean()
        assert found.accuracy_base == (answers == y).mean()

    def test_a_class_that_one_model_lacks(self) -> None:
        X = TRAIN[FEATURES].to_numpy()
        three = np.digitize(X[:, 0], [-1, 1])
        base = LogisticRegression().fit(X[three < 2], three[three < 2])
        new = LogisticRegression().fit(X, three)
        pair = predict_both(base, new, X, X, three)
        assert pair.classes is not None
        assert pair.classes.tolist() == [0, 1, 2]
        assert (pair.base[:, 2] == 0).all()
        assert (pair.base.argmax(axis=1) == base.predict(X)).all()

    def test_answers_that_are_no_classes(self) -> None:
        class Scores:
            def predict(self, X: Any) -> Any:
                return np.zeros((len(X), 3))

        X = TRAIN[FEATURES].to_numpy()
        with pytest.raises(InvalidInputError, match="the candidate's predictions must"):
            predict_both(MODELS["old"], Scores(), TRAIN[FEATURES], X)


def test_figures_are_finite_floats_by_the_words_of_the_comparison() -> None:
    comparison = compare([0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 0])
    found = figures(comparison)
    assert found["n"] == 4
    assert found["accuracy_gain"] == comparison.accuracy_gain
    assert not {"classes", "transitions", "groups", "log_loss_new"} & set(found)
    assert all(type(value) is float and np.isfinite(value) for value in found.values())
