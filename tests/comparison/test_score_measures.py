import math

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from holdfast.comparison import score_counts
from holdfast.comparison.score_counts import count_scores
from holdfast.comparison.score_measures import BOOTSTRAP_CELLS, grid_error, score_measures

REFERENCES = {
    "auc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
    "log_loss": log_loss,
}


def draw(n=500, share=0.2, noise=0.3, seed=0, decimals=9):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < share).astype(np.int8)
    latent = rng.normal(1.5 * truth - 2, 1)
    base, new = (1 / (1 + np.exp(-latent - noise * e)) for e in rng.normal(size=(2, n)))
    return base.round(decimals), new.round(decimals), truth


@pytest.mark.parametrize("decimals", [1, 9])
@pytest.mark.parametrize("weighted", [False, True])
def test_measures_equal_scikit_learn_s(decimals, weighted):
    base, new, truth = draw(decimals=decimals)
    weight = np.random.default_rng(1).random(500) if weighted else None
    found = score_measures(count_scores(base, new, truth, sample_weight=weight), 0.95)
    for name, reference in REFERENCES.items():
        was, now = (reference(truth, score, sample_weight=weight) for score in (base, new))
        assert found[name].base == pytest.approx(was, abs=1e-12)
        assert found[name].new == pytest.approx(now, abs=1e-12)
        assert found[name].change == pytest.approx(now - was, abs=1e-12)
    assert list(found) == [*REFERENCES, "calibration_error"]


def test_rows_of_unknown_truth_do_not_count():
    base, new, truth = draw()
    hidden = np.where(np.arange(500) < 100, -1, truth).astype(np.int8)
    some = score_measures(count_scores(base, new, hidden), 0.95)
    rest = score_measures(count_scores(base[100:], new[100:], truth[100:]), 0.95)
    for name, change in some.items():
        assert change.change == pytest.approx(rest[name].change)
        assert change.interval == pytest.approx(rest[name].interval, rel=0.2)
        assert (change.n, change.positives) == (400, truth[100:].sum())
    assert score_measures(count_scores(base, new), 0.95) == {}


def test_the_interval_of_the_auc_is_that_of_delong():
    base, new, truth = draw()
    placed = []
    for score in (base, new):
        won = score[truth == 1][:, None] - score[truth == 0][None, :]
        won = (won > 0) + (won == 0) / 2
        placed.append((won.mean(axis=1), won.mean(axis=0)))
    parts = [np.var(b - a, ddof=1) / len(a) for a, b in zip(*placed, strict=True)]
    sizes = [len(a) for a in placed[0]]
    freedom = sum(parts) ** 2 / sum(p**2 / (n - 1) for p, n in zip(parts, sizes, strict=True))
    half = t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    found = score_measures(count_scores(base, new, truth), 0.95)["auc"]
    assert found.interval == pytest.approx((found.change - half, found.change + half), rel=1e-4)


@pytest.mark.parametrize("name", ["brier", "log_loss"])
def test_the_interval_of_a_loss_is_that_of_a_paired_difference(name):
    base, new, truth = draw(n=5000, share=0.5)
    value = {
        "brier": lambda p: (p - truth) ** 2,
        "log_loss": lambda p: -np.log(np.where(truth == 1, p, 1 - p)),
    }[name]
    change = value(new) - value(base)
    half = t.ppf(0.975, 4999) * change.std(ddof=1) / math.sqrt(5000)
    found = score_measures(count_scores(base, new, truth), 0.95)[name]
    expected = (change.mean() - half, change.mean() + half)
    assert found.interval == pytest.approx(expected, rel=2e-3)


def test_the_bootstrap_equals_one_of_rows():
    base, new, truth = draw(n=300, decimals=1)
    rng = np.random.default_rng(1)
    changes = []
    for rows in rng.integers(0, 300, (500, 300)):
        pair = (average_precision_score(truth[rows], score[rows]) for score in (base, new))
        was, now = pair
        changes.append(now - was)
    found = score_measures(count_scores(base, new, truth), 0.95)["average_precision"]
    half = (found.interval[1] - found.interval[0]) / 2
    assert half == pytest.approx(2 * np.std(changes), rel=0.2)


def test_the_seed_alone_decides_the_draws():
    counts = count_scores(*draw())
    one, again, other = (score_measures(counts, 0.95, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one["average_precision"].interval != other["average_precision"].interval
    assert one["auc"] == other["auc"]


def test_many_cells_need_no_draws(monkeypatch):
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", 1 << 20)
    counts = count_scores(*draw(n=BOOTSTRAP_CELLS + 1))
    one, other = (score_measures(counts, 0.95, seed=seed) for seed in (0, 1))
    assert one == other
    assert one["average_precision"].interval[0] < one["average_precision"].change


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_the_scale_of_weights_does_not_matter(scale):
    base, new, truth = draw()
    weight = np.random.default_rng(1).random(500)
    one, other = (
        score_measures(count_scores(base, new, truth, sample_weight=w), 0.95)
        for w in (weight, scale * weight)
    )
    for name, change in one.items():
        assert other[name].change == pytest.approx(change.change)
        assert other[name].interval == pytest.approx(change.interval)
        assert other[name].base_interval == pytest.approx(change.base_interval)


def test_a_missing_class_leaves_rankings_undefined():
    base, new, truth = draw()
    found = score_measures(count_scores(base, new, np.zeros_like(truth)), 0.95)
    assert found["auc"].change is None
    assert found["average_precision"].interval is None
    assert found["brier"].base == pytest.approx((base**2).mean())
    assert not any(change.reliable for change in found.values())


def test_few_positives_and_changes_that_do_not_show_are_unreliable():
    base, new, truth = draw(n=60, share=0.1)
    assert truth.sum() < 10
    found = score_measures(count_scores(base, new, truth), 0.95)
    assert not any(change.reliable for change in found.values())
    base, _, truth = draw()
    found = score_measures(count_scores(base, base**1.1, truth), 0.95)
    assert found["auc"].interval == (0.0, 0.0)  # the order of the rows is the same
    assert not found["auc"].reliable
    assert found["brier"].reliable
    same = score_measures(count_scores(base, base.copy(), truth), 0.95)
    assert all(change.interval == (0.0, 0.0) and change.reliable for change in same.values())


def test_every_interval_holds_its_measure_within_its_range():
    for seed in range(20):
        base, new, truth = draw(n=40, seed=seed, decimals=1)
        truth[:2] = 0, 1
        for name, change in score_measures(count_scores(base, new, truth), 0.99).items():
            top = math.inf if name == "log_loss" else 1.0
            for side in ("base", "new"):
                low, high = getattr(change, f"{side}_interval")
                assert 0 <= low <= getattr(change, side) <= high <= top
            low, high = change.interval
            assert -top <= low <= change.change <= high <= top
            assert change.to_dict()["interval"] == [low, high]


@pytest.mark.parametrize("seed", range(3))
def test_the_grid_moves_measures_by_no_more_than_stated(monkeypatch, seed):
    drawn = draw(n=20_000, share=0.02, seed=seed)
    binned = count_scores(*drawn)
    assert binned.binned
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", 1 << 20)
    exact = count_scores(*drawn)
    assert grid_error(exact) == {}
    on_grid, true = score_measures(binned, 0.95), score_measures(exact, 0.95)
    for name, error in grid_error(binned).items():
        assert error < 0.01
        for side in ("base", "new"):
            assert abs(getattr(on_grid[name], side) - getattr(true[name], side)) <= error
    for name in ("brier", "log_loss"):
        assert on_grid[name].interval == pytest.approx(true[name].interval, rel=1e-9)
