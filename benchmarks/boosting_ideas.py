"""Ideas for boosters to keep more of the gain in accuracy at half of the churn, on five data sets.

The booster is LightGBM with 200 trees, each on .8 of the rows and columns. The training part is
shuffled; the base model is trained on the first third of it, each update on all of it. Half of the
test part is traffic without labels, and the other half measures.

- *average* and *override* combine the base model with plain retraining, or with the mean of several
  retrainings that differ in their seed.
- *distill* uses λ on all rows, and *new rows* only on rows that are new to the base model. *out of
  fold* has base probabilities out of fold for the rows that the base model was trained on.
  *traffic* adds the traffic, with the base model's probabilities as targets and the weight λ.
- *base start* boosts from the base model's trees: a warm start, and distillation on top. *shrunk*
  shrinks these trees first, and *interpolated* interpolates the result with the base model.

The gain kept is that of the best setting whose mean churn over runs is at most half of plain
retraining's. It is a mean over runs.

Run: python benchmarks/boosting_ideas.py [--runs N] [--dataset NAME …]
Reads the sets from HOLDFAST_DATA, else from OpenML. Writes docs/results/boosting_ideas.json and the
table between the markers of docs/boosting.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from lightgbm import LGBMClassifier
from marked import write_between
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_predict

from holdfast.bench.trials.data import Source, read
from holdfast.common.files import write_text
from holdfast.learners.lookup import learner_of
from holdfast.methods import (
    Cold,
    Distill,
    Ensemble,
    Interpolate,
    Method,
    ShrinkPerturb,
    WarmDistill,
)
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.selection.override import override_classes
from holdfast.update.fitting import PathFitter
from holdfast.update.rows import UpdateRows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "boosting_ideas.json"
PAGE = ROOT / "docs" / "boosting.md"
DATASETS = ("adult", "bank", "electricity", "magic04", "phoneme")
LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)
SHARES = np.linspace(0.05, 0.95, 19).round(2)
THRESHOLDS = np.linspace(0, 0.98, 50).round(2)
MEMBERS = (1, 2, 4, 8)
FOLDS = 5

Proba = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dataset", nargs="*", default=DATASETS)
    options = parser.parse_args()
    keys = [(dataset, run) for dataset in options.dataset for run in range(options.runs)]
    found = Parallel(n_jobs=-1, verbose=5)(delayed(measure)(*key) for key in keys)
    rows = pd.DataFrame([row for rows in found for row in rows])
    kept = {name: gains_kept(own) for name, own in rows.groupby("dataset", sort=False)}
    result = {"runs": options.runs, "gain_kept": kept}
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    write_between(PAGE, {"ideas": table(result)})


# --- one run --------------------------------------------------------------------------------------


def booster(seed: int) -> LGBMClassifier:
    return LGBMClassifier(
        n_estimators=200,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.8,
        random_state=seed,
        n_jobs=1,
        verbosity=-1,
    )


def measure(dataset: str, run: int) -> list[dict[str, Any]]:
    """Return accuracy and churn of every setting of every idea."""
    data = read(Source(dataset))
    X = data.ready("trees", data.train, np.arange(len(data.y)))
    train = np.random.default_rng(run).permutation(data.train)
    seen = np.arange(len(train)) < len(train) // 3
    test = np.random.default_rng(1000 + run).permutation(data.test)
    traffic, test = test[: len(test) // 2], test[len(test) // 2 :]
    base = booster(run).fit(X[train[seen]], data.y[train[seen]])
    update = Update(base, run, X[train], data.y[train], seen, X[traffic], X[test])
    base_answer, y = base.predict(X[test]), data.y[test]
    rows = [("base", "", base_answer), *update.answers(base.predict_proba(X[test]))]
    return [
        {
            "dataset": dataset,
            "way": way,
            "setting": setting,
            "accuracy": float((answer == y).mean()),
            "churn": float((answer != base_answer).mean()),
        }
        for way, setting, answer in rows
    ]


class Update:
    """One update in every way."""

    def __init__(
        self, base: Any, run: int, X: Any, y: Any, seen: Any, traffic: Any, X_test: Any
    ) -> None:
        self.base, self.estimator = base, booster(1000 + run)
        self.X, self.y, self.seen, self.traffic, self.X_test = X, y, seen, traffic, X_test
        self.base_proba = base.predict_proba(X)

    def answers(self, base_test: Proba) -> Iterator[tuple[str, str, Any]]:
        """Yield way, setting and answers on the test rows."""
        ensembles = [Ensemble(n) if n > 1 else Cold() for n in MEMBERS]
        for n, proba in zip(MEMBERS, self.fit(ensembles, self.base_proba), strict=True):
            if n == 1:
                yield "cold", "", proba.argmax(axis=1)
            for share in SHARES:
                mixture = share * base_test + (1 - share) * proba
                yield f"average, {seeds(n)}", str(share), mixture.argmax(axis=1)
            for threshold in THRESHOLDS:
                answer = override_classes(proba, base_test.argmax(axis=1), threshold)
                yield f"override, {seeds(n)}", str(threshold), answer
        yield from self.distilled()
        plain = self.base_proba
        yield from self.settings(
            "base start + distill", [WarmDistill(lam) for lam in (0, *LAMBDAS)], plain
        )
        yield from self.settings("shrunk base start", [ShrinkPerturb(a) for a in LAMBDAS], plain)
        yield from self.settings(
            "interpolated base start", [Interpolate(w) for w in LAMBDAS], plain
        )

    def distilled(self) -> Iterator[tuple[str, str, Any]]:
        grid = [Distill(lam) for lam in LAMBDAS]
        yield from self.settings("distill", grid, self.base_proba)
        unseen = np.where(self.seen[:, None], np.nan, self.base_proba)
        yield from self.settings("distill, new rows", grid, unseen)
        out_of_fold = self.base_proba.copy()
        out_of_fold[self.seen] = cross_val_predict(
            self.base, self.X[self.seen], self.y[self.seen], cv=FOLDS, method="predict_proba"
        )
        yield from self.settings("distill, out of fold", grid, out_of_fold)
        for method in grid:
            (proba,) = self.fit_with_traffic(method, out_of_fold)
            yield "distill, out of fold, traffic", str(method), proba.argmax(axis=1)

    def settings(
        self, way: str, methods: Sequence[Method], base_proba: Proba
    ) -> Iterator[tuple[str, str, Any]]:
        for method, proba in zip(methods, self.fit(methods, base_proba), strict=True):
            yield way, str(method), proba.argmax(axis=1)

    def fit(self, methods: Sequence[Method], base_proba: Proba) -> list[Proba]:
        """Return the probabilities on the test rows."""
        return self._fit(methods, self.X, self.y, base_proba, None)

    def fit_with_traffic(self, method: Distill, base_proba: Proba) -> list[Proba]:
        """Fit with the traffic as further rows, one for each class, weighted by the base model."""
        answers = self.base.predict_proba(self.traffic)
        n, n_classes = answers.shape
        return self._fit(
            [method],
            np.concatenate([self.X, np.repeat(self.traffic, n_classes, axis=0)]),
            np.concatenate([self.y, np.tile(np.arange(n_classes), n)]),
            np.concatenate([base_proba, np.full((n * n_classes, n_classes), np.nan)]),
            np.concatenate([np.ones(len(self.y)), method.lam * answers.ravel()]),
        )

    def _fit(
        self, methods: Sequence[Method], X: Any, y: Any, base_proba: Proba, weight: Any
    ) -> list[Proba]:
        classes = np.arange(base_proba.shape[1])
        learner = learner_of(
            self.estimator,
            soft_targets="weights",
            random_state=0,
            base_model=self.base,
            classes=classes,
            methods=methods,
        )
        base = base_predictions(base_proba, classes, classes)
        n = len(self.X_test)
        none = BasePredictions.none(n, classes)
        selecting = UpdateRows(self.X_test, np.full(n, -1), classes, None, none)
        train = UpdateRows(X, y, classes, weight, base)
        fitter = PathFitter(learner, train, selecting, None)
        return [candidate.proba for candidate in fitter.fit(methods)]


# --- the page -------------------------------------------------------------------------------------


def gains_kept(rows: pd.DataFrame) -> dict[str, float | None]:
    """Return the share of the gain that each way keeps at half of plain retraining's churn."""
    mean = rows.groupby(["way", "setting"], sort=False)[["accuracy", "churn"]].mean()
    (base,), (cold,) = mean.loc["base"].to_numpy(), mean.loc["cold"].to_numpy()
    kept: dict[str, float | None] = {}
    for way, settings in mean.drop(index=["base", "cold"]).groupby("way", sort=False):
        safe = settings[settings["churn"] <= cold[1] / 2]
        gain = (
            None if safe.empty else float((safe["accuracy"].max() - base[0]) / (cold[0] - base[0]))
        )
        kept[str(way)] = None if gain is None else round(gain, 3)
    return kept


def table(result: dict[str, Any]) -> str:
    """Return the table of the page; a dash means that no setting has so little churn."""
    kept = result["gain_kept"]
    lines = [f"| {result['runs']} runs | {' | '.join(kept)} |", "|---|" + "---|" * len(kept)]
    for way in next(iter(kept.values())):
        cells = [cell(kept[dataset][way]) for dataset in kept]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def seeds(n: int) -> str:
    return "one seed" if n == 1 else f"{n} seeds"


def cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")


if __name__ == "__main__":
    main()
