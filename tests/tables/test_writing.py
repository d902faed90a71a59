"""Tables come back as they were written, and the system's errors are reported as such."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.tables import read_table, write_table

TEXTS = ["a", None, "'", "''", "'''", " ", "=1", "'=1", "-", "\t", '"', '""', "nan", "None", "'a"]

FULL = """
import resource, signal, sys
import pandas as pd
from holdfast.exceptions import HoldfastError
from holdfast.tables import write_table
frame = pd.DataFrame({"x": range(200_000)}).sample(frac=1, random_state=0)
write_table(frame[:1], sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_table(frame, sys.argv[1])
except HoldfastError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("more", [[], ["two\nlines"]])
def test_text_comes_back(tmp_path: Path, suffix: str, more: list[str]) -> None:
    texts = [*TEXTS, *more]
    frame = pd.DataFrame({"id": range(len(texts)), "text": pd.Series(texts, dtype=object)})
    write_table(frame, tmp_path / f"t{suffix}")
    back = read_table(tmp_path / f"t{suffix}").sort_values("id")["text"].astype(object)
    assert back.where(back.notna(), None).tolist() == texts


def test_empty_text_comes_back_from_parquet(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"text": ["", None, "a"]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["text"].tolist()[::2] == ["", "a"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".csv.gz"])
def test_a_full_disk_is_named(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"t{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(target)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(f"{target} must be writable, got: "), done.stderr
    assert "File too large" in done.stdout
    assert "convert" not in done.stdout
    assert len(read_table(target)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch, suffix) -> None:
    target = tmp_path / f"t{suffix}"
    write_table(pd.DataFrame({"x": [1]}), target)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr("holdfast.tables.delimited._opened", refused)
    with pytest.raises(InvalidInputError, match="must be readable, got: Permission denied; check"):
        read_table(target)


@pytest.mark.parametrize("kind", ["object", "string", "category"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz"])
def test_empty_text_that_will_be_missing_is_named(tmp_path: Path, suffix: str, kind: str) -> None:
    frame = pd.DataFrame({"note": ["", "a", None, ""], "n": [1, 2, 3, 4]})
    path = tmp_path / f"t{suffix}"
    match = "column 'note' has empty text in 2 rows, which is read as missing from a"
    with pytest.warns(UserWarning, match=match):
        write_table(frame.astype({"note": kind}), path)
    assert read_table(path)["note"].isna().tolist() == [True, False, True, True]


def test_empty_text_stays_in_parquet(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"note": ["", "a", None]}), tmp_path / "t.parquet")
    notes = read_table(tmp_path / "t.parquet")["note"]
    assert notes[0] == ""
    assert notes.isna().tolist() == [False, False, True]
