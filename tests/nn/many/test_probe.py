"""Modules of many kinds through the fit trainer, against plain loops."""

import warnings
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError  # noqa: E402
from holdfast.methods import (  # noqa: E402
    Average,
    CoDistillation,
    Cold,
    Ensemble,
    Interpolate,
    Mixup,
    Override,
    Warm,
    WarmDistill,
)
from holdfast.nn import (  # noqa: E402
    SGD,
    Adam,
    ConvNet,
    FullyConnected,
    Run,
    TrainingWarning,
    fit_many,
    predict_many,
)
from holdfast.nn.many import fit as fit_module  # noqa: E402
from holdfast.nn.many import functions, traced  # noqa: E402
from holdfast.nn.many.functions import forward  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 5)).astype(np.float32)
Y = (X[:, 0] + 0.7 * RNG.normal(size=160) > 0).astype(int)
TRAIN, HELD_OUT = np.arange(120), np.arange(120, 160)
FCN = partial(FullyConnected, 5, 2, width=9)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def fit(module, runs=None, **options):
    runs = [Run(TRAIN, HELD_OUT, seed=s) for s in (0, 1)] if runs is None else runs
    options = {"n_jobs": 1, "max_epochs": 3} | options
    return fit_many(module, runs, options.pop("rows", X), options.pop("labels", Y), **options)


def assert_same(one, other, atol=1e-4):
    for a, b in zip(one, other, strict=True):
        assert (a.status, a.epochs) == (b.status, b.epochs)
        assert a.state.keys() == b.state.keys()
        for name in a.state:
            torch.testing.assert_close(a.state[name], b.state[name], rtol=0, atol=atol)


def generators(seed):
    """The generators of a network: of its row orders, and of what its module draws."""
    orders, draws = np.random.SeedSequence(seed).spawn(2)
    inner = torch.Generator().manual_seed(int(draws.generate_state(1, np.uint64)[0] >> 1))
    return np.random.default_rng(orders), inner


def plain_loop(module, seed, epochs=3):
    torch.manual_seed(seed)
    net = module()
    rng, _ = generators(seed)
    step = torch.optim.Adam(net.parameters())
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    for _ in range(epochs):
        net.train()
        for rows in torch.from_numpy(rng.permutation(120)).split(32):
            step.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            step.step()
    return net


def proba_of(module, fitted):
    return predict_many(module, [network.state for network in fitted], X)


# --- shared, unsaved and replaced tensors ---------------------------------------------------------


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 2)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.out(torch.relu(self.b(torch.relu(self.a(x)))))


class Unsaved(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)
        self.register_buffer("scale", torch.full((2,), 2.0), persistent=False)

    def forward(self, x):
        return self.layer(x) * self.scale


@pytest.mark.parametrize("module", [Tied, Unsaved])
@pytest.mark.parametrize("stacking", ["always", "never"])
def test_shared_and_unsaved_tensors(module, stacking):
    fitted = fit(module, stacking=stacking, patience=None)
    for network in fitted:
        net = module()
        net.load_state_dict(network.state)  # strict: every name and no other
        expected = plain_loop(module, network.run.seed)
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(network.state[name], value, rtol=0, atol=1e-5)
        with torch.no_grad():
            served = torch.softmax(net(torch.from_numpy(X)), dim=1).numpy()
        np.testing.assert_allclose(proba_of(module, [network])[0], served, atol=1e-6)


@pytest.mark.parametrize("module", [Tied, Unsaved])
def test_base_models_with_shared_and_unsaved_tensors(module):
    base = module()
    results = [
        fit(module, [Run(TRAIN, HELD_OUT, Interpolate(0.3, of=Warm()), base_state=given)])
        for given in (base, base.state_dict(), fit(module)[0].state)
    ]
    assert_same(results[0], results[1], atol=0)
    module().load_state_dict(results[2][0].state)


def test_base_models_of_another_precision():
    runs = [
        Run(TRAIN, HELD_OUT, method, base_state=FCN().double())
        for method in (Warm(), Interpolate(0.3), Cold())
    ]
    for network in fit(FCN, runs):
        assert {value.dtype for value in network.state.values()} == {torch.float32}


class Counting(nn.Module):
    def __init__(self, in_place):
        super().__init__()
        self.layer, self.in_place = nn.Linear(5, 2), in_place
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        if self.training and self.in_place:
            self.count += 1
        elif self.training:
            self.count = self.count + 1
        return self.layer(x)


class Replacing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x):
        out = self.layer(x)
        self.layer.weight = nn.Parameter(1.01 * self.layer.weight.detach())
        return out


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_counts_are_kept(stacking):
    fitted = fit(partial(Counting, True), stacking=stacking, patience=None)
    assert [int(network.state["count"]) for network in fitted] == [12, 12]


@pytest.mark.parametrize(
    ("module", "name"), [(partial(Counting, False), "count"), (Replacing, r"layer\.weight")]
)
def test_replaced_tensors_would_be_lost(module, name):
    with pytest.raises(InvalidInputError, match=f"tensors in place, got another one as '{name}'"):
        fit(module)


# --- randomness -----------------------------------------------------------------------------------


class Dropping(nn.Module):
    """Dropout of the module's own, or of a generator that is given."""

    def __init__(self, drop=0.3, generator=None):
        super().__init__()
        self.hidden, self.out = nn.Linear(5, 12), nn.Linear(12, 2)
        self.drop, self.generator = drop, generator

    def forward(self, x):
        x = torch.relu(self.hidden(x))
        if self.generator is None:
            return self.out(nn.functional.dropout(x, self.drop, self.training))
        if self.training:
            keep = torch.empty_like(x).bernoulli_(1 - self.drop, generator=self.generator)
            x = x * keep / (1 - self.drop)
        return self.out(x)


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_dropout_is_drawn_from_the_network_s_own_generator(stacking):
    for network in fit(Dropping, stacking=stacking, patience=None):
        _, inner = generators(network.run.seed)
        expected = plain_loop(partial(Dropping, generator=inner), network.run.seed)
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(network.state[name], value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_partners_teach_in_evaluation_mode(stacking):
    torch.manual_seed(9)
    base, alpha, seed = Dropping(), 0.6, 3
    run = Run(TRAIN, HELD_OUT, CoDistillation(alpha), seed, base_state=base)
    (fitted,) = fit(Dropping, [run], stacking=stacking, patience=None)

    second = int(np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    rngs, inner = zip(*map(generators, (seed, second)), strict=True)
    nets = [Dropping(generator=generator) for generator in inner]
    for net in nets:
        net.load_state_dict(base.state_dict())
    steps = [torch.optim.Adam(net.parameters()) for net in nets]
    x, target = torch.from_numpy(X), torch.from_numpy(np.eye(2)[Y]).float()
    for _ in range(3):
        orders = [torch.from_numpy(rng.permutation(120)).split(32) for rng in rngs]
        for batch in zip(*orders, strict=True):
            told = []
            for net, rows in zip(reversed(nets), batch, strict=True):
                net.eval()
                told.append(torch.softmax(net(x[rows]), dim=1).detach())
            for net, step, rows, other in zip(nets, steps, batch, told, strict=True):
                net.train()
                step.zero_grad()
                log_proba = torch.log_softmax(net(x[rows]), dim=1)
                own = -(target[rows] * log_proba).sum(dim=1).mean()
                (alpha * -(other * log_proba).sum(dim=1).mean() + (1 - alpha) * own).backward()
                step.step()
    for name, value in nets[0].state_dict().items():
        torch.testing.assert_close(fitted.state[name], value, rtol=0, atol=1e-5)


class KeptShare(nn.Module):
    """Counts what dropout keeps."""

    def __init__(self):
        super().__init__()
        self.layer, self.drop = nn.Linear(5, 2), nn.Dropout(0.3)
        self.register_buffer("kept", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.kept += (self.drop(torch.ones_like(x)) > 0).float().sum()
        return self.layer(x)


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_dropout_keeps_its_share(stacking):
    runs = [Run(TRAIN, HELD_OUT, seed=s) for s in range(5)]
    fitted = fit(KeptShare, runs, stacking=stacking, patience=None, max_epochs=10)
    kept = np.array([float(network.state["kept"]) for network in fitted]) / (10 * 120 * 5)
    assert len(set(kept)) == 5
    assert np.abs(kept - 0.7).max() < 4 * np.sqrt(0.3 * 0.7 / 6000)


class Attending(nn.Module):
    def __init__(self, layer, drop=0.2):
        super().__init__()
        self.inp, self.out = nn.Linear(1, 8), nn.Linear(8, 2)
        self.layer = layer(8, 2, dropout=drop, batch_first=True)

    def forward(self, x):
        z = self.inp(x[:, :, None])
        z = self.layer(z, z, z, need_weights=False)[0] if self.is_bare() else self.layer(z)
        return self.out(z.mean(dim=1))

    def is_bare(self):
        return isinstance(self.layer, nn.MultiheadAttention)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LSTM(1, 4, num_layers=2, dropout=0.2, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.layer(x[:, :, None])[0][:, -1])


ENCODER = partial(nn.TransformerEncoderLayer, dim_feedforward=16)


@pytest.mark.parametrize(
    "module",
    [
        partial(Attending, nn.MultiheadAttention),
        partial(Attending, nn.MultiheadAttention, 0.0),
        partial(Attending, ENCODER),
        Recurrent,
    ],
    ids=["attention", "attention without dropout", "encoder", "recurrent"],
)
def test_pytorch_s_own_layers_of_sequences(module):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        auto = fit(module)
    assert not said
    assert_same(auto, fit(module), atol=0)
    # Attention ignores a bias of its keys, whose gradient is rounding error: compare predictions.
    apart = proba_of(module, fit(module, stacking="never"))
    np.testing.assert_allclose(proba_of(module, auto), apart, atol=1e-4)
    assert np.abs(apart[0] - apart[1]).max() > 1e-3


class Drawing(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.layer, self.draw = nn.Linear(5, 2), draw

    def forward(self, x):
        return self.draw(self, self.layer(x))


@pytest.mark.parametrize(
    ("draw", "match"),
    [
        (
            lambda s, z: nn.functional.dropout(z, 0.5, training=True),
            "module must predict without random numbers, got a Drawing that draws",
        ),
        (
            lambda s, z: z + torch.randn(2) if s.training else z,
            "module must draw random numbers through dropout or in-place operations only",
        ),
    ],
)
def test_randomness_that_no_seed_governs(draw, match):
    with pytest.raises(UnsupportedEstimatorError, match=match):
        fit(partial(Drawing, draw))


@pytest.mark.parametrize("module", [FCN, Dropping, Dropping()], ids=["plain", "dropout", "module"])
@pytest.mark.parametrize("stacking", ["always", "never"])
def test_the_caller_s_random_numbers_are_untouched(module, stacking):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before, legacy = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    proba_of(module, fit(module, stacking=stacking))
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002


# --- what vmap and the recorder cannot see --------------------------------------------------------


class Branching(nn.Module):
    def __init__(self, when):
        super().__init__()
        self.layer, self.when = nn.Linear(5, 2), when

    def forward(self, x):
        z = self.layer(x)
        return 2 * z if self.training == (self.when == "training") and z.sum() > 0 else z


@pytest.mark.parametrize("when", ["training", "evaluation"])
def test_branches_on_values_are_run_one_by_one(when):
    module = partial(Branching, when)
    assert_same(fit(module), fit(module, stacking="never"), atol=0)
    with pytest.raises(InvalidInputError, match="stacking must be 'auto' or 'never' for this"):
        fit(module, stacking="always")


def scaled_copy(net, x):
    h = net.a(x)
    return net.out(h.clone().mul_(2) + h * 0.5)


def detached_copy(net, x):
    h = net.a(x)
    copy = h.clone()
    copy.mul_(2)
    return net.out(torch.tanh(h) + copy.detach())


def cut(net, x):
    h = net.a(x).clone()
    h[:, 0] = 0
    return net.out(h)


def rectified(net, x):
    return net.out(nn.functional.relu(net.a(x), inplace=True))


class Writing(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.a, self.out, self.how = nn.Linear(5, 4, bias=False), nn.Linear(4, 2), how

    def forward(self, x):
        return self.how(self, x)


@pytest.mark.parametrize("how", [scaled_copy, detached_copy, cut, rectified])
def test_recorded_gradients_of_modules_that_write_in_place(monkeypatch, how):
    module = partial(Writing, how)
    plain = fit(module, stacking="never", max_epochs=4)
    recorded = []
    original = traced.record
    monkeypatch.setattr(traced, "record", lambda *a: recorded.append(original(*a)) or recorded[-1])
    monkeypatch.setattr(functions, "CALLS_BEFORE_RECORDING", 2)
    assert_same(fit(module, stacking="always", max_epochs=4), plain, atol=1e-6)
    assert recorded


# --- the layout of rows ---------------------------------------------------------------------------


class Seeing(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution, self.out = nn.Conv2d(1, 2, 3), nn.Linear(2 * 36, 2)
        self.seen = set()

    def forward(self, x):
        self.seen.add(x.stride()[1:])
        return self.out(nn.functional.relu(self.convolution(x)).flatten(1))


class LaidOut(Seeing):
    cpu_layout = torch.channels_last


class Inheriting(LaidOut):
    """Another network, which may need the usual layout."""


def test_networks_see_rows_in_their_layout():
    rows = RNG.normal(size=(160, 1, 8, 8)).astype(np.float32)
    proba = []
    for kind, stride in ((Seeing, (64, 8, 1)), (LaidOut, (1, 8, 1)), (Inheriting, (64, 8, 1))):
        torch.manual_seed(0)
        module = kind()
        fitted = fit(module, rows=rows, stacking="never")
        states = [one.state for one in fitted]
        assert all(value.is_contiguous() for state in states for value in state.values())
        proba.append(predict_many(module, states, rows))
        state = {name: value[None] for name, value in module.state_dict().items()}
        module.seen.clear()
        forward(module, state, torch.ones(1, 3, 1, 8, 8), stacked=False)
        assert module.seen == {stride}
    np.testing.assert_allclose(proba[1], proba[0], atol=1e-5)
    np.testing.assert_array_equal(proba[2], proba[0])


@pytest.mark.parametrize("shape", [(5, 784), (5, 28, 28), (5, 1, 1, 28, 28)])
def test_images_of_another_rank_are_told_apart(shape):
    network = ConvNet(3)
    with pytest.raises(InvalidInputError, match="x must have shape"):
        predict_many(network, [network.state_dict()], np.zeros(shape, np.float32))


# --- who is in the stack --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(lr=0.03, weight_decay=0.1, decoupled=True),
        SGD(lr=0.3, momentum=0.9, nesterov=True, weight_decay=0.01),
    ],
    ids=["AdamW", "SGD"],
)
def test_optimizers_of_networks_at_different_steps(monkeypatch, optimizer):
    runs = [Run(TRAIN, HELD_OUT, seed=s) for s in range(6)]
    options = {"optimizer": optimizer, "max_epochs": 30, "patience": 1}
    apart = fit(FCN, runs, stacking="never", **options)
    assert len({network.epochs for network in apart}) > 1
    monkeypatch.setattr(fit_module, "capacity", lambda *a, **k: 3)
    monkeypatch.setattr(functions, "CALLS_BEFORE_RECORDING", 3)  # and recorded on the way
    assert_same(fit(FCN, runs, stacking="always", **options), apart, atol=1e-3)


def test_settings_of_one_method_in_one_stack():
    runs = [Run(TRAIN, HELD_OUT, Mixup(alpha), seed=2) for alpha in (0.0, 0.2, 0.9)]
    together = fit(FCN, runs, stacking="always")
    assert_same(together, [fit(FCN, [run], stacking="never")[0] for run in runs], atol=1e-5)
    assert not torch.equal(together[1].state["output.weight"], together[2].state["output.weight"])


def test_what_is_served_with_the_base_model_is_trained_as_what_it_is_made_of():
    base, proba = FCN(), np.random.default_rng(1).dirichlet(np.ones(2), 120)
    inner = WarmDistill(0.4)
    made = [inner, Average(0.3, of=inner), Override(0.2, of=inner), Ensemble(3, of=inner)]
    runs = [Run(TRAIN, HELD_OUT, method, 1, base_proba=proba, base_state=base) for method in made]
    fitted = fit(FCN, runs)
    for network in fitted[1:]:
        assert_same([network], fitted[:1], atol=1e-6)
    assert [(m.members, m.base_weight, m.threshold) for m in made] == [
        (1, 0, None),
        (1, 0.3, None),
        (1, 0, 0.2),
        (3, 0, None),
    ]


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_a_base_model_of_nan_harms_no_other(stacking):
    nan = {name: torch.full_like(value, torch.nan) for name, value in FCN().state_dict().items()}
    casualty = Run(TRAIN, HELD_OUT, Warm(), 7, base_state=nan)
    healthy = [Run(TRAIN, HELD_OUT, seed=s) for s in (0, 1)]
    with pytest.warns(TrainingWarning, match=r"1 of 3 networks .*: runs\[1\] \(warm, seed 7\)"):
        found = fit(FCN, [healthy[0], casualty, healthy[1]], stacking=stacking)
    assert (found[1].status, found[1].state) == ("diverged", None)
    # A stack of another size may add in another order.
    expected = fit(FCN, healthy, stacking=stacking)
    assert_same([found[0], found[2]], expected, atol=0 if stacking == "never" else 1e-6)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "match"),
    [
        ([], "states must be one or more, got none"),
        ([None], r"states\[0\] must be of the same architecture: 'hidden.weight' .* got none"),
        ([{}], r"states\[0\] must be of the same architecture: 'hidden.weight' .* got none"),
        ([nn.Linear(5, 2).state_dict()], r"'hidden.weight' must have shape \(9, 5\), got none"),
        (
            [FullyConnected(5, 2, width=8).state_dict()],
            r"'hidden.weight' must have shape \(9, 5\), got shape \(8, 5\)",
        ),
    ],
    ids=["none", "a None", "empty", "another", "wider"],
)
def test_predictions_of_states_that_do_not_fit(states, match):
    with pytest.raises(InvalidInputError, match=match):
        predict_many(FCN, states, X)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"method": Warm}, r"runs\[0\]\.method must be a method object, got <class"),
        ({"method": "warm"}, r"runs\[0\]\.method must be a method object, got 'warm'"),
        ({"base_state": [1]}, r"runs\[0\]\.base_state must be a module or its state_dict"),
        (
            {"method": Warm(), "base_state": {"hidden.weight": np.zeros((9, 5))}},
            "'hidden.weight' must have shape .* got a ndarray in place of a tensor",
        ),
        ({"seed": 2**64}, r"runs\[0\]\.seed must be below 2\*\*64, got 18446744073709551616"),
    ],
)
def test_bad_runs(bad, match):
    with pytest.raises(InvalidInputError, match=match):
        fit(FCN, [Run(**{"rows": TRAIN, "validation_rows": HELD_OUT} | bad)])


@pytest.mark.parametrize("runs", [Run(TRAIN), (Run(TRAIN) for _ in range(2)), [3]])
def test_runs_that_are_no_list_of_runs(runs):
    with pytest.raises(InvalidInputError, match=r"runs must be a sequence of holdfast\.nn\.Run"):
        fit(FCN, runs, patience=None)


@pytest.mark.parametrize(
    ("optimizer", "match"),
    [
        ("adam", "optimizer must be holdfast.nn.Adam or SGD, got 'adam'"),
        (torch.optim.Adam, "optimizer must be holdfast.nn.Adam or SGD, got <class"),
        (Adam(lr=-1), r"Adam\.lr must be a number of at least 0 and below inf, got -1"),
        (Adam(lr=float("nan")), r"Adam\.lr must be a number .* got nan"),
        (Adam(betas=(0.9, 1.0)), r"each of Adam\.betas must be .* below 1, got 1\.0"),
        (Adam(eps="a"), r"Adam\.eps must be a number .* got 'a'"),
        (SGD(weight_decay=-0.1), r"SGD\.weight_decay must be .* got -0\.1"),
        (SGD(momentum=-0.1), r"SGD\.momentum must be .* got -0\.1"),
        (SGD(nesterov=True), r"SGD\.momentum must be above 0 with nesterov=True, got 0"),
    ],
)
def test_bad_optimizers(optimizer, match):
    with pytest.raises(InvalidInputError, match=match):
        fit(FCN, optimizer=optimizer)


@pytest.mark.parametrize("module", [3, None])
def test_what_builds_no_module(module):
    with pytest.raises(InvalidInputError, match=r"module must be a torch\.nn\.Module or"):
        fit(module)
    with pytest.raises(InvalidInputError, match=r"module must be a torch\.nn\.Module or"):
        predict_many(module, [{}], X)
