"""A policy's checks as JUnit XML, as the tools of continuous integration read it."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from holdfast import Policy, compare
from holdfast.cli import main
from holdfast.render.junit import render_junit
from holdfast.tables import write_table

# Markup, quotes, control characters, half a surrogate pair, the end of a CDATA section.
ESCAPED = {c: c.encode("unicode_escape").decode() for c in "\x00\x1b\ud800\ufffe\n\t"}
HOSTILE = ["<b>&\"'", "a\x00b\x1b[31m", "\ud800", "]]></failure><x/>", "\ufffe", "línea\n2\t"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_each_check_is_a_case() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 4000)
    base = np.where(rng.random(4000) < 0.2, 1 - y, y)
    new = np.where(rng.random(4000) < 0.1, y, base)
    policy = Policy(max_churn=0.001, max_negative_flips=0.5, min_gain=0.02, per_group=0.02)
    groups = {"country": rng.choice(["DE", "FR"], 4000)}
    decision = policy.decide(compare(base, new, y, groups=groups))

    (suite,) = ElementTree.fromstring(render_junit(decision.to_dict(), suite="mine"))

    elements = {"pass": "system-out", "fail": "failure", "underpowered": "error"}
    cases = suite.findall("testcase")
    assert len(cases) == len(decision.checks) == 5
    assert {check.status for check in decision.checks} == set(elements)
    for case, check in zip(cases, decision.checks, strict=True):
        (told,) = case
        assert (case.get("name"), told.tag) == (check.name, elements[check.status])
        assert told.text == check.reason
        assert told.get("message") == (None if check.status == "pass" else check.reason)
    statuses = [check.status for check in decision.checks]
    counted = {"tests": 5, "failures": statuses.count("fail"), "skipped": 0}
    counted["errors"] = statuses.count("underpowered")
    assert {name: int(suite.get(name, "")) for name in counted} == counted
    assert suite.get("name") == "mine"


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_gives_whole_xml(name: str) -> None:
    decision = Policy(per_group=0.01).decide(
        compare([0, 1] * 500, [0, 0] * 500, groups={name: [name] * 1000})
    )
    text = render_junit(decision.to_dict(), suite=name)
    (case,) = ElementTree.fromstring(text.encode("utf-8")).iter("testcase")
    (failure,) = case
    assert failure.tag == "failure"
    kept = "".join(ESCAPED.get(c, c) for c in name)
    assert case.get("name") == f"churn_rate[{kept}={kept}]"


@pytest.mark.parametrize(
    ("limit", "code", "element"), [(0.2, 0, "system-out"), (0.01, 1, "failure"), (0.1, 3, "error")]
)
def test_compare_writes_what_it_exits_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, code: int, element: str
) -> None:
    monkeypatch.chdir(tmp_path)
    base = np.zeros(1000, dtype=int)
    new = np.where(np.arange(1000) < 100, 1, base)
    write_table(pd.DataFrame({"prediction": base}), "base.csv")
    write_table(pd.DataFrame({"prediction": new}), "new.csv")
    arguments = ("compare", "base.csv", "new.csv", "--junit", "checks.xml")
    assert run(monkeypatch, *arguments, "--max-churn", limit) == code
    (case,) = ElementTree.parse("checks.xml").iter("testcase")
    assert [found.tag for found in case] == [element]


def test_without_limits_there_is_nothing_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(pd.DataFrame({"prediction": [0, 1]}), "base.csv")
    write_table(pd.DataFrame({"prediction": [0, 0]}), "new.csv")
    arguments = ("compare", "base.csv", "new.csv", "--junit")
    assert run(monkeypatch, *arguments, "checks.xml") == 2
    assert "--junit must be given with limits" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "base.csv", "--max-churn", 0.1) == 2
    assert "must be a file of its own" in capsys.readouterr().err
    assert not Path("checks.xml").exists()
