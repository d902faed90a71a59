"""Candidates that fit worse than the base model, from arrays alone."""

import numpy as np
import pytest

from holdfast.methods import Cold, Warm
from holdfast.models.base_predictions import base_predictions
from holdfast.update.candidates import Candidate, Path
from holdfast.update.rows import UpdateRows

CLASSES = np.array(["a", "b"])


def two_columns(positive):
    return np.column_stack([1 - np.array(positive), positive])


@pytest.mark.parametrize(
    ("weight", "worse"),
    [(None, False), ([1.0, 1.0, 4.0, 1.0], True), ([1.0, 1.0, 4.0, 99.0], True)],
)
def test_the_log_loss_is_weighed_and_rows_without_a_base_prediction_are_left_out(weight, worse):
    y = np.array([0, 1, 1, 1])
    base = two_columns([0.4, 0.6, 0.9, np.nan])
    own = two_columns([0.2, 0.8, 0.6, 0.999])
    known = base_predictions(base, CLASSES, CLASSES)
    weight = None if weight is None else np.array(weight)
    rows = UpdateRows(None, y, CLASSES, weight, known)
    assert Candidate(Warm(), None, own, 0.0).fits_worse_than_base(rows) == worse
    assert not Candidate(Warm(), None, base[:, :], 0.0).fits_worse_than_base(rows)


def test_a_path_has_dropped_nothing_unless_it_says_so():
    path = Path((Candidate(Cold(), None, None, 0.0),), CLASSES)
    assert path.dropped == ()
    assert not path.candidates[0].goes_on
