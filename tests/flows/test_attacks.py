"""Commands that are killed, run out of disk or memory, or run twice at once, as real processes.

An output is the old one or the new one, whole, whatever happens. What a kill leaves beside it has a
hidden name that begins like the output's.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from holdfast import load_model, save_model
from holdfast.tables import write_table

resource = pytest.importorskip("resource")  # limits and signals of POSIX
pytestmark = pytest.mark.slow

SECONDS = 120
FEATURES = list("abcdefgh")
OLD = b"the old output"
OUTPUTS = {
    "predict": "predict m.skops rows.parquet --out out.csv",
    "compare": "compare base.parquet new.parquet --id id --group group --report out.html",
    "train": "train few.parquet --target label --out out.skops",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, rows and prediction tables."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(60_000, 8)), columns=FEATURES)
    rows["label"] = np.where(rows["a"] > 0, "yes", "no")
    model = LogisticRegression().fit(rows[FEATURES][:1000], rows["label"][:1000])
    save_model(model, folder / "m.skops", card={"features": FEATURES})
    write_table(rows, folder / "rows.parquet")
    write_table(rows[:2000], folder / "few.parquet")
    answers = pd.DataFrame({"id": range(3000), "prediction": rows["label"][:3000]})
    answers["group"] = rng.integers(0, 400, 3000).astype(str)
    for name in ("base", "new"):
        write_table(answers, folder / f"{name}.parquet")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    for file in made.iterdir():
        os.link(file, tmp_path / file.name)
    return tmp_path


def started(folder: Path, words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def killed_when(process: subprocess.Popen[str], state: Callable[[], bool]) -> None:
    """Kill a command as soon as it is in a state, or let it end before."""
    end = time.monotonic() + SECONDS
    while process.poll() is None and not state():
        assert time.monotonic() < end, "the command did not come so far"
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def with_old_output(folder: Path, command: str) -> tuple[list[str], Path, set[str]]:
    """Write the old output of a command; return its words, the output and what is there."""
    words = OUTPUTS[command].split()
    out = folder / words[-1]
    out.write_bytes(OLD)
    return words, out, {path.name for path in folder.iterdir()}


def left_beside(out: Path) -> list[Path]:
    return list(out.parent.glob(f".{out.stem}-*{out.suffix}"))


def check_whole(out: Path) -> None:
    """Check that a file is the old output, or all of a new one."""
    content = out.read_bytes()
    if content == OLD:
        return
    if out.suffix == ".csv":
        assert len(pd.read_csv(out)) == 60_000
    elif out.suffix == ".html":
        assert content.rstrip().endswith(b"</html>")
    else:
        assert set(load_model(out).model.classes_) == {"no", "yes"}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_kill_leaves_the_old_output_or_the_new_one(folder: Path, command: str) -> None:
    words, out, before = with_old_output(folder, command)
    killed_when(started(folder, words), lambda: bool(left_beside(out)))
    check_whole(out)
    left = {path.name for path in folder.iterdir()} - before
    assert left <= {path.name for path in left_beside(out)}


@pytest.mark.parametrize("command", OUTPUTS)
def test_a_full_disk_leaves_the_old_output(folder: Path, command: str) -> None:
    words, out, before = with_old_output(folder, command)

    def limit() -> None:  # the most bytes of any file
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    process = started(folder, words, preexec_fn=limit)
    error = process.communicate(timeout=SECONDS)[1]
    assert process.returncode == 2, error
    assert "Traceback" not in error
    assert f"{out.name} must be writable" in error
    assert out.read_bytes() == OLD
    assert {path.name for path in folder.iterdir()} == before


LIMITED = """
import os, resource, sys
from holdfast.cli import main

for rows, megabytes in (("rows.parquet", None), ("many.parquet", 20)):
    if megabytes is not None:  # all libraries are loaded by now
        pages = int(open("/proc/self/statm").read().split()[0])
        used = pages * os.sysconf("SC_PAGE_SIZE") + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (used, used))
    sys.argv = ["holdfast", "predict", "m.skops", rows, "--out", f"out.{rows}"]
    try:
        main()
    except SystemExit as stopped:
        code = stopped.code
sys.exit(code)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_too_little_memory_is_an_error(folder: Path) -> None:
    rows = pd.DataFrame(np.zeros((400_000, 8)), columns=FEATURES) + np.arange(400_000)[:, None]
    write_table(rows, folder / "many.parquet")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=folder, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "holdfast: " in done.stderr
    assert (folder / "out.rows.parquet").exists()
    assert not (folder / "out.many.parquet").exists()
    assert left_beside(folder / "out.many.parquet") == []


def test_an_array_without_memory_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from holdfast import cli

    def full(*arguments: Any, **options: Any) -> None:
        np.zeros(2**60, dtype=np.int8)

    monkeypatch.setattr(cli, "get_command", lambda app: SimpleNamespace(main=full))
    monkeypatch.setattr(sys, "argv", ["holdfast", "predict"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert (
        "memory must suffice for this command, got: Unable to allocate" in capsys.readouterr().err
    )


class TestGate:
    """Gates on a store without a server."""

    @pytest.fixture
    def store(self, folder: Path) -> Path:
        """A registered model of two versions, the first of which is the champion."""
        mlflow = pytest.importorskip("mlflow")
        from holdfast.registry import log_model

        (folder / "policy.toml").write_text("max_churn = 0.5\n")
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'store.db'}")
        try:
            place = (folder / "files").as_uri()
            mlflow.create_experiment("trials", artifact_location=place)
            mlflow.set_experiment("trials")
            for _ in range(2):
                log_model(folder / "m.skops", register_as="m")
            mlflow.MlflowClient().set_registered_model_alias("m", "champion", 1)
        finally:
            mlflow.set_tracking_uri(None)
        return folder / "store.db"

    @staticmethod
    def asked(store: Path, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)) as opened:
            return opened.execute(sql).fetchall()

    def champion(self, store: Path) -> int:
        ((version,),) = self.asked(store, "SELECT version FROM registered_model_aliases")
        return int(version)

    def runs(self, store: Path) -> list[str]:
        return [
            status
            for (status,) in self.asked(
                store, "SELECT status FROM runs WHERE name LIKE 'gate of %'"
            )
        ]

    @staticmethod
    def gate(store: Path) -> subprocess.Popen[str]:
        words = "gate --champion models:/m@champion --candidate models:/m/2 --data few.parquet"
        words += f" --policy policy.toml --promote --tracking-uri sqlite:///{store}"
        return started(store.parent, words.split())

    @pytest.mark.filterwarnings("default")
    def test_a_killed_gate_and_two_at_once(self, store: Path) -> None:
        killed_when(self.gate(store), lambda: bool(self.runs(store)))
        # The alias moves after the run is finished, and a run that is not finished says so.
        assert self.champion(store) == 1 or self.runs(store) == ["FINISHED"]
        both = [self.gate(store), self.gate(store)]
        errors = [process.communicate(timeout=SECONDS)[1] for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes in ([0, 0], [0, 2], [2, 2]), errors
        assert not any("Traceback" in error for error in errors), errors
        assert self.champion(store) == 2, errors
        assert self.runs(store).count("FINISHED") >= codes.count(0)
