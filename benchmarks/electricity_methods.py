"""Every method on electricity, at the paper's protocol: accuracy, churn and negative flips.

One hidden layer of 1,000 units. For each run 1,000 initial, 100 validation and 1,000 further rows
are drawn from the training part; the base model is trained on the initial rows, every method on
the initial and the further ones, all by Adam at its defaults in batches of 32, until five epochs
brought no better validation loss. Measured on the test part.

Run: python benchmarks/electricity_methods.py [--runs N | --variants [NAME ...]]
Reads electricity from HOLDFAST_DATA, else from OpenML. Writes docs/results/electricity_methods.json
and docs/results/electricity_methods.md, but not with another number of runs. `--variants` measures
the six methods of the reference with one thing changed at a time, and adds that to both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
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
N_RUNS = 12
N_RESAMPLES = 2000
MEASURES = ("accuracy", "churn", "negative_flips")
COLUMNS = ("method", "best setting", "accuracy", "churn", "negative flips")
COLUMNS += ("honest accuracy", "honest churn", "gain kept")
# A margin of .1 is already large here.
THRESHOLDS = (0.02, 0.05, *GRID)
# Churn at cold accuracy that the design gives, from another implementation and other draws.
REFERENCE = {
    "cold": 0.077,
    "distill": 0.055,
    "anchor": 0.052,
    "warm_distill": 0.033,
    "interpolate": 0.030,
    "average of base and warm_distill": 0.023,
}

Measured = dict[Method, NDArray[np.float64]]  # of each setting, shape (runs, measures)


@dataclass(frozen=True)
class Variant:
    """One way to carry out the protocol."""

    runs: int = N_RUNS
    first_draw: int = 0
    first_network: int = 0
    restore_best: bool = True
    day_as_number: bool = False
    standardised: bool = True


PUBLISHED = Variant()
VARIANTS = {
    "other networks, same rows": Variant(first_network=10**6),
    "three times as many runs, others": Variant(36, first_draw=100, first_network=2 * 10**6),
    "last epoch served, not the best": Variant(restore_best=False),
    "day of the week as a number": Variant(day_as_number=True),
    "numbers not standardised": Variant(standardised=False),
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
        "average of base and distill": [Average(w, of=Distill(lam)) for w in GRID for lam in GRID],
        "average of base and warm_distill": [Average(w, of=m) for w in GRID for m in distilled],
        "override by cold": [Override(tau) for tau in THRESHOLDS],
        "override by warm_distill": [Override(tau, of=m) for tau in THRESHOLDS for m in distilled],
        "ensemble": [ensemble],
        "average of base and ensemble": [Average(w, of=ensemble) for w in GRID],
        "override by ensemble": [Override(tau, of=ensemble) for tau in THRESHOLDS],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=N_RUNS)
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), metavar="NAME")
    arguments = parser.parse_args()
    result = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if arguments.variants is None:
        variants = result.get("variants", {})
        result = summary(replace(PUBLISHED, runs=arguments.runs), settings(), all_means=True)
        result["variants"] = variants
    else:
        chosen = {name: kinds for name, kinds in settings().items() if name in REFERENCE}
        for name in arguments.variants or VARIANTS:
            found = summary(VARIANTS[name], chosen)
            result.setdefault("variants", {})[name] = found
            save(result)
    if result["runs"] == N_RUNS:
        save(result)
    print(page(result))


def save(result: dict[str, Any]) -> None:
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, page(result))


def summary(
    variant: Variant, chosen: dict[str, list[Method]], *, all_means: bool = False
) -> dict[str, Any]:
    """Return the rows of the table and, where wanted, the means of every setting."""
    start = time.perf_counter()
    measured, base = measure(variant, chosen)
    found = {
        "runs": variant.runs,
        "base_accuracy": float(base.mean()),
        "seconds": time.perf_counter() - start,
        "rows": [row(name, kinds, measured, base) for name, kinds in chosen.items()],
    }
    means = {str(m): np.mean(v, axis=0).tolist() for m, v in measured.items()}
    return found | ({"settings": means} if all_means else {})


# --- training ------------------------------------------------------------------------------------


def measure(
    variant: Variant, chosen: dict[str, list[Method]]
) -> tuple[Measured, NDArray[np.float64]]:
    """Return accuracy, churn and negative flips of each setting and run; the bases' accuracies."""
    X, y, parts = rows(variant)
    module = partial(FullyConnected, X.shape[1], 2, width=1000)
    train = partial(fit_many, module, X=X, y=y, restore_best=variant.restore_best)
    draws = [draw(parts.train, variant.first_draw + i) for i in range(variant.runs)]
    seeds = [variant.first_network + i for i in range(variant.runs)]
    base = train(
        [
            Run(d["initial"], d["validation"], seed=10_000 + seed)
            for d, seed in zip(draws, seeds, strict=True)
        ]
    )
    wanted = list(dict.fromkeys(m for kinds in chosen.values() for m in kinds))
    trainings = list(dict.fromkeys((m.trained, j) for m in wanted for j in range(m.members)))
    runs, keys = [], []
    for i, d in enumerate(draws):
        everything = np.concatenate([d["initial"], d["further"]])
        base_proba = predict_many(module, [base[i].state], X[everything])[0]
        for method, member in trainings:
            keys.append((i, method, member))
            seed = 100 * seeds[i] + member
            runs.append(Run(everything, d["validation"], method, seed, base_proba, base[i].state))
    fitted = dict(zip(keys, train(runs), strict=True))
    measured: dict[Method, list[tuple[float, ...]]] = {method: [] for method in wanted}
    accuracies = []
    for i in with_progress(range(variant.runs)):
        served = Served(module, X[parts.test], y[parts.test], base[i], fitted, i)
        accuracies.append(served.base_accuracy)
        for method in wanted:
            measured[method].append(served.measures(method))
    return {m: np.array(v) for m, v in measured.items()}, np.array(accuracies)


def with_progress(steps: Sequence[int]) -> Iterable[int]:
    console = Console(stderr=True)
    shown = sys.stderr.isatty()
    return track(steps, "measuring", console=console, transient=True, disable=not shown)


def rows(variant: Variant) -> tuple[NDArray[np.float32], NDArray[np.int64], Any]:
    """Return the features, as published standardised and with the day of the week as indicators."""
    data = load("electricity")
    parts = data.train_test()
    scaler = StandardScaler() if variant.standardised else "passthrough"
    # The days are the digits 1 to 7, as text.
    day = scaler if variant.day_as_number else OneHotEncoder()
    encoder = make_column_transformer((scaler, list(data.numeric)), (day, list(data.categorical)))
    frame = data.X.astype(dict.fromkeys(data.categorical, float))
    _, y = np.unique(data.y, return_inverse=True)
    return encoder.fit(frame.iloc[parts.train]).transform(frame).astype(np.float32), y, parts


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
    name: str, kinds: Iterable[Method], measured: Measured, base: NDArray[np.float64]
) -> dict[str, Any]:
    """Return one row of the table."""
    methods = list(kinds)
    values = np.stack([measured[m] for m in methods])  # settings, runs, measures
    cold = measured[Cold()]
    everything = np.arange(values.shape[1])
    best = at_cold_accuracy(values, cold, everything)
    found: dict[str, Any] = {"name": name, "best": None, "reference": REFERENCE.get(name)}
    if best is not None:
        found["best"] = str(methods[best])
        found |= dict(zip(MEASURES, values[best].mean(axis=0).tolist(), strict=True))
        found["churn_standard_error"] = standard_error(values[best, :, 1])
    halves = np.array_split(everything, 2)
    choices = [at_cold_accuracy(values, cold, half) for half in halves]
    other = [
        values[c, h].mean(axis=0)
        for c, h in zip(choices, halves[::-1], strict=True)
        if c is not None
    ]
    found["honest"] = None if len(other) < 2 else np.mean(other, axis=0).tolist()
    found["resampled"] = resampled(values, cold)
    return found | gain_kept(methods, values, cold, base)


def standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def at_cold_accuracy(
    values: NDArray[np.float64], cold: NDArray[np.float64], runs: NDArray[np.intp]
) -> int | None:
    """Return the setting of least mean churn among those no less accurate than cold start."""
    mean = values[:, runs].mean(axis=1)
    fits = mean[:, 0] >= cold[runs, 0].mean() - 1e-12
    return int(np.where(fits, mean[:, 1], np.inf).argmin()) if fits.any() else None


def resampled(values: NDArray[np.float64], cold: NDArray[np.float64]) -> dict[str, Any]:
    """Return what churn at cold accuracy would have been, had the runs been others of their kind.

    The same resamples (with replacement) for every method.
    """
    n = len(cold)
    picks = np.random.default_rng(0).integers(0, n, (N_RESAMPLES, n))
    churn = []
    for runs in picks:
        best = at_cold_accuracy(values, cold, runs)
        if best is not None:
            churn.append(values[best, runs, 1].mean())
    span = np.quantile(churn, [0.05, 0.95]).tolist() if churn else None
    return {"found": len(churn) / N_RESAMPLES, "churn_5_to_95": span}


def gain_kept(
    methods: Sequence[Method],
    values: NDArray[np.float64],
    cold: NDArray[np.float64],
    base: NDArray[np.float64],
) -> dict[str, Any]:
    """Return the share of cold start's gain that is kept at half of its churn, and by what."""
    mean = values.mean(axis=1)
    fits = mean[:, 1] <= cold[:, 1].mean() / 2
    if not fits.any():
        return {"gain_kept": None, "gain_kept_by": None}
    best = int(np.where(fits, mean[:, 0], -np.inf).argmax())
    kept = (mean[best, 0] - base.mean()) / (cold[:, 0].mean() - base.mean())
    return {"gain_kept": float(kept), "gain_kept_by": str(methods[best])}


# --- the page ------------------------------------------------------------------------------------


def page(result: dict[str, Any]) -> str:
    named = {entry["name"]: entry for entry in result["rows"]}
    gain = named["cold"]["accuracy"] - result["base_accuracy"]
    return f"""# Every method on electricity

One hidden layer of 1,000 units, {N_INIT:,} + {N_VALIDATION} + {N_BATCH:,} rows; {result["runs"]}
runs in {result["seconds"] / 60:.0f} minutes. The base model is {result["base_accuracy"]:.4f}
accurate, cold start {gain:.4f} more. Made by `python benchmarks/electricity_methods.py`; every
setting is in `electricity_methods.json`.

- *Best setting*: least mean churn among those that are on average no less accurate than cold
  start; a dash where there is none. Accuracy, churn (with the standard error of its mean) and
  negative flips are its means over the runs.
- *Honest*: the setting chosen in this way on one half of the runs and measured on the other, both
  ways; a dash where one of the halves has no such setting.
- *Gain kept*: the share of cold start's gain over the base model that the best setting with at most
  half of cold start's churn keeps; a dash where no setting has so little.

{lines([COLUMNS])}|{"---|" * len(COLUMNS)}
{lines(cells(entry) for entry in result["rows"])}
## Against the reference

The design gives churn at cold accuracy for six methods, from another implementation and other
draws. *Resampled* is the range (5 % to 95 %) of the same figure when the runs are drawn anew, with
replacement, from these {result["runs"]}, and the share of such draws in which a setting is as
accurate as cold start at all.

| method | here | standard error | resampled | found | reference |
|---|---|---|---|---|---|
{lines(against(entry) for entry in result["rows"] if entry["reference"] is not None)}
{variants_text(result) if result.get("variants") else ""}"""


def lines(rows_of_cells: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows_of_cells)


def number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def cells(entry: dict[str, Any]) -> list[str]:
    churn = number(entry.get("churn"))
    if entry["best"] is not None:
        churn += f" ± {entry['churn_standard_error']:.4f}"
    honest = entry["honest"] or (None, None)
    return [
        entry["name"],
        entry["best"] or "–",
        number(entry.get("accuracy")),
        churn,
        number(entry.get("negative_flips")),
        number(honest[0]),
        number(honest[1]),
        number(entry["gain_kept"], 2),
    ]


def against(entry: dict[str, Any]) -> list[str]:
    low, high = entry["resampled"]["churn_5_to_95"] or (None, None)
    return [
        entry["name"],
        number(entry.get("churn")),
        number(entry.get("churn_standard_error")),
        f"{number(low)} to {number(high)}",
        f"{entry['resampled']['found']:.0%}".replace("%", " %"),
        number(entry["reference"], 3),
    ]


def variants_text(result: dict[str, Any]) -> str:
    names = list(REFERENCE)
    measured = {"as above": result} | result["variants"]
    table = lines(variant_cells(name, found, names) for name, found in measured.items())
    reference = ["reference", "", "", "", *(number(REFERENCE[name], 3) for name in names)]
    return f"""
The same with one thing changed at a time (`--variants`), churn at cold accuracy of each method:

| variant | runs | base accuracy | cold accuracy | {" | ".join(names)} |
|---|---|---|---|{"---|" * len(names)}
{table}{lines([reference])}"""


def variant_cells(name: str, found: dict[str, Any], names: Sequence[str]) -> list[str]:
    named = {entry["name"]: entry for entry in found["rows"]}
    churn = [number(named[method].get("churn")) for method in names]
    accuracies = [number(found["base_accuracy"]), number(named["cold"]["accuracy"])]
    return [name, str(found["runs"]), *accuracies, *churn]


if __name__ == "__main__":
    main()
