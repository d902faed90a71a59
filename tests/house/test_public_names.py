"""Importing the package is cheap, and every public name loads on first use."""

import importlib.util
import subprocess
import sys

import pytest

import holdfast

HEAVY = ("sklearn", "torch", "lightgbm", "xgboost", "catboost", "ray", "pandas", "plotly")


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, holdfast; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_every_public_name_loads():
    for name in holdfast.__all__:
        if name == "nn" and importlib.util.find_spec("torch") is None:
            with pytest.raises(holdfast.MissingExtraError, match=r"holdfast\[torch\]"):
                _ = holdfast.nn
        else:
            assert getattr(holdfast, name) is not None
    assert dir(holdfast) == sorted(holdfast.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = holdfast.nothing
