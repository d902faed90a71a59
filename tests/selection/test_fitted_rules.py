"""Thresholds that are fitted to rows, against the best of all thresholds."""

import numpy as np
import pytest

from holdfast.rules import Argmax, Threshold, TopShare
from holdfast.selection.budget import Budget
from holdfast.selection.fitted_rules import Retuned, SameRate, TopShareOfRows

CLASSES = np.array(["no", "yes"])
ARGMAX = Argmax().bind(CLASSES)
GROUPS = {"country": np.repeat(["DE", "FR"], 60)}


def draw(seed, ties=False):
    rng = np.random.default_rng(seed)
    score = rng.beta(0.5, 2, 120)
    if ties:
        score = score.round(1)
    y = (rng.random(120) < score).astype(np.intp)
    base = np.where(rng.random(120) < 0.8, score > 0.3, rng.random(120) < 0.5).astype(np.intp)
    return np.column_stack([1 - score, score]), y, base, rng.uniform(0.5, 2, 120)


def thresholds(proba):
    """Return a threshold for each way that one can part the rows."""
    levels = np.unique(proba[:, 1])
    return np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [(levels[-1] + 1) / 2]])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_the_rate_is_the_nearest_to_the_base_model_s(seed, ties):
    proba, _, base, weight = draw(seed, ties)
    rate = np.average(base == 1, weights=weight)
    found = SameRate(ARGMAX, None, positive=1, rate=rate, weight=weight).rule_of(proba)
    rates = [np.average(proba[:, 1] >= t, weights=weight) for t in thresholds(proba)]
    own = np.average(found.decide(proba) == 1, weights=weight)
    assert abs(own - rate) == pytest.approx(min(abs(np.array(rates) - rate)))
    assert found.distance(proba).min() > 0  # no row lies at the threshold


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_the_best_of_all_thresholds_inside_the_budget(seed, ties):
    proba, y, base, weight = draw(seed, ties)
    utility = Threshold(0.2, positive="yes").bind(CLASSES).utility
    budget = Budget.of({"overall": 0.15, "country=DE": 0.2}, 0.05, None, "hard")
    budget = budget.bound(GROUPS, weight, weight)
    tuned = Retuned(
        ARGMAX, utility, True, positive=1, y=y, base_pred=base, weight=weight, answer_weight=weight
    )

    def measured(t):
        answers = (proba[:, 1] >= t).astype(np.intp)
        changed = answers != base
        worse = utility[answers, y] < utility[base, y]
        german = GROUPS["country"] == "DE"
        return (
            np.average(utility[answers, y], weights=weight),
            np.average(changed, weights=weight) <= 0.15
            and np.average(changed[german], weights=weight[german]) <= 0.2
            and np.average(worse, weights=weight) <= 0.05,
            np.average(changed, weights=weight),
        )

    every = [measured(t) for t in thresholds(proba)]
    free = measured(tuned.rule_of(proba).rule.threshold)
    assert free[0] == pytest.approx(max(value for value, _, _ in every))
    inside = measured(tuned.under(budget).rule_of(proba).rule.threshold)
    allowed = [value for value, kept, _ in every if kept]
    if allowed:
        assert inside[1]
        assert inside[0] == pytest.approx(max(allowed))
    else:
        assert inside[2] == pytest.approx(min(churn for _, _, churn in every))
    # With a utility to keep, the least churn among those that keep it.
    least = 0.5 * (free[0] + min(value for value, _, _ in every))
    keeping = Budget(min_utility=least, by_utility=True)
    kept = measured(tuned.under(keeping).rule_of(proba).rule.threshold)
    assert kept[0] >= least - 1e-9
    assert kept[2] == pytest.approx(min(churn for value, _, churn in every if value >= least))


def test_scores_of_one_leave_no_threshold_above():
    proba = np.array([[0.0, 1.0], [0.4, 0.6], [1.0, 0.0]])
    rule = SameRate(ARGMAX, None, positive=1, rate=0.0, weight=np.ones(3)).rule_of(proba)
    assert rule.decide(proba).tolist() == [1, 0, 0]


def test_a_share_of_the_rows():
    proba, _, _, weight = draw(0)
    share = TopShare(0.1, positive="yes")
    found = TopShareOfRows(ARGMAX, None, share=share, weight=weight).rule_of(proba)
    expected = share.fit(proba, classes=CLASSES, sample_weight=weight)
    assert found.rule == expected
    assert np.average(found.decide(proba) == 1, weights=weight) <= 0.1
