"""Update a classifier without needlessly changing its predictions.

*Predictive churn* is the share of individual predictions that change when a model is retrained.
holdfast measures it, trains the new model inside a churn budget, and says whether to promote it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from holdfast.common.version import __version__

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
    "rules",
    "save_model",
    "select",
    "targets",
]

# The module that defines each public name. It is imported when the name is first used, so that
# `import holdfast` stays fast.
_HOME = {
    "Comparison": "comparison.result",
    "compare": "comparison.compare",
    "PairedCounts": "comparison.counts",
    "compare_tables": "predictions.tables",
    "count_tables": "predictions.tables",
    "Certificate": "selection.certificate",
    "rows_to_certify": "selection.certificate",
    "ChurnFloor": "update.floor",
    "churn_floor": "update.floor",
    "Policy": "comparison.policy",
    "Verdict": "comparison.policy",
    "HoldfastError": "exceptions",
    "InfeasibleBudgetError": "exceptions",
    "InvalidInputError": "exceptions",
    "MissingExtraError": "exceptions",
    "RegistryError": "exceptions",
    "UnsupportedEstimatorError": "exceptions",
    "UntrustedModelError": "exceptions",
    "Selection": "selection.outcome",
    "select": "selection.weights",
    "override_threshold": "selection.override",
    "LowChurnClassifier": "update.classifier",
    "LowChurnRegressor": "update.regressor",
    "load_model": "models.loading",
    "save_model": "models.files",
}
_MODULES = ("datasets", "methods", "metrics", "nn", "registry", "rules", "targets")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"holdfast.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"holdfast.{name}")
    raise AttributeError(f"module 'holdfast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from holdfast import datasets, methods, metrics, nn, registry, rules, targets
    from holdfast.comparison.compare import compare
    from holdfast.comparison.counts import PairedCounts
    from holdfast.comparison.policy import Policy, Verdict
    from holdfast.comparison.result import Comparison
    from holdfast.exceptions import (
        HoldfastError,
        InfeasibleBudgetError,
        InvalidInputError,
        MissingExtraError,
        RegistryError,
        UnsupportedEstimatorError,
        UntrustedModelError,
    )
    from holdfast.models.files import save_model
    from holdfast.models.loading import load_model
    from holdfast.predictions.tables import compare_tables, count_tables
    from holdfast.selection.certificate import Certificate, rows_to_certify
    from holdfast.selection.override import override_threshold
    from holdfast.selection.weights import Selection, select
    from holdfast.update.classifier import LowChurnClassifier
    from holdfast.update.floor import ChurnFloor, churn_floor
    from holdfast.update.regressor import LowChurnRegressor
