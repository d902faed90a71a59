"""The file MLmodel of a stranger: large, deep or endless YAML is refused soon."""

import os
import time

import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.models.mlflow.description import MAX_LEVELS, read_description, signature_features

pytest.importorskip("mlflow")
yaml = pytest.importorskip("yaml")


def laughs(levels, merged=False):
    """Return YAML that stands for nine to the power of `levels` values."""
    lines = ["a0: &a0 {x: 1}" if merged else "a0: &a0 [x]"]
    for level in range(1, levels + 1):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        value = f"{{<<: [{aliases}]}}" if merged else f"[{aliases}]"
        lines.append(f"a{level}: &a{level} {value}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (laughs(12), "more than 50 levels or 100,000 values"),
        (laughs(12, merged=True), "more than 50 levels or 100,000 values"),
        ("flavors: " + "[" * 100_000, "more than 50 levels"),
        ("flavors: " + "[" * 500 + "]" * 500, "more than 50 levels"),
        ("flavors: " + "{a: " * 5_000, "more than 50 levels"),
        ("? " * 5_000, "more than 50 levels"),
        ("- " * 5_000, "more than 50 levels"),
        ("flavors: &a [*a]", "the alias 'a', which stands for nothing or for itself"),
        ("flavors: &a {b: &b [*a, *b]}", "for nothing or for itself"),
        ("flavors: *a", "alias"),
        ("a: &a 1\nflavors: &a [*a]", "YAML"),
        ("flavors: {a: 2001-99-99}", "YAML"),
        ("flavors: {a: " + "9" * 100_000 + "}", "YAML"),
        ("flavors: {? {a: 1} : 2}", "YAML"),
        ("flavors: {a: !!binary 'é'}", "YAML"),
        ("flavors: [" + "a, " * 200_000 + "]", "100,000 values"),
        ("flavors: '" + "x" * 10_000_000 + "'", "at most 8 MB"),
    ],
)
def test_what_no_model_has_is_refused_soon(tmp_path, text, match):
    (tmp_path / "MLmodel").write_text(text, encoding="utf-8")
    start = time.perf_counter()
    with pytest.raises(InvalidInputError, match=f"(?s)models:/a/1.*{match}"):
        read_description(tmp_path, "models:/a/1")
    assert time.perf_counter() - start < 10


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and devices")
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "itself"])
def test_what_is_no_file(tmp_path, kind):
    path = tmp_path / "MLmodel"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(InvalidInputError, match=r"models:/a/1 must hold .* got 'MLmodel'"):
        read_description(tmp_path, "models:/a/1")


def test_aliases_that_stand_for_little_are_fine(tmp_path):
    shared = ["a", "b"]
    described = {"flavors": {"sklearn": {"x": shared, "y": shared}}}
    text = yaml.safe_dump(described)
    assert "*id001" in text
    (tmp_path / "MLmodel").write_text(text)
    assert read_description(tmp_path, "m") == described


def test_as_deep_as_allowed(tmp_path):
    deep = "[" * (MAX_LEVELS - 2) + "]" * (MAX_LEVELS - 2)
    (tmp_path / "MLmodel").write_text(f"flavors: {{}}\ndeep: {deep}")
    assert read_description(tmp_path, "m")["flavors"] == {}


def test_deep_signatures_name_no_features():
    assert signature_features({"signature": {"inputs": "[" * 100_000}}) == []
    assert signature_features({"signature": {"inputs": '[{"name": "a"}]'}}) == ["a"]
