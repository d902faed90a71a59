"""Certificates: the fixed-sequence test, and the rows that it takes."""

import numpy as np
import pytest
from scipy import stats

from holdfast import InvalidInputError, rows_to_certify
from holdfast.selection.bounds import Evidence
from holdfast.selection.certificate import count_certified


def test_testing_ends_at_the_first_failure():
    rows = {k: Evidence(np.repeat([1.0, 0.0], [k, 1000 - k])) for k in (0, 5, 30)}
    order = [rows[0], rows[5], rows[30], rows[0]]
    assert count_certified([[one] for one in order], [0.02], 0.95) == 2
    # Every limit must hold.
    both = [[rows[0], rows[0]], [rows[5], rows[30]]]
    assert count_certified(both, [0.02, 0.02], 0.95) == 1
    assert count_certified(both, [0.02, 0.05], 0.95) == 2


def power(n, max_churn, spent):
    counts = np.arange(n + 1)
    shown = counts[stats.binom.cdf(counts, n, max_churn) <= 0.05]
    return stats.binom.cdf(shown.max(), n, spent * max_churn) if len(shown) else 0.0


@pytest.mark.parametrize(("max_churn", "spent"), [(0.05, 0.0), (0.05, 0.5), (0.1, 0.8)])
def test_rows_to_certify_by_trying_them_all(max_churn, spent):
    least = next(n for n in range(1, 5000) if power(n, max_churn, spent) >= 0.8)
    assert rows_to_certify(max_churn, spent=spent) == least


def test_rows_to_certify_refuses_what_has_no_answer():
    with pytest.raises(InvalidInputError, match="spent must be below 1"):
        rows_to_certify(0.02, spent=1.0)
    with pytest.raises(InvalidInputError, match="max_churn must be in"):
        rows_to_certify(0.0)
