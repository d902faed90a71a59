"""Limits on measures within groups, against comparisons of each group's own rows."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from holdfast import InvalidInputError, Policy, compare
from holdfast.cli import app
from holdfast.comparison.result import Comparison
from holdfast.predictions import count_tables
from holdfast.rules import Costs

COSTS = Costs([[0, 9], [1, 0]], answers=["no", "yes"], classes=["no", "yes"])


def rows(n=3_000, *, share=0.3, flip=0.05, groups=("a", "b", None), seed=0):
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(n) < share, "yes", "no")
    base = np.where(rng.random(n) < 0.8, truth, "no")
    new = np.where(rng.random(n) < flip, "yes", base)
    group = rng.choice(np.array(groups, dtype=object), n)
    return pd.DataFrame({"base": base, "new": new, "label": truth, "region": group})


def compared(table, **options):
    return compare(
        table["base"],
        table["new"],
        table["label"],
        groups=table[["region"]],
        group_measures=True,
        **options,
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_the_counts_of_a_group_are_those_of_its_rows(weighted, missing):
    table = rows()
    if missing:
        table.loc[::3, "label"] = None
    weight = np.arange(len(table)) % 4.0 if weighted else None
    within = compared(table, sample_weight=weight).counts.within["region"]
    assert list(within) == ["a", "b", None]
    for value, counts in within.items():
        own = table["region"].isna() if value is None else table["region"] == value
        alone = compare(
            *(table.loc[own, name] for name in ("base", "new", "label")),
            sample_weight=None if weight is None else weight[own],
        )
        assert Comparison.from_counts(counts).to_dict() == alone.to_dict()


def test_tables_and_parts_count_the_same():
    table = rows()
    whole = compared(table)
    options = {"prediction": "base", "new_prediction": "new", "group_measures": True}
    both = table.assign(half=np.arange(len(table)) % 2)
    counts = count_tables(both, groups=["region", "half"], **options)
    halves = sum(
        count_tables(part, groups=["region"], **options) for _, part in both.groupby("half")
    )
    for found in (counts, halves):
        for value, expected in whole.counts.within["region"].items():
            own = Comparison.from_counts(found.within["region"][value])
            assert own.to_dict() == Comparison.from_counts(expected).to_dict()
    assert [counts.within["half"][i].n for i in (0, 1)] == [1500, 1500]
    with pytest.raises(InvalidInputError, match="must have the same measures within groups"):
        counts + count_tables(
            both, groups=["region", "half"], **options | {"group_measures": False}
        )


def test_each_group_is_checked():
    table = rows(groups=("a", "b"))
    bad = table["region"] == "b"
    table.loc[bad & (table["label"] == "yes"), "new"] = "no"
    policy = Policy(group_limits={"recall": {"min_change": -0.2}}, positive="yes")
    decision = policy.decide(compared(table))
    assert str(decision.verdict) == "REJECT"
    statuses = {check.name: check.status for check in decision.checks}
    assert statuses == {
        "recall[yes] change[region=a]": "pass",
        "recall[yes] change[region=b]": "fail",
    }
    assert decision.reasons[0].startswith("region=b: recall[yes] change -")


@pytest.mark.parametrize(
    ("limit", "options"),
    [
        ({"cost": {"max": 5.0}}, {"costs": COSTS}),
        ({"cost": {"max": 5.0}}, {"costs": [[0, 9], [1, 0]]}),
        ({"accuracy": {"min": 0.5}}, {}),
        ({"rate[yes]": {"max": 0.9}}, {}),
        ({"churn_rate": {"max": 0.5}}, {}),
        ({"f1[yes]": {"min_change": -0.5}}, {}),
    ],
)
def test_any_measure_can_be_limited(limit, options):
    decision = Policy(group_limits=limit, **options).decide(compared(rows()))
    assert [check.status for check in decision.checks] == ["pass"] * 3


def test_small_groups_are_judged_together():
    table = rows(600, groups=[f"g{i}" for i in range(60)])
    policy = Policy(group_limits={"recall": {"min_change": -0.3}}, positive="yes")
    decision = policy.decide(compared(table))
    small = [check for check in decision.checks if check.status == "small"]
    others = [check for check in decision.checks if check.status != "small"]
    assert len(small) > 40
    assert any(f"region: {len(small)} small groups" in check.name for check in others)
    assert str(decision.verdict) in ("PROMOTE", "HOLD")


@pytest.mark.parametrize("name", ["recall", "accuracy", "churn_rate"])
def test_a_group_without_any_label_is_judged_by_what_needs_none(name):
    table = rows(groups=("a", "b"))
    table.loc[table["region"] == "b", "label"] = None
    limit = {"max": 1.0} if name == "churn_rate" else {"min": 0.1}
    decision = Policy(group_limits={name: limit}, positive="yes").decide(compared(table))
    judged = sorted(check.name.partition("=")[2] for check in decision.checks if check.limit)
    known = [check for check in decision.checks if check.status == "pass"]
    assert len(known) == (2 if name == "churn_rate" else 1), (judged, decision)


def test_chance_seldom_makes_one_of_many_groups_fail():
    policy = Policy(group_limits={"recall": {"min": 0.8}}, positive="yes")
    n_groups, runs, failed = 10, 20, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        truth = np.repeat(["yes"], n_groups * 60)
        new = np.where(rng.random(len(truth)) < 0.8, "yes", "no")
        table = pd.DataFrame({"base": truth, "new": new, "label": truth})
        table["region"] = np.tile(np.arange(n_groups), 60)
        failed += str(policy.decide(compared(table)).verdict) == "REJECT"
    assert failed / runs <= 0.025 + 2 * (0.025 * 0.975 / runs) ** 0.5


def test_what_cannot_be_judged():
    table = rows()
    policy = Policy(group_limits={"recall": {"min_change": -0.2}}, positive="yes")
    without = compare(table["base"], table["new"], table["label"], groups=table[["region"]])
    with pytest.raises(InvalidInputError, match="group_limits need measures within groups, got a"):
        policy.decide(without)
    with pytest.raises(InvalidInputError, match="needs a group with ten rows of the true class"):
        policy.decide(compared(table[:12]))
    with pytest.raises(InvalidInputError, match="group_limits must name measures, got list"):
        Policy(group_limits=["recall"]).check()


def test_the_command_counts_what_the_policy_needs(tmp_path):
    table = rows(groups=("a", "b"))
    table[["base", "label", "region"]].to_csv(tmp_path / "base.csv", index=False)
    table[["new"]].to_csv(tmp_path / "new.csv", index=False)
    policy = tmp_path / "policy.toml"
    policy.write_text("positive = 'yes'\n[group_limits.recall]\nmin_change = -0.2\n")
    command = ["compare", tmp_path / "base.csv", tmp_path / "new.csv", "--policy", policy]
    command += ["--prediction", "base", "--new-prediction", "new", "--json"]
    found = CliRunner().invoke(app, [*map(str, command), "--group", "region"])
    expected = Policy.from_toml(policy).decide(compared(table))
    assert json.loads(found.stdout)["checks"] == expected.to_dict()["checks"]
    with pytest.raises(InvalidInputError, match="the limit group_limits needs groups, got no --gr"):
        CliRunner().invoke(app, list(map(str, command)), catch_exceptions=False)
