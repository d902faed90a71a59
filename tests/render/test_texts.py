"""Text of data says what it seems to say, on one line."""

import json
import sys
import unicodedata

import pytest

from holdfast.render.texts import visible, visible_json

KEPT_INVISIBLE = "\u200c\u200d"  # joiners, which many scripts and emoji need
FORMAT_OF_TEXT = ("Cf",)
NEVER = ("Cc", "Cs", "Zl", "Zp")


def every_character():
    return map(chr, range(sys.maxunicode + 1))


def test_every_control_character_and_line_end_is_escaped():
    unseen = [c for c in every_character() if unicodedata.category(c) in NEVER]
    assert len(unseen) > 2000
    assert all(visible(f"a{c}b") == f"a{c.encode('unicode_escape').decode()}b" for c in unseen)


def test_every_character_that_reorders_others_is_escaped():
    classes = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    reordering = [c for c in every_character() if unicodedata.bidirectional(c) in classes]
    assert len(reordering) == 9
    assert all(visible(c).isascii() for c in [*reordering, "\u200e", "\u200f", "\u061c"])


def test_every_printable_character_stays():
    kept = [c for c in every_character() if c.isprintable()]
    assert visible("".join(kept)) == "".join(kept)
    assert visible(KEPT_INVISIBLE) == KEPT_INVISIBLE


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("  ::error::x", r"  \x3a:error::x"),
        ("\n::error::x", r"\n::error::x"),
        ("##[error]x", r"#\x23[error]x"),
        ("a ##vso[task.complete]", r"a #\x23vso[task.complete]"),
        ("##teamcity[x]", r"#\x23teamcity[x]"),
        ("std::vector ## heading", "std::vector ## heading"),
        ("C:\\new", "C:\\new"),
        (None, "None"),
    ],
)
def test_commands_of_ci_systems_are_escaped(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


def test_lines_may_stay():
    assert visible("a\n::b\r\tc", lines=True) == "a\n\\x3a:b\\r\\tc"


def test_json_keeps_its_values():
    values = {
        "a": [
            "".join(c for c in every_character() if not "\ud800" <= c <= "\udfff"),
            "##[error]",
            "\U000e0041",
        ]
    }
    text = visible_json(json.dumps(values, ensure_ascii=False, indent=1))
    assert json.loads(text) == values
    assert all(visible(line) == line for line in text.split("\n"))
