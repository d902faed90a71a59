"""The summary of a benchmark as tables, which `render` turns into Markdown, LaTeX, CSV or text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple

from holdfast.bench.findings.panels import GROUP
from holdfast.bench.findings.results import Best, Choice, GroupResult, Honest, MethodResult, Summary
from holdfast.bench.findings.summary import MEASURES
from holdfast.bench.findings.wins import wins
from holdfast.bench.pages.formats import FORMATS, Cell, Table, clean, render, text_rows
from holdfast.common.parameters import check_choice

__all__ = ["FORMATS", "TABLES", "Cell", "Table", "clean", "render", "tables", "text_rows"]

TABLES = (*MEASURES, "gain", "wins", "detail")

TITLES = {
    "strict": "Churn at cold accuracy",
    "honest": "Churn at cold accuracy, honest",
    "non_inferior": "Churn, accuracy not inferior to cold start's",
    "gain": "Accuracy gain kept at half of cold start's churn",
}
NOTES = {
    "strict": "The lowest mean churn, in percent of test rows, among a method's settings whose "
    "mean accuracy over runs is at least cold start's, ± one standard error over runs. A dash "
    "means that no setting is that accurate. The setting is chosen and measured on the same runs.",
    "honest": "Churn in percent of test rows. The setting is chosen on one half of the runs and "
    "measured on the other, both ways, and the two are averaged, ± one standard error. A dash "
    "means that on one half no setting is as accurate as cold start. A † means that on the other "
    "half its accuracy was lower than cold start's by more than one standard error.",
    "non_inferior": "The lowest mean churn, in percent of test rows, among a method's settings "
    "whose accuracy is less than {margin:.2g} points below cold start's at {confidence:.3g} % "
    "confidence (one-sided, paired over runs), ± one standard error. A dash means that there is "
    "none.",
    "gain": "Percent of cold start's mean accuracy gain over the base model that the best setting "
    "with at most half of cold start's churn keeps, ± one standard error (jackknife over runs). A "
    "dash means that no setting has so little churn, or that cold start gains nothing. A question "
    "mark means that cold start's gain is below its own standard error.",
}
MARKED = (
    "The lowest of each row is marked. It is bold if its paired difference to every other method "
    "is significant at {confidence:.3g} %."
)


def tables(summary: Summary, measure: str = "strict") -> list[Table]:
    """Return the tables of one measure.

    Parameters
    ----------
    summary : Summary
    measure : {"strict", "honest", "non_inferior", "gain", "wins", "detail", "all"}
        The measure. Most give one table of groups × methods; "wins" gives shares of groups and a
        table of method against method; "detail" gives one long table with every number.

    Raises
    ------
    InvalidInputError
        For another measure.

    Examples
    --------
    >>> [table.name for table in tables(Summary((), (), 0.95, 0.002), "all")]
    ['strict', 'honest', 'non_inferior', 'gain', 'wins', 'duels', 'detail']
    """
    check_choice("--measure", measure, [*TABLES, "all"])
    if measure == "all":
        return [table for name in TABLES for table in tables(summary, name)]
    if measure == "wins":
        return [_wins_table(summary), _duels_table(summary)]
    if measure == "detail":
        return [_detail_table(summary)]
    return [_main_table(summary, measure)]


# --- groups × methods ----------------------------------------------------------------------------


def _main_table(summary: Summary, name: str) -> Table:
    labels = _labels(summary)
    values = _gain_cell if name == "gain" else _churn_cell(name)
    rows = [
        (*_label_cells(group, labels), *(values(group, method) for method in summary.methods))
        for group in summary.groups
    ]
    totals = _totals(summary, rows, labels, name) if len(rows) > 1 else []
    note = NOTES[name] + (f" {MARKED}" if name in MEASURES else "") + _incomplete(summary)
    return Table(
        name=name,
        title=TITLES[name],
        note=note.format(margin=100 * summary.margin, confidence=100 * summary.confidence),
        columns=(*labels, *summary.methods),
        rows=(*rows, *totals),
        n_labels=len(labels),
        n_totals=len(totals),
    )


def _totals(
    summary: Summary, rows: list[tuple[Cell, ...]], labels: Sequence[str], name: str
) -> list[tuple[Cell, ...]]:
    found = [_mean_row(summary, rows, labels, name)]
    if name in MEASURES:
        shares = wins(summary, name).shares
        share_cells = (Cell(shares[method], kind="share") for method in summary.methods)
        found.append((*_total("share of groups won", labels), *share_cells))
    return found


def _labels(summary: Summary) -> tuple[str, ...]:
    """Return the columns that name a group: data set, network, and others that differ."""
    keys = [astuple(group.group) for group in summary.groups]
    several = {name for i, name in enumerate(GROUP) if len({key[i] for key in keys}) > 1}
    return tuple(name for name in GROUP if name in {"dataset", "network"} | several)


def _label_cells(group: GroupResult, labels: Iterable[str]) -> tuple[Cell, ...]:
    values = [getattr(group.group, label) for label in labels]
    return tuple(Cell(v, kind="count" if isinstance(v, int) else "text") for v in values)


def _total(name: str, labels: Sequence[str]) -> tuple[Cell, ...]:
    return (Cell(name), *(Cell("") for _ in labels[1:]))


def _churn_cell(measure: str) -> Callable[[GroupResult, str], Cell]:
    def cell(group: GroupResult, method: str) -> Cell:
        result = group.method(method)
        found: Choice | Honest | None = None if result is None else getattr(result, measure)
        if found is None:
            return Cell(None, kind="share")
        best = group.best[measure]
        is_best = best is not None and method in best.methods
        return Cell(
            found.churn_rate,
            error=found.churn_rate_standard_error,
            kind="share",
            best=is_best,
            bold=is_best and best is not None and best.significant,
            mark="†" if measure == "honest" and _fell(found) else "",
        )

    return cell


def _fell(found: Choice | Honest) -> bool:
    error = found.accuracy_difference_standard_error
    return found.accuracy_difference < 0 and (error is None or -found.accuracy_difference > error)


def _gain_cell(group: GroupResult, method: str) -> Cell:
    result = group.method(method)
    if result is None or result.gain_kept.value is None:
        return Cell(None, kind="share")
    kept = result.gain_kept
    return Cell(
        kept.value, error=kept.standard_error, kind="share", mark="" if kept.reliable else "?"
    )


def _mean_row(
    summary: Summary, rows: list[tuple[Cell, ...]], labels: Sequence[str], name: str
) -> tuple[Cell, ...]:
    cells = []
    for i in range(len(summary.methods)):
        known = [row[len(labels) + i].value for row in rows]
        numbers = [float(value) for value in known if value is not None]
        # Means over different groups do not compare, so the cell says over how many it is.
        part = f" ({len(numbers)}/{len(rows)})" if 0 < len(numbers) < len(rows) else ""
        value = sum(numbers) / len(numbers) if numbers else None
        cells.append(Cell(value, kind="share", mark=part))
    return (*_total("mean over groups", labels), *cells)


def _incomplete(summary: Summary) -> str:
    """Return sentences on the number of runs, on costly methods, and on all that is left out."""
    methods = [result for group in summary.groups for result in group.methods]
    runs = {result.n_runs for result in methods}
    parts = [f" Runs: {min(runs)} to {max(runs)}." if len(runs) > 1 else ""]
    if len(runs) == 1:
        parts = [f" Runs: {runs.pop()}."]
    costly = {r.method: r.cost for r in methods if r.cost > 1}
    if costly:
        named = ", ".join(f"{clean(name)} {n}" for name, n in costly.items())
        parts.append(f" Methods that train more than one network: {named}.")
    lost = sum(group.n_cold_diverged for group in summary.groups)
    if lost:
        parts.append(f" Runs left out because cold start diverged: {lost}.")
    diverged = sum(result.n_diverged for result in methods)
    if diverged:
        parts.append(f" Settings left out because they diverged in a run: {diverged}.")
    if summary.without_cold:
        names = "; ".join(clean(group.name) for group in summary.without_cold)
        parts.append(f" Groups left out because they have no run of cold start: {names}.")
    # The result goes through str.format.
    return "".join(parts).replace("{", "{{").replace("}", "}}")


# --- wins ----------------------------------------------------------------------------------------


def _wins_table(summary: Summary) -> Table:
    found = {measure: wins(summary, measure) for measure in MEASURES}
    strict = found["strict"]
    rows = tuple(
        (
            Cell(method),
            Cell(strict.groups[method], kind="count"),
            *(Cell(found[measure].shares[method], kind="share") for measure in MEASURES),
            Cell(strict.half_shares[method], kind="share"),
        )
        for method in summary.methods
    )
    note = (
        "Percent of the groups in which a method has the lowest churn at cold accuracy. Ties are "
        f"shared. Groups: {strict.n_groups}. The half-runs are {strict.n_halves} pairs of a group "
        "and one half of its runs, with settings chosen on the other half."
    )
    columns = ("method", "groups", "strict", "honest", "non-inferior", "half-runs")
    return Table("wins", "Shares of groups won", note, columns, rows)


def _duels_table(summary: Summary) -> Table:
    matrix = wins(summary).matrix
    rows = tuple(
        (
            Cell(a),
            *(Cell("" if a == b else matrix[a][b], kind="text" if a == b else "share")
              for b in summary.methods),
        )
        for a in summary.methods
    )  # fmt: skip
    note = (
        "Percent of the groups with both methods in which the row's method has less churn at cold "
        "accuracy (strict) than the column's. A dash loses to any number; equal churn and two "
        "dashes count half."
    )
    return Table("duels", "Method against method", note, ("method", *summary.methods), rows)


# --- every number --------------------------------------------------------------------------------


def _detail_table(summary: Summary) -> Table:
    rows = [_detail(group, result) for group in summary.groups for result in group.methods]
    columns = tuple(name for name, _ in rows[0]) if rows else ()
    return Table(
        name="detail",
        title="Every number",
        note="Shares are in percent of the test rows, and differences to cold start in points.",
        columns=columns,
        rows=tuple(tuple(cell for _, cell in row) for row in rows),
        n_labels=len(GROUP) + 1,
    )


def _detail(group: GroupResult, result: MethodResult) -> list[tuple[str, Cell]]:
    key = [*zip(GROUP, _label_cells(group, GROUP), strict=True), ("method", Cell(result.method))]
    counts = {
        "networks trained": result.cost,
        "models served": result.served,
        "runs": result.n_runs,
        "settings": result.n_settings,
        "diverged": result.n_diverged,
    }
    kept = result.gain_kept
    return [
        *key,
        *((name, Cell(value, kind="count")) for name, value in counts.items()),
        ("base accuracy", Cell(group.base_accuracy, kind="share")),
        ("cold accuracy", Cell(group.cold_accuracy, kind="share")),
        *_choice_cells("strict", result.strict),
        ("strict best", _best_cell(group.best["strict"], result.method)),
        *_honest_cells(result.honest),
        ("honest best", _best_cell(group.best["honest"], result.method)),
        *_choice_cells("non-inferior", result.non_inferior),
        ("gain kept", Cell(kept.value, kept.standard_error, kind="share")),
        ("gain kept setting", Cell(kept.setting)),
        ("gain kept note", Cell(kept.note or "")),
    ]


def _choice_cells(name: str, found: Choice | None) -> list[tuple[str, Cell]]:
    def share(field: str, kind: str = "share") -> Cell:
        if found is None:
            return Cell(None, kind=kind)
        return Cell(getattr(found, field), getattr(found, f"{field}_standard_error", None), kind)

    return [
        (f"{name} setting", Cell(None if found is None else found.setting)),
        (f"{name} accuracy", share("accuracy")),
        (f"{name} accuracy difference", share("accuracy_difference", "points")),
        (f"{name} churn", share("churn_rate")),
        (f"{name} churn difference", share("churn_difference", "points")),
        (f"{name} negative flips", share("negative_flip_rate")),
    ]


def _honest_cells(found: Honest | None) -> list[tuple[str, Cell]]:
    if found is None:
        found_cells = [Cell(None), *(Cell(None, kind=k) for k in ("share", "points", "share"))]
    else:
        difference = found.accuracy_difference_standard_error
        found_cells = [
            Cell(" / ".join(found.settings)),
            Cell(found.accuracy, kind="share"),
            Cell(found.accuracy_difference, difference, kind="points"),
            Cell(found.churn_rate, found.churn_rate_standard_error, kind="share"),
        ]
    names = ("settings", "accuracy", "accuracy difference", "churn")
    return [(f"honest {name}", cell) for name, cell in zip(names, found_cells, strict=True)]


def _best_cell(best: Best | None, method: str) -> Cell:
    if best is None or method not in best.methods:
        return Cell("")
    return Cell("significant" if best.significant else "lowest")
