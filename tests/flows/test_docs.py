"""The documents: code blocks run as written, tables equal their figures, links lead somewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from holdfast.rules import rule_from_dict
from holdfast.tables import write_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        f"script_{name}", ROOT / "benchmarks" / f"{name}.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hold the tables that the shell block names."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(900, 3)), columns=["age", "hours", "gain"])
    frame["sex"] = rng.choice(["Female", "Male"], 900)
    frame["income"] = np.where(frame["age"] + rng.normal(size=900) > 0, ">50K", "<=50K")
    frame["id"] = np.arange(900)
    marked = frame[:600].assign(in_v1=np.arange(600) < 250)
    parts = {"old": frame[:250], "all": marked, "traffic": frame[600:]}
    parts["mine"] = frame.drop(columns="id")
    for name, part in parts.items():
        write_table(part, tmp_path / f"{name}.parquet")
    return tmp_path


DATA_HERE = "HOLDFAST_DATA" in os.environ
RUN_ON_ADULT = pytest.mark.skipif(DATA_HERE, reason="is run on the real data")


@pytest.mark.parametrize("language", ["python", pytest.param("sh", marks=RUN_ON_ADULT)])
def test_code_blocks_run(language: str, folder: Path) -> None:
    readme = script("readme")
    blocks = [found for found in readme.BLOCK.finditer(README) if found["language"] == language]
    assert len(blocks) == 1
    code = blocks[0]["code"]
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 10
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-c", code]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode in ((0,) if language == "python" else (0, 1, 3)), done.stderr
    assert "churn" in done.stdout
    if language == "python":
        assert done.stdout == blocks[0]["output"]


@pytest.mark.slow
@pytest.mark.skipif(not DATA_HERE, reason="needs adult from HOLDFAST_DATA")
def test_the_shell_block_prints_what_the_page_shows(tmp_path: Path) -> None:
    readme = script("readme")
    readme.write_tables(tmp_path)
    (block,) = (found for found in readme.BLOCK.finditer(README) if found["language"] == "sh")
    assert readme.run("sh", block["code"], tmp_path) == block["output"]


def run_only_block(page: str, folder: Path) -> str:
    """Run the one block of a page on the tables, and return what it prints."""
    (block,) = script("readme").BLOCK.finditer((ROOT / "docs" / page).read_text(encoding="utf-8"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", block["code"]],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_report_s_block_runs(folder: Path) -> None:
    assert run_only_block("report.md", folder).endswith("report: report.html\n")


def test_the_benchmark_s_block_runs(folder: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    printed = run_only_block("benchmark.md", folder)
    assert printed.startswith("6 trials finished; store: trials\n")
    assert (folder / "frontier.png").stat().st_size > 10_000


def test_the_benchmark_s_pages_are_made_of_their_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything but the figures, whose bytes depend on fonts."""
    pytest.importorskip("matplotlib")
    pages = script("bench_pages")
    kept = pages.FOLDER
    for path in [*kept.glob("*.parquet"), pages.GUIDE]:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(pages, "FOLDER", tmp_path)
    monkeypatch.setattr(pages, "GUIDE", tmp_path / "benchmark.md")
    monkeypatch.setattr(pages.plots, "save_page", lambda *given: None)
    monkeypatch.setattr(sys, "argv", ["bench_pages.py"])
    pages.main()
    written = sorted(tmp_path.glob("*.md"))
    assert {path.stem for path in written} == {"benchmark", *(p.stem for p in kept.glob("*.md"))}
    for path in written:
        original = kept / path.name if (kept / path.name).is_file() else kept.parents[1] / path.name
        assert path.read_text(encoding="utf-8") == original.read_text(encoding="utf-8"), path.name


def python_blocks(page: str) -> list[str]:
    """Return the blocks of a page that stand alone: those that import what they use."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return [block for block in blocks if block.startswith("from ")]


@pytest.mark.parametrize("number", range(3))
def test_blocks_about_networks_run(number: int, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    blocks = python_blocks("networks.md")
    assert len(blocks) == 3
    done = subprocess.run(
        [sys.executable, "-c", blocks[number]], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


NEEDED = {
    "boosting": ["lightgbm"],
    "certificates": [],
    "scores": [],
    "base_models": ["onnxruntime", "skl2onnx", "torch"],
    "rules": [],
}


# Pages whose blocks work on arrays alone, where the core install cannot differ.
ON_ARRAYS = ("certificates", "scores")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page in ON_ARRAYS)) for page in NEEDED],
)
def test_blocks_print_what_the_page_shows(page: str, tmp_path: Path) -> None:
    for library in NEEDED[page]:
        pytest.importorskip(library)
    readme = script("readme")
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = list(readme.BLOCK.finditer(text))
    assert blocks
    for block in blocks:
        assert readme.run(block["language"], block["code"], tmp_path) == block["output"]


def test_the_forms_of_rules_can_be_read() -> None:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    forms = [tomllib.loads(found) for found in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    assert [form["rule"] for form in forms] == ["threshold", "top_share", "bands", "costs"]
    assert [rule_from_dict(form).to_dict() for form in forms] == forms


@pytest.mark.slow
def test_the_page_about_production_runs(tmp_path: Path) -> None:
    """Its blocks print what it shows, and the gate's steps for continuous integration run."""
    pytest.importorskip("mlflow")
    pytest.importorskip("polars")
    yaml = pytest.importorskip("yaml")
    readme = script("readme")
    text = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    blocks = list(readme.BLOCK.finditer(text))
    assert len(blocks) == 5
    for block in blocks:
        assert readme.run(block["language"], block["code"], tmp_path) == block["output"]
    text = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    pipelines = [yaml.safe_load(found) for found in re.findall(r"```yaml\n(.*?)```", text, re.S)]
    github, gitlab = pipelines
    steps = [step.get("run", "") for step in github["jobs"]["churn"]["steps"]]
    commands = [step for step in steps if step.startswith("holdfast ")]
    without_report = [command.removesuffix(" --report churn.html") for command in commands]
    assert gitlab["churn"]["script"][-len(commands) :] == without_report
    for name in ("checks.xml", "churn.html"):
        (tmp_path / name).unlink()
    readme.run("sh", "set -e\n" + "\n".join(commands), tmp_path)
    assert (tmp_path / "checks.xml").exists()
    assert (tmp_path / "churn.html").exists()


def test_the_page_of_training_speed_equals_its_figures() -> None:
    pytest.importorskip("torch")
    made = script("fit_many_speed")
    result = json.loads(made.RESULTS.read_text(encoding="utf-8"))
    assert made.PAGE.read_text(encoding="utf-8") == made.page(result)


Made = Callable[[ModuleType, Any], dict[str, str]]


def table(marker: str) -> Made:
    return lambda made, figures: {marker: made.table(figures)}


def adult_table(made: ModuleType, figures: Any) -> dict[str, str]:
    first = [row for row in figures["rows"] if row["seed"] == 0]
    return {"adult-table": made.table(figures, first)}


def constrained_table(made: ModuleType, figures: Any) -> dict[str, str]:
    return {"constrained": made.table(figures["datasets"], figures["runs"])}


def update_tables(made: ModuleType, figures: Any) -> dict[str, str]:
    assert set(figures) == {"imdb", "fashion_mnist"}
    return {name: made.table(result) for name, result in figures.items()}


# Script: its name of the page, what it needs, what its figures put between which markers.
MARKED: dict[str, tuple[str, str | None, Made]] = {
    "adult_budgets": ("README", None, adult_table),
    "boosting_ideas": ("PAGE", "lightgbm", table("ideas")),
    "boosting_methods": ("GUIDE", "lightgbm", lambda made, rows: {"gains": made.medians(rows)}),
    "boosting_speed": ("PAGE", "lightgbm", table("speed")),
    "budget_search": ("PAGE", "lightgbm", table("search")),
    "certificate_coverage": ("PAGE", None, table("coverage")),
    "constrained": ("PAGE", "torch", constrained_table),
    "network_updates": ("PAGE", "torch", update_tables),
    "score_intervals": ("PAGE", None, table("coverage")),
    "table_speed": ("PAGE", "duckdb", table("speed")),
    "verdicts": ("PAGE", None, table("verdicts")),
    "weighted_rows": ("PAGE", None, lambda made, found: {"weights": made.tables(found)}),
}


@pytest.mark.parametrize("name", MARKED)
def test_tables_between_markers_equal_their_figures(name: str, tmp_path: Path) -> None:
    page, needed, made_of = MARKED[name]
    if needed is not None:
        pytest.importorskip(needed)
    made = script(name)
    figures = json.loads(made.RESULTS.read_text(encoding="utf-8"))
    published = getattr(made, page)
    written = Path(shutil.copy(published, tmp_path))
    made.write_between(written, made_of(made, figures))
    assert written.read_text(encoding="utf-8") == published.read_text(encoding="utf-8")


def test_the_figures_of_promises_are_those_of_their_files(tmp_path: Path) -> None:
    made = script("promises")
    written = Path(shutil.copy(made.PAGE, tmp_path))
    made.write_between(written, made.tables())
    assert written.read_text(encoding="utf-8") == made.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["adult_budgets", "boosting_methods"])
def test_pages_equal_their_figures(name: str) -> None:
    needed = MARKED[name][1]
    if needed is not None:
        pytest.importorskip(needed)
    made = script(name)
    figures = json.loads(made.RESULTS.read_text(encoding="utf-8"))
    assert made.PAGE.read_text(encoding="utf-8") == made.page(figures)


def test_nothing_is_written_where_a_marker_is_missing(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    whole = "<!-- one -->\nold\n<!-- /one -->\n"
    page.write_text(whole, encoding="utf-8")
    marked = script("marked")
    with pytest.raises(LookupError, match="must have the markers <!-- two -->"):
        marked.write_between(page, {"one": "new\n", "two": "new\n"})
    assert page.read_text(encoding="utf-8") == whole
    marked.write_between(page, {"one": "new \\1\n"})
    assert page.read_text(encoding="utf-8") == whole.replace("old", "new \\1")


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
