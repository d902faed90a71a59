"""Writes the figures of docs/promises.md from the results of other benchmarks.

Run: python benchmarks/promises.py
Reads docs/results/verdicts.json and certificate_coverage.json. Writes the table between the markers
of docs/promises.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from marked import write_between

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "promises.md"
CERTIFIED = {"average": "hard budget", "override": "override", "grouped": "groups"}
CERTIFIED |= {"joint": "groups and negative flips"}


def main() -> None:
    write_between(PAGE, {"unweighted": table(read("verdicts"), read("certificate_coverage"))})


def read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(verdicts: dict[str, Any], certificates: list[dict[str, Any]]) -> str:
    """Return the worst figure of each promise, as Markdown."""
    n = verdicts["repetitions"]
    lines = ["| what may be wrong | allowed | worst measured | repetitions |", "|---|---|---|---|"]
    for name, rows in (("share", verdicts["shares"]), ("accuracy gain", verdicts["gains"])):
        for side in ("promoted", "rejected"):
            worst = max(row[side] for row in rows)
            lines.append(f"| {name} at the limit {side} | 2.5% | {worst:.1%} | {n:,} |")
    for kind, words in CERTIFIED.items():
        lines += [
            f"| certificate, {words}, {row['dataset']} | 5.0% | {row['exceeded']:.1%} | "
            f"{row['repetitions']:,} |"
            for row in certificates
            if row["kind"] == kind
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
