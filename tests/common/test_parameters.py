import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from holdfast import LowChurnClassifier, LowChurnRegressor, churn_floor
from holdfast.common.parameters import (
    check_jobs,
    check_seed,
    check_share,
    first_line,
    on_one_line,
)
from holdfast.exceptions import InvalidInputError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[10:18:10] /workspace/src/data.cc:24: Check failed: a\nStack trace:\n",
            "Check failed: a",
        ),
        ("catboost/private/libs/target_converter.cpp:669: Bad target", "Bad target"),
        ("file.csv:3: a value", "file.csv:3: a value"),
        ("\n  plain\nmore", "plain"),
    ],
)
def test_first_lines_are_for_readers(text, line):
    assert first_line(ValueError(text)) == line


def test_an_error_without_text_is_its_type():
    assert first_line(KeyError()) == "KeyError"


def test_a_share_that_is_not_of_rows():
    with pytest.raises(InvalidInputError, match=r"power must be .* give a share, e\.g\. 0\.95"):
        check_share("power", 2)


def test_an_error_is_one_line_without_its_stack():
    text = "[10:18:10] /src/data.cc:24: Check failed:\n  a\nStack trace:\n  [bt] (0) /lib.so\n"
    assert on_one_line(ValueError(text)) == "Check failed: a"
    assert on_one_line(KeyError()) == "KeyError"


@pytest.mark.parametrize("value", [1.5, 1.0, True, False, 0, "2", np.float64(2), np.bool_(True)])
def test_numbers_of_jobs_are_integers(value):
    with pytest.raises(InvalidInputError, match="n_jobs must be an integer of at least 1, or -1"):
        check_jobs(value)
    assert [check_jobs(good) for good in (None, 1, -1, -2, np.int32(3))] == [None, 1, -1, -2, 3]


@pytest.mark.parametrize("value", [1.5, 1.0, True, "2", np.float64(2), np.bool_(True)])
def test_seeds_are_integers(value):
    with pytest.raises(InvalidInputError, match="random_state must be an integer or None, got"):
        check_seed(value)
    generator = np.random.RandomState(0)
    assert [check_seed(good) for good in (None, 0, generator)] == [None, 0, generator]


@pytest.mark.parametrize("parameter", ["n_jobs", "random_state"])
@pytest.mark.parametrize("value", [1.5, True, "1"])
def test_every_estimator_refuses_them(parameter, value):
    X, y = np.arange(40.0)[:, None], np.arange(40) % 2
    for make in (
        lambda **given: LowChurnClassifier(LogisticRegression(), **given).fit(X, y),
        lambda **given: LowChurnRegressor(LinearRegression(), **given).fit(X, X[:, 0]),
        lambda **given: churn_floor(LogisticRegression(), X, y, vary="bootstrap", **given),
    ):
        with pytest.raises(InvalidInputError, match=f"{parameter} must be an integer"):
            make(**{parameter: value})
