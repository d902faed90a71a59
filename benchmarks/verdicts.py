"""How often a policy promotes or rejects wrongly where the truth lies at its limit, by simulation.

- *churn* and *flips* have a limit on a share of rows that is exactly the truth. *gain* has a least
  gain that is exactly the truth, with few or many discordant rows. *recall*, *precision*, *F1*,
  *balanced accuracy* and *cost*, and the changes of them, have a least or a largest value that is
  exactly the truth, in the settings of measure_intervals.py. A promotion is wrong there, and so is
  a rejection.
- *groups* are many or few, large or small, all at the limit of .5 % or at half of it. A rejection
  because of any of them is wrong. Its power is the share of rejections where one group has twice
  the limit, ten times as many rows and the others half of the limit.

The confidence is 95 %, so each side may be wrong in 2.5 % of the repetitions.

Run: python benchmarks/verdicts.py [--repetitions N]
Writes docs/results/verdicts.json and the table between the markers of docs/certificates.md.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from marked import write_between
from measure_intervals import (
    CELLS,
    COSTS,
    POSITIVE,
    POSITIVES,
    RATIOS,
    ROWS,
    counts_of,
    shares_of_cells,
)
from numpy.typing import NDArray

from holdfast.common.files import write_text
from holdfast.comparison.binomial import exact_interval
from holdfast.comparison.change import MeasureChange
from holdfast.comparison.counts import GroupCounts, PairedCounts
from holdfast.comparison.gains import gain_interval
from holdfast.comparison.judging import judged_groups
from holdfast.comparison.measures import ENOUGH_POSITIVES, balanced_accuracy, mean_cost
from holdfast.comparison.ratios import estimate

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "verdicts.json"
PAGE = ROOT / "docs" / "certificates.md"
SIZES = (20, 50, 200, 1_000, 5_000, 50_000)
SHARES = (0.002, 0.01, 0.05, 0.2)
GAINS = ((0.02, 0.0), (0.1, 0.0), (0.4, 0.0), (0.02, -0.005), (0.1, -0.005), (0.1, -0.02))
GROUPS = ((1, 30), (20, 18), (1_000, 1), (100, 200), (1_000, 100), (20, 1_000), (5, 10_000))
LIMIT, CONFIDENCE = 0.005, 0.95
SLACK = 1e-12  # of rounding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2_000)
    n = parser.parse_args().repetitions
    rng = np.random.default_rng(0)
    result = {
        "repetitions": n,
        "shares": shares(rng, n),
        "gains": gains(rng, n),
        "measures": measures(rng, n),
        "groups": groups(rng, n // 10),
    }
    write_text(RESULTS, json.dumps(result, indent=2) + "\n")
    write_between(PAGE, {"verdicts": table(result)})
    print(table(result))


def shares(rng: np.random.Generator, repetitions: int) -> list[dict[str, Any]]:
    """Return how often a share is decided wrongly whose truth is the limit."""
    found = []
    for n in SIZES:
        for truth in SHARES:
            share = rng.binomial(n, truth, repetitions) / n
            low, high = exact_interval(share, n, CONFIDENCE)
            wrong = {"promoted": np.mean(high <= truth), "rejected": np.mean(low > truth)}
            found.append({"n": n, "truth": truth} | _floats(wrong))
    return found


def gains(rng: np.random.Generator, repetitions: int) -> list[dict[str, Any]]:
    """Return how often a gain is decided wrongly whose truth is the limit."""
    found = []
    for n in SIZES:
        for discordant, truth in GAINS:
            up, down = (discordant + truth) / 2, (discordant - truth) / 2
            rows = rng.multinomial(n, [up, down, 1 - discordant], repetitions) / n
            low, high = gain_interval(rows[:, 0], rows[:, 1], n, CONFIDENCE)
            wrong = {"promoted": np.mean(low >= truth), "rejected": np.mean(high < truth)}
            found.append({"n": n, "discordant": discordant, "truth": truth} | _floats(wrong))
    return found


def measures(rng: np.random.Generator, repetitions: int) -> list[dict[str, Any]]:
    """Return how often a measure is decided wrongly whose value, or change, is the limit.

    The limit is on the side that promotes and rejects wrongly more often. As in a policy, nothing
    promotes below ten positives.
    """
    found = []
    for rows, positives, models in product(ROWS, POSITIVES, POSITIVE):
        shares = shares_of_cells(positives, models)
        drawn = rng.multinomial(rows, shares, repetitions).astype(float)
        seen = drawn[:, CELLS[:, 2] == 1].sum(axis=1)
        drawn, enough = drawn[seen > 0], seen[seen > 0] >= ENOUGH_POSITIVES
        setting = {"n": rows, "positives": positives, "models": models}
        for name in RATIOS:
            true = estimate(name, shares, shares, CONFIDENCE)
            one = estimate(name, drawn, drawn, CONFIDENCE)
            for kind, ends, limit in (
                ("", one.new_interval, true.new),
                (" change", one.interval, true.change),
            ):
                found.append(setting | {"measure": name + kind} | _wrong(*ends, limit, enough))
        many = counts_of(shares * 1e12)
        for name, measure in (("cost", _cost), ("balanced accuracy", _balanced)):
            true, each = measure(many), [measure(counts_of(cells)) for cells in drawn]
            for kind, ends, limit in (
                ("", [one.new_interval for one in each], true.new),
                (" change", [one.interval for one in each], true.change),
            ):
                low, high = np.array(ends).T
                found.append(setting | {"measure": name + kind} | _wrong(low, high, limit, enough))
    return found


def _cost(counts: PairedCounts) -> MeasureChange:
    return mean_cost(counts, COSTS, CONFIDENCE)


def _balanced(counts: PairedCounts) -> MeasureChange:
    return balanced_accuracy(counts, CONFIDENCE)


def _wrong(low: Any, high: Any, limit: Any, enough: NDArray[np.bool_]) -> dict[str, float]:
    """Return the shares of wrong decisions, for a limit from above or below, whichever is worse."""
    promoted = [np.mean((low >= limit + SLACK) & enough), np.mean((high <= limit - SLACK) & enough)]
    rejected = [np.mean(high < limit - SLACK), np.mean(low > limit + SLACK)]
    return _floats({"promoted": max(promoted), "rejected": max(rejected)})


def groups(rng: np.random.Generator, repetitions: int) -> list[dict[str, Any]]:
    """Return how often some group fails, by chance and where one is beyond the limit."""
    found = []
    for n_groups, n in GROUPS:
        rates = {}
        for name, truth in (("at the limit", LIMIT), ("at half of it", LIMIT / 2)):
            size = np.full(n_groups, n)
            rates[name] = _failing(rng, size, np.full(n_groups, truth), repetitions)
        size, truth = np.full(n_groups, n), np.full(n_groups, LIMIT / 2)
        size[0], truth[0] = 10 * n, 2 * LIMIT
        rates["power"] = _failing(rng, size, truth, repetitions)
        found.append({"groups": n_groups, "rows": n} | rates)
    return found


def _failing(
    rng: np.random.Generator,
    size: NDArray[np.int64],
    truth: NDArray[np.float64],
    repetitions: int,
) -> float:
    failed = 0
    for _ in range(repetitions):
        counts = {"g": _counts(rng.binomial(size, truth), size)}
        judged = judged_groups(counts, CONFIDENCE, LIMIT, comparable=False)
        failed += any(group.status == "fail" for group in judged)
    return failed / repetitions


def _counts(changed: NDArray[np.int64], size: NDArray[np.int64]) -> GroupCounts:
    rows = np.zeros((len(size), 2, 5), dtype=np.int64)
    rows[:, 0, 4], rows[:, 1, 4] = size - changed, changed
    weights = rows.astype(float)
    return GroupCounts(tuple(range(len(size))), rows, weights, weights, (rows > 0) * 1.0)


def _floats(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def table(result: dict[str, Any]) -> str:
    """Return the table of the worst figures, as Markdown."""
    lines = ["| limit at the truth | worst wrong PROMOTE | worst wrong REJECT |", "|---|---|---|"]
    kinds = {"a share of rows": result["shares"], "accuracy gain": result["gains"]}
    for name in dict.fromkeys(one["measure"] for one in result["measures"]):
        kinds[name] = [one for one in result["measures"] if one["measure"] == name]
    for name, rows in kinds.items():
        worst = (max(row[side] for row in rows) for side in ("promoted", "rejected"))
        lines.append(f"| {name} | {' | '.join(f'{share:.1%}' for share in worst)} |")
    lines += [
        "",
        "| groups × rows | some fails: all at the limit | all at half of it | power at twice |",
        "|---|---|---|---|",
    ]
    for row in result["groups"]:
        rates = " | ".join(
            f"{row[name]:.1%}" for name in ("at the limit", "at half of it", "power")
        )
        lines.append(f"| {row['groups']:,} × {row['rows']:,} | {rates} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
