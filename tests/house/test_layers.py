"""Imports run one way, and files stay short."""

import ast
import re
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

import structure
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


def test_the_contracts_are_kept(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_the_documented_order_is_that_of_the_contract():
    rows = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \|",
        (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    documented = [sorted(re.findall(r"`(\w+)`", row)) for row in rows]
    assert documented == structure.layers()


def test_the_structure_in_figures():
    graph = structure.import_graph()
    modules, folders = structure.import_pairs(graph), structure.folder_pairs(graph)
    assert structure.circles(modules) == structure.circles(folders) == []
    assert structure.running_up(graph) == []
    assert structure.n_levels(folders) <= 9
    assert len(structure.root_modules()) <= 12
    assert structure.long_files() == {}


def test_circles_and_levels_of_a_small_graph():
    pairs = {("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "a")}
    assert structure.circles(pairs) == [{"b", "c"}]
    assert structure.n_levels(pairs - {("c", "b")}) == 5
    with pytest.raises(ValueError, match="a circle of imports has no levels"):
        structure.n_levels(pairs)


def test_lines_of_code_and_comments_are_counted():
    source = (
        '"""A\n\ndocstring."""\n\n# why\nX = """two\nlines"""\n\n\n'
        'def f():\n    """Do."""\n    return (\n        1\n    )\n'
    )
    assert structure.code_lines(source) == 7


def textual_imports(source):
    """Return the modules of the package that code imports by their names as text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__", "require") and node.args:
            texts = [
                part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)
            ]
            yield from (text for text in texts if str(text).split(".")[0] == "holdfast")


def test_the_package_imports_nothing_of_its_own_as_text():
    faces = (structure.PACKAGE / "__init__.py",)  # which resolves public names on first use
    found = {
        path: names
        for path in structure.PACKAGE.rglob("*.py")
        if path not in faces and (names := list(textual_imports(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


def test_imports_as_text_are_found():
    source = (
        'import_module("holdfast.a")\nimportlib.import_module(f"holdfast.{x}")\n'
        '__import__("holdfast")\nrequire("torch")\nimport_module(name)\n'
    )
    assert list(textual_imports(source)) == ["holdfast.a", "holdfast.", "holdfast"]
