"""Text that a spreadsheet would run as a formula, made harmless by a leading apostrophe.

Two patterns define which text is escaped. RE2, and with it DuckDB, reads them in the same way as
Python.
"""

from __future__ import annotations

import re

__all__ = ["escaped_name", "is_formula", "plain_name", "was_escaped"]

_FORMULA = r"^'*[=+\-@\t\r]"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"


def is_formula(text: str) -> str:
    """Return the SQL condition that a text has to be escaped.

    That is so for a formula, and for text that looks like an escaped formula.

    Parameters
    ----------
    text : str
        The SQL expression of the text.
    """
    formula = _FORMULA.replace("'", "''")
    return f"(regexp_matches({text}, '{formula}') AND NOT regexp_matches({text}, '{_NUMBER}'))"


def was_escaped(text: str) -> str:
    """Return the SQL condition that a text is the escaped form of another text.

    Parameters
    ----------
    text : str
        The SQL expression of the text.
    """
    return f"(starts_with({text}, '''') AND {is_formula(f'substr({text}, 2)')})"


def escaped_name(name: str) -> str:
    """Return the form of a column's name that is written to a CSV file.

    Examples
    --------
    >>> escaped_name("=a"), escaped_name("'=a"), escaped_name("-1"), escaped_name("a")
    ("'=a", "''=a", '-1', 'a')
    """
    number = re.search(_NUMBER.replace(r"\z", r"\Z"), name)
    return f"'{name}" if re.search(_FORMULA, name) and not number else name


def plain_name(name: str) -> str:
    """Return a column's name, given its form in a CSV file.

    Examples
    --------
    >>> plain_name("'=a"), plain_name("''=a"), plain_name("'a")
    ('=a', "'=a", "'a")
    """
    return name[1:] if name.startswith("'") and escaped_name(name[1:]) == name else name
