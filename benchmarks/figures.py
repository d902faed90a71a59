"""Draw the picture of the README from the published figures.

Run: python benchmarks/figures.py
Reads docs/results/adult_budgets.json, writes docs/images/churn.svg.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holdfast.common.files import write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "adult_budgets.json"
PICTURE = ROOT / "docs" / "images" / "churn.svg"
SHOWN = ("override", 0.01)

COLUMNS, DOTS = 50, 1000
STEP, RADIUS, MARGIN = 9, 3.2, 24
GRID_TOP = 74
PANEL = COLUMNS * STEP
HEIGHT = GRID_TOP + DOTS // COLUMNS * STEP + 44
# Colour-blind readers can distinguish blue and orange, and the shapes differ too. All three colours
# can be seen on a white and on a dark page.
COLOURS = {"same": "#9aa4b2", "negative": "#d9541e", "positive": "#1f77c9"}


def main() -> None:
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    mixture, budget = SHOWN
    ours = next(
        row["test"]
        for row in result["rows"]
        if (row["seed"], row["mixture"], row["budget"]) == (0, mixture, budget)
    )
    panels = [
        panel(MARGIN, "Plain retraining", result["cold"], result["accuracy_base"]),
        panel(
            3 * MARGIN + PANEL,
            f"holdfast, budget {budget:.0%} ({mixture})",
            ours,
            result["accuracy_base"],
        ),
    ]
    width = 2 * PANEL + 4 * MARGIN
    legend = (
        f'<g font-size="13" fill="#5f6b7a"><circle cx="{MARGIN + 4}" cy="{HEIGHT - 19}" r="4" '
        f'fill="{COLOURS["same"]}" opacity=".55"/><text x="{MARGIN + 14}" y="{HEIGHT - 14}">same '
        f"answer</text>{square(MARGIN + 118, HEIGHT - 19, COLOURS['negative'])}"
        f'<text x="{MARGIN + 130}" y="{HEIGHT - 14}">right before, wrong now</text>'
        f"{diamond(MARGIN + 300, HEIGHT - 19, COLOURS['positive'])}"
        f'<text x="{MARGIN + 312}" y="{HEIGHT - 14}">wrong before, right now</text>'
        f'<text x="{width - MARGIN}" y="{HEIGHT - 14}" text-anchor="end">adult, 1,000 test '
        "rows</text></g>"
    )
    write_text(
        PICTURE,
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
        'font-family="system-ui, sans-serif" role="img" aria-label="The number of answers in '
        '1,000 that change with plain retraining and with holdfast">'
        f'<rect width="{width}" height="{HEIGHT}" rx="10" fill="#ffffff"/>'
        f"{''.join(panels)}{legend}</svg>\n",
    )
    print(PICTURE)


def panel(left: int, title: str, measured: dict[str, Any], accuracy_base: float) -> str:
    negative = round(measured["negative_flip_rate"] * DOTS)
    positive = round(measured["positive_flip_rate"] * DOTS)
    kinds = ["negative"] * negative + ["positive"] * positive
    # A stride that has no common factor with the number of dots scatters the flips evenly.
    place = {(position * 387 + 61) % DOTS: kind for position, kind in enumerate(kinds)}
    marks = [mark(left, dot, place.get(dot, "same")) for dot in range(DOTS)]
    new = measured["accuracy_new"]
    return (
        f'<text x="{left}" y="34" font-size="19" font-weight="600" fill="#1d2733">{title}</text>'
        f'<text x="{left}" y="58" font-size="14" fill="#45505e">{measured["churn_rate"]:.1%} of '
        f"answers change, accuracy {accuracy_base:.1%} → {new:.1%}</text>{''.join(marks)}"
    )


def mark(left: int, dot: int, kind: str) -> str:
    row, column = divmod(dot, COLUMNS)
    x, y = left + column * STEP + STEP / 2, GRID_TOP + row * STEP + STEP / 2
    if kind == "negative":
        return square(x, y, COLOURS[kind])
    if kind == "positive":
        return diamond(x, y, COLOURS[kind])
    return f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="{COLOURS[kind]}" opacity=".45"/>'


def square(x: float, y: float, colour: str) -> str:
    return f'<rect x="{x - 4}" y="{y - 4}" width="8" height="8" fill="{colour}"/>'


def diamond(x: float, y: float, colour: str) -> str:
    return f'<path d="M{x} {y - 5.4}l5.4 5.4l-5.4 5.4l-5.4 -5.4z" fill="{colour}"/>'


if __name__ == "__main__":
    main()
