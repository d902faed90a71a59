"""`docs/api.md` lists exactly the public names of every face, each with a line."""

import ast
import importlib
import re
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FACES = (
    "holdfast",
    "holdfast.comparison",
    "holdfast.datasets",
    "holdfast.exceptions",
    "holdfast.methods",
    "holdfast.metrics",
    "holdfast.nn",
    "holdfast.predictions",
    "holdfast.preprocessing",
    "holdfast.registry",
    "holdfast.rules",
    "holdfast.selection",
    "holdfast.tables",
    "holdfast.targets",
)


def documented(page):
    """Return the rows of each face on the page, as pairs of a name and its line."""
    parts = re.split(r"^## `([\w.]+)`$", page, flags=re.MULTILINE)[1:]
    rows = (re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE) for text in parts[1::2])
    return dict(zip(parts[::2], rows, strict=True))


def public_names(face):
    """Return the `__all__` of a face; without PyTorch, `holdfast.nn` is read and not imported."""
    if face != "holdfast.nn" or find_spec("torch"):
        return importlib.import_module(face).__all__
    source = (ROOT / "src/holdfast/nn/__init__.py").read_text(encoding="utf-8")
    return listed(source)


def listed(source):
    """Return the `__all__` that a source assigns."""
    (names,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return names


PAGE = documented((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))


def test_every_face_has_its_part_of_the_page():
    assert tuple(PAGE) == FACES


@pytest.mark.parametrize("face", FACES)
def test_the_page_lists_the_public_names(face):
    names = Counter(name for name, _ in PAGE[face])
    assert names == Counter(public_names(face))
    assert [name for name, line in PAGE[face] if not line.strip()] == []


def test_every_module_that_lists_names_is_a_face():
    """A face is a module of the root, or the `__init__` of a folder, that has an `__all__`."""
    package = ROOT / "src" / "holdfast"
    paths = [package / "__init__.py", *package.glob("*/__init__.py"), *package.glob("*.py")]
    found = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
        if re.search(r"^__all__ =", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert found == {*FACES, "holdfast.cli"}


def test_the_reader_of_names_reads():
    assert listed('import a\n\n__all__ = ["a", "b"]\n') == ["a", "b"]
    page = "# P\n\n## `x.y`\n\n| name | what it is |\n|---|---|\n| `a` | one |\n| `b` | |\n"
    assert documented(page) == {"x.y": [("a", " one "), ("b", " ")]}
