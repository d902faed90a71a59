"""Runs a command, and turns whatever ends it into an exit code and one readable message.

The exit code 1 is that of a REJECT verdict alone, so that a pipeline can tell a model that must not
be deployed from a command that did not finish.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from holdfast.cli.output import say
from holdfast.cli.wording import hint_of, in_options, options_of
from holdfast.exceptions import HoldfastError

__all__ = ["DEBUG", "exit_code_of"]

DEBUG = "--debug"
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130
REPORT = f"add {DEBUG} to see where it happened, and report it"


def exit_code_of(command: Any, arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; without --debug, errors are one line.

    Parameters
    ----------
    command : click.Command
        The whole command line.
    arguments : sequence of str
        The arguments without the name of the program; --debug may stand anywhere.
    """
    given = [argument for argument in arguments if argument != DEBUG]
    try:
        code = command.main(given, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:
        return _ended_by(_first(error), command, given, debug=DEBUG in arguments)
    return code if isinstance(code, int) else 0


def _first(error: BaseException) -> BaseException:
    """Return the error that Click or Typer has turned into an end of its own."""
    inner = error.__cause__ or error.__context__
    ends = isinstance(error, (SystemExit, typer.Abort)) and isinstance(inner, (OSError, EOFError))
    return inner if ends and inner is not None else error


def _ended_by(error: BaseException, command: Any, given: Sequence[str], *, debug: bool) -> int:
    if isinstance(error, SystemExit):  # of a library, or where a shell asks for completions
        return 0 if error.code in (None, 0) else EXIT_FAILED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _drop_output()
    with suppress(OSError):  # standard error may be closed too
        _explain(error, command, given, debug=debug)
    return EXIT_FAILED


def _explain(error: BaseException, command: Any, arguments: Sequence[str], *, debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exception(error)
    if hasattr(error, "show") and hasattr(error, "format_message"):  # of Click, for wrong use
        error.show()
        hint = hint_of(arguments)
    else:
        hint = _message(error, command, arguments)
    if hint is not None:
        say(f"holdfast: {hint}", err=True)


def _message(error: BaseException, command: Any, arguments: Sequence[str]) -> str:
    """Return what went wrong, on one line and in the words of the command line."""
    if isinstance(error, HoldfastError):
        return in_options(str(error), options_of(command, arguments))
    if isinstance(error, BrokenPipeError):
        return "the output was closed before all of it was written; read it to its end"
    if isinstance(error, OSError):
        said = error.strerror or str(error) or type(error).__name__
        return said if error.filename is None else f"{said} ({error.filename})"
    if isinstance(error, MemoryError):
        reason = str(error) or "too little of it"
        return f"memory must suffice for this command, got: {reason}; give fewer rows, or {REPORT}"
    if isinstance(error, RecursionError):
        return f"inputs must be nested less deeply than these; write them flat, or {REPORT}"
    from holdfast.common.parameters import on_one_line

    return f"unforeseen {type(error).__name__}: {on_one_line(error)[:200]}; {REPORT}"


def _drop_output() -> None:
    """Send what is left of the output nowhere, else Python fails again when it flushes it."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
