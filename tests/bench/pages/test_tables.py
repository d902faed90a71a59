import csv
import io
import json
import re
import subprocess
from functools import cache
from importlib import import_module

import pandas as pd
import pytest
import typer
from tests.helpers.bench_frames import random_results, results, row
from typer.testing import CliRunner

from holdfast.bench.findings.summary import summarise
from holdfast.bench.findings.wins import wins
from holdfast.bench.pages.formats import Cell, Table, clean
from holdfast.bench.pages.tables import FORMATS, TABLES, render, tables, text_rows
from holdfast.cli.bench.table import table
from holdfast.exceptions import InvalidInputError

pytestmark = pytest.mark.slow

HOSTILE = [
    "</td><script>alert(1)</script>",
    "=HYPERLINK(\"http://evil.example\",'x')",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "＝1+1",
    "a|b\\|c\n| d |",
    r"\input{/etc/passwd} $x_1^2$ 50% #{}~&",
    "[link](javascript:alert(1)) `x` *y* __z__",
    "{0.__class__} {margin} {{7*7}}",
    "evil\x1b[31m\u202etxt\x00",
]


@pytest.fixture(scope="module")
def frame():
    return random_results(0, datasets=["adult", "phoneme", "magic04"], runs=5)


@pytest.fixture(scope="module")
def summary(frame):
    return summarise(frame)


def by_name(summary, measure):
    return {one.name: one for one in tables(summary, measure)}


# --- what is in the tables ------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["strict", "honest", "non_inferior"])
def test_main_table_holds_every_group_and_method(summary, measure):
    (one,) = tables(summary, measure)
    assert one.columns == ("dataset", "network", *summary.methods)
    assert len(one.rows) == len(summary.groups) + 2
    for group, cells in zip(summary.groups, one.rows, strict=False):
        assert [cell.value for cell in cells[:2]] == [group.group.dataset, "fcn-10"]
        for method, cell in zip(summary.methods, cells[2:], strict=True):
            assert cell.value == group.method(method).churn(measure)
            best = group.best[measure]
            assert cell.best == (method in best.methods)
            assert cell.bold == (cell.best and best.significant)
    shares = [cell.value for cell in one.rows[-1][2:]]
    assert shares == list(wins(summary, measure).shares.values())


def test_mean_says_over_how_many_groups():
    rows = [row("cold", "c", 0, 82, 12), row("warm", "w", 0, 82, 6)]
    more = [row("cold", "c", 0, 82, 14), row("warm", "w", 0, 81, 2)]
    frame = results(rows + [one | {"dataset": "phoneme"} for one in more])
    (one,) = tables(summarise(frame), "strict")
    cold, warm = one.rows[-2][2:]
    assert (cold.text, warm.text) == ("13.00", "6.00 (1/2)")
    assert one.rows[1][3].text == "–"


def test_sizes_and_orders_appear_where_they_differ(frame):
    more = frame.assign(n_init=10_000, order="time")
    (one,) = tables(summarise(results([*frame.to_dict("records"), *more.to_dict("records")])))
    assert one.columns[:4] == ("dataset", "network", "order", "n_init")
    assert {cells[3].text for cells in one.rows[:-2]} == {"1,000", "10,000"}


def test_gain_marks_what_is_not_reliable():
    rows = [row("cold", "c", r, correct, 12) for r, correct in enumerate((86, 76, 79))]
    rows += [row("warm", "w", r, 81, 2) for r in range(3)]
    (one,) = tables(summarise(results(rows)), "gain")
    assert one.rows[0][-1].text == "300.00?"


def test_honest_marks_accuracy_that_did_not_hold():
    rows = []
    for run in range(6):
        first = run % 2 == 0
        rows.append(row("cold", "c", run, 82, 20))
        rows.append(row("distill", "a", run, 84 if first else 80, 5))
        rows.append(row("distill", "b", run, 80 if first else 84, 7))
    (one,) = tables(summarise(results(rows)), "honest")
    assert one.rows[0][-1].text == "6.00 ± 0.00†"


def test_wins_and_duels(summary):
    found = by_name(summary, "wins")
    matrix = wins(summary).matrix
    for a, cells in zip(summary.methods, found["duels"].rows, strict=True):
        for b, cell in zip(summary.methods, cells[1:], strict=True):
            assert cell.value == ("" if a == b else matrix[a][b])


def test_detail_has_a_row_for_each_group_and_method(summary):
    (one,) = tables(summary, "detail")
    assert len(one.rows) == sum(len(group.methods) for group in summary.groups)
    assert len({len(cells) for cells in one.rows} | {len(one.columns)}) == 1
    column = one.columns.index("strict churn")
    found = [cells[column].value for cells in one.rows]
    assert found == [r.churn("strict") for group in summary.groups for r in group.methods]


def test_notes_say_what_readers_must_know():
    frame = random_results(1, diverged=0.05)
    frame.loc[frame["method"] == "override", "cost"] = 4
    lost = frame[~((frame["method"] == "cold") & (frame["dataset"] == "adult"))]
    (one,) = tables(summarise(lost, margin=0.005, confidence=0.9), "non_inferior")
    assert "less than 0.5 points below cold start's at 90 % confidence" in one.note
    assert "override 4" in one.note
    assert "settings diverged" in one.note
    assert "left out: adult, fcn-10, random, 1,000 / 100 / 1,000." in one.note


def test_unknown_table(summary):
    with pytest.raises(InvalidInputError, match=r"--measure must be one of 'strict'.*got 'gian'"):
        tables(summary, "gian")


# --- formats --------------------------------------------------------------------------------------

SMALL = Table(
    "t",
    "Title",
    "Note.",
    ("dataset", "cold", "distill"),
    (
        (
            Cell("adult"),
            Cell(0.0771, 0.0012, "share"),
            Cell(0.0552, 0.001, "share", best=True, bold=True),
        ),
        (Cell("phoneme"), Cell(0.1, None, "share", best=True), Cell(None, kind="share")),
        (Cell("change"), Cell(-0.004, kind="points"), Cell(0.0, kind="points")),
    ),
    n_totals=1,
)


def test_markdown():
    assert render([SMALL], "markdown").splitlines() == [
        "## Title",
        "",
        "Note.",
        "",
        "| dataset | cold | distill |",
        "|---|---:|---:|",
        "| adult | 7.71 ± 0.12 | **5.52 ± 0.10** |",
        "| phoneme | *10.00* | – |",
        "| change | −0.40 | +0.00 |",
    ]


def test_latex():
    lines = render([SMALL], "latex").splitlines()
    assert r"\begin{tabular}{lrr}" in lines
    assert r"adult & 7.71 $\pm$ 0.12 & \textbf{5.52 $\pm$ 0.10} \\" in lines
    assert r"phoneme & \underline{10.00} & -- \\" in lines
    assert lines[lines.index(r"change & $-$0.40 & +0.00 \\") - 1] == r"\midrule"


def test_csv_keeps_numbers():
    read = list(csv.reader(io.StringIO(render([SMALL], "csv"))))
    errors = ["cold", "cold standard error", "distill", "distill standard error"]
    assert read == [
        ["dataset", *errors],
        ["adult", "0.0771", "0.0012", "0.0552", "0.001"],
        ["phoneme", "0.1", "", "", ""],
        ["change", "-0.004", "", "0.0", ""],
    ]


def test_text():
    assert text_rows(SMALL)[0] == ["adult", "7.71 ± 0.12", "** 5.52 ± 0.10"]
    assert text_rows(SMALL)[1] == ["phoneme", "* 10.00", "–"]
    lines = render([SMALL], "text").splitlines()
    assert lines[4] == "adult    7.71 ± 0.12  ** 5.52 ± 0.10"


@pytest.mark.parametrize("form", FORMATS)
def test_every_table_in_every_format(summary, form):
    text = render(tables(summary, "all"), form)
    assert text == render(tables(summary, "all"), form)
    assert text.endswith("\n")
    assert "nan" not in text
    assert "None" not in text


def test_unknown_format(summary):
    with pytest.raises(InvalidInputError, match="--format must be one of 'text'"):
        render(tables(summary), "docx")


# --- names are data -------------------------------------------------------------------------------


@cache
def hostile_summary(name):
    frame = random_results(0, datasets=["adult"], methods=("cold", "distill", "mine"))
    changed = frame.replace({"dataset": {"adult": name}, "method": {"mine": name}})
    return summarise(changed.assign(network=name))


@pytest.mark.parametrize("name", HOSTILE)
def test_csv_is_safe_for_spreadsheets(name):
    for one in tables(hostile_summary(name), "all"):
        cells = [cell for line in csv.reader(io.StringIO(render([one], "csv"))) for cell in line]
        assert len(cells) % len(next(csv.reader(io.StringIO(render([one], "csv"))))) == 0
        for cell in cells:
            number = re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell)
            assert number or not cell.lstrip().startswith(tuple("=+-@＝＋－＠\t\r"))


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_keeps_its_columns_and_runs_nothing(name):
    for one in tables(hostile_summary(name), "all"):
        lines = render([one], "markdown").splitlines()
        assert lines[1] == lines[3] == ""
        body = lines[4:]
        widths = {len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) for line in body}
        assert widths == {len(one.columns) + 1}
        assert not re.search(r"<|(?<!\\)\[(?!$)|(?<!\\)`", "\n".join(body))


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_keeps_its_columns_and_reads_no_file(name):
    for one in tables(hostile_summary(name), "all"):
        text = render([one], "latex")
        commands = set(re.findall(r"\\([a-zA-Z]+)", text))
        assert commands <= {
            *("begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule"),
            *("textbf", "underline", "pm", "dagger", "textbackslash", "textasciitilde"),
            *("textasciicircum", "textless", "textgreater", "textbar"),
        }
        plain = re.sub(r"\\[a-zA-Z]+|\\[{}$&#_%]", "", text)
        assert plain.count("{") == plain.count("}")
        assert "%" not in plain
        rows = [line for line in plain.splitlines() if line.endswith("\\\\")]
        assert {line.count("&") for line in rows} == {len(one.columns) - 1}


def test_text_shows_no_control_characters():
    for name in HOSTILE:
        shown = render(tables(hostile_summary(name), "all"), "text")
        assert shown.replace("\n", "").isprintable()
        assert clean(f"{name}\ud800").isprintable()


@pytest.mark.parametrize("name", [HOSTILE[8], HOSTILE[0], HOSTILE[9]])
def test_latex_compiles(name, tmp_path):
    from shutil import which

    if which("pdflatex") is None:
        pytest.skip("needs LaTeX")
    body = render(tables(hostile_summary(name), "strict"), "latex")
    page = (
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}\end{{document}}"
    )
    (tmp_path / "t.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def cli(monkeypatch, frame):
    import holdfast.bench.store

    monkeypatch.setattr(holdfast.bench.store, "read_store", lambda paths: frame)
    app = typer.Typer()
    app.command()(table)

    def call(*arguments):
        result = CliRunner().invoke(app, ["store", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_command_prints_a_readable_table(cli, summary):
    shown = cli()
    assert "Churn at cold accuracy" in shown
    for method in summary.methods:
        assert method in shown
    value = summary.groups[0].method("cold").strict.churn_rate
    assert f"{100 * value:.2f} ±" in shown


def test_a_wide_table_comes_in_parts(cli, monkeypatch):
    module = import_module("holdfast.cli.bench.table")  # whose package has a command of its name
    monkeypatch.setattr(module, "WIDTH", 60)
    shown = cli()
    assert shown.count("mean over groups") > 1
    assert "…" not in shown


@pytest.mark.parametrize("measure", [*TABLES, "all"])
def test_command_writes_each_format(cli, tmp_path, measure):
    for suffix, start in ((".md", "## "), (".tex", "\\begin{table}"), (".csv", ""), (".txt", "")):
        out = tmp_path / f"t{suffix}"
        cli("--measure", measure, "--out", out)
        assert out.read_text(encoding="utf-8").startswith(start)
    assert cli("--measure", measure, "--format", "markdown").startswith("## ")


def test_command_as_json(cli, summary):
    found = json.loads(cli("--json"))
    assert len(found["groups"]) == 3
    assert found["wins"]["honest"]["shares"] == wins(summary, "honest").shares


def test_csv_of_everything_is_one_table(cli, summary):
    lines = list(csv.reader(io.StringIO(cli("--measure", "all", "--format", "csv"))))
    assert len(lines) == 1 + sum(len(group.methods) for group in summary.groups)


def test_runs_lost_because_cold_start_diverged_are_told():
    frame = random_results(1, runs=4)
    lost = (frame["method"] == "cold") & (frame["run"] == 2) & (frame["dataset"] == "adult")
    frame.loc[lost, ["correct", "base_correct", "changed", "negative"]] = pd.NA
    (one,) = tables(summarise(frame), "strict")
    assert "1 runs in which cold start diverged were left out." in one.note


def test_command_filters(cli):
    found = json.loads(cli("--dataset", "adult", "--method", "distill", "--json"))
    (group,) = found["groups"]
    assert [result["method"] for result in group["methods"]] == ["cold", "distill"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "adlut"], "--dataset must be one of 'adult'.*did you mean 'adult'"),
        (["--method", "destill"], "--method must be one of.*did you mean 'distill'"),
        (["--network", "fcn-99"], "--network must be one of 'fcn-10'"),
        (["--measure", "strickt"], "--measure must be one of.*did you mean 'strict'"),
        (["--format", "html"], "--format must be one of 'text'"),
        (["--out", "/nowhere/t.md"], "must be in an existing folder"),
        (["--out", "table.xlsx"], "--out must end in one of .md, .tex.*got 'table.xlsx'"),
        (["--json", "--measure", "wins"], "--measure must be left out with --json"),
        (["--json", "--format", "csv"], "--format must be left out with --json"),
    ],
)
def test_command_refuses(cli, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        cli(*arguments)
