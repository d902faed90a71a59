"""Codes of values are the same with and without pandas, for every type."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from holdfast.common import coding
from holdfast.common.arrays import check_labels, missing_values
from holdfast.common.coding import as_objects, factorize

NAN, DAY = float("nan"), datetime.date(2020, 1, 1)


def objects(*values):
    return np.fromiter(values, dtype=object, count=len(values))


VALUES = {
    "text": objects("b", "a", None, "b", NAN),
    "integers and none": objects(2, 1, None, 2),
    "all that is missing": objects(None, NAN, pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("nan")),
    "equal numbers": objects(1, 1.0, True, "1"),
    "beyond 64 bits": objects(2**70, 1, 2**70),
    "tuples": objects((1, 2), (3,), (1, 2)),
    "dates": objects(DAY, None, DAY),
    "times": objects(datetime.datetime(2020, 1, 1, 3), pd.NaT, datetime.datetime(2021, 1, 1)),
    "fixed text": np.array(["b", "a", "b"]),
    "bytes": np.array([b"b", b"a", b"b"]),
    "int8": np.array([3, -1, 3], dtype=np.int8),
    "uint64": np.array([2**63 + 1, 2, 2], dtype=np.uint64),
    "float32": np.array([0.1, np.nan, 0.1, np.nan], dtype=np.float32),
    "zeros": np.array([0.0, -0.0]),
    "bool": np.array([True, False, True]),
    "days": np.array(["2020-01-01", "NaT", "2020-01-01"], dtype="M8[D]"),
    "nanoseconds": np.array([1, 2, 1], dtype="M8[ns]"),
    "durations": np.array([1, 2, 1], dtype="m8[s]"),
    "complex": np.array([1j, 2, 1j]),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_few_values_are_coded_as_many(values, monkeypatch):
    codes, distinct = factorize(values)
    monkeypatch.setattr(coding, "FEW", 0)
    expected_codes, expected = factorize(values)
    assert len(distinct) == len(expected)
    assert distinct.dtype == expected.dtype == values.dtype
    assert as_objects(distinct)[codes].tolist() == as_objects(expected)[expected_codes].tolist()
    assert as_objects(distinct)[codes].tolist() == as_objects(values).tolist()
    np.testing.assert_array_equal(
        codes[:, None] == codes, expected_codes[:, None] == expected_codes
    )


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_missing_values_are_those_of_pandas(values):
    np.testing.assert_array_equal(missing_values(values), pd.isna(values))
    assert [value is None for value in as_objects(values)] == pd.isna(values).tolist()


def test_values_that_hold_arrays_are_not_missing():
    assert not missing_values(objects(np.array([1, 2]), [NAN])).any()


def test_dates_become_those_of_pandas():
    assert as_objects(np.array([1], dtype="M8[ns]")).tolist() == [pd.Timestamp(1)]
    assert as_objects(np.array([1], dtype="m8[ns]")).tolist() == [pd.Timedelta(1)]


@pytest.mark.parametrize("few", [0, 10])
def test_values_without_a_hash(few, monkeypatch):
    monkeypatch.setattr(coding, "FEW", few)
    with pytest.raises(TypeError, match="unhashable type: 'list'"):
        factorize(objects([1], [2]))


LABELS = {
    "string": objects("a", np.str_("b")),
    "integer": objects(1, np.int8(2)),
    "boolean": objects(True, np.False_),
    "mixed-integer-float": objects(1, 2.0),
    "floating": objects(1.0, np.float32(2)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_types_of_labels_are_those_that_pandas_infers(kind):
    assert pd.api.types.infer_dtype(LABELS[kind], skipna=False) == kind
    expected = {"string": "O", "integer": "i", "boolean": "b"}.get(kind, "f")
    assert check_labels("y", LABELS[kind]).dtype.kind == expected
