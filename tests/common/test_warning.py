"""Warnings point at the first line outside the package, however deep they arise."""

import warnings
from pathlib import Path

import pytest

import holdfast
from holdfast.common.warning import warn

INSIDE = Path(holdfast.__file__).parent / "update" / "somewhere.py"


def compiled_in(path, source):
    """Return the function `f` of code that stands in another file."""
    names = {"warn": warn}
    exec(compile(source, str(path), "exec"), names)
    return names["f"]


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_the_line_is_the_caller_s_at_any_depth(depth):
    source = "def f(depth):\n    return f(depth - 1) if depth else warn('careful')"
    call = compiled_in(INSIDE, source)
    with pytest.warns(UserWarning, match="careful") as caught:
        call(depth)
    assert caught[0].filename == __file__


def test_code_outside_the_package_warns_of_itself():
    with pytest.warns(UserWarning, match="careful") as caught:
        warn("careful")
    assert caught[0].filename == __file__
    beside = INSIDE.parents[1].with_name("holdfast_more") / "f.py"  # its path begins alike
    with pytest.warns(UserWarning, match="careful") as caught:
        compiled_in(beside, "def f():\n    warn('careful')")()
    assert caught[0].filename == str(beside)


def test_the_category_is_kept_and_a_line_warns_once():
    call = compiled_in(INSIDE, "def f():\n    warn('old', DeprecationWarning)")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            call()
    assert [warning.category for warning in caught] == [DeprecationWarning]
