"""Budgets: what is read, what they allow, and how they are approached."""

from dataclasses import dataclass

import numpy as np
import pytest

from holdfast import InvalidInputError
from holdfast.exceptions import InfeasibleBudgetError
from holdfast.selection.budget import Budget, cautious, choose_cautiously


@dataclass(frozen=True)
class Point:
    risk: float = 0.5
    accuracy: float = 0.9
    share: float = 0.1
    others: tuple[float, ...] = ()
    utility: float = 0.8

    def churn(self, kind):
        return self.share


GROUPS = {"country": np.array(["DE", "FR", "DE", "FR"])}
ONES = np.ones(4)


def test_a_budget_is_read():
    limits = {"overall": 0.2, "country=DE": 0.5}
    budget = Budget.of(limits, 0.25, None, "hard")
    assert (budget.max_churn, budget.columns) == (0.2, ["country"])
    assert [one.name for one in budget.others] == ["country=DE", "negative flips"]
    assert Budget.of({"country=DE": 1.5}, None, None, "brier").max_churn == 2.0
    assert Budget.of(None, None, "cold", "hard").min_accuracy == "cold"
    with pytest.raises(InvalidInputError, match="max_churn must be in"):
        Budget.of(1.5, None, None, "hard")
    with pytest.raises(InvalidInputError, match="max_churn must be given with max_negative_flips"):
        Budget.of(None, 0.1, None, "hard")


def test_other_limits_are_shares_of_their_rows():
    budget = Budget.of({"overall": 1.0, "country=DE": 0.5}, 0.25, None, "hard")
    german, flips = budget.bound(GROUPS, ONES, ONES).others
    np.testing.assert_array_equal(german.weight, [0.5, 0, 0.5, 0])  # of the group's rows
    np.testing.assert_array_equal(flips.weight, [0.25, 0.25, 0.25, 0.25])  # of all rows
    changed = np.array([True, False, True, True])
    worse = np.array([True, False, False, True])
    assert german.measure(changed, np.zeros(4), worse) == 1.0
    assert flips.measure(changed, np.zeros(4), worse) == 0.5
    soft = Budget.of({"country=FR": 0.5}, None, None, "kl").bound(GROUPS, ONES, ONES)
    assert soft.others[0].measure(changed, np.array([9.0, 1.0, 9.0, 3.0]), worse) == 2.0


@pytest.mark.parametrize(
    ("budget", "point", "allowed"),
    [
        (Budget(max_churn=0.1), Point(share=0.1 + 1e-10), True),
        (Budget(max_churn=0.1), Point(share=0.11), False),
        (Budget(min_accuracy=0.9), Point(accuracy=0.9 - 1e-10), True),
        (Budget(min_accuracy=0.9), Point(accuracy=0.89, share=0.0), False),
    ],
)
def test_what_a_budget_allows(budget, point, allowed):
    assert budget.allows(point) is allowed


def test_other_limits_are_kept_too():
    budget = Budget.of({"overall": 1.0, "country=DE": 0.5}, 0.25, None, "hard")
    assert budget.allows(Point(others=(0.5, 0.25)))
    assert budget.broken(Point(others=(0.6, 0.3))) == ["country=DE", "negative flips"]
    assert not budget.allows(Point(others=(0.4, 0.3)))


def test_what_is_minimised():
    assert Budget(max_churn=0.1).cost(Point(risk=0.3, share=0.2)) == (0.3, 0.2)
    assert Budget(min_accuracy=0.1).cost(Point(risk=0.3, share=0.2)) == (0.2, 0.3)
    by_utility = Budget(max_churn=0.1, by_utility=True)
    assert by_utility.cost(Point(risk=0.3, share=0.2)) == (-0.8, 0.3, 0.2)


def test_the_accuracy_of_plain_retraining_stands_in_for_cold():
    assert Budget().keeping({"accuracy": 0.7, "utility": 0.6}.get).min_accuracy == 0.7
    assert (
        Budget(min_accuracy="cold").keeping({"accuracy": 0.7, "utility": 0.6}.get).min_accuracy
        == 0.7
    )
    assert (
        Budget(min_accuracy=0.8).keeping({"accuracy": 0.7, "utility": 0.6}.get).min_accuracy == 0.8
    )
    assert Budget(max_churn=0.1).keeping({"accuracy": 0.7, "utility": 0.6}.get).min_accuracy is None
    by_utility = Budget(by_utility=True).keeping({"accuracy": 0.7, "utility": 0.6}.get)
    assert (by_utility.min_accuracy, by_utility.min_utility) == (None, 0.6)
    assert by_utility.allows(Point(utility=0.6, accuracy=0.0))
    assert not by_utility.allows(Point(utility=0.5))


def test_caution_is_half_a_standard_error():
    assert cautious(0.1, np.ones(400)) == pytest.approx(0.1 - 0.5 * np.sqrt(0.1 * 0.9 / 400))
    # Weights are repetitions of rows in this measure only where they are equal.
    assert cautious(0.1, np.full(400, 3.0)) == pytest.approx(cautious(0.1, np.ones(400)))
    assert cautious(0.1, np.repeat([1.0, 0.0], 200)) == pytest.approx(cautious(0.1, np.ones(200)))
    assert cautious(0.001, np.ones(10)) == 0.0
    budget = Budget.of({"overall": 0.4, "country=DE": 0.5}, 0.25, None, "hard")
    inside = budget.bound(GROUPS, ONES, ONES).inside(ONES)
    german, flips = inside.others
    assert inside.max_churn == cautious(0.4, ONES)
    assert german.limit == cautious(0.5, np.ones(2))
    assert flips.limit == cautious(0.25, ONES)


def test_the_whole_budget_is_taken_where_caution_allows_nothing():
    @dataclass(frozen=True)
    class Chosen:
        max_churn: float
        others: dict[str, tuple[float, float]]

    asked = []

    def choose_at(budget):
        asked.append(budget.max_churn)
        if budget.max_churn < 0.1:
            raise InfeasibleBudgetError("nothing")
        return Chosen(budget.max_churn, {})

    assert choose_cautiously(choose_at, Budget(max_churn=0.1), np.ones(100)).max_churn == 0.1
    assert asked == [cautious(0.1, np.ones(100)), 0.1]
    asked.clear()
    assert choose_cautiously(choose_at, Budget(max_churn=0.5), np.ones(100)).max_churn == 0.5
    assert asked == [cautious(0.5, np.ones(100))]
