"""A benchmark as one self-contained page of tables and figures, which loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdfast.bench.findings.results import Summary
from holdfast.bench.pages.formats import Cell, Table, clean
from holdfast.bench.pages.plots import Page, svg_of
from holdfast.bench.pages.tables import tables

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_benchmark"]

MEASURES = ("strict", "honest", "non_inferior", "gain", "wins")


def render_benchmark(
    summary: Summary, figures: Iterable[Page], *, title: str = "Benchmark of predictive churn"
) -> str:
    """Return tables and figures as one HTML page that needs nothing outside itself.

    Parameters
    ----------
    summary : Summary
    figures : iterable of Page
        The figures that `holdfast.bench.pages.plots.pages` yields. They are embedded as images,
        which run nothing.
    title : str

    Returns
    -------
    str
        The page, which is the same for the same summary and figures. Names are escaped, and the
        page's security policy allows no script and no loading.

    Examples
    --------
    >>> page = render_benchmark(Summary((), (), 0.95, 0.002), [], title="Nightly <run>")
    >>> "<h1>Nightly &lt;run&gt;</h1>" in page
    True
    """
    main = [_view(table) for name in MEASURES for table in tables(summary, name)]
    template = _environment().get_template("benchmark.html.j2")
    page = template.render(
        title=clean(title),
        facts=_facts(summary),
        tables=main,
        figures=[_figure(page) for page in figures],
        detail=_view(tables(summary, "detail")[0]),
        left_out=[clean(group.name) for group in summary.without_cold],
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _facts(summary: Summary) -> list[str]:
    runs = [group.n_runs for group in summary.groups] or [0]
    several = f"{min(runs):,} to {max(runs):,}" if min(runs) < max(runs) else f"{runs[0]:,}"
    datasets = {group.group.dataset for group in summary.groups}
    networks = {group.group.network for group in summary.groups}
    return [
        f"{len(datasets):,} data sets",
        f"{len(networks):,} networks",
        f"{len(summary.methods):,} methods",
        f"{several} runs",
    ]


def _view(table: Table) -> dict[str, Any]:
    return {
        "id": f"table-{table.name}",
        "title": table.title,
        "note": table.note,
        "columns": [
            {"parts": _parts(name), "number": i >= table.n_labels}
            for i, name in enumerate(table.columns)
        ],
        "rows": [_row(row, table.n_labels) for row in table.rows],
        "first_total": len(table.rows) - table.n_totals,
    }


def _parts(name: str) -> list[str]:
    """Split a name into parts between which its line may break."""
    *first, last = clean(name).split("_")
    return [*(f"{part}_" for part in first), last]


def _row(row: Sequence[Cell], n_labels: int) -> list[dict[str, Any]]:
    return [
        {"text": cell.text, "label": i < n_labels, "best": cell.best, "bold": cell.bold}
        for i, cell in enumerate(row)
    ]


def _figure(page: Page) -> dict[str, str]:
    data = base64.b64encode(svg_of(page)).decode("ascii")
    source = f"data:image/svg+xml;base64,{data}"
    return {"title": page.title, "note": page.note, "source": source}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader

    # The style and the macros are those of the report on two models.
    loader = ChoiceLoader([PackageLoader("holdfast.bench.pages"), PackageLoader("holdfast.render")])
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clip"] = _clip
    return environment


def _clip(value: Any, size: int) -> str:
    from holdfast.render.texts import clip

    return clip(value, size)
