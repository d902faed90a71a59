"""How often intervals of a change in recall, F1, balanced accuracy and cost hold it: simulation.

Rows are drawn from known shares of the eight kinds of rows: answers of two models and truth, of two
classes. In *nearly equal* models 7 % of the positives and 2.5 % of the negatives get another
answer, in *different* models 35 % and 11 %. A missed positive costs 50, a false alarm 1. The
confidence is 95 %. Repetitions without any positive are left out.

Run: python benchmarks/measure_intervals.py [--repetitions N]
Writes docs/results/measure_intervals.json and the table between the markers of docs/measures.md.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from marked import write_between
from numpy.typing import NDArray

from holdfast.common.files import write_text
from holdfast.comparison.counts import PairedCounts
from holdfast.comparison.measures import balanced_accuracy, mean_cost
from holdfast.comparison.ratios import estimate

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "measure_intervals.json"
PAGE = ROOT / "docs" / "measures.md"
CONFIDENCE = 0.95
ROWS, POSITIVES = (500, 5000), (0.02, 0.3)
RATIOS = ("recall", "precision", "f1")
MEASURES = (*RATIOS, "balanced accuracy", "cost")
COSTS = {0: {0: 0.0, 1: 50.0}, 1: {0: 1.0, 1: 0.0}}

# The cells in the order base answer, new answer, truth; each share of a class sums to 1.
CELLS = np.array(list(product((0, 1), repeat=3)))
POSITIVE = {  # (base, new) answers of positives
    "nearly equal": {(1, 1): 0.75, (1, 0): 0.03, (0, 1): 0.04, (0, 0): 0.18},
    "different": {(1, 1): 0.55, (1, 0): 0.15, (0, 1): 0.20, (0, 0): 0.10},
}
NEGATIVE = {
    "nearly equal": {(0, 0): 0.93, (0, 1): 0.01, (1, 0): 0.015, (1, 1): 0.045},
    "different": {(0, 0): 0.85, (0, 1): 0.05, (1, 0): 0.06, (1, 1): 0.04},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    n = parser.parse_args().repetitions
    settings = product(ROWS, POSITIVES, POSITIVE)
    rows = [simulated(*setting, n, seed) for seed, setting in enumerate(settings)]
    write_text(RESULTS, json.dumps(rows, indent=1) + "\n")
    write_between(PAGE, {"coverage": table(rows)})


def shares_of_cells(positives: float, models: str) -> NDArray[np.float64]:
    """Return the share of each cell in the population."""
    of_truth = (NEGATIVE[models], POSITIVE[models])
    whole = (1 - positives, positives)
    return np.array([whole[t] * of_truth[t][b, n] for b, n, t in CELLS.tolist()])


def simulated(rows: int, positives: float, models: str, repetitions: int, seed: int) -> Any:
    """Return the coverage and the median width of each interval in one setting."""
    shares = shares_of_cells(positives, models)
    drawn = np.random.default_rng(seed).multinomial(rows, shares, repetitions).astype(float)
    drawn = drawn[drawn[:, CELLS[:, 2] == 1].sum(axis=1) > 0]
    found = {name: of_ratio(name, drawn, shares) for name in RATIOS}
    many = counts_of(shares * 1e12)
    for name, measure in (
        ("balanced accuracy", lambda counts: balanced_accuracy(counts, CONFIDENCE)),
        ("cost", lambda counts: mean_cost(counts, COSTS, CONFIDENCE)),
    ):
        intervals = np.array([measure(counts_of(cells)).interval for cells in drawn])
        found[name] = summary(intervals[:, 0], intervals[:, 1], float(measure(many).change))
    setting = {"rows": rows, "positives": positives, "models": models, "repetitions": len(drawn)}
    return setting | {"measures": found}


def of_ratio(name: str, drawn: NDArray[np.float64], shares: NDArray[np.float64]) -> Any:
    true = float(estimate(name, shares, shares, CONFIDENCE).change)
    low, high = estimate(name, drawn, drawn, CONFIDENCE).interval
    known = np.isfinite(low)
    return summary(low[known], high[known], true)


def counts_of(cells: NDArray[np.float64]) -> PairedCounts:
    """Return paired counts with so many rows in each cell."""
    some = cells > 0
    return PairedCounts(
        n=int(cells.sum()),
        n_labeled=int(cells.sum()),
        weighted=False,
        has_truth=True,
        labels=np.array([0, 1]),
        triples=CELLS[some],
        rows=cells[some].astype(np.int64),
        weights=cells[some],
        squares=cells[some],
        largest=np.ones(int(some.sum())),
        sums={},
        groups={},
    )


def summary(low: NDArray[np.float64], high: NDArray[np.float64], true: float) -> dict[str, float]:
    covered = (low <= true + 1e-12) & (true - 1e-12 <= high)
    return {"coverage": float(covered.mean()), "median_width": float(np.median(high - low))}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| rows, positives, models | {' | '.join(MEASURES)} |",
        "|---|" + "---|" * len(MEASURES),
    ]
    for row in rows:
        cells = [f"{row['measures'][name]['coverage']:.1%}" for name in MEASURES]
        setting = f"{row['rows']:,}, {row['positives']:.0%}, {row['models']}"
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
