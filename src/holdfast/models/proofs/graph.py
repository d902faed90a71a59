"""The objects that were built from a file, before the first of them is used."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np
from scipy.sparse import issparse

from holdfast.models.proofs import columns, histograms, neighbors, svm, trees, values
from holdfast.models.proofs.claims import MAX_THREADS, DisprovedError, UnprovenError, claim
from holdfast.models.proofs.kinds import public_name
from holdfast.models.proofs.walk import parts_first

__all__ = ["prove_objects"]

Proof = Callable[[Any], None]
# Objects without parts. The types of functions are checked before they are found.
FUNCTIONS = (FunctionType, BuiltinFunctionType, np.ufunc, type(np.clip))
PLAIN = (bool, int, float, str, bytes, bytearray, type, *FUNCTIONS)


def _prove_lightgbm(model: Any) -> None:
    from holdfast.models.proofs.lightgbm_text import prove_estimator

    prove_estimator(model)


def _prove_xgboost(model: Any) -> None:
    from holdfast.models.proofs.xgboost_model import prove_estimator

    prove_estimator(model)


def _each(package: str, names: str, proof: Proof) -> dict[str, Proof]:
    return {f"{package}.{name}": proof for name in names.split()}


PROOFS: dict[str, Proof] = {
    **_each(
        "sklearn.tree",
        "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
        trees.prove_tree,
    ),
    **_each(
        "sklearn.ensemble",
        "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor "
        "RandomTreesEmbedding",
        trees.prove_forest,
    ),
    **_each("sklearn.ensemble", "IsolationForest", trees.prove_isolation_forest),
    **_each(
        "sklearn.ensemble",
        "GradientBoostingClassifier GradientBoostingRegressor",
        trees.prove_boosted_trees,
    ),
    **_each("sklearn.ensemble", "TreePredictor", histograms.prove_predictor),
    **_each(
        "sklearn.ensemble",
        "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        histograms.prove_histogram_boosting,
    ),
    **_each("sklearn.svm", "NuSVC NuSVR OneClassSVM SVC SVR", svm.prove_svm),
    **_each(
        "sklearn.neighbors",
        "KNeighborsClassifier KNeighborsRegressor KNeighborsTransformer LocalOutlierFactor "
        "NearestNeighbors RadiusNeighborsRegressor RadiusNeighborsTransformer",
        neighbors.prove_neighbors,
    ),
    **_each("sklearn.preprocessing", "OneHotEncoder", columns.prove_one_hot),
    **_each("sklearn.preprocessing", "PolynomialFeatures", columns.prove_powers),
    **_each("sklearn.feature_extraction", "DictVectorizer", columns.prove_vocabulary),
    **_each("sklearn.feature_extraction", "FeatureHasher", columns.prove_hasher),
    **_each(
        "sklearn.feature_extraction.text",
        "CountVectorizer HashingVectorizer TfidfVectorizer",
        columns.prove_text,
    ),
    **_each("sklearn.cluster", "KMeans MiniBatchKMeans", columns.prove_clusters),
    **_each("numpy.random", "RandomState", values.prove_random_state),
    **_each("numpy.random", "Generator", values.prove_generator),
    **_each("lightgbm.sklearn", "LGBMClassifier LGBMRegressor", _prove_lightgbm),
    **_each(
        "xgboost.sklearn",
        "XGBClassifier XGBRegressor XGBRFClassifier XGBRFRegressor",
        _prove_xgboost,
    ),
}


def prove_objects(root: Any, trusted: tuple[str, ...] = ()) -> set[str]:
    """Raise DisprovedError if an object in a model contradicts itself.

    Parameters
    ----------
    root : object
        The model, with all that it holds.
    trusted : sequence of str
        The full names of types that need no proof. They are proved all the same where that is
        possible.

    Returns
    -------
    set of str
        The full names of the types whose content no proof covers.
    """
    unproven = set()
    for obj in _objects(root):
        name = _full_name(obj)
        try:
            _prove(obj, name)
        except UnprovenError:
            if name not in trusted:
                unproven.add(name)
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
            raise DisprovedError(f"a {type(obj).__name__} of an unknown form: {error}") from error
    return unproven


def _prove(obj: Any, name: str) -> None:
    if issparse(obj):
        values.prove_sparse(obj)
    _prove_attributes(obj)
    proof = PROOFS.get(public_name(name))
    if proof is not None:
        proof(obj)


def _prove_attributes(obj: Any) -> None:
    """Raise if attributes stand in for methods, write to a folder, or ask for many processes."""
    kind = type(obj)
    for name, value in getattr(obj, "__dict__", {}).items():
        claim(isinstance(name, str), "an attribute has no name")
        claim(not name.startswith("__"), f"an attribute is named {name}")
        own = inspect.getattr_static(kind, name, None)
        stands_in = hasattr(type(own), "__get__") and not hasattr(type(own), "__set__")
        is_stored = type(own).__name__ == "cached_property"
        claim(is_stored or not stands_in, f"the attribute {name} stands in for a method")
        if name == "memory" and value is not None:
            raise UnprovenError("a pipeline that writes to a folder")
        if name in ("n_jobs", "nthread", "num_threads", "thread_count"):
            _prove_threads(value)


def _prove_threads(value: Any) -> None:
    claim(value is None or isinstance(value, (int, np.integer)), "a number of threads is none")
    claim(value is None or -MAX_THREADS <= value <= MAX_THREADS, f"{value} threads are asked for")


def _full_name(obj: Any) -> str:
    kind = type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"


def _objects(root: Any) -> Iterator[Any]:
    """Yield each object once, after what it holds, since a proof may call the parts of a model."""
    return parts_first(root, _held)


def _held(obj: Any) -> list[Any]:
    held: list[Any] = list(getattr(obj, "__dict__", {}).values())
    for kind in type(obj).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        held += [getattr(obj, name, None) for name in ([slots] if type(slots) is str else slots)]
    if isinstance(obj, dict):
        held += [*obj.keys(), *obj.values()]
    elif isinstance(obj, (list, tuple, set, frozenset)):
        held += list(obj)
    elif isinstance(obj, np.ndarray) and obj.dtype == object:
        held += obj.ravel().tolist()
    return [part for part in held if part is not None and not isinstance(part, PLAIN)]
