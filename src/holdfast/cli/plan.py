"""`holdfast plan`: computes the number of rows that a certificate needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.checks import check_outputs
from holdfast.cli.options import JSON_OPTION
from holdfast.cli.output import percent, print_json, print_table, say

SPENT = (0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9)  # true churn as a share of the budget


def plan(
    max_churn: Annotated[
        list[float],
        typer.Option(help="Churn budget: share of answers that may change; repeatable."),
    ],
    confidence: Annotated[float, typer.Option(help="Confidence level of the certificate.")] = 0.95,
    power: Annotated[
        float, typer.Option(help="Probability that the rows suffice, for a given true churn.")
    ] = 0.8,
    plot: Annotated[Path | None, typer.Option(help="HTML page to write, with the curve.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Compute the number of rows that are needed to certify a churn budget.

    The closer the true churn of the model is to the budget, the more rows are needed to show that
    it is lower. These rows need no labels.
    """
    from holdfast.selection.certificate import rows_to_certify

    check_outputs(plot, inputs=[])
    plans = [
        {
            "max_churn": limit,
            "spent": spent,
            "true_churn": spent * limit,
            "n": rows_to_certify(limit, confidence=confidence, spent=spent, power=power),
        }
        for limit in max_churn
        for spent in SPENT
    ]
    if plot is not None:
        _write_plot(plans, confidence, power, plot)
    if as_json:
        print_json({"confidence": confidence, "power": power, "rows": plans})
        return
    say(f"rows for a certificate at {confidence:.0%}, enough with a probability of {power:.0%}")
    print_table(
        ["budget", "true churn", "rows to certify"],
        [[percent(row["max_churn"]), f"{row['true_churn']:.3%}", f"{row['n']:,}"] for row in plans],
    )
    if plot is not None:
        say(f"curve: {plot}")


def _write_plot(rows: list[dict[str, Any]], confidence: float, power: float, path: Path) -> None:
    """Write the curves as one page that needs no other file."""
    import plotly.graph_objects as go

    from holdfast.common.files import write_text

    figure = go.Figure()
    for limit in dict.fromkeys(row["max_churn"] for row in rows):
        own = [row for row in rows if row["max_churn"] == limit]
        figure.add_scatter(
            x=[row["true_churn"] for row in own],
            y=[row["n"] for row in own],
            mode="lines+markers",
            name=f"budget {limit:.2%}",
        )
    figure.update_layout(
        title=f"Rows to certify a churn budget ({confidence:.0%}, power {power:.0%})",
        xaxis={"title": "true churn of the model", "tickformat": ".2%"},
        yaxis={"title": "certification rows", "type": "log"},
        template="plotly_white",
        showlegend=True,
    )
    write_text(path, figure.to_html(include_plotlyjs=True, full_html=True))
