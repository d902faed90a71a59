"""Facts about how a result was made: versions, and what the caller adds."""

from __future__ import annotations

from typing import Any

from holdfast.common.plain import plain

__all__ = ["provenance"]

PACKAGES = ("holdfast", "numpy", "scikit-learn")


def provenance(**facts: Any) -> dict[str, Any]:
    """Return facts about how a result was made, with the versions of the libraries in use.

    Parameters
    ----------
    **facts
        Rows, seeds, commands and the like. Values may be nested mappings. A mapping ``versions``
        is merged with the versions found here.

    Returns
    -------
    dict
        Plain Python values. They contain no time, so that the same work gives the same facts.

    Examples
    --------
    >>> sorted(provenance(seed=0))
    ['seed', 'versions']
    """
    import platform  # both load slowly, and only reports need them
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # e.g. run from a source tree
            continue
    given = facts.get("versions") or {}
    return plain({**facts, "versions": {**versions, **given}})
