"""LightGBM's text format: models are scaled, shifted and joined in it.

A model is a header, the trees, and what follows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from holdfast.exceptions import UnsupportedEstimatorError

__all__ = ["ModelText"]

PER_LEAF = ("leaf_value", "internal_value", "leaf_const", "leaf_coeff")  # scaled with the leaves


class ModelText:
    """A model as LightGBM saves it, ready to be changed and joined with others.

    Parameters
    ----------
    text : str
        The text that `Booster.model_to_string` returns.
    """

    def __init__(self, text: str) -> None:
        body, self.tail = text.split("end of trees", 1)
        head, *trees = body.split("\nTree=")
        self.header = dict(_entry(line) for line in head.strip().splitlines())
        self.trees = [tree.split("\n", 1)[1].rstrip("\n") for tree in trees]
        if "average_output" in self.header:  # a random forest
            del self.header["average_output"]
            self.scale(self.n_per_round / max(len(self.trees), 1))

    @property
    def n_per_round(self) -> int:
        """Number of trees in a round: one for each class."""
        return int(self.header["num_tree_per_iteration"] or 1)

    @property
    def features(self) -> list[str]:
        """Names of the features, in order."""
        return (self.header["feature_names"] or "").split(" ")

    @property
    def sigmoid(self) -> float:
        """The factor of the scores inside the sigmoid, which a setting can change."""
        options = (self.header.get("objective") or "").split(" ")[1:]
        given = (option.partition(":") for option in options)
        return next((float(value) for name, _, value in given if name == "sigmoid"), 1.0)

    def set_objective(self, objective: str) -> None:
        """Set the objective, which turns scores into probabilities."""
        self.header["objective"] = objective
        name = objective.split(" ")[0]
        self.tail = re.sub(r"\[objective: .*\]", f"[objective: {name}]", self.tail)

    def scale(self, weight: float) -> None:
        """Multiply what each tree adds to the scores."""
        if weight != 1:
            self.trees = [_changed(tree, float(weight).__mul__) for tree in self.trees]

    def add(self, bias: NDArray[np.float64]) -> None:
        """Add a constant to the scores: in the leaves of the first round, as the library does."""
        for k, amount in enumerate(bias.tolist()):
            self.trees[k] = _changed(self.trees[k], amount.__add__, slopes=False)

    def match(self, other: ModelText) -> None:
        """Number the features as another model does; raise where the two cannot be joined."""
        missing = [name for name in self.features if name not in other.features]
        if missing:
            raise UnsupportedEstimatorError(
                "base_model must have been trained on features that the new rows have, got "
                f"{', '.join(missing[:10])} in the base model alone; keep them, or use a method "
                "that does not start from the base model's trees"
            )
        for name, what in (("objective", "objectives"), ("num_class", "numbers of classes")):
            if self.header[name] != other.header[name]:
                raise UnsupportedEstimatorError(
                    f"models must have one objective over the same classes to be joined, got the "
                    f"{what} {self.header[name]} and {other.header[name]}; use a method that does "
                    "not start from the base model's trees"
                )
        if self.categories != other.categories:
            raise UnsupportedEstimatorError(
                "base_model must have been trained on the same categories of every categorical "
                "column to be joined, got others; give both tables the same pandas categories"
            )
        place = [other.features.index(name) for name in self.features]
        if place != list(range(len(place))):
            self.trees = [_renumbered(tree, place) for tree in self.trees]

    @property
    def categories(self) -> str:
        """Categories of pandas columns, as the file lists them."""
        return self.tail.rsplit("pandas_categorical:", 1)[-1].strip()

    def booster(self) -> lgb.Booster:
        """Return the model."""
        trees = [f"Tree={i}\n{tree}\n\n\n" for i, tree in enumerate(self.trees)]
        header = self.header | {"tree_sizes": " ".join(str(len(t.encode())) for t in trees)}
        lines = [name if value is None else f"{name}={value}" for name, value in header.items()]
        text = "\n".join(lines) + "\n\n" + "".join(trees) + "end of trees" + self.tail
        return lgb.Booster(model_str=text)


def _entry(line: str) -> tuple[str, str | None]:
    """Return name and value of a line of the header; the value is None for a name alone."""
    name, equals, value = line.partition("=")
    return name, value if equals else None


def _changed(tree: str, change: Callable[[float], float], *, slopes: bool = True) -> str:
    """Change the numbers that a tree adds to the scores."""
    names = PER_LEAF if slopes else PER_LEAF[:-1]
    lines = tree.split("\n")
    for i, line in enumerate(lines):
        name, _, values = line.partition("=")
        if name in names and values:
            numbers = [repr(change(float(v))) for v in values.split(" ") if v]
            # Two spaces stand between the slopes of one leaf and those of the next.
            lines[i] = f"{name}={_respaced(values, numbers)}"
    return "\n".join(lines)


def _respaced(values: str, numbers: list[str]) -> str:
    """Return new numbers with the spaces that stood between the old ones."""
    replacements = iter(numbers)
    return re.sub(r"\S+", lambda _: next(replacements), values)


def _renumbered(tree: str, place: Sequence[int]) -> str:
    """Return a tree with new numbers of features: feature i becomes place[i]."""
    lines = tree.split("\n")
    for i, line in enumerate(lines):
        name, _, values = line.partition("=")
        if name in ("split_feature", "leaf_features") and values:
            lines[i] = f"{name}=" + re.sub(r"\d+", lambda m: str(place[int(m[0])]), values)
    return "\n".join(lines)
