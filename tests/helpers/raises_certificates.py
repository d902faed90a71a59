"""Cases of the errors of certificates."""

import numpy as np

from holdfast.selection.bounds import Evidence
from holdfast.update.inputs import _check_max_weight, _check_weights_bounded
from holdfast.update.repeated import distinct_rows

WEIGHTS = np.array([1.0, 3.0])

CASES = {
    "selection/bounds.py Evidence.__post_init__ #1": (
        lambda: Evidence(np.zeros(2), weight=WEIGHTS),
        "at least the largest weight, 3, got None",
    ),
    "update/inputs.py _check_max_weight #1": (
        lambda: _check_max_weight(None, 3.0),
        "needs sample_weight, got max_weight=3.0 alone",
    ),
    "update/inputs.py _check_max_weight #2": (
        lambda: _check_max_weight(WEIGHTS, 2.0),
        "got 2.0 and weights up to 3",
    ),
    "update/inputs.py _check_weights_bounded #1": (
        lambda: _check_weights_bounded(WEIGHTS, None),
        "got None and weights from 1 to 3",
    ),
    "update/repeated.py distinct_rows #1": (
        lambda: distinct_rows([[1.0], [2.0]], [[2.0], [3.0]], "X_unlabeled"),
        "got 1 of 2 rows that are",
    ),
}
