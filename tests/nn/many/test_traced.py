"""Recorded functions against the same functions, and what they may not write over."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from holdfast.nn.many.traced import NARROW, Recorded, record  # noqa: E402

relu, bmm = torch.relu, torch.bmm


def tensors(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def strides(value):
    return value.stride() if isinstance(value, torch.Tensor) else [strides(part) for part in value]


def recorded(function, *arguments):
    """Return what a recording gives for other values than its own, and its operations."""
    replay = Recorded(function, calls_before=0)
    others = [argument.flip(-1) for argument in arguments]
    first = [replay(*others) for _ in range(4)]  # scripts look for faster ways in the first calls
    torch.testing.assert_close(first[1:], first[:1] * 3, rtol=0, atol=0)
    recording = record(function, *arguments)
    got = replay(*arguments)
    assert strides(got) == strides(function(*arguments))  # optimizers and views rely on them
    torch.testing.assert_close(got, recording(*arguments), rtol=0, atol=0)
    return got, {node: str(node.target) for node in recording.graph.nodes}


def used_twice(a, b, c):
    product = bmm(a, b)
    return relu(product) * product


def returned_too(a, b, c):
    product = bmm(a, b)
    return product, relu(product)


def seen_through_a_view(a, b, c):
    product = bmm(a, b)
    turned = product.transpose(1, 2)
    return relu(product).sum() + turned.sum()


def added_to_itself(a, b, c):
    product = bmm(a, b)
    return product + product


def added_to_more(a, b, c):
    return bmm(a, b)[:, :1] + c, bmm(a, b)[0] + c


def added_in_double(a, b, c):
    return bmm(a, b) + c.double()


def rectified_argument(a, b, c):
    return relu(a), a + c[..., : a.shape[2]]


def wanted_both_ways(a, b, c):
    product = bmm(a, b)
    return product.transpose(1, 2).contiguous(), product * 2


def strided(a, b, c):
    turned = bmm(a, b).transpose(1, 2)
    return turned.as_strided((3, 4), turned.stride()[:2], 1)


def merged(a, b, c):
    return bmm(a, b).view(24, -1) + c.reshape(24, -1), bmm(a, b)


@pytest.mark.parametrize(
    "function",
    [
        merged,
        strided,
        used_twice,
        returned_too,
        seen_through_a_view,
        added_to_itself,
        added_to_more,
        added_in_double,
        rectified_argument,
        wanted_both_ways,
    ],
)
@pytest.mark.parametrize("width", [2, 40])
def test_nothing_that_is_looked_at_is_written_over(function, width):
    arguments = tensors((3, 8, 20), (3, 20, width), (3, 8, max(width, 20)))
    if function is not rectified_argument:
        arguments[2] = arguments[2][..., :width]
    before = [argument.clone() for argument in arguments]
    got, _ = recorded(function, *arguments)
    torch.testing.assert_close(got, function(*arguments))
    torch.testing.assert_close(arguments, before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("d", "h", "k"), [(14, 300, 2), (2, 300, 5), (100, 7, 26), (30, 30, 30), (1, 4, 3), (250, 5, 2)]
)
def test_a_step_of_a_layer_of_any_shape(d, h, k):
    first, bias, second, x, weight = tensors(
        (6, h, d), (6, 1, h), (6, k, h), (6, 16, d), (6, 16, k)
    )

    def step(first, bias, second, x, weight):
        leaves = [part.detach().requires_grad_() for part in (first, bias, second)]
        with torch.enable_grad():
            hidden = relu(bmm(x, leaves[0].transpose(1, 2)) + leaves[1])
            out = bmm(hidden, leaves[2].transpose(1, 2))
            grads = torch.autograd.grad((torch.log_softmax(out, -1) * weight).sum(), leaves)
        return out.detach(), [grad.contiguous() for grad in grads]

    arguments = first, bias, second, x, weight
    (out, grads), operations = recorded(step, *arguments)
    torch.testing.assert_close((out, grads), step(*arguments), rtol=1e-4, atol=1e-4)
    assert all(grad.is_contiguous() for grad in grads)
    # Next to nothing is copied, and neither bias nor rectifier takes memory of its own.
    copied = [node.meta["val"] for node, name in operations.items() if "clone" in name]
    assert all(value.shape[2] <= NARROW for value in copied)
    for name in ("add_", "relu_", "threshold_backward.grad_input"):
        assert [found for found in operations.values() if name in found], (name, operations)


def test_what_cannot_be_recorded_is_called():
    calls = []

    def branching(x):
        calls.append(1)
        return x + 1 if x.sum() > 0 else x - 1

    replay = Recorded(branching, calls_before=0)
    for value in (1.0, -1.0):
        x = torch.full((2,), value)
        torch.testing.assert_close(replay(x), branching(x))
    assert len(calls) > 4  # each time


def test_a_gradient_that_cannot_be_recorded_is_computed_as_before():
    def gradient(leaves, x):
        loss = (leaves[0] * x).sum()
        return torch.autograd.grad(loss * (2 if loss > 0 else 3), leaves)

    leaves = [torch.ones(4, requires_grad=True)]
    replay = Recorded(gradient, calls_before=1)
    for value in (1.0, -1.0, 1.0):
        x = torch.full((4,), value)
        torch.testing.assert_close(replay(leaves, x), gradient(leaves, x))


def test_without_torchscript_python_replays(monkeypatch):
    a, b, c = tensors((3, 8, 20), (3, 20, 4), (3, 8, 4))
    scripted, _ = recorded(used_twice, a, b, c)
    asked = []
    monkeypatch.setattr(torch.jit, "trace", lambda *a, **k: asked.append(1) or 1 / 0)
    replayed, _ = recorded(used_twice, a, b, c)
    torch.testing.assert_close(replayed, scripted, rtol=0, atol=0)
    assert asked


def test_a_layer_s_gradient_through_vmap():
    layer = nn.Linear(6, 4)
    weight, bias, x = tensors((5, 4, 6), (5, 4), (5, 10, 6))

    def gradient(weight, bias, x):
        leaves = [weight.detach().requires_grad_(), bias.detach().requires_grad_()]
        with torch.enable_grad():
            states = {"weight": leaves[0], "bias": leaves[1]}
            out = torch.vmap(lambda s, rows: torch.func.functional_call(layer, s, (rows,)))(
                states, x
            )
            grads = torch.autograd.grad(relu(out).square().sum(), leaves)
            return [grad.contiguous() for grad in grads]

    got, _ = recorded(gradient, weight, bias, x)
    torch.testing.assert_close(got, gradient(weight, bias, x), rtol=1e-4, atol=1e-4)
