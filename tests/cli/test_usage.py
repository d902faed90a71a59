import re

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from holdfast.cli import app


def commands(group, *path):
    """Return the words of each command, those of groups of commands included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", [*commands(get_command(app))], ids=" ".join)
def test_the_usage_line_names_arguments_in_capitals(words):
    (usage,) = re.findall(r"Usage: (.*)", CliRunner().invoke(app, [*words, "--help"]).stdout)
    _, _, arguments = usage.partition("[OPTIONS]")
    assert re.fullmatch(r"( [A-Z]+(\.\.\.)?| \[[A-Z]+\])*", arguments), usage
    if words == ("compare",):
        assert arguments == " BASE [NEW]"
