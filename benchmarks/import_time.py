"""Time of `import holdfast` over a bare `import sklearn`, and of `holdfast --help`.

Run: python benchmarks/import_time.py
Writes docs/results/import_time.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

OUT = Path(__file__).parents[1] / "docs" / "results" / "import_time.json"
REPEATS = 7


def main() -> None:
    python = sys.executable
    commands = {
        "bare_python_seconds": [python, "-c", "pass"],
        "import_sklearn_seconds": [python, "-c", "import sklearn"],
        "import_holdfast_seconds": [python, "-c", "import holdfast"],
        # The name that most scripts use first; it needs scikit-learn's estimators.
        "import_classifier_seconds": [python, "-c", "from holdfast import LowChurnClassifier"],
        "import_sklearn_ensemble_seconds": [python, "-c", "import sklearn.ensemble"],
        "help_seconds": [str(Path(python).with_name("holdfast")), "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(REPEATS):
        for name, command in commands.items():
            times[name].append(seconds(command))
    result = {name: round(median(values), 4) for name, values in times.items()}
    result["holdfast_over_sklearn_seconds"] = round(
        result["import_holdfast_seconds"] - result["import_sklearn_seconds"], 4
    )
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
