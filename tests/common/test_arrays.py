import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast.common.arrays import (
    as_array,
    check_labels,
    check_proba,
    check_same_index,
    check_same_length,
    check_weights,
    missing_rows,
)
from holdfast.common.classes import check_classes, class_index, match_classes, union_classes
from holdfast.common.parameters import check_choice, check_share, require
from holdfast.exceptions import InvalidInputError, MissingExtraError

# --- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (None, "x must be an array, got None"),
        (3, r"shape \(n,\) or \(n, K\), got shape \(\)"),
        ("abc", r"got shape \(\)"),
        ({"a": 1}, r"got shape \(\)"),
        (np.zeros((1, 2, 3)), r"got shape \(1, 2, 3\)"),
        ([], "at least one row, got none"),
        (np.zeros((0, 2)), "at least one row, got none"),
        ([[0.5, 0.5], [1.0]], "x must be rectangular, got rows of unequal length"),
    ],
)
def test_as_array_refuses(values, match):
    with pytest.raises(InvalidInputError, match=match):
        as_array("x", values)


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        ([1, 2], [1, 2], "i"),
        ((True, False), [True, False], "b"),
        (["a", "b"], ["a", "b"], "U"),
        (pd.Series([1, 2], dtype="Int8"), [1, 2], "i"),
        (pd.Series([True, False], dtype="boolean"), [True, False], "b"),
        (pd.Series(["a", "b"], dtype="string"), ["a", "b"], "O"),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"], "O"),
        (pd.Categorical([2, 1]), [2, 1], "i"),
        (pd.Series([1, 2], dtype=object), [1, 2], "i"),
        (pd.Series([np.True_, False], dtype=object), [True, False], "b"),
        (pd.Series([1.0, 2], dtype=object), [1.0, 2.0], "f"),
        (pl.Series(["a", "b"]), ["a", "b"], "O"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), ["a", "b"], "O"),
        (pl.Series([1, 2], dtype=pl.UInt8), [1, 2], "u"),
        (pl.Series([True, False]), [True, False], "b"),
        (np.ma.array([1, 2], mask=[False, False]), [1, 2], "i"),
        (np.array([2**64, 1], dtype=object), [2**64, 1], "O"),
        (np.array([1.0, -2.0], dtype=np.float32), [1, -2], "f"),
    ],
)
def test_labels_of_every_library(values, expected, kind):
    labels = check_labels("y", values)
    assert labels.tolist() == expected
    assert labels.dtype.kind == kind


def test_labels_of_arrow_and_of_numpy_strings():
    pa = pytest.importorskip("pyarrow")
    assert check_labels("y", pa.array(["a", "b"])).tolist() == ["a", "b"]
    assert check_labels("y", pa.chunked_array([[True], [False]])).tolist() == [True, False]
    text = np.array(["a", "b"], dtype=np.dtypes.StringDType())
    assert check_labels("y", text).tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([0.3, 0.7], r"y must be class labels, got real numbers such as 0\.3; .*column_stack"),
        ([0.0, np.inf], "got real numbers such as inf"),
        ([0.0, np.nan], "must not have missing values, got 1 of 2 rows"),
        (["a", None, np.nan], "got 2 of 3 rows with NaN or None"),
        (["a", np.nan], "got 1 of 2 rows"),
        (pd.Series(["a", None], dtype="string"), "got 1 of 2 rows"),
        (pd.Series(["a", None], dtype="category"), "got 1 of 2 rows"),
        (pd.Series([1, None], dtype="Int64"), "got 1 of 2 rows"),
        (pd.Series([True, None], dtype="boolean"), "got 1 of 2 rows"),
        (pl.Series([1, None]), "got 1 of 2 rows"),
        (pl.Series(["a", None]), "got 1 of 2 rows"),
        (np.ma.array([1, 2], mask=[True, False]), "got 1 of 2 rows"),
        ([1, "a"], "all of one type, got int, str; convert"),
        ([True, 1.5, "a"], "all of one type, got bool, float, str"),
        (np.array([True, 2], dtype=object), "all of one type, got bool, int"),
        ([b"a", b"b"], r"got dtype \|S1; convert the classes"),
        (np.array(["2020-01-01"], dtype="M8[D]"), r"got dtype datetime64\[D\]"),
        ([datetime.date(2020, 1, 1)] * 2, "got date; convert"),
        ([Decimal(1), Decimal(2)], "got Decimal; convert"),
        ([1j, 2j], "got dtype complex128"),
        ([[0.5, 0.5]], r"y must be labels of shape \(n,\), got shape \(1, 2\)"),
    ],
)
def test_check_labels_refuses(values, match):
    with pytest.raises(InvalidInputError, match=match):
        check_labels("y", values)


# --- probabilities -------------------------------------------------------------------------------

GOOD = [[0.25, 0.75], [1.0, 0.0]]


@pytest.mark.parametrize(
    "values",
    [
        GOOD,
        np.array(GOOD, dtype=np.float16),
        np.array(GOOD, dtype=np.float32),
        np.array(GOOD, dtype=object),
        np.array(GOOD, dtype=">f8"),
        pd.DataFrame(GOOD, columns=["a", "b"], dtype="Float64"),
        pl.DataFrame(GOOD, schema=["a", "b"], orient="row"),
        [[Decimal("0.25"), Decimal("0.75")], [1, 0]],
    ],
)
def test_probabilities_of_every_type(values):
    checked = check_proba("p", values)
    assert checked.dtype.kind == "f"
    assert checked.dtype.itemsize >= 4
    assert checked.tolist() == GOOD


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_indicators_are_probabilities(dtype):
    assert check_proba("p", np.eye(3, dtype=dtype)).tolist() == np.eye(3).tolist()


def test_many_classes_in_half_precision():
    p = np.random.default_rng(0).dirichlet(np.ones(3000), 5).astype(np.float16)
    check_proba("p", p)


NAN = np.nan


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([0.2, 0.8], r"shape \(n, K\) with K >= 2, got shape \(2,\); for two classes give both"),
        ([[0.2], [0.8]], r"with K >= 2, got shape \(2, 1\)"),
        ([[0.5, 0.5], [0.6, 0.5]], r"must sum to 1 in each row, got 1\.1 in row 1 \(1 such rows\)"),
        (
            [[1.0, 0.0], [2.5, -1.5]],
            r"\[0, 1\], got values from -1\.5 to 2\.5, .*logits; .*softmax",
        ),
        ([[1.0, -0.1, 0.1]], "look like logits"),
        ([[0.0, np.inf]], "must be finite, got values from 0 to inf"),
        ([[0.0, -np.inf]], "must be finite, got values from -inf to 0"),
        ([[0.5, 1.5]], "counts or scores; divide each row by its sum"),
        ([[0.5, NAN]], "must not have missing values, got 1 of 1 rows"),
        (pd.DataFrame({"a": [0.5, None], "b": [0.5, 0.5]}, dtype="Float64"), "got 1 of 2 rows"),
        ([["0.5", "0.5"]], "must be numbers, got dtype <U3"),
        (np.array([["0.5", 0.5]], dtype=object), "must be numbers, got dtype object"),
        (np.array([[object(), 0.5]], dtype=object), "must be numbers, got dtype object"),
        ([[0.5 + 0j, 0.5]], "must be numbers, got dtype complex128"),
    ],
)
def test_check_proba_refuses(values, match):
    with pytest.raises(InvalidInputError, match=match):
        check_proba("p", values)


def test_missing_rows_only_where_allowed():
    values = [[0.5, 0.5], [NAN, NAN], [0.1, 0.9]]
    with pytest.raises(InvalidInputError, match="p must not have missing values, got 1 of 3"):
        check_proba("p", values)
    for rows in (values, pd.DataFrame(values, dtype="Float64"), pl.DataFrame(values, orient="row")):
        assert missing_rows(check_proba("p", rows, allow_missing=True)).tolist() == [0, 1, 0]
    assert missing_rows(check_proba("p", [[NAN, NAN]], allow_missing=True)).tolist() == [True]
    with pytest.raises(InvalidInputError, match="got 2 of 3 rows with NaN"):
        check_proba("p", [[0.5, NAN], [NAN, NAN], [0, 1]], allow_missing=True)
    with pytest.raises(InvalidInputError, match=r"got 0\.9 in row 2 \(1 such rows\)"):
        check_proba("p", [[NAN, NAN], [0, 1], [0.1, 0.8]], allow_missing=True)


# --- weights, lengths, numbers, choices ----------------------------------------------------------


@pytest.mark.parametrize(
    "values", [[1, 0], [True, False], np.uint8([1, 0]), pd.Series([1, 0], dtype="Int8")]
)
def test_weights_of_every_type(values):
    weights = check_weights("w", values, 2)
    assert weights.dtype == np.float64
    assert weights.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([1.0], "w and rows must have the same number of rows, got w 1, rows 2"),
        ([[1.0], [1.0]], r"w must be numbers of shape \(n,\), got shape \(2, 1\)"),
        (["1", "2"], "must be numbers of shape"),
        ([1.0, NAN], "w must be finite and >= 0"),
        (np.array([None, None]), "w must not have missing values, got 2 of 2 rows"),
        ([1.0, np.inf], "w must be finite and >= 0"),
        ([1.0, -1.0], r"w must be finite and >= 0, .* got values from -1 to 1"),
        ([0.0, 0.0], "not every weight zero"),
        ([1e-200, 1e-200], r"squares that can be summed, got weights up to 1e-200; divide"),
        ([1e200, 1.0], r"squares that can be summed, got weights up to 1e\+200; divide"),
    ],
)
def test_check_weights_refuses(values, match):
    with pytest.raises(InvalidInputError, match=match):
        check_weights("w", values, 2)


def test_messages_show_plain_values():
    with pytest.raises(InvalidInputError, match=r"got 1\.5;"):
        check_share("max_churn", np.float64(1.5))
    with pytest.raises(InvalidInputError, match="got 'b'; "):
        check_choice("p", np.str_("b"), ["a"])
    with pytest.raises(InvalidInputError, match=r"numbers \(e\.g\. 1\), b strings \(e\.g\. 'x'\)"):
        union_classes(a=np.array([1]), b=np.array([np.str_("x")], dtype=object))


def test_check_same_length():
    assert check_same_length(a=[1, 2], b=None, c=np.zeros((2, 3))) == 2
    with pytest.raises(InvalidInputError, match=r"a and b must .* got a 1, b 2; give them for the"):
        check_same_length(a=[1], b=[1, 2])


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), np.int64(1)])
def test_shares(value):
    checked = check_share("max_churn", value)
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize("value", [1.7, -0.1, NAN, "0.1", None, True, np.True_, [0.1]])
def test_check_share_refuses(value):
    with pytest.raises(
        InvalidInputError, match=r"max_churn must be in \[0, 1\], got .*0\.02 for 2"
    ):
        check_share("max_churn", value)


def test_check_share_ends_and_hints():
    with pytest.raises(InvalidInputError, match=r"confidence must be in \(0, 1\), got 1.*95 %"):
        check_share("confidence", 1, open_ends=True)
    with pytest.raises(InvalidInputError, match=r"x must be in \[0, 2\], got 3; give a number in"):
        check_share("x", 3, high=2)
    with pytest.raises(InvalidInputError, match=r"x must be in \[0, 1\], got 3; do that"):
        check_share("x", 3, hint="do that")


def test_check_choice():
    assert check_choice("kind", "a", ("a", "b")) == "a"
    with pytest.raises(
        InvalidInputError,
        match="kind must be one of 'anchor', 'cold', got 'ancor'; did you mean 'anchor'",
    ):
        check_choice("kind", "ancor", ("anchor", "cold"))
    with pytest.raises(InvalidInputError, match="got None; choose one of them"):
        check_choice("kind", None, ("anchor", "cold"))


def test_require():
    assert require("json", extra="x", purpose="this").loads("1") == 1
    with pytest.raises(MissingExtraError, match=r"this needs no_such_module, .*'holdfast\[x\]'"):
        require("no_such_module.part", extra="x", purpose="this")


# --- classes -------------------------------------------------------------------------------------


def test_check_classes():
    assert check_classes("classes", None, 3).tolist() == [0, 1, 2]
    assert check_classes("classes", ["b", "a"], 2).tolist() == ["b", "a"]
    for wrong in (["a"], ["a", "b", "c"], ["a", "a"]):
        with pytest.raises(InvalidInputError, match=r"classes must be 2 distinct names.* got \d"):
            check_classes("classes", wrong, 2)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([3, 1], [2, 1], [1, 2, 3]),
        (["b", "a"], np.array(["c", "a"], dtype=object), ["a", "b", "c"]),
        ([True, False], [2, 1], [0, 1, 2]),
        ([1.0, 2.0], [3, 1], [1, 2, 3]),
        (np.array([1, 2], dtype=object), [3, 1], [1, 2, 3]),
        (np.array([-1], np.int8), np.array([255], np.uint8), [-1, 255]),
        (np.array([2**63 + 1, 2**63], np.uint64), [-1], [-1, 2**63, 2**63 + 1]),
    ],
)
def test_union_classes(one, two, expected):
    assert union_classes(a=one, b=None, c=two).tolist() == expected


def test_union_of_types_that_never_match():
    with pytest.raises(
        InvalidInputError, match="a and b must have labels of one type, got a number"
    ):
        union_classes(a=[1, 2], b=["1", "2"])


@pytest.mark.parametrize("dtype", [int, str, object, np.uint8])
def test_class_index_finds_values_in_any_order(dtype):
    rng = np.random.default_rng(0)
    classes = rng.permutation(40)[:20].astype(dtype)
    values = rng.integers(0, 40, 200).astype(dtype)
    expected = [classes.tolist().index(v) if v in classes.tolist() else -1 for v in values.tolist()]
    assert class_index(values, classes).tolist() == expected


def test_match_classes():
    base = np.array([[0.2, 0.3, 0.5], [0.0, 0.0, 1.0], [NAN] * 3, [0.5, 0.5, 0.0]])
    matched = match_classes(base, np.array(["c", "a", "gone"]), np.array(["a", "b", "c"]))
    expected = [[0.6, 0, 0.4], [NAN] * 3, [NAN] * 3, [0.5, 0, 0.5]]
    np.testing.assert_allclose(matched.proba, expected)
    assert (matched.n_missing, matched.n_without_mass) == (1, 1)
    assert (matched.unknown_classes, matched.removed_classes) == (("b",), ("gone",))


def test_match_classes_with_equal_classes_only_reorders():
    base = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    matched = match_classes(base, np.array([2, 0, 1]), np.array([0, 1, 2]))
    np.testing.assert_array_equal(matched.proba, base[:, [1, 2, 0]])
    assert matched.removed_classes == matched.unknown_classes == ()


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ([0, 1], "one column per base class, got 3 columns and 2 classes"),
        ([0, 1, 1], "base_classes must be 3 distinct names"),
        (["0", "1", "2"], "must have labels of one type"),
    ],
)
def test_match_classes_refuses(classes, match):
    with pytest.raises(InvalidInputError, match=match):
        match_classes(np.full((2, 3), 1 / 3), np.array(classes), np.array([0, 1, 2]))


# --- indexes -------------------------------------------------------------------------------------


def series(*index):
    return pd.Series(range(len(index)), index=list(index))


def test_equal_indexes_and_those_that_say_nothing():
    plain = pd.Series([1, 2, 3])
    check_same_index(a=series(3, 1, 2), b=series(3, 1, 2), c=plain, d=[1, 2, 3], e=None)
    check_same_index(a=series(3, 1, 2), b=plain, c=series(3, 1, 2).to_frame())
    check_same_index(a=plain, b=pl.Series([1, 2, 3]), c=np.arange(3), d=series("a", "b", "c"))
    check_same_index(a=series(1, 2), b=series(1, 2, 3))  # lengths are checked elsewhere
    missing = series(1.0, float("nan"))
    check_same_index(a=missing, b=missing.copy())


@pytest.mark.parametrize(
    ("first", "other", "match"),
    [
        (
            (1, 2, 3),
            (3, 2, 1),
            r"got 2 of 3 rows .* \(e\.g\. 1 and 3\); reorder one with b\.loc\[a\.ind",
        ),
        (
            ("x", "y"),
            ("x", "z"),
            r"got 1 of 2 rows that differ \(e\.g\. 'y' and 'z'\); pair the rows",
        ),
        (
            (1, 1),
            (1, 2),
            r"got 1 of 2 rows that differ \(e\.g\. 1 and 2\); pair .* with b\.to_numpy",
        ),
        ((5, 6), (6, 7), "got 2 of 2 rows"),
    ],
)
def test_different_indexes(first, other, match):
    for change in (pd.Series, pd.Series.to_frame):
        with pytest.raises(InvalidInputError, match=f"a and b must have the same index.*{match}"):
            check_same_index(a=series(*first), between=[0], b=change(series(*other)))
    # The default index of a frame of other rows is no default.
    with pytest.raises(InvalidInputError, match="got 2 of 2 rows"):
        check_same_index(a=pd.Series(range(9))[5:7], b=pd.Series(range(9))[6:8])


def test_indexes_of_several_levels():
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    one, other = (pd.Series([0, 1, 2], index=levels) for levels in (index, index[::-1]))
    with pytest.raises(InvalidInputError, match=r"got 2 of 3 rows .* \('a', 1\) and \('b', 1\)"):
        check_same_index(one=one, other=other)
