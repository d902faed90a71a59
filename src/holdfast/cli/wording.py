"""Puts errors into the words of the command line: options in place of Python's parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["hint_of", "in_options", "options_of"]

# Parameters that have another name as an option, by the option.
OTHER_NAMES = {
    "--budget": ("max_churn",),
    "--group": ("groups",),
    "--id": ("id", "id_column"),
    "--jobs": ("n_jobs",),
    "--models": ("n_models",),
    "--seed": ("random_state",),
    "--weight": ("sample_weight", "weight"),
    "--seen": ("seen_by_base",),
    "--unlabeled": ("X_unlabeled",),
    "--class-weight": ("class_weight",),
    "--base": ("base_model",),
    "--learner": ("estimator",),
    "--trust-type": ("trusted_types",),
    "--trust-file": ("trusted_files",),
}
ONLY_FIRST = ("estimator",)  # words that mean more than the option, except as the subject


def options_of(root: Any, arguments: Sequence[str]) -> dict[str, str]:
    """Return the option for each parameter of the command that some arguments call.

    Parameters
    ----------
    root : click.Group
        The whole command line.
    arguments : sequence of str
        The arguments without the name of the program.
    """
    command = root
    for argument in arguments:
        commands = getattr(command, "commands", {})
        if argument in commands:
            command = commands[argument]
    options: dict[str, str] = {}
    for parameter in getattr(command, "params", ()):
        option = next((name for name in parameter.opts if name.startswith("--")), None)
        if option is not None:
            names = OTHER_NAMES.get(option, ())
            options |= dict.fromkeys((str(parameter.name), *names), option)
    return options


def in_options(message: str, options: dict[str, str]) -> str:
    """Return a message with options in place of Python's parameters.

    A name is a parameter where the message begins with it, where it has an underscore, and where it
    is given a value.

    Examples
    --------
    >>> options = {"max_churn": "--max-churn", "method": "--method"}
    >>> in_options("max_churn must be in [0, 1]; use method='distill'", options)
    '--max-churn must be in [0, 1]; use --method distill'
    """
    for name, option in options.items():
        message = re.sub(rf"^{name}\b(?= must | and )", option, message)
        if name in ONLY_FIRST:
            continue
        given = rf"(?<![\w.\-'\"`]){name}=(?:'([\w.\-]+)'|\"([\w.\-]+)\"|([\w.\-]+))"
        message = re.sub(given, rf"{option} \1\2\3", message).replace(f"{option} True", option)
        if "_" in name:
            message = re.sub(rf"(?<![\w.\-'\"]){name}(?![\w=(\"'])", option, message)
    return message


def hint_of(arguments: Sequence[str]) -> str | None:
    """Return what to write in place of the first share in percent; None where there is none.

    Examples
    --------
    >>> hint_of(["compare", "--max-churn", "1.5%"])
    'a share is a number from 0 to 1; write 0.015 for 1.5%'
    """
    for argument in arguments:
        found = re.fullmatch(r"(?:--[\w-]+=)?(-?[\d.,]+) ?%", argument)
        try:
            share = None if found is None else float(found[1].replace(",", ".")) / 100
        except ValueError:
            continue
        if found is not None and share is not None:
            return f"a share is a number from 0 to 1; write {share:g} for {found[1]}%"
    return None
