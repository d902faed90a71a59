"""Writes the figures of docs/promises.md from the results of other benchmarks.

Run: python benchmarks/promises.py
Reads docs/results/verdicts.json, certificate_coverage.json and crafted_models.json. Writes the
tables between the markers of docs/promises.md.
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
    write_between(PAGE, tables())


def tables() -> dict[str, str]:
    """Return the table for each marker of the page."""
    return {
        "unweighted": table(read("verdicts"), read("certificate_coverage")),
        "crafted": crafted(read("crafted_models")["kinds"]),
    }


def read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def table(verdicts: dict[str, Any], certificates: list[dict[str, Any]]) -> str:
    """Return the worst figure of each promise, as Markdown."""
    n = verdicts["repetitions"]
    lines = ["| what may be wrong | allowed | worst measured | repetitions |", "|---|---|---|---|"]
    kinds = {"share": verdicts["shares"], "accuracy gain": verdicts["gains"]}
    for row in verdicts["measures"]:
        kinds.setdefault(row["measure"], []).append(row)
    for name, rows in kinds.items():
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


def crafted(kinds: dict[str, dict[str, int]]) -> str:
    """Return what became of crafted files of each kind, as Markdown."""
    total = dict.fromkeys(("files", "refused", "loaded", "escaped", "crashed", "hung"), 0)
    sums: dict[str, dict[str, int]] = {}
    for name, found in kinds.items():
        of_format = sums.setdefault(name.rpartition(".")[2], dict(total))
        for key in total:
            of_format[key] += found[key]
    lines = [f"| format | {' | '.join(total)} |", f"|---|{'---|' * len(total)}"]
    for name, found in sums.items():
        lines.append(f"| `.{name}` | {' | '.join(f'{found[key]:,}' for key in total)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
