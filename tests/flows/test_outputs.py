"""No command writes over what it reads, whichever way the file is named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from typer.main import get_command

from holdfast import save_model
from holdfast.cli import app, main
from holdfast.tables import read_table, write_table

GATE = ["gate", "--champion", "a", "--candidate", "b", "--policy", "p.toml", "--data", "{input}"]
# Every option that writes a file, and the arguments of a command whose input is {input}.
WRITES = {
    "predict --out": ["predict", "model.skops", "{input}"],
    "compare --report": ["compare", "{input}", "new.csv"],
    "compare --junit": ["compare", "old.csv", "{input}", "--max-churn", "0.1"],
    "train --out": ["train", "{input}"],
    "train --report": ["train", "data.csv", "--unlabeled", "{input}", "--out", "m.skops"],
    "demo --report": ["demo", "--data", "{input}"],
    "gate --report": GATE,
    "gate --junit": GATE,
    "report --out": ["report", "{input}"],
    "plan --plot": None,
    "bench merge --out": ["bench", "merge", "{input}"],
    "bench plot --out": ["bench", "plot", "{input}"],
    "bench table --out": ["bench", "table", "{input}"],
    "bench run --store": None,
}
OUTPUTS = ("--out", "--report", "--junit", "--plot", "--store")
ENDING = {
    "--report": ".html",
    "--junit": ".xml",
    "report": ".html",
    "plot": ".html",
    "table": ".md",
}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def commands(group: object, name: str = "") -> dict[str, object]:
    found = {}
    for key, command in group.commands.items():  # type: ignore[attr-defined]
        inner = commands(command, f"{key} ") if hasattr(command, "commands") else {key: command}
        found |= {f"{name}{one}": own for one, own in inner.items()}
    return found


def test_every_option_that_writes_is_here() -> None:
    found = {
        f"{name} {option}"
        for name, command in commands(get_command(app)).items()
        for parameter in command.params  # type: ignore[attr-defined]
        for option in parameter.opts
        if option in OUTPUTS
    }
    assert found == set(WRITES)


def same(file: Path, folder: Path) -> tuple[object, Path]:
    return file, file


def dotted(file: Path, folder: Path) -> tuple[object, Path]:
    return file, folder / "sub" / ".." / file.name


def symlink(file: Path, folder: Path) -> tuple[object, Path]:
    link = folder / f"link{file.suffix}"
    link.symlink_to(file)
    return file, link


def hard_link(file: Path, folder: Path) -> tuple[object, Path]:
    link = folder / f"hard{file.suffix}"
    link.hardlink_to(file)
    return link, file


def in_folder(file: Path, folder: Path) -> tuple[object, Path]:
    return folder, file


def in_pattern(file: Path, folder: Path) -> tuple[object, Path]:
    return f"{folder}/*{file.suffix}", file


WAYS: list[Callable[[Path, Path], tuple[object, Path]]] = [
    *(same, dotted, symlink, hard_link, in_folder, in_pattern)
]


CASES = [(name, way) for name, arguments in WRITES.items() if arguments for way in WAYS[-2:]]
CASES += [("predict --out", way) for way in WAYS[:-2]]


@pytest.mark.parametrize(("written", "way"), CASES)
def test_no_input_is_written_over(monkeypatch, capsys, tmp_path, written, way) -> None:
    _, _, option = written.rpartition(" ")
    ending = next((e for key, e in ENDING.items() if key in written.split()), ".parquet")
    (tmp_path / "data" / "sub").mkdir(parents=True)
    file = tmp_path / "data" / f"a{ending}"
    file.write_text("precious")
    monkeypatch.chdir(tmp_path)
    for name in ("old.csv", "new.csv", "data.csv", "model.skops"):
        Path(name).write_text("x")
    given, output = way(file, tmp_path / "data")
    arguments = [str(given) if one == "{input}" else one for one in WRITES[written] or []]
    assert run(monkeypatch, *arguments, option, output) == 2
    assert "must be a file of its own" in capsys.readouterr().err
    assert file.read_text() == "precious"


def test_two_outputs_are_two_files(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.csv").write_text("prediction\n1\n")
    Path("link.html").symlink_to("r.html")
    arguments = ["compare", "old.csv", "old.csv", "--max-churn", "0.1", "--report", "r.html"]
    for other in ("r.html", "./r.html", "link.html"):
        assert run(monkeypatch, *arguments, "--junit", other) == 2
        assert "must be a file of its own" in capsys.readouterr().err
    assert not Path("r.html").exists()


@pytest.fixture
def served(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame({"x": np.arange(20.0), "prediction": 7, "proba_0": 7.0, "label": 7})
    rows["y"] = (rows["x"] > 9).astype(int)
    (tmp_path / "pat").mkdir()
    write_table(rows[:10], "pat/t-1.parquet")
    write_table(rows[10:], "pat/t-2.parquet")
    save_model(LogisticRegression().fit(rows[["x"]], rows["y"]), "v1.skops")
    return tmp_path


@pytest.mark.parametrize("data", ["pat/t-*.parquet", "pat", "p*/*.parquet", "**/*.parquet"])
@pytest.mark.parametrize("out", ["pat/t-1.parquet", "pat/t-9.parquet"])
def test_predictions_do_not_become_data(monkeypatch, capsys, served, data, out) -> None:
    before = Path("pat/t-1.parquet").read_bytes()
    assert run(monkeypatch, "predict", "v1.skops", data, "--out", out) == 2
    assert "name a" in capsys.readouterr().err
    assert Path("pat/t-1.parquet").read_bytes() == before
    assert sorted(path.name for path in Path("pat").iterdir()) == ["t-1.parquet", "t-2.parquet"]


def test_predictions_may_stand_beside_data(monkeypatch, served) -> None:
    assert run(monkeypatch, "predict", "v1.skops", "pat/t-*.parquet", "--out", "pat/p.parquet") == 0
    assert run(monkeypatch, "predict", "v1.skops", "pat/t-*.parquet", "--out", "pat/p.parquet") == 0
    assert len(read_table("pat/p.parquet")) == 20


@pytest.mark.parametrize(
    "options",
    [
        ("--keep", "prediction"),
        ("--keep", "proba_0"),
        ("--id", "prediction"),
        ("--keep", "label", "--label", "y"),
    ],
)
def test_no_column_is_lost(monkeypatch, capsys, served, options) -> None:
    assert run(monkeypatch, "predict", "v1.skops", "pat", "--out", "out.csv", *options) == 2
    assert f"does not write itself, got {options[1]!r}" in capsys.readouterr().err
    assert not Path("out.csv").exists()
    assert (
        run(monkeypatch, "predict", "v1.skops", "pat", "--out", "out.csv", "--keep", "label") == 0
    )


def test_a_store_is_not_in_the_data(monkeypatch, capsys, served) -> None:
    assert run(monkeypatch, "bench", "run", "pat", "--store", "pat") == 2
    assert "--store must be a folder of its own" in capsys.readouterr().err
