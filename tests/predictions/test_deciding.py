"""Rules as expressions: each library decides as the rule itself does."""

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast import InvalidInputError
from holdfast.predictions.deciding import TwoClasses, cuts_of, decided, decider
from holdfast.predictions.frames import collected
from holdfast.rules import Argmax, Bands, Costs, Threshold, TopShare

CLASSES = {2: ["fraud", "ok"], 3: ["a", "b", "c"]}
RULES = {
    "argmax": lambda k: Argmax(),
    "threshold": lambda k: Threshold(0.3, positive=CLASSES[k][0]),
    "last positive": lambda k: Threshold(0.7, positive=CLASSES[k][-1]),
    "bands": lambda k: Bands((0.1, 0.7), answers=("x", "y", "z"), positive=CLASSES[k][0]),
    "costs": lambda k: Costs(np.random.default_rng(3).integers(0, 4, (k, k)).tolist()),
    "costs of more answers": lambda k: Costs(
        [[0] + [3] * (k - 1), [3] * (k - 1) + [0], [1] * k], answers=["p", "q", "r"]
    ),
}


def frame_of(columns, library):
    if library == "pandas":
        return nw.from_native(pd.DataFrame(columns)).lazy()
    if library == "polars":
        return nw.from_native(pl.DataFrame(columns)).lazy()
    import duckdb

    table = pd.DataFrame(columns)
    return nw.from_native(duckdb.connect().from_df(table))


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.filterwarnings("ignore:costs make")
def test_every_library_decides_as_the_rule_does(library, single, k, rule):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 11, (600, k)) + 1e-9  # ties and values at the bounds
    proba = np.concatenate([coarse, rng.random((600, k))])
    proba = (proba / proba.sum(axis=1, keepdims=True)).astype(np.float32 if single else float)
    proba[:3, 0] = np.array([0.3, 0.1, 0.7], dtype=proba.dtype)
    bound = RULES[rule](k).bind(CLASSES[k])
    frame = frame_of({f"p{i}": proba[:, i] for i in range(k)}, library)
    columns = [nw.col(f"p{i}").cast(nw.Float64) for i in range(k)]
    answers = collected(frame.select(answer=decided(bound, columns, single=single)))["answer"]
    assert answers.tolist() == bound.answers[bound.decide(proba)].tolist()


def test_costs_of_a_row_do_not_depend_on_the_other_rows():
    rng = np.random.default_rng(1)
    proba = rng.dirichlet(np.ones(7), 300)
    bound = Costs(rng.random((7, 7)).tolist()).bind(np.arange(7))
    together = bound._worth(proba)
    apart = np.vstack([bound._worth(row[None]) for row in proba])
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_allclose(together, proba @ bound.utility.T, atol=1e-14)


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        ("argmax", r"rule must be a rule of holdfast\.rules, or a pair of them, got 'argmax'"),
        ((Argmax(),) * 3, "or a pair of them"),
        (TopShare(0.1), "must decide each row on its own, got TopShare"),
    ],
)
def test_what_is_no_rule(rule, match):
    with pytest.raises(InvalidInputError, match=match):
        decider(rule, None)


def test_the_positive_class_is_that_of_the_rule():
    assert decider(None, None) is None
    assert decider(Threshold(0.2, positive="fraud"), None)([]).positive == "fraud"
    assert decider((None, Bands((0.5,), answers=("a", "b"), positive=1)), None)([]).positive == 1
    assert decider(Threshold(0.2), "b")([]).positive == "b"


@pytest.mark.parametrize(
    ("known", "positive", "names"),
    [
        (["fraud", "ok"], "fraud", ("ok", "fraud")),
        (["fraud", "late", "ok"], "fraud", ("not fraud", "fraud")),
        ([], "fraud", ("not fraud", "fraud")),
        ([0, 1], None, (0, 1)),
        ([0], None, (0, 1)),
        ([False, True], None, (False, True)),
        ([], None, (0, 1)),
        ([1, 2, 3], 3, ("not 3", "3")),
    ],
)
def test_the_other_class(known, positive, names):
    if known == [0]:
        with pytest.raises(InvalidInputError, match=r"positive must be one of the classes \[0\]"):
            TwoClasses.of(known, positive)
        return
    two = TwoClasses.of(known, positive)
    assert two.names == names
    assert two.classes.tolist()[two.column] == names[1]


@pytest.mark.parametrize(
    ("known", "positive", "match"),
    [
        (["a", "b"], None, "positive must name the class whose probability the score is, got none"),
        ([0, 1], "1", r"positive must be one of the classes \[0, 1\], got '1', which is text"),
        (["0", "1"], 1, r"positive must be one of the classes \['0', '1'\], got 1, which is not"),
        (["a", "b"], "c", "positive must be one of the classes"),
    ],
)
def test_a_positive_class_that_is_none(known, positive, match):
    with pytest.raises(InvalidInputError, match=match):
        TwoClasses.of(known, positive)


def test_cuts_are_those_that_are_compared():
    bands = Bands((0.1, 0.7), answers=("x", "y", "z")).bind([0, 1])
    assert cuts_of(bands) == (0.1, 0.7)
    assert cuts_of(bands, single=True) == (float(np.float32(0.1)), float(np.float32(0.7)))
    assert cuts_of(Argmax().bind([0, 1])) == cuts_of(None) == ()
