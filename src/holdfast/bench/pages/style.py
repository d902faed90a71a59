"""The look of each method: the same colour, marker and line in every figure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any
from zlib import crc32

__all__ = ["RC", "Style", "style_of"]

# Okabe and Ito's palette, whose colours differ for people of any colour vision, without its yellow
# (too light on white) and with a grey.
BLACK, GREY, ORANGE, SKY = "#000000", "#7a7a7a", "#e69f00", "#56b4e9"
GREEN, BLUE, VERMILLION, PURPLE = "#009e73", "#0072b2", "#d55e00", "#cc79a7"

RC: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "text.parse_math": False,  # names are data, and a dollar sign in a name is a dollar sign
    "svg.hashsalt": "holdfast",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Style:
    """Colour, marker and line of one method."""

    colour: str
    marker: str = "o"
    line: str = "-"


# A family of methods has one colour; the marker and line show what a method is made from.
KNOWN = {
    "cold": Style(BLACK, "*"),
    "warm": Style(GREY),
    "shrink_perturb": Style(GREY, "s", "--"),
    "mixup": Style(SKY),
    "label_smoothing": Style(SKY, "s", "--"),
    "co_distillation": Style(ORANGE, "s", "--"),
    "anchor": Style(ORANGE),
    "distill": Style(BLUE),
    "constrained": Style(SKY, "^", ":"),
    "warm_distill": Style(BLUE, "s", "--"),
    "interpolate": Style(PURPLE),
    "interpolate_warm_distill": Style(PURPLE, "s", "--"),
    "average": Style(GREEN),
    "average_warm_distill": Style(GREEN, "s", "--"),
    "override": Style(VERMILLION),
    "override_warm_distill": Style(VERMILLION, "s", "--"),
    "ensemble": Style(BLACK, "^", ":"),
    "average_ensemble": Style(GREEN, "^", ":"),
    "override_ensemble": Style(VERMILLION, "^", ":"),
}
COLOURS = (GREY, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE)
OTHERS = [Style(c, m, "-.") for m, c in product("DvXP", COLOURS)]


def style_of(method: str) -> Style:
    """Return the style of a method; that of an unknown method follows from its name.

    Examples
    --------
    >>> style_of("distill")
    Style(colour='#0072b2', marker='o', line='-')
    """
    return KNOWN.get(method) or OTHERS[crc32(method.encode("utf-8", "replace")) % len(OTHERS)]
