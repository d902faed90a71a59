"""The structure of the package in figures: levels of imports, circles, imports that run back up.

An import inside a function counts. An import under `if TYPE_CHECKING` does not, nor do those of a
folder's face (`__init__.py`), which is read before the files that it lists. The level of a module
is one more than the highest level that it imports from.

Run: python benchmarks/structure.py
"""

from __future__ import annotations

import io
import tokenize
import tomllib
from itertools import pairwise
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "holdfast"
MOST_LINES = 400


def main() -> None:
    graph = import_graph()
    print(f"modules                       {len(graph.modules):4}")
    print(f"levels of imports, by module  {n_levels(import_pairs(graph)):4}")
    print(f"levels of imports, by folder  {n_levels(folder_pairs(graph)):4}")
    print(f"circles of modules            {len(circles(import_pairs(graph))):4}")
    print(f"circles of folders            {len(circles(folder_pairs(graph))):4}")
    print(f"imports that run back up      {len(running_up(graph)):4}")
    print(f"modules in the root           {len(root_modules()):4}")
    print(f"files above {MOST_LINES} lines         {len(long_files()):4}   (code and comments)")
    for path, lines in long_files().items():
        print(f"    {path.relative_to(ROOT)}: {lines}")


def import_graph() -> grimp.ImportGraph:
    """Return the graph of all imports but those for types alone."""
    return grimp.build_graph("holdfast", exclude_type_checking_imports=True, cache_dir=None)


def import_pairs(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Return the pairs (importer, imported) of modules that are not faces."""
    files = {name for name in graph.modules if not graph.find_children(name)}
    return {
        (importer, imported)
        for importer in files
        for imported in graph.find_modules_directly_imported_by(importer) & files
    }


def folder_pairs(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Return the pairs (importer, imported) of folders and root modules."""
    pairs = {
        (folder_of(importer), folder_of(imported)) for importer, imported in import_pairs(graph)
    }
    return {(importer, imported) for importer, imported in pairs if importer != imported}


def folder_of(module: str) -> str:
    """Return the first name below the package."""
    return module.split(".")[1]


def circles(pairs: set[tuple[str, str]]) -> list[set[str]]:
    """Return the sets of nodes that import each other, directly or not."""
    left = {node for pair in pairs for node in pair}
    reached = {node: _reached_from(node, pairs) for node in left}
    found: list[set[str]] = []
    while left:
        node = min(left)
        circle = {other for other in reached[node] if node in reached[other]}
        if circle:
            found.append(circle)
        left -= circle | {node}
    return found


def _reached_from(start: str, pairs: set[tuple[str, str]]) -> set[str]:
    imports: dict[str, set[str]] = {}
    for importer, imported in pairs:
        imports.setdefault(importer, set()).add(imported)
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = imports.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def n_levels(pairs: set[tuple[str, str]]) -> int:
    """Return the length of the longest chain of imports; circles have no levels."""
    if circles(pairs):
        raise ValueError("a circle of imports has no levels")
    level = {node: 1 for pair in pairs for node in pair}
    for _ in level:
        for importer, imported in pairs:
            level[importer] = max(level[importer], level[imported] + 1)
    return max(level.values())


def layers() -> list[list[str]]:
    """Return the order of folders and root modules, the lowest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (order,) = (
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    return [sorted(layer.split(" | ")) for layer in reversed(order)]


def running_up(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    """Return the imports from a folder at the same height or above."""
    height = {name: i for i, layer in enumerate(layers()) for name in layer}
    return sorted(
        (importer, imported)
        for importer, imported in import_pairs(graph)
        if folder_of(importer) != folder_of(imported)
        and height[folder_of(importer)] <= height[folder_of(imported)]
    )


def root_modules() -> list[Path]:
    """Return the files in the package's own folder."""
    return sorted(PACKAGE.glob("*.py"))


def long_files() -> dict[Path, int]:
    """Return the files with too many lines of code and comments, and how many these are."""
    lines = {path: code_lines(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    return {path: n for path, n in sorted(lines.items()) if n > MOST_LINES}


def code_lines(source: str) -> int:
    """Count the lines that hold code or a comment; docstrings and blank lines do not count."""
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    layout = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    counted: set[int] = set()
    starts_statement = True
    for token, after in pairwise(tokens):
        alone = token.type == tokenize.STRING and after.type == tokenize.NEWLINE
        if token.type not in layout and not (starts_statement and alone):
            counted.update(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            starts_statement = token.type in layout
    return len(counted)


if __name__ == "__main__":
    main()
