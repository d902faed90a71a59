"""The search of λ against the grid that it stands in for."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from holdfast import LowChurnClassifier
from holdfast.exceptions import InfeasibleBudgetError
from holdfast.methods import Cold, Distill
from holdfast.report.frontier import frontier
from holdfast.selection import select
from holdfast.selection.budget import Budget
from holdfast.selection.mixtures import mix
from holdfast.selection.override import override_classes
from holdfast.selection.override_search import OverrideSelection
from holdfast.update.candidates import Candidate
from holdfast.update.certification import certify
from holdfast.update.lambda_search import (
    BOLDER,
    EVENLY,
    MAX_FITS,
    SearchRows,
    fewer_rounds_do,
    search_lambdas,
)

X, Y = make_classification(6000, 12, n_informative=8, flip_y=0.1, random_state=1)
BASE = LogisticRegression(C=0.05).fit(X[:300], Y[:300])
SEEN = np.arange(6000) < 300


def update(**options):
    options = {"random_state": 0, "max_churn": 0.03} | options
    return LowChurnClassifier(LogisticRegression(), BASE, **options).fit(X, Y, seen_by_base=SEEN)


@pytest.mark.parametrize("churn", ["hard", "kl"])
@pytest.mark.parametrize("budget", [0.02, 0.04, 0.06])
@pytest.mark.parametrize("base_proba", [False, True], ids=["base", "logged"])
def test_few_fits_reach_the_grid(churn, budget, base_proba):
    limit = budget if churn == "hard" else budget / 8
    options = {"churn": churn, "max_churn": limit}
    if base_proba:
        options["include_base"] = False
    found = update(**options)
    grid = update(**options, lambdas=np.linspace(0.1, 0.9, 9))
    assert len(found.path_.candidates) <= 1 + MAX_FITS
    assert found.path_.lambdas[0] == 0
    kept = found.selection_.churn_rate if churn == "hard" else found.selection_.soft_churn
    assert kept <= limit + 1e-9
    # A standard error of the mean loss is .01 here.
    assert found.selection_.risk <= grid.selection_.risk + 1e-3


def test_the_operating_point_of_the_paper():
    found, grid = (update(max_churn=None, lambdas=grid) for grid in ("auto", [0.2, 0.4, 0.6, 0.8]))
    assert found.selection_.accuracy >= found.selection_.min_accuracy - 1e-9
    assert found.selection_.churn_rate <= grid.selection_.churn_rate + 0.01
    assert len(found.path_.candidates) <= 1 + MAX_FITS


def test_a_budget_that_binds_nothing_costs_nothing():
    model = update(max_churn=1.0)
    assert model.path_.labels == ("cold",)


def test_a_budget_that_costs_risk_is_worth_a_fit():
    for max_churn in (0.005, 0.01):
        assert len(update(max_churn=max_churn).path_.candidates) >= 2


def test_bolder_settings_where_no_mixture_keeps_the_budget():
    lambdas = update(include_base=False, max_churn=0.03).path_.lambdas
    assert lambdas[-1] >= BOLDER[0]
    with pytest.raises(InfeasibleBudgetError, match="max_churn must be at least"):
        update(include_base=False, max_churn=0.0)


@pytest.mark.parametrize("mixture", ["single", "override"])
def test_one_candidate_is_looked_for_evenly(mixture):
    model = update(mixture=mixture, max_churn=0.2)
    assert set(model.path_.lambdas) <= {0.0, *EVENLY}
    assert model.comparison_.churn_rate <= 0.2


def test_trees_that_gain_nothing_stop_soon():
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    base = tree.fit(X[:300], Y[:300])
    estimator = DecisionTreeClassifier(max_depth=3, random_state=0)
    model = LowChurnClassifier(estimator, base, max_churn=0.02, random_state=0).fit(X, Y)
    assert len(model.path_.candidates) <= 3


@pytest.mark.parametrize("budget", [{"max_churn": 0.02}, {"max_churn": 0.05}, {"max_churn": None}])
def test_everything_that_suits_competes(budget):
    auto = update(method="auto", **budget)
    average = update(lambdas=auto.path_.lambdas, **budget)
    both = [auto.selection_, auto.rival_]
    (override,) = (one for one in both if isinstance(one, OverrideSelection))
    rows = auto._update.selecting
    free = select(auto.path_.proba, rows.base.matched.proba, rows.y, max_churn=np.inf, churn="kl")
    if budget["max_churn"]:
        np.testing.assert_allclose(override.weights, free.weights, atol=1e-6)
    if average.base_weight_:
        merit, best = ("accuracy", max) if budget["max_churn"] else ("churn_rate", min)
        measures = [getattr(one, merit) for one in (average.selection_, override)]
        assert getattr(auto.selection_, merit) == pytest.approx(best(measures), abs=1e-9)
    series = {point["series"] for point in frontier(auto)["points"]}
    assert {"cold", "override", "average"} <= series
    assert sum(point["chosen"] for point in frontier(auto)["points"]) == 1
    if auto.selection_ is override:
        proba = np.stack([one.estimator.predict_proba(X) for one in auto.path_.candidates])
        new = mix(proba, override.weights, "probability")
        answers = override_classes(new, BASE.predict(X), auto.override_threshold_)
    else:
        answers = average.predict(X)
        assert not hasattr(auto, "override_threshold_")
    np.testing.assert_array_equal(auto.predict(X), answers)


@pytest.mark.parametrize("average_in", ["probability", "log_odds"])
def test_what_overrides_on_the_certification_rows_is_what_is_served(average_in):
    trees = [RandomForestClassifier(5, max_depth=8, random_state=i) for i in range(2)]
    base = trees[0].fit(X[:300], Y[:300])
    options = {"method": "auto", "average_in": average_in, "confidence": 0.9, "random_state": 0}
    auto = LowChurnClassifier(trees[1], base, max_churn=0.1, **options).fit(X, Y)
    override = auto.selection_ if isinstance(auto.selection_, OverrideSelection) else auto.rival_
    assert np.count_nonzero(override.weights) > 1
    rows = auto._update.certification
    found = certify(override, rows, Budget(max_churn=0.1), confidence=0.9, n_selection=1)
    new, pred = mix(rows.proba, override.weights, average_in), rows.rows.base.pred
    changed = override_classes(new, pred, found.step.threshold) != pred
    assert found.certificate.limits[0].value == changed.mean()
    assert found.certificate.limits[0].upper <= 0.1
    np.testing.assert_array_equal(found.step.weights, override.weights)


def test_no_override_without_a_base_model_to_serve():
    for options in ({"include_base": False, "max_churn": 0.1}, {"churn": "kl"}):
        assert update(method="auto", **options).rival_ is None
    assert update(method="distill").rival_ is None


# --- on a curve that is known ---------------------------------------------------------------------

N = 4000
P_BASE, P_NEW = 0.9, 0.4  # of the first class, for all rows


class Curve:
    """One kind of row: the best answer at λ is (1 − λ)·share + λ·base."""

    def __init__(self, share=P_NEW, bend=0.0):
        self.y = (np.arange(N) >= share * N).astype(int)
        self.share, self.bend, self.fitted = share, bend, []
        base = np.tile([P_BASE, 1 - P_BASE], (N, 1))
        self.rows = SearchRows(self.y, base, None, "kl")

    def candidate(self, method):
        p = (1 - method.lam) * self.share + method.lam * P_BASE
        p += self.bend * (0 < method.lam < 0.9)
        return Candidate(method, None, np.tile([p, 1 - p], (N, 1)), 0.0)

    def fit(self, methods):
        self.fitted += [method.lam for method in methods]
        return [self.candidate(method) for method in methods]

    def serve(self, target):
        """Serve the mixture of two neighbours that comes to `target`, or the nearest model."""

        def serve(candidates, soft_budget):
            assert soft_budget is None or soft_budget > 0
            return np.tile([target, 1 - target], (N, 1))

        return serve

    def search(self, target):
        cold = self.candidate(Cold())
        return search_lambdas(Distill, [cold], self.rows, fit=self.fit, serve=self.serve(target))


@pytest.mark.parametrize(
    ("first", "expected"),
    [(P_NEW, False), (P_NEW + 0.001, True), (P_NEW - 0.001, True), (0.5, False)],
)
def test_fewer_rounds_that_are_as_good(first, expected):
    curve = Curve()
    cold, other = (
        Candidate(Cold(), None, np.tile([p, 1 - p], (N, 1)), 0.0) for p in (P_NEW, first)
    )
    assert fewer_rounds_do(cold, other, curve.rows) == expected


def test_the_first_slope_is_that_of_the_chord():
    curve = Curve()
    curve.search(0.6)
    risk = {p: -(P_NEW * np.log(p) + (1 - P_NEW) * np.log(1 - p)) for p in (P_NEW, P_BASE)}
    divergence = P_BASE * np.log(P_BASE / P_NEW) + (1 - P_BASE) * np.log((1 - P_BASE) / (1 - P_NEW))
    slope = (risk[P_BASE] - risk[P_NEW]) / divergence
    assert curve.fitted[0] == pytest.approx(slope / (1 + slope), abs=1e-3)


def test_nothing_is_fitted_where_nothing_can_be_gained():
    curve = Curve()
    assert curve.search(P_NEW) == []


def test_candidates_come_by_lambda_and_a_failed_fit_ends_the_search():
    curve = Curve()
    found = curve.search(0.6)
    lambdas = [candidate.method.lam for candidate in found]
    assert lambdas == sorted(lambdas)
    curve.fit = lambda methods: []
    assert curve.search(0.6) == []
