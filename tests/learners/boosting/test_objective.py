"""The softmax loss against finite differences."""

import numpy as np
import pytest

from holdfast.learners.boosting.library import SoftTarget
from holdfast.learners.boosting.objective import cross_entropy, softmax, softmax_objective

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(7, 4))
PROBA = RNG.dirichlet(np.ones(4), 7)
WEIGHT = RNG.uniform(0.5, 2, 7)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_the_gradient_is_that_of_the_loss(weight):
    target = SoftTarget(PROBA, weight, None)
    total = 7 if weight is None else weight.sum()
    gradient, _ = softmax_objective(target, factor=1.0)(SCORES, None)
    step = 1e-6 * np.eye(28).reshape(28, 7, 4)
    rise = [cross_entropy(SCORES + e, target) - cross_entropy(SCORES - e, target) for e in step]
    np.testing.assert_allclose(gradient.ravel(), total * np.array(rise) / 2e-6, atol=1e-8)


def test_the_hessian_is_bounded_before_weights():
    scores = np.where(np.arange(4) == 0, 800.0, SCORES)  # one class is certain
    target = SoftTarget(PROBA, WEIGHT, None)
    _, exact = softmax_objective(target, factor=2.0)(scores, None)
    _, bounded = softmax_objective(target, factor=2.0, least_hessian=1e-3)(scores, None)
    assert (exact == 0).all()
    np.testing.assert_allclose(bounded, np.tile(1e-3 * WEIGHT[:, None], 4))
    p = softmax(SCORES)
    _, plain = softmax_objective(SoftTarget(PROBA, None, None), factor=4 / 3)(SCORES, None)
    np.testing.assert_array_equal(plain, 4 / 3 * p * (1 - p))


def test_flat_scores_are_read_row_by_row():
    target = SoftTarget(PROBA, WEIGHT, None)
    objective = softmax_objective(target, factor=2.0)
    for flat, shaped in zip(objective(SCORES.ravel(), None), objective(SCORES, None), strict=True):
        np.testing.assert_array_equal(flat, shaped)
    assert cross_entropy(SCORES.ravel(), target) == cross_entropy(SCORES, target)
