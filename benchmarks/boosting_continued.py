"""Boosters that go on from the base model over many classes, and whether they end below it.

The base model is trained on the first rows of a shuffled table, and the update on those and more,
by `distill` and `warm_distill` at λ = .4, inside a budget of 3 %, with averages in log-odds that
may hold the base model. One line of the table is one library and one shuffle. It has the accuracy
of the base model, of the candidate that goes on from it and of what is served, all on the selection
rows. Then it has the stated churn, and churn and accuracy on test rows. The script fails if what is
served is less accurate than the base model on the selection rows.

Run: python benchmarks/boosting_continued.py [--dataset NAME …] [--library NAME …] [--seeds N]
digits comes with scikit-learn; letter is read from HOLDFAST_DATA, and left out where it is not.
"""

from __future__ import annotations

import argparse
import os
import warnings
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits

from holdfast import LowChurnClassifier
from holdfast.update.candidates import Path as Candidates

ROUNDS, BUDGET, LAMBDAS = 100, 0.03, (0.4,)
SIZES = {"digits": (500, 1300), "letter": (1000, 3000)}  # rows of the base model, of the update
TEST_ROWS = 3000
LIBRARIES = ("lightgbm", "xgboost", "catboost")


@dataclass(frozen=True)
class Line:
    """What one update served; shares of rows."""

    dataset: str
    library: str
    seed: int
    base: float
    continued: float
    served: float
    stated: float
    test_churn: float
    test_base: float
    test_served: float
    models: str


def main() -> None:
    arguments = parsed()
    print(" | ".join(field.name for field in fields(Line)))
    below = 0
    for dataset in arguments.dataset:
        rows = read(dataset)
        if rows is None:
            print(f"{dataset}: not in HOLDFAST_DATA, left out")
            continue
        for library in arguments.library:
            for seed in range(arguments.seeds):
                line = update(dataset, library, seed, *rows)
                print(" | ".join(shown(value) for value in astuple(line)), flush=True)
                below += line.served < line.base
    if below:
        raise SystemExit(f"{below} updates serve less than their base model")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--dataset", nargs="*", default=tuple(SIZES), choices=tuple(SIZES))
    parser.add_argument("--library", nargs="*", default=LIBRARIES, choices=LIBRARIES)
    parser.add_argument("--seeds", type=int, default=5)
    return parser.parse_args()


def read(dataset: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return features and labels 0 … K − 1; None where the table is not there."""
    if dataset == "digits":
        X, y = load_digits(return_X_y=True)
        return X, y
    file = Path(os.environ.get("HOLDFAST_DATA", "."), f"{dataset}.parquet")
    if not file.exists():
        return None
    table = pd.read_parquet(file)
    labels = np.unique(table["target"].to_numpy(), return_inverse=True)[1]
    return table.select_dtypes("number").to_numpy(dtype=np.float64), labels


def classifier(library: str) -> Any:
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=ROUNDS, random_state=0, verbosity=-1, n_jobs=1)
    if library == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=ROUNDS, random_state=0, n_jobs=1)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=ROUNDS, random_seed=0, verbose=0, allow_writing_files=False
    )


def update(dataset: str, library: str, seed: int, X: NDArray[Any], y: NDArray[Any]) -> Line:
    """Fit one update, and measure what it serves."""
    n_base, n_new = SIZES[dataset]
    order = np.random.RandomState(seed).permutation(len(y))[: n_new + TEST_ROWS]
    X, y = X[order], y[order]
    base = clone(classifier(library)).fit(X[:n_base], y[:n_base])
    model = LowChurnClassifier(
        classifier(library),
        base,
        method=["distill", "warm_distill"],
        lambdas=LAMBDAS,
        max_churn=BUDGET,
        include_base=True,
        average_in="log_odds",
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is served side by side, and what was dropped
        model.fit(X[:n_new], y[:n_new], seen_by_base=np.arange(n_new) < n_base)
    comparison, test = model.comparison_, slice(n_new, None)
    assert comparison is not None  # nothing was refitted
    old, new = np.ravel(base.predict(X[test])), model.predict(X[test])
    return Line(
        dataset,
        library,
        seed,
        base=comparison.accuracy_base,
        continued=accuracy_continued(model.path_, model._update.selecting.y),  # type: ignore[union-attr]
        served=comparison.accuracy_new,
        stated=comparison.churn_rate,
        test_churn=float(np.mean(old != new)),
        test_base=float(np.mean(old == y[test])),
        test_served=float(np.mean(new == y[test])),
        models=model.serving_
        + (f"; dropped {len(model.path_.dropped)}" * bool(model.path_.dropped)),
    )


def accuracy_continued(path: Candidates, y: NDArray[np.intp]) -> float:
    """Return the lowest accuracy of a candidate that goes on from the base model."""
    proba = [one.proba for one in path.candidates if one.goes_on and one.proba is not None]
    return float(min((np.mean(p.argmax(axis=1) == y) for p in proba), default=np.nan))


def shown(value: Any) -> str:
    return f"{value:.2%}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
