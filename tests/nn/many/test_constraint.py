"""Networks under an explicit constraint on churn, against the same problem in Cooper's own loop."""

import sys
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")
cooper = pytest.importorskip("cooper")

from torch import nn  # noqa: E402

from holdfast import LowChurnClassifier  # noqa: E402
from holdfast.bench.trials.contenders import chosen  # noqa: E402
from holdfast.exceptions import (  # noqa: E402
    InvalidInputError,
    MissingExtraError,
    UnsupportedEstimatorError,
)
from holdfast.methods import Cold, Constrained, Distill  # noqa: E402
from holdfast.nn import Adam, FullyConnected, NetworkClassifier, Run, fit_many, predict_many  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.normal(size=(220, 5)).astype(np.float32)
Y = np.digitize(X[:, 0] + 0.7 * RNG.normal(size=220), [-0.5, 0.6])
TRAIN, HELD_OUT = np.arange(170), np.arange(170, 220)
BASE = RNG.dirichlet(np.ones(3), 170)
FCN = partial(FullyConnected, 5, 3, width=9)


def fit(*methods, base=BASE, seed=3, module=FCN, **options):
    runs = [Run(TRAIN, HELD_OUT, method, seed, base_proba=base) for method in methods]
    options = {"n_jobs": 1, "max_epochs": 6, "patience": None} | options
    return fit_many(module, runs, X, Y, **options)


class Problem(cooper.ConstrainedMinimizationProblem):
    """Loss of the labels subject to churn: the divergence for the network, any measure for μ."""

    def __init__(self, method, loss):
        super().__init__()
        self.method, self.loss = method, loss
        self.churn = cooper.Constraint(
            cooper.ConstraintType.INEQUALITY, multiplier=cooper.multipliers.DenseMultiplier(1)
        )

    def compute_cmp_state(self, network, x, y, base, weight):
        logits = network(x)
        proba = torch.softmax(logits, dim=1)
        kl = (base * (base.log() - torch.log_softmax(logits, dim=1))).sum(dim=1)
        brier = ((base - proba) ** 2).sum(dim=1)
        hard = (base.argmax(dim=1) != logits.argmax(dim=1)).float()
        if self.loss == "brier":
            loss, soft = ((torch.eye(3)[y] - proba) ** 2).sum(dim=1), brier
        else:
            loss, soft = nn.functional.cross_entropy(logits, y, reduction="none"), kl
        measured = {"hard": hard, "kl": kl, "brier": brier}[self.method.churn].detach()
        state = cooper.ConstraintState(
            violation=(weight * soft).mean(),
            strict_violation=(weight * (measured - self.method.max_churn)).mean(),
        )
        return cooper.CMPState((weight * loss).mean(), {self.churn: state})


def reference(method, *, loss="cross_entropy", seed=3, epochs=6, weight=None, module=FCN):
    torch.manual_seed(seed)
    network, problem = module(), Problem(method, loss)
    optimizer = cooper.optim.SimultaneousOptimizer(
        problem,
        torch.optim.Adam(network.parameters()),
        torch.optim.SGD(problem.dual_parameters(), lr=method.dual_lr, maximize=True),
    )
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[0])
    x, y, base = (torch.from_numpy(part) for part in (X[TRAIN], Y[TRAIN], BASE.astype("float32")))
    weight = torch.ones(170) if weight is None else torch.from_numpy(weight).float()
    multipliers = []
    for _ in range(epochs):
        for rows in torch.from_numpy(rng.permutation(170)).split(32):
            optimizer.roll(
                {"network": network, "x": x[rows], "y": y[rows], "base": base[rows]}
                | {"weight": weight[rows]}
            )
        multipliers.append(problem.churn.multiplier().item())
    return network.state_dict(), multipliers


def assert_same(fitted, expected, atol=2e-5):
    state, multipliers = expected
    np.testing.assert_allclose(fitted.multipliers, multipliers, atol=1e-5)
    for name, value in state.items():
        torch.testing.assert_close(fitted.state[name], value, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("method", "loss"),
    [
        (Constrained(0.02), "cross_entropy"),
        (Constrained(0.6, dual_lr=2.0), "cross_entropy"),  # slack at times: μ falls, and stops at 0
        (Constrained(0.1, "kl", 0.05), "cross_entropy"),
        (Constrained(0.05, "brier"), "brier"),
        (Constrained(0.3), "brier"),
    ],
    ids=str,
)
def test_it_is_cooper_s_own_loop(method, loss):
    (fitted,) = fit(method, loss=loss)
    assert_same(fitted, reference(method, loss=loss))


class Louder(FullyConnected):
    """Surer in training than in serving, as with dropout, but without randomness."""

    def forward(self, x):
        return super().forward(x) * (3 if self.training else 1)


@pytest.mark.parametrize("stacking", ["always", "never"])
def test_churn_is_measured_where_the_network_learns(stacking):
    method, module = Constrained(0.1, "kl", 0.05), partial(Louder, 5, 3, width=9)
    (fitted,) = fit(method, module=module, stacking=stacking)
    assert_same(fitted, reference(method, module=module))


def test_many_at_once_are_each_alone_whoever_else_is_there():
    methods = [Constrained(0.05), Constrained(0.1, "kl", 0.05), Cold(), Constrained(0.2, "brier")]
    options = {"max_epochs": 40, "patience": 2}
    together = fit(*methods, Distill(0.4), stacking="always", **options)
    assert len({network.epochs for network in together}) > 1  # some leave before others
    for method, found in zip([*methods, Distill(0.4)], together, strict=True):
        for stacking in ("always", "never"):
            (alone,) = fit(method, stacking=stacking, **options)
            assert_same(found, (alone.state, alone.multipliers), atol=1e-4)
            np.testing.assert_allclose(found.violations, alone.violations, atol=1e-4)


def test_in_processes_too():
    methods = [Constrained(0.05), Constrained(0.1), Cold()]
    for one, other in zip(fit(*methods), fit(*methods, n_jobs=2), strict=True):
        assert_same(one, (other.state, other.multipliers))


def test_weights_are_those_of_the_loss():
    weight = RNG.uniform(0.2, 3.0, 170)
    method = Constrained(0.1)
    run = Run(TRAIN, HELD_OUT, method, 3, base_proba=BASE, sample_weight=weight)
    (fitted,) = fit_many(FCN, [run], X, Y, n_jobs=1, max_epochs=6, patience=None)
    assert_same(fitted, reference(method, weight=weight / weight.mean()))


def test_rows_without_a_base_prediction_constrain_nothing():
    missing = np.arange(170) % 2 == 0
    base = np.where(missing[:, None], np.nan, BASE)
    other = np.where(missing[:, None], np.roll(BASE, 1, axis=1), BASE)
    known, unknown = fit(Constrained(0.1), base=other)[0], fit(Constrained(0.1), base=base)[0]
    assert unknown.violations[-1] < known.violations[-1]
    plain, nothing = fit(Cold(), Constrained(0.0), base=np.full_like(BASE, np.nan))
    assert_same(nothing, (plain.state, (0.0,) * 6), atol=1e-6)


def test_a_limit_that_does_not_bind_is_plain_training():
    plain, loose = fit(Cold(), Constrained(1.0))
    assert_same(loose, (plain.state, (0.0,) * 6), atol=1e-6)
    assert (plain.violations, plain.multipliers) == ((), ())
    assert max(loose.violations) < 0


def test_tight_limits_hold_churn_down():
    # A base model that learned half of the rows, as in an update.
    half = Run(TRAIN[:85], HELD_OUT, Cold(), 1)
    (base,) = fit_many(FCN, [half], X, Y, n_jobs=1, max_epochs=60, patience=None)
    proba = predict_many(FCN, [base.state], X[TRAIN])[0]
    methods = [Cold(), Constrained(0.02), Constrained(0.1)]
    found = fit(*methods, base=proba, max_epochs=100, optimizer=Adam(lr=0.01))
    new = predict_many(FCN, [network.state for network in found], X[TRAIN])
    cold, tight, loose = (new.argmax(axis=2) != proba.argmax(axis=1)).mean(axis=1)
    assert tight < loose < cold
    assert tight <= 0.05
    assert loose == pytest.approx(0.1, abs=0.05)
    assert found[1].multipliers[-1] > found[2].multipliers[-1] > 0


def test_the_epoch_of_least_violation_is_kept():
    (free,) = fit(Constrained(0.3), max_epochs=40)
    (kept,) = fit(Constrained(0.3), max_epochs=40, patience=40)
    of_epochs = zip(kept.violations, kept.validation_losses, strict=True)
    reached = [(max(v, 0), loss) for v, loss in of_epochs]
    best = reached.index(min(reached))
    assert best < 39
    (then,) = fit(Constrained(0.3), max_epochs=best + 1)
    assert_same(kept, (then.state, free.multipliers))
    (stopped,) = fit(Constrained(0.3), max_epochs=40, patience=2)
    assert stopped.epochs < 40


# --- through the other doors ----------------------------------------------------------------------


def test_as_a_method_of_the_classifier():
    network = NetworkClassifier(FCN, max_epochs=30, n_jobs=1)
    model = LowChurnClassifier(
        network, method=Constrained(0.05), min_accuracy=0.2, mixture="single", random_state=0
    ).fit(X[TRAIN], Y[TRAIN], base_proba=BASE)
    assert [str(c.method) for c in model.path_.candidates] == ["cold", str(Constrained(0.05))]


def test_only_networks_can():
    from sklearn.linear_model import LogisticRegression

    model = LowChurnClassifier(LogisticRegression(), method="constrained", max_churn=0.1)
    with pytest.raises(UnsupportedEstimatorError, match=r"constrained.* changes the constraint"):
        model.fit(X[TRAIN], Y[TRAIN], base_proba=BASE)


def test_what_is_missing_is_told(monkeypatch):
    with pytest.raises(InvalidInputError, match=r"runs\[0\]\.base_proba must be given"):
        fit(Constrained(0.1), base=None)
    monkeypatch.setitem(sys.modules, "cooper", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'holdfast\[lagrangian\]'"):
        fit(Constrained(0.1))
    with pytest.raises(MissingExtraError, match="--method constrained needs cooper"):
        chosen(["constrained"])


def test_a_benchmark_without_cooper_leaves_it_out(monkeypatch):
    assert "constrained" in chosen()
    monkeypatch.setattr("holdfast.bench.trials.contenders.find_spec", lambda name: None)
    assert "constrained" not in chosen()
    assert len(chosen()) > 10
