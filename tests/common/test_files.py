"""Files are whole or not there, and nothing stays of processes that were killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from holdfast.common import files
from holdfast.common.files import replace_file, temporary_folder, write_text
from holdfast.exceptions import InvalidInputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs to ask for processes")

WRITER = """
import sys, time
from holdfast.common.files import replace_file, temporary_folder
folder = temporary_folder(sys.argv[1])
(__import__("pathlib").Path(folder.name) / "spilled").write_text("x")
with replace_file(sys.argv[1] + "/table.parquet") as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_goes_with_the_next(writer: Any, tmp_path: Path) -> None:
    left = names(tmp_path)
    assert len(left) == 2
    assert all(name.lstrip(".").startswith("holdfast-") for name in left)
    write_text(tmp_path / "table.parquet", "whole")
    with temporary_folder(tmp_path):
        assert set(left) < set(names(tmp_path))  # it still runs
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    write_text(tmp_path / "other.parquet", "whole")
    assert set(left) < set(names(tmp_path))  # another target
    write_text(tmp_path / "table.parquet", "whole")
    temporary_folder(tmp_path).cleanup()
    assert names(tmp_path) == ["other.parquet", "table.parquet"]


def test_what_others_own_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with replace_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
        own = temporary.name
    gone = own.replace(f"-{os.getpid()}-", "-999999999-")
    machine = files._machine()
    kept = [
        own,  # of this process
        own.replace(f"-{os.getpid()}-", "-1-"),  # of a process that runs
        gone.replace(machine, "00000000"),  # of another machine
        f"x{gone}",
        f"{gone}/..",
        "a.txt",
    ]
    for name in (*kept[:4], gone):
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    write_text(tmp_path / "a.txt", "y")
    assert (tmp_path / gone).exists()  # of another user
    monkeypatch.undo()
    write_text(tmp_path / "a.txt", "y")
    assert names(tmp_path) == sorted([*kept[:4], "a.txt"])


def test_a_link_that_looks_abandoned_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("x")
    link = tmp_path / f"holdfast-{files._machine()}-999999999-abc"
    link.symlink_to(tmp_path / "mine")
    temporary_folder(tmp_path).cleanup()
    assert names(tmp_path / "mine") == ["precious"]
    assert not link.is_symlink()


def test_long_names_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / f"{'x' * 240}.parquet"
    write_text(target, "whole")
    assert names(tmp_path) == [target.name]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_disk_that_fails_leaves_the_old_file(tmp_path: Path, code: int) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    match = f"{target} must be writable, got: {os.strerror(code)}; make room or choose"
    with pytest.raises(InvalidInputError, match=match), replace_file(target):
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == ["a.txt"]
    assert target.read_text() == "old"


def test_a_killed_comparison_leaves_nothing_for_long(tmp_path: Path) -> None:
    code = "from holdfast.tables.reading import connect; import sys, time\n"
    code += "with connect(temp_dir=sys.argv[1]): print(flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(names(tmp_path)) == 1
    from holdfast.tables.reading import connect

    with connect(temp_dir=tmp_path):
        assert len(names(tmp_path)) == 1
    assert names(tmp_path) == []
