"""Tables of typed cells become Markdown, LaTeX, CSV and plain text.

Numbers stay numbers until a table is rendered. Names of data sets, networks, methods and settings
are data, which each format escapes in its own way.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.common.parameters import check_choice
from holdfast.render.texts import visible

__all__ = ["FORMATS", "Cell", "Table", "clean", "render", "text_rows"]

FORMATS = ("text", "markdown", "latex", "csv")
DASH = "–"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    value : str, int, float or None
        The content; None is shown as a dash.
    error : float or None
        Standard error of the value.
    kind : {"text", "count", "share", "points"}
        Shares, and points (differences of shares), are shown in percent.
    best, bold : bool
        Whether the value is the lowest of its row, and whether it is so significantly.
    mark : str
        Sign behind the number, for a footnote.
    """

    value: str | int | float | None
    error: float | None = None
    kind: str = "text"
    best: bool = False
    bold: bool = False
    mark: str = ""

    @property
    def text(self) -> str:
        """The cell as plain text, neither escaped nor marked as best."""
        if self.value is None:
            return DASH
        if self.kind == "text":
            return clean(str(self.value))
        if self.kind == "count":
            return f"{self.value:,}"
        sign = "+" if self.kind == "points" else ""
        shown = f"{100 * float(self.value) + 0.0:{sign}.2f}".replace("-", "−")
        if self.error is not None:
            shown += f" ± {100 * self.error:.2f}"
        return shown + self.mark


@dataclass(frozen=True)
class Table:
    """A table whose cells are not rendered yet.

    Attributes
    ----------
    name, title, note : str
    columns : tuple of str
    rows : tuple of tuple of Cell
    n_labels : int
        Number of leading columns that name the row.
    n_totals : int
        Number of last rows that sum up the others.
    """

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    n_labels: int = 1
    n_totals: int = 0


def clean(text: str) -> str:
    r"""Return text on one line, with escapes for what would forge, hide or reorder others.

    Examples
    --------
    >>> clean("a\nb\x1b[1m")
    'a\\nb\\x1b[1m'
    """
    return visible(text)


def render(found: Sequence[Table], form: str) -> str:
    """Return tables as one text.

    Parameters
    ----------
    found : sequence of Table
    form : {"text", "markdown", "latex", "csv"}
        The format. In CSV, shares are plain numbers and standard errors have columns of their own.
        If there are several tables, each starts with its title and ends with an empty line.

    Examples
    --------
    >>> table = Table("t", "Title", "Note.", ("method", "churn"), ((Cell("a|b"), Cell(0.05)),))
    >>> print(render([table], "csv"), end="")
    method,churn
    a|b,0.05
    """
    check_choice("--format", form, FORMATS)
    shown = {"markdown": _markdown, "latex": _latex, "csv": _csv, "text": _text}[form]
    if form == "csv" and len(found) > 1:
        return "\n".join(_line([table.title]) + _csv(table) for table in found)
    return "\n".join(shown(table) for table in found)


def text_rows(table: Table) -> list[list[str]]:
    """Return the cells as text for a terminal: * marks the lowest, ** where significant."""
    # The marks stand in front, so that numbers stay aligned at their end.
    marks = {(False, False): "", (True, False): "* ", (True, True): "** "}
    return [[marks[cell.best, cell.bold] + cell.text for cell in row] for row in table.rows]


def _text(table: Table) -> str:
    rows = [list(map(clean, table.columns)), *text_rows(table)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < table.n_labels else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, table.note, "", *lines, ""])


def _markdown(table: Table) -> str:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rule = ["---" if i < table.n_labels else "---:" for i in range(len(table.columns))]
    lines = [line(map(_markdown_text, table.columns)), f"|{'|'.join(rule)}|"]
    lines += [line(map(_markdown_cell, row)) for row in table.rows]
    head = [f"## {_markdown_text(table.title)}", "", _markdown_text(table.note), ""]
    return "\n".join([*head, *lines, ""])


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    return f"**{text}**" if cell.bold else f"*{text}*" if cell.best else text


def _markdown_text(text: str) -> str:
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#~$!" else c for c in text)


def _latex(table: Table) -> str:
    form = "l" * table.n_labels + "r" * (len(table.columns) - table.n_labels)
    body = [[_latex_cell(cell) for cell in row] for row in table.rows]
    lines = [" & ".join(row) + r" \\" for row in body]
    if table.n_totals:
        lines.insert(len(lines) - table.n_totals, r"\midrule")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_text(table.title)}. {_latex_text(table.note)}}}",
            rf"\begin{{tabular}}{{{form}}}",
            r"\toprule",
            " & ".join(map(_latex_text, table.columns)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_cell(cell: Cell) -> str:
    text = _latex_text(cell.text)
    return rf"\textbf{{{text}}}" if cell.bold else rf"\underline{{{text}}}" if cell.best else text


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "†": r"$^\dagger$",
} | {c: f"\\{c}" for c in "{}$&#_%"}


def _latex_text(text: str) -> str:
    escaped = "".join(LATEX.get(c, c) for c in clean(text))
    # At the start of a row a bracket would be read as an argument of the line break before it.
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped


# Signs that a spreadsheet takes for the start of a formula, and their full-width forms.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def _csv(table: Table) -> str:
    wide = [any(row[i].error is not None for row in table.rows) for i in range(len(table.columns))]
    names = [
        part
        for name, has_error in zip(table.columns, wide, strict=True)
        for part in ([name, f"{name} standard error"] if has_error else [name])
    ]
    rows = [
        [
            part
            for cell, has_error in zip(row, wide, strict=True)
            for part in ([cell.value, cell.error] if has_error else [cell.value])
        ]
        for row in table.rows
    ]
    return _line(names) + "".join(map(_line, rows))


def _line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_safe(value) for value in values])
    return out.getvalue()


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value  # numbers stay numbers; None is an empty field
    text = clean(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
