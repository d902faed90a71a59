"""How often the intervals of changes of scores cover the true change: simulation.

Positive rows have a latent score that is 1.5 standard deviations higher. Both models see it with
noise, and turn it into a probability.

- *hardly moved*: the new model differs by noise of 0.5 % of a standard deviation and gains nothing.
- *retrained*: it differs by 5 % and gains a little.
- *different*: it has noise of its own and gains more.

The true change is that of 4 million rows. Intervals are at 95 %.

Run: python benchmarks/score_intervals.py [--repetitions N] [--jobs J]
Writes docs/results/score_intervals.json and the table between the markers of docs/scores.md.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from marked import write_between
from numpy.typing import NDArray

from holdfast.common.files import write_text
from holdfast.comparison import compare_scores

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "score_intervals.json"
PAGE = ROOT / "docs" / "scores.md"
SIZES, SHARES = (500, 5000), (0.02, 0.3)
KINDS = ("hardly moved", "retrained", "different")
MEASURES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}
POPULATION, PARTS = 1_000_000, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    truths = {key: true_changes(*key) for key in product(SHARES, KINDS)}
    keys = [(n, *key) for n in SIZES for key in truths]
    # Draws of more rows take longer, so there are fewer of them.
    times = {SIZES[0]: options.repetitions, SIZES[1]: max(options.repetitions // 4, 1)}
    rows = Parallel(n_jobs=options.jobs, verbose=5)(
        delayed(coverage)(n, share, kind, truths[share, kind], times[n]) for n, share, kind in keys
    )
    write_text(RESULTS, json.dumps(rows, indent=1) + "\n")
    write_between(PAGE, {"coverage": table(rows)})


def draw(n: int, share: float, kind: str, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return the scores of both models and the truth."""
    y = (rng.random(n) < share).astype(np.int8)
    latent = 1.5 * y + rng.normal(size=n)
    first, second = rng.normal(size=(2, n))
    if kind == "different":
        seen = latent + 0.8 * first, latent + 0.6 * second
    else:
        base = latent + 0.5 * first
        gain = 0.02 * y if kind == "retrained" else 0.0
        seen = base, base + (0.05 if kind == "retrained" else 0.005) * second + gain
    start = np.log(share / (1 - share)) - 1
    base, new = (1 / (1 + np.exp(-start - 1.2 * score)) for score in seen)
    return base, new, y


def true_changes(share: float, kind: str) -> dict[str, float]:
    """Return the change of each measure in a large sample."""
    rng = np.random.default_rng([1, round(1000 * share), KINDS.index(kind)])
    found = [changes(compare_scores(*draw(POPULATION, share, kind, rng))) for _ in range(PARTS)]
    return {name: float(np.mean([part[name][0] for part in found])) for name in MEASURES}


def changes(result: Any) -> dict[str, tuple[float, float, float]]:
    """Return the change of each measure with its interval."""
    return {
        name: (result.measures[name].change, *result.measures[name].interval) for name in MEASURES
    }


def coverage(n: int, share: float, kind: str, true: dict[str, float], times: int) -> dict[str, Any]:
    """Return how often the intervals hold the true change, over draws with 2 positives or more."""
    rng = np.random.default_rng([2, n, round(1000 * share), KINDS.index(kind)])
    held = dict.fromkeys(MEASURES, 0)
    widths: dict[str, list[float]] = {name: [] for name in MEASURES}
    positives = []
    while len(positives) < times:
        drawn = draw(n, share, kind, rng)
        if drawn[2].sum() < 2:
            continue
        positives.append(int(drawn[2].sum()))
        for name, (_, low, high) in changes(compare_scores(*drawn)).items():
            held[name] += low <= true[name] <= high
            widths[name].append(high - low)
    return {
        "rows": n,
        "positive_share": share,
        "kind": kind,
        "repetitions": times,
        "fewer_than_ten_positives": float(np.mean(np.array(positives) < 10)),
        "true_change": true,
        "coverage": {name: count / times for name, count in held.items()},
        "median_width": {name: float(np.median(width)) for name, width in widths.items()},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table: how often the interval of each measure's change holds the true one."""
    lines = [
        f"| rows | positive | models | draws | {' | '.join(MEASURES.values())} |",
        "|---|---|---|---|" + "---|" * len(MEASURES),
    ]
    for row in rows:
        cells = " | ".join(f"{row['coverage'][name]:.1%}" for name in MEASURES)
        drawn = f"{row['rows']:,} | {row['positive_share']:.0%} | {row['kind']}"
        lines.append(f"| {drawn} | {row['repetitions']:,} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
