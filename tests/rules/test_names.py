"""A class is found by its value, and true is not the number 1."""

import numpy as np
import pytest

from holdfast.exceptions import InvalidInputError
from holdfast.rules import Bands, Threshold, TopShare
from holdfast.rules.names import column_of

PROBA = np.array([[0.4, 0.6], [0.9, 0.1]])


@pytest.mark.parametrize(
    ("positive", "classes", "advice"),
    [
        (True, [0, 1], "which is true or false where the others are not; write 1"),
        (False, [0, 1], "which is true or false where the others are not; write 0"),
        (1, [False, True], "which is a number where the others are not; write True"),
        (1.0, [False, True], "which is a number where the others are not; write True"),
        ("1", [0, 1], "which is text; write 1"),
    ],
)
def test_true_is_not_one(positive, classes, advice):
    for rule in (
        Threshold(0.5, positive=positive),
        TopShare(0.5, positive=positive),
        Bands((0.5,), answers=("a", "b"), positive=positive),
    ):
        with pytest.raises(InvalidInputError, match=f"positive must be one of .*{advice}"):
            rule.bind(classes)


def test_equal_values_are_found():
    for value, classes in (
        (1, [0, 1]),
        (1.0, [0, 1]),
        (np.int64(1), [0, 1]),
        (True, [False, True]),
    ):
        assert column_of("positive", value, np.array(classes)) == 1
        assert (
            Threshold(0.5, positive=value).decide(PROBA, classes=classes).tolist() == classes[::-1]
        )
