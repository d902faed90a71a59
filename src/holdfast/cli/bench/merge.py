"""`holdfast bench merge STORE… --out FILE`: several stores as one file, which is a store too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.checks import check_outputs
from holdfast.exceptions import InvalidInputError


def merge(
    stores: Annotated[list[Path], typer.Argument(help="Folders and files of finished trials.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Write the rows of several stores to one file; rows that are there twice count once."""
    from holdfast.bench.store import merge as merge_stores

    if out.suffix != ".parquet":
        raise InvalidInputError(
            f"--out must end in .parquet, got {out.name!r}; name the file "
            f"{out.with_suffix('.parquet').name!r}"
        )
    check_outputs(out)
    written, left_out = merge_stores(stores, out)
    typer.echo(f"wrote {written:,} rows to {out}")
    if left_out:
        typer.echo(f"left out: {left_out:,} rows of trials that are there more than once")
