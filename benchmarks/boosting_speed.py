"""Boosters fitted to soft targets directly, against the same fit on repeated rows.

Targets are half the label and half the probabilities of a base model that is trained on a third of
the rows. adult has two classes and letter 26. The other side has every row once for each class,
weighted by its part of the target. Each fit runs in a process of its own with one thread. Memory is
the peak of the process minus that of a process which only has the rows.

Run: python benchmarks/boosting_speed.py
Reads the sets from HOLDFAST_DATA, else from OpenML. Writes docs/results/boosting_speed.json and the
table in docs/boosting.md.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from marked import write_between

from holdfast.bench.trials.data import Source, read
from holdfast.common.files import write_text
from holdfast.learners.interface import Job, TrainingRows
from holdfast.learners.lookup import learner_of
from holdfast.learners.sklearn import SklearnLearner
from holdfast.methods import Distill

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, PAGE = DOCS / "results" / "boosting_speed.json", DOCS / "boosting.md"
TREES = {"adult": 200, "letter": 30}
LIBRARIES = ("lightgbm", "xgboost", "catboost")
WAYS = ("nothing", "as they are", "repeated")


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(*sys.argv[1:])))
        return
    rows = [compare(dataset, library) for dataset in TREES for library in LIBRARIES]
    write_text(RESULTS, json.dumps(rows, indent=1) + "\n")
    write_between(PAGE, {"speed": table(rows)})
    for row in rows:
        print(row)


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| | | seconds | repeated | times as fast | MiB | repeated |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = [
            row["library"],
            f"{row['dataset']}, {TREES[row['dataset']]} trees",
            f"{row['seconds']:.2f}",
            f"{row['seconds_repeated']:.2f}",
            f"{row['times_as_fast']:.1f}",
            f"{max(row['mebibytes'], 0):.0f}",
            f"{row['mebibytes_repeated']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def compare(dataset: str, library: str) -> dict[str, Any]:
    found = {way: in_own_process(dataset, library, way) for way in WAYS}
    nothing, ours, repeated = (found[way] for way in WAYS)
    return {
        "dataset": dataset,
        "library": library,
        "seconds": ours["seconds"],
        "seconds_repeated": repeated["seconds"],
        "times_as_fast": repeated["seconds"] / ours["seconds"],
        "mebibytes": ours["peak"] - nothing["peak"],
        "mebibytes_repeated": repeated["peak"] - nothing["peak"],
        "loss": ours["loss"],
        "loss_repeated": repeated["loss"],
    }


def in_own_process(*key: str) -> dict[str, float]:
    command = [sys.executable, __file__, *key]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(dataset: str, library: str, way: str) -> dict[str, float]:
    data = read(Source(dataset))
    X, y = data.ready("trees", data.train, data.train), data.y[data.train]
    n, classes = len(y) // 3, np.arange(len(data.classes))
    base_proba = booster(library, 20).fit(X[:n], y[:n]).predict_proba(X)
    estimator = booster(library, TREES[dataset])
    methods = [Distill(0.5)]
    learner: Any = SklearnLearner(estimator)
    if way == "as they are":
        learner = learner_of(
            estimator,
            soft_targets="weights",
            random_state=0,
            base_model=None,
            classes=classes,
            methods=methods,
        )
    start, loss = time.perf_counter(), 0.0
    if way != "nothing":
        trainer = learner.prepare(TrainingRows(None, X, y, classes, None), base_proba, None)
        (fit,) = trainer.fit([Job(method) for method in methods], n_jobs=1, verbose=0)
    seconds = time.perf_counter() - start
    if way != "nothing":
        target = 0.5 * np.eye(len(classes))[y] + 0.5 * base_proba
        proba = fit.final.predict_proba(X)
        loss = float(-(target * np.log(proba.clip(1e-15))).sum(axis=1).mean())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak": peak, "loss": loss}


def booster(library: str, trees: int) -> Any:
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=trees, n_jobs=1, verbosity=-1)
    if library == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=trees, n_jobs=1)
    from catboost import CatBoostClassifier

    quiet = {"thread_count": 1, "verbose": 0, "allow_writing_files": False}
    return CatBoostClassifier(iterations=trees, learning_rate=0.1, **quiet)


if __name__ == "__main__":
    main()
