"""The text of a comparison, for terminals and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.render.texts import visible

if TYPE_CHECKING:
    from holdfast.comparison.result import Comparison

__all__ = ["text_of"]

MOST_PAIRS = 6  # pairs of answers whose labelled share is shown
LINES = (
    ("churn", "churn_rate"),
    ("negative flips", "negative_flip_rate"),
    ("positive flips", "positive_flip_rate"),
    ("lateral flips", "lateral_flip_rate"),
    ("accuracy base", "accuracy_base"),
    ("accuracy new", "accuracy_new"),
)


def text_of(comparison: Comparison) -> str:
    """Return the statistics as lines of text, the warnings last."""
    level = f"{100 * comparison.confidence:.6g}%"
    n_classes = len(comparison.classes)
    classes = "class" if n_classes == 1 else "classes"
    some = comparison.n_labeled is not None and comparison.n_labeled < comparison.n
    labeled = f", {comparison.n_labeled:,} of them labelled" if some else ""
    lines = [f"{comparison.n:,} rows{labeled}, {n_classes} {classes} (intervals at {level})"]
    for title, name in LINES:
        value = getattr(comparison, name)
        if value is not None:
            low, high = getattr(comparison, f"{name}_interval")
            lines.append(f"  {title:<15}{value:9.2%}   {low:.2%} to {high:.2%}")
    if comparison.accuracy_gain is not None and comparison.accuracy_gain_interval is not None:
        low, high = (100 * bound for bound in comparison.accuracy_gain_interval)
        p = comparison.mcnemar_p_value
        test = "" if p is None else f"   McNemar p = {p:.2g}"
        lines.append(
            f"  {'accuracy gain':<15}{100 * comparison.accuracy_gain:+6.2f} pts"
            f"   {low:+.2f} to {high:+.2f}{test}"
        )
        lines.append(f"  {'excess churn':<15}{comparison.excess_churn:9.2%}")
    if comparison.max_group_churn is not None:
        tally = ", ".join(
            f"{sum(g.status == status for g in comparison.groups)} {status}"
            for status in ("pass", "fail", "underpowered", "small")
        )
        lines.append(f"  {'groups':<15}{tally} (churn at most {comparison.max_group_churn:.2%})")
    shares = comparison.labeled_shares(most=MOST_PAIRS)
    if shares:
        shown = (f"{one['base']} → {one['new']} {one['labeled']:.1%}" for one in shares)
        lines.append(f"  labelled       {', '.join(map(visible, shown))}")
    lines += [f"  warning: {sentence}" for sentence in comparison.warnings]
    return "\n".join(lines)
