"""Tables without a terminal are those that rich draws, character by character."""

import numpy as np
import pytest

from holdfast.cli import output
from holdfast.cli.output import print_table

WORDS = ["", "a", "region=None", "7.65% (5.23% to 11.04%)", "–", "[b]", "\\", ":cat:", "é ", " x"]


def shown(capsys, draw, *table):
    draw(*table)
    return capsys.readouterr().out


def both(capsys, *table):
    return shown(capsys, print_table, *table), shown(capsys, output._print_fitted, *table)


@pytest.mark.parametrize("seed", range(20))
def test_tables_equal_those_of_rich(capsys, seed):
    rng = np.random.default_rng(seed)
    n_rows, n_columns = rng.integers(0, 6), rng.integers(1, 6)
    columns = rng.choice(WORDS, n_columns).tolist()
    plain, rich = both(capsys, columns, rng.choice(WORDS, (n_rows, n_columns)).tolist())
    assert plain == rich


def test_every_narrow_character(capsys):
    rows = [[chr(i)] for i in range(32, 0x300) if chr(i).isprintable()]
    plain, rich = both(capsys, ["one"], rows)
    assert plain == rich
    assert len(plain.splitlines()) == len(rows) + 4


@pytest.mark.parametrize("length", [197, 198, 199, 300])
def test_lines_as_long_as_they_may_be(capsys, length):
    plain, rich = both(capsys, ["name"], [["x" * length]])
    assert plain == rich
    assert ("…" in plain) == (length > 198)


@pytest.mark.parametrize(
    ("cell", "terminal", "loads"),
    [("Zürich", False, False), ("日本", False, True), ("a\u3000b", False, True), ("a", True, True)],
)
def test_rich_draws_what_is_not_plain(capsys, monkeypatch, cell, terminal, loads):
    drawn = []
    monkeypatch.setattr(output, "_print_fitted", lambda *table: drawn.append(table))
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    print_table(["name"], [[cell]])
    assert drawn == ([(["name"], [[cell]])] if loads else [])
    assert (cell in capsys.readouterr().out) != loads


def test_progress_shows_steps_and_time(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with output.progress("step 1 of 2: fitting [all]") as step:
        step("step 2 of 2: measuring")
    shown = capsys.readouterr().err
    assert "step 1 of 2: fitting [all]" in shown
    assert "step 2 of 2: measuring" in shown
    assert "0:00:00" in shown


def test_progress_is_silent_without_a_terminal(capsys):
    with output.progress("step 1 of 2") as step:
        step("step 2 of 2")
    assert capsys.readouterr() == ("", "")
