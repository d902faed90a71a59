"""An explicit constraint on churn, kept by Lagrangian descent, against distillation.

The network is fcn-100, on three data sets with 1,000 initial rows, 1,000 further ones and 100 for
validation, in ten runs. Nine limits on hard churn stand against nine λ. They are trained in the
same run, each nine at once.

Run: python benchmarks/constrained.py [--runs N]
Writes docs/results/constrained.json, docs/images/constrained.svg and the table between the markers
of docs/theory.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from marked import write_between

from holdfast.bench.findings.summary import summarise
from holdfast.bench.pages.plots import pages, save_page
from holdfast.bench.trials.architectures import architecture
from holdfast.bench.trials.contenders import chosen
from holdfast.bench.trials.data import BenchData, Source, read
from holdfast.bench.trials.protocol import Trial, rows_of, seed_of
from holdfast.bench.trials.training import Base, Training, models_of
from holdfast.bench.trials.trial import run_trial
from holdfast.common.files import write_text
from holdfast.methods import Cold, Constrained, Distill
from holdfast.methods.grid import GRID
from holdfast.methods.training import BUDGETS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "constrained.json"
FIGURE = ROOT / "docs" / "images" / "constrained.svg"
PAGE = ROOT / "docs" / "theory.md"
DATASETS = ("adult", "electricity", "magic04")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    n_runs = parser.parse_args().runs
    frames, results = [], {}
    for name in DATASETS:
        data = read(Source(name))
        trials = [
            Trial(name, "fcn-100", "random", 1000, 100, 1000, 0, data.sha, run)
            for run in range(n_runs)
        ]
        methods = chosen(["distill", "constrained", "ensemble"])
        frames += [run_trial(trial, data, methods) for trial in trials]
        results[name] = compared([trained(trial, data) for trial in trials])
        print(name, json.dumps(results[name]), flush=True)
    write_text(RESULTS, json.dumps({"runs": n_runs, "datasets": results}, indent=1) + "\n")
    rows = pd.concat(frames, ignore_index=True)
    (page,) = pages(rows, summarise(rows), "frontier")
    save_page(page, FIGURE, "svg")
    write_between(PAGE, {"constrained": table(results, n_runs)})


def trained(trial: Trial, data: BenchData) -> dict[str, Any]:
    """Return the churn and accuracy of both on both parts in one run, and their seconds."""
    rows = rows_of(trial, data.y, data.train, data.test)
    (update,) = rows.updates
    network = architecture(trial.network)
    X = data.ready(network.encoding, data.train, np.arange(len(data.y)))
    models = models_of(network, X, data.y, len(data.classes), n_jobs=1, device="cpu")
    (first,) = models.fit([Training(Cold(), seed_of(trial, 0), None)], rows.initial)
    base = Base(models.proba(first, np.arange(len(data.y))), models.state(first))
    found: dict[str, Any] = {}
    for name, settings in (
        ("warm-up", [Cold()]),
        ("distill", [Distill(lam) for lam in GRID]),
        ("constrained", [Constrained(budget) for budget in BUDGETS]),
    ):
        start = time.perf_counter()
        trainings = [Training(method, seed_of(trial, 1), base) for method in settings]
        fitted = models.fit(trainings, update)
        seconds = time.perf_counter() - start
        found[name] = {"seconds": seconds, "epochs": [one.epochs for one in fitted]}
        for part, own in (("train", update.train), ("test", update.test)):
            was = base.proba[own].argmax(axis=1)
            new = [models.proba(one, own).argmax(axis=1) for one in fitted]
            found[name][f"{part}_churn"] = [float(np.mean(answer != was)) for answer in new]
            found[name][f"{part}_accuracy"] = [
                float(np.mean(answer == data.y[own])) for answer in new
            ]
    return found


def compared(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over runs, violations, and accuracy at the same churn."""

    def values(method: str, name: str) -> Any:
        return np.array([run[method][name] for run in runs])

    seconds = values("constrained", "seconds") / values("distill", "seconds")
    limit = np.array(BUDGETS)
    gaps = np.array([gap(run) for run in runs])
    finite = gaps[~np.isnan(gaps)]
    return {
        "seconds_constrained_over_distill": round(float(np.median(seconds)), 2),
        "epochs_distill": round(float(values("distill", "epochs").mean()), 1),
        "epochs_constrained": round(float(values("constrained", "epochs").mean()), 1),
        "limits": list(BUDGETS),
        "train_churn": values("constrained", "train_churn").mean(axis=0).round(4).tolist(),
        "test_churn": values("constrained", "test_churn").mean(axis=0).round(4).tolist(),
        "test_accuracy": values("constrained", "test_accuracy").mean(axis=0).round(4).tolist(),
        "violated_on_train": (values("constrained", "train_churn") > limit).mean(axis=0).tolist(),
        "violated_on_test": (values("constrained", "test_churn") > limit).mean(axis=0).tolist(),
        "lambdas": list(GRID),
        "distill_test_churn": values("distill", "test_churn").mean(axis=0).round(4).tolist(),
        "distill_test_accuracy": values("distill", "test_accuracy").mean(axis=0).round(4).tolist(),
        "accuracy_minus_distill": round(float(finite.mean()), 5),
        "accuracy_minus_distill_standard_error": round(
            float(finite.std(ddof=1) / np.sqrt(len(finite))), 5
        ),
    }


def gap(run: dict[str, Any]) -> float:
    """Return mean accuracy minus distillation's at the same churn, where both have that churn."""
    line = sorted(zip(run["distill"]["test_churn"], run["distill"]["test_accuracy"], strict=True))
    churn, accuracy = np.array(line).T
    own = np.array([run["constrained"]["test_churn"], run["constrained"]["test_accuracy"]])
    inside = (own[0] >= churn[0]) & (own[0] <= churn[-1])
    if not inside.any():
        return float("nan")
    return float(np.mean(own[1, inside] - np.interp(own[0, inside], churn, accuracy)))


def table(results: dict[str, Any], n_runs: int) -> str:
    limits = (0.01, 0.02, 0.04, 0.08)
    at = [BUDGETS.index(limit) for limit in limits]
    names = " | ".join(f"{limit:.0%}" for limit in limits)
    lines = [
        f"The network is fcn-100, in {n_runs} runs. The table has churn in percent, as a mean over "
        "runs, at four of nine limits, and in brackets the share of runs in which the limit is "
        "broken at the end:",
        "",
        f"| data | rows | {names} | time | accuracy at equal churn |",
        f"|---|---|{'---|' * len(limits)}---|---|",
    ]
    for name, found in results.items():
        time_, gap_ = found["seconds_constrained_over_distill"], found["accuracy_minus_distill"]
        error = found["accuracy_minus_distill_standard_error"]
        tail = [f"{time_} × | {100 * gap_:+.2f} ± {100 * error:.2f} | ", " | | "]
        for part, more in zip(("train", "test"), tail, strict=True):
            cells = " | ".join(
                f"{100 * found[f'{part}_churn'][i]:.1f} ({found[f'violated_on_{part}'][i]:.0%})"
                for i in at
            )
            lines.append(f"| {name} | {part} | {cells} | {more}".rstrip())
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
