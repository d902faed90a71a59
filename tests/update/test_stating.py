"""What is stated of a served model is what its own `predict` answers."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB

from holdfast import LowChurnClassifier, LowChurnRegressor, compare
from holdfast.report.frontier import frontier
from holdfast.report.ladder import ladder
from holdfast.rules import Threshold

X, Y = make_classification(1500, n_features=6, n_informative=5, n_redundant=0, random_state=0)
BASE = GaussianNB().fit(X[:300], Y[:300])
SELECTING = slice(1000, 1500)
OTHERWISE = "answers .* of 500 selection rows otherwise than its candidates' probabilities say"


class Contrary(ClassifierMixin, BaseEstimator):
    """A logistic regression whose `predict` does not follow its probabilities: it says 1 at .3."""

    def fit(self, X, y, sample_weight=None):
        self.inner_ = LogisticRegression().fit(X, y, sample_weight)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)

    def predict(self, X):
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.3).astype(int)]


def update(estimator, **params):
    params = {"lambdas": [0.5], "random_state": 0} | params
    model = LowChurnClassifier(estimator, BASE, **params)
    return model.fit(X[:1000], Y[:1000], validation=(X[SELECTING], Y[SELECTING]))


def assert_stated_is_served(model):
    """Everything stated of the selection rows comes out of `predict`, to the last digit."""
    base, answers = BASE.predict(X[SELECTING]), model.predict(X[SELECTING])
    expected = compare(base, answers, Y[SELECTING])
    assert model.comparison_.to_dict() == expected.to_dict()
    assert model.selection_.churn_rate == expected.churn_rate
    assert model.selection_.accuracy == expected.accuracy_new
    for name, (_, value) in model.selection_.others.items():
        assert name == "negative flips"
        assert value == pytest.approx(expected.negative_flip_rate, abs=1e-15)


@pytest.mark.parametrize(
    "params",
    [
        {"max_churn": 0.05},
        {"max_churn": 0.05, "max_negative_flips": 0.02},
        {"max_churn": 0.05, "average_in": "log_odds"},
        {"max_churn": 0.08, "mixture": "single"},
        {"max_churn": 0.05, "mixture": "override"},
        {"max_churn": 0.03, "method": "auto"},
        {"max_churn": 0.01, "churn": "kl"},
        {},
        {"max_churn": 0.08, "confidence": 0.9},
        {"max_churn": 0.08, "confidence": 0.9, "mixture": "override"},
    ],
    ids=str,
)
def test_what_is_stated_is_what_is_served(params):
    model = update(LogisticRegression(), **params)
    if "confidence" not in params:  # half of the rows certify there
        assert_stated_is_served(model)
        tighter = model.with_budget(max_churn=0.5 * params.get("max_churn", 0.04))
        assert_stated_is_served(tighter)
    rows = model._update.selecting
    answers = model.predict(rows.X)
    assert model.comparison_.churn_rate == np.mean(answers != BASE.predict(rows.X))
    if model.certificate_ is not None:
        certifying = model._update.certification.rows
        changed = model.predict(certifying.X) != BASE.predict(certifying.X)
        assert model.certificate_.limits[0].value == changed.mean()


def test_a_model_that_answers_otherwise_is_measured_by_its_answers():
    with pytest.warns(UserWarning, match=OTHERWISE):
        model = update(Contrary(), max_churn=0.1, mixture="single", include_base=False)
    assert_stated_is_served(model)
    proba = model.predict_proba(X[SELECTING])
    by_argmax = np.mean(proba.argmax(axis=1) != BASE.predict(X[SELECTING]))
    assert by_argmax <= 0.1 < model.comparison_.churn_rate
    with pytest.warns(UserWarning, match=OTHERWISE):
        steps = ladder(model)["steps"]
    chosen = next(step for step in steps if step["chosen"])
    assert chosen["churn_rate"] == model.comparison_.churn_rate
    (point,) = (point for point in frontier(model)["points"] if point["chosen"])
    assert point["churn_rate"] == model.comparison_.churn_rate


def test_candidates_are_compared_by_their_answers():
    with pytest.warns(UserWarning, match=OTHERWISE):
        model = update(Contrary(), max_churn=0.1, mixture="single", include_base=False)
    cold = model.path_.candidates[0].estimator.predict(X[SELECTING])
    expected = compare(BASE.predict(X[SELECTING]), cold, Y[SELECTING])
    assert model.compare_candidate().to_dict() == expected.to_dict()


def test_a_certificate_is_of_the_answers():
    options = {"max_churn": 0.3, "confidence": 0.9, "mixture": "single", "include_base": False}
    with pytest.warns(UserWarning, match="otherwise than its candidates' probabilities say"):
        model = update(Contrary(), **options)
    rows = model._update.certification.rows
    churn = np.mean(model.predict(rows.X) != BASE.predict(rows.X))
    assert model.certificate_.limits[0].value == churn
    assert model.certificate_.limits[0].upper <= 0.3
    with pytest.raises(ValueError, match="must be a budget that the rows can certify"):
        update(Contrary(), **options | {"max_churn": 0.12})


def test_an_answer_that_is_no_class_is_refused():
    """It must not be counted as one of the classes."""

    class Astray(Contrary):
        def predict(self, X):
            return np.full(len(X), 7)

    with pytest.raises(ValueError, match=r"must predict classes of y, got 7 .* none of \[0, 1\]"):
        update(Astray(), max_churn=1.0, mixture="single", include_base=False)


def test_ties_are_no_difference():
    """Copies of one model average to probabilities that differ by rounding alone."""
    halves = np.full((1500, 2), 0.5)
    halves[::2] = [0.9, 0.1]

    class Known(Contrary):
        def predict_proba(self, X):
            return halves[: len(X)] + 1e-9 * (len(X) == 500) * np.array([1, -1])

        def predict(self, X):
            return self.classes_[(halves[: len(X), 1] >= 0.5).astype(int)]

    model = update(Known(), max_churn=1.0, mixture="single", include_base=False)
    assert_stated_is_served(model)


def test_after_a_refit_nothing_is_stated():
    model = update(LogisticRegression(), max_churn=0.05, refit=True)
    assert model.comparison_ is None
    assert model.certificate_ is None
    stated = [model.selection_.risk, model.selection_.accuracy]
    stated += [model.selection_.churn_rate, model.selection_.soft_churn]
    assert np.isnan(stated).all()
    assert frontier(model) is None
    assert ladder(model) is None


def test_a_threshold_is_part_of_the_answer():
    estimator = FixedThresholdClassifier(LogisticRegression(), threshold=0.2)
    model = update(estimator, method="cold", max_churn=1.0, include_base=False)
    assert model.rule_ == Threshold(0.2)
    assert_stated_is_served(model)
    np.testing.assert_array_equal(
        model.predict(X[SELECTING]), (model.predict_proba(X[SELECTING])[:, 1] >= 0.2).astype(int)
    )


def test_a_regressor_is_measured_by_its_predictions():
    values = X[:, 0] * 2 + X[:, 1]
    base = Ridge(alpha=900.0).fit(X[:300], values[:300])
    model = LowChurnRegressor(Ridge(), base, max_churn=0.2, tolerance=0.2, random_state=0)
    model.fit(X, values)
    assert model.selection_.churn_rate == model.churn_rate_
    assert 0 < model.churn_rate_ <= 0.2
    again = LowChurnRegressor(Ridge(), base, max_churn=0.2, tolerance=0.2, refit=True)
    again.fit(X, values)
    assert again.churn_rate_ is None
    assert np.isnan(again.selection_.churn_rate)
