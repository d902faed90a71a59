"""Gradient boosting inside churn budgets: every way of updating, on the thirteen OpenML sets.

For each run the training part is shuffled. The base model is trained on the first third of it; the
update gets all of it, with the rows marked that the base model has seen. Boosters have 200 trees
and otherwise the library's defaults. With LightGBM and XGBoost each tree sees .8 of the rows and
columns, since seeds would change nothing without this. A fifth of the update's rows select. The
script measures accuracy, churn and negative flips on the test part, and counts the runs in which
the budget was kept there.

- *cold* and *base start* are plain retraining without a budget, from scratch and from the base
  model's trees.
- *distill* and *base start + distill* are averages of the models trained at the λ that the search
  chose, without the base model.
- *average* is an average of the base model and plain retraining in log-odds, served as one booster.
- *override* and *override by four* override the base model by plain retraining, and by the average
  of four retrainings.
- *auto* is `method="auto"`.

Run: python benchmarks/boosting_methods.py [--runs N] [--library NAME …] [--dataset NAME …]
Reads the sets from HOLDFAST_DATA, else from OpenML. Adds the runs that are missing to
docs/results/boosting_methods.json, and writes docs/results/boosting_methods.md from it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from marked import write_between

from holdfast import InfeasibleBudgetError, LowChurnClassifier
from holdfast.bench.trials.data import Source, read
from holdfast.common.files import write_text
from holdfast.methods import Ensemble, Warm

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "boosting_methods.json"
PAGE = ROOT / "docs" / "results" / "boosting_methods.md"
GUIDE = ROOT / "docs" / "boosting.md"
DATASETS = (
    *("adult", "bank", "churn", "compas", "eeg", "electricity", "elevators", "letter", "magic04"),
    *("phishing", "phoneme", "pollen", "wilt"),
)
LIBRARIES = ("lightgbm", "xgboost", "catboost")
BUDGETS = (0.01, 0.02, 0.04)
HALF = "half"  # the budget of half of cold start's churn
TREES = 200
SAMPLING = {"subsample": 0.8, "colsample_bytree": 0.8}
WAYS: dict[str, dict[str, Any]] = {
    "distill": {"method": "distill", "include_base": False},
    "base start + distill": {"method": "warm_distill", "include_base": False},
    "average": {"method": "cold", "include_base": True, "average_in": "log_odds"},
    "override": {"method": "cold", "mixture": "override"},
    "override by four": {"method": [Ensemble(4)], "mixture": "override"},
    "auto": {"method": "auto"},
}
PLAIN = ("cold", "base start")
SEARCHED = ("distill", "base start + distill", "auto")  # fitted anew for each budget
MEASURES = ("accuracy", "churn", "negative_flips")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--library", nargs="*", default=LIBRARIES)
    parser.add_argument("--dataset", nargs="*", default=DATASETS)
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    done = {(row["dataset"], row["library"], row["run"]) for row in known}
    wanted = [
        (dataset, library, run)
        for library in options.library
        for dataset in options.dataset
        for run in range(options.runs)
        if (dataset, library, run) not in done
    ]
    found = Parallel(n_jobs=-1, return_as="generator")(delayed(measure)(*key) for key in wanted)
    for rows in found:
        known += rows
        write_text(RESULTS, json.dumps(known, indent=0) + "\n")
        print(rows[0]["dataset"], rows[0]["library"], rows[0]["run"], flush=True)
    write_text(PAGE, page(known))
    write_between(GUIDE, {"gains": medians(known)})


# --- one run --------------------------------------------------------------------------------------


def booster(library: str, seed: int) -> Any:
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        params = {"n_estimators": TREES, "random_state": seed, "n_jobs": 1}
        return LGBMClassifier(**params, **SAMPLING, subsample_freq=1, verbosity=-1)
    if library == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=TREES, random_state=seed, n_jobs=1, **SAMPLING)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=TREES, random_state=seed, thread_count=1, verbose=0, allow_writing_files=False
    )


def dataset_of(name: str) -> Any:
    data = read(Source(name))
    rows = np.arange(len(data.y))
    return data, data.ready("trees", data.train, rows)


def measure(dataset: str, library: str, run: int) -> list[dict[str, Any]]:
    """Return a row for each way and budget."""
    data, X = dataset_of(dataset)
    train = np.random.default_rng(run).permutation(data.train)
    n_base = len(train) // 3
    base = booster(library, run).fit(X[train[:n_base]], data.y[train[:n_base]])
    one = OneRun(data, X, train, np.arange(len(train)) < n_base, base, booster(library, 1000 + run))
    key = {"dataset": dataset, "library": library, "run": run}
    return [key | row for row in one.rows()]


class OneRun:
    """A base model, and every way to update it."""

    def __init__(self, data: Any, X: Any, train: Any, seen: Any, base: Any, estimator: Any) -> None:
        self.X, self.y, self.seen = X[train], data.y[train], seen
        self.X_test, self.y_test = X[data.test], data.y[data.test]
        self.base, self.estimator = base, estimator
        self.base_answer = np.ravel(base.predict(self.X_test))

    def rows(self) -> Iterator[dict[str, Any]]:
        cold = self.fit(method="cold", max_churn=1.0, include_base=False)
        warm = self.fit(method=[Warm()], max_churn=1.0, include_base=False)
        yield self.row("base", None, np.ravel(self.base.predict(self.X_test)))
        plain = np.ravel(cold.path_.candidates[0].estimator.predict(self.X_test))
        yield self.row("cold", None, plain)
        yield self.row("base start", None, warm.path_.candidates[1].estimator.predict(self.X_test))
        half = cold.with_budget(max_churn=1.0).comparison_.churn_rate / 2
        for way, options in WAYS.items():
            fitted: Any = None
            for name, budget in [*((str(b), b) for b in BUDGETS), (HALF, half)]:
                try:
                    if fitted is None or way in SEARCHED:
                        fitted = self.fit(**options, max_churn=budget)
                    else:
                        fitted = fitted.with_budget(max_churn=budget)
                    yield self.row(way, name, fitted.predict(self.X_test), fitted)
                except InfeasibleBudgetError:
                    yield {"way": way, "budget": name} | dict.fromkeys(MEASURES)

    def fit(self, **options: Any) -> LowChurnClassifier:
        model = LowChurnClassifier(self.estimator, self.base, random_state=0, **options)
        return model.fit(self.X, self.y, seen_by_base=self.seen)

    def row(self, way: str, budget: str | None, answer: Any, model: Any = None) -> dict[str, Any]:
        answer = np.ravel(answer)
        right, was_right = answer == self.y_test, self.base_answer == self.y_test
        fits = None if model is None else len(model.path_.candidates)
        return {
            "way": way,
            "budget": budget,
            "accuracy": round(float(right.mean()), 5),
            "churn": round(float((answer != self.base_answer).mean()), 5),
            "negative_flips": round(float((was_right & ~right).mean()), 5),
            "models": fits,
        }


# --- the page -------------------------------------------------------------------------------------


def page(rows: list[dict[str, Any]]) -> str:
    libraries = [name for name in LIBRARIES if any(row["library"] == name for row in rows)]
    parts = [
        "# Gradient boosting inside churn budgets",
        "",
        "`python benchmarks/boosting_methods.py` makes this page, and its first lines explain the "
        "rows. The numbers are those of [boosting_methods.json](boosting_methods.json).",
    ]
    for library in libraries:
        own = [row for row in rows if row["library"] == library]
        parts += ["", f"## {library}", "", *gain_table(own), "", *budget_table(own)]
        for dataset in [d for d in DATASETS if any(row["dataset"] == d for row in own)]:
            parts += ["", *dataset_table(dataset, [r for r in own if r["dataset"] == dataset])]
    return "\n".join(parts) + "\n"


def mean(rows: list[dict[str, Any]], measure: str) -> float | None:
    values = [row[measure] for row in rows]
    return None if not values or any(v is None for v in values) else float(np.mean(values))


def of(rows: list[dict[str, Any]], way: str, budget: str | None) -> list[dict[str, Any]]:
    return [row for row in rows if row["way"] == way and row["budget"] == budget]


def gain_kept(rows: list[dict[str, Any]], way: str, budget: str) -> float | None:
    """Return the share of cold start's mean gain in accuracy that a way keeps."""
    base, cold = mean(of(rows, "base", None), "accuracy"), mean(of(rows, "cold", None), "accuracy")
    own = mean(of(rows, way, budget), "accuracy")
    if own is None or base is None or cold is None or cold <= base:
        return None
    return (own - base) / (cold - base)


def cell(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("0.", ".", 1).replace("-.", "−.")


def gains_kept(rows: list[dict[str, Any]], way: str) -> list[float | None]:
    """Return the gain kept at half of cold start's churn, for each data set."""
    names = [d for d in DATASETS if any(row["dataset"] == d for row in rows)]
    return [gain_kept([r for r in rows if r["dataset"] == d], way, HALF) for d in names]


def median_gain(kept: list[float | None]) -> float | None:
    known = [value for value in kept if value is not None]
    return float(np.median(known)) if known else None


def gain_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of the gain kept at half of cold start's churn."""
    names = [d for d in DATASETS if any(row["dataset"] == d for row in rows)]
    lines = [
        "The table has the share of plain retraining's gain in accuracy that is kept at half of "
        "its churn. A dash means that no setting has so little churn, or that there is no gain to "
        "keep:",
        "",
        f"| | {' | '.join(names)} | median |",
        "|---|" + "---|" * (len(names) + 1),
    ]
    for way in WAYS:
        kept = gains_kept(rows, way)
        lines.append(f"| {way} | {' | '.join(map(cell, kept))} | {cell(median_gain(kept))} |")
    return lines


def medians(rows: list[dict[str, Any]]) -> str:
    """Return the guide's table: medians over the sets where a way has a number, and how many."""
    libraries = [name for name in LIBRARIES if any(row["library"] == name for row in rows)]
    lines = [f"| | {' | '.join(libraries)} |", "|---|" + "---|" * len(libraries)]
    for way in WAYS:
        kept = [gains_kept([r for r in rows if r["library"] == name], way) for name in libraries]
        cells = [
            f"{cell(median_gain(one))} ({sum(value is not None for value in one)} of {len(one)})"
            for one in kept
        ]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def budget_table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table that says how well the budgets are kept on the test rows."""
    lines = [
        "The next table has the median churn on the test rows as a share of the budget, over all "
        "sets and runs, and in brackets the number of runs in which the churn was within the "
        "budget. The test part of wilt comes from another population than its training part, and "
        "no budget holds there:",
        "",
        "| | " + " | ".join(f"{budget:.0%}" for budget in BUDGETS) + " |",
        "|---|" + "---|" * len(BUDGETS),
    ]
    for way in WAYS:
        cells = []
        for budget in BUDGETS:
            found = [r for r in of(rows, way, str(budget)) if r["churn"] is not None]
            kept = sum(row["churn"] <= budget for row in found)
            share = float(np.median([row["churn"] for row in found])) / budget if found else None
            cells.append(f"{cell(share)} ({kept} of {len(found)})")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


def dataset_table(dataset: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return the table with accuracy, churn and negative flips of every way, in %."""
    lines = [
        f"**{dataset}** (accuracy / churn / negative flips, %; runs within the budget)",
        "",
        "| | " + " | ".join(f"{budget:.0%}" for budget in BUDGETS) + " |",
        "|---|" + "---|" * len(BUDGETS),
    ]
    for way in ("base", *PLAIN):
        shown = triple(of(rows, way, None))
        lines.append(f"| {way} | {shown} |" + " |" * (len(BUDGETS) - 1))
    for way in WAYS:
        cells = []
        for budget in BUDGETS:
            found = of(rows, way, str(budget))
            if mean(found, "churn") is None:
                cells.append("–")
                continue
            kept = sum(row["churn"] <= budget for row in found)
            cells.append(f"{triple(found)} ({kept} of {len(found)})")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return lines


def triple(rows: list[dict[str, Any]]) -> str:
    return " / ".join(f"{100 * (mean(rows, measure) or 0.0):.2f}" for measure in MEASURES)


if __name__ == "__main__":
    main()
