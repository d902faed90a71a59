"""The line of help that says how a command is used, alike in all releases of Typer."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

__all__ = ["PlainCommand"]


class PlainCommand(TyperCommand):
    """A command whose arguments stand in capitals in its usage line, such as ``BASE [NEW]``."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line; recent releases write ``{base} [new]``."""
        pieces = super().collect_usage_pieces(ctx)
        return [piece.replace("{", "").replace("}", "").upper() for piece in pieces]
