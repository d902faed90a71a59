import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from joblib import Parallel, delayed

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError  # noqa: E402
from holdfast.methods import (  # noqa: E402
    Anchor,
    CoDistillation,
    Cold,
    Distill,
    Ensemble,
    Interpolate,
    LabelSmoothing,
    Mixup,
    ShrinkPerturb,
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
    Transformer,
    fit_many,
    predict_many,
)
from holdfast.nn.many import fit as fit_module  # noqa: E402
from holdfast.nn.many import functions, traced  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 5)).astype(np.float32)
Y = (X[:, 0] + 0.7 * RNG.normal(size=160) > 0).astype(int)
TRAIN, HELD_OUT = np.arange(120), np.arange(120, 160)
BASE = RNG.dirichlet(np.ones(2), 120)
FCN = partial(FullyConnected, 5, 2, width=9)
ALL = [
    Cold(),
    Warm(),
    ShrinkPerturb(0.4),
    Mixup(0.3),
    LabelSmoothing(0.2),
    CoDistillation(0.6),
    Anchor(0.3, 0.5),
    Distill(0.4),
    WarmDistill(0.7),
    Interpolate(0.3, of=WarmDistill(0.7)),
]


def fresh(seed, module=FCN):
    torch.manual_seed(seed)
    return module()


BASE_STATE = {k: v.detach().clone() for k, v in fresh(99).named_parameters()}


def run(method=None, seed=0, rows=TRAIN, held_out=HELD_OUT, **options):
    method = Cold() if method is None else method
    if len(rows) == len(BASE):
        options = {"base_proba": BASE} | options
    return Run(rows, held_out, method, seed, base_state=BASE_STATE, **options)


def fit(runs, *, module=FCN, rows=X, labels=Y, **options):
    return fit_many(module, runs, rows, labels, **{"n_jobs": 1, "max_epochs": 3} | options)


def assert_same(one, other, atol=1e-4):
    for a, b in zip(one, other, strict=True):
        assert (a.status, a.epochs) == (b.status, b.epochs)
        for name in a.state:
            torch.testing.assert_close(a.state[name], b.state[name], rtol=0, atol=atol)
        np.testing.assert_allclose(a.losses, b.losses, atol=1e-4)
        np.testing.assert_allclose(a.validation_losses, b.validation_losses, atol=1e-4)


# --- the slow reference ---------------------------------------------------------------------------


def orders(seed):
    """The row orders of a network: a generator of its own."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])


def soft_loss(logits, target):
    return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


def targets_of(method, y, base):
    e = np.eye(2)[y]
    if isinstance(method, Distill):  # and warm distillation
        return (1 - method.lam) * e + method.lam * base
    if isinstance(method, LabelSmoothing):
        return (1 - method.alpha) * e + method.alpha / 2
    if isinstance(method, Anchor):
        right = base.argmax(axis=1) == y
        near = method.alpha * base + (1 - method.alpha) * e
        return np.where(right[:, None], near, method.eta * e)
    return e


def start_of(method, network):
    own = dict(network.named_parameters())
    with torch.no_grad():
        for name, parameter in own.items():
            if isinstance(method, (Warm, WarmDistill, CoDistillation)):
                parameter.copy_(BASE_STATE[name])
            if isinstance(method, ShrinkPerturb):
                parameter.mul_(1 - method.alpha).add_(method.alpha * BASE_STATE[name])
    return network


def partner_seed(seed):
    return int(np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def mixing_of(alpha, rng, n_batches, size):
    """For each batch an order of its rows, then one weight."""
    partner = np.stack([np.arange(size)] * n_batches)
    partner = rng.permuted(partner, axis=1)
    return {"partner": partner, "weight": rng.beta(alpha, alpha, n_batches).astype(np.float32)}


def reference(method, seed, *, epochs=3, batch=32, patience=None, optimizer=torch.optim.Adam):
    """Train one network, or a pair, as the documentation says it, row by row and step by step."""
    seeds = [seed] if not isinstance(method, CoDistillation) else [seed, partner_seed(seed)]
    nets = [start_of(method, fresh(s)) for s in seeds]
    steps = [optimizer(net.parameters()) for net in nets]
    rngs = [orders(s) for s in seeds]
    x, held = torch.from_numpy(X[TRAIN]), torch.from_numpy(X[HELD_OUT])
    target = torch.from_numpy(targets_of(method, Y[TRAIN], BASE)).float()
    n, history, best, best_state = len(x), [], [np.inf] * len(nets), [None] * len(nets)
    stale = [0] * len(nets)
    for _ in range(epochs):
        order = [torch.from_numpy(rng.permutation(n)) for rng in rngs]
        mixing = None
        if isinstance(method, Mixup):
            whole, rest = divmod(n, batch)
            mixing = [
                mixing_of(method.alpha, rngs[0], *size) for size in ((whole, batch), (1, rest))
            ]
        for i, start in enumerate(range(0, n, batch)):
            losses = []
            for k, net in enumerate(nets):
                rows = order[k][start : start + batch]
                inputs, wanted = x[rows], target[rows]
                if mixing is not None:
                    table, at = (mixing[0], i) if i < n // batch else (mixing[1], 0)
                    w, partner = float(table["weight"][at]), table["partner"][at]
                    inputs = w * inputs + (1 - w) * inputs[partner]
                    wanted = w * wanted + (1 - w) * wanted[partner]
                loss = soft_loss(net(inputs), wanted)
                if len(nets) == 2:
                    with torch.no_grad():
                        told = torch.softmax(nets[1 - k](inputs), dim=1)
                    loss = (1 - method.alpha) * loss + method.alpha * soft_loss(net(inputs), told)
                losses.append(loss)
            for step, loss in zip(steps, losses, strict=True):
                step.zero_grad()
                loss.backward()
            for step in steps:
                step.step()
        for k, net in enumerate(nets):
            with torch.no_grad():
                value = nn.functional.cross_entropy(net(held), torch.from_numpy(Y[HELD_OUT])).item()
            stale[k] += 1
            if value < best[k]:
                best[k], stale[k] = value, 0
                best_state[k] = {p: v.detach().clone() for p, v in net.named_parameters()}
            if k == 0:
                history.append(value)
        if patience is not None and min(stale) >= patience:
            break
    return (best_state[0] if patience is not None else dict(nets[0].named_parameters())), history


@pytest.mark.parametrize("method", ALL[:-1], ids=str)
def test_every_method_is_its_plain_loop(method):
    (fitted,) = fit([run(method, seed=3)], patience=None)
    expected, history = reference(method, 3)
    for name, value in expected.items():
        torch.testing.assert_close(fitted.state[name], value.detach(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(fitted.validation_losses, history, atol=1e-5)


def test_interpolation_blends_the_trained_and_the_base_parameters():
    trained, made = fit([run(WarmDistill(0.7), seed=3), run(ALL[-1], seed=3)])
    for name, value in made.state.items():
        torch.testing.assert_close(value, 0.3 * BASE_STATE[name] + 0.7 * trained.state[name])


@pytest.mark.parametrize(
    ("method", "plain"),
    [
        (Distill(0.0), Cold()),
        (WarmDistill(0.0), Warm()),
        (ShrinkPerturb(1.0), Warm()),
        (ShrinkPerturb(0.0), Cold()),
        (Anchor(0.0, 1.0), Cold()),
        (LabelSmoothing(0.0), Cold()),
        (Mixup(0.0), Cold()),
        (CoDistillation(0.0), Warm()),
        (Interpolate(0.0), Warm()),
    ],
    ids=str,
)
def test_methods_at_the_end_of_their_range(method, plain):
    ours, other = fit([run(method, seed=1), run(plain, seed=1)])
    assert_same([ours], [other], atol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Adam(lr=0.01, weight_decay=0.1), partial(torch.optim.Adam, lr=0.01, weight_decay=0.1)),
        (
            Adam(lr=0.01, weight_decay=0.1, decoupled=True),
            partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1),
        ),
        (SGD(lr=0.1), partial(torch.optim.SGD, lr=0.1)),
        (
            SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
            partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        ),
    ],
    ids=str,
)
def test_optimizers_are_those_of_torch(ours, theirs):
    (fitted,) = fit([run(seed=2)], patience=None, optimizer=ours)
    expected, _ = reference(Cold(), 2, optimizer=theirs)
    for name, value in expected.items():
        torch.testing.assert_close(fitted.state[name], value.detach(), rtol=0, atol=1e-5)


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Cold(), Distill(0.5), CoDistillation(0.5)], ids=str)
def test_each_stops_by_its_own_validation_loss(method):
    options = {"max_epochs": 60, "patience": 2, "optimizer": Adam(lr=0.03)}
    fitted = fit([run(method, seed=s) for s in range(4)], **options)
    assert len({network.epochs for network in fitted}) > 1
    for seed, network in enumerate(fitted):
        slow = partial(torch.optim.Adam, lr=0.03)
        expected, history = reference(method, seed, epochs=60, patience=2, optimizer=slow)
        np.testing.assert_allclose(network.validation_losses, history, atol=1e-4)
        for name, value in expected.items():
            torch.testing.assert_close(network.state[name], value, rtol=0, atol=1e-4)
        assert network.status == "stopped"


def test_without_going_back_the_last_epoch_is_kept():
    options = {"max_epochs": 60, "patience": 2, "optimizer": Adam(lr=0.03)}
    (last,) = fit([run(seed=0)], restore_best=False, **options)
    (again,) = fit([run(seed=0)], patience=None, optimizer=Adam(lr=0.03), max_epochs=last.epochs)
    assert_same([last], [fit([run(seed=0)], restore_best=False, **options)[0]], atol=0)
    for name, value in again.state.items():
        torch.testing.assert_close(last.state[name], value, rtol=0, atol=1e-6)


def test_no_validation_rows_are_needed_without_patience():
    (fitted,) = fit([run(held_out=None)], patience=None)
    assert (fitted.status, fitted.validation_losses, fitted.epochs) == ("max_epochs", (), 3)


# --- together and apart ---------------------------------------------------------------------------


def many():
    return [run(m, seed=s) for s, m in enumerate(ALL)]


def test_stacked_is_one_by_one():
    assert_same(fit(many(), stacking="always"), fit(many(), stacking="never"))


def test_processes_change_nothing():
    assert_same(fit(many(), n_jobs=2), fit(many()))


def test_processes_are_not_joblib_s():
    first = fit([run(seed=s) for s in (0, 1)], n_jobs=2)
    assert Parallel(n_jobs=2)(delayed(abs)(i) for i in (-1, 2)) == [1, 2]
    assert_same(fit([run(seed=s) for s in (0, 1)], n_jobs=2), first)


def test_an_error_in_a_process_is_the_caller_s():
    module = partial(Failing, 5, 2, width=9)
    with pytest.raises(RuntimeError, match="in the middle of training"):
        fit([run(seed=s) for s in (0, 1)], module=module, n_jobs=2)
    assert fit([run(seed=s) for s in (0, 1)], n_jobs=2)[0].status == "max_epochs"


@pytest.mark.parametrize("places", [1, 3])
def test_who_joins_and_leaves_changes_nothing(monkeypatch, places):
    options = {"max_epochs": 40, "patience": 1, "optimizer": Adam(lr=0.03)}
    expected = fit(many(), stacking="never", **options)
    assert len({network.epochs for network in expected}) > 2
    monkeypatch.setattr(fit_module, "capacity", lambda *a, **k: places)
    assert_same(fit(many(), stacking="always", **options), expected, atol=1e-3)


def test_recorded_gradients_are_the_plain_ones(monkeypatch):
    plain = fit(many(), max_epochs=6)
    monkeypatch.setattr(functions, "CALLS_BEFORE_RECORDING", 2)
    recorded = []
    original = traced.record
    monkeypatch.setattr(traced, "record", lambda *a: recorded.append(original(*a)) or recorded[-1])
    assert_same(fit(many(), max_epochs=6), plain)
    assert recorded
    assert all(isinstance(r, torch.fx.GraphModule) for r in recorded)


@pytest.fixture
def nothing_kept(monkeypatch):
    monkeypatch.setattr(functions, "_KEPT", functions._Kept())


def test_kept_recordings_are_the_plain_computations(nothing_kept):
    plain = fit(many(), max_epochs=6)
    first, second = (fit(many(), max_epochs=6, keep_recordings=True) for _ in range(2))
    assert_same(first, plain)
    # What came before must not be seen, be it in the last bit.
    assert_same(second, first, atol=0)
    assert_same(fit(many()[:4], keep_recordings=True), fit(many()[:4]))
    assert len(functions._KEPT.functions) == 1


def test_kept_recordings_are_those_of_the_same_architecture_and_loss(nothing_kept):
    fit([run()], keep_recordings=True)
    for changed in ({"loss": "brier"}, {"module": partial(FCN, width=4)}):
        assert_same(fit([run()], keep_recordings=True, **changed), fit([run()], **changed))
    assert len(functions._KEPT.functions) == 3


def test_recordings_of_other_people_s_code_are_not_kept(nothing_kept):
    class Own(nn.Linear):
        def forward(self, x):
            return super().forward(x * factor)

    @dataclass(frozen=True)
    class OwnMixup(Mixup):
        name = ""

        def batch(self, x, target, drawn):
            return x * factor, target

    factor = 1.0
    own, mixed = ({"module": partial(Own, 5, 2)}, [run(OwnMixup(0.5))])
    fit([run()], keep_recordings=True, **own)
    fit(mixed, keep_recordings=True)
    factor = 3.0
    assert_same(fit([run()], keep_recordings=True, **own), fit([run()], **own))
    assert_same(fit(mixed, keep_recordings=True), fit(mixed))
    assert len(functions._KEPT.functions) == 1


def test_few_architectures_are_kept(nothing_kept):
    for width in range(1, functions.KEPT_ARCHITECTURES + 3):
        fit([run()], max_epochs=1, keep_recordings=True, module=partial(FCN, width=width))
    assert len(functions._KEPT.functions) == functions.KEPT_ARCHITECTURES


def test_runs_of_different_lengths():
    runs = [run(rows=np.arange(n), seed=n, base_proba=BASE[:n]) for n in (120, 70, 33, 120)]
    together = fit(runs)
    apart = [fit([one])[0] for one in runs]
    assert_same(together, apart)


@pytest.mark.parametrize(
    ("module", "rows"),
    [
        (partial(ConvNet, 2, image_shape=(1, 12, 12)), RNG.random((40, 1, 12, 12))),
        (partial(Transformer, 2, vocabulary=30, length=8), RNG.integers(0, 30, (40, 8))),
    ],
    ids=["convnet", "transformer"],
)
def test_other_networks_stacked_and_one_by_one(module, rows):
    rows = rows.astype(np.float32) if rows.dtype.kind == "f" else rows
    runs = [Run(np.arange(30), np.arange(30, 40), seed=s) for s in (0, 1)]
    labels = np.arange(40) % 2
    proba = [
        predict_many(
            module,
            [n.state for n in fit(runs, module=module, rows=rows, labels=labels, stacking=s)],
            rows,
        )
        for s in ("always", "never")
    ]
    np.testing.assert_allclose(proba[0], proba[1], atol=1e-4)
    assert np.abs(proba[0][0] - proba[0][1]).max() > 1e-3


def dropping():
    return nn.Sequential(nn.Linear(5, 30), nn.ReLU(), nn.Dropout(0.5), nn.Linear(30, 2))


def test_dropout_belongs_to_the_network():
    runs = [run(seed=s) for s in (0, 1, 0)]
    stacked = fit(runs, module=dropping, stacking="always")
    assert_same(stacked, fit(runs, module=dropping, stacking="never"))
    assert_same(stacked[:1], stacked[2:], atol=1e-6)
    assert (stacked[0].state["0.weight"] - stacked[1].state["0.weight"]).abs().max() > 1e-3
    plain = fit(runs[:1], module=lambda: dropping().eval())[0]  # the mode is the trainer's
    assert_same([plain], stacked[:1], atol=1e-6)


def test_running_statistics_are_those_of_a_plain_loop():
    def normed():
        # A bias before the normalisation would follow rounding errors: its gradient is zero.
        return nn.Sequential(nn.Linear(5, 6, bias=False), nn.BatchNorm1d(6), nn.Linear(6, 2))

    (fitted,) = fit([run(seed=4)], module=normed, patience=None)
    net = fresh(4, normed)
    step, rng = torch.optim.Adam(net.parameters()), orders(4)
    x, y = torch.from_numpy(X[TRAIN]), torch.from_numpy(Y[TRAIN])
    for _ in range(3):
        order = torch.from_numpy(rng.permutation(120))
        for rows in order.split(32):
            step.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            step.step()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(fitted.state[name], value, rtol=1e-4, atol=1e-4)
    apart = fit([run(seed=4), run(seed=5)], module=normed, stacking="never")
    assert_same(fit([run(seed=4), run(seed=5)], module=normed, stacking="always"), apart)


def test_frozen_parameters_stay():
    def half():
        net = FCN()
        net.hidden.requires_grad_(False)
        return net

    for network in fit([run(seed=s) for s in (0, 1)], module=half):
        seed = network.run.seed
        torch.testing.assert_close(network.state["hidden.weight"], fresh(seed).hidden.weight.data)
        moved = network.state["output.weight"] - fresh(seed).output.weight
        assert moved.abs().max() > 1e-4


# --- reproducible, and without traces -------------------------------------------------------------


def test_same_seed_same_network_and_nothing_else_is_touched():
    module = FCN().eval()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    torch.manual_seed(5)
    generator = torch.get_rng_state()
    one = fit([run(seed=1), run(seed=2)], module=module)
    predict_many(module, [one[0].state], X)
    assert torch.equal(torch.get_rng_state(), generator)
    assert not module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name])
    assert_same(one, fit([run(seed=1), run(seed=2)]), atol=0)  # a module or what builds it


def test_predictions_are_the_module_s():
    fitted = fit([run(seed=s) for s in (0, 1)])
    proba = predict_many(FCN, [network.state for network in fitted], X)
    net = FCN()
    for network, ours in zip(fitted, proba, strict=True):
        net.load_state_dict(network.state)
        with torch.no_grad():
            expected = torch.softmax(net(torch.from_numpy(X)), dim=1).numpy()
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(proba.sum(axis=2), 1, atol=1e-12)


def test_weights_are_proportions_and_zero_rows_teach_nothing():
    weight = RNG.uniform(0.5, 2, 120)
    one, scaled = fit([run(sample_weight=weight), run(sample_weight=5 * weight)])
    assert_same([one], [scaled], atol=1e-6)
    ignored = np.where(np.arange(120) < 20, 0.0, 1.0)
    turned = np.where(np.arange(160) < 20, 1 - Y, Y)
    plain = fit([run(sample_weight=ignored)])
    assert_same(plain, fit([run(sample_weight=ignored)], labels=turned), atol=0)


def test_mixed_precision_is_near():
    full = fit([run(seed=s) for s in (0, 1)])
    half = fit([run(seed=s) for s in (0, 1)], precision="bfloat16")
    for a, b in zip(full, half, strict=True):
        assert a.state["hidden.weight"].dtype == b.state["hidden.weight"].dtype == torch.float32
    one, other = (predict_many(FCN, [n.state for n in group], X) for group in (full, half))
    assert 0 < np.abs(one - other).max() < 0.02


def test_brier_is_another_loss():
    (fitted,) = fit([run()], loss="brier")
    net = FCN()
    net.load_state_dict(fitted.state)
    with torch.no_grad():
        proba = torch.softmax(net(torch.from_numpy(X[HELD_OUT])), dim=1).numpy()
    brier = ((np.eye(2)[Y[HELD_OUT]] - proba) ** 2).sum(axis=1).mean()
    assert min(fitted.validation_losses) == pytest.approx(brier, abs=1e-6)


# --- casualties -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_a_loss_that_is_not_finite_ends_that_network_only(stacking):
    broken = X.copy()
    broken[119] = np.inf
    healthy = [run(seed=s, rows=np.arange(119), base_proba=BASE[:119]) for s in (0, 1)]
    casualty = run(Distill(0.5), seed=7, rows=np.arange(1, 120), base_proba=BASE[1:])
    with pytest.warns(TrainingWarning, match=r"1 of 3 networks .* runs\[1\] \(distill\(lam=0\.5\)"):
        found = fit([healthy[0], casualty, healthy[1]], rows=broken, stacking=stacking)
    assert (found[1].status, found[1].state, found[1].epochs) == ("diverged", None, 1)
    assert_same([found[0], found[2]], fit(healthy, stacking=stacking), atol=1e-6)


def test_a_pair_falls_together():
    nan = {name: torch.full_like(value, torch.nan) for name, value in BASE_STATE.items()}
    one = Run(TRAIN, HELD_OUT, CoDistillation(0.5), 0, base_state=nan)
    with pytest.warns(TrainingWarning, match="1 of 2 networks had a loss"):
        found = fit([one, run(CoDistillation(0.5), seed=1)])
    assert [network.status for network in found] == ["diverged", "max_epochs"]


class Failing(FullyConnected):
    """Fails after some batches."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 9:
            raise RuntimeError("in the middle of training")
        return super().forward(x)


class Interrupting(FullyConnected):
    """Raises like Ctrl-C after some batches."""

    left = 10**9

    def forward(self, x):
        Interrupting.left -= 1
        if Interrupting.left < 0:
            raise KeyboardInterrupt
        return super().forward(x)


def test_interrupted_in_this_process(monkeypatch):
    module = partial(Interrupting, 5, 2, width=9)
    monkeypatch.setattr(Interrupting, "left", 60)
    with pytest.warns(TrainingWarning, match="of 6 networks were not finished when"):
        found = fit([run(seed=s) for s in range(6)], module=module, stacking="never")
    statuses = [network.status for network in found]
    assert statuses[0] == "max_epochs"
    assert statuses[-1] == "interrupted"
    monkeypatch.setattr(Interrupting, "left", 10**9)
    done = [network for network in found if network.state is not None]
    assert_same(done, fit([network.run for network in done], stacking="never"), atol=1e-6)


def is_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


SCRIPT = """
import warnings, sys
from dataclasses import dataclass
from functools import partial
import numpy as np
from holdfast.nn import FullyConnected, Run, fit_many
if __name__ == "__main__":
    warnings.simplefilter("ignore")
    X = np.random.default_rng(0).normal(size=(400, 5)).astype("float32")
    y = (X[:, 0] > 0).astype(int)
    runs = [Run(np.arange(300), np.arange(300, 400), seed=s) for s in range(3000)]
    options = dict(max_epochs=3, patience=None, n_jobs=2, stacking="never", verbose=1)
    print("ready", flush=True)
    found = fit_many(partial(FullyConnected, 5, 2, width=9), runs, X, y, **options)
    status = [n.status for n in found]
    print(status.count("max_epochs"), status.count("interrupted"), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a process group")
def test_interrupted_with_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    child = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
    )
    assert child.stdout.readline() == "ready\n"
    deadline = time.monotonic() + 300  # two processes start, beside whatever else is running
    # Each of two processes has one in hand, so that more than two claimed means some are done.
    while len(list(tmp_path.glob("holdfast-*/*.claimed"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    out, _ = child.communicate(timeout=300)
    done, interrupted = map(int, out.split())
    assert done > 0
    assert interrupted > 0
    assert done + interrupted == 3000
    assert not list(tmp_path.glob("holdfast-*"))
    deadline = time.monotonic() + 20
    while is_alive(child.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(child.pid)


def test_progress_is_shown_when_asked(capsys):
    fit([run()])
    assert capsys.readouterr() == ("", "")
    fit([run(), run(seed=1)], verbose=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "networks" in shown.err
    assert "2/2" in shown.err


# --- bad input ------------------------------------------------------------------------------------


class Returning(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.layer, self.make = nn.Linear(5, 2), make

    def forward(self, x):
        return self.make(self, self.layer(x))


class Growing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x):
        out = self.layer(x)
        self.layer.bias = nn.Parameter(torch.zeros(1, 2))
        return out


class Undrawn(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 2))

    def forward(self, x):
        return x @ self.weight


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (nn.Linear(4, 2), r"X must be what module takes, got rows of shape \(5,\) and type"),
        (nn.Linear(5, 1), "module must return two or more real numbers a row"),
        (Returning(lambda s, z: z[:, 0]), r"module must return logits of shape \(32, K\)"),
        (Returning(lambda s, z: (z, z)), "module must return logits .* got tuple"),
        (Returning(lambda s, z: z[:3]), r"module must return logits .* got \(3, 2\)"),
        (
            Returning(lambda s, z: torch.cat([z, z], 1) if s.training else z),
            "module must keep its shape in training, got other shapes of outputs",
        ),
        (Growing(), "module must keep its shape in training, got other shapes of parameters"),
        (nn.LazyLinear(2), "module must have parameters of fixed shapes, got lazy ones"),
        (nn.Linear(5, 2).requires_grad_(False), "module must have parameters to train"),
        (lambda: 3, "a function that builds one, got a function that returned int"),
    ],
)
def test_bad_modules(module, match):
    with pytest.raises(InvalidInputError, match=match):
        fit([run()], module=module)


def test_a_module_that_cannot_be_drawn_afresh():
    with pytest.raises(UnsupportedEstimatorError, match="how its parameters are drawn afresh"):
        fit([run()], module=Undrawn())
    assert fit([run()], module=Undrawn)[0].status == "max_epochs"


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (
            {"target": np.full((120, 2), 0.7)},
            r"runs\[0\]\.target must sum to 1 in each row, got 1\.4",
        ),
        ({"target": np.full((120, 3), 1 / 3)}, r"runs\[0\]\.target must have one column for each"),
        ({"target": np.full((119, 2), 0.5)}, "must have the same number of rows"),
        ({"method": Distill(), "target": BASE}, "target must be left out with the method distill"),
        ({"base_proba": np.full((120, 3), 1 / 3)}, "base_proba must have one column for each"),
        ({"base_proba": BASE[:5]}, "must have the same number of rows"),
        ({"base_proba": 3 * BASE}, "base_proba"),
        ({"method": Warm(), "base_state": None}, "base_state must be given for the method warm"),
        (
            {"method": Ensemble(2, of=Distill(0.5)), "base_proba": None},
            "base_proba must be given for the method ensemble",
        ),
        (
            {"method": Warm(), "base_state": FullyConnected(5, 3, width=9)},
            r"'output\.weight' must have shape \(2, 9\), got shape \(3, 9\)",
        ),
        ({"method": Warm(), "base_state": {}}, "'hidden.weight' must have shape"),
        ({"method": Distill(1.5)}, r"Distill\.lam must be in \[0, 1\]"),
        ({"validation_rows": None}, "validation_rows must be given to stop by validation loss"),
        ({"validation_rows": [5]}, r"must not be among its rows, got 1 shared, the first 5"),
        ({"validation_rows": [160]}, r"must be positions in \[0, 160\), .* got 160 to 160"),
        ({"rows": [-1, 2]}, r"rows must be positions in \[0, 160\), one or more, got -1 to 2"),
        ({"rows": [0.5]}, r"rows must be positions .* got shape \(1,\) of float64"),
        ({"rows": []}, "rows must be positions"),
        ({"seed": -1}, r"runs\[0\]\.seed must be an integer of at least 0, got -1"),
        ({"sample_weight": -np.ones(120)}, "sample_weight"),
    ],
)
def test_bad_runs(bad, match):
    good = {"rows": TRAIN, "validation_rows": HELD_OUT, "base_proba": BASE}
    with pytest.raises(InvalidInputError, match=match):
        fit([Run(**good | {"base_state": BASE_STATE} | bad)])


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"labels": Y + 1}, r"y must be in \[0, 2\), the outputs of the module, got 1 to 2"),
        ({"labels": Y / 2}, "y must be integers of shape"),
        ({"labels": Y.astype(str)}, "y must be integers of shape"),
        ({"labels": Y[:9]}, "must have the same number of rows"),
        ({"labels": None}, "y must be given unless every run has a target"),
        ({"rows": X[:, 0]}, r"X must have shape \(n, …\)"),
        ({"rows": X.astype(str)}, "X must hold numbers"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"stacking": "yes"}, "stacking must be one of"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"n_jobs": 0}, "n_jobs must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"max_epochs": 1.5}, "max_epochs must be"),
        ({"patience": 0}, "patience must be"),
    ],
)
def test_bad_options(bad, match):
    with pytest.raises(InvalidInputError, match=match):
        fit([run()], **bad)


def test_no_runs_and_no_blends_of_tokens():
    with pytest.raises(InvalidInputError, match="runs must be a sequence of"):
        fit([])
    tokens = RNG.integers(0, 9, (160, 8))
    module = partial(Transformer, 2, vocabulary=9, length=8)
    with pytest.raises(InvalidInputError, match="method must not blend rows of integers"):
        fit([Run(TRAIN, HELD_OUT, Mixup(0.5))], module=module, rows=tokens)


def test_targets_without_labels():
    target = np.eye(2)[Y[TRAIN]]
    one = fit([Run(TRAIN, target=target)], labels=None, patience=None)
    assert_same(one, fit([run(held_out=None)], patience=None), atol=1e-7)
