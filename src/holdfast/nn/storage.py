"""Networks as safetensors files, which hold an architecture's name, its arguments and its tensors.

Nothing in such a file is run. The description is checked before the network is built, and the
shapes are checked before any tensor is read. The tensors are then compared with a hash in the
description.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from holdfast.common.classes import check_classes
from holdfast.common.parameters import first_line
from holdfast.common.version import __version__
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.nn.classifier import NetworkClassifier
from holdfast.nn.networks import ConvNet, FullyConnected, ResNet, Transformer

__all__ = ["read_network", "write_network"]

KEY = "holdfast"
FORMAT_VERSION = 1
ARCHITECTURES: dict[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (ConvNet, FullyConnected, ResNet, Transformer)
}
MAX_ARGUMENT = 2**31
MAX_DESCRIPTION = 2**24


def write_network(model: Any, path: Path, card: dict[str, Any]) -> None:
    """Write a fitted network and its card to a safetensors file.

    Parameters
    ----------
    model : NetworkClassifier
        A fitted classifier whose module is a class of `holdfast.nn` with its arguments.
    path : Path
        The file to write; an existing one is overwritten.
    card : dict
        Facts about the model, as plain values.

    Raises
    ------
    InvalidInputError
        When `model` is any other model.
    """
    if not isinstance(model, NetworkClassifier):
        raise InvalidInputError(
            "model must be a NetworkClassifier for a .safetensors file, got "
            f"{type(model).__name__}; write it to a .skops file"
        )
    check_is_fitted(model, "state_")
    name, arguments = _described(model.module)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_.items()}
    description = {
        "format_version": FORMAT_VERSION,
        "holdfast": __version__,
        "architecture": name,
        "arguments": arguments,
        "classes": model.classes_.tolist(),
        "sha256": _tensor_hash(tensors),
        "card": card,
    }
    save_file(tensors, path, metadata={KEY: json.dumps(description)})


def _described(module: Any) -> tuple[str, dict[str, Any]]:
    """Return the name of the architecture and a dictionary of all its arguments."""
    built = module if isinstance(module, partial) else partial(module)
    kind = built.func
    if ARCHITECTURES.get(getattr(kind, "__name__", "")) is not kind:
        raise InvalidInputError(
            f"module must be one of {', '.join(ARCHITECTURES)} with its arguments for a "
            ".safetensors file, as in functools.partial(FullyConnected, 14, 2), got "
            f"{module!r:.60}; give a class of your own with its arguments too, and write it to a "
            ".skops file"
        )
    bound = inspect.signature(kind).bind(*built.args, **built.keywords)
    bound.apply_defaults()
    return kind.__name__, json.loads(json.dumps(bound.arguments, default=int))


def read_network(path: str | os.PathLike[str]) -> tuple[NetworkClassifier, dict[str, Any]]:
    """Read a network and its card; no code from the file is run.

    Parameters
    ----------
    path : path-like
        A file that `write_network` wrote.

    Raises
    ------
    InvalidInputError
        When the file is damaged, has no description by holdfast, or has a description that does
        not fit its tensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            description = _description(path, file.metadata() or {})
            module, classes = _module(description)
            _check_shapes(file, module)
            # Tensors are copied: a view of the file would change with it, or crash.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except HoldfastError:
        raise
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise _damaged(path, error) from error
    if _tensor_hash(tensors) != description.get("sha256"):
        raise _damaged(path, "tensors with a hash other than the recorded one")
    network = NetworkClassifier(module)
    network.classes_, network.state_ = classes, tensors
    return network, description["card"]


def _damaged(path: Any, reason: object) -> InvalidInputError:
    return InvalidInputError(
        f"{path} must be a whole safetensors file of holdfast, got one that is cut short or "
        f"damaged ({first_line(reason)}); copy or write it again"
    )


def _description(path: Any, metadata: dict[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise InvalidInputError(
            f"{path} must describe the network of its tensors, got a safetensors file that "
            "holdfast did not write; load it into the module that it was saved from "
            "(safetensors.torch.load_model) and give base_model a callable X -> probabilities"
        )
    if len(metadata[KEY]) > MAX_DESCRIPTION:
        raise InvalidInputError(
            f"{path} must have a description of at most {MAX_DESCRIPTION >> 20} MB, got a longer "
            "one; write it again with holdfast.save_model"
        )
    description = json.loads(metadata[KEY])
    if not isinstance(description, dict):
        raise ValueError("a description that is not an object")
    if description.get("format_version") != FORMAT_VERSION:
        raise InvalidInputError(
            f"{path} must have format version {FORMAT_VERSION}, got "
            f"{description.get('format_version')!r}, written by holdfast "
            f"{description.get('holdfast')}; install that release"
        )
    if not isinstance(description.setdefault("card", {}), dict):
        raise ValueError("a card that is not an object")
    return description


def _module(description: dict[str, Any]) -> tuple[partial[nn.Module], Any]:
    """Return a function that builds the network, and its classes; each argument is checked."""
    kind = ARCHITECTURES.get(str(description.get("architecture")))
    arguments, classes = description.get("arguments"), description.get("classes")
    if kind is None or not isinstance(arguments, dict) or not isinstance(classes, list):
        raise ValueError("a description of an unknown architecture")
    inspect.signature(kind).bind(**arguments)  # raises TypeError for missing and unknown ones
    plain = {name: _argument(name, value) for name, value in arguments.items()}
    if len(classes) != plain["n_classes"]:
        raise ValueError("a number of classes other than the network's")
    if len({type(label) for label in classes}) != 1:
        raise ValueError("classes of several types")
    return partial(kind, **plain), check_classes("classes", np.asarray(classes), len(classes))


def _argument(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_argument(name, side) for side in value[:4])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"the argument {name} is not a number")
    if not 0 <= value <= MAX_ARGUMENT:
        raise ValueError(f"the argument {name} is out of range")
    return value


def _check_shapes(file: Any, module: partial[nn.Module]) -> None:
    """Raise unless names and shapes of the tensors are those of the network.

    The network is built without memory for its parameters.
    """
    with torch.device("meta"):
        expected = {name: list(value.shape) for name, value in module().state_dict().items()}
    if set(file.keys()) != set(expected):
        raise ValueError("tensors other than the network's")
    for name, shape in expected.items():
        if list(file.get_slice(name).get_shape()) != shape:
            raise ValueError(f"the tensor {name} has a shape other than in the network")


def _tensor_hash(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
