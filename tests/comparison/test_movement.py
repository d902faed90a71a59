import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from holdfast.comparison import score_counts
from holdfast.comparison.movement import (
    population_stability,
    rank_correlation,
    score_movement,
)
from holdfast.comparison.score_counts import count_scores


def draw(n=1000, decimals=2, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.random(n)
    return base.round(decimals), np.clip(base + rng.normal(0, 0.05, n), 0, 1).round(decimals)


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_rank_correlation_equals_scipy_s(decimals):
    base, new = draw(decimals=decimals)
    expected = spearmanr(base, new).statistic
    assert rank_correlation(base, new, np.ones(1000)) == pytest.approx(expected, abs=1e-12)
    weight = np.random.default_rng(1).integers(1, 4, 1000)
    expected = spearmanr(base.repeat(weight), new.repeat(weight)).statistic
    assert rank_correlation(base, new, weight) == pytest.approx(expected, abs=1e-12)


def test_one_score_for_all_rows_has_no_rank_correlation():
    _, new = draw()
    assert rank_correlation(np.full(1000, 0.5), new, np.ones(1000)) is None


@pytest.mark.parametrize("weighted", [False, True])
def test_movement_equals_the_rows(weighted):
    base, new = draw()
    weight = np.random.default_rng(1).integers(1, 4, 1000) if weighted else np.ones(1000, int)
    counts = count_scores(base, new, sample_weight=weight.astype(float) if weighted else None)
    found = score_movement(counts, 0.05, 0.95)
    change = (new - base).repeat(weight)
    assert found.mean_change == pytest.approx(change.mean())
    assert found.mean_absolute_change == pytest.approx(np.abs(change).mean())
    assert found.moved_share == pytest.approx((np.abs(change) > 0.05 + 1e-9).mean())
    assert found.moved_interval[0] < found.moved_share < found.moved_interval[1]
    for share, value in found.quantiles.items():
        expected = np.quantile(np.abs(change), float(share), method="inverted_cdf")
        assert value == pytest.approx(expected)
    assert json.loads(json.dumps(found.to_dict()))["quantiles"]["1"] == found.quantiles["1"]


def test_on_the_grid_movement_is_right_up_to_a_bin(monkeypatch):
    base, new = draw(decimals=9)
    exact = score_movement(count_scores(base, new), 0.05, 0.95)
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", 10)
    binned = score_movement(count_scores(base, new), 0.05, 0.95)
    assert binned.mean_change == pytest.approx(exact.mean_change)
    for share, value in binned.quantiles.items():
        assert value == pytest.approx(exact.quantiles[share], abs=7e-4)
    assert binned.rank_correlation == pytest.approx(exact.rank_correlation, abs=1e-5)
    assert binned.population_stability_index == pytest.approx(
        exact.population_stability_index, abs=1e-4
    )


def test_the_stability_index_equals_its_definition():
    base, new = draw(decimals=9)
    new = new**1.2
    edges = np.sort(base)[99::100][:9]  # the highest score of each tenth but the last
    was, now = (
        (np.bincount(np.searchsorted(edges, score), minlength=10) + 0.5) / (1000 + 5)
        for score in (base, new)
    )
    expected = ((now - was) * np.log(now / was)).sum()
    assert population_stability(base, new, np.ones(1000), 1000) == pytest.approx(expected)


def test_the_stability_index_is_finite_where_a_bin_is_empty():
    base, _ = draw()
    index = population_stability(base, np.full(1000, 0.99), np.ones(1000), 1000)
    assert 5 < index < 10
    assert population_stability(np.full(1000, 0.5), base, np.ones(1000), 1000) < 1
