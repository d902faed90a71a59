"""`load_model`: reads a model from a file or from the address of a registry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.models.card import LoadedModel
from holdfast.models.files import read_model
from holdfast.models.trust import Trust, TrustedFiles

__all__ = ["as_loaded", "load_model"]

ADDRESSES = ("models:/", "runs:/")


def load_model(
    path: str | os.PathLike[str],
    *,
    trusted_types: Sequence[str] = (),
    trusted_files: TrustedFiles | None = None,
    trusted: Any = None,
) -> LoadedModel:
    """Read a model; whatever could run code is refused unless it is trusted.

    Parameters
    ----------
    path : path-like
        A file that `save_model` wrote, another skops file that holds an estimator, an ONNX file
        (`.onnx`, see `holdfast.models.onnx.model.OnnxModel`), or a pickle. It may also be an
        address in an MLflow registry: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION`` or
        ``runs:/ID/PATH``.
    trusted_types : sequence of str
        The names of further types that may be built; the error lists those that are needed.
    trusted_files : mapping of str to str, optional
        The files that may run code, such as pickles: the path within the model's folder (for a
        model file, its name) and the SHA-256 hash of the content, or several hashes. The error
        without it says which are needed. Loading such a file runs any code that its author put
        there; trust only sources that you know.
    trusted : None
        The parameter of former releases, which raises an error.

    Returns
    -------
    LoadedModel

    Raises
    ------
    UntrustedModelError
        When the file needs types that are not trusted, or is a pickle that is not trusted.
    InvalidInputError
        When the file is missing, cut short, of another kind, or holds no model.
    MissingExtraError
        When the library that reads such a file is not installed.

    Notes
    -----
    The classes that holdfast defines are trusted; its functions are not. scikit-learn warns
    (`InconsistentVersionWarning`) when another of its releases stored an estimator.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from holdfast import save_model
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.skops"
    >>> save_model(DecisionTreeClassifier().fit([[0], [1]], ["a", "b"]), path)
    >>> load_model(path).model.predict([[1]])
    array(['b'], dtype='<U1')
    """
    trust = Trust.of(trusted_types, trusted_files, trusted)
    if str(path).startswith(ADDRESSES):
        from holdfast.models.mlflow.models import load_registered

        return load_registered(str(path), trusted_types=trust.types, trusted_files=trusted_files)
    return read_model(Path(path), trust)


def as_loaded(model: Any) -> LoadedModel:
    """Return a model as a `LoadedModel`, reading its file if necessary.

    Parameters
    ----------
    model : str, path-like, LoadedModel or object
        A file or an address, as in `load_model`; the result of `load_model`; or a model itself.
    """
    if isinstance(model, LoadedModel):
        return model
    if isinstance(model, (str, os.PathLike)):
        return load_model(model)
    return LoadedModel(model)
