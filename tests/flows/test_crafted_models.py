"""Crafted model files neither end the process nor keep it busy."""

import pickle
import sys

import crafted_models
import pytest

# The others are in the whole run.
KINDS = (
    "DecisionTree",
    "HistGradient",
    "SVC",
    "KNeighbors",
    "OneHot",
    "LightGBM",
    "XGBoost",
    "ONNX SVC",
    "Network Fully",
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="children are limited in memory on Unix only")
def test_crafted_files_are_refused_or_answer(tmp_path):
    names = crafted_models.write_sources(tmp_path, KINDS)
    counts = crafted_models.read_all(tmp_path, names, most=4, seed=1)
    for name, found in counts.items():
        assert found["refused"] + found["loaded"] == sum(found.values()), name
    total = {key: sum(found[key] for found in counts.values()) for key in ("refused", "loaded")}
    assert min(total.values()) > 1


def test_each_whole_file_loads(tmp_path):
    for name in crafted_models.write_sources(tmp_path, KINDS):
        rows = pickle.loads((tmp_path / name).with_suffix(".rows").read_bytes())
        assert crafted_models.outcome(tmp_path / name, rows) == "loaded", name
