"""Networks: losses for any training loop, the paper's architectures, a trainer of many at once.

The files, in reading order:

- `losses`: losses on soft targets, for any PyTorch training loop.
- `networks`: the architectures of the paper.
- `optimizers`: Adam and SGD as settings that step many networks at once.
- `many`: a folder whose `fit_many` trains many networks of one architecture at once.
- `classifier`: `NetworkClassifier`, one network as a scikit-learn classifier.
- `storage`: networks as safetensors files.
"""

from __future__ import annotations

from holdfast.common.parameters import require

require("torch", extra="torch", purpose="holdfast.nn")

from holdfast.nn.classifier import NetworkClassifier  # noqa: E402
from holdfast.nn.losses import (  # noqa: E402
    AnchorLoss,
    DistillationLoss,
    pack_targets,
    soft_brier,
    soft_cross_entropy,
)
from holdfast.nn.many.fit import FittedNetwork, Run, TrainingWarning, fit_many, predict_many  # noqa: E402
from holdfast.nn.networks import (  # noqa: E402
    ConvNet,
    FullyConnected,
    ResNet,
    Transformer,
    glorot_,
)
from holdfast.nn.optimizers import SGD, Adam  # noqa: E402

__all__ = [
    "SGD",
    "Adam",
    "AnchorLoss",
    "ConvNet",
    "DistillationLoss",
    "FittedNetwork",
    "FullyConnected",
    "NetworkClassifier",
    "ResNet",
    "Run",
    "TrainingWarning",
    "Transformer",
    "fit_many",
    "glorot_",
    "pack_targets",
    "predict_many",
    "soft_brier",
    "soft_cross_entropy",
]
