"""Text that a spreadsheet would run as a formula, made harmless by a leading apostrophe.

What is to be escaped is told once, by two patterns that RE2, and so DuckDB, reads as Python does.
"""

from __future__ import annotations

import re

__all__ = ["escaped_name", "is_formula", "plain_name", "was_escaped"]

_FORMULA = r"^'*[=+\-@\t\r]"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"


def is_formula(text: str) -> str:
    """Return the SQL condition that text must be escaped: a formula, or escaped already.

    Parameters
    ----------
    text : str
        An SQL expression.
    """
    formula = _FORMULA.replace("'", "''")
    return f"(regexp_matches({text}, '{formula}') AND NOT regexp_matches({text}, '{_NUMBER}'))"


def was_escaped(text: str) -> str:
    """Return the SQL condition that text is what escaping makes of other text."""
    return f"(starts_with({text}, '''') AND {is_formula(f'substr({text}, 2)')})"


def escaped_name(name: str) -> str:
    """Return a column's name as it is written.

    Examples
    --------
    >>> escaped_name("=a"), escaped_name("'=a"), escaped_name("-1"), escaped_name("a")
    ("'=a", "''=a", '-1', 'a')
    """
    number = re.search(_NUMBER.replace(r"\z", r"\Z"), name)
    return f"'{name}" if re.search(_FORMULA, name) and not number else name


def plain_name(name: str) -> str:
    """Return a column's name as it was before it was written.

    Examples
    --------
    >>> plain_name("'=a"), plain_name("''=a"), plain_name("'a")
    ('=a', "'=a", "'a")
    """
    return name[1:] if name.startswith("'") and escaped_name(name[1:]) == name else name
