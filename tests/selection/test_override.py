from itertools import product

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.selection.override import override_classes, override_proba, override_threshold


def draw(n=10, n_classes=3, seed=0, gone=0.0):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, n_classes, n)
    base[rng.random(n) < gone] = -1
    return rng.dirichlet(np.ones(n_classes), n), base


def expected_accuracy(p, served):
    return p[np.arange(len(p)), served].sum()


def best_of_all_subsets(p, base, budget, weight):
    """The highest expected accuracy among all sets of rows that may change."""
    best = -np.inf
    top = p.argmax(axis=1)
    for chosen in product([False, True], repeat=len(p)):
        served = np.where(chosen, top, base)
        churn = weight[served != base].sum() / weight.sum()
        if churn <= budget + 1e-12 and (served >= 0).all():
            best = max(best, expected_accuracy(p, served))
    return best


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("n", [1, 7, 10])
@pytest.mark.parametrize("budget", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_best_among_all_subsets(n, n_classes, budget):
    for seed in range(3):
        p, base = draw(n, n_classes, seed)
        tau = override_threshold(p, base, max_churn=budget)
        served = override_classes(p, base, tau)
        assert np.mean(served != base) <= budget + 1e-12
        best = best_of_all_subsets(p, base, budget, np.ones(n))
        assert expected_accuracy(p, served) == pytest.approx(best, abs=1e-12)


def test_best_among_all_subsets_where_classes_are_gone():
    for seed in range(5):
        p, base = draw(8, 3, seed, gone=0.2)
        must = np.mean(base < 0)
        for budget in (must, 0.5, 0.75, 1.0):
            tau = override_threshold(p, base, max_churn=budget)
            served = override_classes(p, base, tau)
            assert np.mean(served != base) <= budget + 1e-12
            best = best_of_all_subsets(p, base, budget, np.ones(8))
            assert expected_accuracy(p, served) == pytest.approx(best, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans())
def test_ties_and_weights_never_exceed_the_budget(seed, budget, weighted):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(4, [0.3, 0.3, 0.4], size=9)
    p, base = counts / 4, rng.integers(0, 3, 9)
    weight = rng.integers(0, 3, 9) + np.eye(9)[0] if weighted else np.ones(9)
    tau = override_threshold(p, base, max_churn=budget, sample_weight=weight)
    served = override_classes(p, base, tau)
    assert weight[served != base].sum() <= budget * weight.sum() + 1e-9
    # τ is the least: the next margin below it, changed too, would exceed the budget.
    margin = p.max(axis=1) - p[np.arange(9), base]
    more = margin[(margin <= tau) & (margin > 0)]
    if len(more):
        assert weight[margin >= more.max()].sum() > budget * weight.sum()


def test_weights_are_repetitions():
    p, base = draw(10)
    weight = np.arange(10) % 3
    for budget in np.linspace(0, 1, 8):
        tau = override_threshold(p, base, max_churn=budget, sample_weight=weight)
        many = override_threshold(
            np.repeat(p, weight, axis=0), np.repeat(base, weight), max_churn=budget
        )
        counted = weight > 0
        np.testing.assert_array_equal(
            override_classes(p, base, tau)[counted], override_classes(p, base, many)[counted]
        )


def test_churn_grows_with_the_budget():
    p, base = draw(200, 4)
    budgets = np.linspace(0, 1, 21)
    taus = [override_threshold(p, base, max_churn=budget) for budget in budgets]
    churns = [np.mean(override_classes(p, base, tau) != base) for tau in taus]
    assert taus == sorted(taus, reverse=True)
    assert churns == sorted(churns)
    assert (churns[0], taus[-1]) == (0, 0)
    assert churns[-1] == np.mean(p.argmax(axis=1) != base)
    np.testing.assert_array_equal(override_classes(p, base, 0), p.argmax(axis=1))
    np.testing.assert_array_equal(override_classes(p, base, 1), base)


def test_the_threshold_lies_between_margins():
    p = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    tau = override_threshold(p, [0, 0, 0], max_churn=0.4)
    assert tau == pytest.approx(0.7)
    assert override_threshold(p, [0, 0, 0], max_churn=0.0) == pytest.approx(0.8)
    assert override_threshold(p, [1, 1, 1], max_churn=0.0) == 0
    # Only the row whose class is gone changes, even beside a margin of 1.
    gone = np.array([[0.6, 0.4], [0.0, 1.0]])
    tau = override_threshold(gone, [-1, 0], max_churn=0.5)
    assert override_classes(gone, [-1, 0], tau).tolist() == [0, 0]


def test_probabilities_that_sum_to_nearly_one():
    p = np.array([[0.0, 1.0008], [0.0, 1.0004], [0.3, 0.7]])
    for budget in (0.0, 0.34, 0.67, 1.0):
        base = np.array([-1, 0, 0])
        if budget == 0:
            continue
        tau = override_threshold(p, base, max_churn=budget)
        served = override_classes(p, base, tau)
        assert np.mean(served != base) <= budget
        proba = override_proba(p, base, tau)
        np.testing.assert_array_equal(proba.argmax(axis=1), served)


def test_infeasible_budget_names_the_lowest_churn():
    p = np.full((4, 2), 0.5)
    with pytest.raises(
        InfeasibleBudgetError, match=r"max_churn must be at least 0\.5 here, got 0\.2"
    ) as caught:
        override_threshold(p, [-1, -1, 0, 1], max_churn=0.2)
    assert caught.value.lowest_churn == 0.5
    with pytest.raises(InfeasibleBudgetError, match=r"at least 0\.1 here") as caught:
        override_threshold(p, [-1, 0, 0, 0], max_churn=0, sample_weight=[1, 3, 3, 3])
    assert caught.value.lowest_churn == pytest.approx(0.1)
    assert override_threshold(p, [-1, 0, 0, 0], max_churn=0, sample_weight=[0, 1, 1, 1]) >= 0


# --- probabilities -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("n_classes", [2, 3, 10, 200])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 1.0])
def test_largest_probability_is_the_served_class(n_classes, threshold, dtype):
    p, base = draw(500, n_classes, gone=0.1)
    p = p.astype(dtype)
    served = override_classes(p, base, threshold)
    proba = override_proba(p, base, threshold)
    np.testing.assert_array_equal(proba.argmax(axis=1), served)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-3 if dtype == np.float16 else 1e-6)
    assert proba.min() >= 0
    still = served == p.argmax(axis=1)
    np.testing.assert_array_equal(proba[still], p[still])
    top_two = np.sort(proba[~still], axis=1)[:, -2:]
    assert (top_two[:, 1] > top_two[:, 0]).all()


def test_exact_ties():
    p = np.array([[0.5, 0.5], [0.25, 0.75], [1 / 3, 2 / 3]])
    proba = override_proba(p, [1, 0, 0], 1)
    np.testing.assert_array_equal(proba.argmax(axis=1), [1, 0, 0])
    np.testing.assert_allclose(proba, 0.5, atol=1e-8)
    certain = override_proba([[0.0, 0.0, 1.0]], [0], 1)
    np.testing.assert_allclose(certain, [[0.5, 0.0, 0.5]], atol=1e-8)
    even = override_proba(np.full((1, 4), 0.25), [2], 1)
    np.testing.assert_allclose(even, 0.25, atol=1e-8)
    assert even.argmax() == 2


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_equals_the_euclidean_projection(n_classes):
    p, base = draw(8, n_classes, seed=n_classes)
    found = override_proba(p, base, 1)
    for row, b, q in zip(p, base, found, strict=True):
        x = cp.Variable(n_classes)
        limits = [cp.sum(x) == 1, x >= 0, x <= x[int(b)]]
        cp.Problem(cp.Minimize(cp.sum_squares(x - row)), limits).solve(solver=cp.CLARABEL)
        np.testing.assert_allclose(q, x.value, atol=1e-5)


# --- bad input -----------------------------------------------------------------------------------

HALF = [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("p", "base", "match"),
    [
        (HALF, [2], r"base_pred must be columns from 0 to 1 \(or -1\) .* got 2 to 2"),
        (HALF, [-2], "base_pred must be columns from 0 to 1"),
        (HALF, [0.0], r"base_pred must be columns .* got float64 \(1,\)"),
        (HALF, ["a"], "base_pred must be columns from 0 to 1"),
        (HALF, [True], "base_pred must be columns from 0 to 1"),
        (HALF, [[0]], r"base_pred must be columns .* got int64 \(1, 1\)"),
        (HALF, None, "base_pred must be an array, got None"),
        (HALF, [0, 1], "new_proba and base_pred must have the same number of rows"),
        ([0.5], [0], "new_proba must be probabilities of shape"),
        ([[0.5, 0.4]], [0], "new_proba must sum to 1"),
        ([[np.nan, np.nan]], [0], "new_proba must not have missing values"),
        ([[3.0, -2.0]], [0], "look like logits"),
    ],
)
def test_bad_input(p, base, match):
    for call in (
        lambda: override_threshold(p, base, max_churn=0.1),
        lambda: override_classes(p, base, 0.1),
        lambda: override_proba(p, base, 0.1),
    ):
        with pytest.raises(InvalidInputError, match=match):
            call()


@pytest.mark.parametrize("value", [-0.1, 1.7, np.nan, np.inf, None, "0.1"])
def test_numbers_out_of_range(value):
    with pytest.raises(InvalidInputError, match=r"max_churn must be in \[0, 1\]"):
        override_threshold(HALF, [0], max_churn=value)
    for call in (override_classes, override_proba):
        with pytest.raises(InvalidInputError, match="threshold must be in"):
            call(HALF, [0], value)


def test_bad_weights():
    with pytest.raises(InvalidInputError, match="sample_weight must be finite and >= 0"):
        override_threshold(HALF, [0], max_churn=0.1, sample_weight=[-1])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_columns_of_every_integer_type(dtype):
    p, base = draw(20)
    tau = override_threshold(p, base.astype(dtype), max_churn=0.3)
    served = override_classes(p, base.astype(dtype), tau)
    np.testing.assert_array_equal(served, override_classes(p, base, tau))
