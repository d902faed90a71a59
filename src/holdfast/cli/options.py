"""Options of several commands."""

from __future__ import annotations

from typing import Any

import typer

from holdfast.exceptions import InvalidInputError

__all__ = [
    "FORMER_TRUSTED_OPTION",
    "JSON_OPTION",
    "JUNIT_OPTION",
    "REPORT_OPTION",
    "TRUST_FILE_OPTION",
    "TRUST_TYPE_OPTION",
    "trusted_by",
]

JSON_OPTION = typer.Option("--json", help="Print one JSON object, for programs.")

TRUST_TYPE_OPTION = typer.Option(
    "--trust-type", metavar="TYPE", help="Type inside a model file that may be built; repeatable."
)

TRUST_FILE_OPTION = typer.Option(
    "--trust-file",
    metavar="PATH=SHA256",
    help="File of a model whose code may run, such as a pickle, with the hash of its content; "
    "repeatable.",
)

# Former releases had one option for types and files, so that a file could pass as a type.
FORMER_TRUSTED_OPTION = typer.Option("--trusted", hidden=True)

JUNIT_OPTION = typer.Option(
    "--junit", metavar="FILE", help="JUnit XML file to write, with the checks of the policy."
)

REPORT_OPTION = typer.Option(
    help="Report to write: .html, or .json for `holdfast report` to render later."
)


def trusted_by(
    types: list[str] | None, files: list[str] | None, former: list[str] | None
) -> dict[str, Any]:
    """Check the options and return what they trust, as the parameters of `load_model`."""
    from holdfast.models.trust import Trust

    hashes: dict[str, list[str]] = {}
    for text in files or ():
        path, equals, sha256 = text.rpartition("=")
        if not equals or not path:
            raise InvalidInputError(
                f"--trust-file must be PATH=SHA256, got {text!r}; copy the option from the error "
                "without it"
            )
        hashes.setdefault(path, []).append(sha256)
    Trust.of(types or (), hashes, former or None)
    return {"trusted_types": types or (), "trusted_files": hashes}
