"""Random numbers belong to a fit, whatever other threads draw."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from holdfast.nn import NetworkClassifier, Transformer  # noqa: E402
from holdfast.nn.many.draws import OwnDraws  # noqa: E402
from holdfast.nn.many.fresh import FreshStates, new_module  # noqa: E402

WORDS, LENGTH = 20, 6


def with_dropout():
    layers = nn.Embedding(WORDS, 4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * LENGTH, 2)
    return nn.Sequential(*layers)


class Drawn(nn.Module):
    """A module whose parameters are drawn by functions, which take no generator."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 2) + torch.rand(4, 2))
        self.order = nn.Parameter(torch.randperm(4).float(), requires_grad=False)
        self.more = nn.Parameter(torch.normal(0.0, torch.ones(3)))

    def forward(self, x):
        return x @ self.weight


MODULES = {
    "layers": with_dropout,
    "own": partial(Transformer, 2, vocabulary=WORDS, length=LENGTH),
    "recurrent": partial(nn.LSTM, 3, 4),
    "functions": Drawn,
}


@pytest.mark.parametrize("name", MODULES)
def test_draws_are_those_after_manual_seed(name):
    build = MODULES[name]
    drawn = FreshStates(build).draw(7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = dict(build().named_parameters())
    for key, value in expected.items():
        assert torch.equal(drawn[key], value), key


@pytest.mark.parametrize("name", MODULES)
def test_the_shared_generator_does_not_move(name):
    before = torch.default_generator.get_state()
    FreshStates(MODULES[name]).draw(1)
    new_module(MODULES[name])
    assert torch.equal(torch.default_generator.get_state(), before)


def test_a_generator_that_is_given_is_left_alone():
    with OwnDraws(3):
        one = torch.empty(5).uniform_(generator=torch.Generator().manual_seed(1))
        two = torch.empty(5).uniform_()
    assert torch.equal(one, torch.empty(5).uniform_(generator=torch.Generator().manual_seed(1)))
    assert torch.equal(two, torch.empty(5).uniform_(generator=torch.Generator().manual_seed(3)))


def test_fresh_parameters_in_threads_are_equal():
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            torch.rand(3)

    sources = {name: FreshStates(MODULES[name]) for name in ("layers", "own", "recurrent")}
    expected = {name: source.draw(5) for name, source in sources.items()}
    noise = threading.Thread(target=disturb)
    noise.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda i: (i, _draw(sources, i)), range(200)))
    finally:
        stop.set()
        noise.join()
    for i, state in found:
        name = list(sources)[i % 3]
        assert all(torch.equal(value, state[key]) for key, value in expected[name].items())


def _draw(sources, i):
    return sources[list(sources)[i % 3]].draw(5)


def test_equal_fits_in_threads_are_equal():
    rng = np.random.default_rng(0)
    X = rng.integers(0, WORDS, (64, LENGTH))
    y = (X.sum(axis=1) > WORDS * LENGTH / 2).astype(int)

    def fit(_):
        network = NetworkClassifier(with_dropout, max_epochs=2, random_state=0, n_jobs=1)
        return network.fit(X, y).predict_proba(X)

    expected = fit(0)
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            assert all(np.array_equal(found, expected) for found in pool.map(fit, range(12)))


def test_a_module_that_seeds_itself_draws_what_follows_its_seed():
    def draws(*seeds):
        found = []
        for seed in seeds:
            if seed is not None:
                torch.manual_seed(seed)
            found.append(torch.rand(3))
        return torch.cat(found)

    before = torch.get_rng_state()
    expected = draws(5, None, 7, 5)
    torch.set_rng_state(before)
    with OwnDraws(5):
        found = draws(None, None, 7, 5)
    assert torch.equal(found, expected)
    assert torch.equal(torch.get_rng_state(), before)
