import numpy as np
import pytest
from scipy.stats import binomtest

from holdfast.comparison.ratios import RATIOS, class_tables, estimate


def test_tables_equal_a_loop():
    rng = np.random.default_rng(0)
    triples = np.column_stack([rng.integers(0, 5, (50, 2)), rng.integers(-1, 5, 50)])
    values = rng.random(50)
    expected = np.zeros((5, 8))
    for c in range(5):
        for (base, new, truth), value in zip(triples.tolist(), values, strict=True):
            expected[c, 4 * (base == c) + 2 * (new == c) + (truth == c)] += value
    np.testing.assert_allclose(class_tables(triples, values, 5), expected)


def sample(rng, repetitions, n):
    """Return sums of weights and squares of samples in which changed rows weigh more."""
    y = rng.random((repetitions, n)) < 0.2
    base = np.where(rng.random(y.shape) < 0.85, y, ~y)
    new = np.where(rng.random(y.shape) < 0.9 - 0.1 * y, base, ~base)
    weight = np.where(base != new, 3.0, 1.0) * rng.gamma(2, size=y.shape)
    code = base * 4 + new * 2 + y
    return [
        np.stack([(w * (code == i)).sum(axis=1) for i in range(8)], axis=1)
        for w in (weight, weight**2)
    ]


@pytest.mark.parametrize("name", RATIOS)
def test_intervals_under_weights_cover_the_change(name):
    rng = np.random.default_rng(1)
    true = estimate(name, *sample(rng, 1, 1_000_000), 0.95)
    found = estimate(name, *sample(rng, 800, 1_000), 0.95)
    for value, (low, high) in (
        (true.change, found.interval),
        (true.base, found.base_interval),
        (true.new, found.new_interval),
    ):
        assert 0.92 < np.mean((low <= value) & (value <= high)) < 0.98


def test_a_change_that_was_not_seen_still_has_a_width():
    cells = np.array([900.0, 0, 0, 0, 0, 0, 5, 95])
    for name in RATIOS:
        found = estimate(name, cells, cells, 0.95)
        assert found.change == 0
        assert found.interval[0] < 0 < found.interval[1]


def test_each_model_s_interval_is_exact_without_weights():
    """The F1 is 2q / (1 + q) of the share q of rows found among those found, missed or alarmed."""
    cells = np.array([50.0, 9, 7, 3, 6, 5, 11, 30])
    found, missed, alarms = cells[[3, 7]].sum(), cells[[1, 5]].sum(), cells[[2, 6]].sum()
    shares = {
        "recall": (found, found + missed),
        "precision": (found, found + alarms),
        "f1": (found, found + missed + alarms),
        "specificity": (cells[[0, 4]].sum(), cells[::2].sum()),
        "rate": (found + alarms, cells.sum()),
    }
    for name, (some, n) in shares.items():
        exact = binomtest(int(some), int(n)).proportion_ci(0.95, "exact")
        ends = np.array([exact.low, exact.high])
        ends = 2 * ends / (1 + ends) if name == "f1" else ends
        np.testing.assert_allclose(estimate(name, cells, cells, 0.95).new_interval, ends, rtol=1e-6)
