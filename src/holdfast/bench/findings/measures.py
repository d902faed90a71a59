"""The arithmetic of the measures: arrays of settings × runs become choices and statistics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "TIE",
    "choose",
    "choose_non_inferior",
    "gain_kept",
    "mean",
    "not_dominated",
    "paired_p_value",
    "standard_error",
]

Floats = NDArray[np.float64]

# Equal means that are summed in another order differ in the last bits, and a setting exactly as
# accurate as cold start must count as such. Different means differ by at least one row of one run.
TIE = 1e-11


def mean(values: Floats) -> Floats:
    """Mean over runs, the last axis."""
    return values.mean(axis=-1)


def standard_error(values: Floats) -> Floats:
    """Standard error of the mean over runs (the last axis); NaN for fewer than two runs.

    Examples
    --------
    >>> standard_error(np.array([1.0, 2.0, 3.0])).round(4)
    np.float64(0.5774)
    """
    n = values.shape[-1]
    if n < 2:
        return np.full(values.shape[:-1], np.nan)[()]
    return values.std(axis=-1, ddof=1) / np.sqrt(n)


def choose(accuracy: Floats, churn: Floats, cold: Floats) -> int | None:
    """Return the setting of least mean churn among those whose mean accuracy reaches cold start's.

    Parameters
    ----------
    accuracy, churn : ndarray of shape (S, R)
    cold : ndarray of shape (R,)
        Cold start's accuracy.

    Returns
    -------
    int or None
        Position of the setting. Ties go to the more accurate setting, then to the first. None if no
        setting is that accurate.

    Examples
    --------
    >>> choose(np.array([[0.8], [0.9]]), np.array([[0.1], [0.2]]), np.array([0.85]))
    1
    """
    if churn.size == 0:
        return None
    return _least(mean(churn), -mean(accuracy), mean(accuracy) >= mean(cold) - TIE)


def choose_non_inferior(
    accuracy: Floats, churn: Floats, cold: Floats, *, margin: float, confidence: float
) -> int | None:
    """Return the setting of least mean churn among those that are not inferior to cold start.

    Parameters
    ----------
    accuracy, churn : ndarray of shape (S, R)
    cold : ndarray of shape (R,)
        Cold start's accuracy in the same runs.
    margin, confidence : float
        A setting is not inferior when the one-sided lower bound of its mean accuracy difference
        at `confidence` lies above -`margin`.

    Returns
    -------
    int or None
        Position of the setting; None if there is no such setting, or fewer than two runs.
    """
    from scipy.special import stdtrit

    n = churn.shape[1]
    if churn.size == 0 or n < 2:
        return None
    difference = accuracy - cold
    bound = mean(difference) - stdtrit(n - 1, confidence) * standard_error(difference)
    return _least(mean(churn), -mean(accuracy), bound > TIE - margin)


def _least(first: Floats, second: Floats, fits: NDArray[np.bool_]) -> int | None:
    """Return the position of the least `first` that fits; ties go to the least `second`."""
    if not fits.any():
        return None
    least = fits & (first <= first[fits].min() + TIE)
    return int((least & (second <= second[least].min() + TIE)).argmax())


def gain_kept(
    accuracy: Floats, churn: Floats, cold: tuple[Floats, Floats], base: Floats
) -> tuple[int | None, float, float]:
    """Return the most accurate setting with at most half of cold start's churn, and its gain.

    Parameters
    ----------
    accuracy, churn : ndarray of shape (S, R)
    cold : pair of ndarray of shape (R,)
        Cold start's accuracy and churn.
    base : ndarray of shape (R,)
        The base model's accuracy.

    Returns
    -------
    setting : int or None
        Position of the setting. Ties go to the setting of less churn, then to the first. None if no
        setting has so little churn.
    value : float
        (its mean accuracy - base) / (cold start's - base); NaN without a setting, or if cold start
        gained nothing.
    standard_error : float
        Jackknife estimate over runs, for this setting. NaN for fewer than two runs, or if cold
        start gains nothing once some run is left out.

    Examples
    --------
    >>> accuracy, churn = np.array([[0.82, 0.82], [0.83, 0.83]]), np.array([[0.02] * 2, [0.09] * 2])
    >>> cold, base = (np.array([0.84, 0.84]), np.array([0.1, 0.1])), np.array([0.8, 0.8])
    >>> chosen, kept, error = gain_kept(accuracy, churn, cold, base)
    >>> chosen, round(kept, 3), round(error, 3)
    (0, 0.5, 0.0)
    """
    cold_accuracy, cold_churn = cold
    low = mean(churn) <= mean(cold_churn) / 2 + TIE
    chosen = _least(-mean(accuracy), mean(churn), low)
    if chosen is None:
        return None, np.nan, np.nan
    gains = np.stack([accuracy[chosen] - base, cold_accuracy - base])  # (2, R)
    n = gains.shape[1]
    value = _ratio(mean(gains))
    if n < 2:
        return chosen, value, np.nan
    left = (gains.sum(axis=1, keepdims=True) - gains) / (n - 1)
    ratios = np.array([_ratio(pair) for pair in left.T])
    return chosen, value, float(np.sqrt((n - 1) / n * np.square(ratios - ratios.mean()).sum()))


def _ratio(gains: Floats) -> float:
    own, cold = gains
    return float(own / cold) if cold > TIE else np.nan


def not_dominated(churn: Floats, accuracy: Floats) -> NDArray[np.bool_]:
    """Return which points (S,) no other point beats in churn or accuracy while matching the other.

    Examples
    --------
    >>> not_dominated(np.array([0.1, 0.2, 0.2]), np.array([0.8, 0.9, 0.7]))
    array([ True,  True, False])
    """
    # How much less churn, and how much more accuracy, the other point has.
    less, more = churn[:, None] - churn, accuracy - accuracy[:, None]
    better = (less > TIE) | (more > TIE)
    beaten = (less >= -TIE) & (more >= -TIE) & better
    return ~np.asarray(beaten.any(axis=1), dtype=bool)


def paired_p_value(difference: Floats, halves: NDArray[np.int64] | None = None) -> float | None:
    """Two-sided p-value of a mean difference of 0, by Student's t.

    Counts of rows are whole numbers, so that a few runs may have the very same difference by
    chance. Without a spread the difference cannot be tested.

    Parameters
    ----------
    difference : ndarray of shape (R,)
        Paired differences, one for each run.
    halves : ndarray of shape (R,), optional
        0 or 1, the half that a run belongs to. The settings of one half's runs were chosen on the
        other half, so that the halves may have different means. The two means are averaged, and
        only the spread within each half counts.

    Returns
    -------
    float or None
        None for fewer than two runs (in each half), and if the differences do not vary; 1 if all
        differences are 0.

    Examples
    --------
    >>> round(paired_p_value(np.array([1.0, 2.0, 3.0])), 4)
    0.0742
    """
    from scipy.special import stdtr

    parts = [difference] if halves is None else [difference[halves == h] for h in (0, 1)]
    if min(len(part) for part in parts) < 2:
        return None
    estimate = np.mean([mean(part) for part in parts])
    error = np.sqrt(sum(standard_error(part) ** 2 for part in parts)) / len(parts)
    if error < TIE:
        return 1.0 if abs(estimate) < TIE else None
    return float(2 * stdtr(len(difference) - len(parts), -abs(estimate / error)))
