import json

import numpy as np
import pytest

from holdfast.comparison import score_counts
from holdfast.comparison.intervals import wilson_interval
from holdfast.comparison.score_counts import count_scores
from holdfast.comparison.swaps import migration, same_rate_threshold, swap_set


def draw(n=2000, decimals=2, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.beta(1, 6, n)
    new = np.clip(base * rng.uniform(0.8, 1.3, n), 0, 1).round(decimals)
    truth = np.where(rng.random(n) < 0.8, rng.random(n) < base, -1).astype(np.int8)
    return base.round(decimals), new, truth


@pytest.fixture(params=["exact", "binned"])
def counted(request, monkeypatch):
    base, new, truth = draw(decimals=2 if request.param == "exact" else 9)
    if request.param == "binned":
        monkeypatch.setattr(score_counts, "MOST_DISTINCT", 10)
    cuts = (0.05, 0.12, 0.3)
    counts = count_scores(base, new, truth, base_cuts=cuts, new_cuts=cuts)
    assert counts.binned == (request.param == "binned")
    return counts, base, new, truth


def test_swap_sets_equal_the_rows(counted):
    counts, base, new, truth = counted
    found = swap_set(counts, 0.12, 0.3, 0.95)
    was, now = base >= 0.12, new >= 0.3
    for rows, kept in (
        (found.swapped_in, ~was & now),
        (found.swapped_out, was & ~now),
        (found.kept_positive, was & now),
        (found.kept_negative, ~was & ~now),
    ):
        known = kept & (truth >= 0)
        assert rows.n == kept.sum()
        assert rows.share == pytest.approx(kept.mean())
        assert rows.labeled == known.sum()
        if known.any():
            assert rows.positive_rate == pytest.approx(truth[known].mean())
            low, high = wilson_interval(truth[known].mean(), known.sum(), 0.95)
            assert rows.positive_rate_interval == pytest.approx((low, high))
        else:
            assert rows.positive_rate is rows.positive_rate_interval is None
    assert found.base_rate == pytest.approx(was.mean())
    assert found.new_rate == pytest.approx(now.mean())
    assert found.undecided_share == 0
    json.dumps(found.to_dict())


def test_the_same_rate_is_the_nearest_that_occurs(counted):
    counts, base, new, _ = counted
    threshold = same_rate_threshold(counts, 0.12)
    rate, wanted = (new >= threshold).mean(), (base >= 0.12).mean()
    found = swap_set(counts, 0.12, threshold, 0.95)
    assert found.new_rate == pytest.approx(rate)
    assert found.undecided_share == 0
    others = [(new >= value).mean() for value in np.unique(new)]
    nearest = np.abs(np.array(others) - wanted).min()
    assert abs(rate - wanted) <= nearest + (2e-3 if counts.binned else 1e-12)


def test_no_positive_answers_need_no_threshold():
    base, new, truth = draw()
    found = swap_set(count_scores(base, new, truth), 1.0, float("inf"), 0.95)
    assert same_rate_threshold(count_scores(base, new, truth), 1.0) == float("inf")
    assert found.new_rate == 0
    assert found.to_dict()["new_threshold"] == "inf"


def test_a_threshold_within_a_bin_is_reported(monkeypatch):
    base, new, truth = draw(decimals=9)
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", 10)
    counts = count_scores(base, new, truth)
    threshold = float(base[0])
    found = swap_set(counts, threshold, 0.5, 0.95)
    assert 0 < found.undecided_share < 0.01
    assert abs(found.base_rate - (base >= threshold).mean()) <= found.undecided_share
    assert swap_set(counts, 0.5, 0.5, 0.95).undecided_share == 0  # where a bin starts
    assert swap_set(counts, 0.5, float("inf"), 0.95).new_rate == 0


def test_weights_are_repetitions():
    base, new, truth = draw()
    weight = np.random.default_rng(1).integers(1, 4, 2000)
    weighted = count_scores(base, new, truth, sample_weight=weight.astype(float))
    repeated = count_scores(*(values.repeat(weight) for values in (base, new, truth)))
    one, two = (swap_set(counts, 0.12, 0.12, 0.95) for counts in (weighted, repeated))
    assert one.swapped_in.share == pytest.approx(two.swapped_in.share)
    assert one.swapped_in.positive_rate == pytest.approx(two.swapped_in.positive_rate)
    assert one.swapped_in.n < two.swapped_in.n
    assert same_rate_threshold(weighted, 0.12) == same_rate_threshold(repeated, 0.12)


def test_migration_equals_the_rows(counted):
    counts, base, new, truth = counted
    found = migration(counts, (0.05, 0.3), (0.12,))
    down, across = np.digitize(base, [0.05, 0.3]), np.digitize(new, [0.12])
    for i in range(3):
        for j in range(2):
            own = (down == i) & (across == j)
            known = own & (truth >= 0)
            assert found.rows[i][j] == found.weight[i][j] == own.sum()
            rate = found.positive_rate[i][j]
            assert rate is None if not known.any() else rate == pytest.approx(truth[known].mean())
    assert found.moved_share is None
    square = migration(counts, (0.05, 0.3), (0.05, 0.3))
    moved = (down != np.digitize(new, [0.05, 0.3])).mean()
    assert square.moved_share == pytest.approx(moved)
    assert json.loads(json.dumps(square.to_dict()))["moved_share"] == square.moved_share
