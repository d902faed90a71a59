import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import targets
from holdfast.exceptions import InvalidInputError

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from holdfast.nn.losses import (  # noqa: E402
    AnchorLoss,
    DistillationLoss,
    pack_targets,
    soft_brier,
    soft_cross_entropy,
)

SOFT = {"cross_entropy": soft_cross_entropy, "brier": soft_brier}
N, K = 24, 4


def softmax(z):
    """Probabilities by NumPy."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def reference(name, z, t):
    """Each loss in float64, from its definition: the expectation over the target's classes."""
    z, t = np.asarray(z, dtype=np.float64), np.asarray(t, dtype=np.float64)
    if name == "brier":
        p = softmax(z)
        of_class = ((np.eye(z.shape[-1]) - p[..., None, :]) ** 2).sum(axis=-1)
    else:
        top = z.max(axis=-1, keepdims=True)
        of_class = top + np.log(np.exp(z - top).sum(axis=-1, keepdims=True)) - z
    return (t * of_class).sum(axis=-1)


def draw(seed=0, *, missing=0.0, dtype=torch.float64, scale=2.0):
    """Logits, classes and base probabilities; a share of the base's rows NaN."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(scale * rng.standard_normal((N, K)), dtype=dtype, requires_grad=True)
    base = rng.dirichlet(np.ones(K), N)
    base[rng.random(N) < missing] = np.nan
    return logits, torch.tensor(rng.integers(0, K, N)), torch.tensor(base)


def every_loss(**options):
    """A few losses of each kind, with the target each is to have."""
    for lam in (0.0, 0.3, 1.0):
        yield (
            DistillationLoss(lam, **options),
            lambda y, base, lam=lam: targets.distill(y, base, lam, classes=range(base.shape[1])),
        )
    for alpha, eta in itertools.product((0.0, 0.4, 1.0), (0.0, 0.7, 1.0)):
        yield (
            AnchorLoss(alpha, eta, **options),
            lambda y, base, a=alpha, e=eta: targets.anchor(
                y, base, a, e, classes=range(base.shape[1])
            ),
        )


def close(actual, expected, tolerance=1e-12):
    np.testing.assert_allclose(
        actual.detach().double().numpy(), np.asarray(expected), rtol=tolerance, atol=tolerance
    )


# --- on soft targets -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("mass", [1.0, 0.6, 0.0])
def test_soft_losses_equal_their_definition(name, mass):
    logits, _, base = draw()
    loss = SOFT[name](logits, mass * base)
    assert loss.shape == (N,)
    assert loss.dtype == torch.float64
    close(loss, reference(name, logits.detach(), mass * base))


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (5, 2, 3)])
def test_soft_losses_take_any_leading_dimensions(name, shape):
    rng = np.random.default_rng(0)
    logits, target = torch.tensor(rng.standard_normal(shape)), torch.tensor(rng.random(shape))
    loss = SOFT[name](logits, target)
    assert loss.shape == shape[:-1]
    close(loss, reference(name, logits, target))


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 0)])
def test_soft_losses_under_vmap(name, in_dims):
    rng = np.random.default_rng(0)
    shapes = [(3, 5, K) if dim == 0 else (5, K) for dim in in_dims]
    logits, target = (torch.tensor(rng.random(shape)) for shape in shapes)
    stacked = torch.func.vmap(SOFT[name], in_dims=in_dims)(logits, target)
    close(stacked, reference(name, logits, target))


@pytest.mark.parametrize("name", SOFT)
def test_gradients_under_vmap_equal_a_loop(name):
    rng = np.random.default_rng(0)
    logits, target = (torch.tensor(rng.random((3, 5, K))) for _ in range(2))
    gradient = torch.func.grad(lambda z, t: SOFT[name](z, t).sum())
    stacked = torch.func.vmap(gradient)(logits, target)
    for row in range(3):
        close(stacked[row], gradient(logits[row], target[row]))


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("mass", [1.0, 0.6])
def test_gradients_equal_differences(name, mass):
    logits, _, base = draw()
    assert torch.autograd.gradcheck(SOFT[name], (logits[:4], mass * base[:4]))


@pytest.mark.parametrize("mass", [1.0, 0.6])
def test_gradient_of_the_cross_entropy_is_probability_minus_target(mass):
    logits, _, base = draw()
    soft_cross_entropy(logits, mass * base).sum().backward()
    close(logits.grad, mass * (softmax(logits.detach().numpy()) - base.numpy()))


def test_the_target_is_held_constant():
    logits, _, base = draw()
    base.requires_grad_()
    for soft in SOFT.values():
        soft(logits, base).sum().backward()
    assert base.grad is None


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1.0, 20.0, 6e4])
def test_low_precision(name, dtype, scale):
    """As exact as the logits are: the reference reads the same rounded logits."""
    logits, _, base = draw()
    logits = logits.detach()
    logits = (logits / logits.abs().max() * scale).to(dtype).requires_grad_()
    loss = SOFT[name](logits, base.to(dtype))
    assert loss.dtype == torch.float32
    target = base.to(dtype).double()
    close(loss, reference(name, logits.detach().double(), target), 2e-6)
    loss.sum().backward()
    assert logits.grad.dtype == dtype
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_keeps_float32(name, dtype):
    logits, _, base = draw(dtype=torch.float32)
    with torch.autocast("cpu", dtype=dtype):
        loss = SOFT[name](logits, base)
        half = torch.nn.Linear(K, K)(logits)
        assert half.dtype == dtype
        assert SOFT[name](half, base).dtype == torch.float32
    assert loss.dtype == torch.float32
    close(loss, reference(name, logits.detach(), base), 2e-6)


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([6e4, -6e4, 0.0], torch.float16),
        ([3e38, -3e38, 0.0], torch.bfloat16),
        ([3e38, -3e38, 0.0], torch.float32),
        ([1e308, -1e308, 0.0], torch.float64),
        ([1.0, -torch.inf, 0.0], torch.float32),  # a class that is masked out
    ],
)
def test_extreme_logits(name, values, dtype):
    logits = torch.tensor([values, values[::-1]], dtype=dtype, requires_grad=True)
    target = torch.zeros(2, 3).index_fill_(1, torch.tensor([0]), 1.0)
    loss = SOFT[name](logits[:1], target[:1])
    close(loss, [0.0] if values[0] > 1 else reference(name, [[1.0, 0.0]], [[1.0, 0.0]]), 1e-6)
    loss = SOFT[name](logits, target)
    assert not loss.isnan().any()
    loss.sum().backward()
    assert logits.grad.isfinite().all()


def test_gradient_where_the_label_is_out_of_reach():
    """The pull towards the label is in full, however improbable it has become."""
    logits = torch.tensor([[3e38, -3e38]], requires_grad=True)
    soft_cross_entropy(logits, torch.tensor([[0.0, 1.0]])).sum().backward()
    close(logits.grad, [[1.0, -1.0]])


@pytest.mark.parametrize("name", SOFT)
def test_soft_losses_look_at_no_values(name):
    """A tensor on the device "meta" has none: looking at one would raise."""
    logits = torch.empty(3, 5, K, device="meta")
    assert SOFT[name](logits, torch.empty_like(logits)).shape == (3, 5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    z=st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=6),
    seed=st.integers(0, 9),
    mass=st.floats(0, 1),
)
def test_soft_losses_in_float32_on_any_row(z, seed, mass):
    rng = np.random.default_rng(seed)
    target = mass * rng.dirichlet(np.ones(len(z)))
    order = torch.tensor(rng.permutation(len(z)))
    logits, soft = torch.tensor(z, dtype=torch.float32), torch.tensor(target)
    for name, loss in SOFT.items():
        value = loss(logits, soft)
        close(value, reference(name, z, soft.float()), 1e-5)
        close(loss(logits[order], soft[order]), value.numpy(), 1e-5)
        assert value > -1e-6


# --- on labels and base predictions --------------------------------------------------------------


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_losses_equal_the_loss_on_their_target(name, missing):
    logits, y, base = draw(missing=missing)
    for loss, target in every_loss(loss=name):
        expected = reference(name, logits.detach(), target(y.numpy(), base.numpy()))
        close(loss(logits, y, base), expected)


def test_losses_differ_from_each_other():
    """The settings above are told apart, so that agreement says something."""
    logits, y, base = draw()
    values = [loss(logits, y, base).sum().item() for loss, _ in every_loss()]
    assert len({round(value, 6) for value in values}) == len(values) - 1  # λ = 0 is α = 0, η = 1


@pytest.mark.parametrize("loss", [DistillationLoss(0.0), AnchorLoss(0.0, 1.0), AnchorLoss(0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_weight_it_is_the_plain_cross_entropy(loss, dtype):
    logits, y, base = draw(missing=0.3, dtype=dtype)
    plain = functional.cross_entropy(logits, y, reduction="none")
    torch.testing.assert_close(loss(logits, y, base), plain, rtol=1e-6, atol=1e-7)
    (gradient,) = torch.autograd.grad(loss(logits, y, base).mean(), logits)
    (expected,) = torch.autograd.grad(plain.mean(), logits)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


def test_loss_of_the_base_model_is_least_for_the_base_model():
    """At λ = 1 no logits do better than the base model's own, and there the gradient is zero."""
    _, y, base = draw()
    own = base.log().requires_grad_()
    for name in SOFT:
        loss = DistillationLoss(1.0, loss=name)
        loss(own, y, base).sum().backward()
        assert own.grad.abs().max() < 1e-12
        other = draw(seed=1)[0]
        assert (loss(other, y, base) > loss(own, y, base)).all()


@pytest.mark.parametrize("name", SOFT)
def test_losses_pass_gradcheck(name):
    logits, y, base = draw(missing=0.3)
    for loss in (DistillationLoss(0.4, loss=name), AnchorLoss(0.4, 0.7, loss=name)):
        assert torch.autograd.gradcheck(lambda z, loss=loss: loss(z, y[:5], base[:5]), logits[:5])


def test_gradient_of_distillation_is_probability_minus_target():
    logits, y, base = draw(missing=0.3)
    DistillationLoss(0.3)(logits, y, base).sum().backward()
    close(logits.grad, softmax(logits.detach().numpy()) - targets.distill(y, base, 0.3))


@pytest.mark.parametrize("kind", ["proba", "logits"])
def test_rows_without_base_prediction_are_plain(kind):
    logits, y, base = draw(missing=0.3)
    missing = base.isnan().all(dim=1)
    assert 0 < missing.sum() < N
    plain = functional.cross_entropy(logits, y, reduction="none")
    for loss, _ in every_loss(base=kind):
        losses = loss(logits, y, base)
        close(losses[missing], plain[missing].detach())
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("junk", [torch.nan, 7.0, torch.inf])
def test_a_mask_does_what_a_row_of_nan_does(junk):
    logits, y, base = draw(missing=0.3)
    mask = torch.arange(N) % 3 > 0
    hidden = torch.where(mask.unsqueeze(1), base, torch.nan)
    filled = torch.where(mask.unsqueeze(1), base, junk)
    filled[~mask, 0] = 0.5
    for loss, _ in every_loss():
        expected = loss(logits, y, hidden)
        assert torch.equal(loss(logits, y, filled, mask), expected)
        (gradient,) = torch.autograd.grad(loss(logits, y, filled, mask).sum(), logits)
        assert gradient.isfinite().all()


def test_base_logits_equal_their_probabilities():
    logits, y, base = draw(missing=0.3)
    for (on_proba, _), (on_logits, _) in zip(every_loss(), every_loss(base="logits"), strict=True):
        close(on_logits(logits, y, base.log() + 3.0), on_proba(logits, y, base).detach())


def test_a_base_logit_of_minus_infinity_is_a_probability_of_zero():
    logits = torch.tensor([[1.0, 0.0, -1.0]])
    base = torch.tensor([[0.0, -torch.inf, 0.0]])
    y = torch.tensor([0])
    on_logits = DistillationLoss(0.5, base="logits")(logits, y, base)
    on_proba = DistillationLoss(0.5)(logits, y, torch.tensor([[0.5, 0.0, 0.5]]))
    assert torch.equal(on_logits, on_proba)


def test_the_base_gets_no_gradient():
    logits, y, base = draw()
    base = base.log().requires_grad_()
    for loss, _ in every_loss(base="logits"):
        loss(logits, y, base).sum().backward()
    assert base.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("n_classes", [2, 10, 1000, 30_000])
def test_base_probabilities_may_come_in_half_precision(dtype, n_classes):
    generator = torch.Generator().manual_seed(0)
    base = torch.softmax(torch.randn(8, n_classes, generator=generator), dim=1).to(dtype)
    logits = torch.randn(8, n_classes, generator=generator)
    y = torch.arange(8) % n_classes
    loss = DistillationLoss(0.5)(logits, y, base)
    assert loss.dtype == torch.float32
    target = 0.5 * base.double() + 0.5 * functional.one_hot(y, n_classes)
    close(loss, reference("cross_entropy", logits, target), 1e-5)


def test_ties_of_the_base_model_go_to_the_first_class():
    base = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    y = torch.tensor([0, 1])
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    target = targets.anchor(y.numpy(), base.numpy(), 0.5, 0.2)
    close(AnchorLoss(0.5, 0.2)(logits, y, base), reference("cross_entropy", logits, target), 1e-6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.uint16])
def test_any_integer_type_of_labels(dtype):
    logits, y, base = draw()
    for loss, _ in every_loss():
        assert torch.equal(loss(logits, y.to(dtype), base), loss(logits, y, base))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(order=st.permutations(range(K)), rows=st.permutations(range(N)))
def test_order_of_classes_and_rows_changes_nothing(order, rows):
    logits, y, base = draw(missing=0.2)
    order, rows = torch.tensor(order), torch.tensor(rows)
    relabelled = torch.argsort(order)[y]
    for loss in (DistillationLoss(0.3), AnchorLoss(0.3, 0.7, loss="brier")):
        expected = loss(logits, y, base)
        close(loss(logits[:, order], relabelled, base[:, order]), expected.detach())
        close(loss(logits[rows], y[rows], base[rows]), expected[rows].detach())


class CountTransfers(TorchDispatchMode):
    """Counts what waits for a GPU: values brought to Python, shapes that hang on values."""

    n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        names = ("_local_scalar_dense", "nonzero", "index.Tensor", "masked_select")
        if str(func).removeprefix("aten.").startswith(names):
            self.n += 1
        return func(*args, **(kwargs or {}))


def test_checks_wait_for_a_gpu_once():
    logits, y, base = draw(missing=0.3, dtype=torch.float32)
    packed, mask = pack_targets(y, base), torch.arange(N) % 3 > 0
    for loss, _ in every_loss():
        for arguments in ((y, base), (y, base, mask), (packed,)):
            with CountTransfers() as transfers:
                loss(logits, *arguments).mean().backward()
            assert transfers.n == 1


def test_reductions():
    logits, y, base = draw(missing=0.3)
    for pairs in zip(
        every_loss(), every_loss(reduction="mean"), every_loss(reduction="sum"), strict=True
    ):
        each, mean, total = (loss(logits, y, base) for loss, _ in pairs)
        assert each.shape == (N,)
        assert torch.equal(mean, each.mean())
        assert torch.equal(total, each.sum())


def test_more_dimensions_than_rows():
    logits, y, base = draw(missing=0.3)
    for loss, _ in every_loss():
        expected = loss(logits, y, base).reshape(6, 4)
        shaped = loss(logits.reshape(6, 4, K), y.reshape(6, 4), base.reshape(6, 4, K))
        assert torch.equal(shaped, expected)
    one = DistillationLoss(0.3)(logits[0], y[0], base[0])
    assert one.shape == ()


def test_no_rows():
    logits, y, base = draw()
    for loss, _ in every_loss():
        assert loss(logits[:0], y[:0], base[:0]).shape == (0,)


def test_settings_show_and_survive_copies():
    loss = AnchorLoss(0.4, 0.7, loss="brier", base="logits", reduction="sum")
    shown = "AnchorLoss(0.4, 0.7, loss='brier', base='logits', reduction='sum')"
    assert repr(loss) == shown
    assert repr(pickle.loads(pickle.dumps(loss))) == shown
    assert repr(copy.deepcopy(loss)) == shown
    assert (
        repr(DistillationLoss(np.float32(0.5)))
        == "DistillationLoss(0.5, loss='cross_entropy', base='proba', reduction='none')"
    )
    assert not list(loss.parameters())


# --- packed targets ------------------------------------------------------------------------------


def test_packed_targets_equal_two_arguments():
    logits, y, base = draw(missing=0.3, dtype=torch.float32)
    packed = pack_targets(y, base)
    assert packed.shape == (N, K + 1)
    assert packed.dtype == torch.float32
    mask = torch.arange(N) % 3 > 0
    for loss, _ in every_loss():
        assert torch.equal(loss(logits, packed), loss(logits, y, base.float()))
        assert torch.equal(loss(logits, packed, mask=mask), loss(logits, y, base.float(), mask))
        packed.requires_grad_()
        loss(logits, packed).sum().backward()
        assert packed.grad is None


def test_packing_arrays_equals_packing_tensors():
    _, y, base = draw(missing=0.3)
    expected = pack_targets(y, base)
    frozen = base.numpy().copy()
    frozen.setflags(write=False)
    forms = [
        (y.numpy(), base.numpy()),
        (y.numpy().astype(np.int16), frozen),
        (y.tolist(), base.tolist()),
        (y.int(), base.clone().requires_grad_()),
        (y.numpy(), base),
    ]
    for form in forms:
        packed = pack_targets(*form)
        assert not packed.requires_grad
        torch.testing.assert_close(packed, expected, rtol=0, atol=0, equal_nan=True)


def test_large_class_positions_survive_packing():
    n_classes = 2**16 + 2
    y = torch.tensor([n_classes - 1, 2**16])
    logits = torch.zeros(2, n_classes)
    logits[:, n_classes - 1] = 5.0
    packed = pack_targets(y, logits)
    loss = DistillationLoss(0.0, base="logits")(logits, packed)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, y, reduction="none"))


def test_packed_targets_in_half_precision_where_positions_fit():
    logits, y, base = draw(dtype=torch.float32)
    packed = pack_targets(y, base)
    expected = DistillationLoss(0.3)(logits, packed)
    close(DistillationLoss(0.3)(logits, packed.bfloat16()), expected.detach(), 2e-2)


# --- errors --------------------------------------------------------------------------------------

Z, Y, G = torch.zeros(2, 2), torch.tensor([0, 1]), torch.tensor([[0.8, 0.2], [0.6, 0.4]])
NAN_IN_PART = torch.tensor([[torch.nan, 1.0], [0.6, 0.4]])


def changed(tensor, row, *values):
    tensor = tensor.clone()
    tensor[row] = torch.tensor(values[0] if len(values) == 1 else values, dtype=tensor.dtype)
    return tensor


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((Z.long(), Y, G), r"logits must be a tensor of floats .* got shape \(2, 2\) and int64"),
        ((Z.numpy(), Y, G), "logits must be a tensor of floats .* got ndarray"),
        (
            (Z[:, :1], Y, G[:, :1]),
            "with K >= 2, got .*; give real numbers, two columns for two classes",
        ),
        ((torch.tensor(1.0), Y, G), r"logits must be .* got shape \(\) and float32"),
        ((Z, Y[:1], G), r"y must be a tensor of shape \(2,\), got shape \(1,\) and int64"),
        ((Z, Y.unsqueeze(1), G), r"y must be a tensor of shape \(2,\), got shape \(2, 1\)"),
        ((Z, Y.numpy(), G), r"y must be a tensor of shape \(2,\), got ndarray"),
        ((Z, Y.float(), G), r"y must be integers, got float32; .* e\.g\. y\.long\(\)"),
        ((Z, Y.bool(), G), "y must be integers, got bool"),
        ((Z, changed(Y, 1, 2), G), r"y must be class positions in \[0, 2\), got 2 \(1 such rows\)"),
        ((Z, changed(Y, 0, -100), G), r"y must be class positions in \[0, 2\), got -100"),
        ((Z, Y, G[:1]), r"base must be a tensor of shape \(2, 2\), got shape \(1, 2\)"),
        ((Z, Y, Y), r"base must be a tensor of shape \(2, 2\), got shape \(2,\) and int64"),
        ((Z, Y, G.numpy()), r"base must be a tensor of shape \(2, 2\), got ndarray"),
        ((Z, Y, G.long()), "base must be floats, got int64; .* not its classes"),
        ((Z, Y, NAN_IN_PART), "base must not be NaN in part of a row, got 1 such rows"),
        (
            (Z, Y, changed(G, 0, 2.5, -1.5)),
            r"base must be probabilities in \[0, 1\], got values from -1\.5 to 2\.5; if these are "
            r'logits, say so with {loss}\(\.\.\., base="logits"\)',
        ),
        ((Z, Y, changed(G, 0, -0.5, 1.5)), r"in \[0, 1\], got values from -0\.5 to 1\.5"),
        ((Z, Y, changed(G, 0, 12.0, 3.0)), r"in \[0, 1\], got values from 0\.4 to 12; if these"),
        ((Z, Y, changed(G, 0, torch.inf, 0.0)), r"in \[0, 1\], got values from 0 to inf"),
        (
            (Z, Y, changed(G, 1, 0.5, 0.4)),
            r"sum to 1 in each row, got a row that sums to 0\.9; normalise it, or for logits say "
            r'{loss}\(\.\.\., base="logits"\)',
        ),
        ((Z, Y, torch.zeros(2, 2)), "sum to 1 in each row, got a row that sums to 0;"),
        ((Z, Y, G, Y), r"mask must be booleans, got int64; give e\.g\. mask\.bool\(\)"),
        ((Z, Y, G, Y[:1].bool()), r"mask must be a tensor of shape \(2,\), got shape \(1,\)"),
        (
            (Z, Y),
            r"base must be given, or y be what pack_targets returns, floats of shape \(2, 3\), got",
        ),
        ((Z, Y.numpy()), "base must be given, or y .* got y of ndarray and no base"),
        ((Z, G), r"base must be given, or y .* got y of shape \(2, 2\) and float32"),
        ((Z, torch.zeros(2, 3).long()), "base must be given, or y .* and int64"),
        ((Z, changed(pack_targets(Y, G), 0, 0.5, 0.8, 0.2)), r"in \[0, 2\), got 0\.5"),
        ((Z, changed(pack_targets(Y, G), 0, torch.nan, 0.8, 0.2)), r"in \[0, 2\), got nan"),
        ((Z, changed(pack_targets(Y, G), 0, 2.0, 0.8, 0.2)), r"in \[0, 2\), got 2 "),
        ((Z, pack_targets(Y, 9 * G)), r"base must be probabilities in \[0, 1\]"),
        (
            (torch.zeros(2, 300), torch.zeros(2, 301).bfloat16()),
            "y must hold the positions of 300 classes exactly, got packed targets of bfloat16",
        ),
    ],
)
@pytest.mark.parametrize(
    "loss", [DistillationLoss(0.5), AnchorLoss(0.5)], ids=["distill", "anchor"]
)
def test_bad_input(loss, arguments, match):
    with pytest.raises(InvalidInputError, match=match.replace("{loss}", type(loss).__name__)):
        loss(*arguments)


@pytest.mark.parametrize(
    ("base", "match"),
    [
        (changed(Z, 0, torch.inf, 0.0), "base must be logits below infinity, .* from 0 to inf"),
        (changed(Z, 0, -torch.inf, -torch.inf), "base must be logits below infinity"),
        (NAN_IN_PART, "base must not be NaN in part of a row"),
    ],
)
def test_bad_base_logits(base, match):
    with pytest.raises(InvalidInputError, match=match):
        DistillationLoss(0.5, base="logits")(Z, Y, base)


@pytest.mark.parametrize("name", SOFT)
@pytest.mark.parametrize(
    ("logits", "target", "match"),
    [
        (Z, G[:1], r"target must be a tensor of shape \(2, 2\), got shape \(1, 2\) and float32"),
        (Z, Y, r"target must be a tensor of shape \(2, 2\), got shape \(2,\) and int64"),
        (Z, None, "target must be a tensor .* got NoneType; give one target per row and class"),
        (Z[:, :1], G[:, :1], "logits must be .* with K >= 2"),
    ],
)
def test_bad_soft_targets(name, logits, target, match):
    with pytest.raises(InvalidInputError, match=match):
        SOFT[name](logits, target)


@pytest.mark.parametrize(
    ("y", "base", "match"),
    [
        ([0, 2], G, r"y must be class positions in \[0, 2\), got 2"),
        ([0, 1, 1], G, r"y must be a tensor of shape \(2,\), got shape \(3,\)"),
        ([0.0, 1.0], G, "y must be integers, got float64"),
        (["a", "b"], G, "y must be numbers, got dtype <U1; give class positions as y"),
        ([0, 1], [["a", "b"]], "base must be numbers, got dtype <U1"),
        ([0, 1], [0.2, None], "base must be numbers, got dtype object"),
        ([0, 1], [1, 0], "base must be a tensor of floats of shape"),
    ],
)
def test_bad_input_to_pack(y, base, match):
    with pytest.raises(InvalidInputError, match=match):
        pack_targets(y, base)


def test_bad_settings():
    with pytest.raises(
        InvalidInputError, match=r"lam must be in \[0, 1\], got 1\.5; 0 learns from"
    ):
        DistillationLoss(1.5)
    with pytest.raises(InvalidInputError, match=r"alpha must be in \[0, 1\], got nan"):
        AnchorLoss(float("nan"))
    with pytest.raises(InvalidInputError, match=r"eta must be in \[0, 1\], got 2; 0 leaves those"):
        AnchorLoss(0.5, 2)
    with pytest.raises(
        InvalidInputError, match="loss must be one of 'cross_entropy', 'brier', got"
    ):
        DistillationLoss(0.5, loss="hinge")
    with pytest.raises(InvalidInputError, match=r"base must be one of .* did you mean 'logits'"):
        AnchorLoss(0.5, base="logit")
    with pytest.raises(InvalidInputError, match="reduction must be one of 'none', 'mean', 'sum'"):
        DistillationLoss(0.5, reduction="average")
