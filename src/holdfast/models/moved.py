"""The present places of classes that have moved, for model files of release 0.1.0."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

__all__ = ["with_present_names"]

# The present module of each class, by its module in release 0.1.0 and its name.
HOMES = {
    ("holdfast._base_model", "BasePredictions"): "holdfast.models.base_predictions",
    ("holdfast._base_model", "BaseModel"): "holdfast.models.base",
    ("holdfast._certification", "CertificationRows"): "holdfast.update.certification",
    ("holdfast._counts", "GroupCounts"): "holdfast.comparison.counts",
    ("holdfast._counts", "PairedCounts"): "holdfast.comparison.counts",
    ("holdfast._override_search", "OverridePoint"): "holdfast.selection.override_search",
    ("holdfast._override_search", "OverrideSelection"): "holdfast.selection.override_search",
    ("holdfast._rows", "BaseReport"): "holdfast.update.rows",
    ("holdfast._rows", "UpdateRows"): "holdfast.update.rows",
    ("holdfast._search", "FrontierPoint"): "holdfast.selection.outcome",
    ("holdfast._search", "Selection"): "holdfast.selection.outcome",
    ("holdfast._statistics", "GroupResult"): "holdfast.comparison.shares",
    ("holdfast._validation", "MatchedProba"): "holdfast.common.classes",
    ("holdfast.certificate", "CertifiedLimit"): "holdfast.selection.certificate",
    ("holdfast.certificate", "Certificate"): "holdfast.selection.certificate",
    ("holdfast.estimator", "LowChurnClassifier"): "holdfast.update.classifier",
    ("holdfast.floor", "ChurnFloor"): "holdfast.update.floor",
    ("holdfast.onnx_model", "OnnxModel"): "holdfast.models.onnx.model",
    ("holdfast.path", "Candidate"): "holdfast.update.candidates",
    ("holdfast.path", "Path"): "holdfast.update.candidates",
    ("holdfast.persistence", "LoadedModel"): "holdfast.models.card",
    ("holdfast.policy", "Verdict"): "holdfast.comparison.policy",
    ("holdfast.policy", "Check"): "holdfast.comparison.checks",
    ("holdfast.policy", "Decision"): "holdfast.comparison.policy",
    ("holdfast.policy", "Policy"): "holdfast.comparison.policy",
    ("holdfast.regressor", "LowChurnRegressor"): "holdfast.update.regressor",
    ("holdfast.serving", "AveragedClassifier"): "holdfast.models.served",
    ("holdfast.serving", "OverrideClassifier"): "holdfast.models.served",
}
MOVED_FROM = frozenset(module for module, _ in HOMES)
SCHEMA = "schema.json"


def with_present_names(source: Path) -> bytes | None:
    """Return a skops file in which all classes are named by their present modules.

    Parameters
    ----------
    source : Path
        A zip file with a schema of skops.

    Returns
    -------
    bytes or None
        The content of the file. None if no class in it has moved, so that it can be read as it is.
    """
    with zipfile.ZipFile(source) as archive:
        schema = archive.read(SCHEMA)
        if not any(f'"{module}"'.encode() in schema for module in MOVED_FROM):
            return None
        renamed = json.dumps(json.loads(schema, object_hook=_renamed))
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as copy:
            for member in archive.infolist():
                entry = renamed if member.filename == SCHEMA else archive.read(member)
                copy.writestr(member.filename, entry)
    return content.getvalue()


def _renamed(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node of a schema, with its class named by the present module."""
    home = HOMES.get((str(node.get("__module__")), str(node.get("__class__"))))
    return node if home is None else node | {"__module__": home}
