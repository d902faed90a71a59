import numpy as np
import pytest

from holdfast.common.classes import class_index, whole_labels


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.uint64])
@pytest.mark.parametrize("n", [2, 500])
def test_position_of_integers(dtype, n):
    rng = np.random.default_rng(0)
    classes = rng.permutation(40)[:20].astype(np.int64)
    values = rng.integers(0, 100, n).astype(dtype)
    place = {value: i for i, value in enumerate(classes.tolist())}
    expected = [place.get(value, -1) for value in values.tolist()]
    assert class_index(values, classes).tolist() == expected
    far = values.astype(np.uint64) + np.uint64(2**63)
    assert class_index(far, classes).tolist() == [-1] * n
    distinct, position = np.unique(far, return_inverse=True)
    assert class_index(far, distinct).tolist() == position.tolist()


def test_whole_labels():
    assert whole_labels(np.array([2.0, -1.0])).dtype == np.int64
    for labels in (np.array(["a"]), np.array([True]), np.array([1e19])):
        assert whole_labels(labels) is labels
