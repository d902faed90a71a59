"""Proofs for encoders, vectorizers and clusters, whose indices become columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.models.proofs.claims import MAX_THREADS, UnprovenError, claim, plain_array, whole

__all__ = [
    "prove_clusters",
    "prove_hasher",
    "prove_one_hot",
    "prove_powers",
    "prove_text",
    "prove_vocabulary",
]

# Patterns that no text can make slow.
TOKEN_PATTERNS = (r"(?u)\b\w\w+\b", r"(?u)\b\w+\b")
MAX_COLUMNS, MAX_DEGREE = 2**24, 64


def prove_one_hot(encoder: Any) -> None:
    """Raise unless the column of each category is one of the columns that are counted."""
    if "categories_" not in vars(encoder):
        return
    width = whole(encoder.n_features_in_, "n_features_in_", 1)
    claim(isinstance(encoder.categories_, list), "categories_ is not a list")
    claim(len(encoder.categories_) == width, "categories_ has another length")
    for categories in encoder.categories_:
        _prove_categories(categories)
    claim(encoder._infrequent_enabled in (True, False), "_infrequent_enabled is neither")
    n_groups = [len(categories) for categories in encoder.categories_]
    if encoder._infrequent_enabled:
        n_groups = _prove_infrequent(encoder, n_groups)
    dropped = encoder._drop_idx_after_grouping
    if dropped is not None:
        claim(len(dropped) == width, "a column says nothing of its dropped category")
        for index, n in zip(dropped, n_groups, strict=True):
            if index is not None:
                whole(index, "a dropped category", 0, n - 1)
    claim(isinstance(encoder._n_features_outs, list), "_n_features_outs is not a list")
    claim(encoder._n_features_outs == encoder._compute_n_features_outs(), "too few columns")


def _prove_categories(categories: Any) -> None:
    """Raise unless categories are in order, since a search among others can end outside."""
    claim(type(categories) is np.ndarray and categories.ndim == 1, "categories are not in an array")
    claim(len(categories), "a column has no categories")
    if categories.dtype.kind in "fiub":
        known = categories[~np.isnan(categories)] if categories.dtype.kind == "f" else categories
        claim((known[1:] > known[:-1]).all(), "categories are not in order")
        claim(np.array_equal(known, categories[: len(known)]), "categories are not in order")
        claim(len(categories) - len(known) <= 1, "a category is there twice")
    elif categories.dtype.kind not in "OUS":
        raise UnprovenError(f"categories of the type {categories.dtype}")


def _prove_infrequent(encoder: Any, n_categories: list[int]) -> list[int]:
    """Return the number of groups of each column; raise unless each category has its group."""
    rare, groups = encoder._infrequent_indices, encoder._default_to_infrequent_mappings
    claim(len(rare) == len(groups) == len(n_categories), "a column has no groups")
    counts = []
    for indices, mapping, n in zip(rare, groups, n_categories, strict=True):
        claim((indices is None) == (mapping is None), "a column has half of its groups")
        if mapping is not None:
            plain_array(indices, "infrequent categories", "iu", (None,))
            claim(0 < len(indices) <= n, "a column has too few infrequent categories")
            claim(((indices >= 0) & (indices < n)).all(), "an infrequent category is unknown")
            plain_array(mapping, "groups of categories", "iu", (n,))
            n -= len(indices) - 1
            claim(((mapping >= 0) & (mapping < n)).all(), "a category has a group of its own")
        counts.append(n)
    return counts


def prove_vocabulary(vectorizer: Any) -> None:
    """Raise unless the words of a vocabulary have the columns 0 … n - 1."""
    if "vocabulary_" not in vars(vectorizer):
        return
    words = vectorizer.vocabulary_
    claim(type(words) is dict and words, "a vocabulary is not a dictionary of words")
    columns = [
        whole(column, "the column of a word", 0, len(words) - 1) for column in words.values()
    ]
    claim(len(set(columns)) == len(words), "two words have one column")


def prove_text(vectorizer: Any) -> None:
    """Raise unless a vectorizer of texts reads the texts themselves, in words, and never a file."""
    prove_vocabulary(vectorizer)
    if "n_features" in vars(vectorizer):
        prove_hasher(vectorizer)
    if not (isinstance(vectorizer.input, str) and vectorizer.input == "content"):
        raise UnprovenError(f"texts that are read from files (input={vectorizer.input!r})")
    if vectorizer.token_pattern not in TOKEN_PATTERNS:
        raise UnprovenError("words by a pattern of its own, which a text could make slow")


def prove_hasher(hasher: Any) -> None:
    """Raise unless the number of columns can divide."""
    whole(hasher.n_features, "n_features", 1)


def prove_clusters(model: Any) -> None:
    """Raise unless centres are as wide as rows."""
    if "cluster_centers_" not in vars(model):
        return
    width = whole(model.n_features_in_, "n_features_in_", 1)
    centers = plain_array(model.cluster_centers_, "cluster_centers_", "f", (None, width))
    claim(len(centers), "there are no centres")
    whole(model._n_threads, "_n_threads", 1, MAX_THREADS)


def prove_powers(features: Any) -> None:
    """Raise unless as many columns are filled as are returned."""
    if "_n_out_full" not in vars(features):
        return
    width = whole(features.n_features_in_, "n_features_in_", 1)
    whole(features._max_degree, "_max_degree", 0, MAX_DEGREE)
    whole(features._min_degree, "_min_degree", 0, features._max_degree)
    expected = features._num_combinations(
        n_features=width,
        min_degree=0,
        max_degree=features._max_degree,
        interaction_only=features.interaction_only,
        include_bias=features.include_bias,
    )
    claim(whole(features._n_out_full, "_n_out_full", 0, MAX_COLUMNS) == expected, "other powers")
