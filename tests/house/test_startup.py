"""Starting is quick: what is loaded, never how long it takes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from holdfast.tables import write_table

HEAVY = (
    "sklearn",
    "scipy",
    "pandas",
    "pyarrow",
    "polars",
    "plotly",
    "jinja2",
    "joblib",
    "skops",
    "matplotlib",
    "torch",
    "lightgbm",
    "xgboost",
    "catboost",
    "ray",
    "mlflow",
    "onnx",
)
TABLES = ("duckdb", "narwhals")
TEXT = ("typer", "click", "rich")

RUN = """
import sys
from holdfast.cli import main
try:
    main()
except SystemExit as stop:
    code = stop.code or 0
sys.stdout.flush()
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def loaded(modules, names):
    return sorted(set(names) & set(modules))


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("holdfast", (*HEAVY, *TABLES, *TEXT, "numpy")),
        ("holdfast.comparison", (*HEAVY, *TABLES, *TEXT, "importlib.metadata")),
        ("holdfast.rules", (*HEAVY, *TABLES, *TEXT)),
        ("holdfast.selection", (*HEAVY, *TABLES, *TEXT)),
        ("holdfast.predictions", (*HEAVY, "duckdb", *TEXT)),
        ("holdfast.tables", (*HEAVY, *TABLES, *TEXT)),
        ("holdfast.cli", (*HEAVY, *TABLES, "rich.console", "numpy")),
    ],
)
def test_importing_loads_nothing_heavy(module, names):
    result = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert module in result.stdout.split()
    assert loaded(result.stdout.split(), names) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the predictions of two models, as Parquet and as CSV."""
    rng = np.random.default_rng(0)
    folder, n = tmp_path_factory.mktemp("tables"), 1_000
    base = pd.DataFrame({"id": rng.permutation(n), "label": rng.choice(["ant", "bee"], n)})
    base["region"] = rng.choice(["north", "south", None], n)
    base["size"] = rng.choice([1.5, 2.5, np.nan], n)
    base["level"], base["weight"] = rng.integers(0, 3, n), rng.random(n)
    new = base[["id"]].copy()
    for name, frame in (("base", base), ("new", new)):
        frame["prediction"] = rng.choice(["ant", "bee"], n)
        frame["number"] = rng.integers(0, 3, n)
        for suffix in ("parquet", "csv"):
            write_table(frame, folder / f"{name}.{suffix}")
    return folder


def compared(folder, suffix, *options):
    tables = [str(folder / f"{name}.{suffix}") for name in ("base", "new")]
    result = subprocess.run(
        [sys.executable, "-c", RUN, "compare", *tables, *options], capture_output=True, text=True
    )
    return result, result.stderr.split()


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("as_json", [False, True])
def test_comparing_files_loads_nothing_heavy(folder, suffix, as_json):
    options = ["--id", "id", "--group", "region", "--max-churn", "0.02"]
    result, modules = compared(folder, suffix, *options, *(["--json"] if as_json else []))
    assert result.returncode == 1, result.stderr
    assert "duckdb" in modules
    assert loaded(modules, (*HEAVY, "rich.console")) == []
    if as_json:
        assert json.loads(result.stdout)["verdict"] == "REJECT"
    else:
        assert "region: missing" in result.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--by-position"],
        ["--id", "id", "--group", "region", "--group", "size", "--weight", "weight"],
        ["--id", "id", "--prediction", "number", "--label", "level"],
    ],
    ids=["in order", "groups and weights", "numbers"],
)
def test_other_comparisons_load_nothing_heavy(folder, options):
    result, modules = compared(folder, "parquet", *options)
    assert "1,000 rows" in result.stdout, result.stderr
    assert loaded(modules, HEAVY) == []


def test_bad_input_loads_nothing_heavy(folder):
    result, modules = compared(folder, "parquet", "--id", "nothing")
    assert result.returncode == 2
    assert loaded(modules, HEAVY) == []
