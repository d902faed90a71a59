import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from holdfast.comparison.ranking import Ranking


def draw(n, decimals, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.2).astype(np.int8)
    truth[:2] = 0, 1
    return (1 / (1 + np.exp(-rng.normal(truth, 1)))).round(decimals), truth, rng.random(n)


def delong(score, truth):
    """Return the AUC and the placements of positive and negative rows, pair by pair."""
    won = score[truth == 1][:, None] - score[truth == 0][None, :]
    won = (won > 0) + (won == 0) / 2
    return won.mean(), won.mean(axis=1), won.mean(axis=0)


@pytest.mark.parametrize("n", [2, 50, 1000])
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_measures_equal_scikit_learn_s_for_every_weighting(n, decimals):
    score, truth, _ = draw(n, decimals)
    weights = np.random.default_rng(1).integers(0, 3, (n, 7)).astype(float)
    weights[:2] += 1  # at least one row of each class
    auc, average = Ranking.of_keys(score, truth).measure(weights)
    for i, weight in enumerate(weights.T):
        expected = roc_auc_score(truth, score, sample_weight=weight)
        assert auc[i] == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(truth, score, sample_weight=weight)
        assert average[i] == pytest.approx(expected, abs=1e-12)


def test_a_weighting_without_a_class_has_no_measure():
    score, truth, _ = draw(50, 2)
    auc, average = Ranking.of_keys(score, truth).measure((truth == 0).astype(float)[:, None])
    assert np.isnan([auc, average]).all()


@pytest.mark.parametrize("decimals", [1, 9])
def test_gradients_are_derivatives_by_the_weights(decimals):
    score, truth, weight = draw(60, decimals)
    order = Ranking.of_keys(score, truth)
    step = 1e-6 * np.eye(60)
    up, down = (order.measure(weight[:, None] + sign * step) for sign in (1, -1))
    for gradient, high, low in zip(order.gradients(weight), up, down, strict=True):
        np.testing.assert_allclose(gradient, (high - low) / 2e-6, atol=1e-6)


@pytest.mark.parametrize("decimals", [1, 9])
def test_gradients_of_the_auc_are_delong_s_placements(decimals):
    score, truth, _ = draw(200, decimals)
    auc, of_positive, of_negative = delong(score, truth)
    gradient, _ = Ranking.of_keys(score, truth).gradients(np.ones(200))
    n_positive = truth.sum()
    np.testing.assert_allclose(gradient[truth == 1], (of_positive - auc) / n_positive)
    np.testing.assert_allclose(
        gradient[truth == 0], (of_negative - auc) / (200 - n_positive), atol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_bounds_hold_for_every_order_of_equal_keys(seed):
    score, truth, weight = draw(300, 9, seed)
    coarse = score.round(1)
    order = Ranking.of_keys(coarse, truth)
    of_auc, of_average = order.order_bounds(weight)
    (auc,), (average,) = order.measure(weight[:, None])
    for shift in (score * 1e-3, truth * 1e-3, -truth * 1e-3):
        (true_auc,), (true,) = Ranking.of_keys(coarse + shift, truth).measure(weight[:, None])
        assert abs(true_auc - auc) <= of_auc + 1e-12
        assert abs(true - average) <= of_average + 1e-12
    best = roc_auc_score(truth, coarse + truth * 1e-3, sample_weight=weight)
    assert best - auc == pytest.approx(of_auc)
