import dataclasses
import json
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, chi2, chi2_contingency
from sklearn.metrics import confusion_matrix, log_loss

from holdfast import metrics
from holdfast.comparison import Comparison, compare
from holdfast.comparison.counting import BLOCK
from holdfast.comparison.shares import judge
from holdfast.exceptions import InvalidInputError

NAMES = np.array(["ant", "bee", "cow", "dog"])
SHARES = (
    "churn_rate",
    "negative_flip_rate",
    "positive_flip_rate",
    "lateral_flip_rate",
    "accuracy_base",
    "accuracy_new",
)
POINTS = (*SHARES, "accuracy_gain", "unavoidable_churn", "excess_churn")


def draw(n=200, n_classes=3, seed=0):
    return np.random.default_rng(seed).integers(0, n_classes, (3, n))


def loop(base, new, y, weight):
    """Every point estimate, row by row."""
    total = sum(weight)
    share = dict.fromkeys(SHARES, 0.0)
    for b, n, t, w in zip(base, new, y, weight, strict=True):
        share["churn_rate"] += w * (b != n) / total
        share["negative_flip_rate"] += w * (b == t != n) / total
        share["positive_flip_rate"] += w * (n == t != b) / total
        share["lateral_flip_rate"] += w * (len({b, n, t}) == 3) / total
        share["accuracy_base"] += w * (b == t) / total
        share["accuracy_new"] += w * (n == t) / total
    gain = share["accuracy_new"] - share["accuracy_base"]
    excess = max(share["churn_rate"] - abs(gain), 0)
    return share | {
        "accuracy_gain": gain,
        "unavoidable_churn": abs(gain),
        "excess_churn": excess,
    }


def points(result):
    return {name: getattr(result, name) for name in POINTS}


def exact(share, n, confidence=0.95):
    """Clopper and Pearson's interval, from scipy."""
    tail, k = (1 - confidence) / 2, share * n
    low = beta.ppf(tail, k, n - k + 1) if share > 0 else 0.0
    return low, beta.isf(tail, k + 1, n - k) if share < 1 else 1.0


def weighed(some, weight, confidence=0.95):
    """Interval of the share of weighted rows, one more row of the largest weight counted on each
    side in turn; without weights it is Clopper and Pearson's.
    """
    ends = []
    for more, quantile in ((False, beta.ppf), (True, beta.isf)):
        w = np.append(weight, weight.max())
        z = np.append(some, more)
        p = np.average(z, weights=w)
        if p == more:  # nothing on the other side
            ends.append(float(more))
            continue
        n = p * (1 - p) * w.sum() ** 2 / (w**2 * (z - p) ** 2).sum()
        ends.append(quantile((1 - confidence) / 2, p * n, (1 - p) * n))
    return tuple(ends)


# --- exact references ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n", [1, 3, 120])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["int", "int8", "text", "objects", "bool", "polars", "pandas"])
def test_points_and_intervals_equal_a_loop(n_classes, n, weighted, kind):
    base, new, y = draw(n, n_classes)
    if kind == "bool":
        base, new, y = base > 0, new > 0, y > 0
    weight = np.random.default_rng(1).random(n) if weighted else np.ones(n)
    convert = {
        "int8": lambda a: a.astype(np.int8),
        "text": NAMES.__getitem__,
        "objects": lambda a: NAMES[a].astype(object),
        "polars": lambda a: pl.Series(NAMES[a], dtype=pl.Categorical),
        "pandas": lambda a: pd.Series(a, dtype="Int64"),
    }.get(kind, np.asarray)
    found = compare(*map(convert, (base, new, y)), sample_weight=list(weight) if weighted else None)
    expected = loop(base.tolist(), new.tolist(), y.tolist(), weight.tolist())
    assert points(found) == pytest.approx(expected, abs=1e-12)
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    assert found.n_effective == pytest.approx(n_effective)
    rows = zip(base.tolist(), new.tolist(), y.tolist(), strict=True)
    own = [loop([b], [n], [t], [1.0]) for b, n, t in rows]
    for name in SHARES:
        interval = getattr(found, f"{name}_interval")
        some = np.array([one[name] for one in own])
        assert interval == pytest.approx(weighed(some, weight), abs=1e-9)
        if not weighted:
            assert interval == pytest.approx(exact(some.mean(), n), abs=1e-9)
    assert found.weighted is weighted
    assert (found.mcnemar_p_value is None) is weighted


def test_measures_agree_with_metrics_and_with_published_tests():
    base, new, y = draw(500)
    found = compare(base, new, y)
    assert found.churn_rate == metrics.churn_rate(base, new)
    for name in POINTS[1:4] + POINTS[6:]:
        assert getattr(found, name) == pytest.approx(getattr(metrics, name)(y, base, new))
    for name in SHARES:
        k = round(getattr(found, name) * 500)
        expected = binomtest(k, 500).proportion_ci(0.95, method="exact")
        assert getattr(found, f"{name}_interval") == pytest.approx((expected.low, expected.high))
    gained = int(((new == y) & (base != y)).sum())
    lost = int(((new != y) & (base == y)).sum())
    assert found.mcnemar_p_value == pytest.approx(binomtest(gained, gained + lost).pvalue)


def test_transitions_equal_the_confusion_matrix():
    base, new, y = draw(300, 4)
    found = compare(NAMES[base], NAMES[new], NAMES[y])
    assert found.classes == tuple(NAMES)
    np.testing.assert_array_equal(found.transitions.toarray(), confusion_matrix(base, new))
    lost = (base == y) & (new != y)
    expected = confusion_matrix(base[lost], new[lost], labels=range(4))
    np.testing.assert_array_equal(found.negative_transitions.toarray(), expected)
    listed = found.to_dict()["transitions"]
    weights = [entry["weight"] for entry in listed]
    assert weights == sorted(weights, reverse=True)
    assert sum(weights) == (base != new).sum()
    assert sum(entry["negative"] for entry in listed) == lost.sum()
    assert sum(entry["positive"] for entry in listed) == ((base != y) & (new == y)).sum()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
def test_soft_measures(dtype, weighted):
    rng = np.random.default_rng(0)
    n = BLOCK + 50
    base, new = rng.dirichlet(np.ones(3), (2, n)).astype(dtype)
    y = rng.integers(0, 3, n)
    weight = rng.random(n) if weighted else None
    found = compare(base, new, y, sample_weight=weight)
    for name, p in (("base", base), ("new", new)):
        expected = metrics.log_loss(y, p, sample_weight=weight)
        assert getattr(found, f"log_loss_{name}") == pytest.approx(expected)
        assert getattr(found, f"risk_{name}") == getattr(found, f"log_loss_{name}")
        expected = metrics.brier_score(y, p, sample_weight=weight)
        assert getattr(found, f"brier_{name}") == pytest.approx(expected)
    expected = metrics.churn_divergence(base, new, sample_weight=weight)
    assert found.churn_divergence == pytest.approx(expected)
    expected = metrics.churn_divergence(base, new, divergence="brier", sample_weight=weight)
    assert found.churn_divergence_brier == pytest.approx(expected)
    hard = compare(base.argmax(axis=1), new.argmax(axis=1), y, sample_weight=weight)
    assert points(found) == points(hard)
    assert hard.log_loss_base is hard.churn_divergence is None


def test_labels_beside_probabilities_with_named_classes():
    base, new, y = draw(300)
    names = np.array(["cow", "ant", "bee"])
    p = np.full((300, 3), 0.1)
    p[np.arange(300), new] = 0.8
    found = compare(names[base], p, names[y], classes=names)
    assert points(found) == pytest.approx(points(compare(names[base], names[new], names[y])))
    assert found.log_loss_base is found.churn_divergence is None
    order = np.argsort(names)
    expected = log_loss(names[y], p[:, order], labels=names[order])
    assert found.log_loss_new == pytest.approx(expected)
    mirrored = compare(p, names[base], names[y], classes=names)
    assert mirrored.log_loss_base == pytest.approx(found.log_loss_new)
    reordered = compare(names[base], p[:, order], names[y], classes=names[order])
    assert points(reordered) == points(found)
    assert reordered.log_loss_new == pytest.approx(found.log_loss_new)


def test_without_labels_only_churn_is_known():
    base, new, _ = draw()
    found = compare(base, new)
    assert found.churn_rate == np.mean(base != new)
    missing = [*SHARES[1:], *POINTS[6:], "mcnemar_p_value", "negative_transitions"]
    assert all(getattr(found, name) is None for name in missing)
    assert all(entry["negative"] is None for entry in found.to_dict()["transitions"])
    assert "accuracy" not in str(found)


@pytest.mark.parametrize("kind", ["float", "int", "text", "objects", "Int64", "polars"])
@pytest.mark.parametrize("weighted", [False, True])
def test_some_labels_are_missing(kind, weighted):
    base, new, y = draw(400)
    group = np.random.default_rng(2).integers(0, 3, 400)
    known = (np.random.default_rng(1).random(400) < 0.4) & (group != 2)
    weight = np.random.default_rng(3).random(400) if weighted else None
    if kind in ("text", "objects", "polars"):
        base, new, y = NAMES[base], NAMES[new], NAMES[y].astype(object)
    given = np.where(known, y, None)
    given = {
        "float": lambda: given.astype(float),
        "Int64": lambda: pd.array(given, dtype="Int64"),
        "polars": lambda: pl.Series(given.tolist()),
    }.get(kind, lambda: given)()
    found = compare(base, new, given, groups=group, sample_weight=weight)
    part = None if weight is None else weight[known]
    alone = compare(base[known], new[known], y[known], groups=group[known], sample_weight=part)
    assert (found.n, found.n_labeled) == (400, known.sum())
    assert found.churn_rate == compare(base, new, sample_weight=weight).churn_rate
    labelled = [*POINTS[1:], *(f"{name}_interval" for name in SHARES[1:]), "mcnemar_p_value"]
    for name in labelled:
        assert getattr(found, name) == pytest.approx(getattr(alone, name)), name
    assert found.groups[2].accuracy_base is found.groups[2].negative_flip_rate_interval is None
    for group_result, expected in zip(found.groups[:2], alone.groups, strict=True):
        assert group_result.n == (group == group_result.value).sum()
        assert group_result.accuracy_gain == pytest.approx(expected.accuracy_gain)
        assert group_result.accuracy_gain_interval == pytest.approx(expected.accuracy_gain_interval)
        rows = group == group_result.value
        own = np.average((base != new)[rows], weights=None if weight is None else weight[rows])
        assert group_result.churn_rate == pytest.approx(own)
    assert f"400 rows, {known.sum()} of them labelled" in str(found)
    shares = found.counts.pair_labeled
    assert len(shares) == len(found.counts.pairs)
    b, n = found.counts.pairs[0]
    rows = (base == found.classes[b]) & (new == found.classes[n])
    assert shares[0] == pytest.approx(known[rows].mean())


def test_losses_are_of_the_labelled_rows():
    rng = np.random.default_rng(0)
    base, new = rng.dirichlet(np.ones(3), (2, 300))
    y = rng.integers(0, 3, 300)
    known = rng.random(300) < 0.5
    found = compare(base, new, np.where(known, y, np.nan))
    alone = compare(base[known], new[known], y[known])
    for name in ("log_loss_base", "log_loss_new", "brier_base", "brier_new"):
        assert getattr(found, name) == pytest.approx(getattr(alone, name))
    assert found.churn_divergence == pytest.approx(compare(base, new).churn_divergence)


def test_whether_labels_depend_on_a_change():
    base, new, y = draw(2_000)
    changed = base != new
    rng = np.random.default_rng(5)
    known = rng.random(2_000) < np.where(changed, 0.5, 0.4)
    found = compare(base, new, np.where(known, y, np.nan))
    table = pd.crosstab(changed, known).to_numpy()
    expected = chi2_contingency(table, correction=False)
    statistic = expected.statistic * 1_999 / 2_000
    assert found.labels_selective == pytest.approx(chi2.sf(statistic, 1))
    assert found.labels_selective < 0.01
    assert compare(base, new, y).labels_selective is None
    fair = [
        compare(base, new, np.where(rng.random(2_000) < 0.4, y, np.nan)).labels_selective
        for _ in range(60)
    ]
    assert np.mean(np.array(fair) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_answers_that_are_no_classes():
    rng = np.random.default_rng(0)
    base, new = rng.choice(["approve", "review", "decline"], (2, 300))
    found = compare(base, new, rng.choice(["fraud", "legit"], 300))
    assert found.churn_rate == np.mean(base != new)
    missing = [*SHARES[1:], *POINTS[6:], "mcnemar_p_value", "negative_transitions"]
    assert all(getattr(found, name) is None for name in missing)
    assert found.n_labeled == 300
    assert found.classes == ("approve", "decline", "review")
    few = compare(["a", "b"], ["b", "b"], ["c", "c"])
    assert (few.accuracy_base, few.accuracy_new) == (0, 0)


def test_short_integers_do_not_overflow():
    base = np.array([-128, 127, 0, 127], np.int8)
    new = np.array([-128, -128, 0, 127], np.int8)
    found = compare(base, new, np.array([-128, -128, 0, 0], np.int64))
    assert found.classes == (-128, 0, 127)
    assert (found.churn_rate, found.accuracy_gain) == (0.25, 0.25)
    found = compare(np.array([250, 255], np.uint8), np.array([250, 251], np.uint8))
    assert (found.classes, found.churn_rate) == ((250, 251, 255), 0.5)


def test_rows_of_weight_zero_do_not_count():
    base, new, y = draw(100)
    weight = np.random.default_rng(1).integers(0, 2, 100).astype(float)
    base[weight == 0] = 7
    groups = np.where(weight == 0, "gone", "here")
    found = compare(base, new, y, sample_weight=weight, groups=groups)
    rows = weight > 0
    kept = compare(base[rows], new[rows], y[rows])
    assert points(found) == pytest.approx(points(kept))
    assert found.churn_rate_interval == pytest.approx(kept.churn_rate_interval)
    assert found.classes == kept.classes
    assert [group.name for group in found.groups] == ["group=here"]


# --- invariances ---------------------------------------------------------------------------------

tables = st.lists(st.tuples(*[st.integers(0, 3)] * 4, st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=80, deadline=None)
@given(tables, st.permutations(range(4)), st.randoms(use_true_random=False))
def test_invariances(table, bijection, random):
    base, new, y, group, weight = (np.array(column) for column in zip(*table, strict=True))
    weight[0] += 1
    found = compare(base, new, y, groups=group, sample_weight=weight)
    shares = points(found)
    flips = sum(shares[name] for name in SHARES[1:4])
    assert flips == pytest.approx(shares["churn_rate"], abs=1e-12)
    difference = shares["positive_flip_rate"] - shares["negative_flip_rate"]
    assert shares["accuracy_gain"] == pytest.approx(difference, abs=1e-12)
    assert shares["excess_churn"] >= 0

    mirrored = compare(new, base, y, sample_weight=weight)
    assert mirrored.churn_rate_interval == pytest.approx(found.churn_rate_interval)
    assert mirrored.negative_flip_rate == pytest.approx(found.positive_flip_rate)
    assert mirrored.accuracy_gain == pytest.approx(-found.accuracy_gain, abs=1e-12)
    low, high = found.accuracy_gain_interval
    assert mirrored.accuracy_gain_interval == pytest.approx((-high, -low), abs=1e-12)

    repeated = compare(*(np.repeat(column, weight) for column in (base, new, y)))
    assert points(repeated) == pytest.approx(shares, abs=1e-12)

    for names in (np.array(bijection) * 10**13, NAMES[list(bijection)].astype(object)):
        renamed = compare(names[base], names[new], names[y], sample_weight=weight)
        assert points(renamed) == pytest.approx(shares, abs=1e-12)

    order = list(range(len(base)))
    random.shuffle(order)
    shuffled = compare(
        base[order], new[order], y[order], groups=group[order], sample_weight=weight[order]
    )
    assert points(shuffled) == pytest.approx(shares, abs=1e-12)

    total = weight.sum()
    for name in SHARES:
        parts = (
            getattr(one, name) * weight[group == one.value].sum() / total for one in found.groups
        )
        assert sum(parts) == pytest.approx(shares[name], abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_reordering_columns_changes_nothing(seed, order):
    rng = np.random.default_rng(seed)
    base, new = rng.dirichlet(np.ones(3), (2, 30))
    y = NAMES[rng.integers(0, 3, 30)]
    order = list(order)
    found = compare(base, new, y, classes=NAMES[:3])
    again = compare(base[:, order], new[:, order], y, classes=NAMES[:3][order])
    assert points(again) == points(found)
    for name in ("log_loss_base", "brier_new", "churn_divergence", "churn_divergence_brier"):
        assert getattr(again, name) == pytest.approx(getattr(found, name))


# --- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_each_group_is_the_comparison_of_its_rows(weighted):
    base, new, y = draw(400)
    rng = np.random.default_rng(1)
    country = rng.choice(np.array(["de", "fr", None], dtype=object), 400)
    age = rng.choice([20.0, 30.5, np.nan], 400)
    weight = rng.random(400) if weighted else None
    frame = pd.DataFrame({"country": country, "age": age})
    found = compare(base, new, y, groups=frame, sample_weight=weight, confidence=0.9)
    names = [group.name for group in found.groups]
    assert names[:3] == ["country=de", "country=fr", "country: missing"]
    assert names[3:] == ["age=20.0", "age=30.5", "age: missing"]
    for group in found.groups:
        column = frame[group.column]
        rows = (column.isna() if group.value is None else column == group.value).to_numpy()
        part = None if weight is None else weight[rows]
        alone = compare(base[rows], new[rows], y[rows], sample_weight=part, confidence=0.9)
        assert group.n == rows.sum()
        for field in dataclasses.fields(group):
            if field.name not in ("column", "value", "status", "pooled"):
                expected = getattr(alone, field.name)
                assert getattr(group, field.name) == pytest.approx(expected), field.name


def test_groups_come_in_every_form():
    base, new, _ = draw(6)
    values = ["a", "a", "b", "b", None, "a"]
    forms = [
        {"g": values},
        {"g": pd.Series(values, dtype="category")},
        pd.Series(values, name="g"),
        pd.DataFrame({"g": values}),
        pl.Series("g", values),
        pl.DataFrame({"g": values}),
    ]
    if pa := pytest.importorskip("pyarrow"):
        forms.append(pa.table({"g": values}))
    for form in forms:
        groups = compare(base, new, groups=form).groups
        assert [(g.name, g.n) for g in groups] == [("g=a", 3), ("g=b", 2), ("g: missing", 1)]
    assert compare(base, new, groups=values).groups[0].column == "group"
    assert compare(base, new, groups={}).groups == ()
    assert compare(base, new, groups={1: values}).groups[0].name == "1=a"


def group_statuses(churned, n, limit, confidence=0.95):
    base = np.zeros(sum(n), dtype=int)
    new = np.concatenate([np.arange(size) < k for size, k in zip(n, churned, strict=True)])
    group = np.repeat(np.arange(len(n)), n)
    found = compare(
        base, new.astype(int), groups=group, max_group_churn=limit, confidence=confidence
    )
    return [one.status for one in found.groups]


def test_group_status_and_its_correction_for_many_groups():
    assert group_statuses([0, 150, 20], [1000] * 3, 0.05) == ["pass", "fail", "pass"]
    assert group_statuses([0, 1], [100, 100], 0.05) == ["pass", "underpowered"]
    # 67 of 1,000 against 5 %: beyond it at 95 %, but not at 1 - 0.05/20.
    low = exact(0.067, 1000)[0]
    assert low > 0.05 > exact(0.067, 1000, 1 - 0.05 / 20)[0]
    assert group_statuses([67], [1000], 0.05) == ["fail"]
    assert group_statuses([67] + [0] * 19, [1000] * 20, 0.05) == ["underpowered"] + ["pass"] * 19
    # A pass needs no correction.
    high = exact(0.035, 1000)[1]
    assert high < 0.05 < exact(0.035, 1000, 1 - 0.05 / 20)[1]
    assert group_statuses([35] + [0] * 19, [1000] * 20, 0.05)[0] == "pass"


def test_status_at_the_very_limit():
    low, high = exact(0.067, 1000)
    assert judge((low, high), high) == "pass"
    assert judge((low, high), low) == "underpowered"
    assert judge((low, high), np.nextafter(low, 0)) == "fail"
    assert judge((low, high), low, at_least=True) == "pass"
    assert judge((low, high), high, at_least=True) == "underpowered"
    assert judge((low, high), np.nextafter(high, 1), at_least=True) == "fail"


# --- what a comparison offers --------------------------------------------------------------------


def test_frozen_and_at_another_confidence():
    base, new, y = draw()
    groups = base % 2
    found = compare(base, new, y, groups=groups)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
        found.churn_rate = 0.0
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
        found.groups[0].n = 0
    again = found.at(0.8, max_group_churn=0.1)
    expected = compare(base, new, y, groups=groups, confidence=0.8, max_group_churn=0.1)
    assert again.to_dict() == expected.to_dict()
    with pytest.raises(InvalidInputError, match=r"confidence must be in \(0, 1\), got 80"):
        found.at(80)
    with pytest.raises(InvalidInputError, match=r"max_group_churn must be in \[0, 1\], got -1"):
        found.at(0.9, max_group_churn=-1)


@pytest.mark.parametrize(
    "convert",
    [
        np.asarray,
        lambda a: a.astype(np.uint8),
        lambda a: a.astype(float),
        lambda a: a > 0,
        NAMES.__getitem__,
        lambda a: np.array([np.str_(name) for name in NAMES[a]], dtype=object),
        lambda a: pd.Series(NAMES[a], dtype="string"),
        lambda a: pd.Categorical(a),
    ],
)
@pytest.mark.parametrize(
    "groups",
    [
        None,
        pd.to_datetime(["2024-01-01", None] * 20).to_numpy(),
        pd.array([True, None] * 20, dtype="boolean"),
        [(1, 2), frozenset([1])] * 20,
        np.float32([0.5, np.nan] * 20),
    ],
    ids=["none", "dates", "booleans", "objects", "numbers"],
)
def test_to_dict_is_json(convert, groups):
    if isinstance(groups, list):
        groups = pd.Series(groups, dtype=object)
    base, new, y = (convert(a) for a in draw(40))
    found = compare(base, new, y, groups=groups, max_group_churn=None if groups is None else 0.5)
    content = json.loads(json.dumps(found.to_dict()))
    assert content["churn_rate"] == found.churn_rate
    assert content["churn_rate_interval"] == list(found.churn_rate_interval)
    assert content["classes"] == sorted(set(np.asarray(base).tolist() + np.asarray(new).tolist()))
    assert "counts" not in content
    assert len(content["groups"]) == len(found.groups)
    assert isinstance(found.to_frame(), pd.DataFrame)


def test_to_frame():
    base, new, y = draw()
    groups = {"g": base % 2}
    found = compare(base, new, y, groups=groups, max_group_churn=0.9)
    frame = found.to_frame()
    assert frame.index.tolist() == ["all rows", "g=0", "g=1"]
    assert frame.loc["all rows", "churn_rate"] == found.churn_rate
    assert frame.loc["g=1", "accuracy_gain_high"] == found.groups[1].accuracy_gain_interval[1]
    assert frame["status"].tolist()[1:] == [group.status for group in found.groups]
    without = compare(base, new).to_frame()
    assert without.shape[0] == 1
    assert without["accuracy_gain_low"].isna().all()


def test_text():
    base, new = np.zeros(2000, int), np.zeros(2000, int)
    new[:20] = 1
    text = str(compare(base, new, base, groups=base, max_group_churn=0.02))
    assert text.splitlines()[0] == "2,000 rows, 2 classes (intervals at 95%)"
    assert "churn              1.00%   0.61% to 1.54%" in text
    assert "accuracy gain   -1.00 pts   -1.54 to -0.61   McNemar p = 1.9e-06" in text
    assert "1 pass, 0 fail, 0 underpowered, 0 small (churn at most 2.00%)" in text
    assert "intervals at 55%" in str(compare(base, new, confidence=0.55))
    assert "intervals at 99.9%" in str(compare(base, new, confidence=0.999))


def test_html(tmp_path):
    base, new, y = draw()
    found = compare(base, new, y, groups={"g": base})
    assert "<" in found._repr_html_()
    page = found.to_html(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert page.rstrip().endswith("</html>")
    with pytest.raises(InvalidInputError, match=r"the folder of .* must exist"):
        found.to_html(tmp_path / "none" / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("n_changed", range(0, 601, 6))
def test_shares_are_the_nearest_numbers(n_changed):
    base, new, y = np.zeros(600, int), np.zeros(600, int), np.arange(600) % 3
    new[:n_changed] = 1 + np.arange(n_changed) % 2
    result = compare(base, new, y, groups=np.zeros(600))
    assert result.churn_rate == result.groups[0].churn_rate == n_changed / 600
    assert result.accuracy_base == 200 / 600
    assert result.accuracy_new == (new == y).sum() / 600
    assert result.accuracy_gain == (int((new == y).sum()) - 200) / 600


def test_one_class():
    assert str(compare([0, 0], np.array([0, 0]))).startswith("2 rows, 1 class (")


# --- bad input -----------------------------------------------------------------------------------

HALF = [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("base", "new", "options", "match"),
    [
        (
            [0, 1],
            [0, 1, 1],
            {},
            "base and new must have the same number of rows, got base 2, new 3",
        ),
        ([0, 1], [1, 1], {"y": [0]}, "base and new and y must have the same number of rows"),
        ([], [], {}, "base must have at least one row, got none"),
        (None, [0], {}, "base must be an array, got None"),
        ([0, 1], ["0", "1"], {}, "must have labels of one type, got base numbers .* new strings"),
        ([0, 1], [1, 1], {"y": ["a", "b"]}, "must have labels of one type"),
        ([0, 1], [1, None], {}, "new must not have missing values, got 1 of 2"),
        ([0, 1], [1, 1], {"y": [np.nan, None]}, "y must have a label for some rows, got 2 rows"),
        ([0, 1], [1, 1], {"y": [np.nan, 0.5]}, "y must be class labels, got real numbers"),
        ([0, 1], [1, 1], {"y": [None, "a"]}, "must have labels of one type"),
        ([0.2, 0.9], [1, 1], {}, r"base must be class labels, got real numbers such as 0\.2"),
        ([[0.2], [0.9]], HALF, {}, r"base must be labels .* or probabilities .* K >= 2"),
        ([[0.5, 0.5], [1.0]], HALF, {}, "base must be rectangular"),
        ([[0.5, 0.4], [0.5, 0.5]], HALF, {}, r"base must sum to 1 in each row, got 0\.9 in row 0"),
        (HALF, [[2.0, -1.0], [0.5, 0.5]], {}, "new must be probabilities .* look like logits"),
        (HALF, [[np.nan, np.nan], [0.5, 0.5]], {}, "new must not have missing values"),
        (HALF, [["a", "b"]] * 2, {}, "new must be numbers, got dtype <U1"),
        (HALF, [[0.5, 0.5, 0.0]] * 2, {}, "same number of probability columns, got"),
        (HALF, [0, 1], {"classes": ["a"]}, "classes must be 2 distinct names"),
        (HALF, [0, 1], {"classes": [1, 1]}, "classes must be 2 distinct names"),
        (HALF, ["a", "b"], {}, "must have labels of one type"),
        ([0, 1], [1, 1], {"classes": [0, 1]}, "classes must only be given with probabilities"),
        (HALF, [[0.1, 0.9]] * 2, {"y": [0, 5]}, "y must be among the classes of the probability"),
        ([0, 1], [1, 1], {"sample_weight": [1]}, "sample_weight and rows must have the same"),
        ([0, 1], [1, 1], {"sample_weight": [0, 0]}, "not every weight zero"),
        ([0, 1], [1, 1], {"groups": [1]}, r"groups\['group'\] and rows must have the same"),
        ([0, 1], [1, 1], {"groups": "country"}, r"groups\['group'\] must have shape"),
        ([0, 1], [1, 1], {"groups": np.zeros((2, 2))}, "give several columns as a mapping"),
        ([0, 1], [1, 1], {"groups": [{}] * 2}, r"groups\['group'\] must have values .* unhashable"),
        ([0, 1], [1, 1], {"confidence": 95}, r"confidence must be in \(0, 1\), got 95.*95 %"),
        ([0, 1], [1, 1], {"max_group_churn": 0.1}, "max_group_churn needs groups, got none"),
        (
            [0, 1],
            [1, 1],
            {"max_group_churn": 1.7, "groups": [0, 0]},
            r"max_group_churn must be in \[0, 1\], got 1\.7; .*0\.02 for 2 %",
        ),
    ],
)
def test_bad_input(base, new, options, match):
    with pytest.raises(InvalidInputError, match=match):
        compare(base, new, **options)


def test_the_same_object_twice():
    p = np.array(HALF)
    for model in (p, [0, 1], pd.Series([0, 1])):
        with pytest.raises(InvalidInputError, match="got the same object twice"):
            compare(model, model)
    assert isinstance(compare(p, p.copy()), Comparison)


def test_frames_whose_columns_are_in_another_order():
    base = pd.DataFrame({"a": [0.1], "b": [0.9]})
    with pytest.raises(InvalidInputError, match=r"same order, got \['a', 'b'\] and \['b', 'a'\]"):
        compare(base, base[["b", "a"]])
    assert compare(base, pl.DataFrame(base.to_dict("list"))).churn_rate == 0
    assert compare(base, base.set_axis(["p", "q"], axis=1)).churn_rate == 0
    pa = pytest.importorskip("pyarrow")
    assert compare(base, pa.table({"a": [0.9], "b": [0.1]})).churn_rate == 1


@pytest.mark.parametrize(
    "name", ["new", "y", "base_pred", "new_pred", "sample_weight", "groups", "groups['g']"]
)
def test_indexes_that_differ(name):
    index = pd.Index([5, 3, 4])
    values = {
        "base": pd.DataFrame({0: [0.9, 0.2, 0.4], 1: [0.1, 0.8, 0.6]}, index=index),
        "new": np.array([[0.8, 0.2]] * 3),
        name.partition("[")[0]: pd.Series([0, 1, 1], index=index),
    }
    if name == "new":
        values["new"] = values["base"].copy()
    if name == "groups['g']":
        values["groups"] = {"g": values["groups"]}
    assert compare(**values).n == 3
    moved = [3, 4, 5]
    if name == "groups['g']":
        values["groups"] = {"g": values["groups"]["g"].set_axis(moved)}
    else:
        values[name] = values[name].set_axis(moved)
    match = rf"base and {re.escape(name)} must have the same index, .* got 3 of 3 rows"
    with pytest.raises(InvalidInputError, match=match):
        compare(**values)
