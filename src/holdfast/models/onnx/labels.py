"""Finds the output of labels in an ONNX file, and matches its values to the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.classes import class_index
from holdfast.exceptions import InvalidInputError

__all__ = ["as_labels", "label_output"]

LABEL_NAMES = ("label", "labels", "output_label", "predicted_label")
LABEL_TYPES = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")


def label_output(outputs: list[Any], proba: str) -> str | None:
    """Return the name of the output that answers with a label for each row.

    Parameters
    ----------
    outputs : list of onnxruntime.NodeArg
    proba : str
        The name of the output of probabilities.

    Returns
    -------
    str or None
        None if the file has no output of labels.

    Raises
    ------
    InvalidInputError
        When several outputs could be the labels.
    """
    others = [output for output in outputs if output.name != proba]
    names = [output.name for output in others if output.name in LABEL_NAMES]
    names = names or [
        output.name
        for output in others
        if output.type in LABEL_TYPES and _is_one_a_row(output.shape)
    ]
    if len(names) > 1:
        listed = ", ".join(f"{output.name} {output.type}" for output in others)
        raise InvalidInputError(
            "an ONNX model must have one output of labels (or one named 'label') to predict them, "
            f"got {listed}; use predict_proba, or export it with one output of labels"
        )
    return names[0] if names else None


def _is_one_a_row(shape: list[Any]) -> bool:
    return len(shape) < 2 or (len(shape) == 2 and shape[1] == 1)


def as_labels(values: Any, n: int, classes: NDArray[Any] | None) -> NDArray[Any]:
    """Return the first `n` labels of an output, as values of the classes if these are known.

    Parameters
    ----------
    values : array-like of shape (n, …)
        One label for each row: a class, or its position if labels are numbers and classes words.
    n : int
    classes : ndarray of shape (K,) or None

    Raises
    ------
    InvalidInputError
        When the output has another shape, or a label is not one of the classes.
    """
    labels = np.asarray(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) < n:
        raise InvalidInputError(
            f"the ONNX model must give one label for each row, got shape {labels.shape} for {n} "
            "rows; export it with labels of shape (n,)"
        )
    labels = labels[:n].astype(str) if labels.dtype.kind == "O" else labels[:n]
    return labels if classes is None else _matched(labels, classes)


def _matched(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Return the classes that labels name: by value, as text, or by position."""
    given, known = labels, classes
    if given.dtype.kind == "U":
        known = known.astype(str)
    elif known.dtype.kind == "U" and np.char.isdigit(np.char.lstrip(known, "-")).all():
        given = given.astype(str)
    elif known.dtype.kind == "U":
        given, known = given.astype(np.int64), np.arange(len(classes))
    position = class_index(given, known)
    if (position < 0).any():
        raise InvalidInputError(
            f"the ONNX model must answer with its classes {classes[:10].tolist()}, got the label "
            f"{labels[position < 0][0].item()!r}; export it with the classes of its probabilities"
        )
    return classes[position]
