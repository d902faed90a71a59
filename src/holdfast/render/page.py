"""Turns a plain dictionary into HTML: one self-contained page, or a fragment for notebooks.

Nothing in the dictionary is trusted, since names of classes, groups and rows come from data.
Templates escape all text. The chart's data are JSON that cannot close its script element. The
security policy of the page lets nothing be loaded, and lets only those scripts run whose hashes it
names.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdfast.render.chart import chart_view
from holdfast.render.tables import Picks, changes_view, groups_view, matrix_view, rows_view
from holdfast.render.texts import (
    amount,
    clip,
    limit_text,
    p_value,
    plain_number,
    points,
    share,
    visible,
)
from holdfast.render.views import (
    answers_view,
    decision_view,
    flips_in_words,
    ladder_view,
    provenance_view,
)

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_page", "render_snippet"]

# The most bytes for all groups, and for all rows, in a page below 6 MB, most of which is the chart.
ROOM = 2_200_000
ROOM_BESIDE_CHART = 400_000

_STATUSES = ("fail", "underpowered", "pass", "small")


def render_snippet(comparison: Mapping[str, Any]) -> str:
    """Return a comparison as a short HTML fragment, for notebooks.

    Parameters
    ----------
    comparison : mapping
        The result of `Comparison.to_dict()`. Fields may be None or missing.

    Returns
    -------
    str
        One ``div`` with its own scoped styles and without scripts. It uses the notebook's colours.

    Examples
    --------
    >>> snippet = render_snippet({"churn_rate": 0.021, "churn_rate_interval": [0.018, 0.024]})
    >>> "(1.8 to 2.4)" in snippet
    True
    """
    groups = comparison.get("groups") or []
    tally = {status: sum(g.get("status") == status for g in groups) for status in _STATUSES}
    return _render("snippet.html.j2", c=comparison, n_groups=len(groups), tally=tally)


def render_page(summary: Mapping[str, Any]) -> str:
    """Return a summary as one HTML page that needs no other file.

    Parameters
    ----------
    summary : mapping
        The result of `holdfast.report.summarise.summarise_comparison`, for example. Every key is
        optional; a section is left out when its key is missing or None.

        - ``title``, ``subtitle``, ``serving`` : str
        - ``certificate`` : list of str, one for each line
        - ``decision`` : the result of `Decision.to_dict`
        - ``comparison`` : the result of `Comparison.to_dict`
        - ``answers`` : the result of `holdfast.report.answers.AnswerFacts.to_dict`
        - ``matrix`` : the result of `Comparison.matrix`
        - ``budgets`` : list of dicts with ``name``, ``budget``, ``accuracy``, ``churn_rate``,
          ``negative_flip_rate``, ``accuracy_gain``, ``status`` and ``*_interval``
        - ``frontier`` : ``points`` (dicts with ``series``, ``label``, ``churn_rate``, ``accuracy``,
          ``utility``, their ``*_interval``, ``lam``, ``weights``, ``chosen``), ``measure`` (the
          height of points, "accuracy" by default or "utility"), ``budget``, ``floor``,
          ``measured_on``
        - ``ladder`` : the result of `holdfast.report.ladder.ladder`
        - ``rows`` : the result of `holdfast.report.rows.sampled_rows`
        - ``provenance`` : the result of `holdfast.common.provenance.provenance`

    Returns
    -------
    str
        The page. Equal summaries give equal pages. With a frontier it has about 4.9 MB, most of
        which is the chart's library; without one it has some kilobytes. It stays below 6 MB for any
        number of groups and any length of their names, since it holds at most the worst 2,000
        groups.

    Examples
    --------
    >>> page = render_page({"title": "Release 7 <candidate>"})
    >>> "<h1>Release 7 &lt;candidate&gt;</h1>" in page
    True
    """
    comparison, matrix = summary.get("comparison"), summary.get("matrix")
    steps = ladder_view(summary.get("ladder"))
    chart = chart_view(summary["frontier"], steps) if summary.get("frontier") else None
    room = ROOM_BESIDE_CHART if chart else ROOM
    rows = rows_view(summary.get("rows"), room)
    picks = Picks.of(summary.get("rows"), len(rows["rows"]) if rows else 0)
    groups = groups_view(comparison, picks, room)
    scripts = _chart_scripts() if chart else ()
    controls = _render("page.js.j2") if steps or rows or groups else None
    every = [*scripts, controls] if controls else scripts
    return _render(
        "page.html.j2",
        s=summary,
        c=comparison,
        decision=decision_view(summary.get("decision")),
        flips=flips_in_words(comparison),
        answers=answers_view(summary.get("answers")),
        matrix=matrix_view(matrix, picks),
        changes=changes_view(comparison, matrix, picks),
        groups=groups,
        ladder=steps,
        rows=rows,
        chart=chart,
        scripts=scripts,
        controls=controls,
        script_hashes=[_csp_hash(script) for script in every],
        provenance=provenance_view(summary.get("provenance")),
    )


# --- templates ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _chart_scripts() -> tuple[str, str]:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs(), _render("frontier.js.j2")


def _csp_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _finalize(value: Any) -> Any:
    """Clean text before it is escaped; leave the mark-up of templates and scripts as it is."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return visible(value, lines=True) if is_text else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("holdfast.render"),
        autoescape=True,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": share,
        "points": points,
        "limit": limit_text,
        "amount": amount,
        "clip": clip,
        "number": plain_number,
        "p_value": p_value,
    }
    return environment


def _render(template: str, **values: Any) -> str:
    page = _environment().get_template(template).render(values)
    return page.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate cannot be written
