"""Groups against a limit: how often one fails by chance, and what small groups do."""

import numpy as np
import pytest

from holdfast import Policy, compare
from holdfast.comparison.binomial import tail
from holdfast.comparison.counts import GroupCounts
from holdfast.comparison.judging import judged_groups


def compared(changed, groups, **options):
    """Return the comparison of models whose answers change in these rows."""
    base = np.zeros(len(changed), dtype=int)
    return compare(base, base + changed, groups={"g": groups}, **options)


def counts_of(changed, n):
    """Return the counts of groups of n rows, of which some changed."""
    rows = np.zeros((len(changed), 2, 5), dtype=int)
    rows[:, 0, 4], rows[:, 1, 4] = n - changed, changed
    weights = rows.astype(float)
    return GroupCounts(tuple(range(len(changed))), rows, weights, weights, (rows > 0) * 1.0)


@pytest.mark.parametrize(
    ("n_groups", "n"), [(1, 30), (20, 18), (1_000, 1), (100, 200), (5, 10_000), (300, 40)]
)
@pytest.mark.parametrize("truth", [0.005, 0.0025])
def test_a_group_fails_by_chance_no_more_often_than_promised(n_groups, n, truth):
    rng, runs, failed = np.random.default_rng(n), 100, 0
    for _ in range(runs):
        groups = counts_of(rng.binomial(n, truth, n_groups), n)
        found = judged_groups({"g": groups}, 0.95, 0.005, comparable=False)
        failed += any(group.status == "fail" for group in found)
    assert failed / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_a_group_far_beyond_the_limit_fails():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 1_000)
    changed = rng.random(100_000) < np.where(groups == 7, 0.03, 0.005)
    found = compared(changed, groups, max_group_churn=0.01)
    assert [group.value for group in found.groups if group.status == "fail"] == [7]


def test_holm_goes_on_after_the_worst():
    counts = {"a": 30, "b": 22, "c": 10}
    changed = np.concatenate([np.arange(1_000) < k for k in counts.values()])
    found = compared(changed, np.repeat(list(counts), 1_000), max_group_churn=0.0125)
    p_values = tail([30, 22], 1_000, 0.0125)
    assert p_values[0] <= 0.025 / 3
    assert 0.025 / 3 < p_values[1] <= 0.025 / 2
    assert [group.status for group in found.groups] == ["fail", "fail", "underpowered"]


def test_small_groups_are_judged_together():
    groups = np.array(["large"] * 2_000 + [f"s{i}" for i in range(500) for _ in range(4)])
    changed = np.zeros(4_000, dtype=bool)
    changed[2_000:2_003] = True
    found = compared(changed, groups, max_group_churn=0.01)
    by_name = {group.name: group for group in found.groups}
    assert by_name["g=large"].status == "pass"
    assert by_name["g=s0"].status == "small"
    together = by_name["g: 500 small groups"]
    assert (together.n, together.pooled, together.status) == (2_000, 500, "pass")
    assert together.churn_rate == 3 / 2_000
    assert Policy(max_churn=0.5, per_group=0.01).decide(found).verdict == "PROMOTE"
    changed[2_000:2_100] = True
    found = compared(changed, groups, max_group_churn=0.01)
    assert Policy(per_group=0.01).decide(found).verdict == "REJECT"


def test_a_small_group_alone_neither_fails_nor_blocks():
    groups = np.array(["large"] * 2_000 + ["tiny"] * 5)
    changed = np.zeros(2_005, dtype=bool)
    changed[-5:] = True
    found = compared(changed, groups, max_group_churn=0.01)
    assert {group.name: group.status for group in found.groups} == {
        "g=large": "pass",
        "g=tiny": "small",
        "g: 1 small group": "small",
    }
    assert Policy(per_group=0.01).decide(found).verdict == "PROMOTE"


def test_only_small_groups_are_too_few_rows():
    found = compared(np.zeros(20, dtype=bool), np.repeat(["a", "b"], 10), max_group_churn=0.01)
    assert [group.status for group in found.groups] == ["small", "small", "underpowered"]
    assert Policy(per_group=0.01).decide(found).verdict == "HOLD"


def test_the_values_of_groups_do_not_matter():
    groups = np.repeat([None, "x", "small groups"], [700, 3, 4])
    found = compared(np.zeros(707, dtype=bool), groups, max_group_churn=0.01)
    names = [group.name for group in found.groups]
    assert names[-1] == "g: 2 small groups"
    assert {"g: missing", "g=x", "g=small groups"} < set(names)
