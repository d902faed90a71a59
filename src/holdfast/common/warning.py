"""Issues warnings that point at the line of the user's own code."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from holdfast.render.texts import visible

__all__ = ["warn"]

PACKAGE = str(Path(__file__).parents[1]) + os.sep


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that points at the line outside the package that called it.

    Wherever in the package a warning arises, Python shows the line that the user can change, and
    warns once for each such line.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(visible(message), category, stacklevel=level)
