import numpy as np
import pytest
from scipy.optimize import approx_fprime, linprog

from holdfast.metrics import churn_divergence, churn_rate, risk
from holdfast.selection.answering import Answering
from holdfast.selection.mixtures import Mixtures, mix
from holdfast.selection.regression import Moves
from holdfast.selection.solver import solve

pytestmark = pytest.mark.slow

SPACES = [("kl", "probability"), ("brier", "probability"), ("kl", "log_odds")]


def problem(divergence="kl", average_in="probability", size=4, n=40, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 2, n)
    known = np.where(np.arange(n) % 5 == 0, 0.0, weight)
    base = rng.dirichlet(np.ones(n_classes), n)
    return Mixtures(
        proba=rng.dirichlet(np.ones(n_classes), (size, n)),
        base=base,
        y=rng.integers(0, n_classes, n),
        base_pred=base.argmax(axis=1),
        risk_weight=weight / weight.sum(),
        churn_weight=known / known.sum(),
        answer_weight=known / known.sum(),
        divergence=divergence,
        average_in=average_in,
        answering=Answering.argmax(np.arange(n_classes)),
    )


def moves(seed=0, size=4, n=40):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 2, n)
    return Moves(
        values=rng.normal(size=(size, n)) + 100,
        base=rng.normal(size=n) + 100,
        y=rng.normal(size=n) + 100,
        tolerance=0.5,
        risk_weight=weight / weight.sum(),
        churn_weight=weight / weight.sum(),
    )


@pytest.mark.parametrize(("divergence", "average_in"), SPACES)
def test_values_are_the_metrics_on_the_simplex(divergence, average_in):
    mixtures = problem(divergence, average_in)
    for weights in np.random.default_rng(1).dirichlet(np.ones(4), 5):
        mixture = mixtures.mix(weights)
        expected_risk = risk(
            mixtures.y,
            mixture,
            loss=mixtures.loss,
            sample_weight=mixtures.risk_weight,
        )
        expected_churn = churn_divergence(
            mixtures.base, mixture, divergence=divergence, sample_weight=mixtures.churn_weight
        )
        assert mixtures.risk(weights)[0] == pytest.approx(expected_risk, abs=1e-12)
        assert mixtures.churn(weights)[0] == pytest.approx(expected_churn, abs=1e-12)
        measures = mixtures.measure(weights)
        assert measures.risk == pytest.approx(expected_risk, abs=1e-12)
        assert measures.soft_churn == pytest.approx(expected_churn, abs=1e-12)
        assert measures.churn_rate == pytest.approx(
            churn_rate(mixtures.base_pred, mixture.argmax(1), sample_weight=mixtures.answer_weight),
            abs=1e-12,
        )
        assert measures.accuracy == pytest.approx(
            np.average(mixture.argmax(1) == mixtures.y, weights=mixtures.risk_weight), abs=1e-12
        )
        rows = mixtures.per_row(weights)
        assert rows.loss @ mixtures.risk_weight == pytest.approx(expected_risk, abs=1e-12)
        assert rows.divergence @ mixtures.churn_weight == pytest.approx(expected_churn, abs=1e-12)


@pytest.mark.parametrize(("divergence", "average_in"), SPACES)
def test_gradients_against_finite_differences(divergence, average_in):
    mixtures = problem(divergence, average_in, seed=3)
    check_gradients(mixtures, atol=1e-5)


def test_gradients_of_regressors_against_finite_differences():
    check_gradients(moves(seed=3), atol=1e-3)


def check_gradients(mixtures, atol):
    for function in (mixtures.risk, mixtures.churn):
        for weights in np.random.default_rng(2).dirichlet(np.ones(4), 4):
            numeric = approx_fprime(weights, lambda w, f=function: f(w)[0], 1e-7)
            np.testing.assert_allclose(function(weights)[1], numeric, atol=atol)


@pytest.mark.parametrize(("divergence", "average_in"), SPACES)
def test_functions_are_convex_along_segments(divergence, average_in):
    mixtures = problem(divergence, average_in, seed=5)
    ends = np.random.default_rng(4).dirichlet(np.ones(4), 6)
    for function in (mixtures.risk, mixtures.churn):
        for a, b in zip(ends, ends[::-1], strict=True):
            middle = function((a + b) / 2)[0]
            assert middle <= (function(a)[0] + function(b)[0]) / 2 + 1e-12


def test_mix_in_both_spaces():
    proba = np.array([[[0.9, 0.1]], [[0.5, 0.5]]])
    np.testing.assert_allclose(mix(proba, np.array([0.5, 0.5]), "probability"), [[0.7, 0.3]])
    np.testing.assert_allclose(mix(proba, np.array([0.5, 0.5]), "log_odds"), [[0.75, 0.25]])
    np.testing.assert_array_equal(mix(proba, np.array([0.0, 1.0]), "log_odds"), [[0.5, 0.5]])


def test_log_odds_of_sure_models_stay_finite():
    proba = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    mixed = mix(proba, np.array([0.5, 0.5]), "log_odds")
    np.testing.assert_allclose(mixed, [[0.5, 0.5]])


# --- the solver -----------------------------------------------------------------------------------


def quadratic(centre):
    return lambda w: (float(((w - centre) ** 2).sum()), 2 * (w - centre))


def test_solve_finds_the_projection_onto_the_simplex():
    found = solve(quadratic(np.array([0.5, 0.9, -1.0])), 3, start=np.array([1.0, 0, 0]))
    np.testing.assert_allclose(found, [0.3, 0.7, 0.0], atol=1e-7)


def test_solve_is_feasible_and_as_good_as_linear_programming():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cost, price = rng.normal(size=6), rng.uniform(0, 1, 6)
        limit = price.min() + 0.3 * (price.max() - price.min())
        start = np.eye(6)[price.argmin()]
        found = solve(
            lambda w, c=cost: (float(c @ w), c),
            6,
            start=start,
            constraints=[(lambda w, p=price: (float(p @ w), p), limit)],
        )
        exact = linprog(cost, A_ub=[price], b_ub=[limit], A_eq=[np.ones(6)], b_eq=[1])
        assert price @ found <= limit + 1e-9
        assert found.sum() == pytest.approx(1)
        assert cost @ found == pytest.approx(exact.fun, abs=1e-7)


def test_solve_never_returns_worse_than_its_start():
    start = np.array([0.2, 0.8])
    found = solve(quadratic(np.array([0.2, 0.8])), 2, start=start)
    np.testing.assert_allclose(found, start, atol=1e-7)
    assert solve(quadratic(np.zeros(1)), 1, start=np.ones(1)).tolist() == [1.0]


# --- regressors -----------------------------------------------------------------------------------


def test_moves_measure_what_they_say():
    problem = moves(seed=7)
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    predicted = np.tensordot(weights, problem.values, axes=1)
    weight = problem.risk_weight
    error = np.average((predicted - problem.y) ** 2, weights=weight)
    spread = np.average((problem.y - np.average(problem.y, weights=weight)) ** 2, weights=weight)
    measures = problem.measure(weights)
    assert measures.risk == pytest.approx(error)
    assert problem.risk(weights)[0] == pytest.approx(error)
    assert measures.accuracy == pytest.approx(1 - error / spread)
    move = predicted - problem.base
    assert measures.soft_churn == pytest.approx(np.average(move**2, weights=weight))
    assert problem.churn(weights)[0] == pytest.approx(measures.soft_churn)
    assert measures.churn_rate == pytest.approx(np.average(np.abs(move) > 0.5, weights=weight))


def test_score_of_constant_labels_is_zero():
    problem = moves()
    constant = Moves(
        values=problem.values,
        base=problem.base,
        y=np.full(40, 3.0),
        tolerance=0.0,
        risk_weight=problem.risk_weight,
        churn_weight=problem.churn_weight,
    )
    assert constant.measure(np.eye(4)[0]).accuracy == 0.0
