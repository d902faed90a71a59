"""How long it takes to start: imports, `holdfast --help`, and `holdfast compare` of 1,000 rows.

Each figure is the median time of a whole process. The commands take turns, so that a busy moment of
the machine hits all of them. Python's files are compiled before, as an installer leaves them.

Run: python benchmarks/import_time.py
Writes docs/results/import_time.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from holdfast.tables import write_table

OUT = Path(__file__).parents[1] / "docs" / "results" / "import_time.json"
REPEATS = 15
ROWS = 1_000
CLASSES = ["ant", "bee", "cat"]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder)
        environment = compiled_into(folder / "compiled")
        commands = all_commands(folder)
        for command in commands.values():
            seconds(command, environment)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(REPEATS):
            for name, command in commands.items():
                times[name].append(seconds(command, environment))
    result = {name: round(median(values), 4) for name, values in times.items()}
    result["holdfast_over_sklearn_seconds"] = round(
        result["import_holdfast_seconds"] - result["import_sklearn_seconds"], 4
    )
    result["compare_over_libraries"] = round(
        median(
            ours / bare
            for ours, bare in zip(
                times["compare_seconds"], times["import_libraries_seconds"], strict=True
            )
        ),
        2,
    )
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def all_commands(folder: Path) -> dict[str, list[str]]:
    """Return the commands by the names of their figures."""
    python = sys.executable
    program = str(Path(python).with_name("holdfast"))
    options = ["--id", "id", "--group", "region", "--max-churn", "0.2"]
    parquet, text = (
        [program, "compare", *(str(folder / f"{name}.{suffix}") for name in ("base", "new"))]
        for suffix in ("parquet", "csv")
    )
    return {
        "bare_python_seconds": [python, "-c", "pass"],
        "import_sklearn_seconds": [python, "-c", "import sklearn"],
        "import_holdfast_seconds": [python, "-c", "import holdfast"],
        # The name that most scripts use first; it needs scikit-learn's estimators.
        "import_classifier_seconds": [python, "-c", "from holdfast import LowChurnClassifier"],
        "import_sklearn_ensemble_seconds": [python, "-c", "import sklearn.ensemble"],
        "help_seconds": [program, "--help"],
        # What a comparison cannot do without.
        "import_libraries_seconds": [python, "-c", "import numpy, duckdb, typer, rich"],
        "compare_seconds": [*parquet, *options],
        "compare_csv_seconds": [*text, *options],
        "compare_json_seconds": [*parquet, *options, "--json"],
    }


def write_tables(folder: Path) -> None:
    """Write the predictions of two models, with the truth and groups, as Parquet and as CSV."""
    rng = np.random.default_rng(0)
    base = pd.DataFrame({"id": rng.permutation(ROWS), "label": rng.choice(CLASSES, ROWS)})
    base["region"] = rng.choice(["north", "south", "west"], ROWS)
    base["prediction"] = rng.choice(CLASSES, ROWS)
    kept = rng.random(ROWS) < 0.9
    new = base[["id"]].assign(
        prediction=np.where(kept, base["prediction"], rng.choice(CLASSES, ROWS))
    )
    for suffix in ("parquet", "csv"):
        write_table(base, folder / f"base.{suffix}")
        write_table(new.sample(frac=1, random_state=0), folder / f"new.{suffix}")


def compiled_into(folder: Path) -> dict[str, str]:
    """Return an environment in which Python keeps what it compiles in a folder of its own."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
