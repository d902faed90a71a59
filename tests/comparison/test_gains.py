"""The test of a paired gain: its tails, its errors and its interval."""

import numpy as np
import pytest

from holdfast.comparison.gains import gain_interval


def exact_tail(t, n, up, down):
    """P(gained − lost ≥ t) of n rows, by convolution."""
    step = np.array([down, 1 - up - down, up])
    law = np.ones(1)
    for _ in range(n):
        law = np.convolve(law, step)
    return law[t + n :].sum()


def likeliest(up, down, delta):
    """The shares of gained and lost rows of highest likelihood whose difference is δ."""
    discordant = np.linspace(abs(delta) + 1e-9, 1 - 1e-9, 200_001)
    gained, lost = (discordant + delta) / 2, (discordant - delta) / 2
    logs = [
        weight * np.log(np.maximum(share, 1e-300))
        for weight, share in ((up, gained), (down, lost), (1 - up - down, 1 - discordant))
    ]
    best = int(np.argmax(sum(logs)))
    return gained[best], lost[best]


@pytest.mark.parametrize(
    ("gained", "lost", "n"), [(3, 1, 20), (0, 2, 30), (12, 9, 60), (5, 0, 200), (40, 22, 400)]
)
def test_the_ends_have_the_tails_that_they_should(gained, lost, n):
    low, high = gain_interval(gained / n, lost / n, n, 0.95)
    own = likeliest(gained / n, lost / n, float(low))
    assert exact_tail(gained - lost, n, *own) == pytest.approx(0.025, abs=0.0015)
    other = likeliest(gained / n, lost / n, float(high))
    assert exact_tail(lost - gained, n, *other[::-1]) == pytest.approx(0.025, abs=0.0015)


@pytest.mark.parametrize("delta", [0.0, -0.005, -0.02, 0.01])
@pytest.mark.parametrize("discordant", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("n", [20, 100, 1_000, 50_000])
def test_errors_at_the_limit_are_what_is_promised(n, discordant, delta):
    rng, runs = np.random.default_rng(n), 2_000
    shares = [(discordant + delta) / 2, (discordant - delta) / 2, 1 - discordant]
    gained, lost, _ = rng.multinomial(n, shares, runs).T / n
    low, high = gain_interval(gained, lost, n, 0.95)
    allowed = 0.025 + 3 * np.sqrt(0.025 * 0.975 / runs)
    assert np.mean(low >= delta) <= allowed  # a wrong promotion
    assert np.mean(high < delta) <= allowed  # a wrong rejection


def test_it_mirrors_and_narrows():
    low, high = gain_interval([0.03, 0.03], [0.01, 0.01], [500, 5_000], 0.95)
    mirrored = gain_interval([0.01, 0.01], [0.03, 0.03], [500, 5_000], 0.95)
    np.testing.assert_allclose(mirrored, [-high, -low], atol=1e-12)
    assert high[1] - low[1] < 0.4 * (high[0] - low[0])
    assert (low < 0.02).all()
    assert (high > 0.02).all()


def test_the_ends_of_the_range():
    assert [float(end) for end in gain_interval(0.0, 0.0, 0, 0.95)] == [-1.0, 1.0]
    low, high = (float(end) for end in gain_interval(0.0, 0.0, 100, 0.95))
    assert -0.06 < low < 0 < high < 0.06
    low, high = (float(end) for end in gain_interval(1.0, 0.0, 10, 0.95))
    assert 0.4 < low < high == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("confidence", [1e-16, 1e-3, 0.5, 0.999, 1 - 1e-12, np.nextafter(1.0, 0.0)])
@pytest.mark.parametrize("n", [1, 2.5, 40, 10**6])
def test_every_confidence(confidence, n):
    gained, lost = np.random.default_rng(0).random((2, 20)) / 2
    low, high = gain_interval(gained, lost, n, confidence)
    assert (low >= -1).all()
    assert (high <= 1).all()
    if confidence > 0.5:  # the correction for the lattice moves very narrow intervals
        assert (low <= gained - lost).all()
        assert (gained - lost <= high).all()
