"""Exit code 1 is a REJECT verdict alone; errors are one line, with a traceback on request."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer

from holdfast.cli import main
from holdfast.cli.ending import exit_code_of
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.tables import write_table

ERRORS = [
    InvalidInputError("table must have rows, got none; give rows"),
    HoldfastError("no"),
    ValueError("unforeseen\nin two lines"),
    KeyError("k"),
    ZeroDivisionError(),
    AssertionError(),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    OverflowError("too large"),
    UnicodeEncodeError("ascii", "\u2192", 0, 1, "no"),
    NotImplementedError("no"),
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.csv"),
    OSError("without a number"),
    PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)),
    EOFError(),
    SystemExit(1),
    SystemExit("a library gave up"),
    GeneratorExit(),
    typer.BadParameter("no"),
    StopIteration(),
]


def ending(error: BaseException | None, *arguments: str) -> int:
    """Return the exit code of a command that ends with an error."""
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    def command() -> None:
        if error is not None:
            raise error

    return exit_code_of(typer.main.get_command(app), arguments)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: repr(error)[:40])
def test_every_error_is_exit_code_2(error: BaseException, capsys: Any) -> None:
    assert ending(error) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    usage = isinstance(error, typer.BadParameter)
    assert usage or len(err.splitlines()) == (not isinstance(error, SystemExit)) + isinstance(
        error, EOFError
    )


@pytest.mark.parametrize("error", ERRORS[:14], ids=lambda error: repr(error)[:40])
def test_debug_shows_where(error: BaseException, capsys: Any) -> None:
    assert ending(error, "--debug") == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in command" in err
    assert err.splitlines()[-1].startswith("holdfast: ")


def test_the_message_names_debug(capsys: Any) -> None:
    ending(ValueError("odd\nvalue"))
    assert capsys.readouterr().err == (
        "holdfast: unforeseen ValueError: odd value; add --debug to see where it happened, and "
        "report it\n"
    )


def test_an_interruption_is_130(capsys: Any) -> None:
    assert ending(KeyboardInterrupt()) == 130
    assert ending(typer.Abort()) == 130


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_a_verdict_keeps_its_code(code: int) -> None:
    assert ending(typer.Exit(code)) == code
    assert ending(None) == 0


# --- whole commands -------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 2, 300) for name in ("prediction", "new", "label")}
    write_table(pd.DataFrame(columns | {"*": rng.choice(["a", "b"], 300), "w": 1e308}), "t.parquet")
    return tmp_path / "t.parquet"


COMPARE = ("compare", "t.parquet", "--new-prediction", "new")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--policy", "deep.toml"), "must be a TOML file, got deep.toml: more than 50 levels"),
        (("--weight", "w", "--json"), "column 'w' must have squares that can be summed"),
        (("--weight", "w"), "column 'w' must have squares that can be summed"),
        (("--group", "a*"), "must be one of"),
        (("--group", "*"), "column '*' of t.parquet must have a name that is no pattern"),
        (("--label", "*"), "column '*' of t.parquet must have a name that is no pattern"),
        (("--policy", "."), "must be a readable file"),
        (("--report", "/dev/full/x.html"), "existing folder"),
    ],
)
def test_what_once_looked_like_reject(table, monkeypatch, capsys, options, message) -> None:
    Path("deep.toml").write_text(f"x = {'[' * 3000}{']' * 3000}")
    assert run(monkeypatch, *COMPARE, *options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_an_interrupted_process_is_130(table) -> None:
    code = "import holdfast.cli.compare as c, time\n"
    code += "import holdfast.comparison.policy as p\n"
    code += "p.Policy.check = lambda self: (print(flush=True), time.sleep(30))\n"
    code += "import sys; from holdfast.cli import main; main()"
    arguments = [sys.executable, "-c", code, *COMPARE, "--max-churn", "0.1"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name != "posix", reason="needs pipes that close")
def test_output_that_nobody_reads(table) -> None:
    arguments = [sys.executable, "-m", "holdfast", *COMPARE, "--max-churn", "0.99"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(arguments, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("holdfast: the output was closed")
    assert done.stderr.decode().count("\n") == 1


def test_a_terminal_without_every_character(table) -> None:
    arguments = [sys.executable, "-m", "holdfast", *COMPARE, "--group", "label"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(arguments, capture_output=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0
    assert b"\\u2500" in done.stdout
