"""The search for λ against one plain fit and against the grid.

The booster is LightGBM with 200 trees, on adult, electricity and bank. Two thirds of the rows train
the update, and the first third of these trains the base model. The script compares
`LowChurnClassifier(…, max_churn=0.02).fit` with its defaults and with the nine-point grid, at the
same seeds. Risk is the log loss on the test rows.

Run: python benchmarks/budget_search.py [--runs N]
Reads the sets from HOLDFAST_DATA, else from OpenML. Writes docs/results/budget_search.json and its
table in docs/boosting.md.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from marked import write_between
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from holdfast import LowChurnClassifier
from holdfast.bench.trials.data import Source, read
from holdfast.common.files import write_text
from holdfast.methods.grid import GRID

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, PAGE = DOCS / "results" / "budget_search.json", DOCS / "boosting.md"
DATASETS = ("adult", "electricity", "bank")
MAX_CHURN, TREES = 0.02, 200
GOAL = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = range(parser.parse_args().runs)
    rows = [one_run(dataset, run) for dataset in DATASETS for run in runs]
    medians = [median_of(dataset, rows) for dataset in DATASETS]
    result = {"cores": os.cpu_count(), "to_reach": GOAL, "medians": medians, "runs": rows}
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    write_between(PAGE, {"search": table(result)})
    for row in medians:
        print(row)


def table(result: dict[str, Any]) -> str:
    lines = [
        "| | search: times one plain fit | grid | search: log loss | grid | λ tried |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in result["medians"]:
        cells = [
            row["dataset"],
            f"{row['search_times_plain']:.1f}",
            f"{row['grid_times_plain']:.1f}",
            f"{row['search_risk']:.4f}",
            f"{row['grid_risk']:.4f}",
            f"{row['search_lambdas']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def booster(seed: int) -> LGBMClassifier:
    return LGBMClassifier(n_estimators=TREES, random_state=seed, verbosity=-1)


def one_run(dataset: str, run: int) -> dict[str, Any]:
    data = read(Source(dataset))
    everything = np.arange(len(data.y))
    X = data.ready("trees", data.train, everything)
    train, test = train_test_split(everything, test_size=1 / 3, random_state=run, stratify=data.y)
    n_base = len(train) // 3
    base = booster(run).fit(X[train[:n_base]], data.y[train[:n_base]])
    booster(run).fit(X[train], data.y[train])  # warm
    start = time.perf_counter()
    cold = booster(100 + run).fit(X[train], data.y[train])
    plain = time.perf_counter() - start
    row = {"dataset": dataset, "run": run, "plain_seconds": plain}
    row["plain_risk"] = float(log_loss(data.y[test], cold.predict_proba(X[test])))
    for name, lambdas in (("search", "auto"), ("grid", GRID)):
        start = time.perf_counter()
        model = LowChurnClassifier(
            booster(100 + run), base, max_churn=MAX_CHURN, lambdas=lambdas, random_state=run
        ).fit(X[train], data.y[train], seen_by_base=np.arange(len(train)) < n_base)
        row[f"{name}_times_plain"] = (time.perf_counter() - start) / plain
        proba = model.predict_proba(X[test])
        row[f"{name}_risk"] = float(log_loss(data.y[test], proba))
        changed = proba.argmax(axis=1) != base.predict(X[test])
        row[f"{name}_churn"] = float(changed.mean())
        row[f"{name}_lambdas"] = int(np.count_nonzero(model.path_.lambdas))
    return row


def median_of(dataset: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in rows if row["dataset"] == dataset]
    names = [name for name in own[0] if name not in ("dataset", "run")]
    return {"dataset": dataset} | {n: float(np.median([row[n] for row in own])) for n in names}


if __name__ == "__main__":
    main()
