"""`holdfast bench plot STORE --out FILE`: draws figures from finished trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.bench.table import DatasetOption, MethodOption, NetworkOption, StoreArgument, read
from holdfast.cli.checks import check_outputs
from holdfast.cli.output import progress, say
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from holdfast.bench.pages.plots import Page

SUFFIXES = (".png", ".svg", ".html")


def plot(
    store: StoreArgument,
    out: Annotated[
        Path,
        typer.Option(
            help="File to write: .png, .svg, or .html for one page with tables and figures. "
            "Several figures are numbered in the name."
        ),
    ],
    kind: Annotated[str, typer.Option(help="Figures: frontier, cost, stream or all.")] = "frontier",
    dataset: DatasetOption = None,
    network: NetworkOption = None,
    method: MethodOption = None,
) -> None:
    """Draw accuracy against churn, the cost of less churn, or streams of updates over time."""
    from holdfast.bench.findings.summary import summarise
    from holdfast.bench.pages.plots import KINDS, pages
    from holdfast.common.parameters import check_choice

    check_choice("--kind", kind, [*KINDS, "all"])
    form = _form_of(out)
    check_outputs(out, inputs=store)
    with progress("measuring and drawing"):
        results = read(store, dataset=dataset, network=network, method=method)
        summary = summarise(results)
        found = list(pages(results, summary, kind))
        if form == "html":
            from holdfast.bench.pages.page import render_benchmark
            from holdfast.common.files import write_text

            write_text(out, render_benchmark(summary, found))
            written = [out]
        else:
            written = _save(found, out, form, store)
    say(*(f"wrote {path}" for path in written))


def _form_of(out: Path) -> str:
    if out.suffix.lower() not in SUFFIXES:
        raise InvalidInputError(
            f"--out must end in one of {', '.join(SUFFIXES)}, got {out.name!r}; name the file "
            f"{out.with_suffix('.png').name!r}"
        )
    return out.suffix.lower().removeprefix(".")


def _save(found: list[Page], out: Path, form: str, store: list[Path]) -> list[Path]:
    from holdfast.bench.pages.plots import save_page

    paths = [out]
    if len(found) > 1:
        digits = len(str(len(found)))
        paths = [
            out.with_stem(f"{out.stem}-{number:0{digits}}") for number in range(1, len(found) + 1)
        ]
        check_outputs(*paths, inputs=store)
    for page, path in zip(found, paths, strict=True):
        save_page(page, path, form)
    return paths
