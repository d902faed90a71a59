"""Checks of several commands: outputs, columns and numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.exceptions import HoldfastError, InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "check_columns",
    "check_outputs",
    "check_report",
    "check_seed_and_jobs",
    "check_store",
    "explained",
]


def check_outputs(*outputs: Path | None, inputs: Sequence[str | Path | None] = ()) -> None:
    """Raise before any work if an output cannot be written, or would replace another file.

    Parameters
    ----------
    *outputs : Path or None
        Files to write.
    inputs : sequence of (str, Path or None)
        What the command reads: files, folders, patterns, or names that are no files at all. All
        files in them are compared with the outputs, through links. A table that would be read as
        part of a folder or a pattern the next time is refused, too.
    """
    from holdfast.tables.paths import all_files, would_hold

    read = [Path(path) for path in inputs if path is not None]
    taken = [file for path in read for file in all_files(path)]
    for path in outputs:
        if path is None:
            continue
        if path.exists() and not path.is_file():
            raise InvalidInputError(
                f"{path} must be a file to write, got a folder or a device; name a file"
            )
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise InvalidInputError(
                f"{path} must be in an existing folder that can be written to, got {path.parent}; "
                "create it, or choose another folder"
            )
        if any(_is_same(path, file) for file in taken):
            raise InvalidInputError(
                f"{path} must be a file of its own, got a file that the command also reads or "
                "writes; name another output"
            )
        among = next((source for source in read if would_hold(source, path)), None)
        if among is not None:
            raise InvalidInputError(
                f"{path} must not become part of the data, got a table in {among}, which the "
                "command reads; name a file in another folder"
            )
        taken.append(path)


def check_store(store: Path, data: str) -> None:
    """Raise if the folder to write to is in the folder or the pattern that is read."""
    from holdfast.tables.paths import would_hold

    if would_hold(Path(data), store / "any.parquet"):
        raise InvalidInputError(
            f"--store must be a folder of its own, got {store}, which is in the data {data}; name "
            "another folder"
        )


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def check_report(path: Path | None, *, option: str = "--report", page: bool = False) -> None:
    """Raise unless the file of a report ends in .html, or in .json if it need not be a page."""
    allowed = (".html", ".htm") if page else (".html", ".htm", ".json")
    if path is not None and path.suffix.lower() not in allowed:
        raise InvalidInputError(
            f"{option} must end in .html{'' if page else ' or .json'}, got {path.name!r}; name the "
            f"file {path.with_suffix('.html').name!r}"
        )


def check_seed_and_jobs(seed: int, jobs: int) -> None:
    """Raise if the seed or the number of workers is out of range."""
    if not 0 <= seed < 2**32:
        raise InvalidInputError(f"--seed must be in [0, 4294967295], got {seed}; give e.g. 0")
    if jobs == 0:
        raise InvalidInputError(
            "--jobs must be at least 1, or -1 for every core, got 0; give e.g. 1"
        )


UNSUITABLE = (ValueError, TypeError, LookupError, AttributeError)


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turn the error of a model about unsuitable values into one readable message.

    These are errors of values, and those that libraries such as LightGBM define themselves.
    """
    try:
        yield
    except (HoldfastError, MemoryError):
        raise
    except Exception as error:
        from holdfast.common.parameters import on_one_line

        if not isinstance(error, UNSUITABLE) and type(error).__module__ == "builtins":
            raise
        raise InvalidInputError(
            f"the data must suit the model for {task}, got: {on_one_line(error)[:200]}; check the "
            "types of the columns, and missing and infinite values"
        ) from error


def check_columns(names: Sequence[str], table: pd.DataFrame) -> None:
    """Raise unless the table has each column that the user named."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InvalidInputError(
            f"the data must have the column {missing[0]!r}, got "
            f"{', '.join(map(str, table.columns[:20]))}; correct the name"
        )
