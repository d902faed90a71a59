"""Folders and patterns read the same files, and leave out what is not data."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.tables.paths import all_files, files_of, would_hold

NAMES = [
    "a.csv",
    "day=1/b.csv",
    "day=1/deep/c.csv",
    ".hidden.csv",
    "_SUCCESS.csv",
    ".holdfast-0123456789ab-01234567-1-abc.csv",
    ".a-x1y2z3.csv",
    "_temporary/0/d.csv",
    ".ipynb_checkpoints/e.csv",
    "day=1/.f.csv",
]
PATTERNS = ["*.csv", "**/*.csv", "*", "*/*.csv", ".*", "?*.csv", "[._a]*.csv", "**/d.csv", "_*/*/*"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n1\n")
    return tmp_path / "data"


def read(path: Path) -> set[str]:
    try:
        return {file.as_posix() for file in files_of(path)[0]}
    except InvalidInputError:
        return set()


def test_a_folder_reads_what_is_not_hidden(folder: Path) -> None:
    assert read(folder) == {str(folder / name) for name in NAMES[:3]}
    assert read(folder / "**" / "*.csv") == read(folder)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_reads_what_a_folder_does(folder: Path, pattern: str) -> None:
    assert read(folder / pattern) <= read(folder)
    assert read(folder / pattern) == read(folder) & set(map(str, folder.glob(pattern)))


@pytest.mark.parametrize("pattern", [None, *PATTERNS])
def test_what_would_be_read_is_known_before(folder: Path, pattern: str | None) -> None:
    path = folder if pattern is None else folder / pattern
    for name in NAMES:
        file = folder / name
        file.unlink()
        known = would_hold(path, file)
        file.write_text("x\n1\n")
        assert known == (str(file) in read(path)), name
    assert not would_hold(path, folder.parent / "a.csv")
    every = (file for file in folder.glob(pattern or "**/*") if file.is_file())
    assert sorted(all_files(path)) == sorted(every)


def test_one_file_that_is_named_is_read(folder: Path) -> None:
    for name in NAMES:
        assert read(folder / name) == {str(folder / name)}


def test_only_hidden_files_are_an_error(folder: Path) -> None:
    match = r"must hold table files, got only hidden files, whose names begin with \. or _; "
    with pytest.raises(InvalidInputError, match=match):
        files_of(folder / "_temporary/**/*.csv".replace("_temporary", "[_]temporary"))
