"""Speed and memory of `compare` on 10 million integer labels, against scikit-learn in the same run.

Run: python benchmarks/compare_speed.py [--rows N] [--classes K]
Writes docs/results/compare_speed.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix

from holdfast import compare

OUT = Path(__file__).parents[1] / "docs" / "results" / "compare_speed.json"
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--classes", type=int, default=10)
    arguments = parser.parse_args()
    y, base, new = make_labels(arguments.rows, arguments.classes)

    def sklearn_side() -> None:
        confusion_matrix(base, new)
        accuracy_score(y, base)
        accuracy_score(y, new)

    def holdfast_side() -> None:
        compare(base, new, y)

    check_equal(y, base, new)
    # Both sides take turns, so that a busy moment of the machine hits both.
    pairs = [(seconds(sklearn_side), seconds(holdfast_side)) for _ in range(REPEATS)]
    input_bytes = y.nbytes + base.nbytes + new.nbytes
    result = {
        "rows": arguments.rows,
        "classes": arguments.classes,
        "sklearn_seconds": median(slow for slow, _ in pairs),
        "holdfast_seconds": median(fast for _, fast in pairs),
        "speedup": median(slow / fast for slow, fast in pairs),
        "input_mb": input_bytes / 1e6,
        "holdfast_extra_memory_over_input": peak_bytes(holdfast_side) / input_bytes,
        "sklearn_extra_memory_over_input": peak_bytes(sklearn_side) / input_bytes,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    OUT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def make_labels(n: int, n_classes: int) -> tuple[NDArray[np.int64], ...]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)

    def predictions(error: float) -> NDArray[np.int64]:
        return np.where(rng.random(n) < error, rng.integers(0, n_classes, n), y)

    return y, predictions(0.2), predictions(0.18)


def check_equal(y: NDArray[np.int64], base: NDArray[np.int64], new: NDArray[np.int64]) -> None:
    comparison = compare(base, new, y)
    assert np.array_equal(comparison.transitions.toarray(), confusion_matrix(base, new))
    assert abs(comparison.accuracy_base - accuracy_score(y, base)) < 1e-12
    assert abs(comparison.accuracy_new - accuracy_score(y, new)) < 1e-12


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_bytes(work: Callable[[], None]) -> int:
    """Return the most memory that `work` held at once, without its input."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    main()
