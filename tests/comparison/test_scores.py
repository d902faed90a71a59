import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast.comparison import ScoreComparison, compare_scores, score_counts
from holdfast.exceptions import InvalidInputError


def draw(n=1000, seed=0):
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < 0.2).astype(int)
    latent = rng.normal(1.5 * truth - 2, 1)
    base, new = (1 / (1 + np.exp(-latent - 0.3 * e)) for e in rng.normal(size=(2, n)))
    return base, new, truth


def test_a_comparison_holds_all_parts():
    base, new, truth = draw()
    result = compare_scores(base, new, truth, threshold=0.12, bands=(0.05, 0.3))
    assert (result.n, result.labeled, result.positives) == (1000, 1000, truth.sum())
    assert result.swaps.swapped_in.n == ((base < 0.12) & (new >= 0.12)).sum()
    same = result.swaps_at_same_rate
    assert same.swapped_in.n == same.swapped_out.n
    assert same.new_rate == same.base_rate == (base >= 0.12).mean()
    assert np.sum(result.migration.rows) == 1000
    assert set(result.measures) == {
        "auc",
        "average_precision",
        "brier",
        "log_loss",
        "calibration_error",
    }
    form = json.loads(json.dumps(result.to_dict()))
    assert form["measures"]["auc"]["change"] == result.measures["auc"].change
    assert form["migration"]["moved_share"] == result.migration.moved_share
    assert "counts" not in form


def test_scores_alone_can_be_compared():
    base, new, _ = draw()
    result = compare_scores(base, new)
    assert result.measures == {}
    assert result.swaps is result.swaps_at_same_rate is result.migration is None
    assert str(result).startswith("1,000 rows (intervals at 95%)\n  scores moved by more than 0.05")
    json.dumps(result.to_dict())


def test_the_text_names_every_part():
    base, new, truth = draw()
    known = np.where(np.arange(1000) < 100, np.nan, truth)
    text = str(compare_scores(base, new, known, threshold=(0.12, 0.15), bands=(0.05, 0.3)))
    for part in (
        f"1,000 rows, {truth[100:].sum()} positive of 900 labeled (intervals at 95%)",
        "  AUC   ",
        "average precision",
        "at the thresholds: base 0.12 answers",
        "at the same rate: base 0.12 answers",
        "swapped out",
        "bands, base (down) to new (across):",
        "0.05–0.3",
    ):
        assert part in text
    few = str(compare_scores(base[:20], new[:20], truth[:20]))
    assert "too few rows" in few
    assert "–" in str(compare_scores(base, new, np.zeros(1000)))


def test_thresholds_and_bands_are_exact_on_the_grid(monkeypatch):
    base, new, truth = draw()
    asked = {"threshold": (0.123, 0.137), "bands": ([0.05, 0.3], [0.06, 0.2, 0.4])}
    exact = compare_scores(base, new, truth, **asked)
    monkeypatch.setattr(score_counts, "MOST_DISTINCT", 10)
    binned = compare_scores(base, new, truth, **asked)
    assert binned.binned
    assert binned.swaps == exact.swaps
    assert binned.migration == exact.migration
    assert binned.grid_error["auc"] > 0
    assert "scores on a grid, which can move AUC" in str(binned)
    other = ScoreComparison.from_counts(binned.counts, threshold=float(base[0]))
    assert other.swaps.undecided_share > 0
    assert "share a bin with a threshold" in str(other)


def test_counts_of_parts_give_the_comparison_of_all_rows():
    base, new, truth = draw()
    whole = compare_scores(base, new, truth, threshold=0.12)
    parts = [
        compare_scores(base[rows], new[rows], truth[rows], threshold=0.12).counts
        for rows in (slice(300), slice(300, 1000))
    ]
    total = ScoreComparison.from_counts(sum(parts), threshold=0.12)
    assert total.swaps == whole.swaps
    assert total.measures["auc"] == whole.measures["auc"]
    assert total.measures["brier"].interval == pytest.approx(whole.measures["brier"].interval)


@pytest.mark.parametrize("kind", [pd.Series, pl.Series, list, np.float32])
def test_scores_and_truth_come_in_many_types(kind):
    base, new, truth = (values[:50] for values in draw())
    expected = compare_scores(base, new, truth)
    convert = (lambda values: np.asarray(values, dtype=kind)) if kind is np.float32 else kind
    found = compare_scores(convert(base), convert(new), convert(truth))
    assert found.measures["auc"].change == pytest.approx(expected.measures["auc"].change)
    assert found.positives == expected.positives


@pytest.mark.parametrize(
    "known",
    [
        pd.Series([1, 0, None, 1], dtype="Int64"),
        pd.Series([True, False, None, True], dtype="boolean"),
        np.array([1, 0, np.nan, 1]),
        [1, 0, None, 1],
        [True, False, None, True],
    ],
)
def test_missing_values_of_the_truth_are_unknown(known):
    result = compare_scores([0.9, 0.1, 0.5, 0.2], [0.9, 0.1, 0.4, 0.3], known)
    assert (result.labeled, result.positives) == (3, 2)


def test_the_positive_class_has_any_name():
    base, new, truth = draw()
    names = np.where(truth == 1, "fraud", "fine")
    found = compare_scores(base, new, names, positive="fraud")
    assert found.measures == compare_scores(base, new, truth).measures


def test_weights_of_zero_leave_rows_out():
    base, new, truth = draw()
    weight = (np.arange(1000) < 600).astype(float)
    found = compare_scores(base, new, truth, sample_weight=weight)
    rest = compare_scores(base[:600], new[:600], truth[:600])
    assert found.measures["auc"].change == pytest.approx(rest.measures["auc"].change)
    assert found.n_effective == rest.n == 600
    assert found.weighted


GOOD = ([0.1, 0.9], [0.2, 0.8], [0, 1])


@pytest.mark.parametrize(
    ("arrays", "asked", "message"),
    [
        (([[0.9, 0.1]] * 2, *GOOD[1:]), {}, r"base must be scores of shape \(n,\), got shape"),
        ((["a", "b"], *GOOD[1:]), {}, r"base must be numbers, got <U1, e.g. 'a'"),
        (([0.1, np.nan], *GOOD[1:]), {}, "base must not have missing values, got 1 of 2 rows"),
        (([0.1, None], *GOOD[1:]), {}, "base must not have missing values, got 1 of 2 rows"),
        (([-3.0, 2.0], *GOOD[1:]), {}, r"base must be probabilities in \[0, 1\].*margin"),
        (([0.1], *GOOD[1:]), {}, "base and new and y must have the same number of rows"),
        ((*GOOD[:2], [0, 2]), {}, "y must be 0 or 1, got 2; name the positive class"),
        ((*GOOD[:2], ["no", "yes"]), {}, "y must be 0 or 1, got 'no'"),
        ((*GOOD[:2], [[0, 1]] * 2), {}, r"y must have shape \(n,\)"),
        (GOOD, {"positive": "1"}, "positive must be a value of y, got '1', while y has e.g. 0"),
        (GOOD, {"threshold": 1.2}, r"threshold must be in \[0, 1\], got 1.2; give a score"),
        (GOOD, {"threshold": (0.1, 0.2, 0.3)}, "threshold must be one score or a pair, got 3"),
        (GOOD, {"bands": (0.3, 0.05)}, r"bands must be rising bounds, at least one, got \[0.3"),
        (GOOD, {"bands": ()}, "bands must be rising bounds, at least one"),
        (GOOD, {"bands": (0.0, 0.5)}, r"bands must be in \(0, 1\), got 0.0"),
        (GOOD, {"bands": ([0.1], 0.5)}, "bands must be bounds, or a pair of lists of bounds"),
        (GOOD, {"tolerance": -1}, r"tolerance must be in \[0, 1\], got -1; give the change"),
        (GOOD, {"confidence": 95}, r"confidence must be in \(0, 1\), got 95"),
        (GOOD, {"seed": -1}, "seed must be an integer of at least 0, got -1"),
        (GOOD, {"sample_weight": [0, 0]}, "sample_weight must be finite and >= 0"),
    ],
)
def test_wrong_input_is_named(arrays, asked, message):
    with pytest.raises(InvalidInputError, match=message):
        compare_scores(*arrays, **asked)


def test_the_same_object_twice_is_refused():
    scores = np.array([0.1, 0.9])
    with pytest.raises(InvalidInputError, match="got the same object twice"):
        compare_scores(scores, scores)


def test_rounding_of_single_precision_is_forgiven():
    result = compare_scores([1 + 1e-7, 0.5], [0.9, -1e-8], threshold=0.5)
    assert result.swaps.swapped_out.n == 1


def test_counts_without_rows_are_refused():
    empty = score_counts.count_scores(np.zeros(0), np.zeros(0))
    with pytest.raises(InvalidInputError, match="counts must have rows of positive weight"):
        ScoreComparison.from_counts(empty)
