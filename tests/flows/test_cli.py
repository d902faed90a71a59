"""The commands as a user runs them: files in, exit code, message and files out."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import compare, load_model
from holdfast.cli import main
from holdfast.tables import read_table, write_table


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


Cli = Callable[..., Run]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Run a command line in a fresh folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Run(int(stopped.value.code or 0), captured.out, captured.err)

    return run


def predictions(n: int = 4000, churn: float = 0.1, seed: int = 0) -> tuple[pd.DataFrame, ...]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    base = np.where(rng.random(n) < 0.2, (y + 1) % 3, y)
    new = np.where(rng.random(n) < churn, y, base)
    groups = rng.choice(["DE", "FR"], n)
    tables = [pd.DataFrame({"id": np.arange(n), "prediction": pred}) for pred in (base, new)]
    tables[0] = tables[0].assign(label=y, country=groups)
    return tables[0], tables[1].sample(frac=1, random_state=seed)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "base.parquet", tmp_path / "new.csv"
    for table, path in zip(predictions(), paths, strict=True):
        write_table(table, path)
    return paths


class TestCompare:
    def test_joins_by_id_and_equals_compare(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        base, new = predictions()
        joined = base.merge(new, on="id", suffixes=("_base", "_new"))
        expected = compare(
            joined["prediction_base"], joined["prediction_new"], joined["label"]
        ).to_dict()

        result = cli("compare", *pair, "--id", "id", "--json")

        assert result.code == 0
        assert result.json["verdict"] is None
        for key in set(expected) - {"transitions"}:
            assert result.json[key] == expected[key], key

    def test_rows_in_another_order(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        result = cli("compare", *pair)
        assert (result.code, result.out) == (2, "")
        assert (
            "differs; pass --id id to join by it, or --by-position if they are in the" in result.err
        )
        paired = cli("compare", *pair, "--by-position", "--json")
        assert paired.code == 0, paired.err
        assert paired.json["churn_rate"] > 0.5
        both = cli("compare", *pair, "--by-position", "--id", "id")
        assert both.code == 2
        assert "--by-position must only be given for two files without id" in both.err

    @pytest.mark.parametrize(
        ("flags", "code", "verdict"),
        [
            (["--max-churn", 0.05], 0, "PROMOTE"),
            (["--max-churn", 0.005], 1, "REJECT"),
            (["--max-churn", 0.02], 3, "HOLD"),
            (
                ["--max-churn", 0.05, "--max-negative-flips", 0.01, "--min-gain", -0.005],
                0,
                "PROMOTE",
            ),
            (["--min-gain", 0.2], 1, "REJECT"),
            (["--group", "country", "--per-group", 0.05], 0, "PROMOTE"),
            (["--max-churn", 0.026, "--confidence", 0.5], 0, "PROMOTE"),
        ],
    )
    def test_verdict_is_the_exit_code(
        self, cli: Cli, pair: tuple[Path, Path], flags: list[object], code: int, verdict: str
    ) -> None:
        result = cli("compare", *pair, "--id", "id", *flags, "--json")
        assert (result.code, result.json["verdict"]) == (code, verdict)
        assert result.json["reasons"]
        for_people = cli("compare", *pair, "--id", "id", *flags)
        assert for_people.code == code
        assert verdict in for_people.out

    def test_flags_go_before_the_policy_file(
        self, cli: Cli, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        policy = tmp_path / "policy.toml"
        policy.write_text("max_churn = 0.005\nconfidence = 0.9\n")
        rejected = cli("compare", *pair, "--id", "id", "--policy", policy, "--json")
        assert rejected.code == 1
        assert rejected.json["confidence"] == 0.9
        assert (
            cli("compare", *pair, "--id", "id", "--policy", policy, "--max-churn", 0.05).code == 0
        )

    def test_writes_the_report_and_shows_groups(
        self, cli: Cli, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        result = cli("compare", *pair, "--id", "id", "--group", "country", "--report", "r.html")
        assert result.code == 0
        assert "country=DE" in result.out
        assert "DE" in (tmp_path / "r.html").read_text(encoding="utf-8")

    def test_names_of_groups_are_shown_as_they_are(self, cli: Cli, tmp_path: Path) -> None:
        names = [":cat:", "[red]x[/red]", "C:\\", "[/]"]
        frame = pd.DataFrame({"id": range(4), "prediction": "a", "name": names})
        write_table(frame, tmp_path / "a.parquet")
        write_table(frame[["id", "prediction"]], tmp_path / "b.parquet")
        shown = cli("compare", "a.parquet", "b.parquet", "--id", "id", "--group", "name").out
        for name in names:
            assert f" name={name} " in shown

    def test_probabilities(self, cli: Cli, tmp_path: Path) -> None:
        rng = np.random.default_rng(1)
        proba = rng.dirichlet([1, 1], (2, 500))
        y = rng.choice(["no", "yes"], 500)
        for name, part in zip(("a.parquet", "b.parquet"), proba, strict=True):
            frame = pd.DataFrame({"proba_no": part[:, 0], "proba_yes": part[:, 1], "label": y})
            write_table(frame, tmp_path / name)
        expected = compare(proba[0], proba[1], y, classes=["no", "yes"])
        result = cli("compare", "a.parquet", "b.parquet", "--json", "--report", "r.html").json
        assert result["churn_divergence"] == pytest.approx(expected.churn_divergence, rel=1e-12)
        assert result["log_loss_new"] == pytest.approx(expected.log_loss_new, rel=1e-12)
        assert result["risk_base"] == pytest.approx(expected.risk_base, rel=1e-12)


class TestReport:
    """A report in JSON renders later, without the data, to the same page."""

    def test_renders_the_page_that_compare_would_have_written(
        self, cli: Cli, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        compared = ["compare", *pair, "--id", "id", "--group", "country", "--max-churn", 0.05]
        assert cli(*compared, "--report", "page.html").code == 0
        assert cli(*compared, "--report", "result.json").code == 0
        for path in pair:
            path.unlink()
        result = cli("report", "result.json", "--out", "again.html", "--json")
        page = (tmp_path / "page.html").read_bytes()
        assert result.json == {"out": "again.html", "bytes": len(page)}
        assert (tmp_path / "again.html").read_bytes() == page
        assert b"Choose a group to see its changed rows" in page
        assert cli("report", "result.json").out == "report: report.html\n"

    @pytest.mark.parametrize(
        ("content", "arguments", "message"),
        [
            ("{", [], "must be whole JSON"),
            ('{"a": 1}', [], "must be a report of holdfast"),
            (
                '{"format": "holdfast-report", "format_version": 9}',
                [],
                "must have format_version 1",
            ),
            (None, [], "got no file at result.json"),
            ('{"format": "holdfast-report"}', ["--out", "x.json"], "--out must end in .html, got"),
            ('{"format": "holdfast-report"}', ["--out", "none/x.html"], "existing folder"),
        ],
    )
    def test_bad_input(
        self, cli: Cli, tmp_path: Path, content: str | None, arguments: list[str], message: str
    ) -> None:
        if content is not None:
            (tmp_path / "result.json").write_text(content)
        there = set(tmp_path.iterdir())
        result = cli("report", "result.json", *arguments)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
        assert "Traceback" not in result.err
        assert set(tmp_path.iterdir()) == there


class TestCompareBadInput:
    """Each is one readable message, exit code 2, no traceback, and nothing is written."""

    def refused(self, result: Run, *words: str) -> None:
        assert result.code == 2
        assert result.out == ""
        assert result.err.startswith("holdfast: ")
        assert "Traceback" not in result.err
        for word in words:
            assert word in result.err

    def test_same_table_twice(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        self.refused(cli("compare", pair[0], pair[0]), "must be two models")

    def test_missing_file(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        self.refused(cli("compare", pair[0], "none.parquet"), "none.parquet")

    def test_truncated_parquet(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        pair[0].write_bytes(pair[0].read_bytes()[:-200])
        self.refused(cli("compare", *pair, "--id", "id"), "base.parquet")

    def test_missing_column(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        self.refused(cli("compare", *pair, "--id", "ident"), "ident")
        self.refused(cli("compare", *pair, "--id", "id", "--label", "truth"), "truth")
        self.refused(cli("compare", *pair, "--id", "id", "--group", "land"), "land")

    def test_duplicate_and_unmatched_ids(self, cli: Cli, tmp_path: Path) -> None:
        base, new = predictions(50)
        write_table(base, tmp_path / "base.parquet")
        write_table(pd.concat([new, new[:2]]), tmp_path / "twice.parquet")
        write_table(new[5:], tmp_path / "fewer.parquet")
        self.refused(cli("compare", "base.parquet", "twice.parquet", "--id", "id"), "2")
        self.refused(cli("compare", "base.parquet", "fewer.parquet", "--id", "id"), "5")
        self.refused(cli("compare", "base.parquet", "fewer.parquet"), "50", "45")

    def test_empty_table(self, cli: Cli, pair: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "empty.csv").write_text("id,prediction\n")
        self.refused(cli("compare", pair[0], "empty.csv", "--id", "id"), "empty.csv", "row")

    @pytest.mark.parametrize(
        ("values", "word"),
        [
            ({"proba_a": [0.5, 0.9], "proba_b": [0.5, 0.9]}, "sum to 1"),
            ({"proba_a": [3.0, -1.0], "proba_b": [-3.0, 1.0]}, "logits"),
            ({"proba_a": [0.5, np.nan], "proba_b": [0.5, np.nan]}, "missing"),
        ],
    )
    def test_bad_probabilities(
        self, cli: Cli, tmp_path: Path, values: dict[str, list[float]], word: str
    ) -> None:
        good = pd.DataFrame({"proba_a": [0.5, 0.1], "proba_b": [0.5, 0.9]})
        write_table(good, tmp_path / "a.parquet")
        write_table(pd.DataFrame(values), tmp_path / "b.parquet")
        self.refused(cli("compare", "a.parquet", "b.parquet"), word)

    def test_labels_of_another_type(self, cli: Cli, tmp_path: Path) -> None:
        write_table(pd.DataFrame({"prediction": [0, 1]}), tmp_path / "a.parquet")
        write_table(pd.DataFrame({"prediction": ["x", "y"]}), tmp_path / "b.parquet")
        self.refused(cli("compare", "a.parquet", "b.parquet"), "type")

    def test_budget_out_of_range_and_bad_policy(
        self, cli: Cli, pair: tuple[Path, Path], tmp_path: Path
    ) -> None:
        self.refused(cli("compare", *pair, "--max-churn", 1.7), "--max-churn must be in [0, 1]")
        self.refused(cli("compare", *pair, "--confidence", 1, "--max-churn", 0.1), "confidence")
        (tmp_path / "policy.toml").write_text("max_chrun = 0.1")
        self.refused(cli("compare", *pair, "--policy", "policy.toml"), "max_chrun")

    def test_report_that_cannot_be_written(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        self.refused(cli("compare", *pair, "--id", "id", "--report", "no/where.html"), "no")

    def test_no_output_over_an_input(self, cli: Cli, pair: tuple[Path, Path]) -> None:
        link = pair[0].with_name("link.html")
        link.symlink_to(pair[1])
        before = pair[1].read_bytes()
        self.refused(cli("compare", *pair, "--id", "id", "--report", link), "of its own")
        self.refused(cli("compare", *pair, "--id", "id", "--report", pair[1]), ".html")
        self.refused(cli("compare", *pair, "--id", "id", "--report", pair[1].parent), ".html")
        assert pair[1].read_bytes() == before

    def test_wrong_use(self, cli: Cli) -> None:
        assert cli("compare").code == 2
        assert cli("compare", "--max-chrun", 1).code == 2
        assert cli("unknown").code == 2


@pytest.fixture
def data(tmp_path: Path) -> pd.DataFrame:
    X, y = make_classification(1200, 6, n_informative=4, random_state=0)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(6)])
    frame["kind"] = np.where(X[:, 0] > 0, "warm", "cold")
    frame.loc[::50, "x3"] = np.nan
    frame["outcome"] = np.where(y, "yes", "no")
    frame["key"] = np.arange(len(frame))
    frame["old"] = frame.index < 400
    write_table(frame[:400].drop(columns="old"), tmp_path / "old.parquet")
    write_table(frame, tmp_path / "all.csv")
    return frame


class TestTrainAndPredict:
    first = ("train", "old.parquet", "--target", "outcome", "--drop", "key", "--out", "v1.skops")
    update = (
        *("train", "all.csv", "--target", "outcome", "--drop", "key", "--seen", "old"),
        *("--base", "v1.skops", "--out", "v2.skops", "--max-churn", 0.03),
    )

    def test_whole_job(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        assert cli(*self.first).code == 0
        result = cli(*self.update, "--report", "report.html", "--json")
        assert (result.code, result.json["verdict"]) == (3, "HOLD")
        expected = {"train": 960, "selection": 192, "certificate": 0, "test": 240}
        assert result.json["card"]["rows"] == expected
        assert "frontier" in (tmp_path / "report.html").read_text(encoding="utf-8").lower()
        for model, out in (("v1.skops", "base.parquet"), ("v2.skops", "new.csv")):
            assert (
                cli("predict", model, "all.csv", "--out", out, "--id", "key", "--keep", "kind").code
                == 0
            )
        base, new = read_table(tmp_path / "base.parquet"), read_table(tmp_path / "new.csv")
        assert list(base) == ["key", "kind", "label", "prediction", "proba_no", "proba_yes"]
        compared = cli("compare", "base.parquet", "new.csv", "--id", "key", "--json").json
        assert compared["churn_rate"] == pytest.approx(
            (base["prediction"] != new["prediction"]).mean()
        )
        assert 0 < compared["churn_rate"] < 0.06
        direct = load_model(tmp_path / "v2.skops").model.predict(data.drop(columns=["outcome"]))
        assert (direct == new["prediction"]).all()

    @pytest.mark.parametrize(
        ("budget", "verdict", "code"), [(0.5, "PROMOTE", 0), (0.03, "HOLD", 3), (0.0, "REJECT", 1)]
    )
    def test_the_exit_code_is_the_verdict(
        self,
        cli: Cli,
        data: pd.DataFrame,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        budget: float,
        verdict: str,
        code: int,
    ) -> None:
        from holdfast.comparison.policy import Policy

        if verdict == "REJECT":  # a model that changes many answers, as on other rows than these
            decide = Policy(max_churn=1e-3).decide
            monkeypatch.setattr(Policy, "decide", lambda self, comparison: decide(comparison))
            budget = 0.4
        cli(*self.first)
        arguments = (*self.update[:-1], budget, "--json")
        result = cli(*arguments)
        assert (result.code, result.json["verdict"]) == (code, verdict)
        assert (tmp_path / "v2.skops").exists()
        left = cli(*arguments, "--exit-zero")
        assert (left.code, left.json["verdict"]) == (0, verdict)

    def test_the_output_does_not_depend_on_the_run(self, cli: Cli, data: pd.DataFrame) -> None:
        cli(*self.first)
        assert cli(*self.update, "--json").out == cli(*self.update, "--json").out

    def test_override_and_people_text(self, cli: Cli, data: pd.DataFrame) -> None:
        cli(*self.first)
        result = cli(*self.update, "--mixture", "override")
        assert (result.code, "HOLD" in result.out) == (3, True)
        assert "overrides" in result.out
        assert cli("predict", "v2.skops", "all.csv", "--out", "p.parquet").code == 0

    def test_min_accuracy_and_no_test_rows(self, cli: Cli, data: pd.DataFrame) -> None:
        cli(*self.first)
        update = (*self.update[:-2], "--min-accuracy", "cold", "--test-fraction", 0, "--json")
        result = cli(*update)
        assert result.code == 0
        assert result.json["card"]["rows"]["test"] == 0

    def test_certificate(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        update = (*self.update[:-2], "--max-churn", 0.1, "--confidence", 0.9)
        result = cli(*update, "--report", "report.html", "--json")
        assert result.code == 0, result.err
        certificate = result.json["card"]["certificate"]
        assert certificate["confidence"] == 0.9
        assert certificate["limits"][0]["upper"] <= 0.1
        assert result.json["card"]["rows"]["certificate"] == certificate["n"] == 96
        assert load_model(tmp_path / "v2.skops").card["certificate"] == certificate
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert "certified at 90% by 96 rows used for nothing else" in page
        assert "churn floor" in page
        told = cli(*update)
        assert "churn at most 10.00%" in told.out

    def test_groups_and_negative_flips(self, cli: Cli, data: pd.DataFrame) -> None:
        cli(*self.first)
        update = (*self.update[:-2], "--max-churn", 0.2, "--group-churn", "kind=warm=0.1")
        result = cli(*update, "--max-negative-flips", 0.05, "--confidence", 0.9, "--json")
        assert result.code == 0, result.err
        card = result.json["card"]
        assert card["max_churn"] == {"overall": 0.2, "kind=warm": 0.1}
        names = [limit["name"] for limit in card["certificate"]["limits"]]
        assert names == ["churn", "kind=warm", "negative flips"]
        wrong = cli(*self.update, "--group-churn", "kind=warm")
        assert wrong.code == 2
        assert "COLUMN=VALUE=SHARE" in wrong.err

    def test_certificate_on_traffic(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        traffic = data.drop(columns=["outcome", "key", "old"])
        write_table(traffic, tmp_path / "traffic.parquet")
        update = (*self.update, "--confidence", 0.95, "--unlabeled", "traffic.parquet", "--json")
        refused = cli(*update)
        assert refused.code == 2
        assert "--unlabeled must hold rows that are not among the training rows" in refused.err
        write_table(traffic.assign(x0=traffic["x0"] + 1e-6), tmp_path / "traffic.parquet")
        certificate = cli(*update).json["card"]["certificate"]
        assert (certificate["n"], certificate["unlabeled"]) == (1200, True)
        write_table(data[["x0"]], tmp_path / "traffic.parquet")
        refused = cli(*update)
        assert refused.code == 2
        assert "must have the column" in refused.err

    def test_too_few_rows_to_certify(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        refused = cli(*self.update[:-1], 0.01, "--confidence", 0.95)
        assert refused.code == 2
        assert "that takes about 299 rows" in refused.err
        assert not (tmp_path / "v2.skops").exists()

    def test_trees_need_no_trust(self, cli: Cli, data: pd.DataFrame) -> None:
        assert cli(*self.first, "--learner", "trees").code == 0
        assert cli("predict", "v1.skops", "all.csv", "--out", "p.parquet").code == 0

    def test_pickle_only_when_trusted(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        model = LogisticRegression().fit(data[["x0", "x1"]], data["outcome"])
        (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
        refused = cli("predict", "model.pkl", "all.csv", "--out", "p.csv")
        assert refused.code == 2
        assert "model.pkl" in refused.err
        assert not (tmp_path / "p.csv").exists()
        flags = refused.err[refused.err.index("--trust-file") :].split(")")[0].split()
        assert cli("predict", "model.pkl", "all.csv", "--out", "p.csv", *flags).code == 0

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("train", "old.parquet", "--target", "nope", "--out", "m.skops"), "nope"),
            (("train", "old.parquet", "--target", "outcome", "--out", "m.pkl"), ".skops"),
            (
                (
                    "train",
                    "old.parquet",
                    "--target",
                    "outcome",
                    "--out",
                    "m.skops",
                    "--max-churn",
                    0.1,
                ),
                "--base",
            ),
            ((*first[:-1], "no/m.skops"), "folder"),
            ((*first, "--drop", "nope"), "nope"),
            ((*first, "--learner", "linaer"), "linear"),
            ((*first, "--base", "old.parquet"), "old.parquet"),
            ((*first, "--base", "v0.skops"), "v0.skops"),
            (("train", "one.csv", "--target", "outcome", "--out", "m.skops"), "class"),
            (("predict", "old.parquet", "all.csv", "--out", "p.csv"), "old.parquet"),
        ],
    )
    def test_bad_input(
        self, cli: Cli, data: pd.DataFrame, tmp_path: Path, arguments: tuple[object, ...], word: str
    ) -> None:
        write_table(data[data["outcome"] == "yes"], tmp_path / "one.csv")
        before = set(tmp_path.iterdir())
        result = cli(*arguments)
        assert result.code == 2
        assert result.err.startswith("holdfast: ")
        assert word in result.err
        assert set(tmp_path.iterdir()) == before

    def test_no_output_over_an_input(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        for arguments in (
            ("predict", "v1.skops", "old.parquet", "--out", "old.parquet"),
            ("predict", "v1.skops", "old.parquet", "--out", "../" + tmp_path.name + "/v1.skops"),
            (*self.update, "--out", "v1.skops"),
            (*self.update, "--report", "v2.skops"),
        ):
            result = cli(*arguments)
            assert result.code == 2, arguments
            assert "of its own" in result.err or ".html" in result.err
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_unsuitable_values(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        write_table(data.assign(x2="text"), tmp_path / "text.parquet")
        write_table(data.assign(x2=np.inf), tmp_path / "inf.parquet")
        reasons = {
            "text.parquet": "column 'x2' must hold numbers, as in the training of the model, got ",
            "inf.parquet": "the data must suit the model",
        }
        for name, reason in reasons.items():
            result = cli("predict", "v1.skops", name, "--out", "p.parquet")
            assert (result.code, result.out) == (2, "")
            assert result.err.startswith(f"holdfast: {reason}")
        for flags in (("--seed", -1), ("--seed", 2**40), ("--jobs", 0), ("--test-fraction", 1)):
            result = cli(*self.update, *flags)
            assert result.code == 2
            assert flags[0] in result.err
        assert not (tmp_path / "v2.skops").exists()

    def test_budget_out_of_range_and_same_model(self, cli: Cli, data: pd.DataFrame) -> None:
        cli(*self.first)
        for budget in (-0.1, 1.5):
            result = cli(*self.update[:-1], budget)
            assert result.code == 2
            assert "--max-churn must be in [0, 1]" in result.err
        missing = cli(
            "train", "few.csv", "--target", "outcome", "--base", "v1.skops", "--out", "v2.skops"
        )
        assert missing.code == 2

    def test_base_with_other_columns(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        write_table(data.drop(columns=["x0", "old"]), tmp_path / "few.csv")
        result = cli(
            *("train", "few.csv", "--target", "outcome", "--drop", "key"),
            *("--base", "v1.skops", "--out", "v2.skops"),
        )
        assert result.code == 2
        assert "'x0'" in result.err
        assert not (tmp_path / "v2.skops").exists()

    def test_labels_of_another_type(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        cli(*self.first)
        data["outcome"] = (data["outcome"] == "yes").astype(int)
        write_table(data, tmp_path / "numbers.parquet")
        result = cli(
            *("train", "numbers.parquet", "--target", "outcome", "--drop", "key"),
            *("--base", "v1.skops", "--out", "v2.skops"),
        )
        assert result.code == 2
        assert "type" in result.err


class TestDemo:
    def test_offline_with_report(self, cli: Cli, tmp_path: Path) -> None:
        result = cli("demo", "--data", "wine")
        assert result.code == 0
        assert "cold start" in result.out
        assert (tmp_path / "report.html").stat().st_size < 6e6

    def test_json_is_deterministic(self, cli: Cli) -> None:
        arguments = ("demo", "--data", "iris", "--budget", 0.1, "--mixture", "single", "--json")
        first, second = cli(*arguments), cli(*arguments)
        assert first.out == second.out
        names = [line["name"] for line in first.json["results"]]
        assert names == ["cold start", "single"]

    def test_unknown_data(self, cli: Cli) -> None:
        result = cli("demo", "--data", "digit")
        assert result.code == 2
        assert "'digits'" in result.err

    def test_own_file(self, cli: Cli, data: pd.DataFrame, tmp_path: Path) -> None:
        result = cli(
            "demo", "--data", "all.csv", "--target", "outcome", "--learner", "linear",
            "--budget", 0.05, "--mixture", "override", "--report", "mine.html",
        )  # fmt: skip
        assert result.code == 0
        assert (tmp_path / "mine.html").exists()


def test_module_starts_as_a_process(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("holdfast")
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("demo", "compare", "train", "predict"))
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("holdfast ")
    broken = subprocess.run(
        [program, "compare", "a.csv", "b.csv"], capture_output=True, text=True, cwd=tmp_path
    )
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr


@pytest.mark.parametrize("spelling", ["source_bash", "bash_source"])
def test_shells_get_completions(spelling: str) -> None:
    program = Path(sys.executable).with_name("holdfast")
    environment = os.environ | {"_HOLDFAST_COMPLETE": spelling}
    script = subprocess.run([program], capture_output=True, text=True, env=environment)
    assert (script.returncode, script.stderr) == (0, "")
    assert "_holdfast_completion()" in script.stdout
    environment |= {"COMP_WORDS": "holdfast pl", "COMP_CWORD": "1"}
    environment["_HOLDFAST_COMPLETE"] = spelling.replace("source", "complete")
    words = subprocess.run([program], capture_output=True, text=True, env=environment)
    assert words.stdout.split() == ["plan"]


@pytest.mark.parametrize(
    "command", [(), ("plan",), ("train",), ("gate",), ("bench",), ("bench", "run")]
)
def test_help_has_a_short_name(cli: Cli, command: tuple[str, ...]) -> None:
    assert cli(*command, "-h") == cli(*command, "--help")
    assert cli(*command, "-h").code == 0


class TestWords:
    """Messages name options, not the parameters of Python."""

    @pytest.mark.parametrize(
        ("arguments", "beginning"),
        [
            (("plan", "--max-churn", 1.5), "--max-churn must be in (0, 1), got 1.5; give a share"),
            (
                ("plan", "--max-churn", 0.1, "--power", 2),
                "--power must be in (0, 1), got 2.0; give",
            ),
            (("floor", "iris", "--models", 1), "--models must be at least 2"),
            (("floor", "iris", "--vary", "moon"), "--vary must be one of"),
            (("demo", "--data", "iris", "--mixture", "avarage"), "--mixture must be one of"),
            (("demo", "--data", "iris", "--budget", 7), "--budget must be in [0, 1], got 7.0"),
            (("compare", "a.csv", "b.csv", "--confidence", 3, "--max-churn", 0.1), "--confidence "),
            (("compare", "a.csv", "b.csv", "--max-negative-flips", 3), "--max-negative-flips must"),
            (("compare", "a.csv", "b.csv", "--min-gain", -3), "--min-gain must be in [-1, 1]"),
        ],
    )
    def test_options(self, cli: Cli, arguments: tuple[object, ...], beginning: str) -> None:
        result = cli(*arguments)
        assert result.code == 2
        assert result.err.startswith(f"holdfast: {beginning}")

    def test_a_power_is_no_share_of_rows(self, cli: Cli) -> None:
        assert "rows" not in cli("plan", "--max-churn", 0.1, "--power", 2).err

    @pytest.mark.parametrize("text", ["1%", "1.0 %"])
    def test_percent(self, cli: Cli, text: str) -> None:
        result = cli("plan", "--max-churn", text)
        assert result.code == 2
        assert "write 0.01 for 1" in result.err


class TestPlanAndFloor:
    def test_plan(self, cli: Cli, tmp_path: Path) -> None:
        result = cli("plan", "--max-churn", 0.02, "--max-churn", 0.1, "--plot", "plan.html")
        assert result.code == 0
        assert "149" in result.out
        page = (tmp_path / "plan.html").read_text(encoding="utf-8")
        assert "budget 2.00%" in page
        assert 'src="http' not in page
        rows = cli("plan", "--max-churn", 0.02, "--json").json["rows"]
        assert [row["n"] for row in rows] == sorted(row["n"] for row in rows)
        assert cli("plan", "--max-churn", 2).code == 2

    def test_floor(self, cli: Cli, data: pd.DataFrame) -> None:
        arguments = ("floor", "all.csv", "--target", "outcome", "--drop", "key", "--models", 3)
        result = cli(*arguments, "--json")
        assert result.code == 0
        assert 0 < result.json["lowest"] <= result.json["churn_floor"] <= result.json["highest"]
        assert "churn floor" in cli(*arguments).out
        assert cli(*arguments[:-1], 1).code == 2
        assert cli(*arguments, "--vary", "weather").code == 2
