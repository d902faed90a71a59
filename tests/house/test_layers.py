"""Imports only point up the list of `docs/architecture.md`, and importing the package is cheap."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

ORDER = [
    "exceptions",
    "_files",
    "_cache",
    "_validation",
    "_intervals",
    "_bounds",
    "certificate",
    "report",
    "metrics",
    "_counts",
    "_frame_counts",
    "_statistics",
    "comparison",
    "policy",
    "targets",
    "_method",
    "methods",
    "_proba",
    "nn",
    "learners",
    "override",
    "_limits",
    "_mixture",
    "_search",
    "selection",
    "_override_search",
    "_onnx_graph",
    "_onnx_rows",
    "onnx_model",
    "persistence",
    "_base_model",
    "serving",
    "path",
    "floor",
    "_lambda_search",
    "_rows",
    "_certification",
    "_choosing",
    "_moves",
    "estimator",
    "regressor",
    "_spreadsheets",
    "tables",
    "_pairing",
    "_pair_faults",
    "predictions",
    "gate",
    "_mlflow",
    "_mlmodel",
    "registry",
    "promotion",
    "preprocessing",
    "_data_folder",
    "_images",
    "_openml",
    "_hugging_face",
    "datasets",
    "bench",
    "cli",
    "__main__",
]
ROOT = Path(holdfast.__file__).parent
HEAVY = ("sklearn", "torch", "lightgbm", "xgboost", "catboost", "ray", "pandas", "plotly")


def runtime_imports(tree):
    """Every import statement but those under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from runtime_imports(other)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        else:
            yield from runtime_imports(node)


def imported_parts(source):
    """First names below `holdfast` of what a module imports; "" is the package itself."""
    for node in runtime_imports(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "holdfast":
                yield rest[0] if rest else ""


def part_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def test_every_module_is_on_the_list():
    parts = {part_of(path) for path in MODULES}
    assert parts - set(ORDER) == set()
    assert set(ORDER) - parts == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up(path):
    own = ORDER.index(part_of(path))
    for name in imported_parts(path.read_text(encoding="utf-8")):
        if name in ("", "__version__") or (name in holdfast.__all__ and name not in ORDER):
            # The package itself: only the command line and model files may look at it.
            assert name == "__version__" or part_of(path) == "cli", name
            continue
        assert name in ORDER, name
        assert ORDER.index(name) <= own, f"{part_of(path)} imports {name}"


def test_the_reader_of_imports_reads():
    source = (
        "from typing import TYPE_CHECKING\n"
        "import holdfast.metrics\n"
        "if TYPE_CHECKING:\n    from holdfast.cli import main\n"
        "def f():\n    from holdfast.update.fitting import fit_path\n"
        "try:\n    from holdfast import tables\nexcept ImportError:\n    pass\n"
    )
    assert list(imported_parts(source)) == ["metrics", "path", "tables"]


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
