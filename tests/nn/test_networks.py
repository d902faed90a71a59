import copy
import math
import sys

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.func import functional_call, vmap  # noqa: E402

from holdfast.exceptions import InvalidInputError, MissingExtraError  # noqa: E402
from holdfast.nn.networks import (  # noqa: E402
    ConvNet,
    FullyConnected,
    ResNet,
    Transformer,
    glorot_,
)

META = torch.device("meta")
SMALL = {
    "fcn": (lambda: FullyConnected(5, 3, width=7), lambda n: torch.randn(n, 5)),
    "convnet": (lambda: ConvNet(3, image_shape=(2, 14, 12)), lambda n: torch.rand(n, 2, 14, 12)),
    "transformer": (
        lambda: Transformer(3, vocabulary=30, length=6),
        lambda n: torch.randint(30, (n, 6)),
    ),
}
each_small = pytest.mark.parametrize("name", SMALL)


def n_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(autouse=True)
def fixed_seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


# --- shapes and sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 10, 1000])
def test_fully_connected_size(width):
    network = FullyConnected(14, 3, width=width)
    assert network(torch.randn(4, 14)).shape == (4, 3)
    assert n_parameters(network) == 14 * width + width + width * 3 + 3


def test_fully_connected_is_one_hidden_layer():
    network = FullyConnected(4, 2, width=6)
    x = torch.randn(3, 4)
    hidden = (x @ network.hidden.weight.T + network.hidden.bias).clamp(min=0)
    expected = hidden @ network.output.weight.T + network.output.bias
    torch.testing.assert_close(network(x), expected)
    images = FullyConnected(12, 2, width=6)
    x = torch.randn(3, 1, 3, 4)
    torch.testing.assert_close(images(x), images(x.reshape(3, 12)))


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_convnet_size(scale, shape):
    network = ConvNet(10, image_shape=shape, scale=scale)
    assert network(torch.rand(2, *shape)).shape == (2, 10)
    maps, more, long, short = 6 * scale, 16 * scale, 120 * scale, 84 * scale
    expected = (25 * shape[0] + 1) * maps + (25 * maps + 1) * more
    expected += (25 * more + 1) * long + (long + 1) * short + (short + 1) * 10
    assert n_parameters(network) == expected


def test_convnet_pads_small_images_to_32():
    padded = ConvNet(10)
    plain = ConvNet(10, image_shape=(1, 32, 32))
    plain.load_state_dict(padded.state_dict())
    x = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(padded(x), plain(nn.functional.pad(x, (2, 2, 2, 2))))


@pytest.mark.parametrize("sides", [(12, 12), (13, 40), (31, 33), (64, 12)])
def test_convnet_takes_other_sizes(sides):
    assert ConvNet(2, image_shape=(1, *sides))(torch.rand(2, 1, *sides)).shape == (2, 2)


@pytest.mark.parametrize("scale", [1, 2])
def test_transformer_size(scale):
    with META:
        network = Transformer(2, scale=scale)
    d, last = 32 * scale, 20 * scale
    attention = 3 * (d * 2 * d + 2 * d) + (2 * d * d + d)
    feed_forward = 2 * (d * d + d)
    expected = (20_000 + 200) * d + attention + feed_forward + 2 * 2 * d
    assert n_parameters(network) == expected + (d + 1) * last + (last + 1) * 2


def reference_transformer(network, ids):
    """The network in evaluation mode, text by text and head by head, with PyTorch's attention."""
    p = dict(network.named_parameters())
    width = p["tokens.weight"].shape[1]

    def dense(name, x):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return centred / scale * p[f"{name}.weight"] + p[f"{name}.bias"]

    logits = []
    for row in ids:
        x = torch.stack(
            [p["tokens.weight"][i] + p["positions.weight"][j] for j, i in enumerate(row)]
        )
        heads = []
        for h in range(2):
            part = slice(h * width, (h + 1) * width)
            q, k, v = (dense(name, x)[None, :, part] for name in ("query", "key", "value"))
            heads.append(nn.functional.scaled_dot_product_attention(q, k, v)[0])
        x = norm("norm1", x + dense("mix", torch.cat(heads, dim=-1)))
        x = norm("norm2", x + dense("feed2", dense("feed1", x).clamp(min=0)))
        logits.append(dense("output", dense("hidden", x.mean(0)).clamp(min=0)))
    return torch.stack(logits)


@pytest.mark.parametrize("length", [1, 4, 6])
def test_transformer_against_plain_reference(length):
    network = Transformer(3, vocabulary=30, length=6).eval()
    ids = torch.randint(30, (5, length))
    torch.testing.assert_close(network(ids), reference_transformer(network, ids))
    torch.testing.assert_close(network(ids.int()), network(ids))


def test_transformer_drops_in_training_only():
    network = Transformer(2, vocabulary=30, length=6, dropout=0.5)
    ids = torch.randint(30, (4, 6))
    assert not torch.equal(network(ids), network(ids))
    network.eval()
    assert torch.equal(network(ids), network(ids))
    still = Transformer(2, vocabulary=30, length=6, dropout=0)
    assert torch.equal(still(ids), still.eval()(ids))


# --- parameters ----------------------------------------------------------------------------------


@each_small
def test_parameters_follow_the_seed_alone(name):
    make, _ = SMALL[name]
    torch.manual_seed(3)
    first = make()
    torch.manual_seed(3)
    second = make()
    other = make()
    torch.manual_seed(3)
    other.reset_parameters()
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key
        assert torch.equal(value, other.state_dict()[key]), key
    before = copy.deepcopy(first.state_dict())
    first.reset_parameters()
    assert all(
        not torch.equal(value, before[key])
        for key, value in first.named_parameters()
        if "bias" not in key and "norm" not in key
    )


def bound_of(layer):
    """√(6 / (fan in + fan out)), a kernel's entries counting each."""
    weight = layer.weight
    area = math.prod(weight.shape[2:])
    return math.sqrt(6 / (area * (weight.shape[0] + weight.shape[1])))


@pytest.mark.parametrize(
    "network",
    [
        lambda: FullyConnected(200, 10, width=300),
        lambda: ConvNet(10, scale=4),
        lambda: Transformer(2, vocabulary=500),
    ],
    ids=["fcn", "convnet", "transformer"],
)
def test_weights_are_glorot_uniform(network):
    for name, layer in network().named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            bound = bound_of(layer)
            assert not layer.bias.any()
        elif isinstance(layer, nn.Embedding):
            bound = 0.05
        elif isinstance(layer, nn.LayerNorm):
            assert (layer.weight == 1).all()
            assert not layer.bias.any()
            continue
        else:
            continue
        share = layer.weight.flatten() / bound  # uniform on [-1, 1]
        n = len(share)
        assert share.abs().max() <= 1, name
        assert share.abs().max() > 1 - 20 / n, name
        assert abs(share.mean()) < 5 / math.sqrt(3 * n), name
        assert abs(share.square().mean() - 1 / 3) < 5 * math.sqrt(4 / 45 / n), name


def test_glorot_resets_statistics_and_refuses_what_it_does_not_know():
    layers = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2))
    layers(torch.randn(4, 1, 5, 5))
    assert layers[1].running_mean.any()
    layers[1].weight.data.fill_(3)
    glorot_(layers)
    assert not layers[1].running_mean.any()
    assert (layers[1].running_var == 1).all()
    assert (layers[1].weight == 1).all()
    assert layers[1].num_batches_tracked == 0
    with pytest.raises(InvalidInputError, match="got some in a PReLU; draw those yourself"):
        glorot_(nn.Sequential(nn.Linear(2, 2), nn.PReLU()))


@each_small
def test_networks_copy_and_keep_the_default_device(name):
    make, rows = SMALL[name]
    network = make().eval()
    x = rows(2)
    assert torch.equal(copy.deepcopy(network)(x), network(x))
    with META:
        assert {parameter.device for parameter in make().parameters()} == {META}


# --- many at once --------------------------------------------------------------------------------


@each_small
def test_stacked_networks_give_what_each_gives(name):
    make, rows = SMALL[name]
    networks = [make().eval() for _ in range(3)]
    x = torch.stack([rows(4) for _ in networks])
    stacked = {
        key: torch.stack([network.get_parameter(key).detach() for network in networks])
        for key, _ in networks[0].named_parameters()
    }
    leaves = {key: value.requires_grad_() for key, value in stacked.items()}
    shell = networks[0]
    logits = vmap(lambda p, rows: functional_call(shell, p, (rows,)))(leaves, x)
    grads = torch.autograd.grad(logits.square().sum(), list(leaves.values()))
    for i, network in enumerate(networks):
        alone = network(x[i])
        torch.testing.assert_close(logits[i], alone)
        alone.square().sum().backward()
        for key, grad in zip(leaves, grads, strict=True):
            expected = network.get_parameter(key).grad
            torch.testing.assert_close(grad[i], expected, msg=lambda m, key=key: f"{key}: {m}")


@each_small
def test_stacked_networks_train_with_dropout(name):
    make, rows = SMALL[name]
    network = make()
    params = {key: torch.stack([value] * 2) for key, value in network.named_parameters()}
    logits = vmap(lambda p, r: functional_call(network, p, (r,)), randomness="different")(
        params, torch.stack([rows(4)] * 2)
    )
    assert logits.shape == (2, 4, 3)


@each_small
def test_every_parameter_learns(name):
    make, rows = SMALL[name]
    network = make()
    x, y = rows(12), torch.arange(12) % 3
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    # A bias of keys shifts all scores of a query alike, which a softmax does not see.
    still = [k for k, p in network.named_parameters() if not p.grad.any() and k != "key.bias"]
    assert still == []


# --- ResNet --------------------------------------------------------------------------------------


def resnet_size(blocks, channels, n_classes):
    """Count parameters: convolutions without bias, two a channel for each normalisation."""
    total, width_in = channels * 64 * 9 + 2 * 64, 64
    for stage, n in enumerate(blocks):
        out, inner = 256 * 2**stage, 64 * 2**stage
        for block in range(n):
            total += width_in * inner + 9 * inner**2 + inner * out + 2 * (2 * inner + out)
            total += (width_in * out + 2 * out) if block == 0 else 0
            width_in = out
    return total + width_in * n_classes + n_classes


@pytest.mark.parametrize(
    ("depth", "blocks"), [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)), (152, (3, 8, 36, 3))]
)
def test_resnet_size(depth, blocks):
    pytest.importorskip("transformers")
    with META:
        network = ResNet(depth, 10, image_shape=(1, 28, 28))
        assert network(torch.empty(2, 1, 28, 28)).shape == (2, 10)
    assert n_parameters(network) == resnet_size(blocks, 1, 10)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    shortcuts = [m for m in convolutions if m.kernel_size == (1, 1) and m.stride == (2, 2)]
    # Depth counts the convolutions that no shortcut makes, and the output layer.
    assert len(convolutions) - len(blocks) + 1 == depth
    assert len(shortcuts) == 3


def test_resnet():
    pytest.importorskip("transformers")
    torch.manual_seed(1)
    network = ResNet(50, 4, image_shape=(3, 8, 8))
    sizes = []
    network.network.resnet.embedder.register_forward_hook(
        lambda module, args, out: sizes.append(tuple(out.shape))
    )
    x = torch.rand(4, 3, 8, 8)
    logits = network(x)
    assert logits.shape == (4, 4)
    assert sizes == [(4, 64, 8, 8)]  # the stem keeps the resolution
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    stem = network.network.resnet.embedder.embedder.convolution
    assert stem.weight.abs().max() <= bound_of(stem)
    torch.manual_seed(1)
    again = ResNet(50, 4, image_shape=(3, 8, 8)).state_dict()
    torch.manual_seed(1)
    network.reset_parameters()  # running statistics too
    for key, value in network.state_dict().items():
        assert torch.equal(value, again[key]), key


def test_resnet_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'holdfast\[transformers\]'"):
        ResNet(50, 10)


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FullyConnected(0, 2), "n_features must be an integer of at least 1, got 0"),
        (lambda: FullyConnected(2.0, 2), r"n_features must be an integer .*, got 2\.0; give e"),
        (lambda: FullyConnected(3, 1), "n_classes must be an integer of at least 2, got 1; give"),
        (lambda: FullyConnected(3, True), "n_classes must be an integer .*, got True"),
        (lambda: FullyConnected(3, 2, width="9"), "width must be an integer .*, got '9'"),
        (lambda: ConvNet(2, scale=0), "scale must be an integer of at least 1, got 0"),
        (lambda: ConvNet(2, image_shape=(28, 28)), r"image_shape must be \(channels, height, w"),
        (lambda: ConvNet(2, image_shape=28), r"image_shape must be \(channels, .*, got 28;"),
        (lambda: ConvNet(2, image_shape=(28, 28, 1)), "width of image_shape must .* 12, got 1;"),
        (lambda: ConvNet(2, image_shape=(1, 11, 28)), "height of image_shape must .* got 11; enl"),
        (lambda: ConvNet(2, image_shape=(0, 28, 28)), "channels of image_shape must .* got 0; p"),
        (lambda: Transformer(1), "n_classes must be an integer of at least 2, got 1"),
        (lambda: Transformer(2, vocabulary=0), "vocabulary must be an integer .*, got 0"),
        (lambda: Transformer(2, length=-1), "length must be an integer of at least 1, got -1"),
        (lambda: Transformer(2, scale=0.5), r"scale must be an integer of at least 1, got 0\.5"),
        (lambda: Transformer(2, dropout=1.5), r"dropout must be in \[0, 1\], got 1\.5; give the p"),
        (lambda: ResNet(34, 10), "depth must be one of 50, 101, 152, got 34; choose"),
        (lambda: ResNet([50], 10), r"depth must be one of 50, 101, 152, got \[50\]; choose"),
        (lambda: ResNet(50, 1), "n_classes must be an integer of at least 2, got 1"),
    ],
)
def test_bad_parameters(make, match):
    with pytest.raises(InvalidInputError, match=match):
        make()


@pytest.mark.parametrize(
    ("name", "x", "match"),
    [
        ("fcn", torch.zeros(2, 4), r"x must have shape \(b, 5\), got \(2, 4\); give rows of"),
        ("convnet", torch.zeros(2, 14, 12), r"x must have shape \(b, 2, 14, 12\), got \(2, 14"),
        ("convnet", torch.zeros(2, 12, 14, 2), r"x must have shape \(b, 2, 14, 12\), got"),
        (
            "convnet",
            torch.zeros(2, 2, 14, 12, dtype=torch.uint8),
            r"x must be real numbers, got torch\.uint8; scale the images first",
        ),
        ("transformer", torch.zeros(2, 7, dtype=int), r"x must have shape \(b, L\) with L up to 6"),
        ("transformer", torch.zeros(2, 0, dtype=int), r"x must have shape .*, got \(2, 0\); cut"),
        ("transformer", torch.zeros(6, dtype=int), r"x must have shape .*, got \(6,\); cut"),
        ("transformer", torch.zeros(2, 6), r"x must be integer token numbers, got torch\.float32"),
    ],
)
def test_bad_inputs(name, x, match):
    with pytest.raises(InvalidInputError, match=match):
        SMALL[name][0]()(x)
