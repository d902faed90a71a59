"""Proofs for support vector machines of scikit-learn, whose compiled code trusts every count."""

from __future__ import annotations

from typing import Any

from holdfast.models.proofs.claims import UnprovenError, claim, plain_array, whole

__all__ = ["prove_svm"]

KERNELS = ("linear", "poly", "rbf", "sigmoid")
CLASSIFIERS = ("c_svc", "nu_svc")


def prove_svm(model: Any) -> None:
    """Raise unless all arrays of a support vector machine agree on classes and vectors."""
    if "support_vectors_" not in vars(model):
        return
    if model._sparse or not (isinstance(model.kernel, str) and model.kernel in KERNELS):
        raise UnprovenError("a support vector machine of sparse rows or with a kernel of its own")
    width = whole(model.n_features_in_, "n_features_in_", 1)
    n_vectors = plain_array(model.support_vectors_, "support_vectors_", "f", (None, width)).shape[0]
    claim(n_vectors, "a support vector machine has no vectors")
    classifies = model._impl in CLASSIFIERS
    n_classes = len(model.classes_) if classifies else 2
    claim(n_classes >= 2, "a support vector machine has one class only")
    counts = plain_array(model._n_support, "_n_support", "i", (n_classes,))
    claim(((counts >= 0) & (counts <= n_vectors)).all(), "_n_support is out of range")
    total = counts.sum() if classifies else counts[0]
    claim(total == n_vectors, f"_n_support counts {total} vectors, but {n_vectors} are stored")
    plain_array(model.support_, "support_", "i", (n_vectors,))
    n_pairs = n_classes * (n_classes - 1) // 2
    for name in ("_dual_coef_", "dual_coef_"):
        plain_array(getattr(model, name), name, "f", (n_classes - 1, n_vectors))
    for name in ("_intercept_", "intercept_"):
        plain_array(getattr(model, name), name, "f", (n_pairs,))
    for name in ("_probA", "_probB"):
        array = plain_array(getattr(model, name), name, "f", (None,))
        claim(len(array) in (0, n_pairs), f"{name} has the length {len(array)}")
    claim(len(model._probA) == len(model._probB), "_probA and _probB have unequal lengths")
    whole(model.degree, "degree")
