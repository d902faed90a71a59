"""Proofs for sparse matrices and random states."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.models.proofs.claims import UnprovenError, claim, whole

__all__ = ["prove_generator", "prove_random_state", "prove_sparse"]

STATE_LENGTH = 624  # of a Mersenne Twister


def prove_sparse(matrix: Any) -> None:
    """Raise unless the indices of a sparse matrix stay inside its shape."""
    if matrix.format == "coo":
        claim(len(matrix.coords) == len(matrix.shape), "a sparse matrix has odd coordinates")
        for index, size in zip(matrix.coords, matrix.shape, strict=True):
            claim(len(index) == len(matrix.data), "a sparse matrix has too few coordinates")
            claim(((index >= 0) & (index < size)).all(), "a sparse matrix points outside itself")
    elif matrix.format in ("csr", "csc"):
        claim(matrix.indptr.ndim == matrix.indices.ndim == 1, "a sparse matrix has odd indices")
        matrix.check_format(full_check=True)
    else:
        raise UnprovenError(f"a sparse matrix of the format {matrix.format}")


def prove_random_state(state: Any) -> None:
    """Raise unless the state of a legacy generator stays inside its numbers."""
    _prove_position(state.get_state(legacy=False))


def prove_generator(generator: Any) -> None:
    """Raise unless the state of a generator stays inside its numbers."""
    _prove_position(generator.bit_generator.state)


def _prove_position(state: dict[str, Any]) -> None:
    if "buffer_pos" in state:
        whole(state["buffer_pos"], "the position of a random state", 0, len(state["buffer"]))
    inner = state.get("state")
    if isinstance(inner, dict) and "pos" in inner:
        claim(len(np.asarray(inner["key"])) == STATE_LENGTH, "a random state has another length")
        whole(inner["pos"], "the position of a random state", 0, STATE_LENGTH)
