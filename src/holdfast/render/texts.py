"""Formats numbers and shortens text for readers; a missing number becomes a dash."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, TypeGuard

__all__ = [
    "Shown",
    "amount",
    "clip",
    "is_number",
    "known_interval",
    "limit_text",
    "number",
    "p_value",
    "percent_of",
    "plain_number",
    "points",
    "share",
    "visible",
    "visible_json",
]

MAX_DECIMALS = 4
MOST_DECIMALS = 8  # of numbers that are no shares

_GAPS = {"%": "\N{NO-BREAK SPACE}%", "points": "\N{NO-BREAK SPACE}points"}

# Control characters, line ends, invisible marks, characters that reorder the text after them,
# halves of surrogate pairs, and what XML cannot hold. Then where commands of CI systems begin.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
    r"|(?<=#)#(?=\w*\[)|^\s*:(?=:)"
)


@dataclass(frozen=True)
class Shown:
    """A number as text: its value with the unit, and its interval without the unit."""

    value: str
    range: str | None = None

    def __str__(self) -> str:
        return self.value if self.range is None else f"{self.value} ({self.range})"


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether `value` is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def known_interval(interval: Any) -> tuple[float, float] | None:
    """Return the ends of an interval, or None if one of them is missing."""
    if not isinstance(interval, (list, tuple)) or len(interval) != 2:
        return None
    low, high = interval
    if not is_number(low) or not is_number(high):
        return None
    return low, high


def share(value: Any, interval: Any = None, limit: Any = None) -> Shown:
    """Show a share of rows in percent, with its interval.

    The numbers have enough decimals to differ from the limit, if one is given.
    """
    return _shown(value, interval, limit, unit="%", sign=False)


def points(value: Any, interval: Any = None, limit: Any = None) -> Shown:
    """Show a difference of shares in signed percentage points, as `share` does."""
    return _shown(value, interval, limit, unit="points", sign=True)


def number(value: Any, interval: Any = None, limit: Any = None) -> Shown:
    """Show a loss, a cost or an area with its interval; the limit plays no part."""
    if not is_number(value):
        return Shown("–")
    ends = known_interval(interval)
    if ends is None or ends[0] == ends[1]:
        return Shown(plain_number(value))
    decimals = min(max(1 - _magnitude((ends[1] - ends[0]) / 2), 0), MOST_DECIMALS)
    value_text, low, high = (_fixed(one, decimals) for one in (value, *ends))
    return Shown(value_text, f"{low} to {high}")


def _shown(value: Any, interval: Any, limit: Any, *, unit: str, sign: bool) -> Shown:
    if not is_number(value):
        return Shown("–")
    ends = known_interval(interval)
    decimals = _decimals(value, ends, limit)
    shown = _fixed(100 * value, decimals, sign=sign) + _GAPS[unit]
    if ends is None:
        return Shown(shown)
    low, high = (_fixed(100 * end, decimals, sign=sign) for end in ends)
    return Shown(shown, f"{low} to {high}")


def _decimals(value: float, interval: tuple[float, float] | None, limit: Any) -> int:
    """Return the number of decimals that the width of the interval makes meaningful.

    More are returned where the limit needs them: an interval that ends just beyond its limit must
    not be shown as if it ended on the limit.
    """
    if interval is None:
        digits = 1 - _magnitude(100 * abs(value))
    else:
        digits = -_magnitude(50 * (interval[1] - interval[0]))
    digits = min(max(digits, 1), MAX_DECIMALS)
    ends = (value, *(interval or ())) if is_number(limit) else ()
    while digits < MAX_DECIMALS and any(
        end != limit and round(100 * end, digits) == round(100 * limit, digits) for end in ends
    ):
        digits += 1
    return digits


def _magnitude(number: float) -> int:
    return math.floor(math.log10(number)) if number > 0 else 0


def _fixed(number: float, decimals: int, *, sign: bool = False) -> str:
    number = round(number, decimals) + 0.0  # no "-0.0"
    return f"{number:{'+' if sign and number else ''},.{decimals}f}".replace("-", "−")


def limit_text(limit: Any, *, gain: bool = False) -> str:
    """Show a limit on a share, or on a gain, without trailing zeros, as the user gave it."""
    if not is_number(limit):
        return "–"
    number = f"{100 * limit:{'+' if gain and limit else ''}.6g}".replace("-", "−")
    return number + _GAPS["points" if gain else "%"]


def amount(number: Any) -> str:
    """Show a number of rows, or a sum of their weights."""
    if not is_number(number):
        return "–"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def plain_number(value: Any) -> str:
    """Show a loss, a divergence or a weight."""
    return f"{value:.4g}".replace("-", "−") if is_number(value) else "–"


def p_value(p: Any) -> str:
    """Show a p-value; a very small one is only shown as such."""
    if not is_number(p):
        return "–"
    return "below 0.0001" if p < 0.0001 else f"{p:.2g}"


def visible(value: Any, *, lines: bool = False) -> str:
    r"""Return text of data as part of one line that says what it seems to say.

    Names of classes, groups, columns, models and files are data. None of them can end a line, move
    the cursor, colour or reorder what follows, or give a command to a CI system: the characters
    that do so are written as escapes.

    Parameters
    ----------
    value : object
    lines : bool
        Whether line ends stay, for text of several lines.

    Examples
    --------
    >>> print(visible("DE\n::error::"), visible("::error::"), visible("\x1b[32m"), visible("naïve"))
    DE\n::error:: \x3a:error:: \x1b[32m naïve
    """
    text = str(value)
    if text.isprintable() and "::" not in text and "##" not in text:
        return text
    if lines:
        return "\n".join(map(visible, text.split("\n")))
    return _UNSEEN.sub(_escape, text)


def visible_json(text: str) -> str:
    r"""Return JSON text with the same characters escaped in JSON's own way: its values stay.

    Examples
    --------
    >>> print(visible_json('{"group": "##[error]"}'))
    {"group": "#\u0023[error]"}
    """
    return "\n".join(_UNSEEN.sub(_escape_json, line) for line in text.split("\n"))


def _escape_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def _escape(found: re.Match[str]) -> str:
    blanks, last = found[0][:-1], found[0][-1]
    escaped = f"\\x{ord(last):02x}" if last in ":#" else last.encode("unicode_escape").decode()
    return blanks + escaped


def clip(value: Any, size: int, tail: int = 0) -> str:
    """Shorten text to `size` characters, and keep its last `tail` characters at the end."""
    text = visible(value, lines=True)
    if len(text) <= size:
        return text
    return f"{text[: size - tail - 1]}…{text[len(text) - tail :]}"


def percent_of(part: float, whole: float) -> float:
    """Return a part of a whole in percent, for the widths and shades of drawings."""
    return round(100 * part / whole, 2) if whole else 0.0
