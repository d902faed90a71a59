"""Two updates of networks under a budget: IMDB with a transformer, Fashion-MNIST with a LeNet.

Run: python benchmarks/network_updates.py [imdb|fashion_mnist]
Reads the data from HOLDFAST_DATA (Fashion-MNIST else from OpenML). Writes
docs/results/network_updates.json and the tables between the markers of docs/networks.md.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from marked import write_between
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from holdfast import Comparison, LowChurnClassifier, compare
from holdfast.common.files import write_text
from holdfast.datasets import load
from holdfast.nn import ConvNet, NetworkClassifier, Transformer
from holdfast.preprocessing import ScaledImages, TokenIds

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "network_updates.json"
PAGE = ROOT / "docs" / "networks.md"

# For each data set: rows of the base model, rows of the update, test rows, budget.
SIZES = {"imdb": (4000, 8000, 5000, 0.05), "fashion_mnist": (5000, 15000, 10000, 0.04)}


def imdb(n_classes: int) -> Any:
    network = partial(Transformer, n_classes)
    return make_pipeline(TokenIds(), NetworkClassifier(network, random_state=0))


def fashion_mnist(n_classes: int) -> Any:
    network = partial(ConvNet, n_classes, image_shape=(1, 28, 28))
    return make_pipeline(ScaledImages(), NetworkClassifier(network, random_state=0))


LEARNERS = {"imdb": imdb, "fashion_mnist": fashion_mnist}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SIZES), metavar="name")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in parser.parse_args().names:
        results[name] = update(name)
        write_text(RESULTS, json.dumps(results, indent=1) + "\n")
    tables = {name: table(result) for name, result in results.items()}
    for name, text in tables.items():
        print(name, text, sep="\n")
    write_between(PAGE, tables)


def update(name: str) -> dict[str, Any]:
    n_base, n, n_test, budget = SIZES[name]
    data = load(name)
    parts = data.train_test()
    rng = np.random.default_rng(0)
    train, test = rng.permutation(parts.train)[:n], rng.permutation(parts.test)[:n_test]
    X, y = take(data.X, train), data.y[train]
    X_test, y_test = take(data.X, test), data.y[test]
    seen = np.arange(n) < n_base
    learner = LEARNERS[name](len(np.unique(y)))

    base = clone(learner).fit(take(X, seen), y[seen])
    start = time.perf_counter()
    model = LowChurnClassifier(
        learner,
        base,
        method=["warm_distill", "distill"],
        lambdas=[0.3, 0.6, 0.9],
        max_churn=budget,
        random_state=0,
    ).fit(X, y, seen_by_base=seen)
    seconds = time.perf_counter() - start
    base_pred = base.predict(X_test)
    cold = model.path_.candidates[0]
    single = model.with_budget(mixture="single")
    served = {"cold start": cold.estimator, "average": model, "one network": single}
    compared = {what: compare(base_pred, m.predict(X_test), y_test) for what, m in served.items()}
    return {
        "rows": {"base": n_base, "update": n, "test": n_test},
        "budget": budget,
        "base_accuracy": compared["average"].accuracy_base,
        "models": {what: measures(c) for what, c in compared.items()},
        "serving": {
            "cold start": "one model",
            "average": model.serving_,
            "one network": single.serving_,
        },
        "candidates": list(model.path_.labels),
        "seconds": seconds,
        "seconds_of_cold": cold.fit_seconds,
    }


def take(X: Any, rows: Any) -> Any:
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def measures(comparison: Comparison) -> dict[str, Any]:
    return {
        "accuracy": comparison.accuracy_new,
        "churn_rate": comparison.churn_rate,
        "churn_rate_interval": list(comparison.churn_rate_interval),
        "negative_flip_rate": comparison.negative_flip_rate,
    }


def table(result: dict[str, Any]) -> str:
    rows, budget = result["rows"], result["budget"]
    lines = [
        f"The base model is trained on {rows['base']:,} rows and the update on "
        f"{rows['update']:,}, under a budget of {budget:.0%}. They are measured on "
        f"{rows['test']:,} test rows. Training {len(result['candidates'])} networks took "
        f"{result['seconds']:.0f} seconds.",
        "",
        "| served | accuracy | churn | budget | negative flips | needs |",
        "|---|---|---|---|---|---|",
        f"| base model | {result['base_accuracy']:.2%} | | | | |",
    ]
    for what, found in result["models"].items():
        low, high = found["churn_rate_interval"]
        lines.append(
            f"| {what} | {found['accuracy']:.2%} "
            f"| {found['churn_rate']:.2%} ({low:.2%} to {high:.2%}) "
            f"| {against(budget, low, high)} | {found['negative_flip_rate']:.2%} "
            f"| {result['serving'][what]} |"
        )
    return "\n".join(lines) + "\n"


def against(budget: float, low: float, high: float) -> str:
    """Return whether the interval of the churn keeps the budget."""
    if high <= budget:
        return "kept"
    return "broken" if low > budget else "cannot tell"


if __name__ == "__main__":
    main()
