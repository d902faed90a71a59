import tracemalloc
from collections import Counter

import numpy as np
import pytest

from holdfast.comparison import counting, tallies
from holdfast.comparison.counting import BLOCK, count_pairs
from holdfast.comparison.counts import BASE_RIGHT, NEW_RIGHT
from holdfast.exceptions import InvalidInputError


def count(base, new, y=None, *, classes=None, weight=None, groups=None):
    return count_pairs(
        base, new, y, proba_classes=classes, sample_weight=weight, groups=groups or {}
    )


def loop(base, new, y, weight):
    """Weight of each (base class, new class, outcome), row by row."""
    cells = Counter()
    for i, (b, n) in enumerate(zip(base, new, strict=True)):
        outcome = 0
        if y is not None:
            outcome = (b == y[i]) * BASE_RIGHT + (n == y[i]) * NEW_RIGHT
        if weight is None or weight[i] > 0:
            cells[b, n, outcome] += 1 if weight is None else weight[i]
    return dict(cells)


def cells_of(counts):
    classes = counts.classes.tolist()
    return {
        (classes[b], classes[n], outcome): weight
        for (b, n), row in zip(counts.pairs.tolist(), counts.pair_cells, strict=True)
        for outcome, weight in enumerate(row.tolist())
        if weight
    }


def triples_of(counts):
    labels = [*counts.labels.tolist(), None]
    return {
        tuple(labels[i] for i in triple): (rows, weight, square, largest)
        for triple, rows, weight, square, largest in zip(
            counts.triples.tolist(),
            counts.rows.tolist(),
            counts.weights.tolist(),
            counts.squares.tolist(),
            counts.largest.tolist(),
            strict=True,
        )
    }


def loop_over_triples(base, new, y, weight):
    found = {}
    for i, pair in enumerate(zip(base, new, strict=True)):
        w = 1 if weight is None else weight[i]
        cell = (*pair, None if y is None else y[i])
        if w > 0:
            rows, total, squares, largest = found.get(cell, (0, 0, 0, 0))
            found[cell] = rows + 1, total + w, squares + w * w, max(largest, w)
    return found


def check(base, new, y, weight=None):
    counts = count(base, new, y, weight=weight)
    expected = loop_over_triples(
        *(None if array is None else array.tolist() for array in (base, new, y, weight))
    )
    found = triples_of(counts)
    assert found.keys() == expected.keys()
    for cell, sums in found.items():
        assert sums == pytest.approx(expected[cell])
    lists = [None if array is None else array.tolist() for array in (base, new, y, weight)]
    expected = loop(*lists)
    assert cells_of(counts) == pytest.approx(expected)
    assert counts.classes.tolist() == sorted({c for b, n, _ in expected for c in (b, n)})
    assert counts.n == len(base)
    return counts


CONVERT = {
    "int64": lambda a: a,
    "int8": lambda a: (a - 3).astype(np.int8),
    "uint8": lambda a: (a + 249 - a.max()).astype(np.uint8),
    "uint64": lambda a: a.astype(np.uint64),
    "negative": lambda a: a - 1_000,
    "wide": lambda a: (a - 2) * 10**12,
    "beyond int64": lambda a: a.astype(np.uint64) + np.uint64(2**63),
    "float": lambda a: a.astype(float),
    "text": lambda a: np.char.add("c", a.astype(str)),
    "objects": lambda a: a.astype(str).astype(object),
    "bool": lambda a: a > 0,
}


@pytest.mark.parametrize("kind", CONVERT)
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_cells_equal_a_loop(kind, labelled, weighted):
    rng = np.random.default_rng(0)
    base, new, y = (CONVERT[kind](rng.integers(0, 4, 300)) for _ in range(3))
    weight = rng.integers(0, 3, 300) * 0.5 if weighted else None
    check(base, new, y if labelled else None, weight)


@pytest.mark.parametrize("n_classes", [127, 128, 129, 500])
@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes(n_classes, weighted):
    rng = np.random.default_rng(0)
    base, new, y = rng.integers(0, n_classes, (3, 2_000))
    weight = rng.integers(0, 2, 2_000) * 0.25 if weighted else None
    check(base, new, y, weight)


@pytest.mark.parametrize("n_classes", [3, 300])
@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
def test_blocks_add_up(n_classes, n):
    rng = np.random.default_rng(0)
    base, new, y = rng.integers(0, n_classes, (3, n))
    group = rng.integers(0, 2, n)
    weight = rng.random(n)
    counts = count(base, new, y, weight=weight, groups={"g": group})
    groups = counts.groups["g"]
    outcome = (base == y) * BASE_RIGHT + (new == y) * NEW_RIGHT
    for g in (0, 1):
        for changed in (False, True):
            rows = (group == g) & ((base != new) == changed)
            expected = np.bincount(outcome[rows], weights=weight[rows], minlength=4)
            np.testing.assert_allclose(groups.weighed().weights[g, int(changed)], expected)
    np.testing.assert_allclose(counts.cells, groups.weights.sum(axis=0)[:, :4])
    assert groups.n.tolist() == np.bincount(group).tolist()
    squares = np.bincount(group, weights=weight**2)
    np.testing.assert_allclose(groups.squares.sum(axis=(1, 2)), squares)
    assert groups.weighed().largest.tolist() == [weight[group == g].max() for g in (0, 1)]
    assert counts.weighed().largest == weight.max()
    assert counts.weight_squares == pytest.approx(squares.sum())


def test_types_of_one_value_match():
    base, new, y = np.array([0, 1, 1]), np.array([0, 1, 1], np.uint64), np.array([0.0, 1.0, 0.0])
    for arrays in ((base, new, y), (base.astype(bool), new, y), (base, new.astype(bool), base)):
        assert not count(*arrays).cells[1].any()


def test_signed_and_unsigned_of_a_wide_range_do_not_merge():
    new = np.array([2**63 + 1, 2**63 + 2, 5], np.uint64)
    counts = count(np.array([-1, -1, 5]), new)
    assert counts.classes.tolist() == [-1, 5, 2**63 + 1, 2**63 + 2]


def test_probabilities_count_as_their_largest_class():
    rng = np.random.default_rng(0)
    names = np.array(["b", "c", "a"])
    base, new = rng.dirichlet(np.ones(3), (2, 400))
    y = names[rng.integers(0, 3, 400)]
    hard = count(names[base.argmax(axis=1)], names[new.argmax(axis=1)], y)
    for pair in ((base, new), (base, names[new.argmax(1)]), (names[base.argmax(1)], new)):
        soft = count(*pair, y, classes=names)
        assert cells_of(soft) == cells_of(hard)
        assert soft.classes.tolist() == ["a", "b", "c"]


def test_label_without_a_column():
    p = np.full((2, 2), 0.5)
    with pytest.raises(InvalidInputError, match=r"y must be among the classes of the probability"):
        count(p, p.copy(), np.array([0, 2]), classes=np.arange(2))
    # The hard answers of the other model may be any class.
    assert count(p, np.array([0, 7]), np.array([0, 1]), classes=np.arange(2)).n == 2


@pytest.mark.parametrize("row", [0, BLOCK + 5])
def test_bad_row_is_named_by_its_number(row):
    p = np.full((BLOCK + 10, 2), 0.5)
    bad = p.copy()
    bad[row] = 0.25
    with pytest.raises(InvalidInputError, match=rf"new must sum to 1 .* got 0\.5 in row {row} "):
        count(p, bad, classes=np.arange(2))


def test_sparse_cells_are_merged_while_counting(monkeypatch):
    monkeypatch.setattr(counting, "BLOCK", 100)
    monkeypatch.setattr(tallies, "MAX_PENDING_CELLS", 250)
    rng = np.random.default_rng(0)
    check(*rng.integers(0, 200, (3, 3_000)))
    check(*rng.integers(0, 200, (3, 3_000)), weight=rng.random(3_000))


@pytest.mark.parametrize(("n_classes", "most"), [(5, 6e6), (300, 25e6)])
def test_memory_does_not_grow_with_the_rows(monkeypatch, n_classes, most):
    monkeypatch.setattr(tallies, "MAX_PENDING_CELLS", 1 << 16)
    base = np.random.default_rng(0).integers(0, n_classes, 60 * BLOCK).astype(np.int16)
    tracemalloc.start()
    count(base, base[::-1], base)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < most


def test_groups_of_any_kind():
    base, new = np.array([0, 1, 0, 1]), np.array([0, 0, 0, 0])
    for values, expected in (
        (np.array(["b", None, "a", np.nan], dtype=object), ["a", "b", None]),
        (np.array([2.5, np.nan, -1.0, np.nan]), [-1.0, 2.5, None]),
        (np.array([2, "x", 1.0, None], dtype=object), [1.0, 2, "x", None]),
        (np.array([True, False, True, False]), [False, True]),
    ):
        group = count(base, new, groups={"g": values}).groups["g"]
        assert list(group.values) == expected
        assert group.rows.sum() == 4
    dates = np.array(["2024-01-02", "NaT", "2024-01-01", "NaT"], dtype="M8[D]")
    group = count(base, new, groups={"g": dates}).groups["g"]
    assert [str(value)[:10] for value in group.values] == ["2024-01-01", "2024-01-02", "None"]
    assert group.weights[:, 1].sum(axis=1).tolist() == [0, 0, 2]


@pytest.mark.parametrize("n_classes", [4, 300])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_of_triples_with_missing_truth(n_classes, weighted):
    rng = np.random.default_rng(0)
    base, new, y = rng.integers(0, n_classes, (3, 2_000)) * 3
    weight = rng.integers(0, 3, 2_000) * 0.5 if weighted else None
    known = rng.random(2_000) < 0.3
    group = rng.integers(0, 3, 2_000)

    def counted(rows):
        return count_pairs(
            base[rows],
            new[rows],
            y[rows],
            proba_classes=None,
            sample_weight=None if weight is None else weight[rows],
            groups={"g": group[rows]},
            labeled=known[rows],
        )

    truth = [label if k else None for label, k in zip(y.tolist(), known, strict=True)]
    given = None if weight is None else weight.tolist()
    expected = loop_over_triples(base.tolist(), new.tolist(), truth, given)
    whole = counted(slice(None))
    assert whole.n_labeled == known.sum()
    for counts in (whole, sum(counted(slice(i, None, 7)) for i in range(7))):
        assert triples_of(counts).keys() == expected.keys()
        for cell, sums in triples_of(counts).items():
            assert sums == pytest.approx(expected[cell])
        labeled = counts.groups["g"].labeled()
        assert labeled.n.tolist() == np.bincount(group[known]).tolist()
        np.testing.assert_allclose(labeled.weighed().weights.sum(axis=0), counts.labeled_cells)
        squares = counts.squares[counts.labeled].sum()
        assert labeled.squares.sum() == pytest.approx(squares)


def test_too_many_labels(monkeypatch):
    monkeypatch.setattr("holdfast.comparison.counts.MAX_LABELS", 100)
    names = np.arange(200) * 10**6
    with pytest.raises(InvalidInputError, match="at most 100 classes, got 200; give classes"):
        count(names, names[::-1])
