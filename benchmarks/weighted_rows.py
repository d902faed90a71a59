"""What holds where rows have weights, or are the only ones of their classes: simulation.

- *none*: all rows weigh 1. *independent*: weights of 1, 3 and 10 whatever changes. *tied*: 2 % of
  the rows weigh 20 and change far more often than the others. *heavy-tailed*: weights of a
  log-normal distribution, capped at 100, with churn that grows with them.
- The 95 % interval of churn is measured by its coverage, and a limit at the very truth by its wrong
  promotions (at most 2.5 %).
- The certificate at 95 % is given a budget that the truth just exceeds. It is wrong whenever it is
  given, which at most 5 % of the repetitions may be. *large and rare* has one row in 500 with a
  weight of 1,000 that always changes.
- *only rows of their classes*: a share of all rows is of classes that occur once. They cannot be
  held out; the certificate counts them as changed.

Run: python benchmarks/weighted_rows.py [--repetitions N]
Writes docs/results/weighted_rows.json and the tables between the markers of docs/promises.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from marked import write_between
from numpy.typing import NDArray

from holdfast.common.files import write_text
from holdfast.comparison.effective import Weighed, share_interval
from holdfast.selection.bounds import Evidence, binomial_p_value
from holdfast.update.rows import held_out_rows, lone_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "weighted_rows.json"
PAGE = ROOT / "docs" / "promises.md"
SIZES = (200, 1_000, 5_000)
CONFIDENCE = 0.95
BOUNDS = {"none": 1.0, "independent": 10.0, "tied": 20.0, "heavy-tailed": 100.0}
MANY = 4_000_000

Rows = tuple[NDArray[np.float64], NDArray[np.bool_]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2_000)
    n = parser.parse_args().repetitions
    result = {
        "repetitions": n,
        "intervals": [intervals(kind, size, n) for kind in BOUNDS for size in SIZES],
        "certificates": [
            certificates(kind, size, n)
            for kind in (*BOUNDS, "large and rare")
            for size in SIZES[:2]
        ],
        "only rows": [only_rows(share, n // 10) for share in (0.0, 0.05, 0.18)],
    }
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    write_between(PAGE, {"weights": tables(result)})


def drawn(kind: str, rng: np.random.Generator, n: int) -> Rows:
    """Return weights and whether the answer changed."""
    u = rng.random(n)
    if kind == "none":
        return np.ones(n), u < 0.03
    if kind == "independent":
        return rng.choice([1.0, 3.0, 10.0], n), u < 0.03
    if kind == "tied":
        heavy = rng.random(n) < 0.02
        return np.where(heavy, 20.0, 1.0), u < np.where(heavy, 0.2, 0.005)
    if kind == "large and rare":
        heavy = rng.random(n) < 1 / 500
        return np.where(heavy, 1_000.0, 1.0), heavy
    weight = np.minimum(rng.lognormal(size=n), 100.0)
    return weight, u < np.minimum(0.01 * weight, 1.0)


def truth_of(kind: str) -> float:
    """Return the churn of the population."""
    known = {
        "none": 0.03,
        "independent": 0.03,
        "tied": (0.02 * 20 * 0.2 + 0.98 * 0.005) / 1.38,
        "large and rare": 2.0 / (2.0 + 499 / 500),
    }
    if kind in known:
        return known[kind]
    weight, changed = drawn(kind, np.random.default_rng(0), MANY)
    return float(weight @ changed / weight.sum())


def intervals(kind: str, n: int, repetitions: int) -> dict[str, Any]:
    """Return coverage and wrong promotions of the interval of churn."""
    rng, truth = np.random.default_rng(n), truth_of(kind)
    sums = []
    for _ in range(repetitions):
        w, z = drawn(kind, rng, n)
        sums.append([w @ z, w**2 @ z, w @ ~z, w**2 @ ~z, w.max()])
    some, some2, others, others2, largest = np.array(sums).T
    low, high = share_interval(Weighed(some, some2), Weighed(others, others2), largest, CONFIDENCE)
    return {
        "weights": kind,
        "n": n,
        "truth": truth,
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "promoted": float(np.mean(high <= truth)),
        "rejected": float(np.mean(low > truth)),
        "median_width": float(np.median(high - low)),
    }


def certificates(kind: str, n: int, repetitions: int) -> dict[str, Any]:
    """Return how often a budget is certified that the truth exceeds."""
    rng, truth = np.random.default_rng(n + 1), truth_of(kind)
    bound, wrong = BOUNDS.get(kind, 1_000.0), 0
    for _ in range(repetitions):
        w, z = drawn(kind, rng, n)
        weight = None if kind == "none" else w
        one = Evidence(z.astype(float), weight=weight, max_weight=bound if kind != "none" else None)
        wrong += one.p_value(truth * 0.999) <= 1 - CONFIDENCE
    return {"weights": kind, "n": n, "truth": truth, "exceeded": wrong / repetitions}


def only_rows(share: float, repetitions: int) -> dict[str, Any]:
    """Return how often a budget is exceeded where a share of rows has classes of their own.

    These rows change in 90 %, the others in 2 %; the budget lies just below the churn of all.
    """
    rng, n, wrong, blind = np.random.default_rng(5), 2_000, 0, 0
    truth = share * 0.9 + (1 - share) * 0.02
    for _ in range(repetitions):
        alone = rng.random(n) < share
        y = np.where(alone, 10 + np.arange(n), rng.integers(0, 3, n))
        y = np.unique(y, return_inverse=True)[1]
        changed = rng.random(n) < np.where(alone, 0.9, 0.02)
        _, out = held_out_rows(n, 0.5, 0, None, stratify=y)
        lone = lone_rows(y, None, len(out), 0)
        count, seen = int(changed[out].sum()), len(out)
        blind += binomial_p_value(count, seen, truth * 0.999) <= 1 - CONFIDENCE
        counted = count + len(lone), seen + len(lone)
        wrong += binomial_p_value(*counted, truth * 0.999) <= 1 - CONFIDENCE
    return {
        "share": share,
        "repetitions": repetitions,
        "exceeded": float(wrong / repetitions),
        "exceeded_without": float(blind / repetitions),
    }


def tables(result: dict[str, Any]) -> str:
    """Return the tables, as Markdown."""
    n, few = (one["repetitions"] for one in (result, result["only rows"][0]))
    lines = [
        f"| weights, rows ({n:,} repetitions) | coverage of 95 % | wrong PROMOTE |"
        " budget exceeded |",
        "|---|---|---|---|",
    ]
    certified = {(one["weights"], one["n"]): one for one in result["certificates"]}
    for one in result["intervals"]:
        own = certified.pop((one["weights"], one["n"]), None)
        exceeded = "–" if own is None else f"{own['exceeded']:.1%}"
        lines.append(
            f"| {one['weights']}, {one['n']:,} | {one['coverage']:.1%} | {one['promoted']:.1%} | "
            f"{exceeded} |"
        )
    for (kind, n), one in certified.items():
        lines.append(f"| {kind}, {n:,} | – | – | {one['exceeded']:.1%} |")
    lines += [
        "",
        f"| rows of classes that occur once ({few:,} repetitions) | budget exceeded |"
        " if they did not count |",
        "|---|---|---|",
    ]
    for one in result["only rows"]:
        lines.append(
            f"| {one['share']:.0%} | {one['exceeded']:.1%} | {one['exceeded_without']:.1%} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
