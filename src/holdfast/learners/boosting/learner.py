"""Soft targets for gradient boosting: what LightGBM, XGBoost and CatBoost share.

Every model is a sum of trees that gives log-odds. What methods change of the parameters of a
network, they change here of that sum:

- From the base model's parameters: boosting goes on from s · (its log-odds), with s of 1 for a warm
  start and α for shrink and perturb.
- Parameters w·base + (1 − w)·trained: the two sums, weighted.
- The first rounds alone: the first terms of the sum.

Either way what is served is a·(log-odds of the base model) + b·(trees trained here). With a base
model of the same library this is one ordinary booster, whose trees are those of both with scaled
leaves; with any other, the base model is served beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.boosting.library import Library, SoftTarget
from holdfast.learners.estimators import (
    final_of,
    fit_head,
    fresh,
    member_seeds,
    own_columns,
    proba_of,
    seeds_of,
    set_parameters,
)
from holdfast.learners.interface import Fit, Job, TrainingRows
from holdfast.methods.method import Method
from holdfast.metrics import clip

__all__ = ["BoostingLearner"]

SUPPORTED = frozenset({"target", "start", "rounds", "parameters"})


STOPPING_SHARE = 0.1  # of the training rows, held out where the estimator stops early


@dataclass(frozen=True)
class _Rows(TrainingRows):
    """Rows that remember what was made of them, for the models to come."""

    made: dict[str, _Path] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, eq=False)
class BoostingLearner:
    """Fits boosters of one library to soft targets.

    Parameters
    ----------
    estimator : estimator
        A classifier of the library, or a `Pipeline` that ends in one; never changed.
    library : Library
    base_model : object or None
    classes : ndarray of shape (K,)
    base_trees : estimator or None
        The base model where it is of this library and over the same classes.
    base_head : Pipeline or None
        The fitted transformers before it.
    from_base : bool
        Whether some method starts from it: then all models see rows as the base model does.
    """

    estimator: Any
    library: Library
    base_model: Any
    classes: NDArray[Any]
    base_trees: Any = None
    base_head: Any = None
    from_base: bool = False

    @classmethod
    def of(
        cls, estimator: Any, library: Library, base_model: Any, classes: NDArray[Any]
    ) -> BoostingLearner:
        """Return the learner of an estimator; looks for the base model's trees."""
        deployed = getattr(base_model, "served_", base_model)
        trees = library.deployed(final_of(deployed), classes)
        head = None
        if trees is not None and isinstance(deployed, Pipeline) and len(deployed.steps) > 1:
            head = deployed[:-1]
        return cls(estimator, library, base_model, classes, trees, head)

    @property
    def at_once(self) -> bool:
        """Whether many models take hardly longer than one."""
        return False

    @property
    def in_rounds(self) -> bool:
        """Whether models grow by rounds whose number the user alone has chosen."""
        final = final_of(self.estimator)
        several = self.library.rounds(final)[1] > 1
        return several and self.library.only_adds(final) and not self.library.stops_early(final)

    @property
    def auto(self) -> tuple[str, ...]:
        """Names of the methods that suit it."""
        return ("distill",) if self.base_model is None else ("distill", "warm_distill")

    def for_methods(self, methods: Sequence[Method]) -> BoostingLearner:
        """Return the learner that trains these, or raise UnsupportedEstimatorError."""
        final = final_of(self.estimator)
        for method in methods:
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
        needing = [method for method in methods if method.needs_base_parameters]
        if needing and self.base_model is None:
            raise UnsupportedEstimatorError(
                f"base_model must be given for the method {needing[0]}, which starts from it, got "
                "base_proba alone; give base_model, or a method such as 'distill'"
            )
        self.library.check(final)
        return replace(self, from_base=bool(needing))

    def prepare(
        self,
        X: Any,
        y: NDArray[np.intp],
        classes: NDArray[Any],
        sample_weight: NDArray[np.float64] | None,
    ) -> TrainingRows:
        """Fit the transformers of a pipeline once, or take those of the base model."""
        if self._same_features() and self.base_head is not None:
            head = self.base_head
            return _Rows(head, head.transform(X), y, classes, sample_weight)
        whole = self.estimator
        if isinstance(whole, Pipeline) and len(whole.steps) > 1:
            whole = Pipeline([*clone(whole[:-1]).steps, whole.steps[-1]])
        head, transformed = fit_head(whole, X, classes[y], sample_weight)
        return _Rows(head, transformed, y, classes, sample_weight)

    def _same_features(self) -> bool:
        """Whether the base model's trees can go on: both behind transformers, or neither."""
        piped = isinstance(self.estimator, Pipeline) and len(self.estimator.steps) > 1
        return self.from_base and self.base_trees is not None and piped == bool(self.base_head)

    def fit_all(
        self,
        rows: TrainingRows,
        jobs: Sequence[Job],
        base_proba: NDArray[np.float64],
        X_selection: Any,
        *,
        n_jobs: int | None,
        verbose: int,
    ) -> list[Fit]:
        """Fit a booster for every distinct training, one after the other on all cores."""
        assert isinstance(rows, _Rows)  # of `prepare`
        path = rows.made.get("path")
        if path is None or path.base_proba is not base_proba:
            path = rows.made["path"] = _Path(self, rows, base_proba, X_selection)
        for job in sorted(jobs, key=lambda job: -job.method.rounds):
            path.train(job)  # wholes first: their first rounds cost nothing then
        return [path.fit(job) for job in jobs]


class _Path:
    """The boosters of one path, all fitted to the same binned rows."""

    def __init__(
        self,
        learner: BoostingLearner,
        rows: TrainingRows,
        base_proba: NDArray[np.float64],
        X_selection: Any,
    ) -> None:
        self.learner, self.library, self.rows = learner, learner.library, rows
        self.base_proba, self.X_selection = base_proba, X_selection
        self.final = final_of(learner.estimator)
        self.rounds_setting, self.n_rounds = self.library.rounds(self.final)
        self._trained: dict[tuple[Method, int, int], tuple[Any, float]] = {}
        self._start: NDArray[np.float64] | None = None
        start = time.perf_counter()
        self.kept, self.held_out = self._split()
        held_out = None if self.held_out is None else rows.take(self.held_out)
        kept = rows if self.held_out is None else rows.take(self.kept)
        self.binned = self.library.binned(fresh(self.final), kept, held_out)
        self.class_weight = self.library.class_weight(self.final, rows)
        self.base_trees = learner.base_trees if learner._same_features() else None
        self._unclaimed = time.perf_counter() - start  # counted with the first model

    @property
    def _plain_only(self) -> bool:
        """Whether this is a first release with an objective of the user's own: a plain fit."""
        try:
            self.library.check(self.final)
        except UnsupportedEstimatorError:
            return True
        return False

    def _split(self) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
        """Hold rows out for early stopping, in proportion to the classes where they allow it."""
        everything = np.arange(len(self.rows.y))
        if not self.library.stops_early(self.final):
            return everything, None
        counts = np.bincount(self.rows.y)
        kept, held_out = train_test_split(
            everything,
            test_size=STOPPING_SHARE,
            random_state=0,
            stratify=self.rows.y if counts[counts > 0].min() > 1 else None,
        )
        return np.sort(kept), np.sort(held_out)

    def fit(self, job: Job) -> Fit:
        """Return what a job serves; models that several share are trained once."""
        method = job.method
        model, seconds = self.train(job)
        own, base = _shares(method)
        if base and self.base_trees is not None:
            model, base = self.library.join([self.base_trees, model], [base, own]), 0.0
            own = 1.0
        proba = None
        if self.X_selection is not None:
            proba = proba_of(model, self.X_selection, self.rows.classes)
        return Fit(model, proba, seconds, log_odds_weights=None if not base else (own, base))

    def train(self, job: Job) -> tuple[Any, float]:
        """Return the trees that a job needs, trained where they are not there yet, and the time."""
        trained, n_rounds = job.method.trained, max(round(job.method.rounds * self.n_rounds), 1)
        key, whole = (trained, job.member, n_rounds), (trained, job.member, self.n_rounds)
        if key not in self._trained:
            if whole in self._trained and self.learner.in_rounds:
                model, seconds = self.library.first_rounds(self._trained[whole][0], n_rounds), 0.0
            else:
                model, seconds = self._train(*key)
            if n_rounds < self.n_rounds:
                set_parameters(model, {self.rounds_setting: n_rounds})
            self._trained[key] = model, seconds
        return self._trained[key]

    def _train(self, method: Method, member: int, n_rounds: int) -> tuple[Any, float]:
        start = time.perf_counter()
        final = fresh(self.final)
        if member:
            final.set_params(**member_seeds(final, member))
        target, held_out = self._target(method), None
        if self.held_out is not None:
            target, held_out = target.take(self.kept), target.take(self.held_out)
        if self._plain_only:
            model = final.fit(self.rows.X, self.rows.labels, sample_weight=self.rows.sample_weight)
        else:
            model = self.library.fit(final, self.binned, target, held_out, n_rounds)
        seconds, self._unclaimed = time.perf_counter() - start + self._unclaimed, 0.0
        return model, seconds

    def _target(self, method: Method) -> SoftTarget:
        target = method.target(self.rows.y, self.base_proba, np.arange(len(self.rows.classes)))
        if self.class_weight is not None:
            target = target * self.class_weight
        mass = target.sum(axis=1)
        proba = np.divide(target, mass[:, None], where=mass[:, None] > 0, out=np.zeros_like(target))
        proba[mass == 0, 0] = 1.0  # of rows without weight
        weight = self.rows.sample_weight
        if not np.allclose(mass, 1.0, rtol=0, atol=1e-12):
            weight = mass if weight is None else mass * weight
        scale = float(method.start(0.0, 1.0))
        return SoftTarget(proba, weight, scale * self._base_log_odds() if scale else None)

    def _base_log_odds(self) -> NDArray[np.float64]:
        """Return the base model's log-odds for the training rows; 0 where it has none."""
        if self._start is None:
            if self.base_trees is not None:
                own = own_columns(self.base_trees, self.rows.X)
                self._start = self.library.log_odds(self.base_trees, own)
            else:
                self._start = np.nan_to_num(np.log(clip(self.base_proba)))
        return self._start


def _shares(method: Method) -> tuple[float, float]:
    """Return the weights of the trees trained here and of the base model in what is served."""
    own = float(method.finish(1.0, 0.0))
    start = float(method.trained.start(0.0, 1.0))
    return own, float(method.finish(start, 1.0))
