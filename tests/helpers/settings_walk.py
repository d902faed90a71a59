"""A walk through the settings of an estimator: each acts as in its library, or is refused."""

from dataclasses import dataclass

import numpy as np
import pytest

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners.estimators import proba_of
from holdfast.learners.interface import Job, TrainingRows
from holdfast.learners.lookup import learner_of
from holdfast.methods import Distill

RNG = np.random.default_rng(0)
N = 240
X = np.round(RNG.normal(size=(N, 6)), 2).astype(np.float32)
X[:, 5] = RNG.integers(0, 6, N)
ODDS = np.exp(1.5 * X[:, :3])
CHANCE = RNG.random(N)
LABELS = {
    k: (ODDS[:, :k].cumsum(axis=1) < CHANCE[:, None] * ODDS[:, :k].sum(axis=1, keepdims=True))
    .sum(axis=1)
    .astype(np.int64)
    for k in (2, 3)
}
BASE = {k: RNG.dirichlet(np.ones(k), N) for k in (2, 3)}


@dataclass(frozen=True)
class Line:
    """A setting with another value than its default.

    Attributes
    ----------
    value : object
    others : dict
        Further settings that it needs to have an effect.
    refused : bool
    name : str or None
        The setting, where the line has another name.
    """

    value: object
    others: dict
    refused: bool = False
    name: str | None = None


def acts(value, name=None, **others):
    """Return the line of a setting that acts as in its library."""
    return Line(value, others, name=name)


def refused(value, name=None, **others):
    """Return the line of a setting that is refused by name."""
    return Line(value, others, refused=True, name=name)


def lines(**table):
    """Return (id, line) for each NAME=value of a table, where a bare value is one that acts."""
    named = {key: given if isinstance(given, Line) else acts(given) for key, given in table.items()}
    return [pytest.param(line.name or key, line, id=key) for key, line in named.items()]


def names_of(cases):
    """Return the settings that lines are about."""
    return {case.values[0] for case in cases}


class Walk:
    """Fits of one kind of estimator: by its library, and by its learner.

    Parameters
    ----------
    make : callable
        Builds an estimator with some settings, on top of small defaults.
    n_classes : int
    fit : callable, optional
        Fits an estimator as its library does, given rows and labels.
    tolerance : float
        Largest difference between probabilities that counts as none.
    """

    def __init__(self, make, n_classes=2, fit=None, tolerance=1e-6):
        self.make, self.n_classes, self.tolerance = make, n_classes, tolerance
        self.y, self.base = LABELS[n_classes], BASE[n_classes]
        self.fit = fit or (lambda estimator, X, y: estimator.fit(X, y))
        self._plain = None

    def by_library(self, params):
        model = self.fit(self.make(**params), X, self.y)
        return model, proba_of(model, X, np.arange(self.n_classes))

    def by_learner(self, params, lam):
        estimator, method, classes = self.make(**params), Distill(lam), np.arange(self.n_classes)
        learner = learner_of(
            estimator,
            soft_targets="weights",
            random_state=0,
            base_model=None,
            classes=classes,
            methods=[method],
        )
        rows = TrainingRows(None, X, self.y, classes, None)
        (fit,) = learner.prepare(rows, self.base, X).fit([Job(method)], n_jobs=1, verbose=0)
        return fit.final, fit.proba

    def plain(self):
        """Return the probabilities of the default settings, by the library and at λ = 0.5."""
        if self._plain is None:
            self._plain = self.by_library({})[1], self.by_learner({}, 0.5)[1]
        return self._plain

    def check(self, name, line):
        """Raise AssertionError unless a setting does what its line says."""
        params = {name: line.value} | line.others
        if line.refused:
            with pytest.raises(UnsupportedEstimatorError, match=rf"(?<!\w){name}(?!\w)"):
                self.by_learner(params, 0.5)
            return
        model, expected = self.by_library(params)
        ours, proba = self.by_learner(params, 0.0)
        np.testing.assert_allclose(proba, expected, rtol=0, atol=self.tolerance)
        if "importance_type" in params:
            np.testing.assert_allclose(
                ours.feature_importances_, model.feature_importances_, rtol=1e-4, atol=1e-6
            )
        library, soft = self.plain()
        if np.abs(expected - library).max() > 1e-4:
            assert np.abs(self.by_learner(params, 0.5)[1] - soft).max() > 1e-6
