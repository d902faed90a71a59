"""Run the code blocks of the documents as written, and put their output below them.

The shell blocks run on adult, from HOLDFAST_DATA, else from OpenML. old.parquet has the first third
of the training rows. all.parquet has all training rows, with the first third marked in the column
in_v1. traffic.parquet has the test rows, and mine.parquet the training rows without ids.

Run: python benchmarks/readme.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from holdfast.common.files import write_text
from holdfast.datasets import load
from holdfast.tables import write_table

ROOT = Path(__file__).parents[1]
PAGES = tuple(
    ROOT / page
    for page in (
        "README.md",
        "docs/networks.md",
        "docs/boosting.md",
        "docs/certificates.md",
        "docs/scores.md",
        "docs/production.md",
        "docs/base_models.md",
        "docs/benchmark.md",
        "docs/report.md",
        "docs/rules.md",
    )
)
BLOCK = re.compile(
    r"<!-- run -->\n```(?P<language>python|sh)\n(?P<code>.*?)```\n\n"
    r"```text\n(?P<output>.*?)```\n<!-- /run -->",
    re.DOTALL,
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder)
        for page in PAGES:
            text = page.read_text(encoding="utf-8")
            write_text(page, BLOCK.sub(lambda found: with_output(found, folder), text))


def write_tables(folder: Path) -> None:
    data = load("adult")
    parts = data.train_test()
    table = data.X.assign(income=data.y, id=np.arange(len(data.y)))
    n_old = len(parts.train) // 3
    write_table(table.iloc[parts.train[:n_old]], folder / "old.parquet")
    marked = table.iloc[parts.train].assign(in_v1=np.arange(len(parts.train)) < n_old)
    write_table(marked, folder / "all.parquet")
    write_table(table.iloc[parts.test], folder / "traffic.parquet")
    write_table(table.iloc[parts.train].drop(columns="id"), folder / "mine.parquet")


def with_output(found: re.Match[str], folder: Path) -> str:
    output = run(found["language"], found["code"], folder)
    start, end = (part - found.start() for part in found.span("output"))
    return found[0][:start] + output + found[0][end:]


def run(language: str, code: str, folder: Path) -> str:
    """Run one block; the shell finds the `holdfast` of this environment."""
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-c", code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"a block failed:\n{code}\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
