"""Writing between the markers of a page, where scripts put their results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from holdfast.common.files import write_text


def write_between(page: Path, texts: Mapping[str, str]) -> None:
    """Put each text between `<!-- name -->` and `<!-- /name -->`.

    Parameters
    ----------
    page : Path
    texts : mapping of str to str
        The text for each name, which ends with a line break.

    Raises
    ------
    LookupError
        If the page lacks the markers of a name; nothing is written then.
    """
    whole = page.read_text(encoding="utf-8")
    for name, text in texts.items():
        markers = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        whole, count = markers.subn(lambda found, text=text: found[1] + text + found[2], whole)
        if not count:
            raise LookupError(f"{page} must have the markers <!-- {name} --> and <!-- /{name} -->")
    write_text(page, whole)
