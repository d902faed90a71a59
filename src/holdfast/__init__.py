"""Update a classifier without needlessly changing its predictions.

*Predictive churn* is the share of individual predictions that change when a model is retrained.
holdfast measures it, trains the new model inside a churn budget, and says whether to promote it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Certificate",
    "ChurnFloor",
    "Comparison",
    "HoldfastError",
    "InfeasibleBudgetError",
    "InvalidInputError",
    "LowChurnClassifier",
    "LowChurnRegressor",
    "MissingExtraError",
    "PairedCounts",
    "Policy",
    "RegistryError",
    "Selection",
    "UnsupportedEstimatorError",
    "UntrustedModelError",
    "Verdict",
    "__version__",
    "churn_floor",
    "compare",
    "compare_tables",
    "count_tables",
    "datasets",
    "load_model",
    "methods",
    "metrics",
    "nn",
    "override_threshold",
    "registry",
    "rows_to_certify",
    "save_model",
    "select",
    "targets",
]

# Public name -> module that defines it; loaded on first use, so that the import stays cheap.
_HOME = {
    "Comparison": "comparison",
    "compare": "comparison",
    "PairedCounts": "_counts",
    "compare_tables": "predictions",
    "count_tables": "predictions",
    "Certificate": "certificate",
    "rows_to_certify": "certificate",
    "ChurnFloor": "floor",
    "churn_floor": "floor",
    "Policy": "policy",
    "Verdict": "policy",
    "HoldfastError": "exceptions",
    "InfeasibleBudgetError": "exceptions",
    "InvalidInputError": "exceptions",
    "MissingExtraError": "exceptions",
    "RegistryError": "exceptions",
    "UnsupportedEstimatorError": "exceptions",
    "UntrustedModelError": "exceptions",
    "Selection": "selection",
    "select": "selection",
    "override_threshold": "override",
    "LowChurnClassifier": "estimator",
    "LowChurnRegressor": "regressor",
    "load_model": "persistence",
    "save_model": "persistence",
}
_MODULES = ("datasets", "methods", "metrics", "nn", "registry", "targets")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"holdfast.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"holdfast.{name}")
    raise AttributeError(f"module 'holdfast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from holdfast import datasets, methods, metrics, nn, registry, targets
    from holdfast._counts import PairedCounts
    from holdfast.certificate import Certificate, rows_to_certify
    from holdfast.comparison import Comparison, compare
    from holdfast.estimator import LowChurnClassifier
    from holdfast.exceptions import (
        HoldfastError,
        InfeasibleBudgetError,
        InvalidInputError,
        MissingExtraError,
        RegistryError,
        UnsupportedEstimatorError,
        UntrustedModelError,
    )
    from holdfast.floor import ChurnFloor, churn_floor
    from holdfast.override import override_threshold
    from holdfast.persistence import load_model, save_model
    from holdfast.policy import Policy, Verdict
    from holdfast.predictions import compare_tables, count_tables
    from holdfast.regressor import LowChurnRegressor
    from holdfast.selection import Selection, select
