"""Tests stand in the folders of what they test."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "src" / "holdfast"
FREE = ("flows", "house")  # whole runs, and what holds for the package as a whole


def test_every_test_file_bears_the_name_of_a_module_or_of_a_flow():
    files = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    astray = [
        file.as_posix()
        for file in files
        if file.parts[0] not in FREE
        and not (PACKAGE / file.parent / f"{file.stem.removeprefix('test_')}.py").exists()
    ]
    assert astray == []
    assert len(files) > 50


def test_helpers_stand_apart():
    others = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("*.py")
              if not path.name.startswith("test_")}  # fmt: skip
    assert others == {"helpers"}
