import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from holdfast import LowChurnRegressor
from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.selection.regression import Moves
from holdfast.update.rows import held_out_rows

X, Y = make_regression(300, 6, noise=40.0, random_state=0)
BASE = Ridge(alpha=20.0).fit(X[:40], Y[:40])
TREE = DecisionTreeRegressor(max_depth=4, random_state=0)
RANDOM_SPLIT = "the rows held out for the selection are drawn from positions"


class Updated(LowChurnRegressor):
    """With a base model for whatever the checks give."""

    def fit(self, X, y, *, sample_weight=None):
        base = None
        if y is not None and np.asarray(y).size > 3:
            base = np.random.default_rng(0).normal(size=np.asarray(y).size)
        return super().fit(X, y, base_pred=base, sample_weight=sample_weight)


def expected_failures(estimator):
    if not isinstance(estimator, Updated):
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": RANDOM_SPLIT,
        "check_sample_weight_equivalence_on_sparse_data": RANDOM_SPLIT,
    }


@parametrize_with_checks(
    [
        LowChurnRegressor(Ridge()),
        Updated(Ridge(), lambdas=[0.5], churn="squared", max_churn=1e9, random_state=0),
    ],
    expected_failed_checks=expected_failures,
)
def test_estimator_contract(estimator, check):
    check(estimator)


def parts(**options):
    kept, held_out = held_out_rows(len(Y), 0.2, 0, None)
    model = LowChurnRegressor(TREE, BASE, random_state=0, **options).fit(X, Y)
    return model, kept, held_out


def candidates(kept, lambdas, weight=None):
    base = BASE.predict(X)
    return [
        clone(TREE).fit(
            X[kept],
            ((1 - lam) * Y + lam * base)[kept],
            sample_weight=None if weight is None else weight[kept],
        )
        for lam in lambdas
    ]


@pytest.mark.parametrize("weighted", [False, True])
def test_candidates_learn_the_mixed_targets(weighted):
    weight = np.random.default_rng(0).uniform(0.2, 2, len(Y)) if weighted else None
    model = LowChurnRegressor(
        TREE, BASE, mixture="single", lambdas=[0.3, 0.6], min_score=-1e9, random_state=0
    )
    model.set_params(include_base=False).fit(X, Y, sample_weight=weight)
    kept, held_out = held_out_rows(len(Y), 0.2, 0, None)
    expected = candidates(kept, [0.0, 0.3, 0.6], weight)
    assert model.lambdas_.tolist() == [0.0, 0.3, 0.6]
    moves = [
        np.average(
            (m.predict(X[held_out]) - BASE.predict(X[held_out])) ** 2,
            weights=None if weight is None else weight[held_out],
        )
        for m in expected
    ]
    assert [p.soft_churn for p in model.selection_.frontier] == pytest.approx(moves)
    best = int(np.argmin([p.churn_rate for p in model.selection_.frontier]))
    served = int(np.flatnonzero(model.selection_.weights)[0])
    assert model.selection_.frontier[served].churn_rate == (
        model.selection_.frontier[best].churn_rate
    )
    np.testing.assert_allclose(model.predict(X), expected[served].predict(X))


@pytest.mark.parametrize("include_base", [True, False])
def test_squared_budget_against_the_quadratic_program(include_base):
    for share in (0.1, 0.4, 0.8):
        kept, held_out = held_out_rows(len(Y), 0.2, 0, None)
        fitted = candidates(kept, np.arange(10) / 10)
        values = np.stack([m.predict(X[held_out]) for m in fitted])
        base, y = BASE.predict(X[held_out]), Y[held_out]
        if include_base:
            values = np.vstack([values, base])
        weights = cp.Variable(len(values), nonneg=True)
        # Roots of the means: cones, which the solver takes to more digits than squares.
        scale, unit = np.var(y), np.sqrt(np.var(y) * len(y))
        move = cp.norm(values.T @ weights / unit - base / unit)
        error = cp.norm(values.T @ weights / unit - y / unit)
        ends = ((values - base) ** 2).mean(axis=1) / scale
        budget = ends.min() + share * (ends.max() - ends.min())
        best = cp.Problem(cp.Minimize(error), [cp.sum(weights) == 1, move <= np.sqrt(budget)])
        best.solve(solver=cp.CLARABEL)
        assert best.status == "optimal"
        model, *_ = parts(max_churn=budget * scale, churn="squared", include_base=include_base)
        assert model.squared_move_ <= budget * scale * (1 + 1e-9)
        assert model.selection_.risk / scale == pytest.approx(best.value**2, abs=1e-6)


def test_hard_budget_is_kept_on_the_selection_rows():
    for budget in (0.0, 0.1, 0.4):
        model, _, held_out = parts(max_churn=budget, tolerance=15.0)
        moved = np.abs(model.predict(X[held_out]) - BASE.predict(X[held_out])) > 15.0 + 1e-9
        assert moved.mean() <= budget + 1e-12
        assert model.churn_rate_ == pytest.approx(moved.mean())
        assert model.squared_move_ == pytest.approx(
            np.mean((model.predict(X[held_out]) - BASE.predict(X[held_out])) ** 2)
        )
        error = np.mean((model.predict(X[held_out]) - Y[held_out]) ** 2)
        assert model.selection_.risk == pytest.approx(error)
        assert model.selection_.accuracy == pytest.approx(
            r2_score(Y[held_out], model.predict(X[held_out]))
        )


def test_min_score_is_kept_at_lower_churn():
    cold, kept, held_out = parts(churn="squared")
    plain = candidates(kept, [0.0])[0]
    score = r2_score(Y[held_out], plain.predict(X[held_out]))
    assert cold.selection_.accuracy >= score - 1e-9
    moved = np.mean((plain.predict(X[held_out]) - BASE.predict(X[held_out])) ** 2)
    assert cold.squared_move_ <= moved
    number, *_ = parts(churn="squared", min_score=score)
    assert number.squared_move_ == pytest.approx(cold.squared_move_)
    with pytest.raises(InfeasibleBudgetError, match="min_score must be at most") as caught:
        parts(min_score=0.999999)
    assert caught.value.highest_accuracy < 0.999999


def test_infeasible_without_the_base():
    with pytest.raises(InfeasibleBudgetError, match="max_churn must be at least") as caught:
        parts(max_churn=0.0, tolerance=1.0, include_base=False)
    assert 0 < caught.value.lowest_churn <= 1


def test_rows_without_base_prediction():
    base = BASE.predict(X)
    base[::3] = np.nan
    model = LowChurnRegressor(
        TREE, lambdas=[0.5], max_churn=0.9, tolerance=20.0, mixture="single", random_state=0
    ).fit(X, Y, base_pred=base)
    kept, held_out = held_out_rows(len(Y), 0.2, 0, None)
    mixed = np.where(np.isnan(base), Y, (Y + base) / 2)
    half = clone(TREE).fit(X[kept], mixed[kept])
    known = held_out[~np.isnan(base[held_out])]
    point = model.selection_.frontier[1]
    move = half.predict(X[known]) - base[known]
    assert point.soft_churn == pytest.approx(np.mean(move**2))
    assert point.churn_rate == pytest.approx(np.mean(np.abs(move) > 20.0))
    assert model.n_without_base_ == 100
    assert model.base_weight_ == 0
    with pytest.raises(InvalidInputError, match="at least one selection row"):
        LowChurnRegressor(TREE, max_churn=0.9).fit(X, Y, base_pred=np.full(len(Y), np.nan))


def test_a_served_base_that_fails_on_some_rows():
    def holes(X):
        return np.where(X[:, 0] > 2.0, np.nan, BASE.predict(X))

    inside = X[:, 0] <= 2.0
    model = LowChurnRegressor(
        TREE, holes, max_churn=30.0, churn="squared", include_base=True, random_state=0
    ).fit(X[inside], Y[inside])
    assert 0 < model.base_weight_ < 1
    predicted = model.predict(X)
    others = sum(w * m.predict(X) for m, w in zip(model.estimators_, model.weights_, strict=True))
    expected = np.where(
        inside,
        others + model.base_weight_ * BASE.predict(X),
        others / (1 - model.base_weight_),
    )
    np.testing.assert_allclose(predicted, expected)
    model.set_params(max_churn=0.0).fit(X[inside], Y[inside])
    if not model.estimators_:
        with pytest.raises(InvalidInputError, match="when it is served alone"):
            model.predict(X)


def test_rows_of_no_weight_do_not_keep_the_base_out():
    weight = np.ones(len(Y))
    weight[::4] = 0
    model = LowChurnRegressor(
        TREE, BASE, max_churn=0.0, tolerance=1.0, include_base=True, random_state=0
    ).fit(X, Y, sample_weight=weight)
    assert model.churn_rate_ == 0


def test_first_release_is_the_plain_fit():
    model = LowChurnRegressor(TREE, max_churn=0.1).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), clone(TREE).fit(X, Y).predict(X))
    assert model.selection_ is None
    assert model.churn_rate_ is None
    assert model.lambda_ == 0
    with pytest.raises(InvalidInputError, match="seen_by_base must be left out"):
        model.fit(X, Y, seen_by_base=np.zeros(len(Y), dtype=bool))


def test_refit_trains_on_all_rows():
    model = LowChurnRegressor(
        TREE, BASE, lambdas=[0.5], mixture="single", include_base=False, refit=True, random_state=0
    ).fit(X, Y)
    mixed = (1 - model.lambda_) * Y + model.lambda_ * BASE.predict(X)
    np.testing.assert_allclose(model.predict(X), clone(TREE).fit(X, mixed).predict(X))
    assert model.churn_rate_ is None
    assert model.squared_move_ is None


def test_seen_rows_are_never_held_out():
    seen = np.arange(len(Y)) < 280
    model = LowChurnRegressor(TREE, BASE, random_state=0).fit(X, Y, seen_by_base=seen)
    assert model.selection_.n == 10


def test_pipeline_with_weights():
    weight = np.random.default_rng(0).uniform(0.2, 2, len(Y))
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
    first = LowChurnRegressor(make_pipeline(scaler, Ridge())).fit(X, Y, sample_weight=weight)
    scaled = StandardScaler().fit(X, sample_weight=weight)
    plain = Ridge().fit(scaled.transform(X), Y, sample_weight=weight)
    np.testing.assert_allclose(first.predict(X), plain.predict(scaled.transform(X)))
    update = LowChurnRegressor(make_pipeline(scaler, Ridge()), BASE, random_state=0)
    update.fit(X, Y, sample_weight=weight)
    assert np.isfinite(update.predict(X)).all()


def test_frames_reach_the_models_by_name():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    base = Ridge().fit(frame[["c", "a"]][:40], Y[:40])
    model = LowChurnRegressor(
        ExtraTreesRegressor(5, random_state=0), base, lambdas=[0.5], random_state=0
    ).fit(frame, Y)
    assert model.predict(frame).shape == (300,)
    assert model.feature_names_in_.tolist() == list("abcdef")


def test_parallel_grid_and_clone():
    model = LowChurnRegressor(TREE, BASE, churn="squared", random_state=0)
    assert clone(model).base_model is BASE
    before = BASE.coef_.copy()
    one = clone(model).fit(X, Y).predict(X)
    np.testing.assert_array_equal(clone(model).set_params(n_jobs=2).fit(X, Y).predict(X), one)
    grid = GridSearchCV(
        model.set_params(include_base=True), {"max_churn": [100.0, 1000.0]}, cv=2
    ).fit(X, Y)
    assert grid.best_estimator_.base_model is BASE
    np.testing.assert_array_equal(BASE.coef_, before)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_churn": 1.7}, r"max_churn must be in \[0, 1\], got 1.7"),
        ({"max_churn": -1.0, "churn": "squared"}, "max_churn must be in"),
        ({"max_churn": 0.1, "min_score": 0.5}, "only one of max_churn and min_score"),
        ({"min_score": 2.0}, "min_score must be in"),
        ({"tolerance": -1.0}, "tolerance must be in"),
        ({"churn": "kl"}, "churn must be one of 'hard', 'squared'"),
        ({"mixture": "override"}, "mixture must be one of"),
        ({"include_base": "maybe"}, "include_base must be one of 'auto'"),
        ({"validation_fraction": 0.0}, "validation_fraction must be in"),
        ({"lambdas": [2.0]}, "lambdas must be 'auto' or numbers in"),
        ({"base_model": "file.pkl"}, "base_model must have predict or be a callable"),
        ({"base_model": TREE}, "must be two objects, got the same object twice"),
    ],
)
def test_wrong_parameters(options, match):
    model = LowChurnRegressor(TREE, BASE).set_params(**options)
    with pytest.raises(InvalidInputError, match=match):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("base", "match"),
    [
        (np.zeros((300, 2)), r"base_pred must be finite numbers of shape \(n,\), got shape"),
        (np.full(300, np.inf), "base_pred must be finite numbers"),
        (np.zeros(299), "same number of rows"),
        (["high"] * 300, "base_pred must be finite numbers"),
    ],
)
def test_wrong_base_predictions(base, match):
    with pytest.raises(InvalidInputError, match=match):
        LowChurnRegressor(TREE).fit(X, Y, base_pred=base)


def test_base_that_cannot_be_served():
    model = LowChurnRegressor(LinearRegression(), include_base=True, max_churn=1.0)
    with pytest.raises(InvalidInputError, match="include_base must be False or 'auto'"):
        model.fit(X, Y, base_pred=BASE.predict(X))


@pytest.mark.parametrize("n", [7, 600, 1001])
def test_churn_rates_are_the_nearest_numbers(n):
    rng = np.random.default_rng(0)
    for weight in (np.full(n, 1 / n), rng.random(n)):
        weight = weight / weight.sum()
        for changed in (0, 3, n):
            values = (np.arange(n) < changed).astype(float)[None]
            moves = Moves(values, np.zeros(n), np.zeros(n), 0.5, weight, weight)
            rate = moves.measure(np.ones(1)).churn_rate
            assert rate <= 1
            assert rate == pytest.approx(weight[:changed].sum())
            assert weight.max() > weight.min() * 1.001 or rate == changed / n
