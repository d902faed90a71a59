import json

import numpy as np
import pytest

from holdfast.common.provenance import provenance
from holdfast.comparison import compare
from holdfast.exceptions import InvalidInputError
from holdfast.report.summarise import (
    summarise_comparison,
)


@pytest.mark.parametrize(("n_classes", "max_classes"), [(3, 20), (30, 5), (200, 20)])
def test_flip_matrix_is_that_of_a_loop(n_classes, max_classes):
    rng = np.random.default_rng(n_classes)
    base, new, y = rng.integers(0, n_classes, (3, 2000))
    kept = rng.random(2000) < 0.6
    new = np.where(kept, base, new)
    matrix = compare(base, new, y).matrix(max_classes)
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
    matrix = compare(["a", "a", "b"], ["a", "b", "b"], sample_weight=weights).matrix()
    assert matrix["negative"] is None
    assert matrix["counts"] == [[0.5, 1.0], [0.0, 1.25]]
    with pytest.raises(InvalidInputError, match="max_classes must be at least 1, got 0"):
        compare([0, 1], [1, 1]).matrix(0)


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


def test_summary_without_predictions_has_no_rows():
    summary = summarise_comparison(compare([0, 1, 1], [1, 1, 1]))
    assert summary["rows"] is None
    assert summary["decision"] is None
