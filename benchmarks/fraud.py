"""What a budget costs where 1 % of the rows are fraud, and a threshold decides.

A miss costs 10 and a false alarm 1, so the base model raises an alarm from a probability of 1/11.
It is trained on the first third of the training rows. Updates and plain retraining are trained on
all of them; a fifth is held out, from rows that are new to the base model. Limits on churn are a
quarter, a half and the whole of the churn of plain retraining with the same threshold, and λ is
searched for the half.

- *adult*, *bank* and *electricity*: the rarer class is thinned to 1 % of the training rows, anew
  for each seed. The test rows have weights that make it 1 % of them. The learner is histogram
  gradient boosting. The rows of *electricity* come in the order of time, others in random order.
- *drift*, *rise* and *bayes* are simulated: 30,000 training rows of ten normal features, of which
  1 % are fraud, and 200,000 test rows. The log-odds of fraud are linear in three features, with
  products of others. Their direction turns by 40° after the first third of the rows. In *rise* the
  odds of fraud double then as well. The learner is logistic regression. In *bayes* it is naive
  Bayes, which is given every feature twice, so that its probabilities are far from true.

Costs are those of the test rows, per 1,000 of them, as means over seeds with their standard errors.
*At random* leaves the base model's answers to some rows, drawn at random, and gives the others to
plain retraining with the same threshold: its costs lie on the straight line between the two. An
update is compared with it at the same churn on the test rows, seed by seed.

Run: python benchmarks/fraud.py [--seeds N]
Reads the sets from HOLDFAST_DATA, else from OpenML. Writes docs/results/fraud.json and the tables
between the markers of docs/rules.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from marked import write_between
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB

from holdfast import LowChurnClassifier
from holdfast.bench.trials.data import Source, read
from holdfast.common.files import write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "fraud.json"
PAGE = ROOT / "docs" / "rules.md"
REAL, SIMULATED = ("adult", "bank", "electricity"), ("drift", "rise", "bayes")
WORDS = {"base": "same threshold", "same_rate": "same rate", "retuned": "retuned"}
RULES = tuple(WORDS)
MIXTURES = ("average", "override")
PARTS = (0.25, 0.5, 1.0)  # of plain retraining's churn
MISS, ALARM, SHARE = 10.0, 1.0, 0.01
THRESHOLD = ALARM / (ALARM + MISS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    n = parser.parse_args().seeds
    keys = [(name, seed) for name in (*REAL, *SIMULATED) for seed in range(n)]
    found = Parallel(n_jobs=-1, verbose=5)(delayed(measured)(*key) for key in keys)
    rows = summary(pd.DataFrame([row for each in found for row in each]))
    means = [{name: known(value) for name, value in row.items()} for row in rows.to_dict("records")]
    write_text(RESULTS, json.dumps({"seeds": n, "rows": means}, indent=1) + "\n")
    write_between(PAGE, {"fraud-cost": cost_table(rows), "fraud-saved": saved_table(rows)})


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that train and select, in the order in which they came, and test rows.

    Attributes
    ----------
    deployed, learner : classifier
        What the base model and its updates learn by.
    weight : ndarray of shape (m,)
        Weights of the test rows.
    """

    deployed: Any
    learner: Any
    X: NDArray[np.float64]
    y: NDArray[np.intp]
    X_test: NDArray[np.float64]
    y_test: NDArray[np.intp]
    weight: NDArray[np.float64]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """The rows that train the base model."""
        return np.arange(len(self.y)) < len(self.y) // 3

    def test(self, base_pred: NDArray[np.intp], answers: NDArray[np.intp]) -> dict[str, float]:
        """Return cost per 1,000 rows, churn, recall and precision of answers to the test rows."""
        alarm, fraud, w = answers == 1, self.y_test == 1, self.weight
        cost = MISS * (fraud & ~alarm) + ALARM * (alarm & ~fraud)
        return {
            "cost": 1000 * float(np.average(cost, weights=w)),
            "churn": float(np.average(answers != base_pred, weights=w)),
            "recall": float(np.average(alarm[fraud], weights=w[fraud])),
            "precision": float(np.average(fraud[alarm], weights=w[alarm])) if alarm.any() else 1.0,
        }


def thinned(name: str, seed: int) -> Rows:
    """Return a data set whose rarer class is 1 %."""
    data, rng = read(Source(name)), np.random.default_rng(seed)
    X = data.ready("trees", data.train, np.arange(len(data.y)))
    y = (data.y == np.bincount(data.y).argmin()).astype(int)
    order = np.sort(data.train) if name == "electricity" else rng.permutation(data.train)
    fraud = order[y[order] == 1]
    kept = rng.choice(fraud, int(SHARE / (1 - SHARE) * (len(order) - len(fraud))), replace=False)
    train = order[(y[order] == 0) | np.isin(order, kept)]
    counts = np.bincount(y[data.test])
    weight = np.where(y[data.test] == 1, SHARE / counts[1], (1 - SHARE) / counts[0])
    learner = HistGradientBoostingClassifier(random_state=seed)
    return Rows(learner, learner, X[train], y[train], X[data.test], y[data.test], weight)


def simulated(name: str, seed: int) -> Rows:
    """Return rows of a simulation, which drift between the first third and the others."""
    rng, n, n_test = np.random.default_rng(seed), 30_000, 200_000
    X = rng.normal(size=(n + n_test, 10))
    new = np.arange(len(X)) >= n // 3
    angle = np.where(new, np.deg2rad(40), 0.0)
    score = 2 * (X[:, 0] * np.cos(angle) + X[:, 1] * np.sin(angle)) + X[:, 2]
    score += 0.5 * X[:, 3] * X[:, 4] - 0.5 * X[:, 5] * X[:, 6]
    rise = np.where(new & (name == "rise"), np.log(2), 0.0)
    y = (rng.random(len(X)) < 1 / (1 + np.exp(7 - rise - score))).astype(int)
    deployed, weight = LogisticRegression(), np.ones(n_test)
    learner = GaussianNB() if name == "bayes" else deployed
    if name == "bayes":
        X = np.hstack([X, X])
    return Rows(deployed, learner, X[:n], y[:n], X[n:], y[n:], weight)


def measured(name: str, seed: int) -> list[dict[str, Any]]:
    """Return the measures of every way of serving."""
    rows = simulated(name, seed) if name in SIMULATED else thinned(name, seed)
    base = FixedThresholdClassifier(
        clone(rows.deployed), threshold=THRESHOLD, response_method="predict_proba"
    ).fit(rows.X[rows.seen], rows.y[rows.seen])
    base_pred = base.predict(rows.X_test)

    def fitted(**params: Any) -> LowChurnClassifier:
        model = LowChurnClassifier(rows.learner, base, random_state=seed, **params)
        return model.fit(rows.X, rows.y, seen_by_base=rows.seen)

    def tested(model: Any, way: str, rule: str, part: float = 0.0) -> dict[str, Any]:
        known = {"dataset": name, "seed": seed, "way": way, "rule": rule, "part": part}
        return known | rows.test(base_pred, model.predict(rows.X_test))

    plain = {"method": "cold", "mixture": "single", "include_base": False, "max_churn": 1.0}
    found = [tested(base, "base model", "base")]
    found += [tested(fitted(rule=rule, **plain), "plain retraining", rule) for rule in RULES]
    nothing, free = found[:2]
    for mixture, rule in product(MIXTURES, RULES):
        path = fitted(rule=rule, mixture=mixture, max_churn=free["churn"] / 2)
        for part in PARTS:
            limit = part * free["churn"]
            model = path if part == 0.5 else path.with_budget(max_churn=limit)
            row = tested(model, mixture, rule, part)
            share = row["churn"] / free["churn"]
            at_random = nothing["cost"] + share * (free["cost"] - nothing["cost"])
            row["saved"] = at_random - row["cost"]
            row["stated_over_limit"] = model.comparison_.churn_rate / limit
            row["churn_over_limit"] = row["churn"] / limit
            found.append(row)
    return found


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the means over seeds, and the standard errors."""
    keys = ["dataset", "way", "rule", "part"]
    groups = rows.assign(exceeds=rows["churn_over_limit"] > 1).groupby(keys, sort=False)
    measures = ["cost", "churn", "recall", "precision", "saved", "stated_over_limit"]
    measures.append("churn_over_limit")
    errors = groups[measures].sem().add_suffix("_error")
    found = groups[measures].mean().join(errors).join(groups["exceeds"].mean())
    # The mean over the three limits has an error of its own, since all share the seeds.
    over = rows.groupby([*keys[:3], "seed"], sort=False)["saved"].mean().groupby(keys[:3])
    overall = over.agg(saved_overall="mean", saved_overall_error="sem")
    return found.reset_index().merge(overall.reset_index(), on=keys[:3])


def known(value: Any) -> Any:
    """Return a value for JSON, with four digits, and None where there is none."""
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else float(f"{value:.4g}")


# --- text -----------------------------------------------------------------------------------------


def cost_table(rows: pd.DataFrame) -> str:
    """Return costs, with churn in brackets, at half of plain retraining's churn."""

    def cell(row: pd.Series) -> str:
        text = f"{row['cost']:.1f} ± {row['cost_error']:.1f}"
        return text if row["way"] == "base model" else f"{text} ({100 * row['churn']:.2f} %)"

    return table("cost (churn)", rows[rows["part"].isin([0.0, 0.5])], cell)


def saved_table(rows: pd.DataFrame) -> str:
    """Return what is saved against plain retraining at random."""

    def cell(row: pd.Series) -> str:
        return f"{row['saved_overall']:+.1f} ± {row['saved_overall_error']:.1f}"

    return table("saved", rows[rows["part"] == 0.5], cell)


def table(title: str, rows: pd.DataFrame, cell: Callable[[pd.Series], str]) -> str:
    names = list(rows["dataset"].unique())
    lines = [f"| {title} | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for (way, rule), own in rows.groupby(["way", "rule"], sort=False):
        cells = [cell(row) for _, row in own.iterrows()]
        shown = way if way == "base model" else f"{way}, {WORDS[rule]}"
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
