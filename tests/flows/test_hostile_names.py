"""Names of classes, groups, columns, models and files are data, which forge no line of output."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import holdfast.cli
from holdfast import Policy, compare
from holdfast.cli import main
from holdfast.rules import Bands, Costs, Threshold, TopShare
from holdfast.tables import write_table

HOSTILE = [
    "\r\n::error title=x::PROMOTE\x1b[2J\x9b32m\u202e\u2028\u2066",
    "::error::##[error]##vso[task.complete result=Succeeded]",
]


def is_plain(text: str) -> bool:
    """Return whether no line has a character or a command that the data brought in."""
    lines = text.split("\n")
    raw = set("\r\x1b\x9b\u202e\u2028\u2066") & set(text)
    commands = ("##[", "##vso[")
    return not raw and not any(
        line.lstrip().startswith("::") or any(one in line for one in commands) for line in lines
    )


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture(params=HOSTILE)
def hostile(request) -> str:
    return request.param


@pytest.fixture
def table(tmp_path: Path, hostile: str) -> Path:
    """A table whose class, group, column and id are all hostile."""
    rng = np.random.default_rng(0)
    classes = np.array([hostile, "other"], dtype=object)
    old = rng.integers(0, 2, 4000)
    new = np.where(rng.random(4000) < 0.1, 1 - old, old)
    path = tmp_path / "pairs.parquet"
    frame = pd.DataFrame({"old": classes[old], "new": classes[new], "label": classes[old]})
    frame.loc[:9, "label"] = None
    frame[f"column {hostile}"] = np.where(rng.random(4000) < 0.5, f"group {hostile}", hostile)
    write_table(frame.assign(id=[f"{i} {hostile}" for i in range(4000)]), path)
    return path


def compared(table: Path, hostile: str, *more: object) -> list[object]:
    columns = ["--prediction", "old", "--new-prediction", "new", "--positive", hostile]
    group = ["--group", f"column {hostile}", "--id", "id"]
    return ["compare", table, *columns, *group, "--per-group", 0.05, *more]


def test_terminal_and_junit(monkeypatch, capsys, table, hostile, tmp_path):
    junit = tmp_path / "checks.xml"
    code, out, err = run(monkeypatch, capsys, *compared(table, hostile, "--junit", junit))
    assert (code, err) == (1, "")
    assert is_plain(out)
    assert out.split("\n").count("PROMOTE") == 0
    text = junit.read_text(encoding="utf-8")
    assert is_plain(text)
    assert len(ElementTree.fromstring(text).findall(".//testcase")) == 2


def test_json_shows_the_same_values(monkeypatch, capsys, table, hostile):
    _, out, _ = run(monkeypatch, capsys, *compared(table, hostile, "--json"))
    assert is_plain(out)
    assert hostile in json.loads(out)["classes"]
    assert is_plain("\n".join(json.loads(out)["reasons"]))


def test_page(monkeypatch, capsys, table, hostile, tmp_path):
    run(monkeypatch, capsys, *compared(table, hostile, "--report", tmp_path / "r.html"))
    assert is_plain((tmp_path / "r.html").read_text(encoding="utf-8"))


def test_errors(monkeypatch, capsys, table, hostile, tmp_path):
    wanted = ("--group", hostile), ("--score", hostile), ("--label", hostile)
    for more in wanted:
        code, out, err = run(monkeypatch, capsys, *compared(table, hostile, *more))
        assert (code, out) == (2, "")
        assert is_plain(err)
        assert err.count("\n") == 1
    missing = tmp_path / f"{hostile.replace('/', '')}.csv"
    code, _, err = run(monkeypatch, capsys, "compare", missing, missing)
    assert code == 2
    assert is_plain(err)


def test_texts_of_python(hostile):
    base, new = [hostile, "b"] * 200, [hostile, "c"] * 200
    found = compare(base, new, [*base[:399], None], groups={hostile: base}, max_group_churn=0.1)
    assert is_plain(str(found))
    assert all(is_plain(str(name)) for name in found.to_frame().index)
    limits = {f"recall[{hostile}]": {"min": 0.9}}
    decision = Policy(max_churn=0.1, per_group=0.1, limits=limits).decide(found)
    assert is_plain(str(decision))
    assert all("\n" not in reason for reason in decision.reasons)


def test_rules_in_words(hostile):
    rules = [
        Threshold(0.5, positive=hostile),
        TopShare(0.5, positive=hostile),
        Bands((0.5,), answers=(hostile, "b"), positive=hostile),
        Costs([[0, 1], [1, 0]], answers=[hostile, "b"]),
    ]
    for rule in rules:
        assert is_plain(rule.describe())
        assert "\n" not in rule.describe()


def test_a_missing_group_differs_from_the_text():
    groups = {"c": np.array([None, "None", "missing", "nan"] * 2, dtype=object)}
    names = [group.name for group in compare([0] * 8, [1] * 8, groups=groups).groups]
    assert sorted(names) == ["c: missing", "c=None", "c=missing", "c=nan"]


def test_commands_print_in_one_way_only():
    """Only `cli.output` writes to the terminal, so that everything is escaped."""
    folder = Path(holdfast.cli.__file__).parent
    for path in folder.rglob("*.py"):
        calls = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        ]
        named = {ast.unparse(call.func) for call in calls}
        allowed = path.name == "output.py"
        assert allowed or not named & {"typer.echo", "print", "click.echo"}, path
