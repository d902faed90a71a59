import numpy as np

from holdfast.comparison import compare


def rare(n_rare, lost):
    y = np.repeat(["fraud", "legit"], [n_rare, 1_000])
    base = y.copy()
    new = y.copy()
    new[:lost] = "legit"
    return base, new, y


def test_lost_recall_of_the_rarest_class():
    found = compare(*rare(100, 12))
    (warning,) = found.warnings
    assert warning.startswith("The new model misses more of the rarest class, 'fraud' (100 rows): ")
    assert "recall falls from 100.00% to 88.00%" in warning
    assert f"warning: {warning}" in str(found)
    assert found.to_dict()["warnings"] == [warning]
    assert warning in found.to_html().replace("&#39;", "'")
    assert compare(*rare(100, 1)).warnings == ()
    assert found.at(0.99999).warnings == ()


def test_classes_of_too_few_rows_are_passed_over():
    assert compare(*rare(9, 9)).warnings == ()
    assert len(compare(*rare(10, 9)).warnings) == 1


def test_answers_that_are_no_classes():
    rng = np.random.default_rng(0)
    base, new = rng.choice(["approve", "review"], (2, 100))
    (warning,) = compare(base, new, rng.choice(["fraud", "legit"], 100)).warnings
    assert warning.startswith("No answer of either model is among the true classes")


def test_selective_labels():
    rng = np.random.default_rng(0)
    base, new = rng.integers(0, 2, (2, 4_000))
    known = rng.random(4_000) < np.where(base != new, 0.6, 0.3)
    found = compare(base, new, np.where(known, 0.0, np.nan))
    assert any(warning.startswith("Labels are selective: ") for warning in found.warnings)
