"""Certificates: with which confidence a model keeps its budgets, and how many rows that takes.

Candidates are tested in a fixed order, from the safest to the boldest, on rows that were used for
nothing else; the first that cannot be shown to keep every limit ends the testing. Whatever was
shown before may be served: the probability that any of it breaks a limit is at most 1 − confidence.
This needs no correction for the number of candidates, since a wrong claim begins with the first
candidate that breaks a limit; nor for the number of limits, since that candidate breaks one of
them, whose own test is then wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from holdfast.common.parameters import check_share
from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.render.texts import visible
from holdfast.selection.bounds import Evidence, binomial_p_value

__all__ = ["Certificate", "CertifiedLimit", "count_certified", "rows_to_certify"]

MOST_ROWS = 10**9


@dataclass(frozen=True)
class CertifiedLimit:
    """One limit, with its measure and its upper bound on the certification rows.

    Attributes
    ----------
    name : str
        ``"churn"``, ``"negative flips"``, or a group such as ``"country=DE"``.
    limit : float
    value : float
        Measure on the certification rows.
    upper : float
        One-sided upper bound at the certificate's confidence.
    n : int
        Number of rows that it was measured on.
    """

    name: str
    limit: float
    value: float
    upper: float
    n: int


@dataclass(frozen=True)
class Certificate:
    """A promise about churn: with this confidence every limit holds on rows of the same kind.

    The confidence is over the draw of the certification rows, which must be independent and of the
    population that the model serves.

    Attributes
    ----------
    confidence : float
    churn : {"hard", "kl", "brier"}
        Unit of the limits on churn.
    limits : tuple of CertifiedLimit
    n : int
        Number of certification rows, which were used for nothing else.
    n_selection : int
        Number of selection rows.
    n_train : int
        Number of training rows.
    unlabeled : bool
        Whether the certification rows are those of `X_unlabeled`.
    tested : int
        Number of candidates that were tested, from the safest on.
    passed : int
        Number of them that keep all limits; the last of these is certified.
    max_weight : float or None
        What the certificate assumes that no weight exceeds; None where rows count alike.
    n_lone : int
        Number of the certification rows that count as changed: as the only rows of their classes
        they were trained on.
    """

    confidence: float
    churn: str
    limits: tuple[CertifiedLimit, ...]
    n: int
    n_selection: int
    n_train: int
    unlabeled: bool
    tested: int
    passed: int
    max_weight: float | None = None
    n_lone: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python values, ready for JSON."""
        return asdict(self) | {"limits": [asdict(limit) for limit in self.limits]}

    def __str__(self) -> str:
        kind = "unlabeled rows" if self.unlabeled else "rows"
        lines = [f"certified at {self.confidence:.0%} by {self.n:,} {kind} used for nothing else"]
        for one in self.limits:
            share = self.churn == "hard" or one.name == "negative flips"
            shown = "{:.2%}".format if share else "{:.4g}".format
            lines.append(
                f"  {visible(one.name)} at most {shown(one.limit)}: {shown(one.value)} on "
                f"{one.n:,} rows, at most {shown(one.upper)} in truth"
            )
        if self.max_weight is not None:
            lines.append(f"  if no row has a weight above {self.max_weight:g}")
        if self.n_lone:
            lines.append(
                f"  {self.n_lone:,} rows, each the only one of its class, count as changed"
            )
        return "\n".join(lines)


def count_certified(
    sequence: Iterable[Sequence[Evidence]], limits: Sequence[float], confidence: float
) -> int:
    """Return how many candidates from the first on keep all limits: a fixed-sequence test.

    Parameters
    ----------
    sequence : iterable of sequences of Evidence
        For each candidate, from the safest on, what the rows say about each limit. Read no further
        than the first candidate that fails.
    limits : sequence of float
    confidence : float

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then Test", 2021 (arXiv 2110.01052),
    fixed-sequence testing; Berger, "Multiparameter hypothesis testing and acceptance sampling",
    Technometrics 1982, for several limits.

    Examples
    --------
    >>> import numpy as np
    >>> changed = [np.repeat([1.0, 0.0], [k, 1000 - k]) for k in (0, 5, 10, 15)]
    >>> count_certified([[Evidence(rows)] for rows in changed], [0.02], 0.95)
    3
    """
    passed = 0
    for evidence in sequence:
        pairs = zip(evidence, limits, strict=True)
        if max(one.p_value(limit) for one, limit in pairs) > 1 - confidence:
            break
        passed += 1
    return passed


def rows_to_certify(
    max_churn: float, *, confidence: float = 0.95, spent: float = 0.6, power: float = 0.8
) -> int:
    """Return how many rows certify a hard budget, if the model spends a share of it.

    Parameters
    ----------
    max_churn : float
        The budget, in (0, 1).
    confidence : float
    spent : float
        True churn of the model as a share of the budget, in [0, 1).
    power : float
        Probability that the rows then suffice.

    Returns
    -------
    int
        The least number of rows; with ``spent=0`` this is log(1 − confidence) / log(1 − max_churn).

    Raises
    ------
    InvalidInputError
        For shares out of range.

    Examples
    --------
    >>> rows_to_certify(0.02, spent=0.0), rows_to_certify(0.02), rows_to_certify(0.01, spent=0.8)
    (149, 1567, 13955)
    """
    for name, value in (("max_churn", max_churn), ("confidence", confidence), ("power", power)):
        check_share(name, value, open_ends=True)
    check_share("spent", spent)
    if spent >= 1:
        raise InvalidInputError(
            f"spent must be below 1, got {spent}: churn at the budget itself cannot be certified; "
            "give the share of it that the model is to spend, e.g. 0.6"
        )

    def rows(count: int) -> int:
        """Return how many rows are needed where `count` of them change."""
        return _least(lambda n: binomial_p_value(count, n, max_churn) <= 1 - confidence, count + 1)

    def suffices(count: int) -> bool:
        return bool(binomial_p_value(count, rows(count), spent * max_churn) >= power)

    return rows(_least(suffices, 0))


def rows_for_share(share: float, limit: float, confidence: float) -> int | None:
    """Return how many rows certify a limit where this share of them is lost; None: no number."""
    if share >= limit:
        return None
    return _least(lambda n: binomial_p_value(np.ceil(share * n), n, limit) <= 1 - confidence, 1)


def _least(holds: Any, first: int) -> int:
    """Return the least integer from `first` on where a statement holds that stays true."""
    step = 1
    while not holds(first + step - 1) and step < MOST_ROWS:
        step *= 2
    low, high = first + step // 2 - 1, first + step - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def raise_uncertified(
    evidence: Sequence[Evidence],
    names: Sequence[str],
    limits: Sequence[float],
    confidence: float,
) -> None:
    """Raise for a safest candidate that fails: say what would be needed."""
    parts, lowest = [], 0.0
    for one, name, limit in zip(evidence, names, limits, strict=True):
        if one.p_value(limit) <= 1 - confidence:
            continue
        upper = one.upper(confidence)
        needed = rows_for_share(one.mean / one.largest, limit / one.largest, confidence)
        more = f"about {needed:,} rows" if needed else "no number of rows, as it is above it"
        parts.append(
            f"{name} of the safest candidate is {one.mean:.4g} on {one.n:,} rows, which certify "
            f"{upper:.4g} at best and not {limit:.4g}; that takes {more}"
        )
        lowest = max(lowest, upper)
    raise InfeasibleBudgetError(
        f"max_churn must be a budget that the rows can certify at {confidence:.0%}, got: "
        f"{'; '.join(parts)}. Give more rows (validation_fraction, X_unlabeled), raise the budget, "
        "or lower confidence",
        lowest_churn=lowest,
    )
