"""Figures of a benchmark: accuracy against churn, the cost of churn, and streams over time."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.bench.findings.curves import CostCurve, StreamCurve, cost_curves, stream_curves
from holdfast.bench.findings.panels import COLD, Group
from holdfast.bench.findings.results import GroupResult, MethodResult, Summary
from holdfast.bench.pages.formats import clean
from holdfast.bench.pages.style import RC, style_of
from holdfast.common.files import replace_file
from holdfast.common.parameters import check_choice, require
from holdfast.exceptions import InvalidInputError
from holdfast.render.texts import clip

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["KINDS", "Page", "pages", "save_page", "svg_of"]

KINDS = ("frontier", "cost", "stream")
# matplotlib is an extra, so its classes cannot be named here.
Axes = Any
Figure = Any

COLUMNS, PER_PAGE = 3, 12
WIDTH, HEIGHT = 3.7, 3.0  # inches of a panel
MAX_NAME = 44

TITLES = {
    "frontier": "Accuracy against churn",
    "cost": "Cost of churn",
    "stream": "Updates of a stream",
}
NOTES = {
    "frontier": "Higher points are more accurate, and points further left have less churn. A line "
    "joins the settings of a method that no other of its settings beats. Faint dots are its other "
    "settings, as far as they fit into the panel. Bars are one standard error over runs. The "
    "horizontal dotted line is cold start's accuracy. The vertical one is the churn floor, the "
    "churn between two cold starts that differ in the seed alone.",
    "cost": "The cost is (1 − a) · error + a · churn. At each weight a, the line is a method's "
    "least cost over its settings, minus the cost of cold start. Below 0 is better than cold "
    "start. Bands are one standard error over paired runs.",
    "stream": "Each method has the setting of least churn among those that are as accurate as "
    "cold start. The panels show, from top to bottom, how often a row's answer has changed so "
    "far, the accuracy after each update, and that accuracy minus cold start's, over paired runs. "
    "Bands are one standard error over runs.",
}


@dataclass(frozen=True, eq=False)
class Page:
    """One figure.

    Attributes
    ----------
    kind : {"frontier", "cost", "stream"}
    title, note : str
        Plain text.
    figure : matplotlib.figure.Figure
    """

    kind: str
    title: str
    note: str
    figure: Figure


def pages(results: pd.DataFrame, summary: Summary, kind: str = "all") -> Iterator[Page]:
    """Yield the figures of a benchmark, one network after the other.

    Parameters
    ----------
    results : DataFrame
        The rows that `summary` was made from.
    summary : Summary
    kind : {"frontier", "cost", "stream", "all"}

    Yields
    ------
    Page
        A figure with one panel for each group, at most twelve. A method has the same colour and
        marker everywhere.

    Raises
    ------
    InvalidInputError
        For another kind, or if there is nothing to draw.
    MissingExtraError
        If matplotlib is not installed.
    """
    check_choice("--kind", kind, [*KINDS, "all"])
    _matplotlib()
    return _pages(results, summary, KINDS if kind == "all" else (kind,))


def save_page(page: Page, path: str | PathLike[str], form: str) -> None:
    """Write a figure as "png" or "svg", whole or not at all.

    The same figure gives the same bytes.
    """
    with replace_file(path) as temporary:
        temporary.write_bytes(_bytes(page.figure, form))


def svg_of(page: Page) -> bytes:
    """Return a figure as SVG."""
    return _bytes(page.figure, "svg")


def _matplotlib(part: str = "") -> Any:
    return require(f"matplotlib{part}", extra="bench", purpose="drawing")


def _bytes(figure: Figure, form: str) -> bytes:
    out = io.BytesIO()
    metadata = {"Date": None, "Creator": "holdfast"} if form == "svg" else {"Software": "holdfast"}
    with _matplotlib().rc_context(RC), _quiet():
        figure.savefig(out, format=form, dpi=150, metadata=metadata)
    return out.getvalue()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the warning about characters that the font lacks, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


# --- pages ---------------------------------------------------------------------------------------


def _pages(results: pd.DataFrame, summary: Summary, kinds: Sequence[str]) -> Iterator[Page]:
    drawn = 0
    for kind in kinds:
        curves: Mapping[Group, Any] = {group.group: group for group in summary.groups}
        if kind == "cost":
            curves = cost_curves(results)
        if kind == "stream":
            curves = stream_curves(results, summary)
        groups = [group for group in summary.groups if curves.get(group.group)]
        for title, part in _grouped(groups, kind):
            drawn += 1
            figure = _figure(kind, title, [(group, curves[group.group]) for group in part])
            yield Page(kind, title, NOTES[kind], figure)
    if not drawn:
        raise InvalidInputError(
            "--kind stream must have a group of more than one update, got draws only; run "
            "holdfast bench run stream, or draw another kind"
        )


def _grouped(groups: Sequence[GroupResult], kind: str) -> Iterator[tuple[str, list[GroupResult]]]:
    networks = list(dict.fromkeys(group.group.network for group in groups))
    for network in networks:
        of = [group for group in groups if group.group.network == network]
        n_pages = -(-len(of) // PER_PAGE)
        for i in range(n_pages):
            more = f" ({i + 1} of {n_pages})" if n_pages > 1 else ""
            title = f"{TITLES[kind]}: {clip(clean(network), MAX_NAME)}{more}"
            yield title, of[PER_PAGE * i : PER_PAGE * (i + 1)]


def _figure(kind: str, title: str, panels: Sequence[tuple[GroupResult, Any]]) -> Figure:
    drawings: dict[str, Callable[[Any, GroupResult, Any], list[str]]]
    drawings = {"frontier": _frontier, "cost": _cost, "stream": _stream}
    stacked = 3 if kind == "stream" else 1
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with _matplotlib().rc_context(RC):
        figure = _matplotlib(".figure").Figure(layout="constrained")
        axes = figure.subplots(rows * stacked, columns, squeeze=False)
        methods: dict[str, None] = {}
        for i, (group, curves) in enumerate(panels):
            row, column = divmod(i, columns)
            own = axes[row * stacked : (row + 1) * stacked, column]
            own[0].set_title(_panel_title(group, [other for other, _ in panels]), loc="left")
            methods |= dict.fromkeys(drawings[kind](own, group, curves))
        for i in range(len(panels), rows * columns):
            row, column = divmod(i, columns)
            for unused in axes[row * stacked : (row + 1) * stacked, column]:
                unused.set_axis_off()
        figure.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
        # A single panel may be larger.
        width = WIDTH * columns * (1.6 if columns == 1 else 1)
        height = rows * (2.1 * stacked if stacked > 1 else HEIGHT) * (1.3 if columns == 1 else 1)
        lines = _legend(figure, list(methods), with_base=kind == "frontier", width=width)
        figure.set_size_inches(width, height + 0.45 + 0.19 * lines)
        # The layout is made once. Otherwise each drawing would start from the last one's layout,
        # and move a little.
        with _quiet():
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _panel_title(group: GroupResult, others: Sequence[GroupResult]) -> str:
    own = group.group
    name = clip(clean(own.dataset), MAX_NAME)
    twins = [other.group for other in others if other.group.dataset == own.dataset]
    if len(twins) > 1:  # the same data set with other sizes or in another order
        name += f" ({own.order}, {own.n_init:,} / {own.n_val:,} / {own.n_batch:,})"
    return name


def _legend(figure: Figure, methods: Sequence[str], *, with_base: bool, width: float) -> int:
    """Draw the legend under the panels, and return its number of lines."""
    line = _matplotlib(".lines").Line2D
    handles = []
    for method in methods:
        style = style_of(method)
        name = clip(clean(method), MAX_NAME)
        # A leading underscore would hide the entry.
        label = f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name
        shown: dict[str, Any] = {"marker": style.marker, "linestyle": style.line}
        if method == COLD:
            shown |= {"markersize": 11}
        handles.append(line([], [], color=style.colour, label=label, **shown))
    if with_base:
        base = {"marker": "D", "linestyle": "", "markerfacecolor": "none", "color": "black"}
        handles.append(line([], [], label="base model", **base))
    longest = max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(len(handles), int(width / (0.65 + 0.068 * longest))))
    figure.legend(handles=handles, loc="outside lower left", ncols=columns)
    return -(-len(handles) // columns)


# --- panels --------------------------------------------------------------------------------------


def _frontier(axes: Sequence[Axes], group: GroupResult, _: Any) -> list[str]:
    ax = axes[0]
    for result in group.methods:
        _draw_method(ax, result)
    ax.plot(0, 100 * group.base_accuracy, "D", mfc="none", mec="black", ms=6, clip_on=False)
    ax.axhline(100 * group.cold_accuracy, color="black", lw=0.9, ls=":", zorder=1)
    if group.churn_floor is not None:
        ax.axvline(100 * group.churn_floor, color="black", lw=0.9, ls=":", zorder=1)
    _zoom(ax, group)
    ax.set_xlabel("churn, % of test rows")
    ax.set_ylabel("accuracy, %")
    return [result.method for result in group.methods if result.points]


def _zoom(ax: Axes, group: GroupResult) -> None:
    """Show every method's frontier, and cut off points that lie far below."""
    shown = [point for result in group.methods for point in result.points if point.efficient]
    accuracy = [group.base_accuracy, group.cold_accuracy, *(point.accuracy for point in shown)]
    churn = [group.cold_churn_rate, *(point.churn_rate for point in shown)]
    low, high = 100 * min(accuracy), 100 * max(accuracy)
    room = 0.08 * (high - low) or 0.5
    ax.set_ylim(low - room, high + room)
    ax.set_xlim(0, 106 * max(churn) or 1)


def _draw_method(ax: Axes, result: MethodResult) -> None:
    style = style_of(result.method)
    rest = [point for point in result.points if not point.efficient]
    best = sorted((p for p in result.points if p.efficient), key=lambda point: point.churn_rate)
    x, y = (100 * np.array([getattr(p, n) for p in rest]) for n in ("churn_rate", "accuracy"))
    ax.plot(x, y, style.marker, color=style.colour, ms=2, alpha=0.35, mew=0, zorder=2)

    def values(name: str) -> NDArray[np.float64]:
        return 100 * np.array([getattr(point, name) for point in best], dtype=np.float64)

    ax.errorbar(
        values("churn_rate"),
        values("accuracy"),
        xerr=np.nan_to_num(values("churn_rate_standard_error")),
        yerr=np.nan_to_num(values("accuracy_standard_error")),
        color=style.colour,
        marker=style.marker,
        linestyle=style.line,
        markersize=13 if result.method == COLD else 4.2,
        markeredgecolor="white",
        markeredgewidth=0.4,
        linewidth=1.1,
        elinewidth=0.6,
        zorder=4 if result.method == COLD else 3,
    )


def _cost(axes: Sequence[Axes], _: GroupResult, curves: Sequence[CostCurve]) -> list[str]:
    ax = axes[0]
    for curve in curves:
        band = curve.difference_standard_error
        _line_with_band(ax, curve.method, curve.weights, curve.difference, band, every=10)
    ax.set_xlim(0, 1)
    ax.set_xlabel("weight a of churn")
    ax.set_ylabel("cost minus cold start's, points")
    return [curve.method for curve in curves]


def _stream(axes: Sequence[Axes], _: GroupResult, curves: Sequence[StreamCurve]) -> list[str]:
    churn, accuracy, difference = axes
    for curve in curves:
        method, x = curve.method, curve.updates
        _line_with_band(churn, method, x, curve.churn_rate, curve.churn_rate_standard_error)
        # Runs differ more than methods do. Their wide bands overlap, so they are faint.
        error = curve.accuracy_standard_error
        _line_with_band(accuracy, method, x, curve.accuracy, error, alpha=0.05)
        error = curve.accuracy_difference_standard_error
        _line_with_band(difference, method, x, curve.accuracy_difference, error)
    churn.set_ylim(bottom=0)
    churn.set_ylabel("churn so far, %")
    accuracy.set_ylabel("accuracy, %")
    difference.set_ylabel("minus cold start's, points")
    difference.set_xlabel("update")
    for ax in axes:
        ax.set_xticks(curves[0].updates)
    return [curve.method for curve in curves]


def _line_with_band(
    ax: Axes,
    method: str,
    x: NDArray[Any],
    value: NDArray[np.float64],
    error: NDArray[np.float64],
    *,
    every: int = 1,
    alpha: float = 0.15,
) -> None:
    style = style_of(method)
    error = np.nan_to_num(error)
    low, high = 100 * (value - error), 100 * (value + error)
    ax.fill_between(x, low, high, color=style.colour, alpha=alpha, lw=0)
    ax.plot(
        x,
        100 * value,
        color=style.colour,
        linestyle=style.line,
        linewidth=1.2,
        marker=style.marker,
        markersize=9 if method == COLD else 4.2,
        markeredgecolor="white",
        markeredgewidth=0.4,
        markevery=every,
        clip_on=False,
    )
