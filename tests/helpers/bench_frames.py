"""Small benchmark stores as data frames, for the tests of what is made of them."""

import numpy as np
import pandas as pd

GROUP = {
    "dataset": "adult",
    "network": "fcn-10",
    "order": "random",
    "n_init": 1000,
    "n_val": 100,
    "n_batch": 1000,
    "data": "3f2a",
}
KEY = ["dataset", "network", "order", "n_init", "n_val", "n_batch"]


def row(method, setting, run, correct, changed, *, base=80, negative=None, n=100, **other):
    """One row of a store; without `negative` every changed answer of the base model was wrong."""
    if negative is None:
        negative = max(0, base - correct)
    counts = {"n": n, "correct": correct, "base_correct": base}
    counts |= {"changed": changed, "negative": negative, "kl": 0.1, "log_loss": 0.3}
    key = {"run": run, "update": 1, "method": method, "setting": setting, "cost": 1, "served": 1}
    return GROUP | key | counts | other


def results(rows):
    frame = pd.DataFrame(rows)
    counts = ["n", "correct", "base_correct", "changed", "negative"]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def random_results(
    seed,
    *,
    datasets=("adult", "phoneme"),
    methods=("cold", "distill", "anchor", "override", "mine"),
    runs=6,
    updates=1,
    n=60,
    missing=0.0,
    diverged=0.0,
):
    """Random counts with many ties, some runs missing, some trainings diverged."""
    rng = np.random.default_rng(seed)
    rows = []
    for dataset in datasets:
        for run in range(runs):
            base = int(rng.integers(n // 2, n - 12))
            for i, method in enumerate(methods):
                for j in range(1 if method == "cold" else 2 + i):
                    if rng.random() < missing:
                        continue
                    gone = rng.random() < diverged
                    for update in range(1, updates + 1):
                        correct = base + int(rng.integers(-2, 7))
                        negative = max(0, base - correct) + int(rng.integers(0, 3))
                        positive = correct - base + negative
                        left = n - base - positive
                        changed = negative + positive + int(rng.integers(0, min(5, left + 1)))
                        counts = (correct, base, changed, negative)
                        one = row(method, f"{method}({j})", run, *counts[:1], changed)
                        names = ("correct", "base_correct", "changed", "negative")
                        values = [None] * 4 if gone else counts
                        one |= dict(zip(names, values, strict=True)) | {"n": n}
                        one |= {"dataset": dataset, "update": update}
                        one |= {"order": "time" if updates > 1 else "random"}
                        rows.append(one)
    return results(rows)
