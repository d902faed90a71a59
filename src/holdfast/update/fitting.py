"""From methods and a learner to the candidates of one update."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import join
from holdfast.learners.interface import Fit, Job, Learner, TrainingRows
from holdfast.methods.training import Cold, Method
from holdfast.models.base import BaseModel
from holdfast.models.base_predictions import BasePredictions
from holdfast.models.served import AveragedClassifier, serve, served_proba
from holdfast.update.candidates import Candidate
from holdfast.update.rows import UpdateRows

__all__ = ["PathFitter"]


class PathFitter:
    """Fits candidates of one update, as many at a time as asked for.

    Transformers are fitted, and rows made ready, once for all of them.

    Parameters
    ----------
    learner : Learner
    X : array-like of shape (n, …)
        Training rows.
    y : ndarray of shape (n,)
        Positions of the labels in `classes`.
    classes : ndarray of shape (K,)
    base_proba : ndarray of shape (n, K), optional
        NaN rows have no base prediction.
    X_selection : array-like of shape (n_selection, …), optional
        Rows to predict for the selection.
    base_model : BaseModel, optional
        For methods that serve it beside the new model.
    base_selection : BasePredictions, optional
        Its predictions for the selection rows.
    sample_weight : ndarray of shape (n,), optional
    n_jobs : int, optional
        Models fitted at once, as the learner does it.
    verbose : int
    """

    def __init__(
        self,
        learner: Learner,
        train: UpdateRows,
        selecting: UpdateRows | None,
        base_model: BaseModel | None,
        *,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.learner, self.n_jobs, self.verbose = learner, n_jobs, verbose
        self.rows = learner.prepare(train.X, train.y, train.classes, train.weight)
        self.base_proba = train.teacher_proba
        self.X_selection = None if selecting is None else self.rows.transform(selecting.X)
        base = None if selecting is None else selecting.base
        self.assemble = _Assembler(learner, self.rows, train.classes, base_model, base)

    def fit(self, methods: Sequence[Method]) -> list[Candidate]:
        """Return one candidate for each method, but for those whose training failed."""
        jobs = [Job(method, member) for method in methods for member in range(method.members)]
        fits = self.learner.fit_all(
            self.rows,
            jobs,
            self.base_proba,
            self.X_selection,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        # Joined here, so that all candidates share one set of transformers whatever the back end.
        found = {
            method: self.assemble(
                method, [f for j, f in zip(jobs, fits, strict=True) if j.method == method]
            )
            for method in methods
        }
        failed = [method for method, candidate in found.items() if candidate is None]
        _report_failures(failed, methods)
        return [candidate for candidate in found.values() if candidate is not None]


@dataclass(frozen=True, eq=False)
class _Assembler:
    """Makes candidates of fitted models."""

    learner: Learner
    rows: TrainingRows
    classes: NDArray[Any]
    base_model: BaseModel | None
    base_selection: BasePredictions | None

    def __call__(self, method: Method, fits: Sequence[Fit]) -> Candidate | None:
        """Return the candidate of one method from its members, None where one failed."""
        if any(fit.final is None for fit in fits):
            return None
        weights = np.full(len(fits), (1 - method.base_weight) / len(fits))
        served = serve(
            [self._whole(fit) for fit in fits],
            weights,
            self.classes,
            base_model=self.base_model,
            base_weight=method.base_weight,
            threshold=method.threshold,
        )
        member_proba = [self._proba(fit) for fit in fits if fit.proba is not None]
        if len(member_proba) > 1 and all((p == member_proba[0]).all() for p in member_proba):
            warn(
                f"the {len(member_proba)} members of {method} are all alike: another seed changes "
                "nothing here; give the estimator some randomness (e.g. subsample), or leave "
                "the ensemble out"
            )
        proba = None
        if member_proba:
            proba = served_proba(
                np.stack(member_proba),
                weights,
                base=self.base_selection,
                base_weight=method.base_weight,
                threshold=method.threshold,
            )
        return Candidate(method, served.model, proba, sum(fit.seconds for fit in fits))

    def _whole(self, fit: Fit) -> Any:
        """Return one model as it is served, with the base model where it goes on from that."""
        estimator = join(self.learner.estimator, self.rows, fit.final)
        if fit.log_odds_weights is None:
            return estimator
        own, base = fit.log_odds_weights
        return AveragedClassifier(
            [estimator], np.array([own]), self.classes, "log_odds", self.base_model, base
        )

    def _proba(self, fit: Fit) -> NDArray[np.float64]:
        """Return its probabilities on the selection rows."""
        assert fit.proba is not None
        if fit.log_odds_weights is None:
            return fit.proba
        own, base = fit.log_odds_weights
        return served_proba(
            fit.proba[None],
            np.array([own]),
            average_in="log_odds",
            base=self.base_selection,
            base_weight=base,
        )


def _report_failures(failed: Sequence[Method], methods: Sequence[Method]) -> None:
    if not failed:
        return
    names = ", ".join(map(str, failed[:5]))
    if Cold() in failed:
        raise InvalidInputError(
            f"plain retraining must end with a finite loss, got one that is not for {names}; scale "
            "the features, look for infinite values, or lower the learning rate"
        )
    warn(
        f"{len(failed)} of {len(methods)} settings are not on the path, since their loss was not "
        f"finite: {names}"
    )
