"""The rows of a report against plain loops over all rows."""

import json

import numpy as np
import pandas as pd
import pytest

from holdfast.comparison import compare
from holdfast.exceptions import InvalidInputError
from holdfast.report.rows import sampled_rows

NAMES = np.array(["a", "b", "c", "d"])


@pytest.fixture
def models():
    rng = np.random.default_rng(3)
    n = 600
    base, other = rng.dirichlet([0.6] * 4, n).round(1), rng.dirichlet([0.6] * 4, n).round(1)
    base, new = (p / p.sum(axis=1, keepdims=True) for p in (base, 0.6 * base + 0.4 * other))  # ties
    return base, new, rng.integers(0, 4, n), rng.choice(["x", "y", None], n)


def rows_of(sampled, pick):
    return [sampled["rows"][i]["row"] for i in pick["rows"]]


def test_changes_are_those_of_a_loop_most_confident_first(models):
    base, new, y, group = models
    ids = [f"id-{i}" for i in range(len(base))]
    comparison = compare(base, new, NAMES[y], classes=NAMES, groups={"g": group})
    sampled = sampled_rows(
        comparison, base, new, classes=NAMES, y=NAMES[y], ids=ids, groups={"g": group}
    )
    assert json.loads(json.dumps(sampled, allow_nan=False)) == sampled
    b, h = base.argmax(axis=1), new.argmax(axis=1)
    changed = sorted(np.flatnonzero(b != h).tolist(), key=lambda i: (-new[i].max(), i))
    assert {(p["base"], p["new"]) for p in sampled["changes"]} == {
        (NAMES[b[i]], NAMES[h[i]]) for i in changed
    }
    for pick in sampled["changes"]:
        mine = [i for i in changed if (NAMES[b[i]], NAMES[h[i]]) == (pick["base"], pick["new"])]
        assert pick["n"] == len(mine)
        assert rows_of(sampled, pick) == [ids[i] for i in mine[:20]]
    counts = [pick["n"] for pick in sampled["changes"]]
    assert counts == sorted(counts, reverse=True)
    assert [(p["column"], p["value"]) for p in sampled["groups"]] == [
        ("g", g.value) for g in sorted(comparison.groups, key=lambda g: -g.churn_rate)
    ]
    for pick in sampled["groups"]:
        mine = [i for i in changed if group[i] == pick["value"]]
        assert pick["n"] == len(mine)
        assert rows_of(sampled, pick) == [ids[i] for i in mine[:20]]
    for row in sampled["rows"]:
        i = ids.index(row["row"])
        assert (row["label"], row["base"], row["new"]) == (NAMES[y[i]], NAMES[b[i]], NAMES[h[i]])
        assert (row["base_proba"], row["new_proba"]) == (base[i].max(), new[i].max())
        assert row["move"] == pytest.approx(np.abs(base[i] - new[i]).sum() / 2)
        assert row["groups"] == [group[i]]


def test_rows_shown_at_first_are_the_largest_moves(models):
    base, new, *_ = models
    base = base.copy()
    base[::7] = np.nan
    answers = np.where(np.isnan(base[:, 0]), new.argmax(axis=1), base.argmax(axis=1))
    sampled = sampled_rows(compare(answers, new.argmax(axis=1)), base, new)
    distance = np.abs(base - new).sum(axis=1) / 2
    moved = [i for i in range(len(base)) if distance[i] > 0]
    expected = sorted(moved, key=lambda i: (-distance[i], i))[:20]
    assert [sampled["rows"][i]["row"] for i in sampled["shown"]] == expected
    assert sampled["moves"]
    assert not any(row["row"] % 7 == 0 for row in sampled["rows"])


def test_labels_alone_give_the_first_rows():
    base, new = np.zeros(100, dtype=int), np.arange(100) % 2
    sampled = sampled_rows(compare(base, new), base, new)
    assert not sampled["ranked"]
    assert not sampled["moves"]
    (pick,) = sampled["changes"]
    assert rows_of(sampled, pick) == list(range(1, 41, 2))
    assert pick["n"] == 50
    assert sampled["shown"] == list(range(20))
    assert sampled["rows"][0] == {
        "row": 1,
        "base": 0,
        "new": 1,
        "groups": [],
        **dict.fromkeys(["label", "base_proba", "new_proba", "move"]),
    }


def test_answers_go_before_probabilities():
    base, new = [[0.9, 0.1], [0.9, 0.1]], [[0.4, 0.6], [0.3, 0.7]]
    answers = (["no", "gone"], ["no", "yes"])
    sampled = sampled_rows(compare(*answers), base, new, classes=["no", "yes"], answers=answers)
    (pick,) = sampled["changes"]
    assert (pick["base"], pick["new"], pick["n"]) == ("gone", "yes", 1)
    row = sampled["rows"][pick["rows"][0]]
    assert (row["base_proba"], row["new_proba"]) == (None, 0.7)


def test_sample_is_bounded_and_the_classes_that_are_shown_come_first():
    rng = np.random.default_rng(0)
    base, new = rng.integers(0, 200, (2, 50_000))
    groups = {"shop": rng.integers(0, 3000, 50_000), "day": rng.integers(0, 7, 50_000)}
    comparison = compare(base, new, groups=groups)
    first = list(range(150, 160))
    sampled = sampled_rows(comparison, base, new, groups=groups, first=first)
    assert len(sampled["rows"]) <= 1220
    there = {
        (b, h)
        for b, h in zip(base.tolist(), new.tolist(), strict=True)
        if b != h and {b, h} <= {*first}
    }
    assert {(p["base"], p["new"]) for p in sampled["changes"][: len(there)]} == there
    assert all(len(pick["rows"]) == 1 for pick in sampled["changes"])
    assert len(sampled["groups"]) == 200
    rates = {(g.column, g.value): g.churn_rate for g in comparison.groups}
    shown = [rates[p["column"], p["value"]] for p in sampled["groups"]]
    assert shown == sorted(shown, reverse=True)
    assert shown[-1] >= sorted(rates.values(), reverse=True)[200]


def test_groups_of_every_kind_find_their_rows():
    days = pd.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-01"]).to_numpy()
    groups = {
        "day": days,
        "number": np.array([1.5, np.nan, 1.5, 2.0]),
        "flag": np.array([True] * 4),
    }
    base, new = [0, 0, 0, 0], [1, 1, 1, 0]
    sampled = sampled_rows(compare(base, new, groups=groups), base, new, groups=groups)
    found = {(p["column"], str(p["value"])): rows_of(sampled, p) for p in sampled["groups"]}
    days = {name[1][:10]: rows for name, rows in found.items() if name[0] == "day"}
    assert days == {"2024-01-01": [0], "2024-01-02": [1], "None": [2]}
    assert found["number", "1.5"] == [0, 2]
    assert found["number", "None"] == [1]
    assert found["flag", "True"] == [0, 1, 2]


def test_rows_without_weight_are_in_no_change():
    base, new = ["a", "a", "b"], ["a", "b", "z"]
    comparison = compare(base, new, sample_weight=[1, 1, 0])
    sampled = sampled_rows(comparison, base, new)
    assert [(p["base"], p["new"], p["n"]) for p in sampled["changes"]] == [("a", "b", 1)]


def test_wrong_arrays_are_refused():
    comparison = compare([0, 1], [1, 1])
    with pytest.raises(InvalidInputError, match="must have shapes"):
        sampled_rows(comparison, [[0.5, 0.5]] * 2, [[0.5, 0.5]] * 2, classes=[0, 1, 2])
    with pytest.raises(InvalidInputError, match="must have shapes"):
        sampled_rows(comparison, [[0.5, 0.5]] * 2, [[0.5, 0.5, 0.0]] * 2)
    with pytest.raises(InvalidInputError, match="same number of rows"):
        sampled_rows(comparison, [0, 1], [1, 1], ids=[1, 2, 3])
    with pytest.raises(InvalidInputError, match="look like logits"):
        sampled_rows(comparison, [[0.5, 0.5]] * 2, [[-3.0, 4.0]] * 2)


def test_of_a_sample_of_the_rows_the_comparison_counts():
    rng = np.random.default_rng(5)
    base, new = rng.integers(0, 3, 500), rng.integers(0, 3, 500)
    groups = rng.choice(["n", "s"], 500)
    whole = compare(base, new, groups={"g": groups})
    changed = np.flatnonzero(base != new)
    some = changed[::7]
    found, of_some = (
        sampled_rows(whole, base[rows], new[rows], ids=rows, groups={"g": groups[rows]})
        for rows in (np.arange(500), some)
    )
    for part in ("changes", "groups"):
        counts = []
        for sampled in (found, of_some):
            rows = [{k: v for k, v in one.items() if k != "rows"} for one in sampled[part]]
            counts.append(sorted(rows, key=str))
        assert counts[0] == counts[1]
        assert sum(one["n"] for one in counts[0]) == len(changed)
