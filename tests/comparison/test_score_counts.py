import dataclasses

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from holdfast.comparison import score_counts
from holdfast.comparison.score_counts import ScoreCounts, count_scores
from holdfast.exceptions import InvalidInputError


def draw(n=400, decimals=2, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice([-1, 0, 1], n, p=[0.1, 0.6, 0.3]).astype(np.int8)
    base = 1 / (1 + np.exp(-rng.normal(truth, 1)))
    new = np.clip(base + rng.normal(0, 0.05, n), 0, 1)
    return base.round(decimals), new.round(decimals), truth, rng.integers(0, 4, n) / 2


def assert_equal(one, two):
    for field in dataclasses.fields(ScoreCounts):
        mine, its = getattr(one, field.name), getattr(two, field.name)
        if field.name == "losses":
            assert mine.keys() == its.keys()
            for name in mine:
                np.testing.assert_allclose(mine[name], its[name], rtol=1e-10, atol=1e-12)
        elif isinstance(mine, np.ndarray):
            np.testing.assert_allclose(mine, its, rtol=1e-12)
        else:
            assert mine == its


@pytest.mark.parametrize("weighted", [False, True])
def test_cells_equal_a_loop(weighted):
    base, new, truth, weight = draw()
    counts = count_scores(base, new, truth, sample_weight=weight if weighted else None)
    cells = {}
    for b, s, t, w in zip(base, new, truth, weight if weighted else np.ones(400), strict=True):
        if w > 0:
            rows, total, squares = cells.get((b, s, t), (0, 0.0, 0.0))
            cells[b, s, t] = rows + 1, total + w, squares + w**2
    keys = zip(counts.base, counts.new, counts.truth, strict=True)
    values = zip(counts.rows, counts.weight, counts.weight_squares, strict=True)
    assert dict(zip(keys, values, strict=True)) == cells
    assert counts.n == 400
    assert counts.weighted == weighted


@pytest.mark.parametrize("most", [10_000, 150, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_counts_of_parts_add_up_in_any_order(monkeypatch, most, weighted):
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", most)
    base, new, truth, weight = draw(decimals=3)

    def part(start, stop):
        return count_scores(
            base[start:stop],
            new[start:stop],
            truth[start:stop],
            sample_weight=weight[start:stop] if weighted else None,
            base_cuts=(0.3,),
        )

    whole, parts = part(0, 400), [part(0, 100), part(100, 110), part(110, 400)]
    assert whole.binned == (most < 10_000)
    assert_equal(sum(parts), whole)
    assert_equal(parts[2] + (parts[1] + parts[0]), whole)


@pytest.mark.parametrize("most", [10_000, 5])
def test_losses_are_exact_whatever_the_grid(monkeypatch, most):
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", most)
    base, new, truth, weight = draw()
    counts = count_scores(base, new, truth, sample_weight=weight)
    known = truth >= 0
    total = weight[known].sum()
    for side, score in (("base", base), ("new", new)):
        sums = {name: counts.losses[f"{name}_{side}"][:, 0].sum() for name in ("brier", "log_loss")}
        y, p, w = truth[known], score[known], weight[known]
        assert sums["brier"] / total == pytest.approx(brier_score_loss(y, p, sample_weight=w))
        assert sums["log_loss"] / total == pytest.approx(log_loss(y, p, sample_weight=w))
    loss = (new - truth) ** 2 - (base - truth) ** 2
    own = truth == 1
    expected = [(weight * loss)[own], (weight**2 * loss)[own], ((weight * loss) ** 2)[own]]
    np.testing.assert_allclose(
        counts.losses["brier_change"][1], [values.sum() for values in expected]
    )


def test_binned_scores_are_means_of_their_cells(monkeypatch):
    base, new, truth, weight = draw(decimals=6)
    exact = count_scores(base, new, truth, sample_weight=weight)
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", 5)
    binned = count_scores(base, new, truth, sample_weight=weight)
    assert_equal(exact.on_grid(), binned)
    assert binned.on_grid() is binned
    assert binned.weight @ binned.new == pytest.approx(exact.weight @ exact.new)


def test_counts_with_other_cuts_cannot_be_added():
    base, new, *_ = draw()
    one = count_scores(base, new, base_cuts=(0.3,))
    with pytest.raises(InvalidInputError, match=r"must have the same base_cuts, got \(0.3,\)"):
        _ = one + count_scores(base, new)
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = one + 1
