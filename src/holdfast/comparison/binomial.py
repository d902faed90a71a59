"""Exact binomial tails and bounds for arrays, without SciPy, whose import takes longer than a run.

The tails are regularised incomplete beta functions, so that numbers of rows need not be whole.
Under weights they are effective numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["beta_quantile", "exact_interval", "lower_bound", "tail", "upper_bound"]

Array = NDArray[np.float64]

SMALL = 1e-300
PRECISION = 1e-15
CLOSE = 1e-8
MOST_STEPS, MOST_GUESSES = 1_000_000, 200


def tail(successes: ArrayLike, n: ArrayLike, share: ArrayLike) -> Array:
    """Return P(X ≥ k) for X of Binomial(n, p), elementwise.

    Parameters
    ----------
    successes : array-like
        Numbers k in [0, n].
    n : array-like
        Numbers of rows.
    share : array-like
        Probabilities p in [0, 1].

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.17.5 and 8.17.22 (the continued fraction);
    Loader, "Fast and accurate computation of binomial probabilities", 2000 (its factor).

    Examples
    --------
    >>> tail([1, 2], 2, 0.5).round(9).tolist()
    [0.75, 0.25]
    """
    k, n, p = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (successes, n, share)))
    result = np.where(k <= 0, 1.0, np.where(p >= 1, 1.0, 0.0))
    inside = (k > 0) & (p > SMALL) & (p < 1) & (k <= n)
    if inside.any():
        result[inside] = _beta_share(k[inside], n[inside] - k[inside] + 1, p[inside])
    return result


def exact_interval(share: ArrayLike, n: ArrayLike, confidence: float) -> tuple[Any, Any]:
    """Return the two-sided interval of Clopper and Pearson of a binomial share.

    Each end is the share at which a one-sided exact test would just not reject, at half of the
    error.

    Parameters
    ----------
    share : array-like
        Observed shares in [0, 1].
    n : array-like
        Number of rows behind each share (an effective number under weights); 0 gives [0, 1].
    confidence : float
        Confidence level of the interval.

    Returns
    -------
    low, high : ndarray

    References
    ----------
    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 1934.

    Examples
    --------
    >>> low, high = exact_interval(0.0, 100, 0.95)
    >>> float(low), round(float(high), 4)
    (0.0, 0.0362)
    """
    error = (1 - confidence) / 2
    return lower_bound(share, n, error), upper_bound(share, n, error)


def upper_bound(share: ArrayLike, n: ArrayLike, error: ArrayLike) -> Array:
    """Return the largest share that an exact test at this one-sided error does not reject.

    Examples
    --------
    >>> round(float(upper_bound(0.0, 59, 0.05)), 4)
    0.0495
    """
    return 1 - lower_bound(1 - np.asarray(share, dtype=float), n, error)


def lower_bound(share: ArrayLike, n: ArrayLike, error: ArrayLike) -> Array:
    """Return the smallest share that an exact test at this one-sided error does not reject.

    Examples
    --------
    >>> round(float(lower_bound(1.0, 59, 0.05)), 4)
    0.9505
    """
    share, n, error = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (share, n, error))
    )
    k = share * n
    whole = np.rint(k)
    k = np.where(np.abs(k - whole) <= 1e-9 * np.maximum(n, 1), whole, k)  # shares are rounded
    result = np.zeros(k.shape)
    some = (k > 0) & (n > 0) & (error > 0)
    if some.any():
        result[some] = _lowest_share(k[some], n[some], error[some])
    return result


def beta_quantile(a: ArrayLike, b: ArrayLike, error: ArrayLike) -> Array:
    """Return the value below which a beta variable lies with probability `error`, for a, b > 0.

    Examples
    --------
    >>> round(float(beta_quantile(2, 99, 0.025)), 4)
    0.0024
    """
    a, b, error = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (a, b, error)))
    shape = a.shape
    a, b, error = np.atleast_1d(a, b, error)
    return _lowest_share(a, a + b - 1, error).reshape(shape)


def _lowest_share(k: Array, n: Array, error: Array) -> Array:
    """Return the p at which P(X ≥ k) is the error, by Newton's method inside a bracket."""
    low, high = np.zeros(k.shape), np.minimum(k / n, 1.0)
    z = _normal_quantile(error)
    p = np.clip((k - 0.5) / n, 0.0, 1.0)  # Wilson's bound, with a correction for continuity
    spread = np.sqrt(p * (1 - p) * n + z * z / 4)
    guess = (p * n + z * z / 2 - z * spread) / (n + z * z)
    guess = np.where((guess > low) & (guess < high), guess, high / 2)
    for _ in range(MOST_GUESSES):
        at = np.clip(guess, SMALL, 1 - PRECISION)
        reached = np.maximum(_beta_share(k, n - k + 1, at), SMALL)
        low, high = np.where(reached < error, at, low), np.where(reached < error, high, at)
        slope = k * _factor(k, n - k + 1, at) / (at * (1 - at)) / reached  # of the logarithm
        step = np.log(error / reached) / np.maximum(slope, SMALL)
        guess = np.where((at + step >= low) & (at + step <= high), at + step, (low + high) / 2)
        if (np.abs(guess - at) <= CLOSE * at).all():  # the error is the square of that
            break
    return guess


def _normal_quantile(error: Array) -> Array:
    """Return z with P(Z > z) near the error, for a first guess.

    References
    ----------
    Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.23.
    """
    tail_ = np.minimum(error, 1 - error)
    t = np.sqrt(-2 * np.log(np.maximum(tail_, SMALL)))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    z = t - top / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    return np.where(error <= 0.5, z, -z)


def _beta_share(a: Array, b: Array, x: Array) -> Array:
    """Return the regularised incomplete beta function I_x(a, b)."""
    turned = x > (a + 1) / (a + b + 2)
    a, b, x = np.where(turned, b, a), np.where(turned, a, b), np.where(turned, 1 - x, x)
    value = _factor(a, b, x) * _fraction(a, b, x)
    return np.clip(np.where(turned, 1 - value, value), 0.0, 1.0)


def _factor(a: Array, b: Array, x: Array) -> Array:
    """Return x^a (1 − x)^b / (a B(a, b)), as a binomial probability in Loader's form."""
    n = a + b
    exponent = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    exponent -= _deviance(a, n * x) + _deviance(b, n * (1 - x))
    return np.exp(exponent) * np.sqrt(b / (2 * np.pi * a * n))


def _stirling_error(z: Array) -> Array:
    """Return log Γ(z + 1) minus Stirling's formula for it, for z > 0."""
    shift = 16
    small = z < shift
    far = np.where(small, z + shift, z)
    square = far * far
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / far
    if not small.any():
        return series
    steps = np.arange(1, shift + 1)
    near = np.where(small, z, 1.0)
    product = np.log(near[..., None] + steps).sum(axis=-1)
    stirling_far = (near + shift + 0.5) * np.log(near + shift) - (near + shift)
    stirling_near = (near + 0.5) * np.log(near) - near
    return np.where(small, series + stirling_far - product - stirling_near, series)


def _deviance(k: Array, mean: Array) -> Array:
    """Return k log(k / mean) + mean − k, without cancellation where k is near the mean."""
    ratio = (k - mean) / (k + mean)
    near = np.abs(ratio) < 0.1
    square = np.where(near, ratio * ratio, 0.0)
    series = (k - mean) * ratio
    term = 2 * k * np.where(near, ratio, 0.0)
    for order in range(1, 12):
        term = term * square
        series = series + term / (2 * order + 1)
    direct = k * np.log(np.where(near, 1.0, k / mean)) + mean - k
    return np.where(near, series, direct)


def _fraction(a: Array, b: Array, x: Array) -> Array:
    """Return the continued fraction of I_x(a, b), by the method of Lentz."""
    c, d = np.ones(x.shape), 1 - (a + b) * x / (a + 1)
    d = 1 / np.where(np.abs(d) < SMALL, SMALL, d)
    value, going = d.copy(), np.ones(x.shape, dtype=bool)
    for m in range(1, MOST_STEPS):
        a_, b_, x_ = a[going], b[going], x[going]
        step = np.ones(a_.shape)
        for term in (
            m * (b_ - m) * x_ / ((a_ + 2 * m - 1) * (a_ + 2 * m)),
            -(a_ + m) * (a_ + b_ + m) * x_ / ((a_ + 2 * m) * (a_ + 2 * m + 1)),
        ):
            below, above = 1 + term * d[going], 1 + term / c[going]
            d[going] = 1 / np.where(np.abs(below) < SMALL, SMALL, below)
            c[going] = np.where(np.abs(above) < SMALL, SMALL, above)
            step = d[going] * c[going]
            value[going] *= step
        going[going] = np.abs(step - 1) > PRECISION
        if not going.any():
            break
    return value
