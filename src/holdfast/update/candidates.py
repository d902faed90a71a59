"""The candidates of one update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.arrays import missing_rows
from holdfast.methods.training import Method
from holdfast.metrics import loss_per_row
from holdfast.update.rows import UpdateRows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Candidate", "Path"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One model, or what a method makes of several.

    Attributes
    ----------
    method : Method
        The method that it was trained with.
    estimator : estimator
    proba : ndarray of shape (n_selection, K) or None
        Probabilities on the selection rows; None without such rows.
    fit_seconds : float
    goes_on : bool
        Whether it is a booster whose training went on from the base model.
    """

    method: Method
    estimator: Any
    proba: NDArray[np.float64] | None
    fit_seconds: float
    goes_on: bool = False

    def fits_worse_than_base(self, rows: UpdateRows) -> bool:
        """Whether its log loss on the selection rows is higher than the base model's."""
        assert self.proba is not None  # on the path of an update
        base, weight = rows.base.matched.proba, np.ones(len(rows.y))
        known = ~missing_rows(base)
        weight = (weight if rows.weight is None else rows.weight)[known]
        own, theirs = (
            loss_per_row(rows.y[known], p[known], "log_loss") for p in (self.proba, base)
        )
        return bool(own @ weight > theirs @ weight)


@dataclass(frozen=True, eq=False)
class Path:
    """The candidates of one update; the first is plain retraining.

    Attributes
    ----------
    candidates : tuple of Candidate
    classes : ndarray of shape (K,)
    dropped : tuple of Method
        Methods whose boosters went on from the base model and fit the selection rows worse than it,
        by their log loss. They are no candidates.
    """

    candidates: tuple[Candidate, ...]
    classes: NDArray[Any]
    dropped: tuple[Method, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Readable names of the candidates, in order."""
        return tuple(str(candidate.method) for candidate in self.candidates)

    @property
    def lambdas(self) -> NDArray[np.float64]:
        """Weight of the base model in each candidate's targets, shape (L,)."""
        return np.array([candidate.method.lam for candidate in self.candidates])

    @property
    def proba(self) -> NDArray[np.float64]:
        """Probabilities of all candidates on the selection rows, shape (L, n_selection, K)."""
        return np.stack([c.proba for c in self.candidates if c.proba is not None])

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each candidate: method, settings, time of the fit."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"method": c.method.name, **_settings_of(c.method), "fit_seconds": c.fit_seconds}
                for c in self.candidates
            ]
        )


def _settings_of(method: Method) -> dict[str, Any]:
    """Return settings as a table can hold them."""
    return {k: str(v) if isinstance(v, Method) else v for k, v in method.params().items()}
