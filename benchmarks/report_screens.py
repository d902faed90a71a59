"""Take the pictures of docs/report.md: the report of an update of adult, in a browser.

Needs Playwright, and Chromium on the path or under HOLDFAST_CHROMIUM.

Run: python benchmarks/report_screens.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from readme import write_tables

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH = 900
ROWS = 8  # all twenty would make a tall picture
COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()"]
MODEL = ["--target", "income", "--drop", "id"]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder)
        write_reports(folder)
        with sync_playwright() as started:
            path = os.environ.get("HOLDFAST_CHROMIUM") or shutil.which("chromium")
            browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": 900})
            page.goto((folder / "report.html").as_uri())
            take_budget(page)
            page.goto((folder / "compare.html").as_uri())
            take_rows(page)
            browser.close()


def write_reports(folder: Path) -> None:
    """Train and compare as the README does, with a certificate."""
    run(folder, "train", "old.parquet", *MODEL, "--out", "v1.skops")
    update = ["--seen", "in_v1", "--base", "v1.skops", "--mixture", "override", "--floor", "0"]
    update += ["--max-churn", "0.01", "--confidence", "0.95", "--report", "report.html"]
    run(folder, "train", "all.parquet", *MODEL, "--out", "v2.skops", *update)
    kept = ["--id", "id", "--keep", "education"]
    for model, out in (("v1.skops", "base.parquet"), ("v2.skops", "new.parquet")):
        run(folder, "predict", model, "traffic.parquet", *kept, "--out", out)
    tables = ["base.parquet", "new.parquet", "--id", "id", "--group", "education"]
    run(folder, "compare", *tables, "--report", "compare.html")


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")


def take_budget(page: Any) -> None:
    page.get_by_role("slider").press("ArrowLeft")
    save(page, "report-budget.png", "frontier", "ladder")


def take_rows(page: Any) -> None:
    page.get_by_role("button", name=">50K → <=50K").click()
    page.locator("#rows-table tbody tr:visible").evaluate_all(
        "(rows, n) => rows.slice(n).forEach(row => { row.hidden = true; })", ROWS
    )
    save(page, "report-rows.png", "classes", "rows")


def save(page: Any, name: str, *sections: str) -> None:
    """Take a picture of some sections, one below the other."""
    page.evaluate(
        """names => {
          document.activeElement.blur();
          for (const part of document.querySelectorAll('main > *')) {
            part.hidden = !names.includes(part.getAttribute('aria-labelledby'));
            part.style.marginTop = '1rem';
          }
          document.querySelector('main').style.padding = '1rem 1.5rem';
        }""",
        [f"{section}-title" for section in sections],
    )
    page.locator("main").screenshot(path=IMAGES / name)
    print(f"{name}: {(IMAGES / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
