"""Files that are read whole: what has no end, and what is nested without end, is refused."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.common.reading import MAX_PARTS, MEGABYTE, is_deeper_than, read_whole, toml_values
from holdfast.comparison.policy import Policy
from holdfast.exceptions import InvalidInputError
from holdfast.models.loading import load_model
from holdfast.report.saved import read_summary
from holdfast.rules import Costs

READERS = {
    "policy": (Policy.from_toml, "policy.toml"),
    "costs": (Costs.from_csv, "costs.csv"),
    "report": (read_summary, "report.json"),
    "skops": (load_model, "model.skops"),
    "onnx": (load_model, "model.onnx"),
    "safetensors": (load_model, "model.safetensors"),
    "pickle": (load_model, "model.pkl"),
}


def endless(kind, path):
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and devices")
@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
@pytest.mark.parametrize("reader", READERS)
def test_what_has_no_end_is_refused_at_once(tmp_path, reader, kind):
    read, name = READERS[reader]
    endless(kind, tmp_path / name)
    with pytest.raises(InvalidInputError, match=name):
        read(tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes")
def test_a_command_with_a_pipe_as_policy_ends(tmp_path):
    os.mkfifo(tmp_path / "policy.toml")
    (tmp_path / "a.csv").write_text("prediction\n1\n")
    command = [sys.executable, "-m", "holdfast", "compare", "a.csv", "a.csv", "--by-position"]
    done = subprocess.run(
        [*command, "--policy", "policy.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert (
        "--policy must be a readable file, got policy.toml, which is a device or a pipe"
        in done.stderr
    )


def test_files_that_are_longer_than_any_sensible_one(tmp_path):
    path = tmp_path / "policy.toml"
    with path.open("wb") as file:
        file.truncate(10**12)  # takes no room on the disk
    with pytest.raises(InvalidInputError, match="policy must be a file of at most 4 MB"):
        Policy.from_toml(path)
    (tmp_path / "report.json").symlink_to(path)
    with pytest.raises(InvalidInputError, match="path must be a file of at most 256 MB"):
        read_summary(tmp_path / "report.json")


def test_a_file_at_the_limit_is_whole(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    assert read_whole(path, "a", limit=10) == b"x" * 10
    assert read_whole(str(path), "a", limit=MEGABYTE) == b"x" * 10


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "[" * 300 + "]" * 300,
        "a = " + "{b = " * 50_000,
        ".".join("a" * 100_000) + " = 1",
        " . ".join("1" * 100_000) + " = 1",
        ".1.1 ".join("1" * 50_000) + " = 1",
        ".".join(['"="'] * 50_000) + " = 1",
        "[" + ".".join("a" * 100_000) + "]",
        "x = '''\n#''', y = {" + ".".join("a" * 100_000) + " = 1}",
        "a." * (MAX_PARTS + 1) + "a = 1",
    ],
)
def test_deep_toml_is_refused_soon(text, tmp_path):
    start = time.perf_counter()
    with pytest.raises(ValueError, match="more than 50 levels, or 100 parts of a key"):
        toml_values(text)
    assert time.perf_counter() - start < 5
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(InvalidInputError, match="policy must be a TOML file"):
        Policy.from_toml(tmp_path / "policy.toml")


def test_a_wide_table_of_costs_is_not_deep():
    row = ", ".join(["0.25", "1e-3", "2.5e10"] * 200)
    text = f"max_churn = 0.1\n[costs]\nmatrix = [[{row}]]\n"
    assert len(toml_values(text)["costs"]["matrix"][0]) == 600


@pytest.mark.parametrize("levels", range(4))
def test_levels_are_counted(levels):
    value: list = []
    for _ in range(levels):
        value = [1, {"a": value}] if levels % 2 else [value]
    depth = 1 + levels * (2 if levels % 2 else 1)
    assert not is_deeper_than(depth, value)
    assert is_deeper_than(depth - 1, value)


def test_deep_reports_are_refused(tmp_path):
    path = Path(tmp_path / "report.json")
    path.write_text("[" * 100_000)
    with pytest.raises(InvalidInputError, match="must be whole JSON"):
        read_summary(path)
