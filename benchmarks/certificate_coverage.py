"""How often a certified budget is exceeded, and how much of it is used: simulation on real data.

For each data set the base model is trained on a sixth of the training part; plain retraining and
distillation at λ = .5 are trained on all of it (histogram gradient boosting). The rows of the test
part are the population, so that the true churn of a served model is known. Each repetition draws
2,000 rows from it, with replacement, to certify on. Every 100 repetitions another 1,000 rows are
drawn to select on. The confidence is 95 %, and the budget is half of plain retraining's churn.

- *average* and *override* have one budget on hard churn.
- *threshold* is an average where all models answer by a threshold of .2: the base model is a
  FixedThresholdClassifier, whose rule is copied.
- *kl* has a budget on soft churn.
- *weighted* has rows with weights from 1 to 3.
- *grouped* also limits churn within a third of the rows to half of plain retraining's there.
- *joint* limits negative flips as well, to half of plain retraining's.

Run: python benchmarks/certificate_coverage.py [--repetitions N]
Reads the sets from HOLDFAST_DATA, else from OpenML. Writes docs/results/certificate_coverage.json
and the table between the markers of docs/certificates.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from marked import write_between
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from holdfast import select
from holdfast.bench.trials.data import Source, read
from holdfast.common.files import write_text
from holdfast.exceptions import InfeasibleBudgetError
from holdfast.learners.lookup import learner_of
from holdfast.methods import Cold, Distill
from holdfast.metrics import divergence_per_row
from holdfast.models.base_predictions import base_predictions
from holdfast.rules import Threshold
from holdfast.selection.answering import Answering
from holdfast.selection.budget import Budget
from holdfast.selection.mixtures import Mixtures, mix
from holdfast.selection.outcome import Selection
from holdfast.selection.override import override_classes
from holdfast.selection.override_search import select_override
from holdfast.selection.search import choose
from holdfast.update.certification import CertificationRows, certify
from holdfast.update.fitting import PathFitter
from holdfast.update.rows import UpdateRows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "certificate_coverage.json"
PAGE = ROOT / "docs" / "certificates.md"
DATASETS = ("adult", "bank", "electricity", "magic04", "eeg")
KINDS = ("average", "override", "threshold", "kl", "weighted", "grouped", "joint")
N_SELECT, N_CERTIFY, EACH = 1000, 2000, 100
CONFIDENCE = 0.95
THRESHOLD = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    n = parser.parse_args().repetitions
    populations = Parallel(n_jobs=-1)(delayed(Population.of)(name) for name in DATASETS)
    keys = [(population, kind) for population in populations for kind in KINDS]
    rows = Parallel(n_jobs=-1, verbose=5)(delayed(coverage)(*key, n) for key in keys)
    write_text(RESULTS, json.dumps(rows, indent=1) + "\n")
    write_between(PAGE, {"coverage": table(rows)})


@dataclass(frozen=True, eq=False)
class Population:
    """The rows of the test part with the probabilities of all models."""

    name: str
    proba: NDArray[np.float64]
    base: NDArray[np.float64]
    y: NDArray[np.intp]
    weight: NDArray[np.float64]
    group: NDArray[Any]

    @classmethod
    def of(cls, name: str) -> Population:
        """Train the models of a data set, and predict its test part."""
        data = read(Source(name))
        X = data.ready("trees", data.train, np.arange(len(data.y)))
        train = np.random.default_rng(0).permutation(data.train)
        old = train[: len(train) // 6]
        classes = np.unique(data.y)
        y = np.searchsorted(classes, data.y)
        booster = HistGradientBoostingClassifier(random_state=0)
        base = HistGradientBoostingClassifier(random_state=1).fit(X[old], y[old])
        methods = [Cold(), Distill(0.5)]
        columns = np.arange(len(classes))
        learner = learner_of(
            booster,
            soft_targets="weights",
            random_state=0,
            base_model=base,
            classes=columns,
            methods=methods,
        )
        taught, asked = (
            UpdateRows(
                X[rows],
                y[rows],
                columns,
                None,
                base_predictions(base.predict_proba(X[rows]), columns, columns),
            )
            for rows in (train, data.test)
        )
        fitter = PathFitter(learner, taught, asked, None)
        proba = np.stack([candidate.proba for candidate in fitter.fit(methods)])
        rng = np.random.default_rng(2)
        # The group is the third of the rows that the base model is least sure of.
        answers = base.predict_proba(X[data.test])
        unsure = answers.max(axis=1) + 0.1 * rng.normal(size=len(answers))
        group = np.where(unsure < np.quantile(unsure, 1 / 3), "unsure", "sure")
        weight = rng.integers(1, 4, len(answers)).astype(float)
        return cls(name, proba, answers, y[data.test], weight, group)

    def base_pred(self, kind: str) -> NDArray[np.intp]:
        """Return the base model's answers."""
        if kind == "threshold":
            return (self.base[:, 1] >= THRESHOLD).astype(np.intp)
        return self.base.argmax(axis=1)

    def answering(self, kind: str) -> Answering:
        """Return how the models answer."""
        classes = np.arange(self.base.shape[1])
        if kind != "threshold":
            return Answering.argmax(classes)
        rule = Threshold(THRESHOLD, positive=1).bind(classes)
        return Answering(rule, rule.utility, by_utility=True)

    def lost(self, proba: Any, answers: Any, kind: str) -> dict[str, float]:
        """Return the measure of each limit over the whole population."""
        if kind == "kl":
            return {"churn": float(divergence_per_row(self.base, proba, "kl").mean())}
        base_pred = self.base_pred(kind)
        changed = (answers != base_pred).astype(float)
        weight = self.weight if kind == "weighted" else None
        found = {"churn": float(np.average(changed, weights=weight))}
        if kind in ("grouped", "joint"):
            found["group=unsure"] = float(changed[self.group == "unsure"].mean())
        if kind == "joint":
            found["negative flips"] = float((changed * (base_pred == self.y)).mean())
        return found


def coverage(population: Population, kind: str, n: int) -> dict[str, Any]:
    """Return how often a limit is exceeded, and the median share of the budget that is used."""
    cold = population.proba[0]
    free = population.lost(cold, population.answering(kind).decide(cold), kind)
    budget = {name: value / 2 for name, value in free.items()}
    rng = np.random.default_rng(3)
    used, exceeded, refused = [], 0, 0
    for repetition in range(n):
        if repetition % EACH == 0:
            selection = chosen(population, kind, budget, rng.integers(0, len(cold), N_SELECT))
        rows = rng.integers(0, len(cold), N_CERTIFY)
        try:
            true = certified(population, kind, budget, selection, rows)
        except InfeasibleBudgetError:
            refused += 1
            continue
        exceeded += any(true[name] > limit for name, limit in budget.items())
        used.append(max(true[name] / limit for name, limit in budget.items()))
    done = n - refused
    return {
        "dataset": population.name,
        "kind": kind,
        "budget": budget["churn"],
        "rows": len(cold),
        "repetitions": n,
        "refused": refused,
        "exceeded": exceeded / n,
        "allowed": 1 - CONFIDENCE + 2 * float(np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / n)),
        "median_used": float(np.median(used)) if done else None,
    }


def arguments_of(kind: str, budget: dict[str, float]) -> dict[str, Any]:
    """Return the arguments of `select` that stand for a budget."""
    groups = {name: limit for name, limit in budget.items() if "=" in name}
    return {
        "max_churn": {"overall": budget["churn"], **groups} if groups else budget["churn"],
        "max_negative_flips": budget.get("negative flips"),
        "churn": "kl" if kind == "kl" else "hard",
    }


def chosen(population: Population, kind: str, budget: dict[str, float], rows: Any) -> Any:
    """Select on some rows."""
    proba, base, y = population.proba[:, rows], population.base[rows], population.y[rows]
    weight = population.weight[rows] if kind == "weighted" else None
    if kind == "threshold":
        return chosen_by_threshold(population, budget, rows)
    if kind != "override":
        return select(
            proba,
            base,
            y,
            include_base=True,
            groups={"group": population.group[rows]},
            sample_weight=weight,
            **arguments_of(kind, budget),
        )
    return select_override(
        proba,
        base.argmax(axis=1),
        np.ones(len(rows), dtype=bool),
        y,
        budget=Budget(max_churn=budget["churn"]),
    )


def chosen_by_threshold(population: Population, budget: dict[str, float], rows: Any) -> Selection:
    mixtures = Mixtures.of(
        population.proba[:, rows],
        population.base[rows],
        population.y[rows],
        divergence="kl",
        average_in="probability",
        answering=population.answering("threshold"),
        base_pred=population.base_pred("threshold")[rows],
    )
    limit = Budget(max_churn=budget["churn"], by_utility=True)
    return choose(mixtures, limit, include_base=True)


def certified(
    population: Population, kind: str, budget: dict[str, float], selection: Any, rows: Any
) -> dict[str, float]:
    """Return the true measures of the model that is certified on some rows."""
    classes = np.arange(population.base.shape[1])
    drawn = UpdateRows(
        None,
        population.y[rows],
        classes,
        population.weight[rows] if kind == "weighted" else None,
        base_predictions(
            population.base[rows], classes, classes, answers=population.base_pred(kind)[rows]
        ),
        {"group": population.group[rows]},
    )
    limits = Budget.of(**arguments_of(kind, budget), min_accuracy=None)
    known = CertificationRows(
        drawn, population.proba[:, rows], max_weight=3.0 if kind == "weighted" else None
    )
    found = certify(
        selection,
        known,
        limits,
        confidence=CONFIDENCE,
        n_selection=N_SELECT,
        answering=population.answering(kind),
    ).step
    if kind == "override":
        proba = mix(population.proba, found.weights, selection.average_in)
        answers = override_classes(proba, population.base_pred(kind), found.threshold)
        return population.lost(proba, answers, kind)
    weights = np.append(found.weights, found.base_weight)
    members = np.concatenate([population.proba, population.base[None]])
    proba = mix(members, weights, "probability")
    own = None if found.weights.any() else population.base_pred(kind)
    return population.lost(proba, population.answering(kind).own_answers(proba, own), kind)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the table: how often budgets were exceeded, and the median share that was used."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    lines = [
        f"| {rows[0]['repetitions']:,} repetitions | {' | '.join(names)} |",
        "|---|" + "---|" * len(names),
    ]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        own = {row["dataset"]: row for row in rows if row["kind"] == kind}
        cells = [cell(own[name]) for name in names]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(row: dict[str, Any]) -> str:
    used = row["median_used"]
    shown = "–" if used is None else f"{used:.2f}".removeprefix("0")
    refused = f", {row['refused']} refused" if row["refused"] else ""
    return f"{row['exceeded']:.1%} ({shown}{refused})"


if __name__ == "__main__":
    main()
