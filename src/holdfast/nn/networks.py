"""The networks of the paper: fcn-x, convnet-x, transformer-x and ResNet.

All of them return logits (n, K) and draw their parameters with `glorot_`. Their only randomness is
`torch.nn.Dropout` and no branch depends on a value, so that `torch.func.vmap` can run many of them
at once.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor, nn

from holdfast.common.parameters import check_count, check_share, require
from holdfast.exceptions import InvalidInputError

__all__ = ["ConvNet", "FullyConnected", "ResNet", "Transformer", "glorot_"]

EMBEDDING_BOUND = 0.05
LENET_SIDE = 32  # the side to which LeNet-5 pads its 28×28 digits
LENET_LEAST = 12  # the smallest side that leaves something to pool after the second convolution
RESNET_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
HEADS = 2

Weighted = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# The reset of these layers draws nothing. It sets weights to 1, biases to 0 and the running
# statistics to their initial values.
Normalising = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def glorot_(module: nn.Module) -> None:
    """Draw every parameter of a module afresh, in place, from PyTorch's global generator.

    Linear and convolutional layers get Glorot-uniform weights and zero biases. Embeddings get
    values from U(−0.05, 0.05), as in Keras. Normalisation layers get weights of 1, biases of 0 and
    fresh running statistics.

    Parameters
    ----------
    module : nn.Module
        A module that consists of such layers, nested in any way.

    Raises
    ------
    InvalidInputError
        When a layer of another kind has parameters.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010. The ``"uniform"`` of ``keras.layers.Embedding`` is ``RandomUniform(-0.05, 0.05)``.

    Examples
    --------
    >>> import torch
    >>> layer = torch.nn.Linear(2, 4)
    >>> glorot_(layer)
    >>> bool(layer.weight.abs().max() <= 1.0), layer.bias.tolist()
    (True, [0.0, 0.0, 0.0, 0.0])
    """
    for layer in module.modules():
        if isinstance(layer, Weighted):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.uniform_(layer.weight, -EMBEDDING_BOUND, EMBEDDING_BOUND)
        elif isinstance(layer, Normalising):
            layer.reset_parameters()
        elif next(layer.parameters(recurse=False), None) is not None:
            raise InvalidInputError(
                "module must have parameters in linear, convolutional, embedding and normalisation "
                f"layers only, got some in a {type(layer).__name__}; draw those yourself"
            )


class _Network(nn.Module):
    """Base class of the networks, whose layers are built without memory and then filled.

    On the meta device layers draw no parameters and take no memory.
    """

    cpu_layout: torch.memory_format | None = None
    """Layout of the rows with which the network is fastest on a CPU; None for the usual one."""

    def _draw(self) -> None:
        """Give the layers memory and their first parameters.

        Nothing else in the construction of a network draws random numbers.
        """
        self.to_empty(device=torch.get_default_device())
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters afresh, as `glorot_` does."""
        glorot_(self)


class FullyConnected(_Network):
    """The paper's fcn-x: one hidden layer of x rectified units.

    Parameters
    ----------
    n_features : int
        Number of features of a row.
    n_classes : int
        Number of classes, at least 2.
    width : int
        Number of units of the hidden layer, the x of fcn-x.

    Raises
    ------
    InvalidInputError
        When a number is not a positive integer, or when `forward` gets rows with another number of
        features.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022, arXiv 2106.02654.

    Examples
    --------
    >>> import torch
    >>> network = FullyConnected(14, 2, width=10)
    >>> network(torch.zeros(3, 14)).shape
    torch.Size([3, 2])
    """

    def __init__(self, n_features: int, n_classes: int, *, width: int = 1000) -> None:
        super().__init__()
        n_features = check_count("n_features", n_features)
        n_classes = _check_n_classes(n_classes)
        width = check_count("width", width)
        with torch.device("meta"):
            self.hidden = nn.Linear(n_features, width)
            self.output = nn.Linear(width, n_classes)
        self._draw()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, K) of rows (b, d), or of images (b, …), whose pixels are features."""
        x = x.flatten(1)
        _check_shape(x, (self.hidden.in_features,))
        return self.output(F.relu(self.hidden(x)))


class ConvNet(_Network):
    """The paper's convnet-x: LeNet-5 with every width times x.

    The network has two 5×5 convolutions with 6x and 16x channels, each followed by 2×2 pooling,
    and then layers of 120x and 84x units. As is usual today, the units are rectified and the
    pooling takes the maximum.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    image_shape : tuple of int
        Channels, height and width of the images. Both sides must be at least 12. The first
        convolution pads a side below 32 with two zeros at either end, as LeCun et al. pad 28×28
        images to 32×32.
    scale : int
        Factor of every width, the x of convnet-x.

    Raises
    ------
    InvalidInputError
        When a number is not a positive integer, when the images are too small, or when `forward`
        gets images of another shape.

    References
    ----------
    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proceedings of the
    IEEE, 1998; Jiang et al., ICLR 2022, arXiv 2106.02654.

    Examples
    --------
    >>> import torch
    >>> network = ConvNet(10)
    >>> network(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    >>> sum(parameter.numel() for parameter in network.parameters())
    61706
    """

    cpu_layout = torch.channels_last

    def __init__(
        self, n_classes: int, *, image_shape: tuple[int, int, int] = (1, 28, 28), scale: int = 1
    ) -> None:
        super().__init__()
        n_classes = _check_n_classes(n_classes)
        self.image_shape: tuple[int, int, int] = _check_image_shape(image_shape, least=LENET_LEAST)
        x = check_count("scale", scale)
        channels, height, width = self.image_shape
        border = (_lenet_border(height), _lenet_border(width))
        with torch.device("meta"):
            self.convolution1 = nn.Conv2d(channels, 6 * x, 5, padding=border)
            self.convolution2 = nn.Conv2d(6 * x, 16 * x, 5)
            self.hidden1 = nn.Linear(16 * x * _lenet_left(height) * _lenet_left(width), 120 * x)
            self.hidden2 = nn.Linear(120 * x, 84 * x)
            self.output = nn.Linear(84 * x, n_classes)
        self._draw()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, K) of images (b, channels, height, width), real numbers."""
        _check_images(x, self.image_shape)
        # Rectifying after pooling gives the same values with a quarter of the work.
        x = F.relu(F.max_pool2d(self.convolution1(x), 2))
        x = F.relu(F.max_pool2d(self.convolution2(x), 2))
        x = F.relu(self.hidden1(x.flatten(1)))
        return self.output(F.relu(self.hidden2(x)))


class Transformer(_Network):
    """The paper's transformer-x: one block over tokens, with every width times x.

    It is the network of an example of Keras. Tokens and positions are embedded. Attention with two
    heads, each as wide as the embedding, is followed by a feed-forward layer; both have dropout, a
    residual connection and layer normalisation. The mean over positions then passes dropout, a
    layer of 20x rectified units, dropout again and the output layer. As in the example, padding is
    not masked: 0 is a token like any other.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    vocabulary : int
        Number of tokens, which are 0 … vocabulary − 1.
    length : int
        Largest number of tokens in a text.
    scale : int
        Factor of every width, the x of transformer-x: 32x for the embedding, for each head and for
        the feed-forward layer, 20x for the last hidden layer.
    dropout : float
        Probability, in [0, 1], that a value is dropped in training.

    Raises
    ------
    InvalidInputError
        When a number is not a positive integer or `dropout` is outside [0, 1], or when `forward`
        gets anything but integers (b, L) with L ≤ `length`.

    References
    ----------
    Nandan, "Text classification with Transformer", Keras code examples,
    https://keras.io/examples/nlp/text_classification_with_transformer; Jiang et al., ICLR 2022,
    arXiv 2106.02654.

    Examples
    --------
    >>> import torch
    >>> network = Transformer(2, vocabulary=100, length=8)
    >>> network(torch.randint(100, (3, 8))).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        n_classes: int,
        *,
        vocabulary: int = 20_000,
        length: int = 200,
        scale: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        n_classes = _check_n_classes(n_classes)
        vocabulary = check_count("vocabulary", vocabulary)
        length = check_count("length", length)
        x = check_count("scale", scale)
        hint = "give the probability that a value is dropped, e.g. 0.1"
        dropout = check_share("dropout", dropout, hint=hint)
        width = 32 * x
        with torch.device("meta"):
            self.tokens = nn.Embedding(vocabulary, width)
            self.positions = nn.Embedding(length, width)
            self.query = nn.Linear(width, HEADS * width)
            self.key = nn.Linear(width, HEADS * width)
            self.value = nn.Linear(width, HEADS * width)
            self.mix = nn.Linear(HEADS * width, width)
            self.norm1 = nn.LayerNorm(width, eps=1e-6)
            self.feed1 = nn.Linear(width, 32 * x)
            self.feed2 = nn.Linear(32 * x, width)
            self.norm2 = nn.LayerNorm(width, eps=1e-6)
            self.hidden = nn.Linear(width, 20 * x)
            self.output = nn.Linear(20 * x, n_classes)
            self.dropout = nn.Dropout(dropout)
        self._draw()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, K) of token numbers (b, L)."""
        self._check(x)
        x = self.tokens(x.long()) + self.positions.weight[: x.shape[1]]
        x = self.norm1(x + self.dropout(self._attend(x)))
        x = self.norm2(x + self.dropout(self.feed2(F.relu(self.feed1(x)))))
        x = self.dropout(x.mean(dim=1))
        return self.output(self.dropout(F.relu(self.hidden(x))))

    def _attend(self, x: Tensor) -> Tensor:
        """Return softmax(QKᵀ/√d)V of each head, mixed by a linear layer, for `x` (b, L, d).

        The heads are computed one after the other, so that each matrix of attention weights stays
        in the cache. On a CPU a training step then takes only a few per cent longer than with fused
        attention. Fused attention itself has no rule for `vmap` there: it would warn and run
        network by network.
        """
        width = x.shape[-1]
        scaled = self.query(x) * width**-0.5  # cheaper than scaling the weights of attention
        projected = (scaled, self.key(x), self.value(x))
        # Batched products under `vmap` are slow unless the parts are contiguous.
        heads = [[part.contiguous() for part in t.split(width, dim=-1)] for t in projected]
        attended = [
            torch.softmax(query @ key.transpose(-2, -1), dim=-1) @ value
            for query, key, value in zip(*heads, strict=True)
        ]
        return self.mix(torch.cat(attended, dim=-1))

    def _check(self, x: Tensor) -> None:
        length = self.positions.num_embeddings
        if x.ndim != 2 or not 0 < x.shape[1] <= length:
            raise InvalidInputError(
                f"x must have shape (b, L) with L up to {length}, got {tuple(x.shape)}; cut or pad "
                "the texts, e.g. with holdfast.preprocessing.TokenIds"
            )
        if x.is_floating_point() or x.dtype == torch.bool:
            raise InvalidInputError(
                f"x must be integer token numbers, got {x.dtype}; make them with "
                "holdfast.preprocessing.TokenIds"
            )


class ResNet(_Network):
    """ResNet-50, -101 or -152 for small images.

    This is the ResNet of Transformers with a stem for small images: a 3×3 convolution of stride 1
    without pooling. The usual stem, a 7×7 convolution of stride 2 with pooling, would reduce 32×32
    images to one pixel.

    Parameters
    ----------
    depth : {50, 101, 152}
        Number of layers.
    n_classes : int
        Number of classes, at least 2.
    image_shape : tuple of int
        Channels, height and width of the images.

    Raises
    ------
    InvalidInputError
        When the depth is another one or a number is not a positive integer, or when `forward` gets
        images of another shape.
    MissingExtraError
        When Transformers is not installed; the extra is `transformers`.

    Notes
    -----
    Batch normalisation keeps running statistics, which training changes in place.

    References
    ----------
    He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; section 4.2 uses this stem
    for CIFAR-10.

    Examples
    --------
    >>> import torch
    >>> with torch.device("meta"):  # without memory
    ...     network = ResNet(50, 10)
    >>> sum(parameter.numel() for parameter in network.parameters())
    23520842
    """

    cpu_layout = torch.channels_last

    def __init__(
        self, depth: int, n_classes: int, *, image_shape: tuple[int, int, int] = (3, 32, 32)
    ) -> None:
        super().__init__()
        if not isinstance(depth, Integral) or depth not in RESNET_BLOCKS:
            raise InvalidInputError(
                f"depth must be one of {', '.join(map(str, RESNET_BLOCKS))}, got {depth!r}; "
                "choose one of them"
            )
        n_classes = _check_n_classes(n_classes)
        self.image_shape: tuple[int, int, int] = _check_image_shape(image_shape, least=1)
        with torch.device("meta"):
            self.network: nn.Module = _small_image_resnet(depth, n_classes, self.image_shape[0])
        self._draw()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (b, K) of images (b, channels, height, width), real numbers."""
        _check_images(x, self.image_shape)
        return self.network(x).logits


def _lenet_border(side: int) -> int:
    return 2 if side < LENET_SIDE else 0


def _lenet_left(side: int) -> int:
    """Return the length of a side after both 5×5 convolutions and 2×2 poolings."""
    return ((side + 2 * _lenet_border(side) - 4) // 2 - 4) // 2


def _small_image_resnet(depth: int, n_classes: int, channels: int) -> Any:
    """Return the classifier of Transformers with its first convolution and pooling replaced."""
    transformers = require("transformers", extra="transformers", purpose="holdfast.nn.ResNet")
    config = transformers.ResNetConfig(
        depths=list(RESNET_BLOCKS[depth]), num_channels=channels, num_labels=n_classes
    )
    network = transformers.ResNetForImageClassification(config)
    stem = network.resnet.embedder
    # Only this convolution changes; the normalisation and activation after it stay.
    stem.embedder.convolution = nn.Conv2d(
        channels, config.embedding_size, 3, stride=1, padding=1, bias=False
    )
    stem.pooler = nn.Identity()
    return network


def _check_shape(x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless each row of `x` has the shape; values are not looked at."""
    if tuple(x.shape[1:]) != shape:
        expected = ", ".join(map(str, ("b", *shape)))
        raise InvalidInputError(
            f"x must have shape ({expected}), got {tuple(x.shape)}; give rows of the shape "
            "that the network was built for"
        )


def _check_images(x: Tensor, shape: tuple[int, ...]) -> None:
    _check_shape(x, shape)
    if not x.is_floating_point():
        raise InvalidInputError(
            f"x must be real numbers, got {x.dtype}; scale the images first, e.g. with "
            "holdfast.preprocessing.ScaledImages"
        )


def _check_n_classes(value: Any) -> int:
    return check_count("n_classes", value, least=2, hint="give the number of distinct labels")


def _check_image_shape(value: Any, *, least: int) -> tuple[int, int, int]:
    """Return channels, height and width, both of which must be at least `least`."""
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise InvalidInputError(
            f"image_shape must be (channels, height, width), got {value!r}; give e.g. (1, 28, 28)"
        )
    channels, height, width = value
    return (
        check_count("channels of image_shape", channels, hint="put the channels first"),
        check_count("height of image_shape", height, least=least, hint="enlarge the images"),
        check_count("width of image_shape", width, least=least, hint="enlarge the images"),
    )
