"""Proofs for LightGBM's text format.

LightGBM reads as many numbers as a count says, and follows every child and feature in them. Only
the structure of the text is read here; the library reads the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.models.proofs.claims import MAX_THREADS, UnprovenError, claim, whole, written
from holdfast.models.proofs.forest import prove_features, prove_later_children

__all__ = ["prove_estimator", "prove_state", "prove_text"]

END = "\nend of trees"
OBJECTIVES = frozenset(
    (
        *("binary", "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda"),
        *("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma"),
        *("tweedie", "lambdarank", "rank_xendcg", "custom"),
    )
)
WHOLE_NUMBERS = re.compile(r"(-?[0-9]{1,18}( +-?[0-9]{1,18})*)? *")
PER_SPLIT = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
STATISTICS = {  # read where they are there
    **dict.fromkeys(("split_gain", "internal_value", "internal_weight", "internal_count"), -1),
    **dict.fromkeys(("leaf_weight", "leaf_count"), 0),
}
BY_CATEGORY = 1  # a bit of decision_type
MAX_OUTPUTS = 2**20


def prove_state(state: Any) -> None:
    """Raise unless the state of a `Booster` holds a text that can be followed."""
    claim(isinstance(state, dict), "a booster has no state")
    for name in ("_handle", "handle"):
        if state.get(name) is not None:
            claim(isinstance(state[name], str), "a booster holds no text")
            prove_text(state[name])
    _prove_settings(state.get("params") or {})


def prove_estimator(model: Any) -> None:
    """Raise unless an estimator holds a booster of LightGBM with as many features and outputs."""
    from lightgbm import Booster

    booster = vars(model).get("_Booster")
    if booster is None:
        return
    claim(type(booster) is Booster, "the booster is of another type")
    _prove_settings(vars(model).get("_other_params") or {})
    _prove_settings(vars(model))


def _prove_settings(settings: dict[str, Any]) -> None:
    """Raise if settings ask for very many threads, or for rows of another width."""
    claim(isinstance(settings, dict), "settings are not a dictionary")
    for name, value in settings.items():
        if "thread" in name or name == "n_jobs":
            claim(value is None or abs(int(value)) <= MAX_THREADS, f"{name} is {value}")
        claim(name != "predict_disable_shape_check" or not value, f"{name} is set")


def prove_text(text: str) -> None:
    """Raise unless every tree of a model leads from its root to its leaves.

    Parameters
    ----------
    text : str
        A model as LightGBM stores it.

    Raises
    ------
    DisprovedError
        When an index, a count or a length leads outside.
    UnprovenError
        For objectives that are not known.
    """
    claim("\r" not in text and "\0" not in text, "a text has odd ends of lines")
    body, end, _ = text.partition(END)
    claim(end, "a text has no end of trees")
    head, *trees = re.split(r"(?m)^Tree=", body + "\n")
    header = _entries(head)
    n_features = (
        whole(written(header["max_feature_idx"], "max_feature_idx"), "max_feature_idx", 0) + 1
    )
    n_per_round = whole(
        written(header["num_tree_per_iteration"], "num_tree_per_iteration"),
        "num_tree_per_iteration",
        1,
    )
    n_classes = whole(written(header["num_class"], "num_class"), "num_class", 1, MAX_OUTPUTS)
    claim(n_per_round == n_classes, "num_tree_per_iteration is not num_class")
    claim(len(trees) % n_per_round == 0, "a round lacks a tree")
    for name in ("feature_names", "feature_infos"):
        claim(len(header[name].split(" ")) == n_features, f"{name} has another length")
    if "objective" in header:
        _prove_objective(header["objective"], n_classes)
    _prove_sizes(header.get("tree_sizes", ""), trees)
    for number, tree in enumerate(trees):
        first, _, lines = tree.partition("\n")
        claim(first == str(number), "the trees are not in order")
        _prove_tree(_entries(lines), n_features)


def _entries(lines: str) -> dict[str, str]:
    """Return the values by their names; raise if a name is there twice."""
    entries: dict[str, str] = {}
    for line in lines.split("\n"):
        name, _, value = line.partition("=")
        claim(not name or name not in entries, f"{name} is there twice")
        claim(name.strip() == name, "a line begins or ends with a space")
        entries[name] = value
    return entries


def _prove_objective(objective: str, n_classes: int) -> None:
    name, *options = objective.split(" ")
    if name not in OBJECTIVES:
        raise UnprovenError(f"a model of LightGBM with the objective {name}")
    counts = [option.partition(":")[2] for option in options if option.startswith("num_class:")]
    claim(
        all(written(count, "num_class") == n_classes for count in counts),
        "the objective has other classes",
    )
    of_many = name in ("multiclass", "multiclassova")
    claim(bool(counts) == of_many, "the objective does not say its number of classes")
    claim(of_many or n_classes == 1 or name == "custom", "the objective has one output only")


def _prove_sizes(sizes: str, trees: list[str]) -> None:
    """Raise unless the sizes lead to the beginnings of the trees."""
    given = _whole_numbers(sizes, "tree_sizes", len(trees))
    found = [len(f"Tree={tree}".encode()) for tree in trees]
    claim(np.array_equal(given, found), "tree_sizes lead elsewhere than to the trees")


def _prove_tree(tree: dict[str, str], n_features: int) -> None:
    n_leaves = whole(written(tree["num_leaves"], "num_leaves"), "num_leaves", 1)
    n_splits = n_leaves - 1
    claim(_count(tree["leaf_value"]) == n_leaves, "leaf_value has another length")
    n_tables = whole(written(tree["num_cat"], "num_cat"), "num_cat")
    if n_splits:
        for name in PER_SPLIT:
            claim(_count(tree[name]) == n_splits, f"{name} has another length")
        _prove_splits(tree, n_splits, n_tables, n_features)
    for name, extra in STATISTICS.items():
        if name in tree:
            allowed = (n_leaves + extra,) if n_splits else (0, 1)
            claim(_count(tree[name]) in allowed, f"{name} has another length")
    is_linear = tree.get("is_linear", "0").strip()
    claim(is_linear in ("0", "1"), "is_linear is neither 0 nor 1")
    if is_linear == "1":
        _prove_linear(tree, n_leaves, n_features)


def _prove_splits(tree: dict[str, str], n: int, n_tables: int, n_features: int) -> None:
    prove_features(_whole_numbers(tree["split_feature"], "split_feature", n), n_features)
    sides = [_whole_numbers(tree[f"{side}_child"], side, n) for side in ("left", "right")]
    for children in sides:
        inner = np.flatnonzero(children >= 0)
        prove_later_children(children[inner], inner, n)
        claim((children >= -n - 1).all(), f"a tree has a leaf outside its {n + 1}")
    kinds = _whole_numbers(tree["decision_type"], "decision_type", n)
    by_category = np.flatnonzero(kinds & BY_CATEGORY)
    if not n_tables:
        claim(not len(by_category), "a split has no categories")
        return
    ends = _whole_numbers(tree["cat_boundaries"], "cat_boundaries", n_tables + 1)
    words = _whole_numbers(tree["cat_threshold"], "cat_threshold")
    claim(ends[0] == 0 and ends[-1] == len(words), "cat_boundaries are not whole")
    claim((np.diff(ends) >= 0).all(), "cat_boundaries are not in order")
    claim(((words >= 0) & (words < 2**32)).all(), "cat_threshold is out of range")
    tables = np.array(tree["threshold"].split(), dtype=float)[by_category]
    inside = (tables >= 0) & (tables < n_tables) & (tables == np.floor(tables))
    claim(inside.all(), f"a split has categories outside the {n_tables} tables")


def _prove_linear(tree: dict[str, str], n_leaves: int, n_features: int) -> None:
    claim(_count(tree["leaf_const"]) == n_leaves, "leaf_const has another length")
    counts = _whole_numbers(tree["num_features"], "num_features", n_leaves)
    claim((counts >= 0).all(), "num_features is negative")
    features = _whole_numbers(tree["leaf_features"], "leaf_features", int(counts.sum()))
    prove_features(features, n_features)
    claim(_count(tree["leaf_coeff"]) == counts.sum(), "leaf_coeff has another length")


def _count(values: str) -> int:
    return len(values.split())


def _whole_numbers(values: str, name: str, length: int | None = None) -> NDArray[np.int64]:
    claim(WHOLE_NUMBERS.fullmatch(values.strip(" ")), f"{name} is not a list of whole numbers")
    split: Iterable[str] = values.split()
    array = np.array([int(value) for value in split], dtype=np.int64)
    claim(length is None or len(array) == length, f"{name} has the length {len(array)}")
    return array
