"""A comparison of scores as text."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from holdfast.comparison.swaps import Migration, RowSet, SwapSet
from holdfast.render.texts import visible

if TYPE_CHECKING:
    from holdfast.comparison.scores import ScoreComparison

__all__ = ["score_lines", "score_text", "swap_lines"]

TITLES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
}


def score_text(result: ScoreComparison) -> str:
    """Return a comparison of scores as lines of text."""
    swaps = [] if result.swaps is None else swap_lines("at the thresholds", result.swaps)
    measures, *others = score_lines(result)
    return "\n".join(
        [_first_line(result), *measures, *swaps, *(line for part in others for line in part)]
    )


def score_lines(result: ScoreComparison) -> list[list[str]]:
    """Return the lines on measures and movement, on swaps at the same rate, and on bands."""
    lines = [[*_measures(result), *_movement(result)]]
    if result.swaps_at_same_rate is not None:
        lines.append(swap_lines("at the same rate", result.swaps_at_same_rate))
    if result.migration is not None:
        lines.append(_migration(result.migration))
    return lines


def _first_line(result: ScoreComparison) -> str:
    known = ""
    if result.labeled:
        known = f", {result.positives:,} positive"
    if 0 < result.labeled < result.n:
        known += f" of {result.labeled:,} labeled"
    return f"{result.n:,} rows{known} (intervals at {100 * result.confidence:.6g}%)"


def _measures(result: ScoreComparison) -> list[str]:
    lines = []
    if result.measures:
        lines.append(f"  {'':<18}{'base':>9}{'new':>9}{'change':>10}")
    for name, found in result.measures.items():
        line = f"  {TITLES[name]:<18}"
        if found.base is None or found.new is None or found.change is None:
            lines.append(f"{line}{'–':>9}{'–':>9}")
            continue
        line += f"{found.base:9.4f}{found.new:9.4f}{found.change:+10.4f}"
        if found.interval is not None:
            line += f"   {found.interval[0]:+.4f} to {found.interval[1]:+.4f}"
        lines.append(line if found.reliable else f"{line}   too few rows")
    if result.grid_error:
        errors = (f"{TITLES[name]} ±{error:.1g}" for name, error in result.grid_error.items())
        lines.append(f"  scores on a grid, which can move {', '.join(errors)}")
    return lines


def _movement(result: ScoreComparison) -> list[str]:
    found = result.movement
    low, high = found.moved_interval
    rank = "–" if found.rank_correlation is None else f"{found.rank_correlation:.4f}"
    half, most = found.quantiles["0.5"], found.quantiles["0.99"]
    return [
        f"  scores moved by more than {found.tolerance:g}: {found.moved_share:.2%} of the rows   "
        f"{low:.2%} to {high:.2%}",
        f"  half of the rows by at most {half:.2g}, 99% by at most {most:.2g}; mean change "
        f"{found.mean_change:+.2g}",
        f"  rank correlation {rank}, population stability index "
        f"{found.population_stability_index:.4f}",
    ]


def swap_lines(title: str, found: SwapSet) -> list[str]:
    """Return the lines that say which rows only one model answers as positive."""
    base, new = (
        "" if threshold is None else f" {threshold:.4g}"
        for threshold in (found.base_threshold, found.new_threshold)
    )
    lines = [
        f"  {visible(title)}: base{base} answers {found.base_rate:.2%} positive, "
        f"new{new} answers {found.new_rate:.2%}",
        f"    swapped in   {_rows(found.swapped_in)}",
        f"    swapped out  {_rows(found.swapped_out)}",
    ]
    if found.undecided_share:
        lines.append(f"    {found.undecided_share:.2%} of the rows share a bin with a threshold")
    return lines


def _rows(found: RowSet) -> str:
    text = f"{found.n:,} rows ({found.share:.2%})"
    if found.positive_rate is None or found.positive_rate_interval is None:
        return text
    low, high = found.positive_rate_interval
    return f"{text}, {found.positive_rate:.2%} of them positive   {low:.2%} to {high:.2%}"


def _migration(found: Migration) -> list[str]:
    names = _bands(found.new_bounds)
    width = max(len(name) for name in (*names, *(f"{n:,}" for row in found.rows for n in row))) + 2
    downs = _bands(found.base_bounds)
    side = max(len(name) for name in downs)
    lines = ["  bands, base (down) to new (across):"]
    lines.append(f"    {'':<{side}}" + "".join(f"{name:>{width}}" for name in names))
    for name, row in zip(downs, found.rows, strict=True):
        lines.append(f"    {name:<{side}}" + "".join(f"{n:>{width},}" for n in row))
    return lines


def _bands(bounds: tuple[float, ...]) -> list[str]:
    edges = ["0", *(f"{bound:g}" for bound in bounds), "1"]
    return [f"{low}–{high}" for low, high in pairwise(edges)]
