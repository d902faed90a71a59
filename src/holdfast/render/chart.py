"""Prepares the chart of churn against accuracy, as data and layout for Plotly."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.render.texts import (
    clip,
    is_number,
    known_interval,
    limit_text,
    plain_number,
    share,
    visible,
)

__all__ = ["chart_view"]

MAX_TEXT = 60
FONT = "system-ui, sans-serif"

# Each colour has a contrast of at least 3 : 1 on the light and on the dark page, so one drawing
# serves both themes. Nine colours and seven symbols give 63 series that all look different, and
# neighbouring series differ in shape too.
COLOURS = (
    (47, 125, 209),
    (201, 106, 16),
    (26, 143, 95),
    (154, 95, 208),
    (209, 73, 91),
    (18, 138, 156),
    (140, 122, 30),
    (194, 80, 143),
    (122, 130, 142),
)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")


def chart_view(
    frontier: Mapping[str, Any], ladder: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return the points for the table, and Plotly's data and layout for the chart.

    With a ladder, the last trace marks the position of its slider. Returns None without points.
    """
    measure = "utility" if frontier.get("measure") == "utility" else "accuracy"
    points = [
        {**point, "height": point[measure], "height_interval": point.get(f"{measure}_interval")}
        for point in frontier.get("points") or []
        if is_number(point.get("churn_rate")) and is_number(point.get(measure))
    ]
    if not points:
        return None
    names = list(dict.fromkeys(str(point.get("series")) for point in points))
    data = [
        _trace(name, i, [point for point in points if str(point.get("series")) == name])
        for i, name in enumerate(names)
    ]
    chosen = [point for point in points if point.get("chosen")]
    if chosen:
        data.append(_chosen_trace(chosen))
    if ladder is not None and ladder["measure"] == measure:
        step = ladder["steps"][ladder["at"]]
        data.append(_slider_trace(step | {"height": step[measure]}))
    return {
        "points": [{**point, "weights_shown": _weights(point)} for point in points],
        "budget": frontier.get("budget"),
        "floor": frontier.get("floor"),
        "bars": any(
            known_interval(point.get(f"{name}_interval"))
            for point in points
            for name in ("churn_rate", "height")
        ),
        "measure": measure,
        "measured_on": frontier.get("measured_on"),
        "figure": {"data": data, "layout": _layout(len(data), frontier, measure)},
    }


def _trace(name: str, position: int, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    red, green, blue = COLOURS[position % len(COLOURS)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": _plot_text(name),
        "x": [point["churn_rate"] for point in points],
        "y": [point["height"] for point in points],
        "hoverinfo": "text",
        "hovertext": [_hover(point) for point in points],
        "marker": {
            "size": 9,
            "color": f"rgb({red},{green},{blue})",
            "symbol": SYMBOLS[position % len(SYMBOLS)],
        },
    }
    faint = f"rgba({red},{green},{blue},0.35)"
    for axis, measure in (("x", "churn_rate"), ("y", "height")):
        trace[f"error_{axis}"] = _error_bars(points, measure, faint)
    return trace


def _error_bars(points: Sequence[Mapping[str, Any]], measure: str, colour: str) -> dict[str, Any]:
    values = [point[measure] for point in points]
    intervals = [known_interval(point.get(f"{measure}_interval")) for point in points]
    ends = [pair or (value, value) for pair, value in zip(intervals, values, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(high - value, 0.0) for (_, high), value in zip(ends, values, strict=True)],
        "arrayminus": [max(value - low, 0.0) for (low, _), value in zip(ends, values, strict=True)],
        "color": colour,
        "thickness": 1,
        "width": 0,
        "visible": any(pair is not None for pair in intervals),
    }


def _chosen_trace(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "chosen",
        "x": [point["churn_rate"] for point in points],
        "y": [point["height"] for point in points],
        "hoverinfo": "skip",
        "marker": {
            "size": 19,
            "symbol": "circle-open",
            "color": "rgb(122,130,142)",
            "line": {"width": 2.5},
        },
    }


def _slider_trace(step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "at the slider",
        "x": [step["churn_rate"]],
        "y": [step["height"]],
        "hoverinfo": "skip",
        "marker": {
            "size": 15,
            "symbol": "diamond-open",
            "color": "rgb(209,73,91)",
            "line": {"width": 3},
        },
    }


def _layout(n_traces: int, frontier: Mapping[str, Any], measure: str) -> dict[str, Any]:
    axis = {"tickformat": ".3~%", "zeroline": False, "automargin": True, "showline": True}
    layout: dict[str, Any] = {
        "height": 400 + 14 * n_traces,  # room for a legend that wraps on a phone
        "margin": {"l": 12, "r": 12, "t": 28, "b": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13},
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "bgcolor": "rgb(27,33,41)", "font": {"family": FONT}},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "xaxis": {**axis, "title": {"text": "churn against the base model"}},
        "yaxis": {**axis, "title": {"text": measure}},
    }
    layout["xaxis"]["rangemode"] = "tozero"
    if measure == "accuracy":
        layout["yaxis"] |= {"minallowed": -0.02, "maxallowed": 1.02}  # room for a marker at the end
    else:
        layout["yaxis"]["tickformat"] = ".4~g"
    marks = [("budget", "dash", "bottom", 1.0), ("floor", "dot", "top", 0.06)]
    lines = [
        _upright(name, frontier[name], dash, anchor, height)
        for name, dash, anchor, height in marks
        if is_number(frontier.get(name))
    ]
    layout["shapes"] = [shape for shape, _ in lines]
    layout["annotations"] = [text for _, text in lines]
    return layout


def _upright(
    name: str, churn: float, dash: str, anchor: str, height: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a vertical line at a value of churn, and the text beside it."""
    at = {"x0": churn, "x1": churn, "y0": 0, "y1": 1, "yref": "paper"}
    line = {"width": 1.5, "dash": dash, "color": "rgb(122,130,142)"}
    shown = limit_text(churn) if name == "budget" else share(churn).value
    text = {"text": f"{name} {shown}", "showarrow": False}
    place = {"x": churn, "y": height, "yref": "paper", "yanchor": anchor}
    return {"type": "line", **at, "line": line}, {**text, **place}


def _hover(point: Mapping[str, Any]) -> str:
    lines = [
        f"{point.get('series')} · {point.get('label')}",
        f"churn {share(point['churn_rate'], point.get('churn_rate_interval'))}",
        f"accuracy {share(point.get('accuracy'), point.get('accuracy_interval'))}",
    ]
    if is_number(point.get("utility")):
        lines.insert(2, f"utility {plain_number(point['utility'])}")
    if is_number(point.get("lam")):
        lines.append(f"λ {plain_number(point['lam'])}")
    lines += [f"weight {item}" for item in _weights(point)]
    return "<br>".join(_plot_text(line) for line in lines)


def _weights(point: Mapping[str, Any]) -> list[str]:
    weights = point.get("weights") or {}
    return [f"{label} {plain_number(weight)}" for label, weight in weights.items()]


def _plot_text(text: str) -> str:
    """Shorten a label, and escape what Plotly would read as mark-up."""
    return html.escape(clip(visible(text), MAX_TEXT), quote=False)
