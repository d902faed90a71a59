import numpy as np
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.update.rows import UpdateRows, halves, held_out_rows, lone_rows


def rows(labels, base_classes, proba, classes=None):
    classes = np.unique(labels) if classes is None else np.asarray(classes)
    labels = np.asarray(labels)
    base = base_predictions(proba, np.asarray(base_classes), classes)
    X = np.arange(len(labels))[:, None]
    return UpdateRows(X, np.searchsorted(classes, labels), classes, None, base)


def test_labels_that_the_base_never_knew_teach_themselves():
    update = rows(["a", "c", "b"], ["b", "a"], [[0.3, 0.7], [0.4, 0.6], [0.5, 0.5]])
    assert update.unknown_label.tolist() == [False, True, False]
    np.testing.assert_allclose(
        update.teacher_proba, [[0.7, 0.3, 0.0], [np.nan] * 3, [0.5, 0.5, 0.0]]
    )
    report = update.base_report
    assert report.unknown_classes == ("c",)
    assert (report.n, report.n_unknown_label, report.n_missing) == (3, 1, 0)
    assert report.removed_classes == ()


def test_classes_that_are_gone_are_dropped_and_renormalised():
    proba = [[0.5, 0.25, 0.25], [0.0, 0.0, 1.0], [np.nan] * 3, [0.1, 0.2, 0.7]]
    update = rows([0, 1, 0, 1], [0, 1, 9], proba)
    np.testing.assert_allclose(
        update.teacher_proba, [[2 / 3, 1 / 3], [np.nan] * 2, [np.nan] * 2, [1 / 3, 2 / 3]]
    )
    assert update.base.pred.tolist() == [0, -1, -1, -1]
    assert update.base.served[[0, 1, 3]].tolist() == [0, 9, 9]
    assert update.base.answered.tolist() == [True, True, False, True]
    assert update.base.missing.tolist() == [False, True, True, False]
    report = update.base_report
    assert (report.n_missing, report.n_without_mass, report.n_unknown_label) == (1, 1, 0)
    assert report.removed_classes == (9,)


def test_take_keeps_everything_along_the_rows():
    update = rows([0, 1, 0], [1, 0], [[0.2, 0.8], [0.6, 0.4], [np.nan] * 2])
    part = update.take(np.array([2, 1]))
    assert part.X.ravel().tolist() == [2, 1]
    assert part.y.tolist() == [0, 1]
    assert part.base.answered.tolist() == [False, True]
    assert part.base.served.tolist()[1] == 1
    assert part.base.pred.tolist() == [-1, 1]


def test_rows_of_a_first_release_have_no_base_predictions():
    classes = np.array(["a", "b"])
    none = BasePredictions.none(3, classes)
    first = UpdateRows(np.arange(3)[:, None], np.array([0, 1, 0]), classes, None, none)
    for part in (first, first.take(np.array([2, 1]))):
        assert part.base.missing.all()
        assert not part.base.answered.any()
        assert part.teacher_proba.shape == (len(part.y), 2)
        assert np.isnan(part.teacher_proba).all()


@pytest.mark.parametrize("labels", [[True, False, True], [3, 7, 3], ["x", "y", "x"]])
def test_kinds_of_labels(labels):
    other = {bool: True, int: 7, str: "y"}[type(labels[0])]
    known = [label for label in sorted(set(labels)) if label != other]
    base_classes = [*known, {bool: False, int: 99, str: "z"}[type(labels[0])]]
    if len(set(base_classes)) < 2:
        base_classes = [True, False]
    update = rows(labels, base_classes, [[0.5, 0.5]] * 3)
    unknown = set(labels) - set(base_classes)
    assert update.base_report.n_unknown_label == sum(label in unknown for label in labels)


# --- the split ------------------------------------------------------------------------------------


def test_split_is_a_partition_in_proportion():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    kept, held_out = held_out_rows(100, 0.2, 0, None, stratify=y)
    assert np.array_equal(np.sort(np.concatenate([kept, held_out])), np.arange(100))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held_out) > 0).all()
    assert np.bincount(y[held_out]).tolist() == [12, 6, 2]
    again = held_out_rows(100, 0.2, 0, None, stratify=y)
    assert np.array_equal(again[1], held_out)
    assert not np.array_equal(held_out_rows(100, 0.2, 1, None, stratify=y)[1], held_out)


def test_rows_seen_by_the_base_are_never_held_out():
    seen = np.arange(100) % 10 != 0
    for seed in range(20):
        _, held_out = held_out_rows(100, 0.2, seed, seen, stratify=np.arange(100) % 2)
        assert not seen[held_out].any()
        assert len(held_out) == 5  # half of the rows that the base has not seen


def test_a_class_of_one_row_trains():
    y = np.append(np.repeat([0, 1], 20), 2)
    for seed in range(20):
        kept, _ = held_out_rows(41, 0.4, seed, None, stratify=y)
        assert 40 in kept
        assert set(y[kept]) == {0, 1, 2}


@pytest.mark.parametrize("fraction", [0.001, 0.5, 0.99, 0.99999])
def test_extreme_fractions_leave_rows_on_both_sides(fraction):
    for y in (None, np.arange(10) % 2, np.arange(10) // 3):
        kept, held_out = held_out_rows(10, fraction, 0, None, stratify=y)
        assert len(kept) >= 1
        assert len(held_out) >= 1


def test_too_few_rows_to_split():
    with pytest.raises(InvalidInputError, match="at least two rows that can be held out, got 1"):
        held_out_rows(1, 0.2, 0, None)
    with pytest.raises(InvalidInputError, match="at least two rows that can be held out, got 0"):
        held_out_rows(3, 0.2, 0, None, stratify=np.arange(3))


@pytest.mark.parametrize(
    ("seen", "match"),
    [
        (np.ones(10, dtype=bool), "at least two rows that are False"),
        (np.arange(10) % 2, "must be booleans"),
        (np.zeros(9, dtype=bool), "same number of rows"),
        (np.zeros((10, 1), dtype=bool), r"booleans of shape \(n,\)"),
    ],
)
def test_wrong_marks(seen, match):
    with pytest.raises(InvalidInputError, match=match):
        held_out_rows(10, 0.2, 0, seen)


def test_a_class_without_training_rows_is_an_error():
    update = rows(np.repeat([0, 1, 2], [8, 8, 2]), [0, 1, 2], np.full((18, 3), 1 / 3))
    seen = np.arange(18) < 15  # leaves one row of class 1 and both of class 2 to hold out
    splits = (held_out_rows(18, 0.5, seed, seen, stratify=update.y)[1] for seed in range(50))
    seed = next(i for i, held_out in enumerate(splits) if held_out.tolist() == [16, 17])
    with pytest.raises(InvalidInputError, match="every class among the training rows"):
        update.split(0.5, seed, seen)


@pytest.mark.parametrize("y", [[0, 1], [0, 0, 0, 1], [0, 0, 1, 2], [0, 0, 0, 0, 1, 1, 2, 3, 4]])
def test_each_held_out_row_may_certify(y):
    y, drawn = np.array(y), set()
    for seed in range(60):
        selecting, certifying = halves(y, seed)
        assert sorted([*selecting, *certifying]) == list(range(len(y)))
        drawn |= set(certifying.tolist())
    assert drawn == set(range(len(y)))


def test_lone_rows_are_drawn_as_often_as_others():
    y = np.concatenate([np.repeat(np.arange(4), 200), np.arange(4, 104)])
    seen = np.arange(len(y)) % 2 == 0
    assert len(lone_rows(y, None, 80, 0)) == 10
    lone = lone_rows(y, seen, 80, 0)
    assert len(lone) == 10
    assert not seen[lone].any()
    assert (y[lone] >= 4).all()
    assert len(lone_rows(y[:800], None, 80, 0)) == 0
