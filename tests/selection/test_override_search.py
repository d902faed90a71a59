import numpy as np
import pytest

from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.selection.budget import Budget
from holdfast.selection.mixtures import mix
from holdfast.selection.override import override_classes
from holdfast.selection.override_search import CURVE_BUDGETS, select_override

pytestmark = pytest.mark.slow


def draw(n=80, n_classes=3, size=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    good = np.eye(n_classes)[y] * rng.uniform(0, 1.5, (size, n, 1))
    proba = good + rng.dirichlet(np.ones(n_classes), (size, n))
    base = np.where(rng.random(n) < 0.6, y, rng.integers(0, n_classes, n))
    return proba / proba.sum(axis=2, keepdims=True), base, y


def overriding(proba, chosen):
    return mix(proba, chosen.weights, chosen.average_in)


def brute_force(proba, base, y, answered, weight):
    """Measures at every threshold that makes a difference: (churn, accuracy) per candidate."""
    outcomes = []
    for candidate, p in enumerate(proba):
        margin = p.max(1) - p[np.arange(len(y)), base.clip(min=0)]
        levels = np.unique(np.append(margin, 0.0))
        for threshold in np.append((levels[1:] + levels[:-1]) / 2, [0.0, 1.0]):
            served = override_classes(p, base, threshold)
            churn = np.average((served != base)[answered], weights=weight[answered])
            outcomes.append((candidate, churn, np.average(served == y, weights=weight)))
    return outcomes


@pytest.mark.parametrize("seed", range(8))
def test_max_churn_takes_the_most_accurate_that_fits(seed):
    proba, base, y = draw(seed=seed)
    weight = np.random.default_rng(seed).uniform(0.5, 2, len(y))
    everything = np.ones(len(y), dtype=bool)
    for budget in (0.0, 0.05, 0.2, 1.0):
        chosen = select_override(
            proba, base, everything, y, budget=Budget(max_churn=budget), sample_weight=weight
        )
        assert chosen.churn_rate <= budget + 1e-12
        served = override_classes(overriding(proba, chosen), base, chosen.threshold)
        assert chosen.accuracy == pytest.approx(np.average(served == y, weights=weight))
        assert chosen.churn_rate == pytest.approx(np.average(served != base, weights=weight))
        # Each candidate spends the budget as far as it goes; the best of these wins.
        furthest = []
        for candidate in range(3):
            fits = [
                outcome
                for outcome in brute_force(proba, base, y, everything, weight)
                if outcome[0] == candidate and outcome[1] <= budget + 1e-12
            ]
            furthest.append(max(fits, key=lambda outcome: outcome[1])[2])
        assert chosen.accuracy == pytest.approx(max(furthest))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weighted", [False, True])
def test_min_accuracy_takes_the_fewest_changes(seed, weighted):
    proba, base, y = draw(seed=seed)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 2, len(y)) if weighted else np.ones(len(y))
    answered = rng.random(len(y)) > 0.1
    base = np.where(answered, base, -1)
    gone = np.flatnonzero(answered)[:3]
    base[gone] = -1
    outcomes = brute_force(proba, base, y, answered, weight)
    accuracies = [accuracy for _, _, accuracy in outcomes]
    for share in (0.0, 0.4, 0.8, 1.0):
        target = min(accuracies) + share * (max(accuracies) - min(accuracies)) - 1e-9
        chosen = select_override(
            proba, base, answered, y, budget=Budget(min_accuracy=target), sample_weight=weight
        )
        assert chosen.accuracy >= target - 1e-12
        expected = min(churn for _, churn, accuracy in outcomes if accuracy >= target)
        assert chosen.churn_rate == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InfeasibleBudgetError, match="min_accuracy must be at most") as caught:
        select_override(
            proba, base, answered, y, budget=Budget(min_accuracy=1.0), sample_weight=weight
        )
    assert caught.value.highest_accuracy == pytest.approx(max(accuracies))


def test_frontier_runs_from_nothing_changed_to_everything():
    proba, base, y = draw()
    chosen = select_override(proba, base, np.ones(80, dtype=bool), y, budget=Budget(max_churn=0.1))
    curve = chosen.frontier[:CURVE_BUDGETS]
    churn = [point.churn_rate for point in curve]
    assert churn == sorted(churn)
    assert churn[0] == 0
    assert churn[-1] == np.mean(overriding(proba, chosen).argmax(1) != base)
    assert len(chosen.frontier) == CURVE_BUDGETS + 3
    assert chosen.n == 80


@pytest.mark.parametrize("average_in", ["probability", "log_odds"])
def test_an_average_is_taken_before_any_candidate(average_in):
    proba, base, y = draw()
    everything, weights = np.ones(80, dtype=bool), np.array([0.2, 0.5, 0.3])
    budget = Budget(max_churn=0.1)
    chosen = select_override(
        proba, base, everything, y, budget=budget, average=weights, average_in=average_in
    )
    alone = mix(proba, weights, average_in)[None]
    expected = select_override(alone, base, everything, y, budget=budget)
    np.testing.assert_array_equal(chosen.weights, weights)
    for name in ("threshold", "accuracy", "churn_rate"):
        assert getattr(chosen, name) == getattr(expected, name)
    served = override_classes(overriding(proba, chosen), base, chosen.threshold)
    assert chosen.accuracy == np.mean(served == y)


@pytest.mark.parametrize("seed", range(6))
def test_what_changes_least_overrides_where_accuracy_is_kept(seed):
    proba, base, y = draw(seed=seed)
    everything, weights = np.ones(80, dtype=bool), np.array([0.2, 0.5, 0.3])
    budget = Budget(min_accuracy=0.75)
    options = [*proba, mix(proba, weights, "probability")]
    alone = [select_override(p[None], base, everything, y, budget=budget) for p in options]
    chosen = select_override(proba, base, everything, y, budget=budget, average=weights)
    assert chosen.churn_rate == min(one.churn_rate for one in alone)
    poor = np.array([0.9, 0.0, 0.1])
    proba[1] = np.eye(3)[y]  # always right
    budget = Budget(min_accuracy=1.0)
    chosen = select_override(proba, base, everything, y, budget=budget, average=poor)
    assert chosen.weights.tolist() == [0, 1, 0]
    with pytest.raises(InfeasibleBudgetError, match="min_accuracy must be at most"):
        select_override(proba[[0, 2, 2]], base, everything, y, budget=budget, average=poor)


def test_answers_that_are_gone_exceed_the_budget_by_themselves():
    proba, base, y = draw()
    base[:8] = -1
    everything = np.ones(80, dtype=bool)
    with pytest.raises(InfeasibleBudgetError, match=r"must be at least 0\.1 ") as caught:
        select_override(proba, base, everything, y, budget=Budget(max_churn=0.05))
    assert caught.value.lowest_churn == pytest.approx(0.1)
    chosen = select_override(proba, base, everything, y, budget=Budget(max_churn=0.1))
    assert chosen.churn_rate == pytest.approx(0.1)


def test_no_base_prediction_at_all():
    proba, base, y = draw()
    with pytest.raises(InvalidInputError, match="at least one selection row"):
        select_override(proba, base, np.zeros(80, dtype=bool), y, budget=Budget(max_churn=0.1))
