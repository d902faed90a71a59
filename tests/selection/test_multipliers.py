from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from holdfast.exceptions import InfeasibleBudgetError
from holdfast.selection.multipliers import Multipliers, least_multipliers
from holdfast.selection.override import least_threshold


def draw(rng, n, n_limits, *, decimals=None, weighted=True):
    """Return gains under a random utility, weights, and costs: churn, group, base right, group."""
    p = rng.dirichlet(np.ones(4), n)
    base, group = rng.integers(0, 4, n), rng.random(n) < 0.5
    utility = p @ rng.normal(size=(4, 4))
    rows = np.arange(n)
    new = np.where(rng.random(n) < 0.8, utility.argmax(axis=1), rng.integers(0, 4, n))
    gain = utility[rows, new] - utility[rows, base]
    if decimals is not None:
        gain = gain.round(decimals)
    weight = rng.exponential(size=n) + 0.05 if weighted else np.ones(n)
    right = weight * (p[rows, base] if decimals is None else group)
    costs = [weight, weight * group, right, weight * ~group]
    totals = [weight.sum(), costs[1].sum(), weight.sum(), costs[3].sum()]
    costs = np.array([c / max(t, 1e-9) for c, t in zip(costs, totals, strict=True)])
    return gain, weight, costs[:n_limits], rng.uniform(0, 0.6, n_limits)


def keeps(costs, limits, changed):
    return bool((costs[:, changed].sum(axis=1) <= np.asarray(limits) + 1e-12).all())


def served(gain, weight, costs, limits):
    """Return the rows that the rule changes, which keep the limits."""
    changed = least_multipliers(gain, weight, costs, limits).changes(gain, (costs / weight).T)
    assert keeps(costs, limits, changed)
    return changed


def best_of_all_subsets(value, costs, limits):
    subsets = np.array(list(product([0.0, 1.0], repeat=len(value))))
    allowed = (subsets @ costs.T <= np.asarray(limits) + 1e-12).all(axis=1)
    return (subsets[allowed] @ value).max()


def best_common_threshold(gain, value, costs, limits):
    """The highest value under one threshold for all rows, 0 where nothing can change."""
    sets = [gain > threshold for threshold in np.append(gain[gain > 0], 0.0)]
    return max(value[rows].sum() for rows in sets if keeps(costs, limits, rows))


@pytest.mark.parametrize("n_limits", [1, 2, 3, 4])
def test_all_subsets_are_better_by_the_largest_rows_at_most(n_limits):
    rng = np.random.default_rng(n_limits)
    common, rule, best = [], [], []
    for _ in range(100):
        gain, weight, costs, limits = draw(rng, int(rng.integers(1, 13)), n_limits)
        value = weight * gain
        rule.append(value[served(gain, weight, costs, limits)].sum())
        best.append(best_of_all_subsets(value, costs, limits))
        common.append(best_common_threshold(gain, value, costs, limits))
        largest = np.sort(value.clip(min=0))[-n_limits:].sum()
        assert best[-1] - largest - 1e-9 <= rule[-1] <= best[-1] + 1e-9
        assert rule[-1] >= common[-1] - 1e-9
    if n_limits > 1:
        assert np.mean(np.array(rule) > np.array(common) + 1e-9) > 0.25
        assert sum(best) - sum(rule) < 0.7 * (sum(best) - sum(common))


@pytest.mark.parametrize("n", [12, 60, 500])
@pytest.mark.parametrize("n_limits", [1, 2, 3, 4])
def test_the_linear_relaxation_is_better_by_its_partly_changed_rows_at_most(n, n_limits):
    rng = np.random.default_rng(n + n_limits)
    for _ in range(20):
        gain, weight, costs, limits = draw(rng, n, n_limits)
        value = weight * gain
        relaxed = linprog(-value, A_ub=costs, b_ub=limits, bounds=(0, 1))
        partly = (relaxed.x > 1e-9) & (relaxed.x < 1 - 1e-9)
        assert partly.sum() <= n_limits
        short = -relaxed.fun - value[served(gain, weight, costs, limits)].sum()
        assert short <= (relaxed.x * value)[partly].sum() + 1e-6


def test_one_limit_on_equal_rows_is_solved_exactly():
    rng = np.random.default_rng(0)
    for _ in range(100):
        gain, weight, costs, limits = draw(rng, 10, 1, weighted=False)
        value = gain[served(gain, weight, costs, limits)].sum()
        assert value == pytest.approx(best_of_all_subsets(gain, costs, limits), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_limit_on_churn_gives_the_single_threshold(decimals, weighted):
    rng = np.random.default_rng(1)
    for _ in range(200):
        gain, weight, costs, limits = draw(rng, 10, 1, decimals=decimals, weighted=weighted)
        gain[rng.random(10) < 0.05] = np.inf
        limits = limits + costs[:, np.isinf(gain)].sum()
        threshold = least_threshold(gain, weight, limits[0])
        rule = least_multipliers(gain, weight, costs, limits)
        density = (costs / weight).T
        np.testing.assert_array_equal(rule.changes(gain, density), gain > threshold)
        if np.isfinite(gain.max()):
            assert rule.threshold(density) == pytest.approx(threshold, rel=2e-6)


@pytest.mark.parametrize("n_limits", [1, 2, 3, 4])
def test_tied_rows_change_together_and_limits_are_kept(n_limits):
    rng = np.random.default_rng(n_limits)
    for _ in range(100):
        gain, weight, costs, limits = draw(rng, 30, n_limits, decimals=1)
        changed = served(gain, weight, costs, limits)
        kinds = np.column_stack([gain, (costs / weight).T.round(9)])
        for kind in np.unique(kinds, axis=0):
            assert len(set(changed[(kinds == kind).all(axis=1)])) == 1
        assert not changed[gain <= 0].any()
        value = weight * gain
        common = best_common_threshold(gain, value, costs, limits)
        assert value[changed].sum() >= common - 1e-9


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("n_limits", [1, 2, 4])
def test_rounding_does_not_decide(n_limits, decimals):
    rng = np.random.default_rng(n_limits)
    for _ in range(100):
        gain, weight, costs, limits = draw(rng, 30, n_limits, decimals=decimals)
        rule = least_multipliers(gain, weight, costs, limits)
        density = (costs / weight).T
        positive = gain > 0
        away = np.abs(gain / rule.threshold(density).clip(min=1e-300) - 1)[positive]
        assert away.min(initial=1.0) > 1e-9


def test_rows_that_must_change_are_paid_first():
    rng = np.random.default_rng(2)
    for _ in range(100):
        gain, weight, costs, limits = draw(rng, 10, 3)
        must = rng.random(10) < 0.2
        gain[must] = np.inf
        limits = limits + costs[:, must].sum(axis=1)
        changed = served(gain, weight, costs, limits)
        assert changed[must].all()
        room = limits - costs[:, must].sum(axis=1)
        alone = served(gain[~must], weight[~must], costs[:, ~must], room)
        np.testing.assert_array_equal(changed[~must], alone)


def test_rows_that_must_change_and_break_a_limit_are_reported():
    gain, costs = np.array([np.inf, np.inf, 0.5, 0.1]), [np.full(4, 0.25), np.eye(4)[0]]
    with pytest.raises(InfeasibleBudgetError, match=r"limits\[0\] must be at least 0.5 here") as e:
        least_multipliers(gain, np.ones(4), costs, [0.3, 1.0])
    assert e.value.lowest_churn == 0.5
    with pytest.raises(InfeasibleBudgetError, match=r"country=DE must be at least 1 here, got 0.9"):
        least_multipliers(gain, np.ones(4), costs, [0.5, 0.9], names=["churn", "country=DE"])
    rule = least_multipliers(gain, np.ones(4), costs, [0.5, 1.0])  # exactly kept
    assert rule.changes(gain, np.transpose(costs)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("n_limits", [1, 2, 3, 4])
def test_limits_of_zero_leave_only_changes_that_cost_nothing(n_limits):
    rng = np.random.default_rng(n_limits)
    gain, weight, costs, _ = draw(rng, 12, n_limits)
    costs[:, :4] = 0.0
    changed = served(gain, weight, costs, np.zeros(n_limits))
    np.testing.assert_array_equal(changed, (gain > 0) & (costs == 0).all(axis=0))


def test_limits_with_room_for_all_have_multipliers_of_zero():
    gain, weight, costs, _ = draw(np.random.default_rng(0), 12, 3)
    np.testing.assert_array_equal(least_multipliers(gain, weight, costs, np.ones(3)).values, 0.0)
    assert least_multipliers(gain, weight, [], []).values.shape == (0,)
    np.testing.assert_array_equal(served(gain, weight, costs, np.ones(3)), gain > 0)
    # One limit alone may bind: the other's multiplier stays 0.
    for loose in (1.0, np.inf):
        one = least_multipliers(gain, weight, costs, [0.2, loose, loose]).values
        assert one[0] > 0
        np.testing.assert_array_equal(one[1:], 0.0)


def test_weights_are_repetitions():
    rng = np.random.default_rng(3)
    for _ in range(30):
        gain, weight, costs, limits = draw(rng, 12, 3, weighted=False)
        repeats = rng.integers(0, 3, 12)
        once = least_multipliers(gain, repeats, costs * repeats, limits)
        again = np.repeat(np.arange(12), repeats)
        full = least_multipliers(gain[again], weight[again], costs[:, again], limits)
        counted = repeats > 0
        np.testing.assert_array_equal(
            once.changes(gain, costs.T)[counted], full.changes(gain, costs.T)[counted]
        )


def test_many_rows_come_within_the_partly_changed_rows_of_the_relaxation():
    rng = np.random.default_rng(4)
    gain, weight, costs, _ = draw(rng, 30_000, 4)
    limits = [0.1, 0.05, 0.03, 0.2]
    value = weight * gain
    may = gain > 0
    unit = costs.max(axis=1, keepdims=True)
    relaxed = linprog(
        -value[may], A_ub=(costs / unit)[:, may], b_ub=limits / unit[:, 0], bounds=(0, 1)
    )
    changed = served(gain, weight, costs, limits)
    assert -relaxed.fun - value[changed].sum() <= np.sort(value)[-4:].sum()


def test_the_rule_of_new_rows():
    rule = Multipliers(np.array([2.0, 0.0]))
    density = [[0.1, 9.0], [0.1, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 0.0]]
    assert rule.threshold(density).tolist() == [0.2, 0.2, 0.0, 1.0, 0.0]
    changes = rule.changes([0.3, 0.2, 0.0, np.inf, -1.0], density)
    assert changes.tolist() == [True, False, False, True, False]
