"""Every method on electricity, at the paper's protocol: accuracy, churn and negative flips.

One hidden layer of 1,000 units. For each run 1,000 initial, 100 validation and 1,000 further rows
are drawn from the training part; the base model is trained on the initial rows, every method on
the initial and the further ones, all by Adam at its defaults in batches of 32, until five epochs
brought no better validation loss. Measured on the test part.

Run: python benchmarks/electricity_methods.py [--runs N]
Reads electricity from HOLDFAST_DATA, else from OpenML. Writes docs/results/electricity_methods.json
and docs/results/electricity_methods.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from holdfast._files import write_text
from holdfast.datasets import load
from holdfast.methods import (
    GRID,
    Anchor,
    Average,
    CoDistillation,
    Cold,
    Distill,
    Ensemble,
    Interpolate,
    LabelSmoothing,
    Method,
    Mixup,
    Override,
    ShrinkPerturb,
    Warm,
    WarmDistill,
)
from holdfast.nn import FullyConnected, Run, fit_many, predict_many
from holdfast.override import override_classes

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "electricity_methods.json"
PAGE = ROOT / "docs" / "results" / "electricity_methods.md"
N_INIT, N_VALIDATION, N_BATCH = 1000, 100, 1000
MEASURES = ("accuracy", "churn", "negative_flips")
# Churn at cold accuracy with other draws and another implementation, measured while designing this
# one: what to expect.
REFERENCE = {
    "cold": 0.077,
    "distill": 0.055,
    "anchor": 0.052,
    "warm_distill": 0.033,
    "interpolate": 0.030,
    "average": 0.023,
}


def settings() -> dict[str, list[Method]]:
    """Return the settings of every row of the table, by the row's name."""
    distilled = [WarmDistill(lam) for lam in GRID]
    ensemble = Ensemble(4)
    return {
        "cold": [Cold()],
        "warm": [Warm()],
        "shrink_perturb": [ShrinkPerturb(alpha) for alpha in GRID],
        "mixup": [Mixup(alpha) for alpha in GRID],
        "label_smoothing": [LabelSmoothing(alpha) for alpha in GRID],
        "co_distillation": [CoDistillation(alpha) for alpha in GRID],
        "anchor": [Anchor(alpha, eta) for alpha in GRID for eta in (0.5, 0.7, 1.0)],
        "distill": [Distill(lam) for lam in GRID],
        "warm_distill": list(distilled),
        "interpolate": [Interpolate(w) for w in GRID],
        "interpolate of warm_distill": [Interpolate(w, of=m) for w in GRID for m in distilled],
        "average of base and cold": [Average(w) for w in GRID],
        "average": [Average(w, of=m) for w in GRID for m in distilled],
        "override by cold": [Override(tau) for tau in GRID],
        "override by warm_distill": [Override(tau, of=m) for tau in GRID for m in distilled],
        "ensemble": [ensemble],
        "average of base and ensemble": [Average(w, of=ensemble) for w in GRID],
        "override by ensemble": [Override(tau, of=ensemble) for tau in GRID],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument(
        "--last-epoch", action="store_true", help="do not go back to the best epoch"
    )
    arguments = parser.parse_args()
    start = time.perf_counter()
    measured, base = measure(arguments.runs, restore_best=not arguments.last_epoch)
    result = {
        "runs": arguments.runs,
        "restore_best": not arguments.last_epoch,
        "base_accuracy": base,
        "seconds": time.perf_counter() - start,
        "rows": [row(name, kinds, measured) for name, kinds in settings().items()],
        "settings": {str(m): np.mean(v, axis=0).tolist() for m, v in measured.items()},
    }
    if not arguments.last_epoch:
        write_text(RESULTS, json.dumps(result, indent=1) + "\n")
        write_text(PAGE, page(result))
    print(page(result))


# --- training ------------------------------------------------------------------------------------


def measure(n_runs: int, *, restore_best: bool) -> tuple[dict[Method, NDArray[np.float64]], float]:
    """Return (accuracy, churn, negative flips) of each setting and run; the base's accuracy."""
    X, y, parts = rows()
    module = partial(FullyConnected, X.shape[1], 2, width=1000)
    train = partial(fit_many, module, X=X, y=y, restore_best=restore_best)
    draws = [draw(parts.train, seed) for seed in range(n_runs)]
    base = train([Run(d["initial"], d["validation"], seed=10_000 + i) for i, d in enumerate(draws)])
    wanted = list(dict.fromkeys(m for kinds in settings().values() for m in kinds))
    trainings = list(dict.fromkeys((m.trained, j) for m in wanted for j in range(m.members)))
    runs, keys = [], []
    for i, d in enumerate(draws):
        everything = np.concatenate([d["initial"], d["further"]])
        base_proba = predict_many(module, [base[i].state], X[everything])[0]
        for method, member in trainings:
            keys.append((i, method, member))
            seed = 100 * i + member
            runs.append(Run(everything, d["validation"], method, seed, base_proba, base[i].state))
    fitted = dict(zip(keys, train(runs), strict=True))
    measured: dict[Method, list[tuple[float, ...]]] = {method: [] for method in wanted}
    accuracies = []
    for i in range(n_runs):
        served = Served(module, X[parts.test], y[parts.test], base[i], fitted, i)
        accuracies.append(served.base_accuracy)
        for method in wanted:
            measured[method].append(served.measures(method))
    return {m: np.array(v) for m, v in measured.items()}, float(np.mean(accuracies))


def rows() -> tuple[NDArray[np.float32], NDArray[np.int64], Any]:
    """Return standardised numbers and the day of the week as indicators."""
    data = load("electricity")
    parts = data.train_test()
    encoder = make_column_transformer(
        (StandardScaler(), list(data.numeric)), (OneHotEncoder(), list(data.categorical))
    ).fit(data.X.iloc[parts.train])
    _, y = np.unique(data.y, return_inverse=True)
    return encoder.transform(data.X).astype(np.float32), y, parts


def draw(train: NDArray[np.intp], seed: int) -> dict[str, NDArray[np.intp]]:
    order = np.random.default_rng(seed).permutation(train)
    cuts = np.cumsum([N_INIT, N_VALIDATION, N_BATCH])
    initial, validation, further, _ = np.split(order, cuts)
    return {"initial": initial, "validation": validation, "further": further}


class Served:
    """The models of one run on the test rows."""

    def __init__(self, module: Any, X: Any, y: Any, base: Any, fitted: Any, run: int) -> None:
        self.module, self.X, self.y, self.base = module, X, y, base
        self.fitted, self.run = fitted, run
        self.base_proba = self._proba([base.state])[0]
        self.base_pred = self.base_proba.argmax(axis=1)
        self.base_accuracy = float((self.base_pred == y).mean())
        self._known: dict[Any, NDArray[np.float64]] = {}

    def measures(self, method: Method) -> tuple[float, float, float]:
        """Return accuracy, churn and negative flips of one setting."""
        pred = self._predict(method)
        return (
            float((pred == self.y).mean()),
            float((pred != self.base_pred).mean()),
            float(((self.base_pred == self.y) & (pred != self.y)).mean()),
        )

    def _predict(self, method: Method) -> NDArray[np.intp]:
        new = np.mean([self._network(method, j) for j in range(method.members)], axis=0)
        if method.threshold is not None:
            return override_classes(new, self.base_pred, method.threshold)
        mixed = (1 - method.base_weight) * new + method.base_weight * self.base_proba
        return mixed.argmax(axis=1)

    def _network(self, method: Method, member: int) -> NDArray[np.float64]:
        """Return the probabilities of one network, which several methods share."""
        network = self.fitted[self.run, method.trained, member]
        made = "parameters" in method.changes
        key = (method if made else method.trained, member)
        if key not in self._known:
            finished = network.finished(method, self.base.state) if made else network
            self._known[key] = self._proba([finished.state])[0]
        return self._known[key]

    def _proba(self, states: Any) -> NDArray[np.float64]:
        return predict_many(self.module, states, self.X)


# --- tables --------------------------------------------------------------------------------------


def row(
    name: str, kinds: Iterable[Method], measured: dict[Method, NDArray[np.float64]]
) -> dict[str, Any]:
    """Return one row of the table."""
    methods = list(kinds)
    values = np.stack([measured[m] for m in methods])  # settings, runs, measures
    cold = measured[Cold()]
    everything = np.arange(values.shape[1])
    best = at_cold_accuracy(values, cold, everything)
    found: dict[str, Any] = {"name": name, "best": None, "reference": REFERENCE.get(name)}
    if best is not None:
        error = values[best, :, 1].std(ddof=1) / np.sqrt(len(everything))
        found["best"] = str(methods[best])
        found |= dict(zip(MEASURES, values[best].mean(axis=0).tolist(), strict=True))
        found["churn_standard_error"] = float(error)
    halves = np.array_split(everything, 2)
    choices = [at_cold_accuracy(values, cold, half) for half in halves]
    other = [
        values[c, h].mean(axis=0)
        for c, h in zip(choices, halves[::-1], strict=True)
        if c is not None
    ]
    found["honest"] = None if len(other) < 2 else np.mean(other, axis=0).tolist()
    return found


def at_cold_accuracy(
    values: NDArray[np.float64], cold: NDArray[np.float64], runs: NDArray[np.intp]
) -> int | None:
    """Return the setting of least mean churn among those no less accurate than cold start."""
    mean = values[:, runs].mean(axis=1)
    fits = mean[:, 0] >= cold[runs, 0].mean() - 1e-12
    return int(np.where(fits, mean[:, 1], np.inf).argmin()) if fits.any() else None


def page(result: dict[str, Any]) -> str:
    columns = ("method", "best setting", "accuracy", "churn (standard error)", "negative flips")
    columns += ("honest accuracy", "honest churn", "expected churn")
    lines = [
        "# Every method on electricity",
        "",
        f"One hidden layer of 1,000 units, {N_INIT:,} + {N_VALIDATION} + {N_BATCH:,} rows, "
        f"{result['runs']} runs, base",
        f"model {result['base_accuracy']:.4f} accurate. For each method the setting of least mean",
        "churn among those that are on average no less accurate than cold start (a dash: there is",
        "none); *honest*: the setting chosen on one half of the runs and measured on the other,",
        "both ways. *Expected* was measured with other draws and another implementation;",
        "differences of two standard errors may be chance. Made by",
        "`python benchmarks/electricity_methods.py`;",
        "every setting is in `electricity_methods.json`.",
        "",
        f"| {' | '.join(columns)} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [cells(entry) for entry in result["rows"]]
    return "\n".join(lines) + "\n"


def cells(entry: dict[str, Any]) -> str:
    shown = [entry["name"], "–", "–", "–", "–", "–", "–", ""]
    if entry["best"] is not None:
        error = f"({entry['churn_standard_error']:.4f})"
        shown[1:5] = [
            entry["best"],
            f"{entry['accuracy']:.4f}",
            f"{entry['churn']:.4f} {error}",
            f"{entry['negative_flips']:.4f}",
        ]
    if entry["honest"] is not None:
        shown[5:7] = [f"{entry['honest'][0]:.4f}", f"{entry['honest'][1]:.4f}"]
    if entry["reference"] is not None:
        shown[7] = f"{entry['reference']:.3f}"
    return f"| {' | '.join(shown)} |"


if __name__ == "__main__":
    main()
