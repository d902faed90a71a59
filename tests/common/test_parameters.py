import pytest

from holdfast.common.parameters import check_share, first_line, on_one_line
from holdfast.exceptions import InvalidInputError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[10:18:10] /workspace/src/data.cc:24: Check failed: a\nStack trace:\n",
            "Check failed: a",
        ),
        ("catboost/private/libs/target_converter.cpp:669: Bad target", "Bad target"),
        ("file.csv:3: a value", "file.csv:3: a value"),
        ("\n  plain\nmore", "plain"),
    ],
)
def test_first_lines_are_for_readers(text, line):
    assert first_line(ValueError(text)) == line


def test_an_error_without_text_is_its_type():
    assert first_line(KeyError()) == "KeyError"


def test_a_share_that_is_not_of_rows():
    with pytest.raises(InvalidInputError, match=r"power must be .* give a share, e\.g\. 0\.95"):
        check_share("power", 2)


def test_an_error_is_one_line_without_its_stack():
    text = "[10:18:10] /src/data.cc:24: Check failed:\n  a\nStack trace:\n  [bt] (0) /lib.so\n"
    assert on_one_line(ValueError(text)) == "Check failed: a"
    assert on_one_line(KeyError()) == "KeyError"
