import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from holdfast import methods, targets
from holdfast.exceptions import InvalidInputError
from holdfast.methods import (
    METHODS,
    Anchor,
    Average,
    CoDistillation,
    Cold,
    Constrained,
    Distill,
    Ensemble,
    FirstTrees,
    Interpolate,
    LabelSmoothing,
    Mixup,
    Override,
    ShrinkPerturb,
    Warm,
    WarmDistill,
    grid,
    resolve_methods,
)
from holdfast.methods import method as method_module

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
        "constrained",
        "interpolate",
        "average",
        "override",
        "ensemble",
        "first_trees",
    ]
    assert Anchor(0.1, 0.5).params() == {"alpha": 0.1, "eta": 0.5}
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'lam'"):
        Distill().lam = 0.1


def test_a_method_of_one_s_own_is_found_by_name(monkeypatch):
    table = dict(METHODS)
    monkeypatch.setattr(method_module, "METHODS", table)
    monkeypatch.setattr(grid, "METHODS", table)

    class Nameless(methods.Method):
        pass

    @dataclasses.dataclass(frozen=True)
    class Half(Distill):
        name: ClassVar[str] = "half"

    assert "" not in methods.METHODS
    assert Nameless not in methods.METHODS.values()
    assert resolve_methods("half", [0.5]) == [Cold(), Half(0.5)]
    assert Half(0.5) != Distill(0.5)


# --- declarations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        (Cold(), ""),
        (Distill(), "target"),
        (LabelSmoothing(), "target"),
        (Warm(), "start"),
        (WarmDistill(), "target start"),
        (ShrinkPerturb(), "start"),
        (Mixup(), "batch"),
        (CoDistillation(), "start coupling"),
        (Constrained(), "constraint"),
        (Average(of=Constrained()), "constraint"),
        (Interpolate(), "start parameters"),
        (Interpolate(of=WarmDistill()), "target start parameters"),
        (Average(of=Distill()), "target"),
        (Override(of=Interpolate()), "start parameters"),
        (Ensemble(of=Mixup()), "batch"),
        (FirstTrees(of=WarmDistill()), "target start rounds"),
        (Average(of=FirstTrees()), "rounds"),
    ],
    ids=str,
)
def test_what_methods_change(method, changes):
    assert method.changes == set(changes.split())
    assert method.needs_base_parameters == bool({"start", "parameters"} & method.changes)
    of_base = isinstance(method.trained, (Distill, Constrained))
    assert method.needs_base_proba == of_base


def test_what_is_made_of_a_method():
    inner = Ensemble(3, of=Interpolate(0.5, of=WarmDistill(0.2)))
    whole = Average(0.25, of=inner)
    assert whole.trained == WarmDistill(0.2)
    assert (whole.members, whole.base_weight, whole.threshold) == (3, 0.25, None)
    assert whole.finish(np.ones(2), np.zeros(2)).tolist() == [0.5, 0.5]
    # Of 1 - w = .75 by the ensemble, half is the base, and of the rest λ = .2.
    assert whole.lam == pytest.approx(0.25 + 0.75 * (0.5 + 0.5 * 0.2))
    assert Average(0.5, of=Average(0.5)).base_weight == 0.75
    first = Average(0.5, of=FirstTrees(0.5, of=FirstTrees(0.5, of=Distill(0.2))))
    assert (first.rounds, first.trained, first.lam) == (0.25, Distill(0.2), 0.6)
    override = Override(0.1, of=inner)
    assert (override.members, override.threshold, override.base_weight) == (3, 0.1, 0)
    assert str(override).startswith("override(threshold=0.1, of=ensemble(members=3, of=interpolate")
    assert override.params() == {"threshold": 0.1, "of": inner}
    assert len({whole, Average(0.25, of=inner), override}) == 2


@pytest.mark.parametrize(
    ("method", "match"),
    [
        (Average(0.5, of=Override(0.5)), "Average.of must be a method other than Override"),
        (Ensemble(4, of="cold"), "Ensemble.of must be a method .* got 'cold'"),
        (Ensemble(1), "Ensemble.members must be an integer of at least 2, got 1"),
        (Interpolate(1.5), r"Interpolate\.weight must be in \[0, 1\]"),
        (Average(0.5, of=Distill(2)), r"Distill\.lam must be in"),
        (Override(-0.1), r"Override\.threshold must be in"),
        (Mixup(7), r"Mixup\.alpha must be in"),
        (Constrained(1.1), r"Constrained\.max_churn must be in \[0, 1\], got 1\.1"),
        (Constrained(-1, "kl"), r"Constrained\.max_churn must be in \[0, inf\], got -1"),
        (Constrained(churn="soft"), r"Constrained\.churn must be .*'hard', .* got 'soft'"),
        (FirstTrees(0), "FirstTrees.share must be above 0, got 0"),
        (FirstTrees(1.5), r"FirstTrees\.share must be in \[0, 1\]"),
        (Constrained(dual_lr=0), r"Constrained\.dual_lr must be in \(0, inf\), got 0"),
    ],
    ids=str,
)
def test_settings_out_of_range(method, match):
    with pytest.raises(InvalidInputError, match=match):
        resolve_methods(method, "auto")


def test_starts_and_batches():
    base, fresh = np.zeros(3), np.ones(3)
    assert Cold().start(fresh, base) is fresh
    for method in (Warm(), WarmDistill(), CoDistillation()):
        assert method.start(fresh, base) is base
    assert ShrinkPerturb(0.25).start(fresh, base).tolist() == [0.75] * 3
    drawn = Mixup(0.4).draw(np.random.default_rng(0), 200, 5)
    assert np.sort(drawn["partner"], axis=1).tolist() == [list(range(5))] * 200
    assert drawn["weight"].shape == (200,)
    assert abs(drawn["weight"].mean() - 0.5) < 0.1
    assert ((drawn["weight"] < 0.1) | (drawn["weight"] > 0.9)).mean() > 0.3  # Beta(.4, .4)
    x, t = np.arange(5.0)[:, None], np.eye(5)
    one = {"weight": 0.25, "partner": np.array([1, 0, 2, 3, 4])}
    blended, target = Mixup(0.4).batch(x, t, one)
    assert blended[:, 0].tolist() == [0.75, 0.25, 2, 3, 4]
    assert target[0].tolist() == [0.25, 0.75, 0, 0, 0]


def test_grids_of_all():
    lengths = {name: len(resolve_methods(name, [0.2, 0.4])) - 1 for name in METHODS}
    assert lengths == {
        "cold": 0,
        "distill": 2,
        "anchor": 6,
        "label_smoothing": 2,
        "warm": 1,
        "warm_distill": 2,
        "shrink_perturb": 2,
        "mixup": 2,
        "co_distillation": 2,
        "constrained": 9,
        "interpolate": 2,
        "average": 2,
        "override": 2,
        "ensemble": 1,
        "first_trees": 2,
    }
    assert resolve_methods("auto", [0.2], auto=["warm_distill"]) == [Cold(), WarmDistill(0.2)]
