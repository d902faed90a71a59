"""Training on (1 − λ)·label + λ·g is training under a constraint on churn, where things are convex.

Distillation at λ, through holdfast's own path, against a convex solver that is given the constraint
itself, at the churn that distillation has: the same model, and λ = μ / (1 + μ) for the solver's own
multiplier μ (Jiang et al., ICLR 2022, proposition 1).
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression

from holdfast.learners.lookup import learner_of
from holdfast.methods import Distill
from holdfast.methods.grid import GRID
from holdfast.metrics import churn_divergence
from holdfast.models.base_predictions import base_predictions
from holdfast.targets import distill
from holdfast.update.fitting import PathFitter
from holdfast.update.rows import UpdateRows

SETS = {"iris": (load_iris, [0, 1]), "wine": (load_wine, [1, 2, 10]),
        "breast_cancer": (load_breast_cancer, [1, 4, 8])}  # fmt: skip


def data(name):
    """Return few columns, so that no class can be told for sure, labels and a base model's answers.

    The base model is of another kind and was trained on a fifth of the rows.
    """
    load, columns = SETS[name]
    X, y = load(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:150]
    X, y = X[rows][:, columns], y[rows]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    squares = np.column_stack([X, X**2])
    base = LogisticRegression(C=0.3).fit(squares[:30], y[:30])
    return X, y, base.predict_proba(squares)


def distilled(X, y, g):
    """Return the probabilities of distillation at every λ of the grid."""
    classes = np.arange(g.shape[1])
    exact = LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-12, max_iter=100_000)
    methods = [Distill(lam) for lam in GRID]
    learner = learner_of(
        exact,
        soft_targets="weights",
        random_state=0,
        base_model=None,
        classes=classes,
        methods=methods,
    )
    rows = UpdateRows(X, y, classes, None, base_predictions(g, classes, classes))
    fitter = PathFitter(learner, rows, rows, None)
    return [candidate.proba for candidate in fitter.fit(methods)]


def constrained(X, y, g, epsilon):
    """Return probabilities, multiplier and risk under the constraint itself."""
    n, n_classes = g.shape
    weights, shift = cp.Variable((X.shape[1], n_classes)), cp.Variable((1, n_classes))
    scores = X @ weights + np.ones((n, 1)) @ shift
    normaliser = cp.sum(cp.log_sum_exp(scores, axis=1)) / n
    risk = normaliser - cp.sum(scores[np.arange(n), y]) / n
    churn = normaliser - cp.sum(cp.multiply(g, scores)) / n + (g * np.log(g)).sum() / n
    constraint = churn <= epsilon
    same = [weights[:, 0] == 0, shift[0, 0] == 0]  # scores are defined up to a constant
    value = cp.Problem(cp.Minimize(risk), [constraint, *same]).solve(solver=cp.CLARABEL)
    odds = np.exp(scores.value - scores.value.max(axis=1, keepdims=True))
    multiplier = float(np.ravel(constraint.dual_value)[0])
    return odds / odds.sum(axis=1, keepdims=True), multiplier, float(value)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate:UserWarning")
@pytest.mark.parametrize("name", list(SETS))
def test_log_loss_and_kl(name):
    X, y, g = data(name)
    for lam, h in zip(GRID, distilled(X, y, g), strict=True):
        exact, mu, _ = constrained(X, y, g, churn_divergence(g, h))
        np.testing.assert_allclose(h, exact, atol=1e-4)
        assert mu / (1 + mu) == pytest.approx(lam, abs=1e-3)


@pytest.mark.parametrize("name", list(SETS))
def test_brier_score_and_squared_distance(name):
    """Probabilities that are linear in the features: the Brier score is convex in these."""
    X, y, g = data(name)
    n, n_classes = g.shape
    for lam in GRID:
        h = LinearRegression().fit(X, distill(y, g, lam, classes=np.arange(n_classes))).predict(X)
        epsilon = ((g - h) ** 2).sum() / n
        weights, shift = cp.Variable((X.shape[1], n_classes)), cp.Variable((1, n_classes))
        linear = X @ weights + np.ones((n, 1)) @ shift
        constraint = cp.sum_squares(linear - g) / n <= epsilon
        risk = cp.sum_squares(linear - np.eye(n_classes)[y]) / n
        cp.Problem(cp.Minimize(risk), [constraint]).solve(solver=cp.CLARABEL)
        np.testing.assert_allclose(h, linear.value, atol=1e-4)
        mu = float(np.ravel(constraint.dual_value)[0])
        assert mu / (1 + mu) == pytest.approx(lam, abs=1e-3)
