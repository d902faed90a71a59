"""From a learner and methods to the candidates of one update."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.common.warning import warn
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import join
from holdfast.learners.interface import Fit, Job, Learner, TrainingRows
from holdfast.methods.training import Cold, Method
from holdfast.models.base import BaseModel
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
    train : UpdateRows
        The training rows.
    selecting : UpdateRows or None
        The selection rows, which every candidate predicts; None where nothing is selected: for a
        first release, and for a refit.
    base_model : BaseModel or None
        For methods that serve it beside the new model.
    n_jobs : int, optional
        Number of models fitted at once, where the learner does not decide it.
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
        self.learner, self.base_model = learner, base_model
        self.n_jobs, self.verbose = n_jobs, verbose
        self.base_selection = None if selecting is None else selecting.base
        self.trainer = learner.prepare(
            TrainingRows(None, train.X, train.y, train.classes, train.weight),
            train.teacher_proba,
            None if selecting is None else selecting.X,
        )

    def fit(self, methods: Sequence[Method]) -> list[Candidate]:
        """Return one candidate for each method, except where training failed."""
        jobs = [Job(method, member) for method in methods for member in range(method.members)]
        fits: dict[Method, list[Fit]] = {method: [] for method in methods}
        trained = self.trainer.fit(jobs, n_jobs=self.n_jobs, verbose=self.verbose)
        for job, fit in zip(jobs, trained, strict=True):
            fits[job.method].append(fit)
        failed = [method for method in fits if any(fit.final is None for fit in fits[method])]
        found = [self._candidate(method, fits[method]) for method in fits if method not in failed]
        _report_failures(failed, methods)
        return found

    def _candidate(self, method: Method, fits: Sequence[Fit]) -> Candidate:
        """Return the candidate that a method makes of its members."""
        classes = self.trainer.rows.classes
        weights = np.full(len(fits), (1 - method.base_weight) / len(fits))
        served = serve(
            [self._whole(fit) for fit in fits],
            weights,
            classes,
            base_model=self.base_model,
            base_weight=method.base_weight,
            threshold=method.threshold,
        )
        members = [self._proba(fit, fit.proba) for fit in fits if fit.proba is not None]
        _report_members_alike(method, members)
        proba = None
        if members:
            proba = served_proba(
                np.stack(members),
                weights,
                base=self.base_selection,
                base_weight=method.base_weight,
                threshold=method.threshold,
            )
        seconds, goes_on = sum(fit.seconds for fit in fits), any(fit.goes_on for fit in fits)
        return Candidate(method, served.model, proba, seconds, goes_on)

    def _whole(self, fit: Fit) -> Any:
        """Return one model as it is served, with the base model where it goes on from that.

        Transformers are joined here, so that all candidates share them whatever joblib's back end.
        """
        estimator = join(self.learner.estimator, self.trainer.rows, fit.final)
        if fit.log_odds_weights is None:
            return estimator
        own, base = fit.log_odds_weights
        classes = self.trainer.rows.classes
        return AveragedClassifier(
            [estimator], np.array([own]), classes, "log_odds", self.base_model, base
        )

    def _proba(self, fit: Fit, proba: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what one model serves on the selection rows, given its own probabilities."""
        if fit.log_odds_weights is None:
            return proba
        own, base = fit.log_odds_weights
        return served_proba(
            proba[None],
            np.array([own]),
            average_in="log_odds",
            base=self.base_selection,
            base_weight=base,
        )


def _report_members_alike(method: Method, members: Sequence[NDArray[np.float64]]) -> None:
    """Warn of an ensemble whose members all have the same probabilities."""
    if len(members) > 1 and all((proba == members[0]).all() for proba in members):
        warn(
            f"the {len(members)} members of {method} are all alike: another seed changes "
            "nothing here; give the estimator some randomness (e.g. subsample), or leave "
            "the ensemble out"
        )


def _report_failures(failed: Sequence[Method], methods: Sequence[Method]) -> None:
    """Warn of methods whose training failed; plain retraining must not fail."""
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
