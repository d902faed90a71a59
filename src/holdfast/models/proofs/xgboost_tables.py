"""Proofs for what stands beside the trees of XGBoost: sizes, categories and settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.models.proofs.claims import MAX_THREADS, UnprovenError, claim, whole, written

__all__ = ["Shape", "numbers", "prove_encoder", "prove_settings"]

MAX_OUTPUTS = 2**20


@dataclass(frozen=True)
class Shape:
    """The numbers of features and of outputs of a model."""

    n_features: int
    n_outputs: int

    @classmethod
    def of(cls, learner: dict[str, Any]) -> Shape:
        """Read the sizes of a model; raise DisprovedError if they contradict one another."""
        sizes = learner["learner_model_param"]
        n_features = whole(written(sizes["num_feature"], "num_feature"), "num_feature", 1)
        n_classes = whole(written(sizes["num_class"], "num_class"), "num_class", 0, MAX_OUTPUTS)
        if written(sizes.get("num_target", 1), "num_target") != 1:
            raise UnprovenError("a model of XGBoost with several targets")
        shape = cls(n_features, max(n_classes, 1))
        start = np.atleast_1d(np.asarray(json.loads(str(sizes["base_score"])), dtype=float))
        claim(start.ndim == 1 and len(start) in (1, shape.n_outputs), "base_score is too short")
        objective = learner["objective"]
        if "softmax_multiclass_param" in objective:
            of_loss = written(objective["softmax_multiclass_param"]["num_class"], "num_class")
            claim(of_loss == n_classes, f"the loss has {of_loss} classes, the model {n_classes}")
        for name in ("feature_names", "feature_types"):
            claim(len(learner.get(name, [])) in (0, n_features), f"{name} has another length")
        return shape


def numbers(values: Any, name: str, kind: str, length: int | None = None) -> NDArray[Any]:
    """Return whole numbers (`i`) or any numbers (`f`) as an array."""
    array = np.asarray(values)
    if not array.size:
        array = array.astype(np.int64)
    claim(array.ndim == 1, f"{name} is not a list of numbers")
    claim(array.dtype.kind in ("iub" if kind == "i" else "iubf"), f"{name} holds other values")
    claim(length is None or len(array) == length, f"{name} has the length {len(array)}")
    return array.astype(np.int64 if kind == "i" else np.float64)


def prove_encoder(cats: Any, n_features: int) -> None:
    """Raise unless the categories of each feature, and their order, lie inside their tables."""
    if not cats or not len(cats.get("enc", [])):
        return
    claim(len(cats["enc"]) == n_features, "the table of categories has other features")
    counts = [_prove_names(known) for known in cats["enc"]]
    segments = numbers(cats["feature_segments"], "feature_segments", "i", n_features + 1)
    claim(np.array_equal(segments, np.cumsum([0, *counts])), "feature_segments is not whole")
    order = numbers(cats["sorted_idx"], "sorted_idx", "i", sum(counts))
    for first, count in zip(segments[:-1], counts, strict=True):
        part = np.sort(order[first : first + count])
        claim(np.array_equal(part, np.arange(count)), "sorted_idx points outside")


def _prove_names(known: dict[str, Any]) -> int:
    """Return the number of categories of a feature; raise unless their names lie inside."""
    if "offsets" not in known:  # categories that are numbers
        return len(known["values"])
    values = numbers(known["values"], "the names of categories", "i")
    ends = numbers(known["offsets"], "the ends of names", "i")
    if not len(ends):
        claim(not len(values), "categories have names without ends")
        return 0
    claim(ends[0] == 0 and ends[-1] == len(values), "the names of categories are not whole")
    claim((np.diff(ends) >= 0).all(), "the ends of names are not in order")
    return len(ends) - 1


def prove_settings(settings: Any) -> None:
    """Raise if settings ask for very many threads, or name no model of this kind."""
    learner = settings["learner"]
    for name, value in learner.get("generic_param", {}).items():
        if name in ("nthread", "n_jobs"):
            whole(written(value, name), name, -MAX_THREADS, MAX_THREADS)
    sizes = learner.get("learner_model_param", {})
    claim(
        0 <= written(sizes.get("num_class", 0), "num_class") <= MAX_OUTPUTS,
        "num_class is out of range",
    )
