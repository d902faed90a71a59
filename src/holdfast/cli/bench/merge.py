"""`holdfast bench merge STORE… --out FILE`: writes several stores to one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.checks import check_outputs
from holdfast.cli.output import say
from holdfast.exceptions import InvalidInputError


def merge(
    stores: Annotated[list[Path], typer.Argument(help="Folders or files of finished trials.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Write the trials of several stores to one file, which is a store too.

    A trial that several stores have is written once.
    """
    from holdfast.bench.store import merge as merge_stores

    if out.suffix != ".parquet":
        raise InvalidInputError(
            f"--out must end in .parquet, got {out.name!r}; name the file "
            f"{out.with_suffix('.parquet').name!r}"
        )
    check_outputs(out, inputs=stores)
    written, left_out = merge_stores(stores, out)
    say(f"wrote {written:,} rows to {out}")
    if left_out:
        say(f"left out: {left_out:,} rows of trials that are there more than once")
