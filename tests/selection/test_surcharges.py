"""Overrides under several limits, against the best of all subsets of rows."""

from itertools import product

import numpy as np
import pytest

from holdfast.rules import Costs
from holdfast.selection.answering import Answering
from holdfast.selection.budget import Budget
from holdfast.selection.limits import Limit
from holdfast.selection.override_search import select_override
from holdfast.selection.surcharges import ChangedRows, least_surcharges

N = 11
EVERY = np.array(list(product([False, True], repeat=N)))


def draw(seed):
    """Return rows under a random cost matrix, with groups, weights and limits."""
    rng = np.random.default_rng(seed)
    costs = rng.uniform(0.5, 5, (3, 3))
    np.fill_diagonal(costs, 0)
    rule = Costs(costs).bind(np.arange(3))
    answering = Answering(rule, rule.utility, True)
    proba = rng.dirichlet(np.ones(3), N)
    base, y = rng.integers(0, 3, N), rng.integers(0, 3, N)
    weight = rng.uniform(0.3, 3, N) if seed % 2 else np.ones(N)
    groups = {"g": np.where(np.arange(N) % 3 == 0, "a", "b")}
    limits = {"overall": rng.uniform(0.2, 0.6), "g=a": rng.uniform(0.1, 0.6)}
    return answering, proba, base, y, weight, groups, Budget.of(limits, None, None, "hard")


def shares(changed, weight, groups):
    german = weight * (groups["g"] == "a")
    return changed @ weight / weight.sum(), changed @ german / german.sum()


@pytest.mark.parametrize("block", range(5))
def test_nothing_is_lost_but_the_rows_at_the_boundary(block):
    worse = {"charged": 0, "common": 0}
    for seed in range(30 * block, 30 * block + 30):
        answering, proba, base, y, weight, groups, budget = draw(seed)
        budget = budget.bound(groups, weight, weight)
        gain = answering.gains(proba, answering.decide(proba), base)
        rows = np.ones(N, dtype=bool)
        allowed = np.array(shares(EVERY, weight, groups)).T
        inside = (allowed <= [budget.max_churn + 1e-12, budget.others[0].limit + 1e-12]).all(1)
        best = (EVERY[inside] * gain * weight).sum(axis=1).max()
        found = {}
        for name, known in (("charged", groups), ("common", {})):
            chosen = select_override(
                proba[None], base, rows, y, budget=budget, answering=answering,
                sample_weight=weight, groups=known,
            )  # fmt: skip
            top = chosen.rule.decide(proba)
            net = answering.net_gains(proba, top, base, chosen.surcharges, groups)
            changed = (net > chosen.threshold) & (top != base)
            one, other = shares(changed, weight, groups)
            assert one <= budget.max_churn + 1e-9
            assert other <= budget.others[0].limit + 1e-9
            found[name] = (changed * gain * weight).sum()
            assert found[name] <= best + 1e-9
            worse[name] += found[name] < best - 1e-9
        assert found["charged"] >= found["common"] - 1e-12
        boundary = np.sort(np.maximum(gain * weight, 0))[-2:].sum()  # one row for each limit
        assert found["charged"] >= best - boundary - 1e-9
    assert worse["charged"] <= worse["common"]


def test_a_row_of_a_dear_group_must_gain_more():
    gain = np.array([0.9, 0.8, 0.7, 0.6])
    proba = np.tile([0.1, 0.9], (4, 1))
    groups = {"country": np.array(["DE", "DE", "FR", "FR"])}
    zeros, ones = np.zeros(4, dtype=np.intp), np.ones(4, dtype=np.intp)
    rows = ChangedRows(gain, proba, ones, zeros, np.eye(2), groups)
    limit = Limit("country=DE", 0.5, True, "country", "DE", np.array([0.5, 0.5, 0, 0]))
    (charge,) = least_surcharges(
        rows, [limit], max_churn=0.75, weight=np.ones(4), known=np.ones(4, dtype=bool)
    )
    assert (charge.column, charge.value) == ("country", "DE")
    net = rows.net_gain([charge])
    np.testing.assert_allclose(net, gain - charge.amount * np.array([1, 1, 0, 0]))
    threshold = np.sort(net)[::-1][2]
    assert (net >= threshold).tolist() == [True, False, True, True]


def test_negative_flips_are_charged_by_their_probability():
    utility = np.eye(3)
    proba = np.array([[0.2, 0.5, 0.3], [0.1, 0.6, 0.3]])
    own, base = np.array([1, 1]), np.array([0, -1])
    rows = ChangedRows(np.array([0.3, np.inf]), proba, own, base, utility, {})
    assert rows.density(Limit("negative flips", 0.1, True)).tolist() == [0.2, 0.0]
