import json

import numpy as np
import pytest

from holdfast.comparison import compare
from holdfast.exceptions import InvalidInputError
from holdfast.report.summarise import (
    flip_matrix,
    largest_moves,
    provenance,
    summarise_comparison,
)


@pytest.fixture
def models():
    rng = np.random.default_rng(3)
    n = 600
    base, other = rng.dirichlet([0.6] * 4, n), rng.dirichlet([0.6] * 4, n)
    return base, 0.8 * base + 0.2 * other, rng.integers(0, 4, n)


@pytest.mark.parametrize(("n_classes", "max_classes"), [(3, 20), (30, 5), (200, 20)])
def test_flip_matrix_is_that_of_a_loop(n_classes, max_classes):
    rng = np.random.default_rng(n_classes)
    base, new, y = rng.integers(0, n_classes, (3, 2000))
    kept = rng.random(2000) < 0.6
    new = np.where(kept, base, new)
    matrix = flip_matrix(compare(base, new, y), max_classes)
    flips = {
        k: sum((b != n) * ((b == k) + (n == k)) for b, n in zip(base, new, strict=True))
        for k in range(n_classes)
    }
    chosen = sorted(sorted(flips, key=lambda k: (-flips[k], k))[:max_classes])
    assert matrix["classes"] == chosen
    assert matrix["other_classes"] == n_classes - len(chosen)
    counts = [[int(((base == b) & (new == n)).sum()) for n in chosen] for b in chosen]
    negative = [
        [int(((base == b) & (new == n) & (y == b) & (b != n)).sum()) for n in chosen]
        for b in chosen
    ]
    assert matrix["counts"] == counts
    assert matrix["negative"] == negative


def test_flip_matrix_without_labels_and_with_weights():
    weights = [0.5, 1.0, 1.25]
    matrix = flip_matrix(compare(["a", "a", "b"], ["a", "b", "b"], sample_weight=weights))
    assert matrix["negative"] is None
    assert matrix["counts"] == [[0.5, 1.0], [0.0, 1.25]]
    with pytest.raises(InvalidInputError, match="max_classes must be at least 1, got 0"):
        flip_matrix(compare([0, 1], [1, 1]), 0)


@pytest.mark.parametrize("limit", [0, 1, 7, 20, 1000])
def test_largest_moves_are_those_of_a_sort(models, limit):
    base, new, y = models
    base, new = base.copy(), np.round(new, 1)
    base = np.round(base, 1)  # ties
    base /= base.sum(axis=1, keepdims=True)
    new /= new.sum(axis=1, keepdims=True)
    base[::7] = np.nan
    names = np.array(["a", "b", "c", "d"])
    ids = [f"id-{i}" for i in range(len(base))]
    moves = largest_moves(base, new, names, ids=ids, y=names[y], limit=limit)
    distance = [float(np.abs(g - h).sum() / 2) for g, h in zip(base, new, strict=True)]
    moved = [i for i, d in enumerate(distance) if d > 0]
    expected = sorted(moved, key=lambda i: (-distance[i], i))[:limit]
    assert [move["row"] for move in moves] == [ids[i] for i in expected]
    for move, i in zip(moves, expected, strict=True):
        assert move["move"] == pytest.approx(distance[i])
        assert move["label"] == names[y[i]]
        assert move["base"] == names[base[i].argmax()]
        assert move["new_proba"] == new[i].max()


def test_largest_moves_keep_to_row_order_in_ties():
    base, new = np.tile([1.0, 0.0], (50, 1)), np.tile([0.0, 1.0], (50, 1))
    assert [move["row"] for move in largest_moves(base, new, [0, 1], limit=5)] == [0, 1, 2, 3, 4]


def test_largest_moves_check_their_input():
    with pytest.raises(InvalidInputError, match="must have shapes"):
        largest_moves([[0.5, 0.5]], [[0.5, 0.5]], [0, 1, 2])
    with pytest.raises(InvalidInputError, match="same number of rows"):
        largest_moves([[0.5, 0.5]], [[0.5, 0.5]], [0, 1], ids=[1, 2])
    with pytest.raises(InvalidInputError, match="look like logits"):
        largest_moves([[0.5, 0.5]], [[-3.0, 4.0]], [0, 1])


def test_provenance_is_plain_and_names_versions():
    facts = provenance(
        rows=np.int64(5),
        when=np.datetime64("2024-01-02"),
        share=np.float32("nan"),
        path=object,
        seeds=np.arange(2),
        versions={"lightgbm": "4.5"},
    )
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert set(facts["versions"]) == {"python", "holdfast", "numpy", "scikit-learn", "lightgbm"}
    assert facts["versions"]["numpy"] == np.__version__
    assert (facts["rows"], facts["when"], facts["seeds"]) == (5, "2024-01-02", [0, 1])


def test_summary_of_labels_has_no_moves():
    base, new = [0, 1, 1], [1, 1, 1]
    summary = summarise_comparison(compare(base, new), base=base, new=new)
    assert summary["moves"] is None
    assert summary["decision"] is None
