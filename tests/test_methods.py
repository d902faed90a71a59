import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from holdfast import _method, methods, targets
from holdfast.exceptions import InvalidInputError
from holdfast.methods import METHODS, Anchor, Cold, Distill, LabelSmoothing, resolve_methods

TENTHS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
CLASSES = np.arange(3)


def draw():
    rng = np.random.default_rng(0)
    base = rng.dirichlet(np.ones(3), 20)
    base[:3] = np.nan
    return rng.integers(0, 3, 20), base


def test_grids_are_the_benchmark_s():
    assert [m.lam for m in resolve_methods("distill", "auto")] == [0, *TENTHS]
    assert resolve_methods("cold", "auto") == [Cold()]
    anchors = resolve_methods("anchor", "auto")[1:]
    assert {(m.alpha, m.eta) for m in anchors} == {(a, e) for a in TENTHS for e in (0.5, 0.7, 1.0)}
    assert len(anchors) == 27
    smoothed = resolve_methods("label_smoothing", "auto")[1:]
    assert smoothed == [LabelSmoothing(alpha) for alpha in TENTHS]


@pytest.mark.parametrize(
    ("method", "lambdas", "expected"),
    [
        ("auto", [0.5], [Cold(), Distill(0.5)]),
        ("distill", [0.9, 0.5, 0.5, 0], [Cold(), Distill(0.5), Distill(0.9)]),
        ("distill", [0], [Cold()]),
        ("distill", np.array([1], dtype=np.int8), [Cold(), Distill(1.0)]),
        (Anchor(0.2, 0.7), "auto", [Cold(), Anchor(0.2, 0.7)]),
        (["cold", Cold()], "auto", [Cold()]),
        (["distill", Distill(0.5), Distill(0.25)], [0.5], [Cold(), Distill(0.5), Distill(0.25)]),
        (("anchor",), [0.5], [Cold(), *(Anchor(0.5, eta) for eta in (0.5, 0.7, 1.0))]),
    ],
)
def test_resolve_methods(method, lambdas, expected):
    assert resolve_methods(method, lambdas) == expected


@pytest.mark.parametrize(
    ("method", "lambdas", "match"),
    [
        ("distil", "auto", "method must be one of 'auto', 'cold', .*; did you mean 'distill'"),
        (["distill", 3], "auto", "method must be one of .*, got 3"),
        (None, "auto", "method must be a name, a method object or a list of these, got None"),
        ([], "auto", r"method must be a name, .* got \[\]; choose from 'cold', 'distill'"),
        (Distill, "auto", "method must be a name, a method object or a list"),
        (Distill(1.5), "auto", r"Distill\.lam must be in \[0, 1\], got 1\.5; give a weight"),
        (Distill("a"), "auto", r"Distill\.lam must be in \[0, 1\], got 'a'"),
        (Anchor(0.5, -1), "auto", r"Anchor\.eta must be in \[0, 1\], got -1"),
        ([LabelSmoothing(2)], "auto", r"LabelSmoothing\.alpha must be in"),
        ("distill", "all", "lambdas must be one of 'auto', got 'all'"),
        ("distill", [], r"lambdas must be 'auto' or numbers in \[0, 1\], got \[\]; give a grid"),
        ("distill", [0.5, 1.5], "lambdas must be 'auto' or numbers in"),
        ("distill", [np.nan], "lambdas must be 'auto' or numbers in"),
        ("distill", ["a"], "lambdas must be 'auto' or numbers in"),
        ("distill", [[0.5], [0.1, 0.2]], "lambdas must be 'auto' or numbers in"),
        ("distill", 0.5, "lambdas must be 'auto' or numbers in"),
        ("distill", None, "lambdas must be 'auto' or numbers in"),
    ],
)
def test_bad_methods(method, lambdas, match):
    with pytest.raises(InvalidInputError, match=match):
        resolve_methods(method, lambdas)


def test_targets():
    y, base = draw()
    one_hot = np.eye(3)[y]
    for method, expected in (
        (Cold(), one_hot),
        (Distill(0.3), targets.distill(y, base, 0.3)),
        (Anchor(0.3, 0.7), targets.anchor(y, base, 0.3, 0.7)),
        (LabelSmoothing(0.3), targets.smooth(y, 0.3, classes=CLASSES)),
        (Distill(0.0), one_hot),
        (Anchor(0.0, 1.0), one_hot),
        (LabelSmoothing(0.0), one_hot),
    ):
        np.testing.assert_array_equal(method.target(y, base, CLASSES), expected)


def test_words_and_weights():
    assert [str(m) for m in (Cold(), Distill(), Anchor(), LabelSmoothing())] == [
        "cold",
        "distill(lam=0.5)",
        "anchor(alpha=0.5, eta=1)",
        "label_smoothing(alpha=0.1)",
    ]
    assert [m.lam for m in (Cold(), Distill(0.2), Anchor(0.3), LabelSmoothing())] == [
        0,
        0.2,
        0.3,
        0,
    ]
    assert list(METHODS) == [
        "cold",
        "distill",
        "anchor",
        "label_smoothing",
        "warm",
        "warm_distill",
        "shrink_perturb",
        "mixup",
        "co_distillation",
        "interpolate",
        "average",
        "override",
        "ensemble",
    ]
    assert Anchor(0.1, 0.5).params() == {"alpha": 0.1, "eta": 0.5}
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'lam'"):
        Distill().lam = 0.1


def test_a_method_of_one_s_own_is_found_by_name(monkeypatch):
    table = dict(METHODS)
    monkeypatch.setattr(_method, "METHODS", table)
    monkeypatch.setattr(methods, "METHODS", table)

    class Nameless(methods.Method):
        pass

    @dataclasses.dataclass(frozen=True)
    class Half(Distill):
        name: ClassVar[str] = "half"

    assert "" not in methods.METHODS
    assert Nameless not in methods.METHODS.values()
    assert resolve_methods("half", [0.5]) == [Cold(), Half(0.5)]
    assert Half(0.5) != Distill(0.5)
