import numpy as np
import pytest

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
    assert warning == (
        "No answer of either model is among the true classes, so accuracy and flips from right to "
        "wrong are not measured. The answers are 'approve', 'review', the true classes 'fraud', "
        "'legit'."
    )


def test_few_answers_that_are_no_classes():
    found = compare(["A", "B"] * 5, ["B", "D"] * 5, ["C", "I"] * 5)
    assert found.accuracy_base == 0
    (warning,) = found.warnings
    assert warning == (
        "No answer of either model is among the true classes, so neither is ever right. The "
        "answers are 'A', 'B', 'D', the true classes 'C', 'I'."
    )
    assert compare(["A", "B"], ["B", "D"], ["C", "B"]).warnings == ()
    assert compare(["A", "B"], ["B", "D"]).warnings == ()


@pytest.mark.parametrize(
    ("truth", "answer", "named"),
    [
        (" Yes", "Yes", "' Yes', 'Yes'"),
        ("yes", "Yes", "'Yes', 'yes'"),
        ("on  call", "On call", "'On call', 'on  call'"),
        ("1.0", "1", "'1', '1.0'"),
    ],
)
@pytest.mark.parametrize("n", [5, 100])
def test_classes_that_are_spelled_in_two_ways(truth, answer, named, n):
    sentence = f"Classes that differ only in their spelling count as different: {named}."
    answers, others = np.array([answer, "no"] * n), np.array([answer, "no"] * n)
    assert sentence in compare(answers, others, [truth, "no"] * n).warnings
    assert sentence in compare(answers, [truth, "no"] * n).warnings
    assert compare(answers, others, [answer, "no"] * n).warnings == ()


def test_letters_of_both_cases_are_classes_but_blanks_are_not():
    letters = ["a", "A", "b"] * 20
    assert compare(letters, letters.copy(), letters).warnings == ()
    blanks = ["a", "a ", "b"] * 20
    assert compare(blanks, blanks.copy(), blanks).warnings == (
        "Classes that differ only in their spelling count as different: 'a', 'a '.",
    )


def test_many_spellings_are_named_in_part():
    names = [f"name {i}" for i in range(5)]
    (warning,) = compare(names, names[::-1], [name.upper() for name in names]).warnings[1:]
    assert warning.count("'") == 12
    assert warning.endswith("; ….")


def test_text_beside_numbers_is_refused():
    with pytest.raises(ValueError, match=r"base strings \(e\.g\. '0'\).* y numbers \(e\.g\. 0\)"):
        compare(["1", "0"], ["1", "1"], [1, 0])


def test_selective_labels():
    rng = np.random.default_rng(0)
    base, new = rng.integers(0, 2, (2, 4_000))
    known = rng.random(4_000) < np.where(base != new, 0.6, 0.3)
    found = compare(base, new, np.where(known, 0.0, np.nan))
    assert any(warning.startswith("Labels are selective: ") for warning in found.warnings)
