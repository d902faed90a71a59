"""The learner of boosters: what LightGBM, XGBoost and CatBoost share.

Every model is a sum of trees that gives log-odds. What methods do to the parameters of a network,
they do here to that sum:

- Start from the base model's parameters: boosting goes on from s · (the base model's log-odds). A
  warm start has s = 1, shrink and perturb has s = α.
- Serve the parameters w·base + (1 − w)·trained: the two sums are weighted and added.
- Serve the first rounds alone: the first terms of the sum.

In each case a·(log-odds of the base model) + b·(trees trained here) is served. With a base model of
the same library this is one ordinary booster, whose trees are those of both with scaled leaves. Its
scores are compared with that sum (`sums`). Where they differ, and with any other base model, the
base model is served beside the booster.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.boosting import sums
from holdfast.learners.boosting.library import Library, SoftTarget
from holdfast.learners.boosting.objective import softmax
from holdfast.learners.estimators import (
    behind_transformers,
    final_of,
    fresh,
    member_seeds,
    own_columns,
    proba_of,
    seeds_of,
    set_parameters,
    transformers_of,
)
from holdfast.learners.interface import Fit, Job, TrainingRows
from holdfast.methods.method import Method
from holdfast.metrics import clip

__all__ = ["BoostingLearner", "BoostingTrainer"]

SUPPORTED = frozenset({"target", "start", "rounds", "parameters"})  # what a method may change
STOPPING_SHARE = 0.1  # share of the training rows held out where the estimator stops early


@dataclass(frozen=True, eq=False)
class BoostingLearner:
    """Fits boosters of one library to soft targets.

    Parameters
    ----------
    estimator : estimator
        A classifier of the library, or a `Pipeline` that ends in one; never changed.
    library : Library
    base_trees : estimator or None
        The base model, where some method starts from it and boosting can go on from its trees.
    base_head : Pipeline or None
        The fitted transformers before `base_trees`; all models then see rows through these.
    plain : bool
        Whether the library's own fit is called, since the estimator has another objective than log
        loss. Only a first release may have one.
    """

    estimator: Any
    library: Library
    base_trees: Any = None
    base_head: Pipeline | None = None
    plain: bool = False

    @classmethod
    def of(
        cls,
        estimator: Any,
        library: Library,
        base_model: Any,
        classes: NDArray[Any],
        methods: Sequence[Method],
    ) -> BoostingLearner:
        """Return the learner that trains these methods, or raise UnsupportedEstimatorError."""
        final = final_of(estimator)
        for method in methods:
            _check_method(method, final, base_model)
        try:
            library.check(final)
        except UnsupportedEstimatorError:
            if methods:
                raise
            return cls(estimator, library, plain=True)
        if not any(method.needs_base_parameters for method in methods):
            return cls(estimator, library)
        trees, head = _trees_to_go_on_from(base_model, library, estimator, classes)
        return cls(estimator, library, trees, head)

    @property
    def in_rounds(self) -> bool:
        """Whether models grow in rounds and the user alone has chosen how many."""
        final = final_of(self.estimator)
        several = self.library.rounds(final)[1] > 1
        return several and self.library.only_adds(final) and not self.library.stops_early(final)

    def prepare(
        self, rows: TrainingRows, base_proba: NDArray[np.float64], X_selection: Any
    ) -> BoostingTrainer:
        """Bin the rows, behind the transformers of the base model or newly fitted ones."""
        if self.base_head is None:
            rows = behind_transformers(self.estimator, rows)
        else:
            rows = rows.behind(self.base_head, self.base_head.transform(rows.X))
        return BoostingTrainer(self, rows, base_proba, rows.transform(X_selection))


def _check_method(method: Method, final: Any, base_model: Any) -> None:
    """Refuse a method that boosters cannot be trained by."""
    more = sorted(method.changes - SUPPORTED)
    if more:
        raise UnsupportedEstimatorError(
            f"method must change targets or the start for {type(final).__name__}, got "
            f"{method}, which changes the {' and the '.join(more)}; use a network "
            "(holdfast.nn.NetworkClassifier), or a method such as 'warm_distill'"
        )
    if method.members > 1 and not seeds_of(final):
        raise UnsupportedEstimatorError(
            f"estimator must have a random_state to be one of {method.members} members, "
            f"got {type(final).__name__} without; set one"
        )
    if method.needs_base_parameters and base_model is None:
        raise UnsupportedEstimatorError(
            f"base_model must be given for the method {method}, which starts from it, got "
            "base_proba alone; give base_model, or a method such as 'distill'"
        )


def _trees_to_go_on_from(
    base_model: Any, library: Library, estimator: Any, classes: NDArray[Any]
) -> tuple[Any, Pipeline | None]:
    """Return the base model's trees and the transformers before them; None where they won't do.

    The base model must be of the same library and over the same classes. Both models must see the
    same features: both stand behind transformers, or neither does.
    """
    deployed = getattr(base_model, "served_", base_model)
    trees, head = library.deployed(final_of(deployed), classes), transformers_of(deployed)
    if trees is None or (head is None) != (transformers_of(estimator) is None):
        return None, None
    return trees, head


class BoostingTrainer:
    """Fits boosters to the rows of one `prepare`, which are binned once.

    It keeps the trees of every training, so that no later job trains them again.

    Parameters
    ----------
    learner : BoostingLearner
    rows : TrainingRows
        As the booster sees them.
    base_proba : ndarray of shape (n, K)
    X_selection : array-like of shape (n_selection, d) or None
        As the booster sees them.
    """

    def __init__(
        self,
        learner: BoostingLearner,
        rows: TrainingRows,
        base_proba: NDArray[np.float64],
        X_selection: Any,
    ) -> None:
        start = time.perf_counter()
        self.learner, self.library, self.rows = learner, learner.library, rows
        self.base_proba, self.X_selection = base_proba, X_selection
        self.final = final_of(learner.estimator)
        self.rounds_setting, self.n_rounds = self.library.rounds(self.final)
        self.class_weight = self.library.class_weight(self.final, rows)
        self.kept, self.held_out = _split(rows.y, self.library.stops_early(self.final))
        kept, held_out = rows, None
        if self.held_out is not None:
            kept, held_out = rows.take(self.kept), rows.take(self.held_out)
        self.binned = self.library.binned(fresh(self.final), kept, held_out)
        self._trained: dict[tuple[Method, int, int], tuple[Any, float]] = {}
        self._unclaimed = time.perf_counter() - start  # counted with the first model

    def fit(self, jobs: Sequence[Job], *, n_jobs: int | None, verbose: int) -> list[Fit]:
        """Fit a booster for every distinct training, one after the other on all cores."""
        for job in sorted(jobs, key=lambda job: -job.method.rounds):
            self._trees(job)  # whole boosters first: their first rounds cost nothing then
        return [self._fit(job) for job in jobs]

    def _fit(self, job: Job) -> Fit:
        """Return what a job serves; trees that several jobs share are trained once."""
        model, seconds = self._trees(job)
        own, base = _shares(job.method)
        if base and self.base_trees is not None:
            whole = sums.joined(
                self.library, [self.base_trees, model], [base, own], self._rows_to_compare
            )
            if whole is None:
                sums.report_apart(
                    f"one booster with the trees of {job.method} and of the base model",
                    "the base model is served beside the booster",
                )
            else:
                model, own, base = whole, 1.0, 0.0
        proba = None
        if self.X_selection is not None:
            proba = proba_of(model, self.X_selection, self.rows.classes)
        return Fit(
            model,
            proba,
            seconds,
            log_odds_weights=None if not base else (own, base),
            goes_on=bool(job.method.trained.start(0.0, 1.0)),
        )

    def _trees(self, job: Job) -> tuple[Any, float]:
        """Return the trees that a job needs, trained at its first call, and the seconds it took."""
        method, n_rounds = job.method.trained, max(round(job.method.rounds * self.n_rounds), 1)
        key, whole = (method, job.member, n_rounds), (method, job.member, self.n_rounds)
        if key not in self._trained:
            model, seconds = None, 0.0
            if whole in self._trained and self.learner.in_rounds:
                model = sums.first_rounds(
                    self.library, self._trained[whole][0], n_rounds, self._rows_to_compare
                )
            if model is None:
                model, seconds = self._train(*key)
            if n_rounds < self.n_rounds:
                set_parameters(model, {self.rounds_setting: n_rounds})
            self._trained[key] = model, seconds
        return self._trained[key]

    def _train(self, method: Method, member: int, n_rounds: int) -> tuple[Any, float]:
        start, rows = time.perf_counter(), self.rows
        final = fresh(self.final)
        if member:
            final.set_params(**member_seeds(final, member))
        if self.learner.plain:
            model = final.fit(rows.X, rows.labels, sample_weight=rows.sample_weight)
        else:
            target, held_out = self._target(method), None
            if self.held_out is not None:
                target, held_out = target.take(self.kept), target.take(self.held_out)
            model = self.library.fit(final, self.binned, target, held_out, n_rounds)
        seconds, self._unclaimed = time.perf_counter() - start + self._unclaimed, 0.0
        return model, seconds

    def _target(self, method: Method) -> SoftTarget:
        target = method.target(self.rows.y, self.base_proba, np.arange(len(self.rows.classes)))
        if self.class_weight is not None:
            target = target * self.class_weight
        mass = target.sum(axis=1)
        proba = np.divide(target, mass[:, None], where=mass[:, None] > 0, out=np.zeros_like(target))
        proba[mass == 0, 0] = 1.0  # any class will do: these rows weigh nothing
        weight = self.rows.sample_weight
        if not np.allclose(mass, 1.0, rtol=0, atol=1e-12):
            weight = mass if weight is None else mass * weight
        scale = float(method.start(0.0, 1.0))
        return SoftTarget(proba, weight, scale * self._base_log_odds if scale else None)

    @property
    def _rows_to_compare(self) -> Any:
        """The rows on which boosters are compared with the sum of their parts."""
        return self.rows.X if self.X_selection is None else self.X_selection

    @cached_property
    def base_trees(self) -> Any:
        """The base model's trees to go on from; None where their scores are no log-odds."""
        trees = self.learner.base_trees
        if trees is None:
            return None

        def by_scores(X: Any) -> NDArray[np.float64]:
            return softmax(self.library.log_odds(trees, own_columns(trees, X)))

        def by_model(X: Any) -> NDArray[np.float64]:
            return proba_of(trees, own_columns(trees, X), self.rows.classes)

        return trees if sums.agree(by_scores, by_model, self._rows_to_compare) else None

    @cached_property
    def _base_log_odds(self) -> NDArray[np.float64]:
        """The base model's log-odds for the training rows, (n, K); 0 where it has none."""
        trees = self.base_trees
        if trees is None:
            return np.nan_to_num(np.log(clip(self.base_proba)))
        return self.library.log_odds(trees, own_columns(trees, self.rows.X))


def _split(
    y: NDArray[np.intp], stops_early: bool
) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Hold rows out for early stopping, in proportion to the classes where they allow it."""
    everything = np.arange(len(y))
    if not stops_early:
        return everything, None
    counts = np.bincount(y)
    kept, held_out = train_test_split(
        everything,
        test_size=STOPPING_SHARE,
        random_state=0,
        stratify=y if counts[counts > 0].min() > 1 else None,
    )
    return np.sort(kept), np.sort(held_out)


def _shares(method: Method) -> tuple[float, float]:
    """Return the weights of the trees trained here and of the base model in what is served."""
    own = float(method.finish(1.0, 0.0))
    start = float(method.trained.start(0.0, 1.0))
    return own, float(method.finish(start, 1.0))
